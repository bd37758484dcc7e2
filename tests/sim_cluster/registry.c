#include "registry.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/runtime.h"
#include "world.h"

/* A request on its way to the registry, or its answer on the way back. */
struct sim_errand {
    struct larder_timer timer; /* first */
    struct sim_errand *next, **link;
    struct sim_world *world;
    struct sim_leases *module; /* NULL: nobody waits for an answer */
    unsigned node;
    enum sim_errand_kind kind;
    uint64_t number, lease, sent;
    struct sim_errand_answer answer;
};

/* A list on its way to one node. */
struct sim_news {
    struct larder_timer timer; /* first, on the node's machine */
    struct sim_news *next, **link;
    struct sim_world *world;
    unsigned node;
    struct sim_list list;
};

const struct sim_list *sim_registry_list(const struct sim_world *world)
{
    const struct sim_registry *registry = &world->registry;
    return &registry->lists[registry->list_count - 1];
}

/* ------------------------------------------------------------------------------------------------ news */

static void drop_news(struct sim_news *news)
{
    *news->link = news->next;
    if (news->next != NULL)
        news->next->link = news->link;
    free(news);
}

static void bring_news(struct larder_timer *timer)
{
    struct sim_news *news = (struct sim_news *)timer;
    struct sim_leases *module = news->world->registry.watches[news->node].module;
    struct sim_list list = news->list;
    drop_news(news);
    if (module != NULL)
        sim_leases_news(module, &list);
}

static void send_news(struct sim_world *world, unsigned node)
{
    struct sim_registry *registry = &world->registry;
    struct sim_watch *watch = &registry->watches[node];
    uint64_t now = larder_now(&world->runtime);
    if (watch->module == NULL || watch->broken)
        return;
    if (registry->away || sim_link_loses(world, SIM_REGISTRY, node)) {
        watch->broken = true;
        watch->broken_at = now;
        return;
    }
    uint64_t at = now + sim_draw(world, registry->lag_ns + 1) + sim_link_time(world);
    watch->last_at = at > watch->last_at ? at : watch->last_at + 1;
    struct sim_news *news = sim_allocate(sizeof *news);
    news->timer.fire = bring_news;
    news->world = world;
    news->node = node;
    news->list = *sim_registry_list(world);
    news->next = registry->news;
    news->link = &registry->news;
    if (news->next != NULL)
        news->next->link = &news->next;
    registry->news = news;
    sim_machine_timer(world, node, &news->timer, watch->last_at - now);
}

/* ------------------------------------------------------------------------------------------------ members */

static struct sim_list *new_list(struct sim_registry *registry)
{
    if (registry->list_count == registry->list_capacity) {
        size_t capacity = registry->list_capacity == 0 ? 64 : 2 * registry->list_capacity;
        struct sim_list *lists = sim_allocate(capacity * sizeof *lists);
        if (registry->list_count > 0)
            memcpy(lists, registry->lists, registry->list_count * sizeof *lists);
        free(registry->lists);
        registry->lists = lists;
        registry->list_capacity = capacity;
    }
    return &registry->lists[registry->list_count++];
}

/* At the revision that the registry has just reached. */
static void publish(struct sim_world *world)
{
    struct sim_registry *registry = &world->registry;
    struct sim_list *list = new_list(registry);
    char names[4 * SIM_MEMBERS] = "";
    unsigned staying = 0;
    *list = (struct sim_list){.epoch = registry->revision};
    for (unsigned i = 0; i < SIM_MEMBERS; i++) {
        const struct sim_registration *from = &registry->registrations[i];
        list->members[i].in = from->in;
        list->members[i].leaving = from->leaving;
        list->members[i].incarnation = from->incarnation;
        staying += from->in && !from->leaving;
        if (from->in)
            strcat(strcat(strcat(names, " "), sim_node_name(i)), from->leaving ? "-" : "");
    }
    sim_tell(world, "member list %llu:%s", (unsigned long long)list->epoch, names);
    sim_checker_listed(world, staying, names[0] != '\0');
    for (unsigned i = 0; i < SIM_NODES; i++)
        send_news(world, i);
}

