#include "copies.h"

#include <inttypes.h>

#include "core/base/bytes.h"
#include "core/cluster/wire.h"
#include "core/node/node.h"
#include "core/store/store.h"

/* What one node has of a key. */
struct copy {
    bool there, tombstone;
    bool expires;   /* soon here and a little later there */
    uint64_t lives; /* for so long */
    struct larder_version version;
};

static uint64_t now_at(const struct sim_world *world, unsigned node)
{
    return larder_now(&world->machines[node].runtime);
}

/* As of `now`; 0: also when its time has passed. */
static struct copy copy_at(const struct sim_world *world, unsigned node, struct larder_slice group,
                           struct larder_slice key, uint64_t now)
{
    const struct larder_node *open = world->nodes[node].node;
    struct copy copy = {0};
    ldr_epoch_enter(LDR_EPOCH_NODE);
    struct ldr_group *found = ldr_registry_find(open->registry, group);
    struct ldr_entry *entry = found == NULL ? NULL : ldr_store_peek(found->store, key, now);
    if (entry != NULL) {
        copy = (struct copy){
            .there = true,
            .tombstone = ldr_entry_tombstone(entry),
            .expires = ldr_entry_expires(entry) != LARDER_NEVER,
            .lives = ldr_entry_expires(entry) - now,
            .version = ldr_entry_version(entry),
        };
        ldr_entry_release(entry);
    }
    ldr_epoch_exit(LDR_EPOCH_NODE);
    return copy;
}

/* Whether any node that runs stores something of the key that is newer than this version, or something older. */
static bool has_other(const struct sim_world *world, unsigned key, struct larder_version version, bool newer)
{
    char text[SIM_KEY_TEXT];
    sim_key_name(key, text);
    for (unsigned node = 0; node < SIM_MEMBERS; node++) {
        if (world->nodes[node].node == NULL)
            continue;
        struct copy copy = copy_at(world, node, ldr_slice_text(sim_key_group(key)), ldr_slice_text(text), 0);
        if (copy.there && (newer ? ldr_version_newer(copy.version, version) : ldr_version_newer(version, copy.version)))
            return true;
    }
    return false;
}

bool sim_has_newer(const struct sim_world *world, unsigned key, struct larder_version version)
{
    return has_other(world, key, version, true);
}

bool sim_has_older(const struct sim_world *world, unsigned key, struct larder_version version)
{
    return has_other(world, key, version, false);
}

static void tell_copy(struct sim_world *world, unsigned key, unsigned node, const struct copy *copy)
{
    if (copy->there)
        sim_tell(world, "node %s has version %" PRIu64 ".%" PRIx64 " of k%u%s", sim_node_name(node),
                 copy->version.epoch, copy->version.clock, key, copy->tombstone ? ", a delete" : "");
    else
        sim_tell(world, "node %s has nothing of k%u", sim_node_name(node), key);
}

/* What was deleted and what is not there are the same; which deletes are remembered is each node's own business. */
static bool differ(const struct copy *a, const struct copy *b)
{
    bool a_has = a->there && !a->tombstone, b_has = b->there && !b->tombstone;
    if ((a_has && a->expires) || (b_has && b->expires))
        return false;
    return a_has != b_has || (a_has && (a->version.epoch != b->version.epoch || a->version.clock != b->version.clock));
}

/* Something of the request may still go on at some node. */
static bool is_under_way(const struct sim_request *request)
{
    const struct sim_world *world = request->world;
    uint64_t now = larder_now(&world->runtime);
    bool answered = request->status == LARDER_OK || request->status == LARDER_NOT_FOUND;
    if (request->completions > 0 && answered) /* a copy is sent twice before a member counts as behind */
        return request->completed + 2 * SIM_PEER_MS * SIM_MS > now;
    return request->completions == 0 || request->gives_up + (SIM_LOAD_MS + SIM_TRAVEL_MS) * SIM_MS > now;
}

