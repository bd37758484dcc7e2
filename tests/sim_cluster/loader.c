/* The loader "memory": the way to the simulated origin. */
#define LARDER_PLUGIN_STATIC sim_loader
#include "modules.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/bytes.h"
#include "world.h"

struct memory_loader {
    struct sim_machine *machine;
};

struct sim_load {
    struct larder_timer timer; /* first, on the machine that asks: when the origin answers */
    struct sim_load *next, **link;
    struct memory_loader *loader;
    struct larder_load *load;
    enum larder_status status;
    unsigned key, number;
};

/* ------------------------------------------------------------------------------------------------ values */

static void new_value(struct sim_world *world, unsigned key, unsigned node)
{
    struct sim_origin *origin = &world->origin;
    unsigned number = origin->loads[key]++;
    if (number == origin->capacity[key]) {
        unsigned capacity = number == 0 ? 8 : 2 * number;
        struct sim_origin_value *values = sim_allocate(capacity * sizeof *values);
        if (number > 0)
            memcpy(values, origin->values[key], number * sizeof *values);
        free(origin->values[key]);
        origin->values[key] = values;
        origin->capacity[key] = capacity;
    }
    origin->values[key][number] = (struct sim_origin_value){
        .asked_at = larder_now(&world->runtime),
        .node = node,
        .not_needed = sim_checker_present(world, key),
    };
}

const struct sim_origin_value *sim_origin_value(const struct sim_world *world, unsigned key, unsigned number)
{
    return &world->origin.values[key][number - 1];
}

void sim_origin_close(struct sim_world *world)
{
    for (unsigned key = 0; key < SIM_KEYS; key++)
        free(world->origin.values[key]);
}

/* ------------------------------------------------------------------------------------------------ loads */

static void *memory_open(const struct larder_host *host, const struct larder_param_value *values)
{
    (void)values;
    struct memory_loader *loader = sim_allocate(sizeof *loader);
    loader->machine = sim_machine_of(host->runtime);
    return loader;
}

static void finish(struct sim_load *load, enum larder_status status)
{
    struct sim_machine *machine = load->loader->machine;
    struct sim_world *world = machine->world;
    struct larder_load *asked = load->load;
    struct larder_load_result result = {
        .status = status,
        .ttl_ms = SIM_ORIGIN_TTL_MS,
        .stale_while_revalidate_ms = SIM_ORIGIN_WINDOW_MS / 4,
        .stale_if_error_ms = SIM_ORIGIN_WINDOW_MS,
    };
    char *text = NULL;
    *load->link = load->next;
    if (load->next != NULL)
        load->next->link = load->link;
    world->origin.active[load->key][machine->node]--;
    world->origin.values[load->key][load->number - 1].answered_at = larder_now(&world->runtime);
    if (status == LARDER_OK) {
        text = sim_value_text(&(struct sim_value){.key = load->key, .number = load->number}, world->plan.small);
        result.value = ldr_slice_text(text);
    }
    free(load);
    asked->done(asked, &result);
    free(text);
}

static void answer(struct larder_timer *timer)
{
    struct sim_load *load = (struct sim_load *)timer;
    finish(load, load->status);
}

/* What becomes of a load, and how long that takes. */
static uint64_t decide(struct sim_machine *machine, struct sim_load *load)
{
    struct sim_world *world = machine->world;
    const struct sim_origin *origin = &world->origin;
    uint64_t half = origin->delay_ns / 2, time = half + sim_draw(world, half + 1);
    uint64_t now = larder_now(&machine->runtime), deadline = load->load->deadline;
    uint64_t left = deadline > now ? deadline - now : 0;
    load->status = load->key >= SIM_KEYS_NONE ? LARDER_NOT_FOUND : LARDER_OK;
    if (sim_chance(world, origin->failing_permille))
        load->status = LARDER_LOAD_FAILED;
    if (!sim_chance(world, origin->hanging_permille) && time < left)
        return time;
    load->status = LARDER_DEADLINE;
    return left;
}

static void memory_load(void *state, struct larder_load *asked)
{
    struct memory_loader *loader = state;
    struct sim_machine *machine = loader->machine;
    struct sim_world *world = machine->world;
    struct sim_origin *origin = &world->origin;
    struct sim_load *load = sim_allocate(sizeof *load);
    load->timer.fire = answer;
    load->loader = loader;
    load->load = asked;
    load->key = sim_key_of(asked->key);
    if (load->key >= SIM_KEYS_PLAIN || !ldr_slice_equal(asked->group, ldr_slice_text(SIM_GROUP))) {
        sim_fail(world, "node %s loads key %.*s, which nobody asked for", sim_node_name(machine->node),
                 (int)asked->key.size, (const char *)asked->key.data);
        load->key = 0;
    }
    new_value(world, load->key, machine->node);
    load->number = origin->loads[load->key];
    sim_tell(world, "node %s asks the origin for k%u=o%u", sim_node_name(machine->node), load->key, load->number);
    /* A write closes a flight to late comers, and so does a copy that comes from elsewhere: only keys that are never written
       have one load at a time, where nothing is ever handed over. */
    bool written = load->key < SIM_KEYS_READ || (load->key >= SIM_KEYS_HOT && load->key < SIM_KEYS_COLD);
    bool alone = !written && world->plan.kind == SIM_FIXED && world->plan.replicas == 1;
    if (++origin->active[load->key][machine->node] > 1 && alone)
        sim_fail(world, "node %s loads key k%u twice at a time", sim_node_name(machine->node), load->key);
    load->next = origin->under_way;
    load->link = &origin->under_way;
    if (load->next != NULL)
        load->next->link = &load->next;
    origin->under_way = load;
    sim_machine_timer(world, machine->node, &load->timer, decide(machine, load));
}

static void memory_close(void *state)
{
    struct memory_loader *loader = state;
    if (loader == NULL)
        return;
    struct sim_world *world = loader->machine->world;
    for (struct sim_load *load = world->origin.under_way, *next; load != NULL; load = next) {
        next = load->next;
        if (load->loader != loader)
            continue;
        sim_machine_cancel(world, loader->machine->node, &load->timer);
        finish(load, LARDER_LOAD_FAILED);
    }
    free(loader);
}

LARDER_LOADER("memory", "a simulated origin", NULL, .open = memory_open, .load = memory_load, .close = memory_close);
