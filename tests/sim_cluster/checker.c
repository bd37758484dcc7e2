#include "checker.h"

#include <stdlib.h>
#include <string.h>

#include "copies.h"
#include "core/cluster/state.h"
#include "core/node/node.h"

static bool is_write(const struct sim_request *request)
{
    return request->operation == LARDER_OP_SET || request->operation == LARDER_OP_DELETE;
}

/* A delete that found nothing has happened, too. */
static bool is_acknowledged(const struct sim_request *request)
{
    return request->completions > 0 && (request->status == LARDER_OK || (request->operation == LARDER_OP_DELETE &&
                                                                         request->status == LARDER_NOT_FOUND));
}

/* By when a write has happened or never will. */
static uint64_t end_of(const struct sim_request *write)
{
    const struct sim_world *world = write->world;
    if (is_acknowledged(write))
        return write->completed;
    return world->checker.strict ? write->gives_up + SIM_TRAVEL_MS * SIM_MS : LARDER_NEVER;
}

static bool version_less(struct larder_version a, struct larder_version b)
{
    return a.epoch != b.epoch ? a.epoch < b.epoch : a.clock < b.clock;
}

static bool has_version(struct larder_version version)
{
    return version.epoch != 0 || version.clock != 0;
}

/* ------------------------------------------------------------------------------------------------ the register */

/* Room for one more of `size` bytes. */
static void *grow(void *items, size_t count, size_t *capacity, size_t size)
{
    if (count < *capacity)
        return items;
    size_t more = *capacity == 0 ? 16 : 2 * *capacity;
    void *moved = sim_allocate(more * size);
    if (count > 0)
        memcpy(moved, items, count * size);
    free(items);
    *capacity = more;
    return moved;
}

static void keep_ack(struct sim_register *reg, const struct sim_request *write)
{
    reg->acks = grow(reg->acks, reg->count, &reg->capacity, sizeof *reg->acks);
    struct sim_ack *ack = &reg->acks[reg->count];
    const struct sim_ack *before = reg->count > 0 ? ack - 1 : NULL;
    *ack = (struct sim_ack){.at = write->completed, .write = write, .latest = write, .newest = write};
    if (before != NULL && before->latest->invoked > write->invoked)
        ack->latest = before->latest;
    if (before != NULL && !version_less(before->newest->version, write->version))
        ack->newest = before->newest;
    reg->count++;
    if (write->operation == LARDER_OP_SET && (reg->last_set == NULL || reg->last_set->invoked < write->invoked))
        reg->last_set = write;
}

/* The last acknowledgement that was there when the get began, or `bound` before; NULL: there was none. */
static const struct sim_ack *ack_before(const struct sim_register *reg, const struct sim_request *get, uint64_t bound)
{
    size_t low = 0, high = get->acks_before;
    uint64_t time = get->invoked - bound;
    if (bound == 0)
        low = high;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (reg->acks[middle].at < time)
            low = middle + 1;
        else
            high = middle;
    }
    return low == 0 ? NULL : &reg->acks[low - 1];
}

bool sim_checker_present(const struct sim_world *world, unsigned key)
{
    const struct sim_checker *checker = &world->checker;
    const struct sim_register *reg = &checker->registers[key];
    const struct sim_request *set = reg->last_set;
    bool lasts = key < SIM_KEYS_TTL || key >= SIM_KEYS_PLAIN;
    if (world->plan.small || !lasts || set == NULL || set->invoked < checker->lost_since)
        return false;
    for (size_t i = 0; i < reg->delete_count; i++)
        if (end_of(reg->deletes[i]) >= set->invoked)
            return false;
    return true;
}

/* ------------------------------------------------------------------------------------------------ what a get brought */

/* The value seen as a write: until when it had happened, and its version. */
struct seen {
    uint64_t end;
    struct larder_version version;
};

static bool is_known(const struct sim_request *get)
{
    const struct sim_world *world = get->world;
    const struct sim_value *value = &get->value;
    if (value->key != get->key)
        return false;
    if (!value->written)
        return value->key < SIM_KEYS_PLAIN && value->number >= 1 && value->number <= world->origin.loads[value->key];
    if (value->number >= world->clients.count)
        return false;
    const struct sim_request *write = world->clients.requests[value->number];
    return write->operation == LARDER_OP_SET && write->key == value->key;
}

static struct seen what_was_seen(const struct sim_request *get)
{
    const struct sim_world *world = get->world;
    struct seen seen = {.version = get->version};
    if (get->value.written)
        seen.end = end_of(world->clients.requests[get->value.number]);
    else
        seen.end = sim_origin_value(world, get->value.key, get->value.number)->asked_at;
    /* What is passed on from the origin without being kept has no place among the versions of the owner. */
    if (get->source == LARDER_SOURCE_LOADER)
        seen.version = (struct larder_version){0};
    return seen;
}

