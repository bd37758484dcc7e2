/* The discovery "registry": registers the node, keeps its lease alive, and follows the list. */
#define LARDER_PLUGIN_STATIC sim_leases
#include "modules.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/bytes.h"
#include "world.h"

#define TICK_MS  250
#define RETRY_NS (1000 * SIM_MS) /* after which an errand without an answer is sent again */

struct sim_leases {
    struct larder_timer tick; /* first */
    const struct larder_discovery_host *host;
    struct sim_machine *machine;
    bool member; /* not a gateway */
    bool registered, listed, leaving, told_leaving;
    uint64_t lease, epoch;
    uint64_t lease_until;                             /* by the world's clock */
    uint64_t register_at, keep_at, list_at, leave_at; /* when the last of each was sent; 0: none that counts */
};

/* ------------------------------------------------------------------------------------------------ lists */

static enum larder_status report(struct sim_leases *leases, const struct sim_list *list, unsigned twice)
{
    struct larder_member members[SIM_MEMBERS + 1];
    struct larder_address addresses[SIM_MEMBERS + 1];
    size_t count = 0;
    for (unsigned i = 0; i < SIM_MEMBERS; i++) {
        if (!list->members[i].in)
            continue;
        for (unsigned again = 0; again <= (i == twice ? 1 : 0); again++) {
            addresses[count] = (struct larder_address){"memory", sim_node_name(i)};
            members[count] = (struct larder_member){
                .name = sim_node_name(i),
                .weight = 1,
                .address_count = 1,
                .addresses = &addresses[count],
                .incarnation = list->members[i].incarnation,
                .leaving = list->members[i].leaving,
            };
            count++;
        }
    }
    return leases->host->members(leases->host, list->epoch, members, count);
}

/* Nonsense that must be refused: nobody, somebody twice, or what was long ago. */
static void lie(struct sim_leases *leases, const struct sim_list *list)
{
    struct sim_world *world = leases->machine->world;
    const struct sim_registry *registry = &world->registry;
    const char *name = sim_node_name(leases->machine->node);
    struct sim_list other = {.epoch = list->epoch + 1};
    uint64_t kind = sim_draw(world, 3);
    if (kind == 0 && report(leases, &other, SIM_MEMBERS) == LARDER_OK)
        sim_fail(world, "node %s took an empty member list", name);
    other = *list;
    other.epoch++;
    unsigned member = (unsigned)sim_draw(world, SIM_MEMBERS);
    if (kind == 1 && list->members[member].in && report(leases, &other, member) == LARDER_OK)
        sim_fail(world, "node %s took a member list with node %s in it twice", name, sim_node_name(member));
    uint64_t before = sim_node_epoch(world, leases->machine->node);
    if (kind == 2)
        report(leases, &registry->lists[sim_draw(world, registry->list_count)], SIM_MEMBERS);
    if (sim_node_epoch(world, leases->machine->node) < before)
        sim_fail(world, "node %s took an older member list for its own", name);
}

void sim_leases_news(struct sim_leases *leases, const struct sim_list *list)
{
    struct sim_world *world = leases->machine->world;
    bool any = false;
    if (list->epoch <= leases->epoch)
        return;
    for (unsigned i = 0; i < SIM_MEMBERS; i++)
        any |= list->members[i].in;
    leases->epoch = list->epoch;
    if (!any)
        return;
    if (sim_chance(world, world->registry.lying_permille))
        lie(leases, list);
    sim_tell(world, "node %s hears of member list %llu", sim_node_name(leases->machine->node),
             (unsigned long long)list->epoch);
    /* Peers may have told it of a newer one already. */
    if (report(leases, list, SIM_MEMBERS) != LARDER_OK && sim_node_epoch(world, leases->machine->node) < list->epoch)
        sim_fail(world, "node %s refused member list %llu: %s", sim_node_name(leases->machine->node),
                 (unsigned long long)list->epoch, larder_last_error());
}

/* ------------------------------------------------------------------------------------------------ leases */

/* Whoever is certain counts from the sending, and stops a hundredth early: clocks do not run alike. */
static void hold(struct sim_leases *leases, uint64_t sent)
{
    struct sim_world *world = leases->machine->world;
    uint64_t now = larder_now(&world->runtime), local = larder_now(&leases->machine->runtime);
    uint64_t until = sent + SIM_LEASE_MS * SIM_MS / 100 * 99;
    if (leases->lease_until != 0 && leases->lease_until < now)
        world->registry.lapsed_at = now;
    leases->lease_until = until > local ? now + (until - local) : 1;
    leases->host->lease(leases->host, until);
}

static void lose(struct sim_leases *leases)
{
    struct sim_world *world = leases->machine->world;
    sim_tell(world, "node %s has lost its lease", sim_node_name(leases->machine->node));
    world->registry.lapsed_at = larder_now(&world->runtime);
    leases->registered = leases->told_leaving = false;
    leases->register_at = 0;
    leases->host->lease(leases->host, 0);
}

