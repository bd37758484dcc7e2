/* Statistics of a group as a JSON document, and back. */
#include "core/node/json.h"
#include "core/node/stats.h"

static const struct {
    const char *name;
    size_t offset;
} latency_fields[] = {
    {"count", offsetof(struct larder_latency, count)},   {"sum_ns", offsetof(struct larder_latency, sum_ns)},
    {"p50_ns", offsetof(struct larder_latency, p50_ns)}, {"p95_ns", offsetof(struct larder_latency, p95_ns)},
    {"p99_ns", offsetof(struct larder_latency, p99_ns)}, {"p99.9_ns", offsetof(struct larder_latency, p999_ns)},
};

#define LATENCY_FIELDS (sizeof latency_fields / sizeof *latency_fields)

static json_t *latency_to_json(const struct larder_latency *latency)
{
    json_t *json = json_object();
    for (size_t i = 0; i < LATENCY_FIELDS; i++) {
        uint64_t value;
        memcpy(&value, (const char *)latency + latency_fields[i].offset, sizeof value);
        json = ldr_json_set(json, latency_fields[i].name, json_integer((json_int_t)value));
    }
    return json;
}

json_t *ldr_group_stats_to_json(const char *name, const struct larder_statistics *stats)
{
    json_t *json = json_object();
    json = ldr_json_set(json, "name", json_string(name));
    for (const struct ldr_stat *stat = ldr_group_stat_table; stat->name != NULL; stat++)
        json = ldr_json_set(json, stat->name, json_integer((json_int_t)ldr_stat_read(stat, stats)));
    json = ldr_json_set(json, "hit_ratio", json_real(stats->hit_ratio));
    json_t *latency = json_object();
    for (const struct ldr_latency_stat *row = ldr_latency_table; row->name != NULL; row++)
        latency = ldr_json_set(latency, row->name,
                               latency_to_json((const void *)((const char *)stats + row->stats_offset)));
    json = ldr_json_set(json, "latency", latency);
    return json;
}

static bool read_integer(const json_t *object, const char *name, void *place)
{
    const json_t *member = json_object_get(object, name);
    if (!json_is_integer(member) || json_integer_value(member) < 0)
        return false;
    uint64_t value = (uint64_t)json_integer_value(member);
    memcpy(place, &value, sizeof value);
    return true;
}

bool ldr_group_stats_from_json(const json_t *json, struct larder_statistics *stats)
{
    *stats = (struct larder_statistics){0};
    for (const struct ldr_stat *stat = ldr_group_stat_table; stat->name != NULL; stat++)
        if (!read_integer(json, stat->name, (char *)stats + stat->offset))
            return false;
    const json_t *latencies = json_object_get(json, "latency");
    for (const struct ldr_latency_stat *row = ldr_latency_table; row->name != NULL; row++)
        for (size_t i = 0; i < LATENCY_FIELDS; i++)
            if (!read_integer(json_object_get(latencies, row->name), latency_fields[i].name,
                              (char *)stats + row->stats_offset + latency_fields[i].offset))
                return false;
    return true;
}
