/* Statistics of a group and of a node, as larder_group_stats() and the wire doors report them. */
#ifndef LARDER_STATS_H
#define LARDER_STATS_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* A latency distribution, 100 ns to 100 s. Percentiles are upper bounds of buckets that are at most 1/16 wide. */
struct larder_latency {
    uint64_t count;
    uint64_t sum_ns;
    uint64_t p50_ns;
    uint64_t p95_ns;
    uint64_t p99_ns;
    uint64_t p999_ns;
};

/*
 * Of the gets that larder_get(), larder_get_copy() and larder_get_many() answer at once one in 64 of a thread is timed, and
 * stands for 64 in the latency; of all others every one is timed.
 *
 * Counters count since the group was created; gauges are of now. All sums are this node's own.
 */
struct larder_statistics {
    uint64_t gets;                /* every get that named this group at this node, from clients and from peers */
    uint64_t hits;                /* answered from this node's store */
    uint64_t misses;              /* not in this node's store: answered by a peer, by a load, or not found */
    uint64_t peer_hits;           /* answered with a value by a peer */
    uint64_t peer_misses;         /* a peer answered that there is no such key */
    uint64_t loads;               /* calls of the loader */
    uint64_t loads_deduplicated;  /* gets that waited for another's flight instead of starting one */
    uint64_t load_errors;         /* loads that ended with a failure, a module giving up at its timeout among them */
    uint64_t negative_hits;       /* gets answered by a remembered "not found" */
    uint64_t sets;                /* writes this node stored as owner */
    uint64_t deletes;             /* entries deleted by request at this node */
    uint64_t expirations;         /* entries removed because their time had passed */
    uint64_t evictions;           /* entries removed to make room */
    uint64_t evictions_unexpired; /* those of them whose time had not passed */
    uint64_t policy_faults;       /* answers of the eviction module that made no sense */
    uint64_t dropped_hits;        /* hits the policy did not hear of, as many came at once; see exact_hits */
    uint64_t entries;             /* gauge: entries in the store now */
    uint64_t entries_limit;       /* gauge: the most entries, max_entries; 0: no limit */
    uint64_t bytes_used;          /* gauge: bytes the group holds now, all of its bookkeeping included */
    uint64_t bytes_limit;         /* gauge: the budget, max_bytes */
    uint64_t value_bytes;         /* gauge: bytes of the keys and values alone */
    double hit_ratio;             /* (hits + near_hits + negative_hits) / gets; 0 without gets */
    struct larder_latency get;    /* gets at this node, loads and peer calls included */
    struct larder_latency set;    /* sets at this node, peer calls included */
    struct larder_latency load;   /* calls of the loader alone */
    struct larder_latency peer;   /* calls to peers for this group */
    uint64_t near_hits;        /* gets answered from a near copy of a key that another member owns; no hits or misses */
    uint64_t near_bytes_used;  /* gauge: bytes that the near copies take, all of their bookkeeping included */
    uint64_t near_bytes_limit; /* gauge: their budget, near_bytes; 0: the group has none at this node */
    uint64_t stale_hits; /* gets answered past the value's time; those answered at once are among the hits, too */
    uint64_t refreshes;  /* those of the loads that began while a value was there, so that nobody waited */
};

#ifdef __cplusplus
}
#endif
#endif
