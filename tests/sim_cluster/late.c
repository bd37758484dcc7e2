/* Copies that come late: what is older than an acknowledged write must not come in its place when that is past its time. */
#include "copies.h"
#include "stages.h"

#define ROUNDS  3
#define LATE_MS 40   /* a hundredth of the longest that copies travel here */
#define STEP_MS 50   /* between two looks */
#define LIVE_MS 3000 /* what the older copies live */

/* The copies of a first write travel for long, those of a second one do not, and it lives but for a moment. */
static void overtake_copies(struct sim_world *world)
{
    unsigned key = SIM_KEYS_TTL + (unsigned)sim_draw(world, SIM_KEYS_TOUCH - SIM_KEYS_TTL);
    unsigned owner = sim_owner_of(world, key, SIM_GATEWAY);
    const struct sim_faults usual = world->links.faults;
    sim_tell(world, "copies of key k%u that node %s sends are late", key, sim_node_name(owner));
    world->links.faults = (struct sim_faults){.delay_ns = LATE_MS * SIM_MS, .slow_permille = 1000};
    sim_set(world, owner, key, LIVE_MS, SIM_CALM_MS);
    world->links.faults = usual;
    struct sim_request *write = sim_set(world, owner, key, 10 + (int64_t)sim_draw(world, 100), SIM_CALM_MS);
    sim_await(write);
    for (unsigned waited = 0; waited < 100 * LATE_MS && write->status == LARDER_OK; waited += STEP_MS) {
        if (sim_has_older(world, key, write->version))
            sim_fail(world, "what is older than request %u came in its place", write->id);
        sim_wait(world, STEP_MS);
    }
}

void sim_late(struct scenario *scenario)
{
    struct sim_world *world = scenario->world;
    for (unsigned i = 0; i < ROUNDS && world->failure[0] == '\0'; i++) {
        overtake_copies(world);
        sim_await_order(scenario);
    }
}
