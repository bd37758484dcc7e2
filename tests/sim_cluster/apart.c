/*
 * A delete is remembered for as long as somebody may have what is older: here a member that cannot give it away, or that nobody can
 * tell of the delete, for longer than tombstone_ttl.
 */
#include "core/base/runtime.h"
#include "stages.h"

#define HELD_MS (3 * SIM_PEER_MS + 1000) /* what is past its time is held for so long, when all have it */

/* Who joins, a key that is to be its own then, and who has to give that away. */
struct parts {
    unsigned joiner, giver, key;
};

static unsigned newcomer(struct sim_world *world)
{
    unsigned node = (unsigned)sim_draw(world, SIM_MEMBERS), left = SIM_MEMBERS;
    while (left > 0 && world->nodes[node].belongs) {
        node = (node + 1) % SIM_MEMBERS;
        left--;
    }
    return left > 0 ? node : SIM_MEMBERS;
}

/* Until a condition holds. */
static bool await(struct sim_world *world, const struct parts *parts,
                  bool (*holds)(struct sim_world *world, const struct parts *parts))
{
    uint64_t until = larder_now(&world->runtime) + SIM_SETTLED_MS * SIM_MS;
    while (!holds(world, parts))
        if (larder_now(&world->runtime) > until || !ldr_sim_step(&world->runtime))
            return false;
    return true;
}

static bool all_act(struct sim_world *world)
{
    const struct sim_list *list = sim_registry_list(world);
    for (unsigned i = 0; i < SIM_MEMBERS; i++)
        if (list->members[i].in && !sim_node_acts(world, i))
            return false;
    return true;
}

static bool has_joined(struct sim_world *world, const struct parts *parts)
{
    return sim_registry_list(world)->members[parts->joiner].in && all_act(world);
}

static bool knows_who_went(struct sim_world *world, const struct parts *parts)
{
    const struct sim_list *list = sim_registry_list(world);
    return !list->members[parts->joiner].in && sim_node_epoch(world, parts->giver) == list->epoch;
}

/* Whoever acts under the list can call the giver no more; so nothing is told before all act. */
static bool is_shut_in(struct sim_world *world, const struct parts *parts)
{
    for (unsigned i = 0; i < SIM_MEMBERS; i++)
        if (sim_node_acts(world, i))
            sim_link_shut(world, i, parts->giver);
    return all_act(world);
}

/* Finds such a key among those without a loader, as a load is newer than what was deleted. */
static bool find_parts(const struct sim_world *world, const unsigned before[SIM_KEYS], struct parts *parts)
{
    for (unsigned key = SIM_KEYS_PLAIN; key < SIM_KEYS; key++) {
        unsigned givers = before[key] & ~sim_holders_of(world, key, parts->joiner);
        if (givers == 0)
            continue;
        parts->key = key;
        parts->giver = (unsigned)__builtin_ctz(givers);
        return true;
    }
    return false;
}

static bool join(struct sim_world *world, struct parts *parts)
{
    unsigned before[SIM_KEYS] = {0};
    for (unsigned key = SIM_KEYS_PLAIN; key < SIM_KEYS; key++) {
        struct sim_request *write = sim_ask(world, SIM_GATEWAY, LARDER_OP_SET, key, SIM_CALM_MS);
        sim_await(write);
        sim_expect(write, LARDER_OK);
        before[key] = sim_holders_of(world, key, SIM_GATEWAY);
    }
    parts->joiner = newcomer(world);
    if (parts->joiner == SIM_MEMBERS)
        return false;
    world->nodes[parts->joiner].belongs = true;
    if (!sim_node_start(world, parts->joiner))
        return false;
    if (!await(world, parts, has_joined))
        sim_fail(world, "node %s does not join", sim_node_name(parts->joiner));
    return world->failure[0] == '\0' && find_parts(world, before, parts);
}

static void read_everywhere(struct sim_world *world, unsigned key)
{
    for (unsigned i = 0; i < SIM_NODES; i++)
        if (world->nodes[i].node != NULL)
            sim_await(sim_ask(world, i, LARDER_OP_GET, key, SIM_CALM_MS));
}

/* The giver cannot reach the joiner, and keeps what it has. False: the joiner wanted to ask it before it deletes. */
static bool sever(struct sim_world *world, const struct parts *parts)
{
    sim_tell(world, "node %s is to give key k%u to node %s", sim_node_name(parts->giver), parts->key,
             sim_node_name(parts->joiner));
    sim_link_cut(world, parts->giver, parts->joiner, true);
    struct sim_request *write = sim_ask(world, SIM_GATEWAY, LARDER_OP_DELETE, parts->key, SIM_CALM_MS);
    sim_await(write);
    return write->status == LARDER_OK;
}

/* The key is the giver's again, and nobody can tell it of the delete. */
static bool return_key(struct sim_world *world, const struct parts *parts)
{
    world->nodes[parts->joiner].belongs = false;
    sim_node_crash(world, parts->joiner, false);
    if (!await(world, parts, knows_who_went))
        return false;
    sim_links_mend(world);
    return await(world, parts, is_shut_in);
}

void sim_apart(struct scenario *scenario)
{
    struct sim_world *world = scenario->world;
    struct parts parts = {0};
    if (join(world, &parts) && sever(world, &parts)) {
        if (sim_chance(world, 500) && !return_key(world, &parts))
            sim_fail(world, "no list without node %s is acted under", sim_node_name(parts.joiner));
        sim_wait(world, world->plan.tombstone_ms + 2 * HELD_MS);
        read_everywhere(world, parts.key);
    }
    sim_links_mend(world);
    sim_await_order(scenario);
    read_everywhere(world, parts.key);
}
