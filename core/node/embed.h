/* What the files of the embedding API share: handles, values, and requests of callers that wait. */
#ifndef LDR_NODE_EMBED_H
#define LDR_NODE_EMBED_H

#include "core/node/node.h"

/* A handle names its group: one that was dropped and made again is found again. */
struct larder_group {
    struct larder_node *node;     /* a counted reference to its memory */
    struct ldr_group_place place; /* where the group was found last */
    size_t name_size;
    char name[]; /* NUL-terminated */
};

/*
 * The handle's group, inside a section that ldr_node_exit() ends; NULL, outside of one: there is none, or the node is closing
 * or a gateway, which a request tells better.
 */
struct ldr_group *ldr_handle_enter(struct larder_group *handle);

static inline bool ldr_key_size_good(size_t key_size)
{
    return key_size != 0 && key_size <= LARDER_KEY_MAX;
}

/* These take the pin, also when memory is short and they return NULL. */
struct larder_value *ldr_value_new(struct larder_reply *reply);
struct larder_value *ldr_value_of_entry(const struct ldr_group *group, struct ldr_entry *entry, uint64_t now);

/* ------------------------------------------------------------------------------------------------ requests */

struct ldr_waiting;

/* One request of a waiting caller, and its answer. Zeroed but for the request. */
struct ldr_call {
    struct larder_request request;
    struct larder_reply reply;
    struct ldr_waiting *waiting;
    char message[256]; /* the reply's message, which does not outlive the completion */
};

struct larder_request ldr_call_request(const struct larder_group *group, enum larder_operation operation,
                                       const void *key, size_t key_size);

/* The deadline of a call; false, with the reason set, when the node is closed. */
bool ldr_call_deadline(struct larder_node *node, uint64_t timeout_ms, uint64_t *deadline);

/* Runs one request and waits for its answer. A failure is the thread's last error; LARDER_OK: release the reply. */
enum larder_status ldr_call_run(struct larder_group *group, struct ldr_call *call, uint64_t timeout_ms);

/*
 * Runs `count` requests at once and waits for all of them. LARDER_OK: each has a reply, to be released when its status is
 * LARDER_OK; else nothing was run.
 */
enum larder_status ldr_call_run_many(struct larder_group *group, struct ldr_call *calls, size_t count,
                                     uint64_t timeout_ms);

/* The status of the answer; a failure is made the thread's last error. */
enum larder_status ldr_call_outcome(const struct ldr_call *call);

#endif
