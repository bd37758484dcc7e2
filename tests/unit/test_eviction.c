/* The policies themselves: exact against sequences worked out by hand, and against published miss counts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zstd.h>

#include "larder/plugin/eviction.h"

extern const struct larder_eviction larder_plugin_table__eviction_lru, larder_plugin_table__eviction_fifo;

static const struct larder_object unit = {.charge = 1};

static void *open_state(const struct larder_eviction *policy, uint32_t slots)
{
    const struct larder_eviction_env env = {.size = sizeof env, .max_slots = slots, .capacity = slots};
    void *state = policy->open(&env);
    assert_non_null(state);
    return state;
}

static void lru_evicts_the_entry_used_longest_ago(void **unused)
{
    (void)unused;
    const struct larder_eviction *lru = &larder_plugin_table__eviction_lru;
    void *state = open_state(lru, 4);
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
    void *state = open_state(fifo, 4);
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

static void a_state_closes_with_slots_resident(void **unused)
{
    (void)unused;
    const struct larder_eviction *policies[] = {&larder_plugin_table__eviction_lru,
                                                &larder_plugin_table__eviction_fifo};
    for (size_t i = 0; i < 2; i++) {
        void *state = open_state(policies[i], 1);
        policies[i]->insert(state, 0, &unit);
        policies[i]->close(state);
    }
}

/* The key of each request of a trace, as a number: traces are small, so their keys are found by looking through. */
struct trace {
    char *text;
    size_t count;
    uint32_t *keys;
    uint32_t unique;
};

static char *read_trace(const char *path)
{
    FILE *file = fopen(path, "rb");
    if (file == NULL)
        return NULL;
    static char packed[1 << 20];
    size_t size = fread(packed, 1, sizeof packed, file);
    fclose(file);
    unsigned long long length = ZSTD_getFrameContentSize(packed, size);
    size_t room = length < (1u << 24) ? (size_t)length : 1u << 24;
    char *text = malloc(room + 1);
    assert_non_null(text);
    size_t got = ZSTD_decompress(text, room, packed, size);
    assert_false(ZSTD_isError(got));
    text[got] = '\0';
    return text;
}

/* From the folder that LARDER_TRACES names, else from shared/traces beside the checkout, as tests/system/test_trace.py. */
static bool load_trace(const char *name, struct trace *trace)
{
    const char *folder = getenv("LARDER_TRACES");
    char path[4096];
    *trace = (struct trace){0};
    snprintf(path, sizeof path, "%s/%s.txt.zst", folder == NULL ? TEST_SOURCE "/../shared/traces" : folder, name);
    if ((trace->text = read_trace(path)) == NULL)
        return false;
    const char **seen = calloc(strlen(trace->text) + 1, sizeof *seen);
    trace->keys = calloc(strlen(trace->text) + 1, sizeof *trace->keys);
    assert_non_null(seen);
    assert_non_null(trace->keys);
    for (char *rest = trace->text, *line; (line = strsep(&rest, "\n")) != NULL;) {
        if (*line == '\0')
            continue;
        line[strcspn(line, ",")] = '\0';
        uint32_t key = 0;
        while (key < trace->unique && strcmp(seen[key], line) != 0)
            key++;
        if (key == trace->unique)
            seen[trace->unique++] = line;
        trace->keys[trace->count++] = key;
    }
    free(seen);
    return true;
}

static void free_trace(struct trace *trace)
{
    free(trace->text);
    free(trace->keys);
}

/* A cache of `size` entries in the order of the contract: prepare, evict until it fits, insert. Returns the misses. */
static uint32_t simulate(const struct larder_eviction *policy, const struct trace *trace, uint32_t size)
{
    void *state = open_state(policy, size);
    uint32_t *slot_of = calloc(trace->unique, sizeof *slot_of), *key_in = calloc(size, sizeof *key_in);
    uint32_t resident = 0, misses = 0;
    assert_non_null(slot_of);
    assert_non_null(key_in);
    for (size_t i = 0; i < trace->count; i++) {
        uint32_t key = trace->keys[i];
        if (slot_of[key] != 0) {
            if (policy->hit_max == 0)
                policy->hit(state, slot_of[key] - 1);
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
        } else {
            resident++;
        }
        key_in[slot] = key;
        slot_of[key] = slot + 1;
        policy->insert(state, slot, &object);
    }
    free(slot_of);
    free(key_in);
    policy->close(state);
    return misses;
}

static void glimpse_gives_the_reference_misses(void **unused)
{
    (void)unused;
    static const struct {
        uint32_t size, lru, fifo;
    } reference[] = {
        {25, 5961, 5961},   {252, 5960, 5960},  {500, 5958, 5958},
        {1000, 5341, 5345}, {1500, 3816, 4354}, {2000, 2562, 3134},
    };
    struct trace trace;
    if (!load_trace("lirs_gli", &trace)) {
        print_message("skipped: lirs_gli.txt.zst is neither where LARDER_TRACES says nor in ../shared/traces\n");
        skip();
    }
    assert_int_equal(trace.count, 6015);
    for (size_t i = 0; i < sizeof reference / sizeof *reference; i++) {
        assert_int_equal(simulate(&larder_plugin_table__eviction_lru, &trace, reference[i].size), reference[i].lru);
        assert_int_equal(simulate(&larder_plugin_table__eviction_fifo, &trace, reference[i].size), reference[i].fifo);
    }
    free_trace(&trace);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lru_evicts_the_entry_used_longest_ago),
        cmocka_unit_test(fifo_evicts_in_the_order_of_arrival),
        cmocka_unit_test(a_state_closes_with_slots_resident),
        cmocka_unit_test(glimpse_gives_the_reference_misses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
