/* Numbers of writes, remembered for one to two periods: two tables that take turns. */
#include <stdlib.h>

#include "core/base/fail.h"
#include "core/group/strict.h"

#define SLOTS 65536u /* of a table, of which three quarters may be used */

struct table {
    uint32_t count;
    uint64_t ids[SLOTS]; /* 0: free */
};

struct ldr_seen {
    pthread_mutex_t lock;
    uint64_t period, turned;
    struct table *now, *before;
};

struct ldr_seen *ldr_seen_open(uint64_t period)
{
    struct ldr_seen *seen = calloc(1, sizeof *seen);
    struct table *tables = calloc(2, sizeof *tables);
    if (seen == NULL || tables == NULL) {
        free(seen);
        free(tables);
        ldr_fail_memory();
        return NULL;
    }
    pthread_mutex_init(&seen->lock, NULL);
    seen->period = period;
    seen->now = tables;
    seen->before = tables + 1;
    return seen;
}

void ldr_seen_close(struct ldr_seen *seen)
{
    if (seen == NULL)
        return;
    pthread_mutex_destroy(&seen->lock);
    free(seen->now < seen->before ? seen->now : seen->before);
    free(seen);
}

/* The place of a number, or the free one where it would be. */
static uint64_t *place_of(struct table *table, uint64_t id)
{
    uint32_t at = (uint32_t)ldr_mix(id) % SLOTS;
    while (table->ids[at] != 0 && table->ids[at] != id)
        at = (at + 1) % SLOTS;
    return &table->ids[at];
}

static void turn(struct ldr_seen *seen, uint64_t now)
{
    struct table *before = seen->before;
    if (before->count > 0)
        memset(before, 0, sizeof *before);
    seen->before = seen->now;
    seen->now = before;
    seen->turned = now;
}

bool ldr_seen_add(struct ldr_seen *seen, uint64_t id, uint64_t now)
{
    bool added = false;
    id = id == 0 ? 1 : id;
    pthread_mutex_lock(&seen->lock);
    if (now - seen->turned >= 2 * seen->period)
        turn(seen, now);
    if (now - seen->turned >= seen->period)
        turn(seen, now);
    uint64_t *place = place_of(seen->now, id);
    if (*place == 0 && *place_of(seen->before, id) == 0 && seen->now->count < SLOTS / 4 * 3) {
        *place = id;
        seen->now->count++;
        added = true;
    }
    pthread_mutex_unlock(&seen->lock);
    return added;
}
