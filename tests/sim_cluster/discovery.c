/* The discovery "memory": member lists as the scenario makes them. */
#define LARDER_PLUGIN_STATIC sim_discovery
#include "modules.h"

#include <stdlib.h>
#include <string.h>

#include "world.h"

struct sim_discovery {
    struct larder_timer timer; /* first: when the node hears of the list */
    const struct larder_discovery_host *host;
    struct sim_world *world;
    unsigned node;
};

static void report(struct larder_timer *timer)
{
    struct sim_discovery *discovery = (struct sim_discovery *)timer;
    struct sim_world *world = discovery->world;
    struct larder_member list[SIM_MEMBERS];
    struct larder_address addresses[SIM_MEMBERS];
    size_t count = 0;
    for (unsigned i = 0; i < SIM_MEMBERS; i++) {
        if (!world->members.in[i])
            continue;
        addresses[count] = (struct larder_address){"memory", sim_node_name(i)};
        list[count] = (struct larder_member){
            .name = sim_node_name(i), .weight = 1, .address_count = 1, .addresses = &addresses[count]};
        count++;
    }
    if (discovery->host->members(discovery->host, world->members.epoch, list, count) != LARDER_OK)
        sim_fail(world, "node %s refused member list %llu: %s", sim_node_name(discovery->node),
                 (unsigned long long)world->members.epoch, larder_last_error());
}

static void hear(struct sim_discovery *discovery)
{
    struct sim_world *world = discovery->world;
    sim_machine_timer(world, discovery->node, &discovery->timer, sim_draw(world, world->members.lag_ns + 1));
}

void sim_members_change(struct sim_world *world, unsigned node, bool in)
{
    struct sim_members *members = &world->members;
    if (node == SIM_GATEWAY || members->in[node] == in)
        return;
    members->in[node] = in;
    members->epoch++;
    sim_tell(world, "member list %llu %s node %s", (unsigned long long)members->epoch, in ? "has" : "has lost",
             sim_node_name(node));
    for (unsigned i = 0; i < SIM_NODES; i++)
        if (members->listeners[i] != NULL)
            hear(members->listeners[i]);
}

static void *memory_open(const struct larder_discovery_host *host, const struct larder_param_value *values)
{
    (void)values;
    struct sim_discovery *discovery = sim_allocate(sizeof *discovery);
    discovery->timer.fire = report;
    discovery->host = host;
    discovery->world = sim_machine_of(host->base.runtime)->world;
    discovery->node = sim_node_of(host->base.node_name);
    return discovery;
}

static bool announced_well(const struct sim_discovery *discovery)
{
    const struct larder_member *self = discovery->host->self;
    const char *name = sim_node_name(discovery->node);
    if (discovery->node == SIM_GATEWAY || self == NULL)
        return discovery->node == SIM_GATEWAY && self == NULL;
    return strcmp(self->name, name) == 0 && self->address_count == 1 &&
           strcmp(self->addresses[0].transport, "memory") == 0 && strcmp(self->addresses[0].address, name) == 0;
}

static enum larder_status memory_start(void *state)
{
    struct sim_discovery *discovery = state;
    const char *name = sim_node_name(discovery->node);
    if (!announced_well(discovery))
        sim_fail(discovery->world, "node %s announces itself wrongly", name);
    discovery->world->members.listeners[discovery->node] = discovery;
    hear(discovery);
    return LARDER_OK;
}

static void memory_close(void *state)
{
    struct sim_discovery *discovery = state;
    if (discovery == NULL)
        return;
    struct sim_world *world = discovery->world;
    sim_machine_cancel(world, discovery->node, &discovery->timer);
    world->members.listeners[discovery->node] = NULL;
    free(discovery);
}

LARDER_DISCOVERY("memory", "the members of a simulation", NULL, .open = memory_open, .start = memory_start,
                 .close = memory_close);