static void remove_member(struct sim_world *world, unsigned node)
{
    struct sim_registry *registry = &world->registry;
    registry->registrations[node].in = false;
    if (!world->nodes[node].left)
        sim_checker_removed(world, node);
    registry->revision++;
    publish(world);
}

void sim_registry_drop_lease(struct sim_world *world, unsigned node)
{
    if (!world->registry.registrations[node].in)
        return;
    sim_tell(world, "the lease of node %s is dropped", sim_node_name(node));
    remove_member(world, node);
}

/* ------------------------------------------------------------------------------------------------ leases */

/* Looks at the leases again when the first may have run out, or a little later. */
static void await_expiry(struct sim_world *world)
{
    struct sim_registry *registry = &world->registry;
    uint64_t first = LARDER_NEVER;
    for (unsigned i = 0; i < SIM_MEMBERS; i++)
        if (registry->registrations[i].in && registry->registrations[i].expires < first)
            first = registry->registrations[i].expires;
    if (first != LARDER_NEVER)
        world->runtime.timer_start(&world->runtime, &registry->expiry, first + sim_draw(world, 500 * SIM_MS));
}

static struct sim_world *world_of_expiry(struct larder_timer *timer)
{
    return (struct sim_world *)((char *)timer - offsetof(struct sim_world, registry.expiry));
}

static void expire(struct larder_timer *timer)
{
    struct sim_world *world = world_of_expiry(timer);
    struct sim_registry *registry = &world->registry;
    uint64_t now = larder_now(&world->runtime);
    if (registry->down)
        return;
    for (unsigned i = 0; i < SIM_MEMBERS; i++) {
        if (!registry->registrations[i].in || registry->registrations[i].expires > now)
            continue;
        sim_tell(world, "the lease of node %s has run out", sim_node_name(i));
        remove_member(world, i);
    }
    await_expiry(world);
}

static void lengthen(struct sim_world *world, struct sim_registration *registration)
{
    registration->expires = larder_now(&world->runtime) + SIM_LEASE_MS * SIM_MS;
}

void sim_registry_away(struct sim_world *world, bool away, bool down)
{
    struct sim_registry *registry = &world->registry;
    if (registry->away == away)
        return;
    sim_tell(world, "the registry is %s", !away ? "back" : down ? "down" : "away");
    registry->away = away;
    for (unsigned i = 0; i < SIM_MEMBERS && registry->down; i++)
        if (registry->registrations[i].in)
            lengthen(world, &registry->registrations[i]);
    registry->down = away && down;
    if (!away)
        await_expiry(world);
}

/* ------------------------------------------------------------------------------------------------ errands */

static void serve_register(struct sim_world *world, struct sim_errand *errand)
{
    struct sim_registry *registry = &world->registry;
    struct sim_registration *registration = &registry->registrations[errand->node];
    if (errand->number < registration->newest_errand)
        return;
    if (registration->in) /* the earlier answer was lost: for the others this is somebody new */
        sim_checker_removed(world, errand->node);
    errand->answer.good = true;
    errand->answer.founded = !registry->formed;
    registry->formed = true;
    registry->revision++;
    *registration = (struct sim_registration){
        .in = true,
        .incarnation = registry->revision,
        .lease = ++registry->next_lease,
        .newest_errand = errand->number,
    };
    lengthen(world, registration);
    await_expiry(world);
    publish(world);
    errand->answer.lease = registration->lease;
    errand->answer.incarnation = registration->incarnation;
}

