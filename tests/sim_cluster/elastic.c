/* Members come and leave, or start anew, while nothing fails: nothing is missed, and no more is moved than has to be. */
#include <inttypes.h>

#include "core/node/node.h"
#include "larder/larder.h"
#include "stages.h"

#define CHANGES 8

/* What is compared before and after. */
struct picture {
    uint64_t loads;                 /* of the keys that take part */
    unsigned holders[SIM_KEYS];     /* members that hold a key: a bit for each */
    uint64_t received[SIM_MEMBERS]; /* copies that the hand-off brought */
};

/* Keys that are never loaded here, as they are written first and live for ever. */
static bool takes_part(unsigned key)
{
    return (key >= SIM_KEYS_READ && key < SIM_KEYS_NONE) || key >= SIM_KEYS_PLAIN;
}

static struct picture take_picture(const struct sim_world *world)
{
    struct picture picture = {0};
    unsigned by = SIM_MEMBERS;
    for (unsigned i = 0; i < SIM_MEMBERS; i++) {
        struct ldr_handoff_progress progress;
        if (world->nodes[i].node == NULL)
            continue;
        ldr_handoff_read(world->nodes[i].node->context.handoff, &progress);
        picture.received[i] = progress.received;
        by = i;
    }
    for (unsigned key = 0; key < SIM_KEYS; key++) {
        picture.holders[key] = takes_part(key) ? sim_holders_of(world, key, by) : 0;
        picture.loads += takes_part(key) ? world->origin.loads[key] : 0;
    }
    return picture;
}

static void fill(struct sim_world *world)
{
    for (unsigned key = 0; key < SIM_KEYS; key++)
        if (takes_part(key))
            sim_await(sim_ask(world, sim_some_node(world), LARDER_OP_SET, key, SIM_CALM_MS));
    sim_wait(world, 2 * SIM_PEER_MS);
}

/* Lists travel with messages: what one node knows the others hear of soon, however late the registry tells them. */
static void look_for_lists(struct scenario *scenario)
{
    struct sim_world *world = scenario->world;
    uint64_t now = larder_now(&world->runtime), latest = 0;
    for (unsigned i = 0; i < SIM_NODES; i++) {
        uint64_t epoch = sim_node_epoch(world, i);
        latest = epoch > latest ? epoch : latest;
    }
    for (unsigned i = 0; i < SIM_NODES; i++) {
        uint64_t epoch = sim_node_epoch(world, i);
        if (epoch == latest || epoch == 0)
            scenario->heard_at[i] = now;
        else if (now - scenario->heard_at[i] > SIM_HEARD_MS * SIM_MS)
            sim_fail(world, "node %s still goes by list %" PRIu64 ", %d ms after another one knew list %" PRIu64,
                     sim_node_name(i), epoch, SIM_HEARD_MS, latest);
    }
}

/* Clients ask all the time at nodes that say that they are ready: what takes part is read, some of the rest written. */
static void ask_something(struct scenario *scenario)
{
    struct sim_world *world = scenario->world;
    unsigned key = (unsigned)sim_draw(world, SIM_KEYS), node = sim_some_node(world);
    enum larder_operation write = sim_chance(world, 500) ? LARDER_OP_SET : LARDER_OP_DELETE;
    bool ready = larder_node_ready(world->nodes[node].node) == LARDER_OK;
    if (ready && takes_part(key))
        sim_ask(world, node, LARDER_OP_GET, key, SIM_CALM_MS);
    else if (ready && scenario->writing && key < SIM_KEYS_READ)
        sim_ask(world, node, write, key, SIM_CALM_MS);
    sim_wait(world, sim_draw(world, 20));
    sim_nodes_look(world);
    look_for_lists(scenario);
}

/* From the request of this number on. */
static size_t begin_asking(struct scenario *scenario)
{
    for (unsigned i = 0; i < SIM_NODES; i++)
        scenario->heard_at[i] = larder_now(&scenario->world->runtime);
    return scenario->world->clients.count;
}

static void look_at_get(struct sim_world *world, const struct sim_request *get)
{
    if (get->status != LARDER_OK || !get->value.written)
        sim_fail(world, "%s was answered %s from %s, while members came or left and the cluster had it",
                 sim_request_text(get), larder_status_name(get->status), larder_source_name(get->source));
}

static void look_at_write(struct scenario *scenario, const struct sim_request *write)
{
    bool done = write->status == LARDER_OK ||
                (write->operation == LARDER_OP_DELETE && write->status == LARDER_NOT_FOUND);
    if (!done)
        sim_fail(scenario->world, "%s was answered %s, while members came or left", sim_request_text(write),
                 larder_status_name(write->status));
    scenario->writes += scenario->world->plan.strict;
    scenario->writes_ns += scenario->world->plan.strict ? write->completed - write->invoked : 0;
}

/* Until all is in order. */
static void end_asking(struct scenario *scenario, size_t first)
{
    struct sim_world *world = scenario->world;
    sim_await_order(scenario);
    sim_settle(world);
    for (size_t i = first; i < world->clients.count; i++) {
        const struct sim_request *request = world->clients.requests[i];
        if (request->completions == 0)
            continue; /* its node ended */
        if (request->operation == LARDER_OP_GET)
            look_at_get(world, request);
        else
            look_at_write(scenario, request);
    }
}

