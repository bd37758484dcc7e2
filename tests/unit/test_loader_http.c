/* The "http" loader against a real HTTP origin (tests/loader/origin.py). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "larder/plugin/loader.h"

extern const struct larder_loader larder_plugin_table__loader_http;
static const struct larder_loader *const table = &larder_plugin_table__loader_http;

/* ------------------------------------------------------------------------------------------------ the host */

static uint64_t clock_now(const struct larder_runtime *runtime)
{
    (void)runtime;
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * 1000000000 + (uint64_t)time.tv_nsec;
}

static char last_failure[1024];

static enum larder_status host_fail(const struct larder_host *host, enum larder_status status, const char *format, ...)
{
    (void)host;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(last_failure, sizeof last_failure, format, arguments);
    va_end(arguments);
    return status;
}

static const struct larder_runtime runtime = {.now = clock_now};
static const struct larder_host host = {.fail = host_fail, .runtime = &runtime, .node_name = "test"};

/* The parameters of a test; what is not given has the table's default. */
struct settings {
    const char *url;
    int64_t timeout_ms, connect_timeout_ms, max_connections;
    bool follow;
    const char *header;
    const char *user_agent;
    const char *ca_file;
};

static const char *default_of(const char *name)
{
    for (const struct larder_param *row = table->head.params; row->name != NULL; row++)
        if (strcmp(row->name, name) == 0)
            return row->default_text;
    fail_msg("no parameter %s", name);
    return NULL;
}

/* One value, as the host would hand it over. */
static struct larder_param_value value_of(const char *name, const struct settings *settings,
                                          const struct larder_param_value *header)
{
    struct larder_param_value value = {.name = name};
    if (strcmp(name, "url") == 0)
        value.string = settings->url;
    else if (strcmp(name, "timeout") == 0)
        value.integer = settings->timeout_ms != 0 ? settings->timeout_ms : 5000;
    else if (strcmp(name, "connect_timeout") == 0)
        value.integer = settings->connect_timeout_ms != 0 ? settings->connect_timeout_ms : 1000;
    else if (strcmp(name, "max_connections") == 0)
        value.integer = settings->max_connections != 0 ? settings->max_connections : 32;
    else if (strcmp(name, "follow") == 0)
        value.integer = settings->follow;
    else if (strcmp(name, "headers") == 0) {
        value.count = settings->header != NULL;
        value.items = header;
    } else if (strcmp(name, "user_agent") == 0)
        value.string = settings->user_agent != NULL ? settings->user_agent : default_of(name);
    else if (strcmp(name, "verify") == 0)
        value.integer = 1;
    else if (strcmp(name, "ca_file") == 0)
        value.string = settings->ca_file;
    else
        fail_msg("parameter %s is new to this test", name);
    return value;
}

static void *open_with(struct settings settings)
{
    struct larder_param_value values[16];
    size_t count = 0;
    struct larder_param_value header = {.string = settings.header};
    for (const struct larder_param *row = table->head.params; row->name != NULL; row++)
        values[count++] = value_of(row->name, &settings, &header);
    last_failure[0] = '\0';
    return table->open(&host, values);
}

static void *must_open(struct settings settings)
{
    void *loader = open_with(settings);
    if (loader == NULL)
        fail_msg("%s", last_failure);
    return loader;
}

/* ------------------------------------------------------------------------------------------------ the origin */

struct origin {
    pid_t pid;
    int input; /* the origin ends when it is closed */
    unsigned port;
    char url[128]; /* with {group} and {key} */
};

static struct origin origin;

static int start_origin(void **state)
{
    (void)state;
    int input[2];
    int output[2];
    if (pipe2(input, O_CLOEXEC) != 0 || pipe2(output, O_CLOEXEC) != 0)
        return -1;
    origin.pid = fork();
    if (origin.pid < 0)
        return -1;
    if (origin.pid == 0) {
        dup2(input[0], STDIN_FILENO);
        dup2(output[1], STDOUT_FILENO);
        execl("/usr/bin/python3", "python3", TEST_SOURCE "/tests/loader/origin.py", (char *)NULL);
        _exit(127);
    }
    close(input[0]);
    close(output[1]);
    origin.input = input[1];
    FILE *stream = fdopen(output[0], "r");
    bool told = stream != NULL && fscanf(stream, "%u", &origin.port) == 1;
    snprintf(origin.url, sizeof origin.url, "http://127.0.0.1:%u/{group}/{key}", origin.port);
    if (stream != NULL)
        fclose(stream);
    return told ? 0 : -1;
}