/* Versions tell more than times, where all nodes draw them under epochs. */
static bool comes_before(const struct sim_world *world, const struct seen *seen, const struct sim_request *latest,
                         const struct sim_request *newest)
{
    uint64_t since = world->checker.since;
    if (latest->invoked >= since && seen->end < latest->invoked)
        return true;
    return world->plan.strict && newest->invoked >= since && has_version(seen->version) &&
           version_less(seen->version, newest->version);
}

/* The first acknowledged write that the get should have seen; there is one. */
static const struct sim_ack *first_missed(const struct sim_request *get, const struct seen *seen)
{
    const struct sim_ack *ack = get->world->checker.registers[get->key].acks;
    while (!comes_before(get->world, seen, ack->write, ack->write))
        ack++;
    return ack;
}

static const char *mode_of(const struct sim_request *get)
{
    return get->source == LARDER_SOURCE_NEAR ? "a near copy" : larder_source_name(get->source);
}

/*
 * A write is lost when every copy of it was evicted. Then an older one that was elsewhere may come to light at an owner that was no
 * member yet when it was written, and has no floor.
 */
static bool is_evicted(const struct sim_request *get, const struct seen *seen, const struct sim_request *missed)
{
    const struct sim_world *world = get->world;
    if (!world->plan.small || world->nodes[get->node].node == NULL || get->source == LARDER_SOURCE_REPLICA ||
        sim_has_newer(world, get->key, seen->version))
        return false;
    const struct larder_node *owner = world->nodes[sim_owner_of(world, get->key, get->node)].node;
    return owner != NULL && owner->context.cluster->incarnation > missed->version.epoch;
}

static void count_stale(const struct sim_request *get, const struct seen *seen)
{
    struct sim_world *world = get->world;
    struct sim_checker *checker = &world->checker;
    const struct sim_ack *missed = first_missed(get, seen);
    bool deleted = missed->write->operation == LARDER_OP_DELETE;
    uint64_t age = get->invoked - missed->at;
    if (deleted)
        checker->verdicts.resurrected++;
    else
        checker->verdicts.stale++;
    if (age > checker->verdicts.stalest_ns)
        checker->verdicts.stalest_ns = age;
    if (checker->strict && !is_evicted(get, seen, missed->write))
        sim_fail(world, "%s brought k%u=%c%u from %s, %.6f s after %s was acknowledged by request %u",
                 sim_request_text(get), get->key, get->value.written ? 'w' : 'o', get->value.number, mode_of(get),
                 (double)age / 1e9, deleted ? "its delete" : "a newer write", missed->write->id);
}

/* How old a value may be that this get brings. */
static uint64_t bound_of(const struct sim_request *get)
{
    const struct sim_world *world = get->world;
    uint64_t bound = 0;
    if (world->plan.strict && sim_leases_lapsed(world, get->invoked))
        bound += SIM_FENCE_MS * SIM_MS;
    if (get->source == LARDER_SOURCE_NEAR && !world->plan.strict)
        bound += SIM_NEAR_MS * SIM_MS;
    return bound;
}

static void check_stale(struct sim_request *get)
{
    const struct sim_checker *checker = &get->world->checker;
    struct seen seen = what_was_seen(get);
    const struct sim_ack *ack = ack_before(&checker->registers[get->key], get, bound_of(get));
    if (ack != NULL && comes_before(get->world, &seen, ack->latest, ack->newest))
        count_stale(get, &seen);
}

static bool has_passed(const struct sim_request *get, uint64_t begun, uint64_t ms)
{
    return get->invoked > begun + ms * SIM_MS * 101 / 100 + SIM_TRAVEL_MS * SIM_MS;
}

/*
 * The time counts from when a node takes the value, which may be any time until the client that wrote it has its answer or
 * gives up, or later when a message was late. What the origin gave may be brought a while longer. A get may join one that is
 * on its way back.
 */
static void check_ttl(struct sim_request *get)
{
    const struct sim_world *world = get->world;
    bool passed;
    if (get->value.written) {
        const struct sim_request *write = world->clients.requests[get->value.number];
        uint64_t answered = write->completions > 0 ? write->completed : write->gives_up;
        uint64_t taken = write->taken > answered ? write->taken : answered;
        passed = write->ttl_ms > 0 && has_passed(get, taken, (uint64_t)write->ttl_ms);
    } else {
        const struct sim_origin_value *value = sim_origin_value(world, get->value.key, get->value.number);
        bool touched = get->key >= SIM_KEYS_TOUCH && get->key < SIM_KEYS_READ;
        passed = !touched && value->answered_at != 0 &&
                 has_passed(get, value->answered_at, SIM_ORIGIN_TTL_MS + SIM_ORIGIN_WINDOW_MS);
    }
    if (passed)
        sim_fail(get->world, "%s brought k%u=%c%u, whose time has passed", sim_request_text(get), get->key,
                 get->value.written ? 'w' : 'o', get->value.number);
}

