/*
 * A transport, TRANSPORT, with a node that is not there: what it is asked is answered from a table, and some keys behave
 * badly on purpose, so that tests see every answer a node can give.
 *
 *     slow:MS:...    answered after MS milliseconds, on another thread      hop:...     at once, on another thread
 *     never:...      answered with DEADLINE when the deadline comes         big:N       a value of N bytes
 *     fail:STATUS    answered with the status of that number and a message
 *     left:...       the milliseconds until the deadline, as text
 *
 * Run with the transport's parameters as YAML: host '{listen: "127.0.0.1:0", workers: 2}'. It prints the address and takes
 * commands, a line each: stats, drain MS, ready 0|1, quit; fail N makes every Nth allocation of the transport fail, and failed
 * tells how many did. It exits with 1 when a pin or a request was lost.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "core/base/fail.h"
#include "core/base/runtime.h"
#include "core/config/schema.h"
#include "fail.h"
#include "map.h"

extern const struct larder_transport TRANSPORT;

struct host {
    struct larder_transport_host base; /* first: submit() is given its address */
    struct map map;
    atomic_size_t submitted, completed;
    atomic_bool ready;
};

/* A request that is answered later. */
struct later {
    struct larder_timer timer;
    struct larder_task task;
    struct host *host;
    const struct larder_request *request;
    enum larder_status status;
    larder_reply_fn done;
    void *arg;
};

static void finish(struct host *host, struct larder_reply *reply, larder_reply_fn done, void *arg)
{
    atomic_fetch_add_explicit(&host->completed, 1, memory_order_relaxed);
    done(arg, reply);
}

static void document(struct larder_reply *reply, const char *text)
{
    reply->value = (struct larder_slice){text, strlen(text)};
}

static void administer(struct host *host, const struct larder_request *request, struct larder_reply *reply)
{
    char text[128];
    pthread_mutex_lock(&host->map.lock);
    size_t entries = host->map.entries, bytes = host->map.bytes;
    pthread_mutex_unlock(&host->map.lock);
    switch (request->operation) {
    case LARDER_OP_GROUP_LIST: document(reply, "{\"groups\":[\"default\",\"g\"]}"); break;
    case LARDER_OP_GROUP_GET: document(reply, "{\"name\":\"g\",\"eviction\":\"lru\"}"); break;
    case LARDER_OP_GROUP_PUT: reply->flags = request->group.size == 3 ? LARDER_REPLY_CREATED : 0; break;
    case LARDER_OP_GROUP_STATS: {
        snprintf(text, sizeof text, "{\"entries\":%zu,\"value_bytes\":%zu,\"cluster\":%s}", entries, bytes,
                 (request->flags & LARDER_REQUEST_CLUSTER) != 0 ? "true" : "false");
        struct map_value *value = map_value_new(&host->map, strlen(text));
        memcpy(value->bytes, text, value->size);
        map_pin(&host->map, value, reply);
        break;
    }
    case LARDER_OP_STATS: document(reply, "{\"node\":\"test\",\"groups\":[]}"); break;
    case LARDER_OP_CLUSTER: document(reply, "{\"members\":[]}"); break;
    case LARDER_OP_TOP: {
        snprintf(text, sizeof text, "{\"group\":\"%.*s\",\"asked\":%.*s,\"cluster\":%s}", (int)request->group.size,
                 (const char *)request->group.data, request->value.size > 0 ? (int)request->value.size : 4,
                 request->value.size > 0 ? (const char *)request->value.data : "null",
                 (request->flags & LARDER_REQUEST_CLUSTER) != 0 ? "true" : "false");
        struct map_value *value = map_value_new(&host->map, strlen(text));
        memcpy(value->bytes, text, value->size);
        map_pin(&host->map, value, reply);
        break;
    }
    case LARDER_OP_METRICS: document(reply, "# TYPE larder_gets_total counter\nlarder_gets_total 1\n"); break;
    case LARDER_OP_READY: reply->status = atomic_load(&host->ready) ? LARDER_OK : LARDER_UNAVAILABLE; break;
    default: break;
    }
}

static bool known_group(struct larder_slice group)
{
    return (group.size == 1 && memcmp(group.data, "g", 1) == 0) ||
           (group.size == 7 && memcmp(group.data, "default", 7) == 0) ||
           (group.size == 3 && memcmp(group.data, "new", 3) == 0) ||
           (group.size == 4 && memcmp(group.data, "tiny", 4) == 0);
}