static int stop_origin(void **state)
{
    (void)state;
    close(origin.input);
    int status;
    return waitpid(origin.pid, &status, 0) == origin.pid && WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 0 : -1;
}

/* ------------------------------------------------------------------------------------------------ loads */

struct outcome {
    struct larder_load load;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    int completions;
    struct larder_load_result result;
    char *value; /* a copy: the loader's bytes are gone after done() */
    char message[1024];
};

static void completed(struct larder_load *load, const struct larder_load_result *result)
{
    struct outcome *outcome = (struct outcome *)(void *)((char *)load - offsetof(struct outcome, load));
    pthread_mutex_lock(&outcome->lock);
    outcome->completions++;
    outcome->result = *result;
    outcome->value = malloc(result->value.size + 1);
    if (outcome->value == NULL || result->message.size >= sizeof outcome->message)
        abort();
    if (result->value.size > 0)
        memcpy(outcome->value, result->value.data, result->value.size);
    outcome->value[result->value.size] = '\0';
    if (result->message.size > 0)
        memcpy(outcome->message, result->message.data, result->message.size);
    outcome->message[result->message.size] = '\0';
    pthread_cond_broadcast(&outcome->changed);
    pthread_mutex_unlock(&outcome->lock);
}

static void outcome_init(struct outcome *outcome, const char *group, struct larder_slice key)
{
    *outcome = (struct outcome){
        .load = {.group = {group, strlen(group)},
                 .key = key,
                 .deadline = LARDER_NEVER,
                 .max_value = 1 << 20,
                 .done = completed},
        .lock = PTHREAD_MUTEX_INITIALIZER,
        .changed = PTHREAD_COND_INITIALIZER,
    };
}

static struct larder_slice text(const char *string)
{
    return (struct larder_slice){string, strlen(string)};
}

static void await(struct outcome *outcome)
{
    pthread_mutex_lock(&outcome->lock);
    while (outcome->completions == 0)
        pthread_cond_wait(&outcome->changed, &outcome->lock);
    pthread_mutex_unlock(&outcome->lock);
}

static void load(void *loader, struct outcome *outcome, const char *group, const char *key)
{
    outcome_init(outcome, group, text(key));
    table->load(loader, &outcome->load);
    await(outcome);
}

static void assert_value(struct outcome *outcome, const char *value)
{
    assert_string_equal(outcome->message, "");
    assert_int_equal(outcome->result.status, LARDER_OK);
    assert_int_equal(outcome->result.value.size, strlen(value));
    assert_string_equal(outcome->value, value);
    free(outcome->value);
}

/* The load failed so, and the message has the word and the origin's host. */
static void assert_failed(struct outcome *outcome, enum larder_status status, const char *word)
{
    char name[64];
    snprintf(name, sizeof name, "(host 127.0.0.1:%u)", origin.port);
    if (outcome->result.status != status || strstr(outcome->message, word) == NULL ||
        strstr(outcome->message, name) == NULL)
        fail_msg("got %s \"%s\", wanted %s \"%s\" %s", larder_status_name(outcome->result.status), outcome->message,
                 larder_status_name(status), word, name);
    free(outcome->value);
}

/* What the origin has counted, and its gate, through a loader of its own. */
static void ask_origin(const char *what, char *answer, size_t capacity)
{
    void *loader = must_open((struct settings){.url = origin.url});
    struct outcome outcome;
    load(loader, &outcome, what, "");
    assert_int_equal(outcome.result.status, LARDER_OK);
    if (answer != NULL)
        snprintf(answer, capacity, "%s", outcome.value);
    free(outcome.value);
    table->close(loader);
}

