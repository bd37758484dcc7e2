/*
 * A node: everything a configuration names, opened, and the one function that executes a request.
 */
#ifndef LDR_NODE_NODE_H
#define LDR_NODE_NODE_H

#include <pthread.h>

#include "core/group/flight.h"
#include "core/group/handoff.h"
#include "core/group/registry.h"
#include "core/node/settings.h"
#include "larder/larder.h"

/* A transport as opened: a door, and for one of them the way to the peers. */
struct ldr_door {
    struct larder_transport_host host; /* host.base.owner is the node */
    const struct larder_transport *table;
    void *state;
    char address[128]; /* where it listens */
};

/* A group as it was asked for: what GROUP_GET shows and GROUP_PUT changes. Under `admin`. */
struct ldr_group_record {
    struct ldr_group_record *next;
    struct ldr_group *group; /* a counted reference */
    struct ldr_group_settings settings;
    struct ldr_arena *arena; /* what the settings point into */
    bool configured;         /* made by the configuration, so that a reload may drop it */
};

struct larder_node {
    _Atomic size_t references; /* the opener's, and one a group handle */
    _Atomic bool closing;      /* no request is taken any more */
    _Atomic bool listening;    /* on all transports */
    struct ldr_catalog *catalog;
    struct ldr_settings *settings;
    struct ldr_log *log;
    const struct larder_runtime *runtime;
    bool owns_runtime;
    struct ldr_tally changes; /* of groups, that workers have taken and not answered */
    struct larder_host host;  /* for loaders */
    struct larder_discovery_host discovery_host;
    struct larder_member self;        /* this node, as discovery announces it */
    struct larder_address *addresses; /* of `self`: one a door */
    struct ldr_context context;
    struct ldr_registry *registry;
    struct ldr_cluster_events events; /* of the cluster, for this node */
    struct ldr_group *transit;        /* a gateway's; else NULL */
    struct ldr_door *doors;
    size_t door_count;
    void *discovery; /* state of the module in settings->cluster.discovery; NULL: none, or not started */
    bool discovery_started;
    const struct larder_param_value *discovery_params;
    struct ldr_arena *discovery_arena; /* what these lie in after a reload; NULL: the settings have them */
    uint64_t epoch_base;               /* added to what discovery reports; grows when another instance takes over */
    _Atomic uint64_t leave_by; /* it was told to leave its cluster, and goes then at the latest; 0: it was not */
    atomic_bool left_logged;   /* the log has how that ended */
    uint64_t go_at;            /* it has left, and goes then; 0: it has not. The tick's own */
    _Atomic(void (*)(void *arg)) left; /* told once, when it has; NULL: nobody wants to know */
    void *left_arg;
    struct larder_timer tick; /* expiry, and what only time brings about */
    struct ldr_retired mark;  /* freed when no request is inside any more; see larder_node_close() */
    uint64_t started_ms;      /* since 1970 */

    pthread_mutex_t reload;  /* one reload at a time, and none once the node is closing */
    pthread_mutex_t ticking; /* held by tick(), and by larder_node_close() to wait for it */
    pthread_mutex_t admin;   /* changes of groups, one at a time */
    struct ldr_group_record *records;
};

/*
 * Opens a node on a runtime that outlives it; NULL: on a real one of its own. The tests' way to a simulated node. NULL
 * with the reason in larder_last_error().
 */
struct larder_node *ldr_node_open_on(const struct larder_config *config, const struct larder_runtime *runtime);

/* Handles keep the memory of a node, not the node: when it is closed their calls give UNAVAILABLE. */
struct larder_node *ldr_node_reference(struct larder_node *node);
void ldr_node_release(struct larder_node *node);

/*
 * Executes a request: every door's, the embedding API's and every peer's. `done` is called exactly once, inline or later,
 * by the request's deadline.
 */
void ldr_node_execute(struct larder_node *node, const struct larder_request *request, larder_reply_fn done, void *arg);

/* ------------------------------------------------------------------------------------------------ between the files of this room */

/* Keeps the node from closing until ldr_node_exit(); false, with the reason set: it is closing or closed. */
bool ldr_node_enter(struct larder_node *node);
void ldr_node_exit(void);

/* 1 to LARDER_GROUP_MAX of A-Z a-z 0-9 . _ - */
bool ldr_group_name_good(struct larder_slice name);

/* From now on what only time brings about comes about; see node.c. */
void ldr_node_start_ticking(struct larder_node *node);

/* Leaving; see leave.c. */
bool ldr_node_is_leaving(struct larder_node *node);       /* it was told to */
bool ldr_node_has_left(struct larder_node *node);         /* and others have all its keys */
void ldr_node_look_after_leave(struct larder_node *node); /* now and then */
void ldr_node_hand_over(struct larder_node *node);        /* when the node closes: waits, at most leave_timeout */

/* Fills the tables of host functions; see host.c. */
void ldr_node_init_host(struct larder_node *node, struct larder_host *host);
void ldr_node_init_door(struct larder_node *node, struct ldr_door *door);
void ldr_node_init_discovery_host(struct larder_node *node);

/* Groups; see groups.c. These take `admin` themselves: */
enum larder_status ldr_node_put_group(struct larder_node *node, struct larder_slice name, struct larder_slice document,
                                      bool *created);
/*
 * Makes the group of the document, unless it is there, which is LARDER_EXISTS with `fresh`; then gives it the callback
 * (NULL: none), which is LARDER_EXISTS when it has a loader.
 */
enum larder_status ldr_node_open_group(struct larder_node *node, const char *name, struct larder_slice document,
                                       bool fresh, larder_load_fn load, void *load_arg);
enum larder_status ldr_node_drop_group(struct larder_node *node, struct larder_slice name);
void ldr_node_shut_groups(struct larder_node *node); /* ends the loads of all; when the node closes */

/* These are called under it. The settings are copied. */
enum larder_status ldr_node_create_group(struct larder_node *node, const struct ldr_group_settings *settings,
                                         bool configured);
enum larder_status ldr_node_change_group(struct ldr_group_record *record, const struct ldr_group_settings *settings);
struct ldr_group_record *ldr_node_record(struct larder_node *node, struct larder_slice name); /* NULL: none */

/* A counted reference to the group; NULL with LARDER_NO_GROUP. */
struct ldr_group *ldr_node_find_group(struct larder_node *node, struct larder_slice name);

/* Administrative requests; see admin.c. */
void ldr_node_administer(struct larder_node *node, const struct larder_request *request, larder_reply_fn done,
                         void *arg);

/* The keys that are asked for most; see top_sum.c. */
void ldr_node_answer_top(struct larder_node *node, const struct larder_request *request, larder_reply_fn done,
                         void *arg);

/* Does here and at every other member what the request says, and answers when all have; see fanout.c. */
void ldr_node_fan_out(struct larder_node *node, const struct larder_request *request, larder_reply_fn done, void *arg);
/* The part of it that is done here: GROUP_PUT, GROUP_DROP, GROUP_CLEAR. Sets LARDER_REPLY_CREATED in *flags. */
enum larder_status ldr_node_apply(struct larder_node *node, const struct larder_request *request, uint32_t *flags);

#endif
