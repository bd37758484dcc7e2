/* Administrative requests that concern every member: done here, sent to all others once, and answered when all have. */
#include <stdlib.h>

#include "core/base/fail.h"
#include "core/node/stats.h"

struct round {
    struct ldr_fanout fanout;
    struct larder_node *node;
    const struct larder_request *request;
    larder_reply_fn done;
    void *arg;
    /* Filled in as members answer, which they do one at a time. */
    struct larder_reply reply;
    struct ldr_buffer message;
    struct larder_statistics sum;
    struct larder_reply document; /* of the first member that had it */
    bool found;                   /* a member has the group */
};

static bool wants_stats(const struct round *round)
{
    return round->request->operation == LARDER_OP_GROUP_STATS;
}

/* What one member says serves for all: a gateway, which has no groups, asks for their settings. */
static bool wants_one(const struct round *round)
{
    return round->request->operation == LARDER_OP_GROUP_LIST || round->request->operation == LARDER_OP_GROUP_GET;
}

/* A member without the group is no failure where others have it: it was restarted, or made later. */
static bool tolerable(const struct round *round, enum larder_status status)
{
    return status == LARDER_NO_GROUP && round->request->operation != LARDER_OP_GROUP_PUT;
}

/* Keeps the first failure, and names every member that failed. */
static void note_failure(struct round *round, const char *member, enum larder_status status,
                         struct larder_slice message)
{
    if (tolerable(round, status))
        return;
    if (round->reply.status == LARDER_OK)
        round->reply.status = status;
    if (message.size == 0)
        message = ldr_slice_text(larder_status_text(status));
    ldr_buffer_printf(&round->message, "%smember %s: %.*s", round->message.size != 0 ? "; " : "", member,
                      (int)message.size, (const char *)message.data);
}

static enum larder_status add_stats(struct round *round, struct larder_slice document)
{
    struct larder_statistics stats;
    json_t *json = json_loadb(document.data, document.size, 0, NULL);
    bool good = json != NULL && ldr_group_stats_from_json(json, &stats);
    json_decref(json);
    if (!good)
        return LARDER_UNAVAILABLE;
    ldr_group_stats_add(&round->sum, &stats);
    return LARDER_OK;
}

static void member_answered(struct ldr_fanout *fanout, const char *member, struct larder_reply *reply)
{
    struct round *round = (struct round *)fanout;
    enum larder_status status = reply->status;
    if (status == LARDER_OK && wants_one(round) && !round->found) {
        round->document = *reply;
        round->found = true;
        return;
    }
    if (status == LARDER_OK && wants_stats(round))
        status = add_stats(round, reply->value);
    round->found |= status == LARDER_OK;
    round->reply.flags |= reply->flags & LARDER_REPLY_CREATED;
    if (status != LARDER_OK)
        note_failure(round, member, status, reply->message);
    larder_reply_release(reply);
}

/* Statistics are of the members that answered, settings of one of them; a change must have been made by all. */
static void all_answered(struct ldr_fanout *fanout)
{
    struct round *round = (struct round *)fanout;
    struct larder_node *node = round->node;
    if (!round->found && round->reply.status == LARDER_OK) {
        round->reply.status = LARDER_NO_GROUP;
        ldr_buffer_printf(&round->message, "no group %.*s", (int)round->request->group.size,
                          (const char *)round->request->group.data);
    }
    if (wants_stats(round) && round->found) {
        char name[LARDER_GROUP_MAX + 1];
        memcpy(name, round->request->group.data, round->request->group.size);
        name[round->request->group.size] = '\0';
        ldr_answer_document(node, ldr_group_stats_to_json(name, &round->sum), round->done, round->arg);
    } else if (wants_one(round) && round->found) {
        ldr_answer(&node->context, &round->document, round->done, round->arg);
    } else {
        round->reply.message = ldr_slice(round->message.data, round->message.size);
        ldr_answer(&node->context, &round->reply, round->done, round->arg);
    }
    ldr_buffer_free(&round->message);
    free(round);
}

/* This node's own part. */
static void begin_here(struct round *round)
{
    struct larder_node *node = round->node;
    if (wants_stats(round)) {
        struct ldr_group *group = ldr_node_find_group(node, round->request->group);
        if (group == NULL)
            return;
        ldr_group_read_stats(group, &round->sum);
        ldr_group_release(group);
        round->found = true;
        return;
    }
    enum larder_status status = ldr_node_apply(node, round->request, &round->reply.flags);
    round->found = status == LARDER_OK;
    if (status != LARDER_OK)
        note_failure(round, node->settings->node_name, status, ldr_slice_text(larder_last_error()));
}

void ldr_node_fan_out(struct larder_node *node, const struct larder_request *request, larder_reply_fn done, void *arg)
{
    struct round *round = calloc(1, sizeof *round);
    if (round == NULL) {
        ldr_answer_status(&node->context, LARDER_NO_MEMORY, NULL, done, arg);
        return;
    }
    round->fanout = (struct ldr_fanout){member_answered, all_answered};
    round->node = node;
    round->request = request;
    round->done = done;
    round->arg = arg;
    round->reply.source = LARDER_SOURCE_LOCAL;
    if (node->transit == NULL)
        begin_here(round);
    /* What this node itself finds wrong, the others need not be asked. */
    if (round->reply.status == LARDER_INVALID || round->reply.status == LARDER_UNSUPPORTED)
        all_answered(&round->fanout);
    else
        ldr_cluster_call_all(node->context.cluster, request, &round->fanout);
}
