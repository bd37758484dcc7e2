/* Every row of every table of settings is read and changes something: no option is parsed and never used. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config_catalog.h"
#include "core/base/bytes.h"
#include "core/node/settings.h"
#include "core/node/settings_table.h"

static const char base[] = "node: {name: a}\n"
                           "transports: [{plugin: http, listen: x}, {plugin: grpc, listen: y}]\n"
                           "cluster: {discovery: {plugin: static, members: []}}\n"
                           "groups: [{name: g}]\n";

/* For each row a value that is not what `base` makes of it. */
static const struct {
    const char *path, *value;
} samples[] = {
    {"node.name", "b"},
    {"node.log_level", "debug"},
    {"node.log_format", "json"},
    {"node.workers", "5"},
    {"node.load_queue", "6"},
    {"node.hot_keys", "600"},
    {"node.max_waiting", "77"},
    {"node.request_timeout", "7s"},
    {"node.drain_timeout", "8s"},
    {"node.leave_timeout", "8s"},
    {"node.zone", "east"},
    {"plugins.path", "[/somewhere]"},
    {"transports", "[{plugin: http, listen: z}]"},
    {"cluster.peer_transport", "grpc"},
    {"cluster.hash", "crc32"},
    {"cluster.seed", "9"},
    {"cluster.virtual_nodes", "10"},
    {"cluster.discovery", "{plugin: static, members: [{name: a}]}"},
    {"cluster.peer_timeout", "11s"},
    {"cluster.retries", "3"},
    {"cluster.backoff", "12ms"},
    {"cluster.suspend_after", "13"},
    {"cluster.suspend", "14s"},
    {"cluster.probe_interval", "15s"},
    {"cluster.fallback_ttl", "16s"},
    {"cluster.replicas", "2"},
    {"cluster.fence_peer", "17s"},
    {"cluster.orphan_wait", "18s"},
    {"cluster.tombstone_ttl", "19s"},
    {"cluster.handoff_bandwidth", "20MiB"},
    {"cluster.max_calls", "66"},
    {"groups.0.name", "h"},
    {"groups.0.max_bytes", "17MiB"},
    {"groups.0.max_entries", "1234"},
    {"groups.0.max_value", "18KiB"},
    {"groups.0.eviction", "{plugin: tuned, share: 0.25}"},
    {"groups.0.ttl", "19s"},
    {"groups.0.negative_ttl", "20s"},
    {"groups.0.load_timeout", "21s"},
    {"groups.0.near_bytes", "22MiB"},
    {"groups.0.near_ttl", "23s"},
    {"groups.0.max_loads", "55"},
    {"groups.0.stale_while_revalidate", "22s"},
    {"groups.0.stale_if_error", "23s"},
    {"groups.0.refresh_ahead", "2.5"},
    {"groups.0.exact_hits", "true"},
    {"groups.0.loader", "{plugin: http, url: u}"},
};

/* ------------------------------------------------------------------------------------------------ a picture */

static void draw_values(struct ldr_buffer *out, const struct larder_param_value *values, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        ldr_buffer_printf(out, "(%s %lld %g %s", values[i].name, (long long)values[i].integer, values[i].number,
                          values[i].string == NULL ? "-" : values[i].string);
        draw_values(out, values[i].items, values[i].count);
        ldr_buffer_printf(out, ")");
    }
}

static void draw_choice(struct ldr_buffer *out, const struct ldr_plugin_choice *choice)
{
    ldr_buffer_printf(out, " %s", choice->table == NULL ? "-" : choice->table->name);
    if (choice->table != NULL)
        draw_values(out, choice->params, ldr_schema_count(choice->table->params));
}

static void draw_cluster(struct ldr_buffer *out, const struct ldr_cluster_settings *c)
{
    ldr_buffer_printf(out, "\n%d %s %llu %u %llu %u %llu %u %llu %llu %llu %u %d %llu %llu %llu %llu %llu", c->enabled,
                      c->peer_transport, (unsigned long long)c->seed, c->virtual_nodes,
                      (unsigned long long)c->peer_timeout_ms, c->retries, (unsigned long long)c->backoff_ms,
                      c->suspend_after, (unsigned long long)c->suspend_ms, (unsigned long long)c->probe_ms,
                      (unsigned long long)c->fallback_ttl_ms, c->replicas, c->strict,
                      (unsigned long long)c->fence_peer_ms, (unsigned long long)c->orphan_wait_ms,
                      (unsigned long long)c->tombstone_ttl_ms, (unsigned long long)c->handoff_bandwidth,
                      (unsigned long long)c->max_calls);
    draw_choice(out, &c->hash);
    draw_choice(out, &c->discovery);
}

static void draw_group(struct ldr_buffer *out, const struct ldr_group_settings *g)
{
    ldr_buffer_printf(out, "\n%s %llu %llu %llu %lld %lld %llu %llu %lld %d", g->name, (unsigned long long)g->max_bytes,
                      (unsigned long long)g->max_entries, (unsigned long long)g->max_value, (long long)g->ttl_ms,
                      (long long)g->negative_ttl_ms, (unsigned long long)g->load_timeout_ms,
                      (unsigned long long)g->near_bytes, (long long)g->near_ttl_ms, g->exact_hits);
    ldr_buffer_printf(out, " %llu %lld %lld %g", (unsigned long long)g->max_loads,
                      (long long)g->stale_while_revalidate_ms, (long long)g->stale_if_error_ms, g->refresh_ahead);
    draw_choice(out, &g->eviction);
    draw_choice(out, &g->loader);
}

