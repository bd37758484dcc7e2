/* The policies themselves: exact against sequences worked out by hand, and against published miss counts. */
#include "tests/unit/eviction_kit.h"

#include <inttypes.h>
#include <stdio.h>
#include <zstd.h>

static const struct larder_object unit = {.charge = 1};

/* `hits` has a byte a slot for a policy that counts them, and may be NULL for others. */
static void *open_state(const struct larder_eviction *policy, uint32_t slots, uint8_t *hits)
{
    void *state = kit_open(
        policy, (struct larder_eviction_env){.max_slots = slots, .expected = slots, .capacity = slots, .hits = hits});
    assert_non_null(state);
    return state;
}

static void lru_evicts_the_entry_used_longest_ago(void **unused)
{
    (void)unused;
    const struct larder_eviction *lru = &larder_plugin_table__eviction_lru;
    void *state = open_state(lru, 4, NULL);
    assert_int_equal(lru->evict(state), LARDER_NO_SLOT);
    for (uint32_t slot = 0; slot < 4; slot++)
        lru->insert(state, slot, &unit);
    lru->hit(state, 0);
    lru->hit(state, 2);
    lru->hit(state, 2);
    lru->remove(state, 3);
    assert_int_equal(lru->evict(state), 1);
    lru->insert(state, 1, &unit);
    assert_int_equal(lru->evict(state), 0);
    lru->hit(state, 1);
    assert_int_equal(lru->evict(state), 2);
    assert_int_equal(lru->evict(state), 1);
    assert_int_equal(lru->evict(state), LARDER_NO_SLOT);
    lru->close(state);
}

static void fifo_evicts_in_the_order_of_arrival(void **unused)
{
    (void)unused;
    const struct larder_eviction *fifo = &larder_plugin_table__eviction_fifo;
    assert_int_equal(fifo->hit_max, LARDER_HITS_NONE);
    void *state = open_state(fifo, 4, NULL);
    for (uint32_t slot = 4; slot > 0; slot--)
        fifo->insert(state, slot - 1, &unit);
    assert_int_equal(fifo->evict(state), 3);
    fifo->remove(state, 2);
    fifo->insert(state, 3, &unit);
    assert_int_equal(fifo->evict(state), 1);
    assert_int_equal(fifo->evict(state), 0);
    assert_int_equal(fifo->evict(state), 3);
    assert_int_equal(fifo->evict(state), LARDER_NO_SLOT);
    fifo->close(state);
}

static void clock_passes_once_over_what_was_used(void **unused)
{
    (void)unused;
    const struct larder_eviction *clock = &larder_plugin_table__eviction_clock;
    uint8_t hits[4] = {0};
    assert_int_equal(clock->hit_max, 1);
    void *state = open_state(clock, 4, hits);
    assert_int_equal(clock->evict(state), LARDER_NO_SLOT);
    for (uint32_t slot = 0; slot < 4; slot++)
        clock->insert(state, slot, &unit);
    hits[0] = hits[2] = 1;
    assert_int_equal(clock->evict(state), 1);
    assert_int_equal(hits[0], 0);
    assert_int_equal(hits[2], 1);
    clock->insert(state, 1, &unit); /* right behind the hand: looked at last */
    assert_int_equal(clock->evict(state), 3);
    assert_int_equal(hits[2], 0);
    clock->remove(state, 0);
    assert_int_equal(clock->evict(state), 1);
    assert_int_equal(clock->evict(state), 2);
    assert_int_equal(clock->evict(state), LARDER_NO_SLOT);
    clock->close(state);
}

static void clock_goes_round_once_when_all_were_used(void **unused)
{
    (void)unused;
    const struct larder_eviction *clock = &larder_plugin_table__eviction_clock;
    uint8_t hits[4] = {0};
    void *state = open_state(clock, 4, hits);
    for (uint32_t slot = 0; slot < 4; slot++)
        clock->insert(state, slot, &unit);
    assert_int_equal(clock->evict(state), 0);
    clock->insert(state, 0, &unit);
    hits[0] = hits[1] = hits[2] = hits[3] = 1;
    assert_int_equal(clock->evict(state), 1);
    assert_int_equal(hits[0] + hits[2] + hits[3], 0);
    assert_int_equal(clock->evict(state), 2);
    clock->close(state);
}

