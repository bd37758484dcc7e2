/* Requests to the nodes of node_net.h, one after the other, and what each got. */
#ifndef NODE_ASK_H
#define NODE_ASK_H

#include "node_net.h"

static const struct larder_runtime *runtime;

static int tear_down(void **unused)
{
    (void)unused;
    for (size_t i = 0; i < NET_PLACES; i++)
        larder_node_close(net_places[i].node);
    ldr_sim_close(runtime);
    return 0;
}

struct answer {
    unsigned count;
    enum larder_status status;
    enum larder_source source;
    char value[32];
};

static void keep(void *arg, struct larder_reply *reply)
{
    struct answer *answer = arg;
    answer->count++;
    answer->status = reply->status;
    answer->source = reply->source;
    snprintf(answer->value, sizeof answer->value, "%.*s", (int)reply->value.size,
             reply->value.size > 0 ? (const char *)reply->value.data : "");
    larder_reply_release(reply);
}

static struct answer ask(size_t place, enum larder_operation operation, const char *key, const char *value)
{
    struct answer answer = {0};
    const struct larder_request request = {
        .operation = operation,
        .group = ldr_slice_text("g"),
        .key = ldr_slice_text(key),
        .value = ldr_slice_text(value),
        .deadline = larder_deadline_in(runtime, 1000),
    };
    ldr_node_execute(net_places[place].node, &request, keep, &answer);
    while (answer.count == 0 && ldr_sim_step(runtime))
        ;
    assert_int_equal(answer.count, 1);
    return answer;
}

static inline struct larder_statistics stats_of(size_t place)
{
    struct larder_statistics stats;
    struct larder_group *group = larder_group_open(net_places[place].node, "g", NULL);
    assert_int_equal(larder_group_stats(group, &stats), LARDER_OK);
    larder_group_close(group);
    return stats;
}

#endif
