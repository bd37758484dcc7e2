/* What each policy promises, in sequences worked out by hand. Letters are keys of charge 1. */
#include "tests/unit/eviction_kit.h"

#define LFU      (&larder_plugin_table__eviction_lfu)
#define SIEVE    (&larder_plugin_table__eviction_sieve)
#define TWO_Q    (&larder_plugin_table__eviction_2q)
#define S3FIFO   (&larder_plugin_table__eviction_s3fifo)
#define ARC      (&larder_plugin_table__eviction_arc)
#define WTINYLFU (&larder_plugin_table__eviction_wtinylfu)

/* Of each test in turn. */
static struct box box;

/* ---- lfu */

static void lfu_evicts_the_fewest_hits_and_then_the_oldest_touch(void **unused)
{
    (void)unused;
    box_open(&box, LFU, 3, 3);
    box_run(&box, "aabbcd");
    assert_gone(&box, "c");
    box_run(&box, "ddba"); /* d and a have two hits by now, and b, too */
    assert_drains(&box, "dba");
    box_run(&box, "bac"); /* counts are forgotten with their entries */
    assert_drains(&box, "bac");
    box_close(&box);
}

static void lfu_keeps_apart_as_many_counts_as_there_are(void **unused)
{
    (void)unused;
    enum { KEYS = 60 };
    box_open(&box, LFU, KEYS, KEYS);
    for (uint32_t key = 0; key < KEYS; key++)
        for (uint32_t use = 0; use <= (key * 7) % KEYS; use++)
            box_use(&box, key, 1);
    assert_true(LFU->extra_bytes(box.state) > KEYS * sizeof(uint32_t));
    box_remove(&box, 7); /* 49 hits */
    for (uint32_t hits = 0; hits < KEYS; hits++)
        if (hits != 49)
            assert_int_equal(box_evict(&box) * 7 % KEYS, hits);
    box_close(&box);
}

/* ---- sieve */

static void sieve_spares_what_was_used_where_it_stands(void **unused)
{
    (void)unused;
    box_open(&box, SIEVE, 3, 3);
    box_run(&box, "abca");
    box_run(&box, "d"); /* the hand passes a */
    assert_gone(&box, "b");
    box_run(&box, "e"); /* and goes on from there, to newcomers: c d e a stands behind it */
    assert_gone(&box, "c");
    box_run(&box, "f");
    assert_gone(&box, "d");
    assert_drains(&box, "efa");
    box_close(&box);
}

static void sieve_goes_on_when_the_hand_loses_its_entry(void **unused)
{
    (void)unused;
    box_open(&box, SIEVE, 4, 4);
    box_run(&box, "abcdae"); /* b goes, the hand is at c */
    box_remove(&box, 'c');
    box_run(&box, "fg"); /* f has room */
    assert_gone(&box, "bd");
    box_remove(&box, 'e'); /* the hand is there */
    box_remove(&box, 'f');
    box_remove(&box, 'g');
    assert_drains(&box, "a");
    box_close(&box);
}

/* ---- 2q: of 8, A1in may have 2, and 4 are remembered */

static void two_q_keeps_what_is_asked_for_again(void **unused)
{
    (void)unused;
    box_open(&box, TWO_Q, 8, 8);
    box_run(&box, "abcdefghaaa"); /* hits in A1in change nothing */
    box_run(&box, "i");
    assert_gone(&box, "a");
    box_run(&box, "a"); /* to Am */
    assert_gone(&box, "b");
    box_run(&box, "jklmn");
    assert_gone(&box, "cdefg");
    box_run(&box, "g"); /* d to g are remembered */
    assert_gone(&box, "h");
    box_run(&box, "c");
    assert_gone(&box, "i");
    assert_drains(&box, "jklmncag"); /* A1in first, then Am from its oldest use */
    box_close(&box);
}

static void two_q_evicts_from_am_when_a1in_has_its_share(void **unused)
{
    (void)unused;
    box_open(&box, TWO_Q, 8, 8);
    box_run(&box, "abcdefghijkl"); /* a to d are gone */
    box_run(&box, "abcd");         /* and back, for e to h */
    box_run(&box, "ef");           /* as are these two */
    assert_gone(&box, "abcdefghij");
    box_run(&box, "a"); /* k l in A1in, its share; b c d e f a in Am */
    box_run(&box, "g");
    assert_gone(&box, "b");
    box_run(&box, "xh"); /* x into A1in, which was not over its share then, h to Am, for k */
    assert_gone(&box, "ck");
    assert_drains(&box, "lxdefagh");
    box_close(&box);
}

