/*
 * The etcd discovery with a node that only writes down what it is told.
 *
 *     etcd_host PARAMETERS [name=a] [zone=z] [weight=2] [settings=TEXT] [address=http:127.0.0.1:8001]... [fail=N]
 *
 * PARAMETERS are the module's, as YAML; without a name it is a gateway. It prints a JSON object a line for each thing that happens
 * and takes commands, a line each: leave, close. `every=N` makes each Nth allocation fail from start()
 * to the command "enough"; `each=1` has it open, start and close again and again, each time with the next allocation failing, until
 * there are no more.
 */
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/runtime.h"
#include "core/config/schema.h"
#include "fail.h"
#include "larder/plugin/discovery.h"

extern const struct larder_discovery larder_plugin_table__discovery_etcd;
static const struct larder_discovery *const table = &larder_plugin_table__discovery_etcd;

struct host {
    struct larder_discovery_host base; /* first: callbacks are given its address */
    struct larder_member self;
    struct larder_address addresses[8];
    char reason[1024];
    size_t every;
    bool each;
};

/* ------------------------------------------------------------------------------------------------ what is told */

/* Prints the event and frees it. */
static void print(json_t *event)
{
    bool before = fail_exempt(true);
    char *text = json_dumps(event, JSON_COMPACT);
    flockfile(stdout);
    puts(text != NULL ? text : "{\"event\": \"unprintable\"}");
    fflush(stdout);
    funlockfile(stdout);
    free(text);
    json_decref(event);
    fail_exempt(before);
}

/* Text of any bytes. */
static json_t *json_text(const char *text)
{
    json_t *value = json_string(text);
    return value != NULL ? value : json_string("(not UTF-8)");
}

static void on_log(const struct larder_host *host, enum larder_log_level level, const char *format, ...)
{
    static const char *const levels[] = {"error", "warn", "info", "debug"};
    char text[2048];
    (void)host;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    bool before = fail_exempt(true);
    print(json_pack("{s:s, s:s, s:o}", "event", "log", "level", levels[level], "text", json_text(text)));
    fail_exempt(before);
}

static enum larder_status on_fail(const struct larder_host *host, enum larder_status status, const char *format, ...)
{
    struct host *own = (struct host *)(void *)host;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(own->reason, sizeof own->reason, format, arguments);
    va_end(arguments);
    return status;
}

static json_t *describe(const struct larder_member *member)
{
    json_t *addresses = json_object();
    for (size_t i = 0; i < member->address_count; i++)
        json_object_set_new(addresses, member->addresses[i].transport, json_string(member->addresses[i].address));
    return json_pack("{s:s, s:I, s:s, s:I, s:b, s:o}", "name", member->name, "weight", (json_int_t)member->weight,
                     "zone", member->zone != NULL ? member->zone : "", "incarnation", (json_int_t)member->incarnation,
                     "leaving", member->leaving, "addresses", addresses);
}

static enum larder_status on_members(const struct larder_discovery_host *host, uint64_t epoch,
                                     const struct larder_member *members, size_t count)
{
    bool before = fail_exempt(true);
    json_t *list = json_array();
    (void)host;
    for (size_t i = 0; i < count; i++)
        json_array_append_new(list, describe(&members[i]));
    print(json_pack("{s:s, s:I, s:o}", "event", "members", "epoch", (json_int_t)epoch, "members", list));
    fail_exempt(before);
    return LARDER_OK;
}

static void on_lease(const struct larder_discovery_host *host, uint64_t until)
{
    uint64_t now = larder_now(host->base.runtime);
    double left = until > now ? (double)(until - now) / 1e9 : 0;
    bool before = fail_exempt(true);
    print(
        json_pack("{s:s, s:b, s:f, s:f}", "event", "lease", "held", until != 0, "left", left, "at", (double)now / 1e9));
    fail_exempt(before);
}

static void on_founded(const struct larder_discovery_host *host)
{
    (void)host;
    bool before = fail_exempt(true);
    print(json_pack("{s:s}", "event", "founded"));
    fail_exempt(before);
}

/* A step that the host itself took, and how long it took. */
static void print_step(const struct host *host, const char *what, enum larder_status status, uint64_t since)
{
    double took = (double)(larder_now(host->base.base.runtime) - since) / 1e9;
    print(json_pack("{s:s, s:s, s:o, s:f}", "event", what, "status", larder_status_name(status), "reason",
                    json_text(status == LARDER_OK ? "" : host->reason), "took", took));
}

/* ------------------------------------------------------------------------------------------------ what is asked */

