/* What clients ask while anything may fail. */
#include "stages.h"

enum larder_operation sim_some_operation(struct sim_world *world)
{
    uint64_t dice = sim_draw(world, 10);
    return dice < 6 ? LARDER_OP_GET : dice < 8 ? LARDER_OP_SET : dice < 9 ? LARDER_OP_DELETE : LARDER_OP_TOUCH;
}

/* For a while one key is asked for again and again: what is late meets what came after it. */
static unsigned hot_key(struct sim_world *world)
{
    if (sim_chance(world, 20)) {
        uint64_t dice = sim_draw(world, 3);
        world->clients.hot = dice == 0   ? SIM_KEYS_PLAIN + (unsigned)sim_draw(world, SIM_KEYS - SIM_KEYS_PLAIN)
                             : dice == 1 ? SIM_KEYS_TTL + (unsigned)sim_draw(world, SIM_KEYS_TOUCH - SIM_KEYS_TTL)
                                         : (unsigned)sim_draw(world, SIM_KEYS_READ);
    }
    return world->clients.hot;
}

/* A key that suits the operation. Few are written, so that much happens to each. */
static unsigned some_key(struct sim_world *world, enum larder_operation operation)
{
    if (operation == LARDER_OP_TOUCH)
        return SIM_KEYS_TOUCH + (unsigned)sim_draw(world, SIM_KEYS_READ - SIM_KEYS_TOUCH);
    if (sim_chance(world, 400))
        return hot_key(world);
    if (operation == LARDER_OP_GET && sim_chance(world, 150))
        return SIM_KEYS_NONE - 1 - (unsigned)sim_draw(world, 4);
    if (operation == LARDER_OP_GET && sim_chance(world, 50))
        return SIM_KEYS_NONE;
    if (sim_chance(world, 300))
        return SIM_KEYS_PLAIN + (unsigned)sim_draw(world, SIM_KEYS - SIM_KEYS_PLAIN);
    return (unsigned)sim_draw(world, SIM_KEYS_READ);
}

void sim_ask_something(struct sim_world *world)
{
    enum larder_operation operation = sim_some_operation(world);
    unsigned key = some_key(world, operation), node = sim_some_node(world);
    uint64_t timeout = 1 + sim_draw(world, sim_chance(world, 300) ? 50 : SIM_REQUEST_MS);
    if (operation == LARDER_OP_SET && key >= SIM_KEYS_TTL && key < SIM_KEYS_TOUCH && sim_chance(world, 500))
        sim_set(world, node, key, 100 + (int64_t)sim_draw(world, sim_chance(world, 500) ? 300 : 3000), timeout);
    else
        sim_ask(world, node, operation, key, timeout);
}

/*
 * So many gets in so short a time make a key hot that was not asked for in the last seconds; others of them are answered near
 * then, while it is written elsewhere.
 */
#define HOT_GETS 60
#define HOT_MS   16 /* at most, between two of them */

void sim_ask_hot(struct sim_world *world)
{
    unsigned key = SIM_KEYS_HOT + (unsigned)sim_draw(world, SIM_KEYS_COLD - SIM_KEYS_HOT), node = sim_some_node(world);
    sim_tell(world, "key k%u is hot at node %s", key, sim_node_name(node));
    for (unsigned i = 0; i < HOT_GETS && world->failure[0] == '\0'; i++) {
        sim_ask(world, node, LARDER_OP_GET, key, 1 + sim_draw(world, SIM_REQUEST_MS));
        if (sim_chance(world, 50))
            sim_ask(world, sim_some_node(world), sim_chance(world, 700) ? LARDER_OP_SET : LARDER_OP_DELETE, key,
                    1 + sim_draw(world, SIM_REQUEST_MS));
        sim_wait(world, sim_draw(world, HOT_MS));
    }
}

void sim_read_all(struct sim_world *world, uint64_t timeout_ms)
{
    for (unsigned key = 0; key < SIM_KEYS; key++) {
        if (key >= SIM_KEYS_READ && key < SIM_KEYS_PLAIN)
            continue;
        for (unsigned node = 0; node < SIM_NODES; node++)
            if (sim_node_runs(world, node))
                sim_ask(world, node, LARDER_OP_GET, key, timeout_ms);
        sim_wait(world, 1);
    }
    sim_settle(world);
}