static void count_origin(int *connections, int *requests)
{
    char answer[256];
    ask_origin("counts", answer, sizeof answer);
    assert_int_equal(sscanf(answer, "{\"connections\": %d, \"requests\": %d}", connections, requests), 2);
}

/* Waits until the origin has been asked `wanted` times. */
static void await_requests(int wanted)
{
    int connections;
    int requests;
    do
        count_origin(&connections, &requests);
    while (requests < wanted);
}

/* ------------------------------------------------------------------------------------------------ keys and values */

static void a_key_is_loaded(void **state)
{
    (void)state;
    void *loader = must_open((struct settings){.url = origin.url});
    struct outcome outcome;
    load(loader, &outcome, "echo", "Tom");
    assert_int_equal(outcome.result.ttl_ms, LARDER_TTL_DEFAULT);
    assert_false(outcome.result.no_store);
    assert_value(&outcome, "Tom");
    table->close(loader);
}

static void fault_14_any_bytes_are_a_key(void **state)
{
    (void)state;
    void *loader = must_open((struct settings){.url = origin.url});
    char bytes[256];
    for (int i = 0; i < 256; i++)
        bytes[i] = (char)i;
    struct outcome outcome;
    outcome_init(&outcome, "echo", (struct larder_slice){bytes, 256});
    table->load(loader, &outcome.load);
    await(&outcome);
    assert_int_equal(outcome.result.status, LARDER_OK);
    assert_int_equal(outcome.result.value.size, 256);
    assert_memory_equal(outcome.value, bytes, 256);
    free(outcome.value);

    /* As written on the wire. */
    load(loader, &outcome, "path", "a b+c/...//?x=1&y#z%2F~-._{key}");
    assert_value(&outcome, "/path/a%20b%2Bc%2F...%2F%2F%3Fx%3D1%26y%23z%252F~-._%7Bkey%7D");
    table->close(loader);
}

/* Origins decode a path before they resolve its segments: encoding does not keep a key inside of the configured one. */
static void a_key_does_not_lead_out_of_the_path(void **state)
{
    (void)state;
    static const char *const keys[] = {"..",    ".",          "../secret", "a/../../secret", "a/..", "./a",
                                       "a/./b", "..\\secret", "/.."};
    char in_query[160];
    snprintf(in_query, sizeof in_query, "http://127.0.0.1:%u/path/?k={key}", origin.port);
    void *loader = must_open((struct settings){.url = origin.url});
    void *query = must_open((struct settings){.url = in_query});
    struct outcome outcome;
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        load(loader, &outcome, "path", keys[i]);
        assert_failed(&outcome, LARDER_LOAD_FAILED, "segment");
        load(query, &outcome, "path", keys[i]);
        assert_int_equal(outcome.result.status, LARDER_OK);
        free(outcome.value);
    }
    static const char *const good[] = {"...", "a..", "..a/b", ".a", "a.b/c..d"};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        load(loader, &outcome, "echo", good[i]);
        assert_value(&outcome, good[i]);
    }
    table->close(loader);
    table->close(query);
}

static void the_longest_key_is_loaded(void **state)
{
    (void)state;
    void *loader = must_open((struct settings){.url = origin.url});
    char *key = malloc(LARDER_KEY_MAX + 1);
    assert_non_null(key);
    memset(key, 'k', LARDER_KEY_MAX);
    key[LARDER_KEY_MAX] = '\0';
    struct outcome outcome;
    load(loader, &outcome, "echo", key); /* the origin takes lines of 65,536 bytes, of which a few are not the key's */
    assert_failed(&outcome, LARDER_LOAD_FAILED, "origin answered 414");
    key[65000] = '\0';
    load(loader, &outcome, "echo", key);
    assert_value(&outcome, key);
    free(key);
    table->close(loader);
}

static void key_and_group_stand_where_the_url_has_them(void **state)
{
    (void)state;
    char url[128];
    snprintf(url, sizeof url, "http://127.0.0.1:%u/path/x?k={key}&g={group}&again={key}", origin.port);
    void *loader = must_open((struct settings){.url = url});
    struct outcome outcome;
    load(loader, &outcome, "users", "a&b");
    assert_value(&outcome, "/path/x?k=a%26b&g=users&again=a%26b");
    table->close(loader);
}

