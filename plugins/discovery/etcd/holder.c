/*
 * Whoever has this node's name when it wants to register: this very node as it was before a crash, whose registration ends
 * with its lease, or another node that runs under the same name by mistake.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "etcd.h"
#include "member.h"
#include "request.h"

#define AGAIN_MS   1000 /* how often it is asked for */
#define RENEWED_MS 2000 /* a lease that runs out so much later than it would have is kept alive by somebody */

static void describe(const struct larder_member *member, char *text, size_t size)
{
    size_t used = 0;
    text[0] = '\0';
    for (size_t i = 0; i < member->address_count && used < size; i++)
        used += (size_t)snprintf(text + used, size - used, "%s%s %s", i > 0 ? ", " : "", member->addresses[i].transport,
                                 member->addresses[i].address);
}

/* Whether the registration is from this process, or one of this machine that has ended. */
static bool is_dead(const struct etcd *etcd, const json_t *document)
{
    return strcmp(etcd_member_boot(document), etcd->boot) == 0 ||
           etcd_process_dead(&etcd->process, json_object_get(document, "process"));
}

void etcd_holder_found(struct etcd *etcd, const struct etcd_kv *kv)
{
    struct etcd_holder *holder = &etcd->holder;
    const char *name = etcd->host->self->name;
    struct larder_member member = {.name = name};
    char reason[ETCD_REASON], addresses[300];
    if (kv->lease == 0) {
        etcd_refuse(etcd, LARDER_EXISTS,
                    "%s/members/%s is there and has no lease, so that it would stay for ever: delete it (etcdctl del)",
                    etcd->options.prefix, name);
        return;
    }
    if (holder->created != kv->created)
        *holder = (struct etcd_holder){.created = kv->created};
    holder->lease = kv->lease;
    json_t *document = etcd_member_decode(&member, kv->value, kv->value_size, reason);
    describe(&member, addresses, sizeof addresses);
    snprintf(holder->text, sizeof holder->text, "%s", addresses[0] != '\0' ? addresses : "no address");
    holder->state = is_dead(etcd, document) ? HOLDER_DEAD : HOLDER_UNKNOWN;
    if (holder->state == HOLDER_DEAD)
        etcd_log(etcd, LARDER_LOG_INFO,
                 "etcd: this node takes over %s/members/%s from its former process, which has ended",
                 etcd->options.prefix, name);
    free((struct larder_address *)member.addresses);
    json_decref(document);
}

static char *lease_request(struct etcd *etcd)
{
    char number[ETCD_NUMBER];
    return etcd_text(json_pack("{s:s}", "ID", etcd_print(number, etcd->holder.lease)));
}

static void judge(struct etcd *etcd, int64_t seconds)
{
    struct etcd_holder *holder = &etcd->holder;
    const char *prefix = etcd->options.prefix, *name = etcd->host->self->name;
    uint64_t runs_out = etcd->sent_at + (uint64_t)seconds * 1000 * LARDER_NS_PER_MS;
    if (holder->runs_out == 0) {
        holder->runs_out = runs_out;
        etcd_log(
            etcd, LARDER_LOG_INFO,
            "etcd: %s/members/%s is registered already (%s): this node waits up to %lld s for its lease to run out",
            prefix, name, holder->text, (long long)seconds + 1);
    } else if (runs_out >= holder->runs_out + RENEWED_MS * LARDER_NS_PER_MS) {
        holder->runs_out = runs_out;
        etcd_refuse(
            etcd, LARDER_EXISTS,
            "another node runs under the name %s: %s/members/%s is kept alive by it (%s); node.name must differ", name,
            prefix, name, holder->text);
    }
}

static bool ttl_answer(struct etcd *etcd, json_t *answer)
{
    int64_t seconds = etcd_number(answer, "TTL");
    if (seconds > INT32_MAX)
        return false;
    etcd->holder.state = HOLDER_NONE;
    etcd->register_at = etcd->now; /* its lease is gone */
    if (seconds > 0) {
        etcd->register_at = etcd->now + AGAIN_MS * LARDER_NS_PER_MS;
        judge(etcd, seconds);
    }
    return true;
}

static bool revoke_answer(struct etcd *etcd, json_t *answer)
{
    (void)answer;
    /* Its own, when the answer to a registration was lost. */
    if (etcd->holder.lease == etcd->lease.id)
        etcd->lease.id = 0;
    etcd->holder = (struct etcd_holder){0};
    etcd->register_at = etcd->now;
    return true;
}

const struct etcd_step etcd_holder_ttl = {"asking for the lease of the former registration", "lease/timetolive",
                                          lease_request, ttl_answer};
const struct etcd_step etcd_holder_revoke = {"taking over the former registration", "lease/revoke", lease_request,
                                             revoke_answer};
