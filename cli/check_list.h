/* The checks there are, each one a function that returns when all is well. */
#ifndef CLI_CHECK_LIST_H
#define CLI_CHECK_LIST_H

#include "larder/plugin/eviction.h"
#include "larder/plugin/hash.h"
#include "larder/plugins.h"

/* What a check is about: a module that was opened in the process of the check. */
struct check_subject {
    const struct larder_plugin *head;
    const struct larder_eviction *eviction; /* NULL: of another kind */
    const struct larder_hash *hash;         /* NULL: of another kind */
    uint64_t seed;
};

struct check {
    const char *name, *what; /* one line: what a module must do to pass */
    uint32_t kind;           /* enum larder_plugin_kind; 0: all */
    void (*run)(const struct check_subject *subject);
};

extern const struct check check_list[]; /* ends with one whose name is NULL; the first is that of the table */

/* check_few.c: states with few entries */
void check_empty(const struct check_subject *subject);
void check_one_entry(const struct check_subject *subject);
void check_one_slot(const struct check_subject *subject);
void check_many_entries(const struct check_subject *subject);
void check_same_again(const struct check_subject *subject);

/* check_walks.c: random walks against the model */
void check_walks(const struct check_subject *subject);
void check_large_charges(const struct check_subject *subject);
void check_updates(const struct check_subject *subject);
void check_unprepared(const struct check_subject *subject);
void check_bounds(const struct check_subject *subject);
void check_capacity_change(const struct check_subject *subject);

/* check_prepare.c: newcomers that do not come */
void check_aborted(const struct check_subject *subject);
void check_by_digest(const struct check_subject *subject);

/* check_charges.c: charges that are taken back whole */
void check_charges_removed(const struct check_subject *subject);
void check_charges_evicted(const struct check_subject *subject);
void check_charges_updated(const struct check_subject *subject);
void check_charges_hit(const struct check_subject *subject);

/* check_open.c: parameters, and memory that is not there */
void check_defaults(const struct check_subject *subject);
void check_limits(const struct check_subject *subject);
void check_open_no_memory(const struct check_subject *subject);
void check_no_memory(const struct check_subject *subject);
void check_close(const struct check_subject *subject);

/* check_states.c: many states at once */
void check_states(const struct check_subject *subject);
void check_threads(const struct check_subject *subject);

/* check_sweep.c: hits that arrive while evict() looks at them */
void check_sweep_stuck(const struct check_subject *subject);
void check_sweep_thread(const struct check_subject *subject);

/* check_growth.c: what a state keeps */
void check_bytes(const struct check_subject *subject);
void check_growth(const struct check_subject *subject);

/* check_hash.c */
void check_hash_same(const struct check_subject *subject);
void check_hash_empty(const struct check_subject *subject);
void check_hash_unaligned(const struct check_subject *subject);
void check_hash_differs(const struct check_subject *subject);
void check_hash_threads(const struct check_subject *subject);
void check_hash_memory(const struct check_subject *subject);

#endif