static void fault_16_an_empty_value_is_a_value(void **state)
{
    (void)state;
    void *loader = must_open((struct settings){.url = origin.url});
    struct outcome outcome;
    load(loader, &outcome, "length", "0");
    assert_value(&outcome, "");
    table->close(loader);
}

static void a_value_may_be_as_large_as_the_limit_and_no_larger(void **state)
{
    (void)state;
    void *loader = must_open((struct settings){.url = origin.url});
    struct outcome outcome;
    static const struct {
        const char *how, *size;
        enum larder_status status;
    } cases[] = {
        {"length", "1048576", LARDER_OK},          {"chunks", "1048576", LARDER_OK},
        {"length", "1048577", LARDER_TOO_LARGE},   {"chunks", "1048577", LARDER_TOO_LARGE},
        {"chunks", "999999999", LARDER_TOO_LARGE}, {"announced", "9223372036854775807", LARDER_TOO_LARGE},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        load(loader, &outcome, cases[i].how, cases[i].size);
        if (cases[i].status == LARDER_OK) {
            assert_int_equal(outcome.result.status, LARDER_OK);
            assert_int_equal(outcome.result.value.size, 1048576);
            assert_int_equal(strspn(outcome.value, "x"), 1048576);
            free(outcome.value);
        } else {
            assert_failed(&outcome, LARDER_TOO_LARGE, "more than the 1048576 bytes");
        }
    }
    outcome_init(&outcome, "length", text("1"));
    outcome.load.max_value = 0;
    table->load(loader, &outcome.load);
    await(&outcome);
    assert_failed(&outcome, LARDER_TOO_LARGE, "more than the 0 bytes");
    table->close(loader);
}

/* ------------------------------------------------------------------------------------------------ what the origin says */

static void the_status_decides(void **state)
{
    (void)state;
    void *loader = must_open((struct settings){.url = origin.url});
    struct outcome outcome;
    load(loader, &outcome, "status", "404");
    assert_failed(&outcome, LARDER_NOT_FOUND, "origin answered 404");
    load(loader, &outcome, "status", "410");
    assert_failed(&outcome, LARDER_NOT_FOUND, "origin answered 410");
    static const char *const failures[] = {"500", "503", "403", "401", "400", "206", "201", "302", "429"};
    for (size_t i = 0; i < sizeof failures / sizeof failures[0]; i++) {
        char word[32];
        snprintf(word, sizeof word, "origin answered %s", failures[i]);
        load(loader, &outcome, "status", failures[i]);
        assert_failed(&outcome, LARDER_LOAD_FAILED, word);
    }
    load(loader, &outcome, "endless", "404");
    assert_failed(&outcome, LARDER_NOT_FOUND, "origin answered 404");
    load(loader, &outcome, "endless", "500");
    assert_failed(&outcome, LARDER_LOAD_FAILED, "origin answered 500");
    table->close(loader);
}

