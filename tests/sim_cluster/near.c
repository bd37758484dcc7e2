/* Near copies of a hot key: what all answer after a write, when they are told of it and when nobody is. */
#include <stdio.h>
#include <string.h>

#include "core/group/registry.h"
#include "core/node/node.h"
#include "stages.h"

#define ROUNDS 100 /* in which a key must have become hot: when it is asked for four times in the life of a copy */
#define STEP   20  /* ms between two rounds */

static uint64_t near_hits(const struct sim_world *world)
{
    uint64_t hits = 0;
    for (unsigned i = 0; i < SIM_MEMBERS; i++) {
        struct larder_group *group = larder_group_open(world->nodes[i], SIM_GROUP, NULL);
        struct larder_statistics stats = {0};
        larder_group_stats(group, &stats);
        larder_group_close(group);
        hits += stats.near_hits;
    }
    return hits;
}

static void write_value(struct sim_world *world, unsigned key, char value[SIM_VALUE_TEXT])
{
    struct sim_request *write = sim_ask(world, sim_some_node(world), LARDER_OP_SET, key, SIM_CALM_MS);
    sim_await(write);
    sim_expect(write, LARDER_OK, NULL);
    snprintf(value, SIM_VALUE_TEXT, "k%u=w%u", key, write->id);
}

/* `old` may be the answer until `until`, of gets that began before. */
static void ask_everywhere(struct sim_world *world, unsigned key, const char *value, const char *old, uint64_t until)
{
    for (unsigned i = 0; i < SIM_NODES; i++) {
        uint64_t begun = larder_now(&world->runtime);
        struct sim_request *read = sim_ask(world, i, LARDER_OP_GET, key, SIM_CALM_MS);
        sim_await(read);
        if (begun >= until || strcmp(read->value, old) != 0)
            sim_expect(read, LARDER_OK, value);
    }
}

void sim_near(struct scenario *scenario)
{
    struct sim_world *world = scenario->world;
    char old[SIM_VALUE_TEXT], value[SIM_VALUE_TEXT];
    unsigned key = (unsigned)sim_draw(world, SIM_KEYS_READ);
    bool untold = sim_chance(world, 500);
    sim_tell(world, "key k%u becomes hot, and who has it near is %s", key, untold ? "not told of a write" : "told");
    uint64_t before = near_hits(world);
    write_value(world, key, old);
    for (unsigned round = 0; round < ROUNDS && near_hits(world) < before + SIM_MEMBERS; round++, sim_wait(world, STEP))
        ask_everywhere(world, key, old, old, 0);
    if (near_hits(world) == before)
        sim_fail(world, "no get of key k%u was answered near, of %u at each node", key, ROUNDS);
    world->network.faults.untold = untold;
    write_value(world, key, value);
    uint64_t written = larder_now(&world->runtime), until = untold ? written + SIM_NEAR_MS * SIM_MS : 0;
    while (larder_now(&world->runtime) < written + 2 * SIM_NEAR_MS * SIM_MS && world->failure[0] == '\0') {
        ask_everywhere(world, key, value, old, until);
        sim_wait(world, STEP);
    }
    world->network.faults.untold = false;
}
