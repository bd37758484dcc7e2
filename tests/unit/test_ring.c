/* Placement: even, minimal in what moves, the same everywhere, and found quickly by any digest. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/bytes.h"
#include "core/cluster/ring.h"

enum { NODES = 10, SETS = 200, KEYS = 20000 };

static uint64_t fnv_digest(const void *data, size_t length, uint64_t seed)
{
    const unsigned char *bytes = data;
    uint64_t digest = UINT64_C(0xcbf29ce484222325) ^ seed;
    for (size_t i = 0; i < length; i++)
        digest = (digest ^ bytes[i]) * UINT64_C(0x100000001b3);
    return digest;
}

/* As poor as a module may be: 32 bits, and near texts have near digests. */
static uint64_t sum_digest(const void *data, size_t length, uint64_t seed)
{
    const unsigned char *bytes = data;
    uint32_t digest = (uint32_t)seed;
    for (size_t i = 0; i < length; i++)
        digest = digest * 31 + bytes[i];
    return digest;
}

static uint64_t constant_digest(const void *data, size_t length, uint64_t seed)
{
    (void)data;
    (void)length;
    return seed;
}

static const struct larder_hash fnv = {.head = {.name = "fnv"}, .digest = fnv_digest};
static const struct larder_hash sum = {.head = {.name = "sum"}, .digest = sum_digest};
static const struct larder_hash constant = {.head = {.name = "constant"}, .digest = constant_digest};
/* The modules, under the names of a static build. */
extern const struct larder_hash larder_plugin_table__hash_crc32, larder_plugin_table__hash_murmur3,
    larder_plugin_table__hash_xxhash;

static const struct larder_hash *const hashes[] = {&larder_plugin_table__hash_crc32, &larder_plugin_table__hash_murmur3,
                                                   &larder_plugin_table__hash_xxhash, &sum};

static struct ldr_ring_settings with(const struct larder_hash *hash)
{
    return (struct ldr_ring_settings){hash, 0, 256};
}

/* NODES + 1 names in the way of one of several installations. */
static void name_members(unsigned set, char names[][LARDER_MEMBER_NAME_MAX + 1], struct larder_member *members)
{
    static const char *const forms[] = {"n%u-%u", "cache-%05u.rack%u.example.org", "10.20.%u.%u", "%x%x", "node_%u%u"};
    for (unsigned i = 0; i <= NODES; i++) {
        const char *form = forms[set % (sizeof forms / sizeof *forms)];
        snprintf(names[i], LARDER_MEMBER_NAME_MAX + 1, form, set, i + 1);
        members[i] = (struct larder_member){.name = names[i], .weight = 1};
    }
}

static uint64_t key_digest(const struct ldr_ring_settings *settings, unsigned number)
{
    char key[32];
    snprintf(key, sizeof key, "user:%u", number);
    return ldr_ring_key(settings, ldr_ring_group(settings, ldr_slice_text("users")), ldr_slice_text(key));
}

static size_t owner_of(const struct ldr_ring *ring, uint64_t digest)
{
    size_t owner = SIZE_MAX;
    assert_int_equal(ldr_ring_walk(ring, digest, &owner, 1), 1);
    return owner;
}

static struct ldr_ring *build(const struct ldr_ring_settings *settings, const struct larder_member *members,
                              size_t count)
{
    struct ldr_ring *ring = ldr_ring_build(settings, members, count);
    assert_non_null(ring);
    return ring;
}

static void shares_are_even_whatever_the_names(void **state)
{
    (void)state;
    for (size_t h = 0; h < sizeof hashes / sizeof *hashes; h++) {
        struct ldr_ring_settings settings = with(hashes[h]);
        for (unsigned set = 0; set < SETS; set++) {
            char names[NODES + 1][LARDER_MEMBER_NAME_MAX + 1];
            struct larder_member members[NODES + 1];
            name_members(set, names, members);
            struct ldr_ring *ten = build(&settings, members, NODES);
            struct ldr_ring *eleven = build(&settings, members, NODES + 1);
            double total = 0;
            for (size_t i = 0; i < NODES; i++) {
                total += ldr_ring_share(ten, i);
                assert_true(ldr_ring_share(ten, i) * NODES < 1.15);
            }
            assert_true(total > 0.999999 && total < 1.000001);
            /* What the newcomer takes is what moves: see only_what_must_move_moves. */
            assert_true(ldr_ring_share(eleven, NODES) * (NODES + 1) <= 1.1);
            ldr_ring_free(ten);
            ldr_ring_free(eleven);
        }
    }
}