static void the_origin_says_how_long_a_value_may_be_kept(void **state)
{
    (void)state;
    void *loader = must_open((struct settings){.url = origin.url});
    static const struct {
        const char *how, *text;
        int64_t ttl_ms;
        bool no_store;
    } cases[] = {
        {"cache", "max-age=60", 60000, false},
        {"cache", "public, MAX-AGE=60", 60000, false},
        {"cache", "max-age=\"60\"", 60000, false},
        {"cache", "max-age=60, s-maxage=5", 5000, false},
        {"cache", "s-maxage=120,max-age=0", 120000, false},
        {"cache", "max-age=60, max-age=30", 30000, false},
        {"cache", "x=\"a, no-store\", max-age=1", 1000, false},
        {"cache", "max-age=99999999999999999999999", LARDER_TTL_MAX, false},
        {"cache", "must-revalidate", LARDER_TTL_DEFAULT, false},
        {"cache", "", LARDER_TTL_DEFAULT, false},
        {"cache", ",,=,", LARDER_TTL_DEFAULT, false},
        {"cache", "max-age=0", LARDER_TTL_DEFAULT, true},
        {"cache", "no-store", LARDER_TTL_DEFAULT, true},
        {"cache", "no-cache, max-age=60", LARDER_TTL_DEFAULT, true},
        {"cache", "max-age=60, Private", LARDER_TTL_DEFAULT, true},
        {"cache", "no-cache=\"x\", max-age=60", LARDER_TTL_DEFAULT, true},
        {"cache", "s-maxage=0, max-age=60", LARDER_TTL_DEFAULT, true},
        {"cache", "max-age=-1", LARDER_TTL_DEFAULT, true},
        {"cache", "max-age", LARDER_TTL_DEFAULT, true},
        {"aged", "40", 60000, false},
        {"aged", "99", 1000, false},
        {"aged", "100", LARDER_TTL_DEFAULT, true},
        {"aged", "9999999999999999999999", LARDER_TTL_DEFAULT, true},
        {"aged", "soon", 100000, false},
        {"fields", "max-age=60|no-store", LARDER_TTL_DEFAULT, true},
        {"fields", "max-age=60|s-maxage=10", 10000, false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct outcome outcome;
        load(loader, &outcome, cases[i].how, cases[i].text);
        assert_int_equal(outcome.result.status, LARDER_OK);
        if (outcome.result.ttl_ms != cases[i].ttl_ms || outcome.result.no_store != cases[i].no_store)
            fail_msg("%s %s: %lld %d", cases[i].how, cases[i].text, (long long)outcome.result.ttl_ms,
                     outcome.result.no_store);
        free(outcome.value);
    }
    table->close(loader);
}

static void the_origin_says_how_long_a_value_may_be_answered_stale(void **state)
{
    (void)state;
    void *loader = must_open((struct settings){.url = origin.url});
    static const struct {
        const char *text;
        int64_t while_revalidate_ms, if_error_ms;
    } cases[] = {
        {"max-age=60", LARDER_WINDOW_DEFAULT, LARDER_WINDOW_DEFAULT},
        {"max-age=60, stale-while-revalidate=10", 10000, LARDER_WINDOW_DEFAULT},
        {"max-age=60, Stale-If-Error=\"86400\"", LARDER_WINDOW_DEFAULT, 86400000},
        {"stale-if-error=20, stale-while-revalidate=0", LARDER_WINDOW_NONE, 20000},
        {"stale-if-error=20, stale-if-error=5", LARDER_WINDOW_DEFAULT, 5000},
        {"stale-if-error=20, must-revalidate", LARDER_WINDOW_NONE, LARDER_WINDOW_NONE},
        {"proxy-revalidate", LARDER_WINDOW_NONE, LARDER_WINDOW_NONE},
        {"stale-while-revalidate", LARDER_WINDOW_NONE, LARDER_WINDOW_NONE},
        {"stale-if-error=soon", LARDER_WINDOW_NONE, LARDER_WINDOW_NONE},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct outcome outcome;
        load(loader, &outcome, "cache", cases[i].text);
        assert_int_equal(outcome.result.status, LARDER_OK);
        assert_false(outcome.result.no_store);
        if (outcome.result.stale_while_revalidate_ms != cases[i].while_revalidate_ms ||
            outcome.result.stale_if_error_ms != cases[i].if_error_ms)
            fail_msg("%s: %lld %lld", cases[i].text, (long long)outcome.result.stale_while_revalidate_ms,
                     (long long)outcome.result.stale_if_error_ms);
        free(outcome.value);
    }
    table->close(loader);
}

static void redirects_are_followed_only_when_asked_for(void **state)
{
    (void)state;
    struct outcome outcome;
    void *loader = must_open((struct settings){.url = origin.url});
    load(loader, &outcome, "redirect", "x");
    assert_failed(&outcome, LARDER_LOAD_FAILED, "origin answered 302");
    table->close(loader);
    loader = must_open((struct settings){.url = origin.url, .follow = true});
    load(loader, &outcome, "redirect", "x");
    assert_int_equal(outcome.result.ttl_ms, LARDER_TTL_DEFAULT); /* what the redirection said is not the value's */
    assert_value(&outcome, "there");
    load(loader, &outcome, "loop", "x");
    assert_failed(&outcome, LARDER_LOAD_FAILED, "Maximum (5) redirects followed");
    table->close(loader);
}

static void headers_are_sent(void **state)
{
    (void)state;
    struct outcome outcome;
    void *loader = must_open((struct settings){.url = origin.url, .header = "X-Tenant: a b"});
    load(loader, &outcome, "headers", "x");
    assert_non_null(strstr(outcome.value, "X-Tenant: a b\n"));
    assert_non_null(strstr(outcome.value, "User-Agent: " TEST_AGENT "\n"));
    free(outcome.value);
    table->close(loader);
    loader = must_open((struct settings){.url = origin.url, .user_agent = "other/1"});
    load(loader, &outcome, "headers", "x");
    assert_non_null(strstr(outcome.value, "User-Agent: other/1\n"));
    free(outcome.value);
    table->close(loader);
}

/* ------------------------------------------------------------------------------------------------ failures */

static void an_answer_that_breaks_off_is_a_failure(void **state)
{
    (void)state;
    void *loader = must_open((struct settings){.url = origin.url});
    static const char *const ways[] = {"cut", "cutchunks", "nothing", "garbage"};
    for (size_t i = 0; i < sizeof ways / sizeof ways[0]; i++) {
        struct outcome outcome;
        load(loader, &outcome, ways[i], "x");
        assert_failed(&outcome, LARDER_LOAD_FAILED, "origin failed: ");
        load(loader, &outcome, "echo", "after");
        assert_value(&outcome, "after");
    }
    table->close(loader);
}

static void an_origin_that_is_away_is_a_failure(void **state)
{
    (void)state;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0); /* bound, but nobody listens */
    struct sockaddr_in place = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t size = sizeof place;
    assert_int_equal(bind(fd, (struct sockaddr *)&place, size), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&place, &size), 0);
    char url[128];
    char expected[128];
    snprintf(url, sizeof url, "http://user:secret@127.0.0.1:%u/{key}", ntohs(place.sin_port));
    snprintf(expected, sizeof expected, "(host 127.0.0.1:%u)", ntohs(place.sin_port));
    void *loader = must_open((struct settings){.url = url});
    struct outcome outcome;
    load(loader, &outcome, "g", "k");
    assert_int_equal(outcome.result.status, LARDER_LOAD_FAILED);
    assert_non_null(strstr(outcome.message, "Failed to connect"));
    assert_non_null(strstr(outcome.message, expected));
    assert_null(strstr(outcome.message, "secret"));
    free(outcome.value);
    table->close(loader);
    close(fd);
}

