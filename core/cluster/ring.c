#include "core/cluster/ring.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/bytes.h"

/* A change of placement must change this number too, so that old and new nodes refuse each other. */
#define PLACEMENT 1

#define POINTS_PER_VIRTUAL_NODE 8

/* Steps from point to point of a virtual node: 2^64 divided by the golden ratio, as in SplitMix. */
#define STEP UINT64_C(0x9e3779b97f4a7c15)

struct point {
    uint64_t digest;
    uint32_t member;
};

/*
 * Points are sorted by digest, then by the member's name. `first` has an entry for each of 2^bits equal stretches of
 * the ring, and one more: the index of the first point that lies in it or after it. About one point lies in a stretch, so
 * a look-up reads one entry and one or two points.
 */
struct ldr_ring {
    size_t member_count;
    size_t point_count;
    unsigned bits;
    uint64_t checksum;
    double *shares;
    uint32_t *first;
    struct point *points;
};

static size_t stretch_of(const struct ldr_ring *ring, uint64_t digest)
{
    return (size_t)(digest >> (64 - ring->bits));
}

uint64_t ldr_ring_group(const struct ldr_ring_settings *settings, struct larder_slice group)
{
    return ldr_mix(settings->hash->digest(group.data, group.size, settings->seed) + STEP);
}

uint64_t ldr_ring_key(const struct ldr_ring_settings *settings, uint64_t group_digest, struct larder_slice key)
{
    return ldr_mix(settings->hash->digest(key.data, key.size, settings->seed) + group_digest);
}

/* FNV-1a: for names in checksums, where all bits count and the module's digest may have only 32. */
static uint64_t text_digest(const char *text)
{
    uint64_t digest = UINT64_C(0xcbf29ce484222325);
    for (; *text != '\0'; text++)
        digest = (digest ^ (unsigned char)*text) * UINT64_C(0x100000001b3);
    return digest;
}

static uint64_t chain(uint64_t digest, uint64_t value)
{
    return ldr_mix(digest + STEP) ^ ldr_mix(value + 2 * STEP);
}

uint64_t ldr_ring_settings_digest(const struct ldr_ring_settings *settings)
{
    static const char probe[] = "larder: the same digest on every machine";
    uint64_t digest = chain(PLACEMENT, text_digest(settings->hash->head.name));
    digest = chain(digest, settings->hash->digest(probe, sizeof probe - 1, settings->seed));
    digest = chain(digest, settings->seed);
    return chain(digest, settings->virtual_nodes);
}

/* ------------------------------------------------------------------------------------------------ building */

struct named {
    const char *name;
    uint32_t index;
};

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct named *)a)->name, ((const struct named *)b)->name);
}

/* Members in the order of their names: the order in which equal points are kept. */
static struct named *order_by_name(const struct larder_member *members, size_t count)
{
    struct named *order = calloc(count, sizeof *order);
    if (order == NULL)
        return NULL;
    for (size_t i = 0; i < count; i++)
        order[i] = (struct named){members[i].name, (uint32_t)i};
    qsort(order, count, sizeof *order, by_name);
    return order;
}

static bool count_points(const struct ldr_ring_settings *settings, const struct larder_member *members, size_t count,
                         size_t *points)
{
    size_t weights = 0;
    for (size_t i = 0; i < count; i++)
        if (!ldr_add(weights, members[i].weight, &weights))
            return false;
    return ldr_multiply(weights, settings->virtual_nodes, points) &&
           ldr_multiply(*points, POINTS_PER_VIRTUAL_NODE, points) && *points < UINT32_MAX && count < UINT32_MAX;
}

/* Puts the digits of the number at `at`, and returns what is behind them. */
static char *put_number(char *at, uint64_t number)
{
    char digits[20], *first = digits + sizeof digits;
    do
        *--first = (char)('0' + number % 10);
    while ((number /= 10) > 0);
    size_t count = (size_t)(digits + sizeof digits - first);
    memcpy(at, first, count);
    return at + count;
}

/* Calls `each` with every point of every member, members in the order of their names. */
static void each_point(const struct ldr_ring_settings *settings, const struct larder_member *members,
                       const struct named *order, size_t count,
                       void (*each)(struct ldr_ring *ring, uint64_t digest, uint32_t member), struct ldr_ring *ring)
{
    for (size_t i = 0; i < count; i++) {
        uint64_t virtual_nodes = (uint64_t)members[order[i].index].weight * settings->virtual_nodes;
        char text[LARDER_MEMBER_NAME_MAX + 24]; /* "name#number" */
        size_t length = strnlen(order[i].name, LARDER_MEMBER_NAME_MAX);
        memcpy(text, order[i].name, length);
        text[length++] = '#';
        for (uint64_t v = 0; v < virtual_nodes; v++) {
            size_t size = (size_t)(put_number(text + length, v) - text);
            uint64_t base = ldr_mix(settings->hash->digest(text, size, settings->seed));
            for (unsigned p = 0; p < POINTS_PER_VIRTUAL_NODE; p++)
                each(ring, ldr_mix(base + p * STEP), order[i].index);
        }
    }
}

static void count_point(struct ldr_ring *ring, uint64_t digest, uint32_t member)
{
    (void)member;
    ring->first[stretch_of(ring, digest) + 1]++;
}

/* Puts a point at the end of its stretch, whose next free index is in `first`. */
static void place_point(struct ldr_ring *ring, uint64_t digest, uint32_t member)
{
    ring->points[ring->first[stretch_of(ring, digest)]++] = (struct point){digest, member};
}

