/* Policies that count hits, whose sweeps end though every hit byte stays as it is: as if readers were always faster. */
#include "tests/unit/eviction_kit.h"

#include "tests/unit/eviction_walk.h"

extern const struct larder_eviction larder_plugin_table__sticky_clock, larder_plugin_table__sticky_sieve,
    larder_plugin_table__sticky_s3fifo;

static const struct larder_eviction *const sticky[] = {
    &larder_plugin_table__sticky_clock,
    &larder_plugin_table__sticky_sieve,
    &larder_plugin_table__sticky_s3fifo,
};
enum { STICKY = sizeof sticky / sizeof *sticky };

static struct box box;

/* A policy that counts hits and is not built again here would go untested. */
static void all_that_count_hits_are_here(void **unused)
{
    (void)unused;
    size_t counting = 0;
    for (size_t i = 0; i < POLICIES; i++)
        counting += policies[i]->hit_max >= 1 && policies[i]->hit_max <= 15;
    assert_int_equal(counting, STICKY);
}

static void sweeps_end_though_every_entry_stays_hot(void **unused)
{
    (void)unused;
    for (size_t i = 0; i < STICKY; i++) {
        box_open(&box, sticky[i], BOX_SLOTS, BOX_SLOTS);
        for (uint32_t key = 0; key < 4 * BOX_SLOTS; key++) {
            box_use(&box, key, 1);
            memset(box.hits, (int)sticky[i]->hit_max, sizeof box.hits);
        }
        assert_int_equal(box.count, BOX_SLOTS);
        while (box.count > 0) {
            box_evict(&box);
            memset(box.hits, (int)sticky[i]->hit_max, sizeof box.hits);
        }
        assert_int_equal(sticky[i]->evict(box.state), LARDER_NO_SLOT);
        box_walk(&box, 20000);
        box_drain(&box);
        box_close(&box);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_that_count_hits_are_here),
        cmocka_unit_test(sweeps_end_though_every_entry_stays_hot),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
