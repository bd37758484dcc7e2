#include "core/node/stats.h"

#include <stdio.h>
#include <unistd.h>

#include "core/group/hot.h"
#include "core/group/near.h"

#define COUNTER(field, text)                                                                                           \
    {                                                                                                                  \
#field, offsetof(struct larder_statistics, field), false, text                                                 \
    }
#define GAUGE(field, text)                                                                                             \
    {                                                                                                                  \
#field, offsetof(struct larder_statistics, field), true, text                                                  \
    }
const struct ldr_stat ldr_group_stat_table[] = {
    COUNTER(gets, "Gets that named the group at this node"),
    COUNTER(hits, "Gets answered from this node's store"),
    COUNTER(misses, "Gets not answered from this node's store"),
    COUNTER(near_hits, "Gets answered from a near copy of another member's key"),
    COUNTER(peer_hits, "Calls to a peer that brought a value"),
    COUNTER(peer_misses, "Calls to a peer that found no such key"),
    COUNTER(loads, "Calls of the loader"),
    COUNTER(loads_deduplicated, "Gets that waited for another's flight"),
    COUNTER(load_errors, "Loads that failed"),
    COUNTER(negative_hits, "Gets answered by a remembered not found"),
    COUNTER(stale_hits, "Gets answered past the value's time"),
    COUNTER(refreshes, "Loads that began while a value was there"),
    COUNTER(sets, "Writes stored at this node"),
    COUNTER(deletes, "Entries deleted by request at this node"),
    COUNTER(expirations, "Entries removed because their time had passed"),
    COUNTER(evictions, "Entries removed to make room"),
    COUNTER(evictions_unexpired, "Evictions of entries whose time had not passed"),
    COUNTER(policy_faults, "Answers of the eviction module that made no sense"),
    COUNTER(dropped_hits, "Hits the eviction module did not hear of"),
    GAUGE(entries, "Entries in the store"),
    GAUGE(bytes_used, "Bytes the group holds, bookkeeping included"),
    GAUGE(entries_limit, "The most entries, max_entries; 0: no limit"),
    GAUGE(bytes_limit, "The budget, max_bytes"),
    GAUGE(value_bytes, "Bytes of keys and values alone"),
    GAUGE(near_bytes_used, "Bytes that near copies take, bookkeeping included"),
    GAUGE(near_bytes_limit, "The budget of near copies; 0: there are none"),
    {0},
};
#undef COUNTER
#undef GAUGE

#define LATENCY(field, text)                                                                                           \
    {                                                                                                                  \
#field, offsetof(struct larder_statistics, field), offsetof(struct ldr_group, field##_latency), text           \
    }
const struct ldr_latency_stat ldr_latency_table[] = {
    LATENCY(get, "Time of a get, loads and peer calls included"),
    LATENCY(set, "Time of a set, peer calls included"),
    LATENCY(load, "Time of a loader call"),
    LATENCY(peer, "Time of a call to a peer"),
    {0},
};
#undef LATENCY

#define COUNTER(field, text)                                                                                           \
    {                                                                                                                  \
#field, offsetof(struct ldr_node_stats, field), false, text                                                    \
    }
#define GAUGE(field, text)                                                                                             \
    {                                                                                                                  \
#field, offsetof(struct ldr_node_stats, field), true, text                                                     \
    }
const struct ldr_stat ldr_node_stat_table[] = {
    COUNTER(peer_requests, "Attempts of requests sent to peers"),
    COUNTER(peer_exchanges, "Messages to peers about copies of entries"),
    COUNTER(peer_probes, "Pings sent to peers"),
    COUNTER(peer_failures, "Calls to peers that failed"),
    COUNTER(peer_retries, "Repeated attempts"),
    GAUGE(peer_suspended, "Peers suspended now"),
    COUNTER(forwarded_refused, "Requests of peers that would have been forwarded a second time"),
    COUNTER(ring_mismatches, "Requests of peers that saw another ring"),
    GAUGE(ring_epoch, "Epoch of the member list"),
    GAUGE(members, "Members of the cluster"),
    COUNTER(handoff_entries_sent, "Entries that other members took from this node"),
    COUNTER(handoff_entries_spared,
            "Entries that were not offered, as sums over ranges of keys showed them to be there"),
    COUNTER(handoff_entries_received, "Entries that this node took from other members"),
    GAUGE(handoff_entries_left, "Entries that the pass of the hand-off under way has not looked at yet"),
    GAUGE(connections, "Connections open"),
    COUNTER(connections_accepted, "Connections accepted"),
    COUNTER(connections_refused, "Connections refused, over the limit or without a free descriptor"),
    COUNTER(requests_refused, "Requests answered by a transport itself: malformed or over a limit"),
    GAUGE(loads_waiting, "Loads and calls to peers under way"),
    GAUGE(hot_keys, "Keys in the table of those asked for most"),
    COUNTER(busy_refused, "Requests answered busy, as a bound of this node was reached"),
    GAUGE(start_time_seconds, "Start of the node in seconds since 1970"),
    GAUGE(memory_resident_bytes, "Resident memory of the process"),
    GAUGE(memory_budgeted_bytes, "Sum of the budgets of all groups, near copies included"),
    {0},
};
#undef COUNTER
#undef GAUGE