/* A key that something is under way for need not be the same everywhere yet; nor what may expire. */
static bool is_settled(const struct sim_world *world, unsigned key)
{
    if (key >= SIM_KEYS_TTL && key < SIM_KEYS_READ)
        return false;
    for (size_t i = world->clients.count; i-- > 0;) {
        const struct sim_request *request = world->clients.requests[i];
        if (request->invoked + 2 * SIM_LONGEST_MS * SIM_MS < larder_now(&world->runtime))
            break;
        if (request->key == key && is_under_way(request))
            return false;
    }
    return true;
}

/*
 * Where only the best is done, a copy that was out of reach for longer than a delete is remembered may come back at one who
 * has forgotten it already, and not at another; and so when what a stand-in loaded has taken the place of the delete, for
 * fallback_ttl. What came to nothing after the delete does not matter.
 */
static bool was_forgotten(const struct sim_world *world, unsigned key)
{
    uint64_t now = larder_now(&world->runtime), kept_ms = world->plan.tombstone_ms;
    kept_ms = kept_ms < SIM_FALLBACK_MS ? kept_ms : SIM_FALLBACK_MS;
    for (size_t i = world->clients.count; i-- > 0 && !world->plan.strict;) {
        const struct sim_request *request = world->clients.requests[i];
        bool done = request->completions > 0 && (request->status == LARDER_OK || request->status == LARDER_NOT_FOUND);
        if (request->key == key && request->operation != LARDER_OP_GET && done)
            return request->operation == LARDER_OP_DELETE && request->invoked + kept_ms * SIM_MS < now;
    }
    return false;
}

/*
 * Who is not to hold a key has given away what it had of it, where all is promised; and where nothing is ever given away it keeps
 * what it stored in the place of others for a moment only.
 */
static void check_stray(struct sim_world *world, unsigned key, unsigned node)
{
    char text[SIM_KEY_TEXT];
    bool promised = world->plan.strict || (world->plan.kind == SIM_FIXED && world->plan.replicas == 1);
    sim_key_name(key, text);
    if (!promised || world->nodes[node].node == NULL)
        return;
    struct copy copy = copy_at(world, node, ldr_slice_text(sim_key_group(key)), ldr_slice_text(text),
                               now_at(world, node));
    if (copy.there && !copy.tombstone && copy.lives > SIM_FALLBACK_MS * SIM_MS * 101 / 100)
        sim_fail(world, "all is in order, and yet node %s keeps key k%u, which it is not to hold", sim_node_name(node),
                 key);
}

static void check_key(struct sim_world *world, unsigned key, unsigned by)
{
    char text[SIM_KEY_TEXT];
    struct ldr_placement placement;
    sim_key_name(key, text);
    const struct larder_slice name = ldr_slice_text(text), group = ldr_slice_text(sim_key_group(key));
    ldr_cluster_place(world->nodes[by].node->context.cluster, group, name, &placement);
    struct copy first = {0};
    unsigned holders = 0;
    for (unsigned i = 0; i < placement.count; i++) {
        unsigned node = placement.peers[i] == NULL ? by : sim_node_of(ldr_peer_name(placement.peers[i]));
        struct copy copy = copy_at(world, node, group, name, now_at(world, node));
        holders |= 1u << node;
        if (world->verbose)
            tell_copy(world, key, node, &copy);
        if (i > 0 && differ(&copy, &first) && !was_forgotten(world, key))
            sim_fail(world, "all is in order, and yet node %s has other than the owner of key k%u", sim_node_name(node),
                     key);
        if (i == 0)
            first = copy;
    }
    ldr_placement_release(&placement);
    for (unsigned node = 0; node < SIM_MEMBERS; node++)
        if ((holders >> node & 1) == 0)
            check_stray(world, key, node);
}

void sim_check_copies(struct sim_world *world)
{
    unsigned by = 0;
    while (by < SIM_MEMBERS && world->nodes[by].node == NULL)
        by++;
    for (unsigned key = 0; key < SIM_KEYS && by < SIM_MEMBERS && !world->plan.small; key++)
        if (is_settled(world, key))
            check_key(world, key, by);
}