static void take_argument(struct host *host, char *argument)
{
    char *value = strchr(argument, '=');
    if (value == NULL)
        exit(2);
    *value++ = '\0';
    if (strcmp(argument, "name") == 0) {
        host->self.name = host->base.base.node_name = value;
        host->base.self = &host->self;
    } else if (strcmp(argument, "zone") == 0) {
        host->self.zone = value;
    } else if (strcmp(argument, "weight") == 0) {
        host->self.weight = (uint32_t)atoi(value);
    } else if (strcmp(argument, "settings") == 0) {
        host->base.settings = value;
    } else if (strcmp(argument, "address") == 0 && strchr(value, ':') != NULL && host->self.address_count < 8) {
        char *address = strchr(value, ':');
        *address++ = '\0';
        host->addresses[host->self.address_count++] = (struct larder_address){value, address};
    } else if (strcmp(argument, "each") == 0) {
        host->each = true;
    } else if (strcmp(argument, "every") == 0) {
        host->every = (size_t)atoll(value);
    } else {
        exit(2);
    }
}

static void *open_module(struct host *host, const char *yaml, struct ldr_arena *arena)
{
    struct ldr_errors errors = {0};
    struct ldr_tree *tree = ldr_tree_parse(yaml, strlen(yaml), "parameters");
    const struct larder_param_value *params = tree != NULL
                                                  ? ldr_schema_check(tree, table->head.params, NULL, arena, &errors)
                                                  : NULL;
    if (params == NULL || errors.count > 0) {
        snprintf(host->reason, sizeof host->reason, "%.*s", (int)sizeof host->reason - 1, errors.first);
        ldr_tree_free(tree);
        return NULL;
    }
    fail_exempt(false);
    void *state = table->open(&host->base, params);
    fail_exempt(true);
    ldr_tree_free(tree);
    return state;
}

static void take_commands(struct host *host, void *state)
{
    char line[64];
    while (fgets(line, sizeof line, stdin) != NULL && strcmp(line, "close\n") != 0) {
        uint64_t since = larder_now(host->base.base.runtime);
        if (strcmp(line, "leave\n") == 0) {
            fail_exempt(false);
            enum larder_status status = table->leave(state);
            fail_exempt(true);
            print_step(host, "left", status, since);
        } else if (strcmp(line, "enough\n") == 0) {
            print(json_pack("{s:s, s:I}", "event", "enough", "failures", (json_int_t)fail_no_more()));
        }
    }
}

/* Whether a failure was for the reason that it should be. */
static bool out_of_memory(const struct host *host)
{
    return strcmp(host->reason, "out of memory") == 0;
}

/* Opens, starts and closes with one allocation failing. False: there is none of that number, or something is wrong. */
static bool survive(struct host *host, const char *yaml, struct ldr_arena *arena, size_t number, size_t *refused)
{
    host->reason[0] = '\0';
    fail_one(number);
    void *state = open_module(host, yaml, arena);
    if (state == NULL) {
        ++*refused;
        return fail_no_more() > 0 && out_of_memory(host);
    }
    fail_exempt(false);
    enum larder_status status = table->start(state);
    table->close(state);
    fail_exempt(true);
    return fail_no_more() > 0 && (status == LARDER_OK || out_of_memory(host));
}

static int try_each(struct host *host, const char *yaml, struct ldr_arena *arena)
{
    size_t number = 0, refused = 0;
    while (survive(host, yaml, arena, number, &refused))
        number++;
    print(json_pack("{s:s, s:I, s:I, s:s}", "event", "tried", "allocations", (json_int_t)number, "refused",
                    (json_int_t)refused, "reason", host->reason));
    return 0;
}

static int run(struct host *host, const char *yaml, struct ldr_arena *arena)
{
    uint64_t since = larder_now(host->base.base.runtime);
    void *state = open_module(host, yaml, arena);
    print_step(host, "opened", state != NULL ? LARDER_OK : LARDER_INVALID, since);
    if (state == NULL)
        return 1;
    since = larder_now(host->base.base.runtime);
    if (host->every > 0)
        fail_every(host->every);
    fail_exempt(false);
    enum larder_status status = table->start(state);
    fail_exempt(true);
    print_step(host, "started", status, since);
    if (status == LARDER_OK)
        take_commands(host, state);
    since = larder_now(host->base.base.runtime);
    table->close(state);
    print_step(host, "closed", LARDER_OK, since);
    return 0;
}

int main(int count, char **arguments)
{
    const struct larder_runtime *runtime = ldr_runtime_open(1, 1);
    struct ldr_arena *arena = ldr_arena_open();
    struct host host = {
        .base = {.base = {.log = on_log, .fail = on_fail, .runtime = runtime, .node_name = "gateway"},
                 .members = on_members,
                 .settings = "hash=test",
                 .lease = on_lease,
                 .founded = on_founded},
        .self = {.weight = 1, .addresses = host.addresses},
    };
    if (runtime == NULL || arena == NULL || count < 2)
        return 2;
    fail_exempt(true);
    json_set_alloc_funcs(fail_malloc, fail_free);
    for (int i = 2; i < count; i++)
        take_argument(&host, arguments[i]);
    int code = host.each ? try_each(&host, arguments[1], arena) : run(&host, arguments[1], arena);
    ldr_arena_close(arena);
    ldr_runtime_close(runtime);
    return code;
}