static void an_origin_that_takes_too_long_is_a_failure(void **state)
{
    (void)state;
    ask_origin("close", NULL, 0);
    void *loader = must_open((struct settings){.url = origin.url, .timeout_ms = 50});
    struct outcome outcome;
    load(loader, &outcome, "slow", "x");
    assert_failed(&outcome, LARDER_LOAD_FAILED, "time");
    load(loader, &outcome, "stuck", "x");
    assert_failed(&outcome, LARDER_LOAD_FAILED, "time");
    ask_origin("open", NULL, 0);
    table->close(loader);
}

static void the_deadline_is_kept(void **state)
{
    (void)state;
    ask_origin("close", NULL, 0);
    void *loader = must_open((struct settings){.url = origin.url, .timeout_ms = 60000, .max_connections = 2});
    struct outcome outcomes[6];
    static const char *const ways[] = {"slow", "stuck", "echo", "echo", "slow", "echo"};
    for (int i = 0; i < 6; i++) {
        outcome_init(&outcomes[i], ways[i], text("x"));
        /* Two are on their way; the others wait for them until their own deadlines, the earliest first. */
        outcomes[i].load.deadline = clock_now(NULL) + (uint64_t)(200 - 20 * i) * 1000000;
        if (i == 5)
            outcomes[i].load.deadline = 1; /* long past */
        table->load(loader, &outcomes[i].load);
    }
    for (int i = 0; i < 6; i++) {
        await(&outcomes[i]);
        if (outcomes[i].result.status == LARDER_OK && strcmp(ways[i], "echo") == 0)
            free(outcomes[i].value); /* when the machine is slow, it may have come to its turn */
        else
            assert_failed(&outcomes[i], LARDER_DEADLINE, "deadline");
    }
    assert_int_equal(outcomes[5].result.status, LARDER_DEADLINE);
    ask_origin("open", NULL, 0);
    table->close(loader);
}

