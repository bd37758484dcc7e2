/*
 * The inside of the "etcd" discovery: one thread that does, one after the other, what is missing of this node's membership
 * (a login, the settings, a lease, the registration, the list), keeps the lease alive, and reads a watch meanwhile. It
 * speaks etcd's JSON gateway: POST requests with libcurl, all in one of its multi handles.
 *
 *     PREFIX/settings       what all members have in common, as the first one wrote it
 *     PREFIX/formed         created with the first registration there ever was; the boot id of that member
 *     PREFIX/members/NAME   a registration: a JSON value under the member's lease
 */
#ifndef DISCOVERY_ETCD_ETCD_H
#define DISCOVERY_ETCD_ETCD_H

#include <pthread.h>

#include "larder/plugin/discovery.h"
#include "list.h"
#include "options.h"
#include "process.h"
#include "transfer.h"

#define ETCD_BOOT_SIZE 33 /* 32 digits and a NUL */

/* Keys as requests want them: in base64. */
struct etcd_keys {
    char *settings, *formed, *member; /* `member` is this node's own; NULL for a gateway */
    char *members, *members_end;      /* the range of all members */
};

struct etcd;

/* One request and what its answer means; see steps.c. */
struct etcd_step {
    const char *what;                                  /* for messages: "keeping the lease alive" */
    const char *path;                                  /* behind /v3/ */
    char *(*request)(struct etcd *etcd);               /* NULL: see `trouble` */
    bool (*answer)(struct etcd *etcd, json_t *answer); /* false: it makes no sense, or memory is short */
};

/* How start() ends. */
enum etcd_outcome { ETCD_UNDECIDED, ETCD_RUNNING, ETCD_REFUSED };

/* Our lease. */
struct etcd_lease {
    int64_t id;        /* 0: none */
    uint64_t ttl_ms;   /* as granted */
    uint64_t renew_at; /* when the next keep-alive is due */
    uint64_t until;    /* what host->lease() is told */
};

/* Whoever has our name. */
struct etcd_holder {
    enum { HOLDER_NONE, HOLDER_DEAD, HOLDER_UNKNOWN } state;
    int64_t lease;
    uint64_t created;  /* revision of its registration */
    uint64_t runs_out; /* when its lease would, by the first answer; 0: not asked yet */
    char text[300];    /* where it is, for messages */
};

struct etcd_watch {
    struct etcd_transfer transfer;
    bool created;        /* etcd has confirmed it */
    uint64_t open_until; /* when it must have */
    uint64_t retry_at;
};

struct etcd {
    const struct larder_discovery_host *host;
    struct etcd_options options;
    struct etcd_keys keys;
    char boot[ETCD_BOOT_SIZE]; /* of this instance */
    struct etcd_process process;
    struct larder_address *addresses; /* that are announced: as many as host->self has; its texts are somebody else's */
    CURLM *multi;
    pthread_t thread;
    bool started; /* the thread is to be joined */

    pthread_mutex_t lock; /* guards the following, nothing is called under it but curl_multi_wakeup() */
    pthread_cond_t decided;
    bool closing, leaving;
    enum etcd_outcome outcome;
    enum larder_status refusal; /* with `reason`: why it is ETCD_REFUSED */
    char reason[768];

    /* The thread's own from here on. Points in time are the runtime's. */
    uint64_t now;
    uint64_t wake_at; /* the earliest thing that is waited for */

    size_t endpoint;                     /* in use */
    unsigned failures;                   /* since the last answer */
    uint64_t retry_at;                   /* no request before */
    char trouble[ETCD_FILE_REASON + 16]; /* why a request could not be made */
    char complaint[256];                 /* what was told last */
    uint64_t complained_at;

    const struct etcd_step *step; /* under way in `call`; NULL: none */
    struct etcd_transfer call;
    uint64_t sent_at;