static void count_lost(const struct sim_request *get, const char *how)
{
    struct sim_world *world = get->world;
    world->checker.verdicts.lost++;
    if (world->checker.strict)
        sim_fail(world, "%s %s, although nothing can have removed what request %u wrote", sim_request_text(get), how,
                 world->checker.registers[get->key].last_set->id);
}

/* What the origin gave without need is no harm, unless it takes the place of what was written. */
static void check_lost(const struct sim_request *get)
{
    const struct sim_world *world = get->world;
    if (get->status == LARDER_NOT_FOUND) {
        if (get->key >= SIM_KEYS_PLAIN && sim_checker_present(world, get->key) &&
            world->checker.registers[get->key].last_set->completed < get->invoked)
            count_lost(get, "found nothing");
        return;
    }
    if (get->value.written)
        return;
    const struct sim_origin_value *value = sim_origin_value(world, get->key, get->value.number);
    if (value->not_needed && value->asked_at >= world->checker.lost_since && value->answered_at != 0 &&
        value->answered_at < get->invoked && sim_checker_present(world, get->key))
        count_lost(get, "brought what the origin once gave");
}

/* ------------------------------------------------------------------------------------------------ the history */

void sim_checker_asked(struct sim_request *request)
{
    struct sim_register *reg = &request->world->checker.registers[request->key];
    request->acks_before = reg->count;
    if (request->operation != LARDER_OP_DELETE)
        return;
    reg->deletes = grow(reg->deletes, reg->delete_count, &reg->delete_capacity, sizeof *reg->deletes);
    reg->deletes[reg->delete_count++] = request;
}

void sim_checker_answered(struct sim_request *request)
{
    struct sim_world *world = request->world;
    if (is_write(request) && is_acknowledged(request))
        keep_ack(&world->checker.registers[request->key], request);
    if (request->operation != LARDER_OP_GET)
        return;
    if (request->status == LARDER_OK && !is_known(request)) {
        sim_fail(world, "%s brought k%u=%c%u, which it never had", sim_request_text(request), request->value.key,
                 request->value.written ? 'w' : 'o', request->value.number);
        return;
    }
    if (request->status == LARDER_OK)
        check_ttl(request);
    if (request->invoked < world->checker.since)
        return;
    bool in_doubt = world->checker.in_doubt && world->checker.strict;
    if (request->status == LARDER_OK && (!in_doubt || world->plan.beyond))
        check_stale(request);
    if ((request->status == LARDER_OK || request->status == LARDER_NOT_FOUND) && !in_doubt)
        check_lost(request);
}

void sim_checker_begin(struct sim_world *world, bool strict)
{
    world->checker.strict = strict;
    world->checker.since = world->checker.lost_since = larder_now(&world->runtime);
}

void sim_checker_converged(struct sim_world *world, unsigned members)
{
    struct sim_checker *checker = &world->checker;
    checker->removed = 0;
    checker->untied = false;
    checker->copies = members < world->plan.replicas ? members : world->plan.replicas;
    if (!checker->in_doubt)
        return;
    checker->in_doubt = false;
    checker->lost_since = larder_now(&world->runtime);
    if (!world->plan.beyond)
        checker->since = checker->lost_since;
}

static void doubt(struct sim_world *world)
{
    sim_tell(world, "what is acknowledged until all is in order may be lost");
    world->checker.in_doubt = true;
}

void sim_checker_listed(struct sim_world *world, unsigned members, bool any)
{
    if (members < world->checker.copies)
        world->checker.copies = members;
    if (!any && !world->checker.in_doubt)
        doubt(world);
}

/* Whether two members do not hear from each other. */
static bool is_split(const struct sim_world *world)
{
    for (unsigned from = 0; from < SIM_MEMBERS; from++)
        for (unsigned to = 0; to < SIM_MEMBERS; to++)
            if (world->nodes[from].belongs && world->nodes[to].belongs && world->links.cut[from][to])
                return true;
    return false;
}

void sim_checker_removed(struct sim_world *world, unsigned node)
{
    struct sim_checker *checker = &world->checker;
    checker->removed |= 1u << node;
    checker->untied |= is_split(world);
    if (checker->in_doubt || (unsigned)__builtin_popcount(checker->removed) < checker->copies)
        return;
    doubt(world);
}

void sim_checker_close(struct sim_world *world)
{
    for (unsigned key = 0; key < SIM_KEYS; key++) {
        free(world->checker.registers[key].acks);
        free(world->checker.registers[key].deletes);
    }
}