static void expect(const struct larder_transport_host *host, const struct larder_request *const *requests, size_t count)
{
    (void)host; /* keeps nothing that would have to be fetched */
    (void)requests;
    (void)count;
}

static uint64_t value_limit(const struct larder_transport_host *host, struct larder_slice group)
{
    (void)host;
    return !known_group(group) ? 0 : group.size == 4 ? 1000 : 8u << 20;
}

static bool begins(const struct larder_request *request, const char *prefix)
{
    size_t size = strlen(prefix);
    return request->operation == LARDER_OP_GET && request->key.size >= size &&
           memcmp(request->key.data, prefix, size) == 0;
}

static unsigned long long number_after(const struct larder_request *request, const char *prefix)
{
    char text[24] = "";
    size_t size = request->key.size - strlen(prefix);
    memcpy(text, (const char *)request->key.data + strlen(prefix), size < 23 ? size : 23);
    return strtoull(text, NULL, 10);
}

static void answer(struct host *host, const struct larder_request *request, enum larder_status status,
                   larder_reply_fn done, void *arg)
{
    struct larder_reply reply = {.status = status};
    const struct larder_runtime *runtime = host->base.base.runtime;
    if (status != LARDER_OK) {
        reply.message = (struct larder_slice){"because \"it\" \x01 said so", 22};
    } else if (request->operation >= LARDER_OP_GROUP_LIST && request->group.size == 0) {
        administer(host, request, &reply);
    } else if (!known_group(request->group)) {
        reply.status = LARDER_NO_GROUP;
    } else if (request->operation >= LARDER_OP_GROUP_LIST) {
        administer(host, request, &reply);
    } else if (request->key.size == 0) {
        reply.status = LARDER_INVALID;
    } else if (begins(request, "big:")) {
        struct map_value *value = map_value_new(&host->map, (size_t)number_after(request, "big:"));
        for (size_t i = 0; i < value->size; i++)
            value->bytes[i] = (char)('a' + i % 26);
        map_pin(&host->map, value, &reply);
        reply.ttl_ms = LARDER_TTL_NONE;
        reply.version = (struct larder_version){1, value->size};
    } else if (begins(request, "left:")) {
        uint64_t now = larder_now(runtime), left = request->deadline > now ? request->deadline - now : 0;
        char text[24];
        struct map_value *value = map_value_new(
            &host->map, (size_t)snprintf(text, sizeof text, "%llu", (unsigned long long)(left / LARDER_NS_PER_MS)));
        memcpy(value->bytes, text, value->size);
        map_pin(&host->map, value, &reply);
    } else {
        map_execute(&host->map, request, runtime->wall_ms(runtime), &reply);
    }
    finish(host, &reply, done, arg);
}

static void answer_later(struct later *later)
{
    answer(later->host, later->request, later->status, later->done, later->arg);
    free(later);
}

static void fire(struct larder_timer *timer)
{
    answer_later((struct later *)timer);
}

static void run(struct larder_task *task)
{
    answer_later((struct later *)((char *)task - offsetof(struct later, task)));
}

static void submit(const struct larder_transport_host *base, const struct larder_request *request, larder_reply_fn done,
                   void *arg)
{
    struct host *host = (struct host *)(uintptr_t)base;
    const struct larder_runtime *runtime = base->base.runtime;
    atomic_fetch_add_explicit(&host->submitted, 1, memory_order_relaxed);
    bool slow = begins(request, "slow:"), never = begins(request, "never:"), hop = begins(request, "hop:");
    if (!slow && !never && !hop) {
        enum larder_status status = begins(request, "fail:") ? (enum larder_status)number_after(request, "fail:")
                                                             : LARDER_OK;
        answer(host, request, status, done, arg);
        return;
    }
    struct later *later = unfailing_malloc(sizeof *later);
    if (later == NULL)
        abort();
    *later = (struct later){.timer = {.fire = fire},
                            .task = {.run = run},
                            .host = host,
                            .request = request,
                            .status = never ? LARDER_DEADLINE : LARDER_OK,
                            .done = done,
                            .arg = arg};
    if (hop)
        runtime->post(runtime, &later->task);
    else
        runtime->timer_start(runtime, &later->timer,
                             never ? request->deadline : larder_deadline_in(runtime, number_after(request, "slow:")));
}