/* A stretch holds about one point, and equal points lie in the order of their members' names, which insertion keeps. */
static void sort_points(struct ldr_ring *ring)
{
    for (size_t i = 1; i < ring->point_count; i++) {
        struct point point = ring->points[i];
        size_t to = i;
        for (; to > 0 && ring->points[to - 1].digest > point.digest; to--)
            ring->points[to] = ring->points[to - 1];
        ring->points[to] = point;
    }
}

/* Each point owns the keys after its predecessor up to itself; the first one also those after the last. */
static void measure_shares(struct ldr_ring *ring)
{
    uint64_t previous = ring->points[ring->point_count - 1].digest;
    for (size_t i = 0; i < ring->point_count; i++) {
        uint64_t width = ring->points[i].digest - previous;
        ring->shares[ring->points[i].member] += (double)width * 0x1p-64;
        previous = ring->points[i].digest;
    }
}

static uint64_t checksum_of(const struct ldr_ring_settings *settings, const struct ldr_ring *ring,
                            const struct larder_member *members, const struct named *order)
{
    uint64_t checksum = chain(ldr_ring_settings_digest(settings), ring->member_count);
    for (size_t i = 0; i < ring->member_count; i++)
        checksum = chain(checksum, text_digest(order[i].name));
    for (size_t i = 0; i < ring->point_count; i++) {
        checksum = chain(checksum, ring->points[i].digest);
        checksum = chain(checksum, text_digest(members[ring->points[i].member].name));
    }
    return checksum;
}

static unsigned bits_for(size_t points)
{
    unsigned bits = 1;
    while (bits < 32 && ((size_t)1 << bits) < points)
        bits++;
    return bits;
}

static bool fill(struct ldr_ring *ring, const struct ldr_ring_settings *settings, const struct larder_member *members)
{
    size_t stretches = (size_t)1 << ring->bits;
    struct named *order = order_by_name(members, ring->member_count);
    if (order == NULL)
        return false;
    /* Count, sum up, place; placing moves each entry to its end, which is where the next one begins. */
    each_point(settings, members, order, ring->member_count, count_point, ring);
    for (size_t i = 1; i <= stretches; i++)
        ring->first[i] += ring->first[i - 1];
    each_point(settings, members, order, ring->member_count, place_point, ring);
    memmove(ring->first + 1, ring->first, stretches * sizeof *ring->first);
    ring->first[0] = 0;
    sort_points(ring);
    measure_shares(ring);
    ring->checksum = checksum_of(settings, ring, members, order);
    free(order);
    return true;
}

struct ldr_ring *ldr_ring_build(const struct ldr_ring_settings *settings, const struct larder_member *members,
                                size_t count)
{
    size_t points;
    if (!count_points(settings, members, count, &points))
        return NULL;
    struct ldr_ring *ring = calloc(1, sizeof *ring);
    if (ring == NULL)
        return NULL;
    ring->member_count = count;
    ring->point_count = points;
    ring->bits = bits_for(points);
    ring->checksum = chain(ldr_ring_settings_digest(settings), 0);
    if (points == 0)
        return ring;
    ring->shares = calloc(count, sizeof *ring->shares);
    ring->first = calloc(((size_t)1 << ring->bits) + 1, sizeof *ring->first);
    ring->points = calloc(points, sizeof *ring->points);
    if (ring->shares == NULL || ring->first == NULL || ring->points == NULL || !fill(ring, settings, members)) {
        ldr_ring_free(ring);
        return NULL;
    }
    return ring;
}

void ldr_ring_free(struct ldr_ring *ring)
{
    if (ring == NULL)
        return;
    free(ring->points);
    free(ring->first);
    free(ring->shares);
    free(ring);
}

/* ------------------------------------------------------------------------------------------------ looking up */

size_t ldr_ring_find(const struct ldr_ring *ring, uint64_t digest)
{
    size_t stretch = stretch_of(ring, digest);
    size_t low = ring->first[stretch];
    size_t high = ring->first[stretch + 1];
    /* Binary, since a poor hash module may heap points up in one stretch. */
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (ring->points[middle].digest < digest)
            low = middle + 1;
        else
            high = middle;
    }
    return low < ring->point_count ? low : 0;
}

size_t ldr_ring_member(const struct ldr_ring *ring, size_t place)
{
    return ring->points[place].member;
}

size_t ldr_ring_next(const struct ldr_ring *ring, size_t place)
{
    return place + 1 < ring->point_count ? place + 1 : 0;
}

size_t ldr_ring_walk(const struct ldr_ring *ring, uint64_t digest, size_t *found, size_t wanted)
{
    size_t count = 0;
    if (wanted > ring->member_count)
        wanted = ring->member_count;
    if (ring->point_count == 0 || wanted == 0)
        return 0;
    size_t place = ldr_ring_find(ring, digest);
    for (size_t steps = 0; steps < ring->point_count && count < wanted; steps++) {
        size_t member = ldr_ring_member(ring, place), seen = 0;
        while (seen < count && found[seen] != member)
            seen++;
        if (seen == count)
            found[count++] = member;
        place = ldr_ring_next(ring, place);
    }
    return count;
}

double ldr_ring_share(const struct ldr_ring *ring, size_t member)
{
    return ring->shares == NULL ? 0 : ring->shares[member];
}

uint64_t ldr_ring_checksum(const struct ldr_ring *ring)
{
    return ring->checksum;
}