    char *token;     /* NULL: not logged in */
    bool no_auth;    /* etcd said that it wants no login */
    unsigned logins; /* in a row, without an answer to something else */
    bool agreed;     /* the settings are the cluster's */
    bool founder;    /* host->founded() was called */

    struct etcd_lease lease;
    struct etcd_holder holder;
    bool registered;
    uint64_t incarnation; /* of the registration */
    uint64_t announced;   /* revision of what this node wrote into it last */
    uint64_t register_at;
    bool leaves;   /* `leaving`, as the thread knows it */
    bool update;   /* the registration says something else than this node */
    bool relapsed; /* etcd's history went back: the next registration begins another generation */

    struct etcd_list list;
    bool range;  /* the whole list is wanted */
    bool find;   /* ... as it was at its last change, which must be found first */
    uint64_t at; /* this is it; 0: as the list is now */
    bool check;  /* ... or at least whether it has changed */
    uint64_t check_at;
    uint64_t report_at;
    struct etcd_watch watch;
};

/* steps.c */

void etcd_step_next(struct etcd *etcd); /* begins what is missing, unless something is under way */
void etcd_step_done(struct etcd *etcd, CURLcode code);
void etcd_step_revoke(struct etcd *etcd); /* begins to give the lease back, the last of all steps */

/* The error that an answer tells, and gRPC's number of it; NULL: none. */
const char *etcd_step_error(const json_t *answer, int64_t *code);

/* lease.c */

extern const struct etcd_step etcd_grant, etcd_keepalive, etcd_revoke;
void etcd_lease_lost(struct etcd *etcd, const char *reason);

/* register.c */

extern const struct etcd_step etcd_register, etcd_update;
/* Looks whether this node is still on the list as it wants to be. */
void etcd_registration_check(struct etcd *etcd);
void etcd_registration_lost(struct etcd *etcd);

/* holder.c */

extern const struct etcd_step etcd_holder_ttl, etcd_holder_revoke;
/* The name has a registration already. */
void etcd_holder_found(struct etcd *etcd, const struct etcd_kv *kv);

/* cluster.c */

extern const struct etcd_step etcd_login, etcd_settings_create, etcd_settings_read, etcd_find, etcd_range, etcd_check;
/* What PREFIX/formed says; false: it is not there. `boot`, of ETCD_BOOT_SIZE bytes, may be NULL. */
bool etcd_formed_read(const json_t *range, uint64_t *generation, char *boot);

/* watch.c */

void etcd_watch_open(struct etcd *etcd); /* when it is time to */
void etcd_watch_read(struct etcd *etcd); /* applies what has arrived */
void etcd_watch_ended(struct etcd *etcd, CURLcode code);
void etcd_watch_close(struct etcd *etcd);

/* trouble.c: what goes wrong, and what is told of it */

/* The endpoint did not do what it should: goes on to the next one, after a while when all have failed. */
void etcd_failed(struct etcd *etcd, const char *format, ...) LARDER_PRINTF(2, 3);
/* etcd answered, with an error; `what` is the step's. */
void etcd_answered_error(struct etcd *etcd, const char *what, int64_t code, const char *message);
/* Logs a line of that kind, but only once a minute while no other is logged. */
void etcd_complain(struct etcd *etcd, enum larder_log_level level, const char *kind, const char *text);
/* Nothing to be mended by trying again soon: start() fails with it, or it is logged. */
void etcd_refuse(struct etcd *etcd, enum larder_status status, const char *format, ...) LARDER_PRINTF(3, 4);
void etcd_succeeded(struct etcd *etcd); /* an answer came */

/* thread.c */

void *etcd_thread_run(void *etcd);
/* Whether the time has come; if not, the thread wakes up for it. */
bool etcd_due(struct etcd *etcd, uint64_t at);
void etcd_decide(struct etcd *etcd, enum etcd_outcome outcome);

#define etcd_log(etcd, level, ...) (etcd)->host->base.log(&(etcd)->host->base, level, __VA_ARGS__)

#endif
