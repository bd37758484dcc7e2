/*
 * Modules with one thing wrong each, and a few unusual ones with nothing wrong, for the tests of the catalog. Which one is
 * built is said by BROKEN_..., what it calls itself by BROKEN_NAME.
 */
#include <stdlib.h>

#include "larder/plugin/discovery.h"
#include "larder/plugin/eviction.h"
#include "larder/plugin/hash.h"

#if defined(BROKEN_NO_SYMBOL)

LARDER_API const int some_other_symbol = 1;

#elif defined(BROKEN_FUNCTION_SYMBOL)

LARDER_API void larder_plugin_table(void);
void larder_plugin_table(void)
{
}

#elif defined(BROKEN_SMALL_SYMBOL)

LARDER_API extern const int larder_plugin_table;
const int larder_plugin_table = LARDER_PLUGIN_EVICTION;

#elif defined(BROKEN_DISCOVERY_ABI)

static void *discovery_open(const struct larder_discovery_host *host, const struct larder_param_value *params)
{
    (void)params;
    return (void *)host;
}

static enum larder_status discovery_start(void *state)
{
    (void)state;
    return LARDER_OK;
}

static void discovery_close(void *state)
{
    (void)state;
}

LARDER_PLUGIN_DEFINE(struct larder_discovery, LARDER_PLUGIN_DISCOVERY, LARDER_DISCOVERY_ABI - 1, BROKEN_NAME, "broken",
                     NULL, .open = discovery_open, .start = discovery_start, .close = discovery_close);

#elif defined(BROKEN_HASH)

static uint64_t hash_digest(const void *data, size_t length, uint64_t seed)
{
    (void)data;
    return length ^ seed;
}

LARDER_HASH(BROKEN_NAME, "a hash", NULL, hash_digest);

#else /* an eviction policy */

/* What the table says, unless a variant says otherwise. */
#ifndef BROKEN_KIND
#define BROKEN_KIND LARDER_PLUGIN_EVICTION
#endif
#ifndef BROKEN_ABI
#define BROKEN_ABI LARDER_EVICTION_ABI
#endif
#ifndef BROKEN_SIZE
#define BROKEN_SIZE sizeof(struct table)
#endif
#ifndef BROKEN_HELP
#define BROKEN_HELP "a policy of the tests"
#endif
#ifndef BROKEN_HIT_MAX
#define BROKEN_HIT_MAX 1
#endif
#ifndef BROKEN_EVICT
#define BROKEN_EVICT evict
#endif
#ifndef BROKEN_HIT
#define BROKEN_HIT NULL
#endif
#ifndef BROKEN_PARAMS
#define BROKEN_PARAMS NULL
#endif

/* The members that every policy has had since ABI 1, and as the variant wants fewer or more than the host knows. */
struct table {
    struct larder_plugin head;
    uint32_t hit_max, slot_bytes;
    void *(*open)(const struct larder_eviction_env *env);
    void (*close)(void *state);
    uint32_t (*evict)(void *state);
    void (*insert)(void *state, uint32_t slot, const struct larder_object *object);
    void (*remove)(void *state, uint32_t slot);
    void (*hit)(void *state, uint32_t slot);
#ifndef BROKEN_SHORT
    void (*prepare)(void *state, const struct larder_object *object);
    void (*update)(void *state, uint32_t slot, const struct larder_object *object);
    uint64_t (*extra_bytes)(const void *state);
#endif
#ifdef BROKEN_LONG
    void *members_of_a_later_version[16];
#endif
};

static void *open_state(const struct larder_eviction_env *env)
{
    (void)env;
    return calloc(1, 1);
}

static void close_state(void *state)
{
    free(state);
}

uint32_t evict(void *state);
uint32_t evict(void *state)
{
    (void)state;
#ifdef BROKEN_UNDEFINED
    extern uint32_t nobody_defines_this(void);
    return nobody_defines_this();
#else
    return LARDER_NO_SLOT;
#endif
}

static void insert(void *state, uint32_t slot, const struct larder_object *object)
{
    (void)state, (void)slot, (void)object;
}

void touch(void *state, uint32_t slot);
void touch(void *state, uint32_t slot)
{
    (void)state, (void)slot;
}

#ifdef BROKEN_DEFAULT
static const struct larder_param params[] = {
    {.name = "share", .type = LARDER_PARAM_INT, .default_text = "101", .minimum = 1, .maximum = 100, .help = "a share"},
    {.name = NULL},
};
#endif

LARDER_PLUGIN_LINKAGE LARDER_API const struct table larder_plugin_table;
const struct table larder_plugin_table = {
    .head = {BROKEN_KIND, BROKEN_ABI, BROKEN_SIZE, BROKEN_NAME, BROKEN_HELP, BROKEN_PARAMS},
    .hit_max = BROKEN_HIT_MAX,
    .open = open_state,
    .close = close_state,
    .evict = BROKEN_EVICT,
    .insert = insert,
    .remove = touch,
    .hit = BROKEN_HIT,
#ifdef BROKEN_LONG
    .members_of_a_later_version = {(void *)(uintptr_t)1},
#endif
};

#endif
