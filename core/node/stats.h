/*
 * Statistics as tables: one row a number, from which the documents, the sums over a cluster and the metrics are made.
 */
#ifndef LDR_NODE_STATS_H
#define LDR_NODE_STATS_H

#include <jansson.h>

#include "core/base/bytes.h"
#include "core/node/node.h"

struct ldr_stat {
    const char *name; /* NULL ends a table */
    size_t offset;    /* of a uint64_t */
    bool gauge;
    const char *help;
};

/* Rows of struct larder_statistics. */
extern const struct ldr_stat ldr_group_stat_table[];

/* The latencies of a group: in its statistics, and as histograms. */
struct ldr_latency_stat {
    const char *name;
    size_t stats_offset, group_offset;
    const char *help;
};
extern const struct ldr_latency_stat ldr_latency_table[]; /* ends with a NULL name */

/* A node's own numbers. */
struct ldr_node_stats {
    uint64_t peer_requests, peer_exchanges, peer_probes, peer_failures, peer_retries, peer_suspended, forwarded_refused,
        ring_mismatches;
    uint64_t ring_epoch, members;
    uint64_t handoff_entries_sent, handoff_entries_spared, handoff_entries_received, handoff_entries_left;
    uint64_t connections, connections_accepted, connections_refused, requests_refused;
    uint64_t loads_waiting, busy_refused, hot_keys;
    uint64_t start_time_seconds, memory_resident_bytes, memory_budgeted_bytes;
};
extern const struct ldr_stat ldr_node_stat_table[];

void ldr_node_read_stats(struct larder_node *node, struct ldr_node_stats *stats);

/* One row's number. */
uint64_t ldr_stat_read(const struct ldr_stat *stat, const void *stats);

/* The document of a group's statistics, and back. NULL when out of memory; false: not such a document. */
json_t *ldr_group_stats_to_json(const char *name, const struct larder_statistics *stats);
bool ldr_group_stats_from_json(const json_t *json, struct larder_statistics *stats);

/* Adds another member's: counters and gauges are summed, of percentiles the worst is taken. */
void ldr_group_stats_add(struct larder_statistics *sum, const struct larder_statistics *other);

/* Documents; NULL when out of memory. */
json_t *ldr_document_node(struct larder_node *node);    /* STATS */
json_t *ldr_document_cluster(struct larder_node *node); /* CLUSTER */
json_t *ldr_document_groups(struct larder_node *node);  /* GROUP_LIST */
json_t *ldr_document_group(struct larder_node *node,
                           struct larder_slice name); /* GROUP_GET; the reason of NULL is set, also LARDER_NO_GROUP */

/* Everything in Prometheus' text format. */
void ldr_node_metrics(struct larder_node *node, struct ldr_buffer *text);

/* Answers with a document (a reference is taken over) or, when it is NULL, with LARDER_NO_MEMORY. */
void ldr_answer_document(struct larder_node *node, json_t *document, larder_reply_fn done, void *arg);

#endif