static void compare_loads(const struct scenario *scenario, const struct picture *before)
{
    const struct picture after = take_picture(scenario->world);
    if (after.loads != before->loads)
        sim_fail(scenario->world,
                 "the origin was asked %" PRIu64 " times for what was in the cluster, while members came or left",
                 after.loads - before->loads);
}

static void compare(struct scenario *scenario, const struct picture *before)
{
    struct sim_world *world = scenario->world;
    const struct picture after = take_picture(world);
    uint64_t moved = 0, had_to = 0;
    for (unsigned key = 0; key < SIM_KEYS; key++)
        had_to += (unsigned)__builtin_popcount(after.holders[key] & ~before->holders[key]);
    for (unsigned i = 0; i < SIM_MEMBERS; i++)
        moved += after.received[i] > before->received[i] ? after.received[i] - before->received[i] : 0;
    scenario->moved += moved;
    scenario->had_to_move += had_to;
    sim_tell(world, "%" PRIu64 " copies were moved, %" PRIu64 " had to be", moved, had_to);
    if (moved > had_to + had_to / 10)
        sim_fail(world, "%" PRIu64 " copies were moved when a member came or left, and %" PRIu64 " had to be", moved,
                 had_to);
    compare_loads(scenario, before);
}

static unsigned some_member(struct sim_world *world, bool that_belongs)
{
    unsigned node = (unsigned)sim_draw(world, SIM_MEMBERS);
    while (world->nodes[node].belongs != that_belongs)
        node = (node + 1) % SIM_MEMBERS;
    return node;
}

/* One comes, or one leaves. */
static void change(struct scenario *scenario)
{
    struct sim_world *world = scenario->world;
    unsigned members = 0;
    for (unsigned i = 0; i < SIM_MEMBERS; i++)
        members += world->nodes[i].belongs;
    const struct picture before = take_picture(world);
    world->registry.lag_ns = (sim_chance(world, 500) ? 6000 : 100) * SIM_MS;
    if (members == 1 || (members < SIM_MEMBERS && sim_chance(world, 500))) {
        unsigned node = some_member(world, false);
        sim_tell(world, "node %s joins", sim_node_name(node));
        world->nodes[node].belongs = true;
        sim_node_start(world, node);
    } else {
        sim_node_leave(world, some_member(world, true));
    }
    size_t first = begin_asking(scenario);
    for (unsigned i = 0; i < 4 * SIM_KEYS; i++) /* for longer than a change takes */
        ask_something(scenario);
    end_asking(scenario, first);
    compare(scenario, &before);
}

static void ask_until(struct scenario *scenario, unsigned node, bool (*is_reached)(const struct sim_node *node),
                      const char *what)
{
    struct sim_world *world = scenario->world;
    uint64_t until = larder_now(&world->runtime) + SIM_SETTLED_MS * SIM_MS;
    while (world->failure[0] == '\0' && !is_reached(&world->nodes[node])) {
        ask_something(scenario);
        if (larder_now(&world->runtime) > until)
            sim_fail(world, "node %s %s in %d ms, as one after the other starts anew", sim_node_name(node), what,
                     SIM_SETTLED_MS);
    }
}

static bool has_gone(const struct sim_node *node)
{
    return node->node == NULL;
}

static bool is_ready(const struct sim_node *node)
{
    return larder_node_ready(node->node) == LARDER_OK;
}

static bool has_its_keys(const struct sim_node *node)
{
    struct ldr_cluster *cluster = node->node->context.cluster;
    return is_ready(node) && ldr_cluster_caught_up(cluster, ldr_cluster_serial(cluster));
}

/* Each in turn leaves and comes back; the next leaves when it has been given its keys, or when it is ready, or at once. */
static void restart_all(struct scenario *scenario)
{
    struct sim_world *world = scenario->world;
    const struct picture before = take_picture(world);
    sim_tell(world, "all start anew, one after the other");
    world->registry.lag_ns = 100 * SIM_MS;
    scenario->writing = true;
    size_t first = begin_asking(scenario);
    for (unsigned i = 0; i < SIM_MEMBERS && world->failure[0] == '\0'; i++) {
        if (!world->nodes[i].belongs)
            continue;
        sim_node_leave(world, i);
        ask_until(scenario, i, has_gone, "does not leave");
        world->nodes[i].belongs = true;
        if (world->failure[0] != '\0' || !sim_node_start(world, i))
            break;
        if (sim_chance(world, 500))
            ask_until(scenario, i, has_its_keys, "is not given its keys");
        else if (sim_chance(world, 500))
            ask_until(scenario, i, is_ready, "is not ready");
    }
    end_asking(scenario, first);
    scenario->writing = false;
    compare_loads(scenario, &before);
}

void sim_elastic(struct scenario *scenario)
{
    struct sim_world *world = scenario->world;
    sim_settle_down(scenario);
    fill(world);
    for (unsigned i = 0; i < CHANGES && world->failure[0] == '\0'; i++)
        change(scenario);
    if (sim_members_up(world) > 1 && world->failure[0] == '\0')
        restart_all(scenario);
    if (world->plan.strict && world->failure[0] == '\0')
        sim_parting(scenario);
    if (world->plan.strict && world->failure[0] == '\0')
        sim_lapsed(scenario);
}
