/* The lease under which this node is registered. */
#include "etcd.h"
#include "request.h"

#define MARGIN 100 /* the lease is trusted for one part in so many less: clocks do not run alike */

/* From the sending of the request: etcd counts from later on. */
static void note_ttl(struct etcd *etcd, int64_t seconds)
{
    struct etcd_lease *lease = &etcd->lease;
    lease->ttl_ms = (uint64_t)seconds * 1000;
    uint64_t ttl = lease->ttl_ms * LARDER_NS_PER_MS;
    lease->until = etcd->sent_at + ttl - ttl / MARGIN;
    lease->renew_at = etcd->sent_at + ttl / 3;
}

static char *grant_request(struct etcd *etcd)
{
    char seconds[ETCD_NUMBER];
    return etcd_text(
        json_pack("{s:s}", "TTL", etcd_print(seconds, (int64_t)((etcd->options.lease_ttl_ms + 999) / 1000))));
}

static bool grant_answer(struct etcd *etcd, json_t *answer)
{
    int64_t id = etcd_number(answer, "ID"), seconds = etcd_number(answer, "TTL");
    if (id == 0 || seconds <= 0 || seconds > INT32_MAX)
        return false;
    /* This answer is of a node that has applied all that came before. */
    if (etcd->list.known && etcd_revision(answer) < etcd->list.revision)
        etcd->relapsed = true;
    etcd->lease.id = id;
    note_ttl(etcd, seconds);
    return true;
}

/* The number as text, for a request that wants nothing else. */
static char *id_request(int64_t id)
{
    char number[ETCD_NUMBER];
    return etcd_text(json_pack("{s:s}", "ID", etcd_print(number, id)));
}

static char *keepalive_request(struct etcd *etcd)
{
    return id_request(etcd->lease.id);
}

/* The answer is one of a stream. A lease that is lost is told of by a missing TTL. */
static bool keepalive_answer(struct etcd *etcd, json_t *answer)
{
    const json_t *result = json_object_get(answer, "result");
    int64_t seconds = etcd_number(result, "TTL");
    if (!json_is_object(result) || etcd_number(result, "ID") != etcd->lease.id || seconds > INT32_MAX)
        return false;
    if (seconds <= 0) {
        etcd_lease_lost(etcd, "it has run out or was revoked");
        return true;
    }
    note_ttl(etcd, seconds);
    if (etcd->registered)
        etcd->host->lease(etcd->host, etcd->lease.until);
    return true;
}

static char *revoke_request(struct etcd *etcd)
{
    return id_request(etcd->lease.id);
}

static bool revoke_answer(struct etcd *etcd, json_t *answer)
{
    (void)answer;
    etcd->lease.id = 0;
    return true;
}

const struct etcd_step etcd_grant = {"asking for a lease", "lease/grant", grant_request, grant_answer};
const struct etcd_step etcd_keepalive = {"keeping the lease alive", "lease/keepalive", keepalive_request,
                                         keepalive_answer};
const struct etcd_step etcd_revoke = {"giving the lease back", "lease/revoke", revoke_request, revoke_answer};

void etcd_lease_lost(struct etcd *etcd, const char *reason)
{
    if (etcd->registered)
        etcd_log(etcd, LARDER_LOG_WARN, "etcd: the lease of this node is lost, it registers again: %s", reason);
    etcd->lease = (struct etcd_lease){0};
    etcd_registration_lost(etcd);
}