/* ------------------------------------------------------------------------------------------------ connections */

static void fault_10_connections_are_used_again(void **state)
{
    (void)state;
    int connections;
    int requests;
    count_origin(&connections, &requests);
    void *loader = must_open((struct settings){.url = origin.url, .max_connections = 4});
    static struct outcome outcomes[400];
    for (int i = 0; i < 100; i++) {
        load(loader, &outcomes[0], i % 2 ? "echo" : "status", i % 2 ? "a" : "404");
        free(outcomes[0].value);
    }
    int connections_now;
    int requests_now;
    count_origin(&connections_now, &requests_now);
    assert_int_equal(requests_now - requests, 100);
    assert_int_equal(connections_now - connections, 1 + 1); /* one, and that of the count */
    for (int i = 0; i < 400; i++) {
        outcome_init(&outcomes[i], "echo", text("value"));
        table->load(loader, &outcomes[i].load);
    }
    for (int i = 0; i < 400; i++) {
        await(&outcomes[i]);
        assert_value(&outcomes[i], "value");
    }
    count_origin(&connections_now, &requests_now);
    assert_int_equal(requests_now - requests, 500);
    assert_in_range(connections_now - connections, 3, 4 + 2);
    table->close(loader);
}

struct caller {
    void *loader;
    pthread_t thread;
    int good;
};

static void *load_often(void *arg)
{
    struct caller *caller = arg;
    for (int i = 0; i < 50; i++) {
        struct outcome outcome;
        load(caller->loader, &outcome, "echo", "many");
        caller->good += outcome.result.status == LARDER_OK && strcmp(outcome.value, "many") == 0;
        free(outcome.value);
    }
    return NULL;
}

static void many_threads_load(void **state)
{
    (void)state;
    void *loader = must_open((struct settings){.url = origin.url});
    struct caller callers[6];
    for (size_t i = 0; i < 6; i++) {
        callers[i] = (struct caller){.loader = loader};
        assert_int_equal(pthread_create(&callers[i].thread, NULL, load_often, &callers[i]), 0);
    }
    for (size_t i = 0; i < 6; i++) {
        pthread_join(callers[i].thread, NULL);
        assert_int_equal(callers[i].good, 50);
    }
    table->close(loader);
}

static void closing_completes_what_is_pending_once(void **state)
{
    (void)state;
    ask_origin("close", NULL, 0);
    int connections;
    int requests;
    count_origin(&connections, &requests);
    void *loader = must_open((struct settings){.url = origin.url, .max_connections = 3});
    static struct outcome outcomes[50];
    for (int i = 0; i < 50; i++) {
        outcome_init(&outcomes[i], "slow", text("x"));
        table->load(loader, &outcomes[i].load);
    }
    await_requests(requests + 3);
    table->close(loader);
    for (int i = 0; i < 50; i++) {
        assert_int_equal(outcomes[i].completions, 1);
        assert_failed(&outcomes[i], LARDER_LOAD_FAILED, "the loader was closed");
    }
    ask_origin("open", NULL, 0);
    table->close(NULL);
}

static void closing_races_with_answers(void **state)
{
    (void)state;
    for (int round = 0; round < 20; round++) {
        void *loader = must_open((struct settings){.url = origin.url, .max_connections = 4});
        struct outcome outcomes[20];
        for (int i = 0; i < 20; i++) {
            outcome_init(&outcomes[i], "echo", text("x"));
            table->load(loader, &outcomes[i].load);
        }
        if (round % 2 == 1)
            await(&outcomes[round]);
        table->close(loader);
        for (int i = 0; i < 20; i++) {
            assert_int_equal(outcomes[i].completions, 1);
            free(outcomes[i].value);
        }
    }
}

/* ------------------------------------------------------------------------------------------------ parameters */