bool sim_leases_lapsed(const struct sim_world *world, uint64_t since)
{
    if (world->registry.lapsed_at >= since)
        return true;
    for (unsigned i = 0; i < SIM_MEMBERS; i++) {
        const struct sim_leases *leases = world->registry.watches[i].module;
        if (leases != NULL && leases->lease_until < larder_now(&world->runtime))
            return true;
    }
    return false;
}

static void send(struct sim_leases *leases, enum sim_errand_kind kind, uint64_t *at)
{
    struct sim_machine *machine = leases->machine;
    *at = larder_now(&machine->runtime);
    sim_registry_send(machine->world, machine->node, leases, kind, leases->lease, *at);
}

void sim_leases_answered(struct sim_leases *leases, enum sim_errand_kind kind, uint64_t sent,
                         const struct sim_errand_answer *answer)
{
    if (kind == SIM_REGISTER && answer->good && sent == leases->register_at) {
        leases->registered = true;
        leases->lease = answer->lease;
        leases->keep_at = sent;
        if (answer->founded)
            leases->host->founded(leases->host);
        hold(leases, sent);
    } else if (kind == SIM_KEEP_ALIVE && leases->registered && answer->lease == leases->lease) {
        if (answer->good) {
            hold(leases, sent);
            return;
        }
        lose(leases);
        send(leases, SIM_REGISTER, &leases->register_at);
    } else if (kind == SIM_LIST) {
        leases->listed = true;
    } else if (kind == SIM_LEAVE) {
        leases->told_leaving |= answer->good && leases->registered && answer->lease == leases->lease;
    }
    if (kind == SIM_REGISTER || kind == SIM_LIST)
        sim_leases_news(leases, &answer->list);
}

static bool overdue(uint64_t now, uint64_t at, uint64_t time)
{
    return at == 0 || now - at >= time;
}

static void tick(struct larder_timer *timer)
{
    struct sim_leases *leases = (struct sim_leases *)timer;
    struct sim_machine *machine = leases->machine;
    struct sim_world *world = machine->world;
    const struct sim_watch *watch = &world->registry.watches[machine->node];
    uint64_t now = larder_now(&machine->runtime);
    if (leases->member && !leases->registered && overdue(now, leases->register_at, RETRY_NS))
        send(leases, SIM_REGISTER, &leases->register_at);
    if (leases->registered && overdue(now, leases->keep_at, SIM_LEASE_MS * SIM_MS / 3))
        send(leases, SIM_KEEP_ALIVE, &leases->keep_at);
    /* That the stream is broken is noticed after a while. */
    if (watch->broken && larder_now(&world->runtime) - watch->broken_at >= RETRY_NS)
        leases->listed = false;
    if (!leases->listed && overdue(now, leases->list_at, RETRY_NS))
        send(leases, SIM_LIST, &leases->list_at);
    if (leases->leaving && leases->registered && !leases->told_leaving && overdue(now, leases->leave_at, RETRY_NS))
        send(leases, SIM_LEAVE, &leases->leave_at);
    sim_machine_timer(world, machine->node, timer, TICK_MS * SIM_MS);
}

/* ------------------------------------------------------------------------------------------------ the table */

static void *leases_open(const struct larder_discovery_host *host, const struct larder_param_value *values)
{
    (void)values;
    struct sim_leases *leases = sim_allocate(sizeof *leases);
    leases->tick.fire = tick;
    leases->host = host;
    leases->machine = sim_machine_of(host->base.runtime);
    leases->member = leases->machine->node != SIM_GATEWAY;
    if (leases->member != (host->self != NULL))
        sim_fail(leases->machine->world, "node %s announces itself wrongly", sim_node_name(leases->machine->node));
    return leases;
}

static enum larder_status leases_start(void *state)
{
    struct sim_leases *leases = state;
    struct sim_machine *machine = leases->machine;
    machine->world->registry.watches[machine->node] = (struct sim_watch){.module = leases};
    tick(&leases->tick);
    return LARDER_OK;
}

static enum larder_status leases_leave(void *state)
{
    struct sim_leases *leases = state;
    leases->leaving = true;
    if (leases->registered)
        send(leases, SIM_LEAVE, &leases->leave_at);
    return LARDER_OK;
}

static void leases_close(void *state)
{
    struct sim_leases *leases = state;
    if (leases == NULL)
        return;
    struct sim_machine *machine = leases->machine;
    struct sim_world *world = machine->world;
    uint64_t ignored;
    sim_machine_cancel(world, machine->node, &leases->tick);
    if (leases->registered && !world->nodes[machine->node].crashing)
        send(leases, SIM_REVOKE, &ignored);
    sim_registry_forget(world, machine->node);
    free(leases);
}

LARDER_DISCOVERY("registry", "leases of a simulated registry", NULL, .open = leases_open, .start = leases_start,
                 .leave = leases_leave, .close = leases_close);