static void to_standard_error(const struct larder_host *host, enum larder_log_level level, const char *format, ...)
{
    (void)host;
    (void)level;
    va_list arguments;
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
}

static enum larder_status fail(const struct larder_host *host, enum larder_status status, const char *format, ...)
{
    (void)host;
    va_list arguments;
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
    return status;
}

static void report(void *arg, const char *line)
{
    (void)arg;
    fprintf(stderr, "%s\n", line);
}

static void *open_transport(struct host *host, const char *text)
{
    struct ldr_tree *tree = ldr_tree_parse(text, strlen(text), "parameters");
    struct ldr_arena *arena = ldr_arena_open();
    struct ldr_errors errors = {.report = report};
    const struct larder_param_value *params = tree == NULL || arena == NULL
                                                  ? NULL
                                                  : ldr_schema_check(tree, TRANSPORT.head.params, NULL, arena, &errors);
    void *state = params == NULL || errors.count > 0 ? NULL : TRANSPORT.open(&host->base, params);
    ldr_arena_close(arena);
    ldr_tree_free(tree);
    return state;
}

static void print_stats(struct host *host, void *state)
{
    struct larder_transport_stats stats;
    TRANSPORT.stats(state, &stats);
    printf("{\"connections\":%llu,\"accepted\":%llu,\"refused\":%llu,\"requests_refused\":%llu,\"pins\":%zu,"
           "\"submitted\":%zu,\"completed\":%zu,\"ok\":%llu,\"not_found\":%llu}\n",
           (unsigned long long)stats.connections, (unsigned long long)stats.connections_accepted,
           (unsigned long long)stats.connections_refused, (unsigned long long)stats.requests_refused,
           atomic_load(&host->map.pins), atomic_load(&host->submitted), atomic_load(&host->completed),
           (unsigned long long)stats.requests[LARDER_OK], (unsigned long long)stats.requests[LARDER_NOT_FOUND]);
}

static void serve(struct host *host, void *state)
{
    char line[256];
    while (fgets(line, sizeof line, stdin) != NULL && strcmp(line, "quit\n") != 0) {
        if (strcmp(line, "stats\n") == 0)
            print_stats(host, state);
        if (strncmp(line, "fail ", 5) == 0)
            fail_every((unsigned)strtoul(line + 5, NULL, 10));
        if (strcmp(line, "failed\n") == 0)
            printf("%zu\n", failed_allocations());
        if (strncmp(line, "ready ", 6) == 0)
            atomic_store(&host->ready, line[6] == '1');
        if (strncmp(line, "drain ", 6) == 0) {
            uint64_t ms = strtoull(line + 6, NULL, 10);
            TRANSPORT.drain(state, larder_deadline_in(host->base.base.runtime, ms));
            puts("drained");
        }
        fflush(stdout);
    }
}

static void raise_descriptors(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && getenv("TEST_NOFILE") == NULL) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
}

int main(int argc, char **argv)
{
    static struct host host;
    raise_descriptors();
    map_open(&host.map);
    atomic_store(&host.ready, true);
    host.base = (struct larder_transport_host){
        .base = {.log = to_standard_error, .fail = fail, .runtime = ldr_runtime_open(1, 16), .node_name = "test"},
        .submit = submit,
        .expect = expect,
        .value_limit = value_limit,
        .request_timeout_ms = 5000,
        .max_value = 64u << 20};
    if (host.base.base.runtime == NULL)
        return 2;
    void *state = open_transport(&host, argc > 1 ? argv[1] : "{listen: \"127.0.0.1:0\"}");
    if (state == NULL || TRANSPORT.listen(state) != LARDER_OK) {
        TRANSPORT.close(state);
        ldr_runtime_close(host.base.base.runtime);
        return 2;
    }
    char address[64];
    TRANSPORT.address(state, address, sizeof address);
    printf("listening %s\n", address);
    fflush(stdout);
    serve(&host, state);
    TRANSPORT.close(state);
    ldr_runtime_close(host.base.base.runtime);
    size_t pins = atomic_load(&host.map.pins), submitted = atomic_load(&host.submitted),
           completed = atomic_load(&host.completed);
    map_close(&host.map);
    if (pins == 0 && submitted == completed)
        return 0;
    fprintf(stderr, "lost: %zu pins, %zu of %zu requests\n", pins, submitted - completed, submitted);
    return 1;
}
