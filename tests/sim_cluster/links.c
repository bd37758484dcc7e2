#include "links.h"

#include <string.h>

#include "world.h"

const char *sim_node_name(unsigned node)
{
    static const char *const names[SIM_PLACES] = {"a", "b", "c", "d", "e", "f", "g", "gate", "registry"};
    return names[node];
}

unsigned sim_node_of(const char *name)
{
    for (unsigned i = 0; i < SIM_NODES; i++)
        if (strcmp(name, sim_node_name(i)) == 0)
            return i;
    return SIM_NODES;
}

bool sim_link_loses(struct sim_world *world, unsigned from, unsigned to)
{
    return world->links.cut[from][to] || sim_chance(world, world->links.faults.lost_permille);
}

uint64_t sim_link_time(struct sim_world *world)
{
    const struct sim_faults *faults = &world->links.faults;
    uint64_t time = sim_draw(world, faults->delay_ns + 1);
    return sim_chance(world, faults->slow_permille) ? time * 100 : time;
}

void sim_link_cut(struct sim_world *world, unsigned from, unsigned to, bool cut)
{
    if (from == to || world->links.cut[from][to] == cut)
        return;
    world->links.cut[from][to] = cut;
    sim_tell(world, "the link from %s to %s is %s", sim_node_name(from), sim_node_name(to), cut ? "cut" : "mended");
}

void sim_link_shut(struct sim_world *world, unsigned from, unsigned to)
{
    if (from == to || world->links.shut[from][to])
        return;
    world->links.shut[from][to] = true;
    sim_tell(world, "%s cannot call %s any more", sim_node_name(from), sim_node_name(to));
}

bool sim_link_any_cut(const struct sim_world *world)
{
    static const struct sim_links none;
    return memcmp(world->links.cut, none.cut, sizeof none.cut) != 0;
}

void sim_links_split(struct sim_world *world)
{
    unsigned sides = 2 + (unsigned)sim_draw(world, 2), side[SIM_PLACES];
    bool with_all = sim_chance(world, 300);
    for (unsigned i = 0; i < SIM_PLACES; i++)
        side[i] = (unsigned)sim_draw(world, sides);
    for (unsigned from = 0; from < SIM_PLACES; from++)
        for (unsigned to = 0; to < SIM_PLACES; to++)
            if (side[from] != side[to] && !(with_all && (from == SIM_REGISTRY || to == SIM_REGISTRY)))
                sim_link_cut(world, from, to, true);
}

void sim_links_isolate(struct sim_world *world, unsigned node)
{
    uint64_t from_whom = sim_draw(world, 3), ways = sim_draw(world, 4);
    for (unsigned other = 0; other < SIM_PLACES; other++) {
        if (from_whom == (other == SIM_REGISTRY ? 0 : 1))
            continue; /* 0: from the nodes, 1: from the registry, 2: from all */
        if (ways != 0)
            sim_link_cut(world, node, other, true);
        if (ways != 1)
            sim_link_cut(world, other, node, true);
    }
}

void sim_links_mend(struct sim_world *world)
{
    for (unsigned from = 0; from < SIM_PLACES; from++)
        for (unsigned to = 0; to < SIM_PLACES; to++)
            sim_link_cut(world, from, to, false);
    memset(world->links.shut, 0, sizeof world->links.shut);
}
