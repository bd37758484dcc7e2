#include "bounds.h"

#include "core/base/bytes.h"
#include "core/cluster/wire.h"
#include "world.h"

/* Of questions for one get, while one list follows another: 0, 25, 75, 175 and 375 ms after it came, and then every 200 ms. */
#define ROUNDS (5 + SIM_REQUEST_MS / 200)

/* The last request may have begun while the node was stopped or before. */
static bool somebody_waits(const struct sim_world *world, unsigned node, uint64_t asked_at)
{
    uint64_t went_on = world->machines[node].went_on;
    return larder_now(&world->runtime) - (asked_at > went_on ? asked_at : went_on) <= SIM_LONGEST_MS * SIM_MS;
}

/* A client or a peer wants something of a key from a node. */
static void note_cause(struct sim_world *world, unsigned node, unsigned key, uint64_t at)
{
    struct sim_bounds *bounds = &world->bounds;
    if (!somebody_waits(world, node, bounds->caused_at[node][key]))
        bounds->causes[node][key] = bounds->questions[node][key] = 0;
    bounds->causes[node][key]++;
    bounds->caused_at[node][key] = at;
}

void sim_bounds_asked(const struct sim_request *request)
{
    struct sim_world *world = request->world;
    struct sim_bounds *bounds = &world->bounds;
    unsigned node = request->node, operation = (unsigned)request->operation, key = request->key;
    if (!somebody_waits(world, node, bounds->asked_at[node][operation][key]))
        bounds->asked[node][operation][key] = bounds->called[node][operation][key] =
            bounds->refused[node][operation][key] = 0;
    bounds->asked[node][operation][key]++;
    bounds->asked_at[node][operation][key] = request->invoked;
    note_cause(world, node, key, request->invoked);
}

static bool is_on_key(const struct larder_request *request)
{
    return request->operation >= LARDER_OP_GET && request->operation <= LARDER_OP_TOUCH &&
           sim_key_of(request->key) < SIM_KEYS;
}

void sim_bounds_delivered(struct sim_world *world, unsigned node, const struct larder_request *request)
{
    if (is_on_key(request))
        note_cause(world, node, sim_key_of(request->key), larder_now(&world->runtime));
}

void sim_bounds_refused(struct sim_world *world, unsigned node, const struct larder_request *request)
{
    if (is_on_key(request))
        world->bounds.refused[node][request->operation][sim_key_of(request->key)]++;
}

static bool is_question(const struct larder_request *request)
{
    struct ldr_header header;
    return request->operation == LARDER_OP_EXCHANGE && ldr_header_decode(request->cluster, &header) &&
           header.kind == LDR_EXCHANGE_ASK;
}

/*
 * Who may have a key is asked for a client's request here, or for a peer's: some others, and once more when the list changes
 * meanwhile, or where all is promised all others, and again as long as the list changes.
 */
static void check_question(struct sim_world *world, unsigned node, const struct larder_request *request)
{
    unsigned key = sim_key_of(request->key);
    if (key == SIM_KEYS || !somebody_waits(world, node, world->bounds.caused_at[node][key]))
        sim_fail(world, "node %s asked others for key %.*s, for which nobody waits", sim_node_name(node),
                 (int)request->key.size, (const char *)request->key.data);
    if (key == SIM_KEYS)
        return;
    struct sim_bounds *bounds = &world->bounds;
    uint64_t most = world->plan.strict ? ROUNDS * (SIM_MEMBERS - 1) : 2 * (world->plan.replicas + 1);
    if (++bounds->questions[node][key] > bounds->causes[node][key] * most)
        sim_fail(world, "node %s asked others %llu times for key k%u, of which %llu requests wanted something",
                 sim_node_name(node), (unsigned long long)bounds->questions[node][key], key,
                 (unsigned long long)bounds->causes[node][key]);
}

/*
 * A request between nodes has its cause in a client's request of the same kind at the node that sends it. What is sent long
 * after the last one asked comes from somewhere else.
 */
static void check_cause(struct sim_world *world, unsigned node, const struct larder_request *request)
{
    struct sim_bounds *bounds = &world->bounds;
    unsigned operation = (unsigned)request->operation, key = sim_key_of(request->key);
    const char *name = sim_node_name(node);
    bounds->calls++;
    if (key == SIM_KEYS) {
        sim_fail(world, "node %s sent operation %u on key %.*s, which nobody asked for", name, operation,
                 (int)request->key.size, (const char *)request->key.data);
        return;
    }
    uint64_t asked = bounds->asked[node][operation][key], called = ++bounds->called[node][operation][key];
    uint64_t refused = bounds->refused[node][operation][key];
    /* Besides, each of those that hold the key may refuse the connection once. */
    if (called > asked * (1 + SIM_RETRIES + world->plan.replicas) || called - refused > asked * (1 + SIM_RETRIES))
        sim_fail(world, "node %s sent operation %u on key k%u %llu times for %llu of its clients", name, operation, key,
                 (unsigned long long)called, (unsigned long long)asked);
    if (!somebody_waits(world, node, bounds->asked_at[node][operation][key]))
        sim_fail(world, "node %s sent operation %u on key k%u, for which no client waits", name, operation, key);
}

void sim_bounds_called(struct sim_world *world, unsigned node, const struct larder_request *request)
{
    const char *name = sim_node_name(node);
    if ((request->flags & LARDER_REQUEST_PEER) == 0)
        sim_fail(world, "node %s sent a request that does not say that it comes from a peer", name);
    if (!ldr_slice_equal(request->sender, ldr_slice_text(name)))
        sim_fail(world, "node %s sent a request in the name of another", name);
    if (is_question(request))
        check_question(world, node, request);
    if (request->operation < LARDER_OP_GET || request->operation > LARDER_OP_TOUCH)
        return; /* the members' own business */
    if (world->network.serving == 1 + node)
        sim_fail(world, "node %s forwarded operation %d of a peer on key %.*s: a second hop", name,
                 (int)request->operation, (int)request->key.size, (const char *)request->key.data);
    check_cause(world, node, request);
}