static void shares_are_what_keys_see(void **state)
{
    (void)state;
    struct ldr_ring_settings settings = with(&fnv);
    char names[NODES + 1][LARDER_MEMBER_NAME_MAX + 1];
    struct larder_member members[NODES + 1];
    unsigned counts[NODES] = {0};
    name_members(0, names, members);
    struct ldr_ring *ring = build(&settings, members, NODES);
    for (unsigned key = 0; key < KEYS; key++)
        counts[owner_of(ring, key_digest(&settings, key))]++;
    for (size_t i = 0; i < NODES; i++) /* five standard deviations of a count of 2,000 */
        assert_in_range(counts[i], (unsigned)(ldr_ring_share(ring, i) * KEYS) - 220,
                        (unsigned)(ldr_ring_share(ring, i) * KEYS) + 220);
    ldr_ring_free(ring);
}

static void only_what_must_move_moves(void **state)
{
    (void)state;
    struct ldr_ring_settings settings = with(&fnv);
    char names[NODES + 1][LARDER_MEMBER_NAME_MAX + 1];
    struct larder_member members[NODES + 1];
    name_members(1, names, members);
    struct ldr_ring *before = build(&settings, members, NODES), *after = build(&settings, members, NODES + 1);
    unsigned moved = 0;
    for (unsigned key = 0; key < KEYS; key++) {
        uint64_t digest = key_digest(&settings, key);
        size_t old = owner_of(before, digest), new = owner_of(after, digest);
        if (old != new) {
            assert_int_equal(new, NODES); /* to the newcomer, or seen backwards from the one that left: nobody else */
            moved++;
        }
    }
    assert_in_range(moved, 1, (KEYS / (NODES + 1)) * 11 / 10);
    ldr_ring_free(before);
    ldr_ring_free(after);
}

static void weights_scale_shares(void **state)
{
    (void)state;
    struct ldr_ring_settings settings = with(&fnv);
    const struct larder_member members[] = {{.name = "a", .weight = 1}, {.name = "b", .weight = 3}};
    const struct larder_member heavier[] = {{.name = "a", .weight = 2}, {.name = "b", .weight = 3}};
    struct ldr_ring *ring = build(&settings, members, 2), *next = build(&settings, heavier, 2);
    assert_true(ldr_ring_share(ring, 1) > 0.72 && ldr_ring_share(ring, 1) < 0.78);
    for (unsigned key = 0; key < KEYS; key++) { /* who grows heavier only gains */
        uint64_t digest = key_digest(&settings, key);
        if (owner_of(ring, digest) == 0)
            assert_int_equal(owner_of(next, digest), 0);
    }
    assert_int_not_equal(ldr_ring_checksum(ring), ldr_ring_checksum(next));
    ldr_ring_free(ring);
    ldr_ring_free(next);
}

/* Fault 5: placement depends on the list alone, so any two nodes that have the list agree. */
static void fault_5_placement_is_a_function_of_the_list(void **state)
{
    (void)state;
    struct ldr_ring_settings settings = with(&fnv);
    const struct larder_address address = {"http", "127.0.0.1:1"};
    const struct larder_member one[] = {
        {.name = "a", .weight = 1}, {.name = "b", .weight = 2}, {.name = "c", .weight = 1}};
    const struct larder_member two[] = {
        {.name = "c", .weight = 1, .address_count = 1, .addresses = &address},
        {.name = "a", .weight = 1},
        {.name = "b", .weight = 2, .address_count = 1, .addresses = &address}}; /* another order, other addresses */
    struct ldr_ring *first = build(&settings, one, 3), *second = build(&settings, two, 3);
    assert_int_equal(ldr_ring_checksum(first), ldr_ring_checksum(second));
    for (unsigned key = 0; key < KEYS; key++) {
        uint64_t digest = key_digest(&settings, key);
        assert_string_equal(one[owner_of(first, digest)].name, two[owner_of(second, digest)].name);
    }
    ldr_ring_free(first);
    ldr_ring_free(second);
}

