/*
 * A registry in the manner of etcd, in memory: every change of the members is a new revision; a registration is held by a
 * lease, which runs out unless it is kept alive in time. Nodes reach it over links that may be cut, and hear of changes in
 * order, each after a lag of its own. The module "registry" (leases.c) is its client.
 */
#ifndef SIM_REGISTRY_H
#define SIM_REGISTRY_H

#include <stddef.h>

#include "larder/plugin/runtime.h"
#include "links.h"

#define SIM_LEASE_MS 3000

struct sim_leases; /* an open module */
struct sim_errand;
struct sim_news;

/* The members at one revision. */
struct sim_list {
    uint64_t epoch;
    struct {
        bool in, leaving;
        uint64_t incarnation;
    } members[SIM_MEMBERS];
};

/* How a member stands with the registry. */
struct sim_registration {
    bool in, leaving;
    uint64_t incarnation, lease;
    uint64_t expires;
    uint64_t newest_errand; /* that registered it: an older one that comes late is ignored */
};

/* How a node follows the changes. */
struct sim_watch {
    struct sim_leases *module; /* NULL: it does not */
    bool broken; /* something could not be delivered: nothing comes any more until the list is asked for */
    uint64_t broken_at;
    uint64_t last_at; /* when the last news arrives */
};

struct sim_registry {
    bool away;   /* nobody reaches it */
    bool down;   /* and it does not run: no lease ends */
    bool formed; /* somebody has been a member */
    uint64_t revision, next_lease, next_errand;
    uint64_t lag_ns;         /* most that news need */
    unsigned lying_permille; /* how often a node is told nonsense before the news */
    struct sim_registration registrations[SIM_MEMBERS];
    struct sim_watch watches[SIM_NODES];
    struct sim_list *lists; /* all there ever were; the last one holds */
    size_t list_count, list_capacity;
    struct sim_errand *errands; /* on their way, there or back */
    struct sim_news *news;      /* on their way */
    struct larder_timer expiry;
    uint64_t lapsed_at; /* when a node last went on with a lease that had run out */
};

enum sim_errand_kind { SIM_REGISTER, SIM_KEEP_ALIVE, SIM_LIST, SIM_LEAVE, SIM_REVOKE };

/* What the registry answers. */
struct sim_errand_answer {
    bool good;
    bool founded;
    uint64_t lease, incarnation;
    struct sim_list list;
};

void sim_registry_open(struct sim_world *world);
void sim_registry_close(struct sim_world *world);

/*
 * Sends an errand of a node; `module` is told by sim_leases_answered() what came of it, if anything comes back at all.
 * `sent` is the node's own time, and told back.
 */
void sim_registry_send(struct sim_world *world, unsigned node, struct sim_leases *module, enum sim_errand_kind kind,
                       uint64_t lease, uint64_t sent);

/* The module closes: it is told nothing any more. */
void sim_registry_forget(struct sim_world *world, unsigned node);

/* Away, or back; `down`: it did not run meanwhile, and gives every lease its full time when it is back. */
void sim_registry_away(struct sim_world *world, bool away, bool down);

/* A lease is lost at once, as if it had been revoked by somebody. */
void sim_registry_drop_lease(struct sim_world *world, unsigned node);

const struct sim_list *sim_registry_list(const struct sim_world *world);

/* ------------------------------------------------------------------------------------------------ the client; leases.c */

void sim_leases_answered(struct sim_leases *module, enum sim_errand_kind kind, uint64_t sent,
                         const struct sim_errand_answer *answer);
void sim_leases_news(struct sim_leases *module, const struct sim_list *list);

/* Whether since `since` any node that is up has been without a lease for a moment. */
bool sim_leases_lapsed(const struct sim_world *world, uint64_t since);

#endif
