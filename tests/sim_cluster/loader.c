/* The loader "memory": the way to the simulated origin. */
#define LARDER_PLUGIN_STATIC sim_loader
#include "modules.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/bytes.h"
#include "world.h"

struct memory_loader {
    struct sim_world *world;
    unsigned node;
};

struct sim_load {
    struct larder_timer timer; /* first: when the origin answers */
    struct sim_load *next, **link;
    struct memory_loader *loader;
    struct larder_load *load;
    enum larder_status status;
    unsigned key, number;
};

void sim_key_name(unsigned key, char name[SIM_KEY_TEXT])
{
    snprintf(name, SIM_KEY_TEXT, "k%u", key);
}

unsigned sim_key_of(struct larder_slice slice)
{
    const char *text = slice.data;
    unsigned key = 0;
    if (slice.size < 2 || slice.size > 3 || text[0] != 'k' || (text[1] == '0' && slice.size > 2))
        return SIM_KEYS;
    for (size_t i = 1; i < slice.size; i++) {
        if (text[i] < '0' || text[i] > '9')
            return SIM_KEYS;
        key = key * 10 + (unsigned)(text[i] - '0');
    }
    return key < SIM_KEYS ? key : SIM_KEYS;
}

static void *memory_open(const struct larder_host *host, const struct larder_param_value *values)
{
    (void)values;
    struct memory_loader *loader = sim_allocate(sizeof *loader);
    loader->world = sim_world_of(host->runtime);
    loader->node = sim_node_of(host->node_name);
    return loader;
}

static void finish(struct sim_load *load, enum larder_status status)
{
    struct sim_world *world = load->loader->world;
    struct larder_load *asked = load->load;
    struct larder_load_result result = {
        .status = status,
        .ttl_ms = SIM_ORIGIN_TTL_MS,
        .stale_while_revalidate_ms = SIM_ORIGIN_WINDOW_MS / 4,
        .stale_if_error_ms = SIM_ORIGIN_WINDOW_MS,
    };
    char value[SIM_VALUE_TEXT];
    *load->link = load->next;
    if (load->next != NULL)
        load->next->link = load->link;
    world->origin.active[load->key][load->loader->node]--;
    if (status == LARDER_OK) {
        snprintf(value, sizeof value, "k%u=o%u", load->key, load->number);
        result.value = ldr_slice_text(value);
    }
    free(load);
    asked->done(asked, &result);
}

static void answer(struct larder_timer *timer)
{
    struct sim_load *load = (struct sim_load *)timer;
    finish(load, load->status);
}

/* What becomes of a load, and when. */
static uint64_t decide(struct sim_world *world, struct sim_load *load)
{
    const struct sim_origin *origin = &world->origin;
    uint64_t half = origin->delay_ns / 2;
    uint64_t at = larder_now(&world->runtime) + half + sim_draw(world, half + 1);
    load->status = load->key >= SIM_KEYS_NONE ? LARDER_NOT_FOUND : LARDER_OK;
    if (sim_chance(world, origin->failing_permille))
        load->status = LARDER_LOAD_FAILED;
    if (sim_chance(world, origin->hanging_permille) || at >= load->load->deadline) {
        load->status = LARDER_DEADLINE;
        at = load->load->deadline;
    }
    return at;
}

static void memory_load(void *state, struct larder_load *asked)
{
    struct memory_loader *loader = state;
    struct sim_world *world = loader->world;
    struct sim_origin *origin = &world->origin;
    struct sim_load *load = sim_allocate(sizeof *load);
    load->timer.fire = answer;
    load->loader = loader;
    load->load = asked;
    load->key = sim_key_of(asked->key);
    if (load->key == SIM_KEYS || !ldr_slice_equal(asked->group, ldr_slice_text(SIM_GROUP))) {
        sim_fail(world, "node %s loads key %.*s, which nobody asked for", sim_node_name(loader->node),
                 (int)asked->key.size, (const char *)asked->key.data);
        load->key = 0;
    }
    load->number = ++origin->loads[load->key];
    /* A write closes a flight to late comers, so only keys that are never written have one load at a time. */
    if (++origin->active[load->key][loader->node] > 1 && load->key >= SIM_KEYS_READ)
        sim_fail(world, "node %s loads key k%u twice at a time", sim_node_name(loader->node), load->key);
    load->next = origin->under_way;
    load->link = &origin->under_way;
    if (load->next != NULL)
        load->next->link = &load->next;
    origin->under_way = load;
    world->runtime.timer_start(&world->runtime, &load->timer, decide(world, load));
}

static void memory_close(void *state)
{
    struct memory_loader *loader = state;
    if (loader == NULL)
        return;
    struct sim_world *world = loader->world;
    for (struct sim_load *load = world->origin.under_way, *next; load != NULL; load = next) {
        next = load->next;
        if (load->loader != loader)
            continue;
        world->runtime.timer_cancel(&world->runtime, &load->timer);
        finish(load, LARDER_LOAD_FAILED);
    }
    free(loader);
}

LARDER_LOADER("memory", "a simulated origin", NULL, .open = memory_open, .load = memory_load, .close = memory_close);