/* ---- s3fifo: of 10, the small queue may have 1, and 9 are remembered */

static void s3fifo_promotes_after_two_hits_and_remembers_the_rest(void **unused)
{
    (void)unused;
    box_open(&box, S3FIFO, 10, 10);
    box_run(&box, "abcdefghijaab");
    box_run(&box, "k"); /* a goes on to the main queue, b has one hit only */
    assert_gone(&box, "b");
    box_run(&box, "b"); /* to the main queue at once */
    assert_gone(&box, "c");
    box_run(&box, "cccc"); /* its three hits are three rounds there */
    assert_gone(&box, "d");
    assert_drains(&box, "efghijkabc");
    box_close(&box);
}

static void s3fifo_spares_in_the_main_queue_a_round_a_hit(void **unused)
{
    (void)unused;
    box_open(&box, S3FIFO, 4, 4);
    box_run(&box, "abcd");
    for (const char *key = "abcd"; *key != '\0'; key++) /* all to the main queue */
        box_run(&box, (char[]){*key, *key, '\0'});
    box_run(&box, "e"); /* a to d were promoted, and then the first of the main queue is the one */
    assert_gone(&box, "a");
    box_run(&box, "bbc");
    assert_drains(&box, "edcb");
    box_close(&box);
}

/* ---- arc */

static void arc_moves_its_target_as_ghosts_are_asked_for(void **unused)
{
    (void)unused;
    box_open(&box, ARC, 2, 2);
    box_run(&box, "abac"); /* a is in T2; b goes to B1, for the target of T1 is 0 */
    assert_gone(&box, "b");
    box_run(&box, "b"); /* the target is 1 now, which c alone does not exceed */
    assert_gone(&box, "a");
    box_run(&box, "a"); /* a ghost of B2: the target is 0 again */
    assert_gone(&box, "c");
    assert_drains(&box, "ba");
    box_close(&box);
    box_open(&box, ARC, 3, 3);
    box_run(&box, "aaebce"); /* the target is 1, which c alone does not exceed */
    assert_gone(&box, "eb");
    assert_drains(&box, "aec");
    box_close(&box);
}

static void arc_moves_its_target_once_for_a_newcomer(void **unused)
{
    (void)unused;
    box_open(&box, ARC, 3, 3);
    box_run(&box, "aaebc"); /* T2: a, T1: b c, B1: e */
    assert_gone(&box, "e");
    const struct larder_object e = box_object('e', 1);
    for (int i = 0; i < 5; i++) /* e is on its way, and again: what asked for it first was not done */
        ARC->prepare(box.state, &e);
    box_run(&box, "e"); /* the target is 1 all the same */
    assert_gone(&box, "b");
    assert_drains(&box, "aec");
    box_close(&box);
}

static void arc_takes_from_t1_at_its_target_for_a_ghost_of_b2(void **unused)
{
    (void)unused;
    box_open(&box, ARC, 3, 3);
    box_run(&box, "eacefac"); /* T1: f, T2: a c, B2: e; the target is 2 */
    assert_gone(&box, "ace");
    box_run(&box, "e"); /* it is 1 now, as T1 is */
    assert_gone(&box, "f");
    assert_drains(&box, "ace");
    box_close(&box);
}

static void arc_remembers_with_t1_as_much_as_fits(void **unused)
{
    (void)unused;
    box_open(&box, ARC, 3, 3);
    box_run(&box, "edbeaf"); /* T1: a f, T2: e, B1: b; d was forgotten for f */
    assert_gone(&box, "db");
    box_run(&box, "d"); /* to T1 */
    assert_gone(&box, "a");
    assert_drains(&box, "fde");
    box_close(&box);
}

static void arc_forgets_at_once_what_leaves_a_full_t1(void **unused)
{
    (void)unused;
    box_open(&box, ARC, 3, 3);
    box_run(&box, "abcdef");
    assert_gone(&box, "abc");
    assert_int_equal(ARC->extra_bytes(box.state), 0);
    box_run(&box, "eg"); /* e moves to T2, so d leaves a ghost */
    assert_gone(&box, "d");
    assert_true(ARC->extra_bytes(box.state) > 0);
    box_run(&box, "d"); /* to T2; the target is 1 */
    assert_gone(&box, "f");
    assert_drains(&box, "edg");
    box_close(&box);
}

