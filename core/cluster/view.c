#include <stdlib.h>
#include <string.h>

#include "core/base/bytes.h"
#include "core/base/fail.h"
#include "core/cluster/peer.h"
#include "core/cluster/state.h"

static bool is_name(const char *name)
{
    static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";
    size_t length = name == NULL ? 0 : strnlen(name, LARDER_MEMBER_NAME_MAX + 1);
    return length >= 1 && length <= LARDER_MEMBER_NAME_MAX && name[strspn(name, allowed)] == '\0';
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static enum larder_status check_duplicates(const struct larder_member *members, size_t count)
{
    enum larder_status status = LARDER_OK;
    const char **names = calloc(count, sizeof *names);
    if (names == NULL)
        return ldr_fail_memory();
    for (size_t i = 0; i < count; i++)
        names[i] = members[i].name;
    qsort(names, count, sizeof *names, by_name);
    for (size_t i = 1; i < count && status == LARDER_OK; i++)
        if (strcmp(names[i - 1], names[i]) == 0)
            status = ldr_fail(LARDER_INVALID, "member list: two members are named \"%s\"", names[i]);
    free(names);
    return status;
}

enum larder_status ldr_view_check(const struct larder_member *members, size_t count)
{
    if (count == 0)
        return ldr_fail(LARDER_INVALID, "member list: it is empty, wanted at least one member");
    for (size_t i = 0; i < count; i++) {
        if (!is_name(members[i].name))
            return ldr_fail(LARDER_INVALID, "member list: member name \"%.80s\", wanted 1 to %d of A-Z a-z 0-9 . _ -",
                            members[i].name == NULL ? "" : members[i].name, LARDER_MEMBER_NAME_MAX);
        if (members[i].weight < 1 || members[i].weight > LARDER_WEIGHT_MAX)
            return ldr_fail(LARDER_INVALID, "member list: member \"%s\" has weight %u, wanted 1 to %d", members[i].name,
                            (unsigned)members[i].weight, LARDER_WEIGHT_MAX);
    }
    return check_duplicates(members, count);
}

static const char *address_of(const struct larder_member *member, const char *transport)
{
    for (size_t i = 0; i < member->address_count; i++)
        if (strcmp(member->addresses[i].transport, transport) == 0)
            return member->addresses[i].address;
    return NULL;
}

/* The ring has no members that leave; all of them when there are no others. */
static bool build_ring(const struct ldr_cluster *cluster, struct ldr_view *view, const struct larder_member *members)
{
    struct larder_member *staying = calloc(view->count, sizeof *staying);
    view->of_ring = calloc(view->count, sizeof *view->of_ring);
    size_t count = 0;
    bool any = false;
    for (size_t i = 0; i < view->count; i++)
        any |= !members[i].leaving;
    for (size_t i = 0; i < view->count && staying != NULL && view->of_ring != NULL; i++) {
        bool on_ring = !any || !members[i].leaving;
        view->members[i].on_ring = on_ring ? count : SIZE_MAX;
        if (!on_ring)
            continue;
        view->of_ring[count] = i;
        staying[count++] = members[i];
    }
    if (count > 0)
        view->ring = ldr_ring_build(&cluster->options.ring, staying, count);
    free(staying);
    return view->ring != NULL;
}

static bool fill_member(const struct ldr_cluster *cluster, struct ldr_view_member *member,
                        const struct larder_member *from)
{
    const char *address = address_of(from, cluster->transport_name);
    memcpy(member->name, from->name, strlen(from->name) + 1);
    member->weight = from->weight;
    member->incarnation = from->incarnation;
    member->leaving = from->leaving;
    member->zone = strdup(from->zone != NULL ? from->zone : "");
    if (address != NULL)
        member->address = strdup(address);
    return member->zone != NULL && (address == NULL || member->address != NULL);
}

static size_t count_zones(const struct ldr_view *view)
{
    size_t zones = 0;
    for (size_t i = 0; i < view->count; i++) {
        size_t j = view->members[i].on_ring == SIZE_MAX ? i + 1 : 0; /* who owns nothing adds none */
        while (j < i && (view->members[i].zone[0] == '\0' || view->members[j].on_ring == SIZE_MAX ||
                         strcmp(view->members[i].zone, view->members[j].zone) != 0))
            j++;
        zones += j == i;
    }
    return zones;
}

struct ldr_view *ldr_view_new(const struct ldr_cluster *cluster, uint64_t epoch, const struct larder_member *members,
                              size_t count)
{
    size_t size;
    struct ldr_view *view = NULL;
    if (ldr_multiply(count, sizeof view->members[0], &size) && ldr_add(size, sizeof *view, &size))
        view = calloc(1, size);
    if (view == NULL)
        return NULL;
    view->count = count;
    view->registered = true;
    bool complete = build_ring(cluster, view, members);
    for (size_t i = 0; i < count && complete; i++) {
        complete = fill_member(cluster, &view->members[i], &members[i]);
        view->registered &= members[i].incarnation != 0;
    }
    if (complete && view->registered)
        ldr_list_encode(&view->list, epoch, members, count);
    if (!complete || view->list.failed) {
        ldr_view_free(view);
        return NULL;
    }
    view->self = cluster->options.gateway ? count : ldr_view_find(view, cluster->self);
    view->zones = count_zones(view);
    view->seen = (struct larder_ring_view){epoch, ldr_ring_checksum(view->ring), cluster->settings_digest};
    return view;
}

size_t ldr_view_find(const struct ldr_view *view, const char *name)
{
    size_t i = 0;
    while (i < view->count && strcmp(view->members[i].name, name) != 0)
        i++;
    return i;
}

/* A member is its name; the address is compared with its own former one only, to see whether the handle is still good. */
static struct ldr_peer *same_peer(const struct ldr_view *old, const struct ldr_view_member *member)
{
    size_t i = ldr_view_find(old, member->name);
    if (i == old->count || old->members[i].peer == NULL)
        return NULL;
    const char *before = old->members[i].address, *now = member->address;
    bool same = before == NULL ? now == NULL : now != NULL && strcmp(before, now) == 0;
    return same ? old->members[i].peer : NULL;
}

bool ldr_view_find_peers(struct ldr_view *view, struct ldr_cluster *cluster, const struct ldr_view *old)
{
    for (size_t i = 0; i < view->count; i++) {
        struct ldr_view_member *member = &view->members[i];
        if (!cluster->options.gateway && strcmp(member->name, cluster->self) == 0)
            continue;
        member->peer = old == NULL ? NULL : same_peer(old, member);
        if (member->peer != NULL)
            ldr_peer_hold(member->peer);
        else
            member->peer = ldr_peer_open(cluster, member->name, member->address);
        if (member->peer == NULL)
            return false;
    }
    return true;
}

static void retire(struct ldr_retired *retired)
{
    ldr_view_free((struct ldr_view *)((char *)retired - offsetof(struct ldr_view, retired)));
}

void ldr_view_let_go(struct ldr_view *view)
{
    if (view != NULL && --view->holds == 0)
        ldr_epoch_retire(&view->retired, retire);
}

void ldr_view_free(struct ldr_view *view)
{
    if (view == NULL)
        return;
    for (size_t i = 0; i < view->count; i++) {
        ldr_peer_release(view->members[i].peer);
        free(view->members[i].address);
        free(view->members[i].zone);
    }
    ldr_buffer_free(&view->list);
    free(view->of_ring);
    ldr_ring_free(view->ring);
    free(view);
}
