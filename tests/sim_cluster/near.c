/* Near copies of a hot key: what all answer after a write, when they are told of it and when nobody is. */
#include "core/group/registry.h"
#include "core/node/node.h"
#include "stages.h"

#define ROUNDS                                                                                                         \
    400 /* in which a key must have become hot: when it is asked for four times in the life of a copy, on average lately */
#define STEP 20 /* ms between two rounds */

static uint64_t near_hits(const struct sim_world *world)
{
    uint64_t hits = 0;
    for (unsigned i = 0; i < SIM_MEMBERS; i++) {
        struct larder_statistics stats = {0};
        if (world->nodes[i].node == NULL)
            continue;
        struct larder_group *group = larder_group_open(world->nodes[i].node, SIM_GROUP, NULL);
        larder_group_stats(group, &stats);
        larder_group_close(group);
        hits += stats.near_hits;
    }
    return hits;
}

static struct sim_value write_value(struct sim_world *world, unsigned key)
{
    struct sim_request *write = sim_ask(world, sim_some_node(world), LARDER_OP_SET, key, SIM_CALM_MS);
    sim_await(write);
    sim_expect(write, LARDER_OK);
    return (struct sim_value){key, write->id, true};
}

/* `old` may be the answer until `until`, of gets that began before. */
static void ask_everywhere(struct sim_world *world, const struct sim_value *value, const struct sim_value *old,
                           uint64_t until)
{
    for (unsigned i = 0; i < SIM_NODES; i++) {
        if (world->nodes[i].node == NULL)
            continue;
        struct sim_request *read = sim_ask(world, i, LARDER_OP_GET, value->key, SIM_CALM_MS);
        sim_await(read);
        if (read->invoked >= until || read->value.number != old->number)
            sim_expect_value(read, value);
    }
}

void sim_near(struct scenario *scenario)
{
    struct sim_world *world = scenario->world;
    unsigned key = (unsigned)sim_draw(world, SIM_KEYS_TTL);
    bool untold = sim_chance(world, 500);
    sim_tell(world, "key k%u becomes hot, and who has it near is %s", key, untold ? "not told of a write" : "told");
    uint64_t before = near_hits(world), members = sim_members_up(world);
    const struct sim_value old = write_value(world, key);
    for (unsigned round = 0; round < ROUNDS && near_hits(world) < before + members; round++) {
        ask_everywhere(world, &old, &old, 0);
        sim_wait(world, STEP);
    }
    if (near_hits(world) == before && members > world->plan.replicas)
        sim_fail(world, "no get of key k%u was answered near, of %u at each node", key, ROUNDS);
    world->links.faults.untold_permille = untold ? 1000 : 0;
    const struct sim_value value = write_value(world, key);
    uint64_t written = larder_now(&world->runtime), until = untold ? written + SIM_NEAR_MS * SIM_MS : 0;
    while (larder_now(&world->runtime) < written + 2 * SIM_NEAR_MS * SIM_MS && world->failure[0] == '\0') {
        ask_everywhere(world, &value, &old, until);
        sim_wait(world, STEP);
    }
    world->links.faults.untold_permille = 0;
}
