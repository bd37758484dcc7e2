/* A put on its way: what put.c, put_check.c, put_claim.c and touch.c share. */
#ifndef LDR_STORE_PUT_H
#define LDR_STORE_PUT_H

#include "core/store/state.h"

struct ldr_newcomer {
    const struct ldr_put *put;
    uint64_t hash, now;
    size_t size;      /* of the entry */
    size_t cell_size; /* of its cell; 0: not asked for yet */
    struct ldr_layout layout;
    ldr_ref cell; /* 0: none yet */
    bool written; /* the cell is filled */
    bool prepared;
    bool created;
    bool published;
    bool asked;                   /* other shards have given room, or have none */
    const struct ldr_entry *over; /* only in the place of this entry, which the caller pins, and not a use; NULL: any */
    size_t span_size;             /* what others have to give when the shard has no cell */
    struct ldr_guard guard;       /* of the entry it takes the place of */
};

/* What becomes of a put that has its hash and is checked. In its place, as a copy would wait for what was just stored. */
static inline void ldr_put_begin(struct ldr_newcomer *newcomer, const struct ldr_put *put, uint64_t hash, uint64_t now)
{
    const struct ldr_layout layout = ldr_entry_layout(put);
    *newcomer = (struct ldr_newcomer){.put = put,
                                      .hash = hash,
                                      .now = now,
                                      .size = ldr_entry_bytes_of(put, layout),
                                      .layout = layout,
                                      .guard = {.slot = LARDER_NO_SLOT}};
}

/* What became of a try under the lock. */
enum ldr_put_outcome {
    LDR_PUT_DONE,
    LDR_PUT_REWRITTEN, /* done, and nothing has grown */
    LDR_PUT_AGAIN,     /* the lock was given back in between */
    LDR_PUT_ELSEWHERE  /* this shard has nothing more to give */
};

/* Tries until the shard has room by itself. What was claimed for it is given back. */
enum ldr_put_outcome ldr_put_try(struct ldr_store *store, struct ldr_shard *shard, struct ldr_newcomer *newcomer,
                                 uint64_t claim, enum larder_status *status);

/* The whole of a put, after ldr_put_begin(). With a text for what failed. */
enum larder_status ldr_put_run(struct ldr_store *store, struct ldr_shard *shard, struct ldr_newcomer *newcomer);

/* ---- put_check.c */

/* Whether key and value are as they may be; with a text if not. */
enum larder_status ldr_put_check(const struct ldr_store *store, const struct ldr_put *put);

/* Whether a put with conditions goes on, given what is there; else it is done, with *status. */
bool ldr_put_wanted(const struct ldr_shard *shard, struct ldr_newcomer *newcomer, const struct ldr_entry *there,
                    const struct ldr_entry *present, enum larder_status *status);

/* ---- put_claim.c: what is rare */

/* Goes on when the shard alone had no room. */
enum ldr_put_outcome ldr_put_claim(struct ldr_store *store, struct ldr_shard *shard, struct ldr_newcomer *newcomer,
                                   enum larder_status *status) __attribute__((cold));

/* The entry that was to be replaced had to go, and the put failed all the same. */
void ldr_put_count_eviction(struct ldr_shard *shard, const struct ldr_newcomer *newcomer) __attribute__((cold));

/* Makes the budget hold where the shard alone could not: by what its policy remembers besides entries, and by others. */
void ldr_put_fit(struct ldr_store *store, struct ldr_shard *shard, uint64_t now) __attribute__((cold));

enum larder_status ldr_put_explain(const struct ldr_store *store, enum larder_status status,
                                   const struct ldr_newcomer *newcomer) __attribute__((cold));

#endif
