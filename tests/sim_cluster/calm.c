/* What must work while nothing fails. */
#include <stdio.h>
#include <string.h>

#include "stages.h"

#define QUIET_MS 8000 /* after the last fault: no answer of that time is under way any more, no stand-in remembered */

/* ------------------------------------------------------------------------------------------------ everything works */

bool sim_expect(const struct sim_request *request, enum larder_status status)
{
    if (request->completions > 0 && request->status != status)
        sim_fail(request->world, "%s was answered %s in calm, wanted %s", sim_request_text(request),
                 larder_status_name(request->status), larder_status_name(status));
    return request->completions > 0 && request->status == status; /* no answer was told by whoever waited */
}

void sim_expect_value(const struct sim_request *request, const struct sim_value *wanted)
{
    const struct sim_value *got = &request->value;
    if (sim_expect(request, LARDER_OK) && (got->number != wanted->number || got->written != wanted->written))
        sim_fail(request->world, "%s brought k%u=%c%u in calm, wanted %c%u", sim_request_text(request), got->key,
                 got->written ? 'w' : 'o', got->number, wanted->written ? 'w' : 'o', wanted->number);
}

static struct sim_value written_by(const struct sim_request *write)
{
    return (struct sim_value){write->key, write->id, true};
}

static struct sim_value last_loaded(const struct sim_world *world, unsigned key)
{
    return (struct sim_value){key, world->origin.loads[key], false};
}

static void read_everywhere(struct sim_world *world, const struct sim_value *wanted)
{
    for (unsigned i = 0; i < SIM_NODES; i++) {
        if (world->nodes[i].node == NULL)
            continue;
        struct sim_request *read = sim_ask(world, i, LARDER_OP_GET, wanted->key, SIM_CALM_MS);
        sim_await(read);
        sim_expect_value(read, wanted);
    }
}

/* Many callers at all nodes ask for one key that is nowhere: the origin is asked once, and all get its answer. */
static void wave(struct scenario *scenario)
{
    struct sim_world *world = scenario->world;
    struct sim_request *requests[4 * SIM_NODES];
    unsigned count = 0, key = scenario->next_key++;
    sim_tell(world, "a wave for key k%u", key);
    for (unsigned round = 0; round < 4; round++) {
        for (unsigned i = 0; i < SIM_NODES; i++)
            if (world->nodes[i].node != NULL)
                requests[count++] = sim_ask(world, i, LARDER_OP_GET, key, SIM_CALM_MS);
        sim_wait(world, sim_draw(world, 8));
    }
    sim_settle(world);
    const struct sim_value wanted = last_loaded(world, key);
    for (unsigned i = 0; i < count; i++)
        sim_expect_value(requests[i], &wanted);
    if (world->origin.loads[key] != 1)
        sim_fail(world, "the origin was asked %u times for key k%u by %u callers, wanted once",
                 world->origin.loads[key], key, count);
}

struct sim_request *sim_alone(struct scenario *scenario, enum larder_operation operation, unsigned key,
                              unsigned most_calls)
{
    struct sim_world *world = scenario->world;
    uint64_t calls = world->bounds.calls;
    struct sim_request *request = sim_ask(world, sim_some_node(world), operation, key, SIM_CALM_MS);
    sim_settle(world);
    sim_wait(world, SIM_LONGEST_MS); /* what still goes on without its client counts too */
    calls = world->bounds.calls - calls;
    if (calls > most_calls)
        sim_fail(world, "%s took %llu requests between nodes, wanted at most %u", sim_request_text(request),
                 (unsigned long long)calls, most_calls);
    return request;
}

/* What was written is read at every node, what was deleted is not. */
static void write_and_read(struct scenario *scenario)
{
    struct sim_world *world = scenario->world;
    unsigned key = (unsigned)sim_draw(world, SIM_KEYS_READ);
    struct sim_request *write = sim_alone(scenario, LARDER_OP_SET, key, 1);
    sim_expect(write, LARDER_OK);
    struct sim_value value = written_by(write);
    read_everywhere(world, &value);
    sim_expect(sim_alone(scenario, LARDER_OP_DELETE, key, 1), LARDER_OK);
    struct sim_request *read = sim_alone(scenario, LARDER_OP_GET, key, 1);
    value = last_loaded(world, key);
    sim_expect_value(read, &value);
    sim_expect(sim_alone(scenario, LARDER_OP_DELETE, key, 1), LARDER_OK);
    sim_expect(sim_alone(scenario, LARDER_OP_DELETE, key, 1), LARDER_NOT_FOUND);
}

