#include "sim_optimum.h"

#include <stdlib.h>
#include <string.h>

void sim_optimum_free(struct sim_optimum *optimum)
{
    free(optimum->next);
    free(optimum->last);
    *optimum = (struct sim_optimum){0};
}

/* ------------------------------------------------------------------------------------------------ next uses */

/* Makes an array longer, to half more than it must be, with zeros. */
static bool lengthen(uint32_t **array, uint32_t *capacity, uint64_t wanted)
{
    if (wanted <= *capacity)
        return true;
    uint64_t room = wanted + wanted / 2;
    uint32_t more = room < UINT32_MAX ? (uint32_t)room : UINT32_MAX;
    uint32_t *longer = reallocarray(*array, more, sizeof *longer);
    if (longer == NULL)
        return false;
    memset(longer + *capacity, 0, (more - *capacity) * sizeof *longer);
    *array = longer;
    *capacity = more;
    return true;
}

bool sim_optimum_add(struct sim_optimum *optimum, const struct sim_request *requests, size_t count, uint32_t keys)
{
    uint64_t wanted = (uint64_t)optimum->count + count;
    if (!lengthen(&optimum->next, &optimum->capacity, wanted) || !lengthen(&optimum->last, &optimum->keys, keys))
        return false;
    for (size_t i = 0; i < count; i++) {
        uint32_t *last = &optimum->last[requests[i].key];
        if (requests[i].remove) {
            *last = 0;
            continue;
        }
        if (*last != 0)
            optimum->next[*last - 1] = optimum->count;
        *last = ++optimum->count;
    }
    return true;
}

/* ------------------------------------------------------------------------------------------------ sets of requests */

#define LEVELS_MAX 6 /* 64 to the sixth is more than there are requests */

/* A bit for each request; on every further level a bit for each word below that is not 0. The last level is one word. */
struct set {
    uint64_t *levels[LEVELS_MAX];
    int count;
};

static bool set_open(struct set *set, uint64_t bits)
{
    *set = (struct set){0};
    do {
        bits = bits / 64 + 1;
        set->levels[set->count] = calloc(bits, sizeof(uint64_t));
        if (set->levels[set->count++] == NULL)
            return false;
    } while (bits > 1);
    return true;
}

static void set_close(struct set *set)
{
    for (int i = 0; i < set->count; i++)
        free(set->levels[i]);
}

static void set_add(struct set *set, uint32_t number)
{
    for (int i = 0; i < set->count; i++, number /= 64)
        set->levels[i][number / 64] |= UINT64_C(1) << number % 64;
}

/* False: it is not there. */
static bool set_remove(struct set *set, uint32_t number)
{
    if ((set->levels[0][number / 64] >> number % 64 & 1) == 0)
        return false;
    for (int i = 0; i < set->count; i++, number /= 64) {
        uint64_t *word = &set->levels[i][number / 64];
        *word &= ~(UINT64_C(1) << number % 64);
        if (*word != 0)
            break;
    }
    return true;
}

/* The greatest, of which there is one. */
static uint32_t set_last(const struct set *set)
{
    uint32_t number = 0;
    for (int i = set->count - 1; i >= 0; i--)
        number = number * 64 + 63 - (uint32_t)__builtin_clzll(set->levels[i][number]);
    return number;
}

/* ------------------------------------------------------------------------------------------------ misses */

/*
 * The set holds the next uses of what is resident, so that a request that is in it is a hit. What is not used again needs
 * no room: whatever comes next may take its place.
 */
bool sim_optimum_misses(const struct sim_optimum *optimum, uint64_t objects, uint64_t *misses)
{
    struct set uses;
    uint64_t resident = 0;
    bool good = set_open(&uses, optimum->count);
    *misses = 0;
    for (uint32_t i = 0; good && i < optimum->count; i++) {
        if (set_remove(&uses, i)) {
            resident--;
        } else {
            ++*misses;
            if (resident == objects) {
                set_remove(&uses, set_last(&uses));
                resident--;
            }
        }
        if (optimum->next[i] != 0) {
            set_add(&uses, optimum->next[i]);
            resident++;
        }
    }
    set_close(&uses);
    return good;
}