static void equal_points_go_by_name(void **state)
{
    (void)state;
    struct ldr_ring_settings settings = with(&constant); /* every point of one member lies on one of every other */
    const struct larder_member one[] = {{.name = "b", .weight = 1}, {.name = "a", .weight = 1}};
    const struct larder_member two[] = {{.name = "a", .weight = 1}, {.name = "b", .weight = 1}};
    struct ldr_ring *first = build(&settings, one, 2), *second = build(&settings, two, 2);
    for (unsigned i = 0; i < 1000; i++) {
        uint64_t digest = ldr_mix(i);
        size_t found[3] = {9, 9, 9};
        assert_int_equal(owner_of(first, digest), 1);
        assert_int_equal(owner_of(second, digest), 0);
        assert_int_equal(ldr_ring_walk(first, digest, found, 3), 2);
        assert_int_equal(found[1], 0);
    }
    assert_int_equal(ldr_ring_checksum(first), ldr_ring_checksum(second));
    ldr_ring_free(first);
    ldr_ring_free(second);
}

static void a_walk_finds_every_member_once(void **state)
{
    (void)state;
    struct ldr_ring_settings settings = with(&fnv);
    char names[NODES + 1][LARDER_MEMBER_NAME_MAX + 1];
    struct larder_member members[NODES + 1];
    name_members(2, names, members);
    struct ldr_ring *ring = build(&settings, members, NODES), *without = NULL;
    for (unsigned key = 0; key < 40; key++) {
        size_t found[NODES + 5];
        uint64_t digest = key_digest(&settings, key);
        unsigned seen = 0;
        assert_int_equal(ldr_ring_walk(ring, digest, found, NODES + 5), NODES);
        for (size_t i = 0; i < NODES; i++)
            seen |= 1u << found[i];
        assert_int_equal(seen, (1u << NODES) - 1);
        /* The second is who owns the key once the first is gone. */
        struct larder_member rest[NODES];
        size_t count = 0;
        for (size_t i = 0; i < NODES; i++)
            if (i != found[0])
                rest[count++] = members[i];
        without = build(&settings, rest, count);
        assert_string_equal(rest[owner_of(without, digest)].name, members[found[1]].name);
        ldr_ring_free(without);
    }
    ldr_ring_free(ring);
}

static void places_lead_round_the_ring(void **state)
{
    (void)state;
    struct ldr_ring_settings settings = {&fnv, 0, 1};
    const struct larder_member members[] = {{.name = "a", .weight = 1}, {.name = "b", .weight = 1}};
    struct ldr_ring *ring = build(&settings, members, 2);
    static const uint64_t edges[] = {0, 1, UINT64_MAX / 2, UINT64_MAX - 1, UINT64_MAX};
    for (size_t e = 0; e < sizeof edges / sizeof *edges; e++) {
        size_t start = ldr_ring_find(ring, edges[e]), place = start, steps = 0, of_a = 0;
        do {
            of_a += ldr_ring_member(ring, place) == 0;
            place = ldr_ring_next(ring, place);
            steps++;
        } while (place != start);
        assert_int_equal(of_a * 2, steps);
    }
    /* After the last point comes the first. */
    assert_int_equal(ldr_ring_find(ring, 0), 0);
    ldr_ring_free(ring);
}

static void an_empty_ring_owns_nothing(void **state)
{
    (void)state;
    struct ldr_ring_settings settings = with(&fnv);
    struct ldr_ring *ring = build(&settings, NULL, 0);
    size_t found = 7;
    assert_int_equal(ldr_ring_walk(ring, 1, &found, 1), 0);
    assert_int_equal(found, 7);
    assert_true(ldr_ring_share(ring, 0) <= 0);
    ldr_ring_free(ring);
    ldr_ring_free(NULL);
}

static void a_ring_beyond_memory_is_refused(void **state)
{
    (void)state;
    struct ldr_ring_settings settings = {&fnv, 0, 4096};
    struct larder_member *members = calloc(2000, sizeof *members);
    assert_non_null(members);
    for (size_t i = 0; i < 2000; i++)
        members[i] = (struct larder_member){.name = "x", .weight = LARDER_WEIGHT_MAX};
    assert_null(ldr_ring_build(&settings, members, 2000)); /* 6,553,600,000 points */
    free(members);
}

