#include "request.h"

#include <inttypes.h>
#include <stdio.h>

const char *etcd_print(char *text, int64_t number)
{
    snprintf(text, ETCD_NUMBER, "%" PRId64, number);
    return text;
}

json_t *etcd_if_created(const char *key, uint64_t revision)
{
    char number[ETCD_NUMBER];
    return json_pack("{s:s, s:s, s:s, s:s}", "result", "EQUAL", "target", "CREATE", "key", key, "create_revision",
                     etcd_print(number, (int64_t)revision));
}

json_t *etcd_if_value(const char *key, const char *value)
{
    return json_pack("{s:s, s:s, s:s, s:s}", "result", "EQUAL", "target", "VALUE", "key", key, "value", value);
}

json_t *etcd_put(const char *key, const char *value, int64_t lease)
{
    char number[ETCD_NUMBER];
    return json_pack("{s:{s:s, s:s, s:s}}", "request_put", "key", key, "value", value, "lease",
                     etcd_print(number, lease));
}

json_t *etcd_get(const char *key, const char *end, uint64_t revision)
{
    char number[ETCD_NUMBER];
    return json_pack("{s:{s:s, s:s, s:s}}", "request_range", "key", key, "range_end", end != NULL ? end : "",
                     "revision", etcd_print(number, (int64_t)revision));
}

json_t *etcd_get_latest(const char *key, const char *end)
{
    return json_pack("{s:{s:s, s:s, s:s, s:s, s:i, s:b}}", "request_range", "key", key, "range_end", end, "sort_order",
                     "DESCEND", "sort_target", "MOD", "limit", 1, "keys_only", 1);
}

json_t *etcd_transaction(json_t *compare, json_t *success, json_t *failure)
{
    return json_pack("{s:o, s:o, s:o}", "compare", compare, "success", success, "failure", failure);
}

json_t *etcd_nested(json_t *transaction)
{
    return json_pack("{s:o}", "request_txn", transaction);
}

char *etcd_text(json_t *request)
{
    char *text = request != NULL ? json_dumps(request, JSON_COMPACT) : NULL;
    json_decref(request);
    return text;
}
