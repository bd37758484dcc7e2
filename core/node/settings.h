/*
 * A checked configuration: what a node is built from. The tables in settings_table.c are the source of checks, defaults
 * and docs.
 */
#ifndef LDR_NODE_SETTINGS_H
#define LDR_NODE_SETTINGS_H

#include "core/base/log.h"
#include "core/config/config.h"
#include "core/config/schema.h"
#include "core/plugin/catalog.h"

/* A plugin that was named, found, and whose parameters were checked. */
struct ldr_plugin_choice {
    const struct larder_plugin *table; /* NULL: none named */
    const struct larder_param_value *params;
};

struct ldr_group_settings {
    const char *name;
    uint64_t max_bytes;
    uint64_t max_entries; /* 0: no limit */
    uint64_t max_value;
    int64_t ttl_ms;          /* LARDER_TTL_NONE when `ttl: 0` or not given */
    int64_t negative_ttl_ms; /* 0: not remembered */
    uint64_t load_timeout_ms;
    uint64_t near_bytes; /* 0: no near copies */
    int64_t near_ttl_ms;
    int64_t stale_while_revalidate_ms, stale_if_error_ms; /* 0: not at all */
    double refresh_ahead;                                 /* 0: not at all */
    uint64_t max_loads;
    bool exact_hits;
    struct ldr_plugin_choice eviction;
    struct ldr_plugin_choice loader;
};

struct ldr_cluster_settings {
    bool enabled;               /* a `cluster` section was given */
    const char *peer_transport; /* name of one of the transports below */
    struct ldr_plugin_choice hash, discovery;
    uint64_t seed;
    unsigned virtual_nodes;
    uint64_t peer_timeout_ms;
    unsigned retries;
    uint64_t backoff_ms;
    unsigned suspend_after;
    uint64_t suspend_ms, probe_ms;
    uint64_t fallback_ttl_ms; /* most time to live of what is stored for a suspended owner */
    unsigned replicas;
    bool strict; /* `write_acks: all` */
    uint64_t fence_peer_ms, orphan_wait_ms, tombstone_ttl_ms;
    uint64_t handoff_bandwidth; /* bytes a second */
    uint64_t max_calls;         /* to one peer at a time */
};

struct ldr_settings {
    struct ldr_arena *arena; /* owns everything below */
    const char *node_name;
    bool gateway;
    enum larder_log_level log_level;
    enum ldr_log_format log_format;
    unsigned workers;            /* threads for loader callbacks */
    uint64_t queue;              /* loads that may wait for a worker */
    size_t hot_keys;             /* 0: hot keys are not looked for */
    uint64_t max_waiting;        /* requests that may wait for loads and peers */
    uint64_t request_timeout_ms; /* default 10 s */
    uint64_t drain_timeout_ms;
    uint64_t leave_timeout_ms; /* 0: it goes without handing over */
    const char *zone;          /* "": none */
    struct ldr_plugin_choice *transports;
    size_t transport_count;
    struct ldr_cluster_settings cluster;
    struct ldr_group_settings *groups;
    size_t group_count;
};

/*
 * Checks the configuration (NULL: all defaults) against the tables and the catalog. Without a `groups` section, and with
 * transports, there is one group `default` with defaults. NULL: errors->count > 0, or out of memory.
 */
struct ldr_settings *ldr_settings_check(const struct larder_config *config, struct ldr_catalog *catalog,
                                        struct ldr_errors *errors);
void ldr_settings_free(struct ldr_settings *settings); /* NULL is fine */

/*
 * The settings of one group from a JSON or YAML document, as PUT /v1/groups/{group} gets it. What it does not name keeps the
 * value of `base` (NULL: the defaults). Allocated in `arena`. False: errors were reported.
 */
bool ldr_settings_group(const char *text, size_t length, const char *name, const struct ldr_group_settings *base,
                        struct ldr_catalog *catalog, struct ldr_arena *arena, struct ldr_errors *errors,
                        struct ldr_group_settings *group);

/* A catalog for this configuration: `plugins.path` and what was added. NULL: see larder_last_error(). */
struct ldr_catalog *ldr_settings_catalog(const struct larder_config *config);

#endif