uint64_t ldr_stat_read(const struct ldr_stat *stat, const void *stats)
{
    uint64_t value;
    memcpy(&value, (const char *)stats + stat->offset, sizeof value);
    return value;
}

static uint64_t resident_bytes(void)
{
    unsigned long long total = 0, resident = 0;
    FILE *file = fopen("/proc/self/statm", "re");
    if (file == NULL)
        return 0;
    if (fscanf(file, "%llu %llu", &total, &resident) != 2)
        resident = 0;
    fclose(file);
    return resident * (uint64_t)sysconf(_SC_PAGESIZE);
}

static void add_budget(void *arg, struct ldr_group *group)
{
    struct ldr_store_stats stats;
    uint64_t near_used, near_limit;
    ldr_store_stats(group->store, &stats);
    ldr_near_sizes(group, &near_used, &near_limit);
    *(uint64_t *)arg += stats.bytes_limit + near_limit;
}

void ldr_node_read_stats(struct larder_node *node, struct ldr_node_stats *stats)
{
    *stats = (struct ldr_node_stats){
        .loads_waiting = ldr_flights_pending(node->context.flights),
        .busy_refused = ldr_count_read(&node->context.busy_refused),
        .start_time_seconds = node->started_ms / 1000,
        .memory_resident_bytes = resident_bytes(),
    };
    if (node->context.hot != NULL)
        stats->hot_keys = ldr_hot_known(node->context.hot);
    ldr_registry_each(node->registry, add_budget, &stats->memory_budgeted_bytes);
    for (size_t i = 0; i < node->door_count; i++) {
        struct larder_transport_stats door = {0};
        node->doors[i].table->stats(node->doors[i].state, &door);
        stats->connections += door.connections;
        stats->connections_accepted += door.connections_accepted;
        stats->connections_refused += door.connections_refused;
        stats->requests_refused += door.requests_refused;
    }
    if (node->context.cluster == NULL)
        return;
    struct ldr_cluster_stats cluster;
    ldr_cluster_stats(node->context.cluster, &cluster);
    stats->peer_requests = cluster.peer_requests;
    stats->peer_exchanges = cluster.peer_exchanges;
    stats->peer_probes = cluster.peer_probes;
    stats->peer_failures = cluster.peer_failures;
    stats->peer_retries = cluster.peer_retries;
    stats->peer_suspended = cluster.peer_suspended;
    stats->forwarded_refused = cluster.forwarded_refused;
    stats->ring_mismatches = cluster.ring_mismatches;
    stats->busy_refused += cluster.calls_refused;
    stats->members = cluster.members;
    stats->ring_epoch = ldr_cluster_ring(node->context.cluster).epoch;
    if (node->context.handoff == NULL)
        return;
    struct ldr_handoff_progress progress;
    ldr_handoff_read(node->context.handoff, &progress);
    stats->handoff_entries_sent = progress.sent;
    stats->handoff_entries_spared = progress.spared;
    stats->handoff_entries_received = progress.received;
    stats->handoff_entries_left = progress.left;
}

void ldr_group_stats_add(struct larder_statistics *sum, const struct larder_statistics *other)
{
    for (const struct ldr_stat *stat = ldr_group_stat_table; stat->name != NULL; stat++) {
        uint64_t value = ldr_stat_read(stat, sum) + ldr_stat_read(stat, other);
        memcpy((char *)sum + stat->offset, &value, sizeof value);
    }
    for (const struct ldr_latency_stat *row = ldr_latency_table; row->name != NULL; row++) {
        struct larder_latency *a = (void *)((char *)sum + row->stats_offset);
        const struct larder_latency *b = (const void *)((const char *)other + row->stats_offset);
        a->count += b->count;
        a->sum_ns += b->sum_ns;
        a->p50_ns = a->p50_ns > b->p50_ns ? a->p50_ns : b->p50_ns;
        a->p95_ns = a->p95_ns > b->p95_ns ? a->p95_ns : b->p95_ns;
        a->p99_ns = a->p99_ns > b->p99_ns ? a->p99_ns : b->p99_ns;
        a->p999_ns = a->p999_ns > b->p999_ns ? a->p999_ns : b->p999_ns;
    }
    sum->hit_ratio = sum->gets != 0 ? (double)(sum->hits + sum->near_hits + sum->negative_hits) / (double)sum->gets : 0;
}