static void clock_finds_the_few_that_are_left_of_many(void **unused)
{
    (void)unused;
    enum { SLOTS = 1000 };
    const struct larder_eviction *clock = &larder_plugin_table__eviction_clock;
    static uint8_t hits[SLOTS];
    void *state = open_state(clock, SLOTS, hits);
    for (uint32_t slot = 0; slot < SLOTS; slot++)
        clock->insert(state, slot, &unit);
    for (uint32_t slot = 0; slot < SLOTS; slot++)
        if (slot != 63 && slot != 64 && slot != 999)
            clock->remove(state, slot);
    assert_int_equal(clock->evict(state), 63);
    clock->insert(state, 63, &unit);
    assert_int_equal(clock->evict(state), 64);
    assert_int_equal(clock->evict(state), 999); /* the hand stands behind the last slot now */
    assert_int_equal(clock->evict(state), 63);
    assert_int_equal(clock->evict(state), LARDER_NO_SLOT);
    clock->insert(state, 999, &unit);
    assert_int_equal(clock->evict(state), 999);
    clock->close(state);
}

/* One bit beside the host's byte, and that is told. */
static void clock_keeps_a_bit_a_slot(void **unused)
{
    (void)unused;
    const struct larder_eviction *clock = &larder_plugin_table__eviction_clock;
    static uint8_t hits[1 << 14];
    void *state = open_state(clock, 1 << 14, hits);
    assert_int_equal(clock->slot_bytes, 0);
    assert_in_range(clock->extra_bytes(state), (1 << 14) / 8, (1 << 14) / 8 + 8);
    clock->close(state);
}

static void a_state_closes_with_slots_resident(void **unused)
{
    (void)unused;
    for (size_t i = 0; i < POLICIES; i++) {
        uint8_t hits[1] = {0};
        void *state = open_state(policies[i], 1, hits);
        policies[i]->insert(state, 0, &unit);
        policies[i]->close(state);
    }
}

/* The key of each request of a trace, as a number. */
struct trace {
    uint32_t *keys;
    size_t count;
    uint32_t unique;
};

/* The whole of a file in a folder, with a zero at its end; NULL when it is not there. */
static char *read_file(const char *folder, const char *name, const char *suffix, size_t *size)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/%s%s", folder, name, suffix);
    FILE *file = fopen(path, "rb");
    if (file == NULL)
        return NULL;
    size_t room = 16u << 20;
    char *bytes = malloc(room);
    assert_non_null(bytes);
    *size = fread(bytes, 1, room - 1, file);
    fclose(file);
    bytes[*size] = '\0';
    return bytes;
}

static char *unpack(const char *packed, size_t size)
{
    unsigned long long length = ZSTD_getFrameContentSize(packed, size);
    size_t room = length < (1u << 28) ? (size_t)length : 1u << 28;
    char *text = malloc(room + 1);
    assert_non_null(text);
    size_t got = ZSTD_decompress(text, room, packed, size);
    assert_false(ZSTD_isError(got));
    text[got] = '\0';
    return text;
}

static uint32_t hash_of(const char *key)
{
    uint32_t hash = 2166136261u; /* FNV-1a */
    for (; *key != '\0'; key++)
        hash = (hash ^ (unsigned char)*key) * 16777619u;
    return hash;
}

/* Numbers the keys in the order of their first request. Cuts the text into its lines. */
static struct trace number_keys(char *text)
{
    struct trace trace = {0};
    enum { ROOM = 1 << 20 };
    const char **seen = calloc(ROOM, sizeof *seen);
    uint32_t *numbers = calloc(ROOM, sizeof *numbers);
    trace.keys = calloc(strlen(text) + 1, sizeof *trace.keys);
    assert_true(seen != NULL && numbers != NULL && trace.keys != NULL);
    for (char *rest = text, *line; (line = strsep(&rest, "\n")) != NULL;) {
        if (*line == '\0')
            continue;
        line[strcspn(line, ",")] = '\0';
        uint32_t at = hash_of(line) % ROOM;
        while (seen[at] != NULL && strcmp(seen[at], line) != 0)
            at = (at + 1) % ROOM;
        if (seen[at] == NULL) {
            seen[at] = line;
            numbers[at] = trace.unique++;
            assert_true(trace.unique < ROOM);
        }
        trace.keys[trace.count++] = numbers[at];
    }
    free(seen);
    free(numbers);
    return trace;
}

