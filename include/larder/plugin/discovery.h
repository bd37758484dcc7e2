/*
 * A discovery module: announces this node and reports who else is there.
 *
 * Always full lists, never differences. The contract matches exactly until 1.0.
 */
#ifndef LARDER_PLUGIN_DISCOVERY_H
#define LARDER_PLUGIN_DISCOVERY_H

#include "plugin.h"
#include "runtime.h"

#ifdef __cplusplus
extern "C" {
#endif

#define LARDER_DISCOVERY_ABI 2

#define LARDER_MEMBER_NAME_MAX 64 /* bytes; 1 to 64 of [A-Za-z0-9._-] */
#define LARDER_WEIGHT_MAX      100

/* Where a member listens: the transport's name and an address that the transport understands. */
struct larder_address {
    const char *transport;
    const char *address;
};

/* A member is its name: addresses may be written in many ways and are never compared. */
struct larder_member {
    const char *name;
    uint32_t weight; /* share of the keys relative to the others, 1 to LARDER_WEIGHT_MAX; usually 1 */
    size_t address_count;
    const struct larder_address *addresses;
    const char *zone;     /* copies of a key lie in different zones where they can; NULL or "": none given */
    uint64_t incarnation; /* another one each time the member was announced anew; 0: the module knows of none */
    bool leaving;         /* it hands its keys over and is given no others */
};

struct larder_discovery_host {
    struct larder_host base;
    const struct larder_member *self; /* what to announce; NULL for a gateway, which only looks on */
    /*
     * Reports all members, this node among them when it is one. `epoch` grows with each change of the list. The host
     * copies the list. An empty or invalid list (two members of one name, a bad weight) is refused and the old one kept:
     * the reason is logged and the status returned. Any thread, one call at a time.
     */
    enum larder_status (*members)(const struct larder_discovery_host *host, uint64_t epoch,
                                  const struct larder_member *members, size_t count);
    /*
     * What all members must have in common, as text: "hash=xxhash seed=0 virtual_nodes=256 ...". A module that keeps a
     * record of the cluster stores it with the first member, and has start() fail with both texts where they differ.
     */
    const char *settings;
    /*
     * Tells until when this node is certain to be on everybody's list, as a point of the runtime's clock, counted from the
     * sending of the renewal and with a margin; 0: no longer. A module without leases never calls it. Any thread.
     */
    void (*lease)(const struct larder_discovery_host *host, uint64_t until);
    /* This announcement was the first the cluster ever saw: there is no earlier list to go on from. Before members(). */
    void (*founded)(const struct larder_discovery_host *host);
};

struct larder_discovery {
    struct larder_plugin head;
    /* Required. `params` follow the module's table. NULL: host->base.fail() was called with the reason. */
    void *(*open)(const struct larder_discovery_host *host, const struct larder_param_value *params);
    /* Required. Announces this node and begins to report; the first report may come before it returns. */
    enum larder_status (*start)(void *state);
    /*
     * Optional. Announces that this node leaves: it stays on the list, with `leaving`, until close(). Does not wait for it to
     * be known. Absent: members of this discovery do not come and go.
     */
    enum larder_status (*leave)(void *state);
    /* Required. No report comes after it has returned. Takes the announcement back. NULL state is fine. */
    void (*close)(void *state);
};

#define LARDER_DISCOVERY(name, help, params, ...)                                                                      \
    LARDER_PLUGIN_DEFINE(struct larder_discovery, LARDER_PLUGIN_DISCOVERY, LARDER_DISCOVERY_ABI, name, help, params,   \
                         __VA_ARGS__)

#ifdef __cplusplus
}
#endif
#endif
