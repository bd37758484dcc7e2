/*
 * The resident memory of a process that holds one store, as the system counts it, through every kind of churn: at most
 * 1.02 of the budget beside what the process had at first. Each run has a process of its own.
 */
#include "store_shapes.h"

#include <sys/wait.h>
#include <unistd.h>

enum { LARGEST = 16 << 10, KEYS_SMALL = 4000000 };

/* Beside the budget, whatever it is: pages of the process's own that are touched late, as its stack and its libraries. */
#define FIXED_BYTES (UINT64_C(256) << 10)

/* A run: its store, and what it has seen. */
struct run {
    struct shape shape;
    struct ldr_store *store;
    uint64_t random, operations, at_first, most;
    char value[LARGEST];
};

/* Cheap, but off by what the system has not added up yet. */
static uint64_t resident(void)
{
    static FILE *file; /* one for all looks: opening takes memory */
    unsigned long size, pages;
    if (file == NULL)
        file = fopen("/proc/self/statm", "r");
    require(file != NULL);
    rewind(file);
    require(fscanf(file, "%lu %lu", &size, &pages) == 2);
    (void)fflush(file); /* so that the next look reads anew */
    return pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

/* Exact, and slow: the system looks at every page. */
static uint64_t resident_exactly(void)
{
    static FILE *file;
    char line[256];
    unsigned long kib = 0;
    if (file == NULL)
        file = fopen("/proc/self/smaps_rollup", "r");
    if (file == NULL)
        return resident();
    rewind(file);
    while (kib == 0 && fgets(line, sizeof line, file) != NULL)
        (void)sscanf(line, "Rss: %lu kB", &kib);
    (void)fflush(file);
    require(kib != 0);
    return kib * UINT64_C(1024);
}

static void check(struct run *run, uint64_t now)
{
    uint64_t held = now > run->at_first ? now - run->at_first : 0;
    if (held > run->most)
        run->most = held;
    if (held <= run->shape.max_bytes + run->shape.max_bytes / 50 + FIXED_BYTES)
        return;
    fprintf(stderr, "after %llu operations: %llu bytes beside the %llu at first, for a budget of %llu\n",
            (unsigned long long)run->operations, (unsigned long long)held, (unsigned long long)run->at_first,
            (unsigned long long)run->shape.max_bytes);
    abort();
}

static void look(struct run *run)
{
    uint64_t now = resident();
    check(run, now > run->at_first + run->shape.max_bytes ? resident_exactly() : now);
}

/* Keys are drawn from so many that few puts are replacements. */
static void put(struct run *run, size_t size)
{
    char key[16];
    int length = snprintf(key, sizeof key, "%08x", shape_below(&run->random, KEYS_SMALL));
    const struct ldr_put put = {.key = ldr_slice(key, (size_t)length),
                                .value = ldr_slice(run->value, size),
                                .expires = shape_below(&run->random, 4) == 0 ? 1000 : LARDER_NEVER};
    require(ldr_store_put(run->store, &put, 0, NULL) == LARDER_OK);
    if (++run->operations % 1000 == 0)
        look(run);
}

/* Log-uniform from 64 B to 16 KiB: as many between 64 and 128 as between 8 and 16 Ki. */
static size_t any_size(struct run *run)
{
    size_t octave = (size_t)64 << shape_below(&run->random, 8);
    return octave + shape_below(&run->random, (uint32_t)octave);
}

/* Puts so many bytes, in values of one size; 0: of any. */
static void churn(struct run *run, size_t size, uint64_t bytes)
{
    for (uint64_t done = 0; done < bytes;) {
        size_t next = size != 0 ? size : any_size(run);
        put(run, next);
        done += next + 8;
    }
}

static void report(struct run *run, const char *phase, unsigned least_used, unsigned least_payload)
{
    struct ldr_store_stats stats;
    ldr_store_stats(run->store, &stats);
    double budget = (double)run->shape.max_bytes, used = (double)stats.bytes_used / budget,
           payload = (double)stats.value_bytes / budget;
    printf("    %-8s used %.3f, keys and values %.3f, most resident %.3f of the budget\n", phase, used, payload,
           (double)run->most / budget);
    fflush(stdout);
    check(run, resident_exactly());
    run->most = 0;
    require(stats.bytes_used <= stats.bytes_limit);
    require(used * 100 >= least_used);
    require(payload * 100 >= least_payload);
}

static void start(struct run *run)
{
    memset(run->value, 'v', sizeof run->value);
    run->random = 7;
    (void)resident();
    (void)resident_exactly();
    run->store = shape_open(&run->shape);
    run->at_first = resident_exactly();
}

static void steady(struct run *run)
{
    churn(run, 100, 4 * run->shape.max_bytes);
    report(run, "steady", 95, 60);
}

static void any_sizes(struct run *run)
{
    churn(run, 0, 11 * run->shape.max_bytes);
    report(run, "any", 95, 70);
}

static void shift(struct run *run)
{
    churn(run, 100, 2 * run->shape.max_bytes);
    report(run, "100 B", 95, 60);
    churn(run, 8192, 3 * run->shape.max_bytes);
    report(run, "8 KiB", 95, 70);
    churn(run, 100, 2 * run->shape.max_bytes);
    report(run, "back", 95, 60);
}

/* What a clear, an expiry or a smaller budget frees goes back to the system. */
static void given_back(struct run *run)
{
    churn(run, 0, 2 * run->shape.max_bytes);
    uint64_t whole = run->shape.max_bytes;
    run->shape.max_bytes = whole / 4;
    require(ldr_store_set_max_bytes(run->store, whole / 4) == LARDER_OK);
    look(run);
    churn(run, 0, whole);
    report(run, "quarter", 95, 65);
    require(ldr_store_set_max_bytes(run->store, whole) == LARDER_OK);
    run->shape.max_bytes = whole;
    churn(run, 100, whole);
    (void)ldr_store_expire(run->store, 1000, SIZE_MAX);
    ldr_store_clear(run->store);
    put(run, 100);
    uint64_t now = resident_exactly();
    printf("    cleared  resident %.3f of the budget\n",
           ((double)now - (double)run->at_first) / (double)run->shape.max_bytes);
    fflush(stdout);
    require(now <= run->at_first + run->shape.max_bytes / 20 + FIXED_BYTES);
}

static void in_a_process_of_its_own(const struct shape *shape, void (*body)(struct run *run))
{
    shape_print(shape);
    fflush(NULL);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        static struct run run;
        run.shape = *shape;
        start(&run);
        body(&run);
        ldr_store_close(run.store);
        fflush(NULL);
        _exit(0);
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static void for_each_shape(void (*body)(struct run *run))
{
    if (SHAPE_SANITIZED) {
        print_message("SKIPPED: a sanitizer's memory is not the store's\n");
        skip();
    }
    for (size_t policy = 0; policy < SHAPE_POLICIES; policy++) {
        const struct shape shape = {
            .eviction = shape_policies[policy], .max_bytes = UINT64_C(64) << 20, .small_pages = policy % 2 == 1};
        in_a_process_of_its_own(&shape, body);
    }
    const struct shape small = {.eviction = LRU, .max_bytes = UINT64_C(8) << 20, .shards = 4, .small_pages = true};
    in_a_process_of_its_own(&small, body);
}

static void memory_is_within_the_budget_with_values_of_100_bytes(void **unused)
{
    (void)unused;
    for_each_shape(steady);
}

static void memory_is_within_the_budget_with_values_of_any_size(void **unused)
{
    (void)unused;
    for_each_shape(any_sizes);
}

static void a_shift_of_sizes_leaves_the_budget_in_use_and_kept(void **unused)
{
    (void)unused;
    for_each_shape(shift);
}

static void memory_goes_back_to_the_system(void **unused)
{
    (void)unused;
    for_each_shape(given_back);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(memory_is_within_the_budget_with_values_of_100_bytes),
        cmocka_unit_test(memory_is_within_the_budget_with_values_of_any_size),
        cmocka_unit_test(a_shift_of_sizes_leaves_the_budget_in_use_and_kept),
        cmocka_unit_test(memory_goes_back_to_the_system),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