/* A cache of `size` entries in the order of the contract: prepare, evict until it fits, insert. Returns the misses. */
static uint32_t simulate(const struct larder_eviction *policy, const struct trace *trace, uint32_t size)
{
    uint8_t *hits = calloc(size, 1);
    uint32_t *slot_of = calloc(trace->unique, sizeof *slot_of), *key_in = calloc(size, sizeof *key_in);
    void *state = open_state(policy, size, hits);
    uint32_t resident = 0, misses = 0;
    assert_true(hits != NULL && slot_of != NULL && key_in != NULL);
    for (size_t i = 0; i < trace->count; i++) {
        uint32_t key = trace->keys[i];
        if (slot_of[key] != 0) {
            if (policy->hit_max == 0)
                policy->hit(state, slot_of[key] - 1);
            else if (hits[slot_of[key] - 1] < policy->hit_max)
                hits[slot_of[key] - 1]++;
            continue;
        }
        const struct larder_object object = {.digest = key, .charge = 1};
        uint32_t slot = resident;
        misses++;
        if (policy->prepare != NULL)
            policy->prepare(state, &object);
        if (resident == size) {
            slot = policy->evict(state);
            assert_in_range(slot, 0, size - 1);
            slot_of[key_in[slot]] = 0;
            hits[slot] = 0;
        } else {
            resident++;
        }
        key_in[slot] = key;
        slot_of[key] = slot + 1;
        policy->insert(state, slot, &object);
    }
    policy->close(state);
    free(hits);
    free(slot_of);
    free(key_in);
    return misses;
}

/* The traces stand in the folder that LARDER_TRACES names, else in shared/traces beside the checkout. */
static const char *traces(void)
{
    const char *folder = getenv("LARDER_TRACES");
    return folder == NULL ? TEST_SOURCE "/../shared/traces" : folder;
}

static struct trace load_trace(const char *name)
{
    size_t size;
    char *packed = read_file(traces(), name, ".txt.zst", &size);
    if (packed == NULL)
        fail_msg("%s/%s.txt.zst: reference.csv names it, and it is not there", traces(), name);
    char *text = unpack(packed, size);
    free(packed);
    struct trace trace = number_keys(text);
    free(text);
    return trace;
}

static const struct larder_eviction *policy_named(const char *name)
{
    for (size_t i = 0; i < POLICIES; i++)
        if (strcmp(policies[i]->head.name, name) == 0)
            return policies[i];
    return NULL;
}

/* Within 0.75 points of the miss ratio: as near as one sketch is to another. */
static bool is_near(uint32_t got, uint32_t misses, uint32_t requests)
{
    uint32_t apart = got > misses ? got - misses : misses - got;
    return (uint64_t)apart * 10000 <= (uint64_t)requests * 75;
}

/* Rows of "trace,policy,size_objects,requests,misses". */
static void traces_give_the_reference_misses(void **unused)
{
    (void)unused;
    size_t size;
    char *reference = read_file(traces(), "reference", ".csv", &size), loaded[64] = "";
    unsigned compared = 0, wrong = 0;
    if (reference == NULL) {
        print_message("skipped: reference.csv is neither where LARDER_TRACES says nor in ../shared/traces\n");
        skip();
    }
    struct trace trace = {0};
    for (char *rest = reference, *row; (row = strsep(&rest, "\n")) != NULL;) {
        char name[64], policy[64];
        uint32_t entries, requests, misses;
        if (sscanf(row, "%63[^,],%63[^,],%" SCNu32 ",%" SCNu32 ",%" SCNu32, name, policy, &entries, &requests,
                   &misses) != 5 ||
            policy_named(policy) == NULL)
            continue;
        if (strcmp(name, loaded) != 0) {
            free(trace.keys);
            trace = load_trace(name);
            snprintf(loaded, sizeof loaded, "%s", name);
        }
        assert_int_equal(trace.count, requests);
        uint32_t got = simulate(policy_named(policy), &trace, entries);
        bool right = strcmp(policy, "wtinylfu") != 0 ? got == misses : is_near(got, misses, requests);
        if (!right)
            print_error("%s: got %" PRIu32 " misses\n", row, got);
        wrong += !right;
        compared++;
    }
    free(trace.keys);
    free(reference);
    print_message("%u rows compared\n", compared);
    assert_int_equal(wrong, 0);
    assert_true(compared >= 3 * POLICIES);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lru_evicts_the_entry_used_longest_ago),
        cmocka_unit_test(fifo_evicts_in_the_order_of_arrival),
        cmocka_unit_test(clock_passes_once_over_what_was_used),
        cmocka_unit_test(clock_goes_round_once_when_all_were_used),
        cmocka_unit_test(clock_finds_the_few_that_are_left_of_many),
        cmocka_unit_test(clock_keeps_a_bit_a_slot),
        cmocka_unit_test(a_state_closes_with_slots_resident),
        cmocka_unit_test(traces_give_the_reference_misses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