static void parameters_that_make_no_sense_are_refused(void **state)
{
    (void)state;
    static const struct {
        struct settings settings;
        const char *reason;
    } cases[] = {
        {{.url = "http://h/x"}, "url: got \"http://h/x\", wanted {key} in it"},
        {{.url = "http://h/{group}"}, "url: got \"http://h/{group}\", wanted {key} in it"},
        {{.url = "http://h/{id}/{key}"}, "url: got \"{id}/{key}\", wanted {key} or {group}"},
        {{.url = "http://{key}/x"}, "url: got \"http://{key}/x\", wanted {key} and {group} in path or query only"},
        {{.url = "http://{group}.h/{key}"},
         "url: got \"http://{group}.h/{key}\", wanted {key} and {group} in path or query only"},
        {{.url = "http://h/#{key}"}, "url: got \"http://h/#{key}\", wanted {key} and {group} in path or query only"},
        {{.url = "ftp://h/{key}"}, "url: got \"ftp://h/{key}\", wanted http:// or https:// and a host"},
        {{.url = "file:///{key}"}, "url: got \"file:///{key}\", wanted http:// or https:// and a host"},
        {{.url = "/{key}"}, "url: got \"/{key}\", wanted http:// or https:// and a host"},
        {{.url = "http:///{key}"}, "url: got \"http:///{key}\", wanted http:// or https:// and a host"},
        {{.url = "http:h/{key}"}, "url: got \"http:h/{key}\", wanted http:// or https:// and a host"},
        {{.url = "http://h:99999/{key}"}, "url: got \"http://h:99999/{key}\": "},
        {{.url = "http://a b/{key}"}, "url: got \"http://a b/{key}\": "},
        {{.url = "http://h/{key}", .header = "nothing"}, "headers: got \"nothing\", wanted \"Name: value\""},
        {{.url = "http://h/{key}", .header = "A:"}, "headers: got \"A:\", wanted \"Name: value\""},
        {{.url = "http://h/{key}", .header = "A: b\r\nC: d"}, "headers: got \"A: b"},
        {{.url = "http://h/{key}", .header = "A B: c"}, "headers: got \"A B: c\", wanted"},
        {{.url = "http://h/{key}", .user_agent = "a\nb"}, "user_agent: got"},
        {{.url = "http://h/{key}", .ca_file = "/nowhere/ca.pem"},
         "ca_file: cannot read \"/nowhere/ca.pem\": No such file or directory"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        void *loader = open_with(cases[i].settings);
        if (loader != NULL)
            fail_msg("taken: %s", cases[i].settings.url);
        if (strncmp(last_failure, cases[i].reason, strlen(cases[i].reason)) != 0)
            fail_msg("got %s\nwanted %s", last_failure, cases[i].reason);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_key_is_loaded),
        cmocka_unit_test(fault_14_any_bytes_are_a_key),
        cmocka_unit_test(a_key_does_not_lead_out_of_the_path),
        cmocka_unit_test(the_longest_key_is_loaded),
        cmocka_unit_test(key_and_group_stand_where_the_url_has_them),
        cmocka_unit_test(fault_16_an_empty_value_is_a_value),
        cmocka_unit_test(a_value_may_be_as_large_as_the_limit_and_no_larger),
        cmocka_unit_test(the_status_decides),
        cmocka_unit_test(the_origin_says_how_long_a_value_may_be_kept),
        cmocka_unit_test(the_origin_says_how_long_a_value_may_be_answered_stale),
        cmocka_unit_test(redirects_are_followed_only_when_asked_for),
        cmocka_unit_test(headers_are_sent),
        cmocka_unit_test(an_answer_that_breaks_off_is_a_failure),
        cmocka_unit_test(an_origin_that_is_away_is_a_failure),
        cmocka_unit_test(an_origin_that_takes_too_long_is_a_failure),
        cmocka_unit_test(the_deadline_is_kept),
        cmocka_unit_test(fault_10_connections_are_used_again),
        cmocka_unit_test(many_threads_load),
        cmocka_unit_test(closing_completes_what_is_pending_once),
        cmocka_unit_test(closing_races_with_answers),
        cmocka_unit_test(parameters_that_make_no_sense_are_refused),
    };
    return cmocka_run_group_tests(tests, start_origin, stop_origin);
}