static void settings_and_checksums_tell_rings_apart(void **state)
{
    (void)state;
    const struct ldr_ring_settings variants[] = {{&fnv, 0, 256}, {&fnv, 1, 256}, {&fnv, 0, 255}, {&sum, 0, 256}};
    const struct larder_member members[] = {{.name = "a", .weight = 1}, {.name = "b", .weight = 1}};
    const struct larder_member others[] = {{.name = "a", .weight = 1}, {.name = "c", .weight = 1}};
    for (size_t i = 0; i < 4; i++) {
        struct ldr_ring *ring = build(&variants[i], members, 2);
        for (size_t k = 0; k < i; k++) {
            struct ldr_ring *other = build(&variants[k], members, 2);
            assert_int_not_equal(ldr_ring_settings_digest(&variants[i]), ldr_ring_settings_digest(&variants[k]));
            assert_int_not_equal(ldr_ring_checksum(ring), ldr_ring_checksum(other));
            ldr_ring_free(other);
        }
        struct ldr_ring *renamed = build(&variants[i], others, 2);
        assert_int_not_equal(ldr_ring_checksum(ring), ldr_ring_checksum(renamed));
        ldr_ring_free(renamed);
        ldr_ring_free(ring);
    }
}

/* Fixed for ever: nodes of all versions and machines that meet in one cluster must agree on every line. */
static void placement_is_fixed(void **state)
{
    (void)state;
    static const struct {
        const char *hash;
        uint64_t settings, checksum, key; /* the last: where key "user:0" of group "users" falls */
        const char *owners;               /* of user:0, user:1, ... */
    } vectors[] = {
        {"crc32", UINT64_C(0x0238447081188d78), UINT64_C(0x6ee92e92893ec421), UINT64_C(0x78b5f42c52bf75cd),
         "bccacaabacbbacabcbcbaababcccabbccbbabcca"},
        {"murmur3", UINT64_C(0xdc6ad20e9b3797f1), UINT64_C(0xfb76668d2a84b46c), UINT64_C(0x5288b1291930f5ba),
         "bcababbacccaacccbcbcccaccccccbcbaaccbbaa"},
        {"xxhash", UINT64_C(0x4503106ffc3a8e60), UINT64_C(0xdca5b1bc2ca00528), UINT64_C(0xa10a66b6ffde0579),
         "acaccacaabacbacacbbbcbacbccccabcaabbcbaa"},
    };
    const struct larder_member members[] = {
        {.name = "a", .weight = 1}, {.name = "b", .weight = 1}, {.name = "c", .weight = 2}};
    for (size_t v = 0; v < sizeof vectors / sizeof *vectors; v++) {
        struct ldr_ring_settings settings = with(hashes[v]);
        struct ldr_ring *ring = build(&settings, members, 3);
        char owners[41] = "";
        for (unsigned key = 0; key < 40; key++)
            owners[key] = members[owner_of(ring, key_digest(&settings, key))].name[0];
        assert_string_equal(hashes[v]->head.name, vectors[v].hash);
        assert_string_equal(owners, vectors[v].owners);
        assert_int_equal(ldr_ring_settings_digest(&settings), vectors[v].settings);
        assert_int_equal(ldr_ring_checksum(ring), vectors[v].checksum);
        assert_int_equal(key_digest(&settings, 0), vectors[v].key);
        ldr_ring_free(ring);
    }
}

static void groups_are_placed_independently(void **state)
{
    (void)state;
    struct ldr_ring_settings settings = with(&sum);
    uint64_t users = ldr_ring_group(&settings, ldr_slice_text("users"));
    uint64_t items = ldr_ring_group(&settings, ldr_slice_text("items"));
    const struct larder_member members[] = {{.name = "a", .weight = 1}, {.name = "b", .weight = 1}};
    struct ldr_ring *ring = build(&settings, members, 2);
    unsigned same = 0;
    for (unsigned key = 0; key < KEYS; key++) {
        struct larder_slice bytes = ldr_slice(&key, sizeof key);
        same += owner_of(ring, ldr_ring_key(&settings, users, bytes)) ==
                owner_of(ring, ldr_ring_key(&settings, items, bytes));
    }
    assert_in_range(same, KEYS * 45 / 100, KEYS * 55 / 100);
    ldr_ring_free(ring);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shares_are_even_whatever_the_names),
        cmocka_unit_test(shares_are_what_keys_see),
        cmocka_unit_test(only_what_must_move_moves),
        cmocka_unit_test(weights_scale_shares),
        cmocka_unit_test(fault_5_placement_is_a_function_of_the_list),
        cmocka_unit_test(equal_points_go_by_name),
        cmocka_unit_test(a_walk_finds_every_member_once),
        cmocka_unit_test(places_lead_round_the_ring),
        cmocka_unit_test(an_empty_ring_owns_nothing),
        cmocka_unit_test(a_ring_beyond_memory_is_refused),
        cmocka_unit_test(settings_and_checksums_tell_rings_apart),
        cmocka_unit_test(placement_is_fixed),
        cmocka_unit_test(groups_are_placed_independently),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