static void serve(struct sim_world *world, struct sim_errand *errand)
{
    struct sim_registry *registry = &world->registry;
    struct sim_registration *registration = errand->node < SIM_MEMBERS ? &registry->registrations[errand->node] : NULL;
    bool held = registration != NULL && registration->in && registration->lease == errand->lease;
    errand->answer = (struct sim_errand_answer){.good = held || errand->kind == SIM_LIST, .lease = errand->lease};
    if (errand->kind == SIM_REGISTER) {
        serve_register(world, errand);
    } else if (errand->kind == SIM_KEEP_ALIVE && held) {
        lengthen(world, registration);
        await_expiry(world);
    } else if (errand->kind == SIM_LEAVE && held && !registration->leaving) {
        registration->leaving = true;
        registry->revision++;
        publish(world);
    } else if (errand->kind == SIM_REVOKE && held) {
        remove_member(world, errand->node);
    } else if (errand->kind == SIM_LIST) {
        registry->watches[errand->node].broken = false;
    }
    errand->answer.list = *sim_registry_list(world);
}

static void drop_errand(struct sim_errand *errand)
{
    *errand->link = errand->next;
    if (errand->next != NULL)
        errand->next->link = errand->link;
    free(errand);
}

static void come_back(struct larder_timer *timer)
{
    struct sim_errand *errand = (struct sim_errand *)timer;
    struct sim_errand answered = *errand;
    drop_errand(errand);
    if (answered.module != NULL)
        sim_leases_answered(answered.module, answered.kind, answered.sent, &answered.answer);
}

static void arrive(struct larder_timer *timer)
{
    struct sim_errand *errand = (struct sim_errand *)timer;
    struct sim_world *world = errand->world;
    if (world->registry.away) {
        drop_errand(errand);
        return;
    }
    serve(world, errand);
    if (errand->module == NULL || sim_link_loses(world, SIM_REGISTRY, errand->node)) {
        drop_errand(errand);
        return;
    }
    errand->timer.fire = come_back;
    sim_machine_timer(world, errand->node, &errand->timer, sim_link_time(world));
}

void sim_registry_send(struct sim_world *world, unsigned node, struct sim_leases *module, enum sim_errand_kind kind,
                       uint64_t lease, uint64_t sent)
{
    struct sim_registry *registry = &world->registry;
    uint64_t number = ++registry->next_errand;
    if (sim_link_loses(world, node, SIM_REGISTRY))
        return;
    struct sim_errand *errand = sim_allocate(sizeof *errand);
    errand->timer.fire = arrive;
    errand->world = world;
    errand->module = module;
    errand->node = node;
    errand->kind = kind;
    errand->number = number;
    errand->lease = lease;
    errand->sent = sent;
    errand->next = registry->errands;
    errand->link = &registry->errands;
    if (errand->next != NULL)
        errand->next->link = &errand->next;
    registry->errands = errand;
    world->runtime.timer_start(&world->runtime, &errand->timer, larder_now(&world->runtime) + sim_link_time(world));
}

void sim_registry_forget(struct sim_world *world, unsigned node)
{
    struct sim_registry *registry = &world->registry;
    for (struct sim_errand *errand = registry->errands; errand != NULL; errand = errand->next)
        if (errand->node == node)
            errand->module = NULL;
    for (struct sim_news *news = registry->news, *next; news != NULL; news = next) {
        next = news->next;
        if (news->node != node)
            continue;
        sim_machine_cancel(world, node, &news->timer);
        drop_news(news);
    }
    registry->watches[node] = (struct sim_watch){0};
}

/* ------------------------------------------------------------------------------------------------ life */

void sim_registry_open(struct sim_world *world)
{
    struct sim_registry *registry = &world->registry;
    registry->expiry.fire = expire;
    registry->revision = 1 + sim_draw(world, 1000);
    *new_list(registry) = (struct sim_list){.epoch = registry->revision};
}

void sim_registry_close(struct sim_world *world)
{
    struct sim_registry *registry = &world->registry;
    world->runtime.timer_cancel(&world->runtime, &registry->expiry);
    for (struct sim_errand *errand = registry->errands, *next; errand != NULL; errand = next) {
        next = errand->next;
        if (errand->timer.fire == arrive)
            world->runtime.timer_cancel(&world->runtime, &errand->timer);
        else
            sim_machine_cancel(world, errand->node, &errand->timer);
        free(errand);
    }
    while (registry->news != NULL) {
        sim_machine_cancel(world, registry->news->node, &registry->news->timer);
        drop_news(registry->news);
    }
    free(registry->lists);
}
