/* Everything in Prometheus' text exposition format 0.0.4. */
#include <stdlib.h>

#include "core/node/stats.h"

/* Upper bounds of the histograms' buckets, ns: 1, 2.5, 5 a decade from 100 ns to 100 s. */
static const uint64_t bounds[] = {
    100,        250,        500,        1000,        2500,        5000,        10000,
    25000,      50000,      100000,     250000,      500000,      1000000,     2500000,
    5000000,    10000000,   25000000,   50000000,    100000000,   250000000,   500000000,
    1000000000, 2500000000, 5000000000, 10000000000, 25000000000, 50000000000, 100000000000,
};

#define MAX_GROUPS_HINT 8

struct groups {
    struct ldr_group **items;
    size_t count, capacity;
    bool failed;
};

static void collect(void *arg, struct ldr_group *group)
{
    struct groups *groups = arg;
    if (groups->count == groups->capacity) {
        size_t capacity = groups->capacity == 0 ? MAX_GROUPS_HINT : groups->capacity * 2;
        struct ldr_group **items = realloc(groups->items, capacity * sizeof *items);
        if (items == NULL) {
            groups->failed = true;
            return;
        }
        groups->items = items;
        groups->capacity = capacity;
    }
    groups->items[groups->count++] = ldr_group_reference(group);
}

static void heading(struct ldr_buffer *text, const char *name, const char *suffix, const char *type, const char *help)
{
    ldr_buffer_printf(text, "# HELP larder_%s%s %s\n# TYPE larder_%s%s %s\n", name, suffix, help, name, suffix, type);
}

static void node_numbers(struct larder_node *node, struct ldr_buffer *text)
{
    struct ldr_node_stats stats;
    ldr_node_read_stats(node, &stats);
    for (const struct ldr_stat *stat = ldr_node_stat_table; stat->name != NULL; stat++) {
        const char *suffix = stat->gauge ? "" : "_total";
        heading(text, stat->name, suffix, stat->gauge ? "gauge" : "counter", stat->help);
        ldr_buffer_printf(text, "larder_%s%s %llu\n", stat->name, suffix,
                          (unsigned long long)ldr_stat_read(stat, &stats));
    }
    if (node->context.cluster != NULL) {
        heading(text, "ring", "_info", "gauge", "Checksum of the ring as this node sees it");
        ldr_buffer_printf(text, "larder_ring_info{checksum=\"%016llx\"} 1\n",
                          (unsigned long long)ldr_cluster_ring(node->context.cluster).checksum);
    }
}

static void requests_by_status(struct larder_node *node, struct ldr_buffer *text)
{
    heading(text, "requests", "_total", "counter", "Requests answered, by transport and status");
    for (size_t i = 0; i < node->door_count; i++) {
        struct larder_transport_stats stats = {0};
        node->doors[i].table->stats(node->doors[i].state, &stats);
        for (int status = 0; status < LARDER_STATUS_COUNT; status++)
            ldr_buffer_printf(text, "larder_requests_total{transport=\"%s\",status=\"%s\"} %llu\n",
                              node->doors[i].table->head.name, larder_status_name((enum larder_status)status),
                              (unsigned long long)stats.requests[status]);
    }
}

static void group_numbers(const struct groups *groups, const struct larder_statistics *stats, struct ldr_buffer *text)
{
    for (const struct ldr_stat *stat = ldr_group_stat_table; stat->name != NULL; stat++) {
        const char *suffix = stat->gauge ? "" : "_total";
        heading(text, stat->name, suffix, stat->gauge ? "gauge" : "counter", stat->help);
        for (size_t i = 0; i < groups->count; i++)
            ldr_buffer_printf(text, "larder_%s%s{group=\"%s\"} %llu\n", stat->name, suffix, groups->items[i]->name,
                              (unsigned long long)ldr_stat_read(stat, &stats[i]));
    }
    heading(text, "hit_ratio", "", "gauge", "Part of the gets answered by this node's store");
    for (size_t i = 0; i < groups->count; i++)
        ldr_buffer_printf(text, "larder_hit_ratio{group=\"%s\"} %.6f\n", groups->items[i]->name, stats[i].hit_ratio);
}

static void histogram(const struct ldr_group *group, const struct ldr_latency_stat *row, struct ldr_buffer *text)
{
    const struct ldr_histogram *source = (const void *)((const char *)group + row->group_offset);
    for (size_t i = 0; i < sizeof bounds / sizeof *bounds; i++)
        ldr_buffer_printf(text, "larder_%s_duration_seconds_bucket{group=\"%s\",le=\"%.9g\"} %llu\n", row->name,
                          group->name, (double)bounds[i] / 1e9,
                          (unsigned long long)ldr_histogram_below(source, bounds[i]));
    /* Read last: counts only grow, and no bucket may have more than all together. */
    struct larder_latency latency;
    ldr_histogram_read(source, &latency);
    ldr_buffer_printf(text, "larder_%s_duration_seconds_bucket{group=\"%s\",le=\"+Inf\"} %llu\n", row->name,
                      group->name, (unsigned long long)latency.count);
    ldr_buffer_printf(text, "larder_%s_duration_seconds_sum{group=\"%s\"} %.9f\n", row->name, group->name,
                      (double)latency.sum_ns / 1e9);
    ldr_buffer_printf(text, "larder_%s_duration_seconds_count{group=\"%s\"} %llu\n", row->name, group->name,
                      (unsigned long long)latency.count);
}

void ldr_node_metrics(struct larder_node *node, struct ldr_buffer *text)
{
    node_numbers(node, text);
    requests_by_status(node, text);
    struct groups groups = {0};
    ldr_registry_each(node->registry, collect, &groups);
    struct larder_statistics *stats = calloc(groups.count + 1, sizeof *stats);
    text->failed |= groups.failed || stats == NULL;
    for (size_t i = 0; i < groups.count && stats != NULL; i++)
        ldr_group_read_stats(groups.items[i], &stats[i]);
    if (stats != NULL)
        group_numbers(&groups, stats, text);
    for (const struct ldr_latency_stat *row = ldr_latency_table; row->name != NULL; row++) {
        heading(text, row->name, "_duration_seconds", "histogram", row->help);
        for (size_t i = 0; i < groups.count; i++)
            histogram(groups.items[i], row, text);
    }
    for (size_t i = 0; i < groups.count; i++)
        ldr_group_release(groups.items[i]);
    free(groups.items);
    free(stats);
}