/* ---- wtinylfu */

static void wtinylfu_lets_no_scan_in_and_a_new_favourite(void **unused)
{
    (void)unused;
    box_open(&box, WTINYLFU, 200, 200);
    for (uint32_t round = 0; round < 3; round++)
        for (uint32_t key = 0; key < 190; key++)
            box_use(&box, key, 1);
    for (uint32_t key = 1000; key < 1500; key++)
        box_use(&box, key, 1);
    for (uint32_t key = 0; key < 190; key++)
        assert_true(box.slot_of[key] != 0);
    /* As often as it takes; each time it has left the window before it comes again. */
    for (uint32_t i = 0; i < 8; i++) {
        box_use(&box, 999, 1);
        for (uint32_t key = 1600; key < 1605; key++)
            box_use(&box, key + 5 * i, 1);
    }
    assert_true(box.slot_of[999] != 0);
    box_close(&box);
}

static void wtinylfu_protects_what_is_used_in_the_main_part(void **unused)
{
    (void)unused;
    box_open(&box, WTINYLFU, 10, 10); /* 0 for the window, which has room for one all the same; 7 are protected */
    box_run(&box, "abcdefghij");
    box_run(&box, "cabdefgh");         /* one too many: c is on probation again, behind i */
    assert_drains(&box, "jicabdefgh"); /* j in the window was not seen more often than i */
    box_close(&box);
}

/* ---- by charge */

/* What is kept stays, and the newcomer that is larger than the share of newcomers goes for those that follow. */
static void what_is_larger_than_a_share_leaves_first(void **unused)
{
    (void)unused;
    enum { KEPT = 30, LARGE = 500 };
    const struct larder_eviction *const shared[] = {TWO_Q, S3FIFO, WTINYLFU};
    for (size_t i = 0; i < sizeof shared / sizeof *shared; i++) {
        box_open(&box, shared[i], 100, 100);
        for (uint32_t key = 0; key < 130; key++)
            box_use(&box, key, 1);
        for (uint32_t round = 0; round < 3; round++)
            for (uint32_t key = 0; key < KEPT; key++)
                box_use(&box, key, 1);
        assert_false(box_use(&box, LARGE, 40));
        uint32_t key = LARGE + 1;
        for (; box.slot_of[LARGE] != 0; key++)
            box_use(&box, key, 10);
        assert_in_range(key, LARGE + 2, LARGE + 5); /* those that came before it, of charge 1, first */
        for (key = 0; key < KEPT; key++)
            assert_int_not_equal(box.slot_of[key], 0);
        box_close(&box);
    }
}

/* A share is a part of the charges, not of the number of entries. */
static void shares_follow_charges_and_their_changes(void **unused)
{
    (void)unused;
    box_open(&box, TWO_Q, 100, 100);
    for (uint32_t key = 0; key < 10; key++)
        box_use(&box, key, 10); /* A1in may have 25 */
    for (uint32_t key = 10; key < 14; key++)
        box_use(&box, key, 10); /* 0 to 3 are gone and remembered */
    for (uint32_t key = 0; key < 4; key++)
        box_use(&box, key, 10); /* 4 to 7 make room; A1in: 8 to 13 */
    for (uint32_t key = 8; key < 14; key++)
        box_update(&box, key, 4); /* 24 */
    assert_int_equal(box.used, 64);
    box_use(&box, 20, 20); /* has room; A1in: 44 */
    box_use(&box, 21, 20); /* 8 goes */
    assert_int_equal(box.slot_of[8], 0);
    box_update(&box, 20, 1);
    box_update(&box, 21, 1); /* 22 */
    box.gone_count = 0;
    box_use(&box, 22, 40); /* A1in is within its share: from Am */
    assert_int_equal(box.gone[0], 0);
    assert_int_equal(box.slot_of[0], 0);
    assert_int_not_equal(box.slot_of[9], 0);
    box_close(&box);
}