/* Everything that a node would be built from, as a text. */
static void draw(struct ldr_buffer *out, const struct ldr_settings *s, const struct ldr_catalog *catalog)
{
    ldr_buffer_printf(out, "%zu %s %d %d %d %u %llu %llu %llu %llu %llu %s", s->hot_keys, s->node_name, s->gateway, s->log_level,
                      s->log_format, s->workers, (unsigned long long)s->queue, (unsigned long long)s->max_waiting,
                      (unsigned long long)s->request_timeout_ms, (unsigned long long)s->drain_timeout_ms,
                      (unsigned long long)s->leave_timeout_ms, s->zone);
    for (size_t i = 0; i < catalog->path_count; i++)
        ldr_buffer_printf(out, " %s", catalog->paths[i]);
    for (size_t i = 0; i < s->transport_count; i++)
        draw_choice(out, &s->transports[i]);
    draw_cluster(out, &s->cluster);
    for (size_t i = 0; i < s->group_count; i++)
        draw_group(out, &s->groups[i]);
}

/* The picture of a document with one setting; `set` may be NULL. The caller frees it. */
static char *picture(const char *text, const char *set)
{
    struct ldr_buffer out = {0};
    struct ldr_errors errors = {0};
    struct larder_config *config = larder_config_new();
    assert_int_equal(larder_config_parse(config, text, strlen(text), "file"), LARDER_OK);
    if (set != NULL)
        assert_int_equal(larder_config_set(config, set), LARDER_OK);
    struct ldr_catalog *catalog = ldr_settings_catalog(config);
    struct ldr_settings *settings = ldr_settings_check(config, catalog, &errors);
    if (settings == NULL)
        fail_msg("%s: %s", set, errors.first);
    draw(&out, settings, catalog);
    assert_false(out.failed);
    ldr_settings_free(settings);
    ldr_catalog_close(catalog);
    larder_config_free(config);
    return out.data;
}

/* ------------------------------------------------------------------------------------------------ the tables */

static void assert_changes(const char *text, const char *path, const char *value)
{
    char set[256];
    snprintf(set, sizeof set, "%s=%s", path, value);
    char *before = picture(text, NULL), *after = picture(text, set);
    if (strcmp(before, after) == 0)
        fail_msg("%s changes nothing", set);
    free(before);
    free(after);
}

static const char *sample_of(const char *path)
{
    for (size_t i = 0; i < sizeof samples / sizeof *samples; i++) {
        if (strcmp(samples[i].path, path) == 0)
            return samples[i].value;
    }
    return NULL;
}

/* The two rows that no single setting shows on `base`. */
static bool is_shown_elsewhere(const char *path)
{
    return strcmp(path, "node.role") == 0 || strcmp(path, "cluster.write_acks") == 0;
}

static unsigned check_rows(const char *prefix, const struct larder_param *table)
{
    unsigned checked = 0;
    for (; table->name != NULL; table++) {
        char path[128];
        snprintf(path, sizeof path, "%s%s", prefix, table->name);
        if (table->fields != NULL) {
            strcat(path, table->type == LARDER_PARAM_RECORDS ? ".0." : ".");
            checked += check_rows(path, table->fields);
        } else if (!is_shown_elsewhere(path)) {
            if (sample_of(path) == NULL)
                fail_msg("no sample for %s", path);
            assert_changes(base, path, sample_of(path));
            checked++;
        }
    }
    return checked;
}

static void fault_26_every_row_ends_in_the_settings(void **state)
{
    (void)state;
    assert_int_equal(check_rows("", ldr_settings_table), sizeof samples / sizeof *samples);
}

static void fault_26_a_role_ends_in_the_settings(void **state)
{
    (void)state;
    static const char gateway[] = "node: {name: a}\ntransports: [{plugin: http, listen: x}]\ngroups: []\n"
                                  "cluster: {discovery: {plugin: static, members: []}}\n";
    assert_changes(gateway, "node.role", "gateway");
}

/* What a static list cannot give must be refused, not ignored. */
static void fault_26_strict_writes_need_leases(void **state)
{
    (void)state;
    struct larder_config *config = larder_config_new();
    assert_int_equal(larder_config_parse(config, base, strlen(base), "file"), LARDER_OK);
    assert_int_equal(larder_config_set(config, "cluster.replicas=7"), LARDER_OK);
    assert_int_equal(larder_config_check(config, NULL, NULL), LARDER_OK);
    assert_int_equal(larder_config_set(config, "cluster.write_acks=all"), LARDER_OK);
    assert_int_equal(larder_config_check(config, NULL, NULL), LARDER_INVALID);
    assert_string_equal(larder_last_error(),
                        "--set: cluster.write_acks: got \"all\", wanted one: discovery static knows no leases");
    larder_config_free(config);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fault_26_every_row_ends_in_the_settings),
        cmocka_unit_test(fault_26_a_role_ends_in_the_settings),
        cmocka_unit_test(fault_26_strict_writes_need_leases),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
