/* The registration: one transaction that also gives the list of members as it is with it. */
#include <stdlib.h>
#include <string.h>

#include "etcd.h"
#include "member.h"
#include "request.h"

/* The registration's value in base64. */
static char *own_value(const struct etcd *etcd)
{
    char *text = etcd_member_encode(etcd->host->self, etcd->addresses, etcd->leaves, etcd->boot, &etcd->process);
    char *value = text != NULL ? etcd_base64(text, strlen(text)) : NULL;
    free(text);
    return value;
}

/* Creates PREFIX/formed unless it is there; where etcd's history has gone back, it is written anew. */
static json_t *put_formed(const struct etcd *etcd)
{
    uint64_t generation = etcd->list.known ? etcd->list.generation + 1 : 0;
    char *text = etcd_text(json_pack("{s:s, s:I}", "boot", etcd->boot, "generation", (json_int_t)generation));
    char *value = text != NULL ? etcd_base64(text, strlen(text)) : NULL;
    json_t *always = json_array(), *absent = json_pack("[o]", etcd_if_created(etcd->keys.formed, 0));
    json_t *nested = etcd_nested(etcd_transaction(
        etcd->relapsed ? always : absent, json_pack("[o]", etcd_put(etcd->keys.formed, value, 0)), json_array()));
    json_decref(etcd->relapsed ? absent : always);
    free(value);
    free(text);
    return nested;
}

/* The places of answers in that to the transaction. */
enum { DONE_FORMED, DONE_PUT, DONE_MEMBERS, DONE_GET_FORMED };
enum { REFUSED_HOLDER, REFUSED_SETTINGS };

static char *register_request(struct etcd *etcd)
{
    const struct etcd_keys *keys = &etcd->keys;
    char *value = own_value(etcd), *settings = etcd_base64(etcd->host->settings, strlen(etcd->host->settings));
    json_t *compare = json_pack("[o, o]", etcd_if_created(keys->member, 0), etcd_if_value(keys->settings, settings));
    json_t *success = json_pack("[o, o, o, o]", put_formed(etcd), etcd_put(keys->member, value, etcd->lease.id),
                                etcd_get(keys->members, keys->members_end, 0), etcd_get(keys->formed, NULL, 0));
    json_t *failure = json_pack("[o, o]", etcd_get(keys->member, NULL, 0), etcd_get(keys->settings, NULL, 0));
    free(settings);
    free(value);
    return etcd_text(etcd_transaction(compare, success, failure));
}

/* Neither a registration of that name nor other settings must be there: which of them is it? */
static bool read_refusal(struct etcd *etcd, const json_t *answer)
{
    struct etcd_kv kv;
    const json_t *holder = etcd_response(answer, REFUSED_HOLDER, "response_range");
    const json_t *settings = etcd_response(answer, REFUSED_SETTINGS, "response_range");
    const char *own = etcd->host->settings;
    if (holder == NULL || settings == NULL)
        return false;
    bool agreed = etcd_kv_first(&kv, settings) && kv.value_size == strlen(own) &&
                  memcmp(kv.value, own, kv.value_size) == 0;
    etcd_kv_free(&kv);
    if (!agreed) {
        etcd->agreed = false; /* they are looked at once more */
        return true;
    }
    if (!etcd_kv_first(&kv, holder))
        return false;
    etcd_holder_found(etcd, &kv);
    etcd_kv_free(&kv);
    return true;
}

static void registered(struct etcd *etcd, uint64_t revision, bool founder)
{
    const struct larder_discovery_host *host = etcd->host;
    etcd->registered = true;
    etcd->incarnation = etcd->announced = revision;
    etcd->update = etcd->relapsed = false;
    etcd->holder = (struct etcd_holder){0};
    etcd->complaint[0] = '\0';
    etcd_log(etcd, LARDER_LOG_INFO, "etcd: registered as %s/members/%s, revision %llu, lease of %llu s",
             etcd->options.prefix, host->self->name, (unsigned long long)revision,
             (unsigned long long)etcd->lease.ttl_ms / 1000);
    if (founder)
        host->founded(host);
    host->lease(host, etcd->lease.until);
}

static bool register_answer(struct etcd *etcd, json_t *answer)
{
    if (!json_is_true(json_object_get(answer, "succeeded")))
        return read_refusal(etcd, answer);
    char boot[ETCD_BOOT_SIZE];
    uint64_t revision = etcd_revision(answer), generation;
    bool first = !etcd->list.known;
    const json_t *members = etcd_response(answer, DONE_MEMBERS, "response_range");
    if (revision == 0 || members == NULL ||
        !etcd_formed_read(etcd_response(answer, DONE_GET_FORMED, "response_range"), &generation, boot) ||
        !etcd_list_take(&etcd->list, etcd_array(members, "kvs"), revision, generation, true))
        return false;       /* the next attempt finds this node's own registration, and begins anew */
    etcd_watch_close(etcd); /* it goes on from here */
    etcd->range = etcd->check = false;
    etcd->check_at = etcd->now + etcd->options.check_interval_ms * LARDER_NS_PER_MS;
    registered(etcd, revision, first && strcmp(boot, etcd->boot) == 0);
    return true;
}

/* Only what is still this node's own registration is changed. */
static char *update_request(struct etcd *etcd)
{
    const struct etcd_keys *keys = &etcd->keys;
    char *value = own_value(etcd);
    json_t *request = etcd_transaction(json_pack("[o]", etcd_if_created(keys->member, etcd->incarnation)),
                                       json_pack("[o]", etcd_put(keys->member, value, etcd->lease.id)), json_array());
    free(value);
    return etcd_text(request);
}

static bool update_answer(struct etcd *etcd, json_t *answer)
{
    if (json_is_true(json_object_get(answer, "succeeded"))) {
        etcd->announced = etcd_revision(answer);
        etcd->update = false;
    } else {
        etcd_registration_lost(etcd);
    }
    return true;
}

const struct etcd_step etcd_register = {"registering this node", "kv/txn", register_request, register_answer};
const struct etcd_step etcd_update = {"changing the registration", "kv/txn", update_request, update_answer};

void etcd_registration_lost(struct etcd *etcd)
{
    if (etcd->registered)
        etcd->host->lease(etcd->host, 0);
    etcd->registered = false;
    etcd->register_at = etcd->now;
    etcd->holder = (struct etcd_holder){0};
}

void etcd_registration_check(struct etcd *etcd)
{
    if (!etcd->registered)
        return;
    const struct etcd_entry *own = etcd_list_find(&etcd->list, etcd->host->self->name);
    if (own == NULL || own->created != etcd->incarnation) {
        etcd_log(etcd, LARDER_LOG_WARN, "etcd: %s/members/%s was deleted, this node registers again",
                 etcd->options.prefix, etcd->host->self->name);
        etcd_registration_lost(etcd);
    } else if (own->modified > etcd->announced && strcmp(etcd_member_boot(own->document), etcd->boot) != 0) {
        etcd_log(etcd, LARDER_LOG_WARN, "etcd: %s/members/%s was overwritten, this node writes it again",
                 etcd->options.prefix, etcd->host->self->name);
        etcd->update = true;
    }
}