static void s3fifo_counts_the_charges_of_its_main_queue(void **unused)
{
    (void)unused;
    box_open(&box, S3FIFO, 100, 100); /* the main queue may have 90 */
    for (uint32_t key = 0; key < 10; key++)
        for (uint32_t use = 0; use < 3; use++)
            box_use(&box, key, 10);
    box_use(&box, 20, 10); /* all are promoted, and 0 goes */
    assert_int_equal(box.slot_of[0], 0);
    box_use(&box, 23, 10); /* the main queue has its share, and no more */
    assert_int_equal(box.slot_of[20], 0);
    box_update(&box, 23, 1);
    box_remove(&box, 2);
    box_remove(&box, 3);
    box_update(&box, 1, 28); /* 88 in the main queue */
    box_use(&box, 21, 12);
    assert_int_equal(box.slot_of[23], 0);
    box_update(&box, 21, 1);
    box_update(&box, 1, 38); /* 98: over its share */
    box_use(&box, 22, 5);
    assert_int_equal(box.slot_of[1], 0);
    assert_int_not_equal(box.slot_of[21], 0);
    box_close(&box);
}

/* ---- newcomers that do not come, and come unannounced */

static void ghosts_wait_for_newcomers_that_do_not_come(void **unused)
{
    (void)unused;
    static const struct {
        const struct larder_eviction *policy;
        const char *order;
    } cases[] = {
        {TWO_Q, "defghiza"},
        {S3FIFO, "defgizah"},
        {ARC, "defghaiz"}, /* the target for T1 is 2 after a was asked for twice */
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        box_open(&box, cases[i].policy, 8, 8);
        box_run(&box, "abcdefghhhi"); /* h has hits */
        assert_gone(&box, "a");
        box_prepare(&box, 'a', 1); /* does not come; nor does y */
        box_prepare(&box, 'y', 1);
        box_insert(&box, 'z', 1); /* comes unannounced */
        assert_gone(&box, "b");
        box_run(&box, "a"); /* comes at last, and is known */
        assert_gone(&box, "c");
        assert_drains(&box, cases[i].order);
        box_close(&box);
    }
}

static void a_ghost_that_comes_unannounced_is_known(void **unused)
{
    (void)unused;
    const struct larder_eviction *const remembering[] = {TWO_Q, S3FIFO, ARC};
    for (size_t i = 0; i < sizeof remembering / sizeof *remembering; i++) {
        box_open(&box, remembering[i], 8, 8);
        box_run(&box, "abcdefghhhi");
        box_evict(&box); /* b, room for a */
        assert_gone(&box, "ab");
        box_insert(&box, 'a', 1);
        for (uint32_t left = box.count; left > 2; left--)
            assert_int_not_equal(box_evict(&box), 'a');
        assert_true(box.slot_of['a'] != 0);
        box_close(&box);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lfu_evicts_the_fewest_hits_and_then_the_oldest_touch),
        cmocka_unit_test(lfu_keeps_apart_as_many_counts_as_there_are),
        cmocka_unit_test(sieve_spares_what_was_used_where_it_stands),
        cmocka_unit_test(sieve_goes_on_when_the_hand_loses_its_entry),
        cmocka_unit_test(two_q_keeps_what_is_asked_for_again),
        cmocka_unit_test(two_q_evicts_from_am_when_a1in_has_its_share),
        cmocka_unit_test(s3fifo_promotes_after_two_hits_and_remembers_the_rest),
        cmocka_unit_test(s3fifo_spares_in_the_main_queue_a_round_a_hit),
        cmocka_unit_test(arc_moves_its_target_as_ghosts_are_asked_for),
        cmocka_unit_test(arc_moves_its_target_once_for_a_newcomer),
        cmocka_unit_test(arc_takes_from_t1_at_its_target_for_a_ghost_of_b2),
        cmocka_unit_test(arc_remembers_with_t1_as_much_as_fits),
        cmocka_unit_test(arc_forgets_at_once_what_leaves_a_full_t1),
        cmocka_unit_test(wtinylfu_lets_no_scan_in_and_a_new_favourite),
        cmocka_unit_test(wtinylfu_protects_what_is_used_in_the_main_part),
        cmocka_unit_test(what_is_larger_than_a_share_leaves_first),
        cmocka_unit_test(shares_follow_charges_and_their_changes),
        cmocka_unit_test(s3fifo_counts_the_charges_of_its_main_queue),
        cmocka_unit_test(ghosts_wait_for_newcomers_that_do_not_come),
        cmocka_unit_test(a_ghost_that_comes_unannounced_is_known),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