/* The same without an origin. */
static void write_and_delete(struct scenario *scenario)
{
    struct sim_world *world = scenario->world;
    unsigned key = SIM_KEYS_PLAIN + (unsigned)sim_draw(world, SIM_KEYS - SIM_KEYS_PLAIN);
    struct sim_request *write = sim_ask(world, sim_some_node(world), LARDER_OP_SET, key, SIM_CALM_MS);
    sim_await(write);
    sim_expect(write, LARDER_OK);
    struct sim_value value = written_by(write);
    read_everywhere(world, &value);
    struct sim_request *erase = sim_ask(world, sim_some_node(world), LARDER_OP_DELETE, key, SIM_CALM_MS);
    sim_await(erase);
    sim_expect(erase, LARDER_OK);
    for (unsigned i = 0; i < SIM_NODES; i++) {
        if (world->nodes[i].node == NULL)
            continue;
        struct sim_request *read = sim_ask(world, i, LARDER_OP_GET, key, SIM_CALM_MS);
        sim_await(read);
        sim_expect(read, LARDER_NOT_FOUND);
    }
}

/* A write while the origin is being asked: whoever asks where it was written, after it was acknowledged, gets the write. */
static void overtake(struct scenario *scenario)
{
    struct sim_world *world = scenario->world;
    unsigned key = (unsigned)sim_draw(world, SIM_KEYS_READ);
    sim_await(sim_ask(world, sim_some_node(world), LARDER_OP_DELETE, key, SIM_CALM_MS));
    for (unsigned i = 0; i < SIM_NODES; i++)
        if (world->nodes[i].node != NULL)
            sim_ask(world, i, LARDER_OP_GET, key, SIM_CALM_MS);
    sim_wait(world, sim_draw(world, 40));
    struct sim_request *write = sim_ask(world, sim_some_node(world), LARDER_OP_SET, key, SIM_CALM_MS);
    sim_await(write);
    struct sim_request *read = sim_ask(world, write->node, LARDER_OP_GET, key, SIM_CALM_MS);
    sim_settle(world);
    struct sim_value value = written_by(write);
    sim_expect_value(read, &value);
    sim_wait(world, SIM_LONGEST_MS);
    read_everywhere(world, &value);
}

/* A value lives as long as was said, and no longer, wherever it is asked for. */
static void expire(struct scenario *scenario)
{
    struct sim_world *world = scenario->world;
    unsigned key = SIM_KEYS_TTL + (unsigned)sim_draw(world, SIM_KEYS_TOUCH - SIM_KEYS_TTL);
    struct sim_request *write = sim_set(world, sim_some_node(world), key, 1000, SIM_CALM_MS);
    sim_await(write);
    sim_wait(world, 500);
    struct sim_request *read = sim_ask(world, sim_some_node(world), LARDER_OP_GET, key, SIM_CALM_MS);
    sim_await(read);
    struct sim_value value = written_by(write);
    sim_expect_value(read, &value);
    sim_wait(world, 520);
    for (unsigned i = 0; i < SIM_NODES; i++) {
        if (world->nodes[i].node == NULL)
            continue;
        read = sim_ask(world, i, LARDER_OP_GET, key, SIM_CALM_MS);
        sim_await(read);
        value = last_loaded(world, key);
        sim_expect_value(read, &value);
    }
}

void sim_calm(struct scenario *scenario)
{
    struct sim_world *world = scenario->world;
    uint64_t start = larder_now(&world->runtime);
    sim_tell(world, "calm");
    if (!sim_settle_down(scenario))
        return;
    while (larder_now(&world->runtime) - start < QUIET_MS * SIM_MS)
        sim_wait(world, 100);
    sim_read_all(world, SIM_CALM_MS);
    if (!world->plan.strict)
        sim_checker_begin(world, true);
    for (unsigned i = 0; i < 2 && world->failure[0] == '\0'; i++) {
        wave(scenario);
        write_and_read(scenario);
        write_and_delete(scenario);
        overtake(scenario);
        expire(scenario);
    }
    sim_near(scenario);
    sim_expect(sim_alone(scenario, LARDER_OP_GET, SIM_KEYS_NONE, 1), LARDER_NOT_FOUND);
}
