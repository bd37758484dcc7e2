/* Steps that have to do with the cluster as a whole: the login, the settings, the list of members. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "etcd.h"
#include "request.h"

#define AGAIN_MS 1000 /* a gateway that is earlier than all members looks so often */

/* ------------------------------------------------------------------------------------------------ login */

static char *login_request(struct etcd *etcd)
{
    char reason[ETCD_FILE_REASON];
    char *password = etcd_secret_read(etcd->options.password_file, reason);
    if (password == NULL) {
        snprintf(etcd->trouble, sizeof etcd->trouble, "password_file: %s", reason);
        return NULL;
    }
    char *text = etcd_text(json_pack("{s:s, s:s}", "name", etcd->options.username, "password", password));
    etcd_secret_free(password);
    return text;
}

static bool login_answer(struct etcd *etcd, json_t *answer)
{
    const char *token = json_string_value(json_object_get(answer, "token"));
    if (token == NULL || token[strcspn(token, "\r\n")] != '\0')
        return false;
    etcd->token = strdup(token);
    etcd->logins++;
    return etcd->token != NULL;
}

const struct etcd_step etcd_login = {"logging in", "auth/authenticate", login_request, login_answer};

/* ------------------------------------------------------------------------------------------------ settings */

static void compare_settings(struct etcd *etcd, const struct etcd_kv *kv)
{
    const char *own = etcd->host->settings;
    etcd->agreed = kv->value_size == strlen(own) && memcmp(kv->value, own, kv->value_size) == 0;
    if (!etcd->agreed)
        etcd_refuse(etcd, LARDER_REFUSED,
                    "the cluster under %s has other settings than this node: got \"%.200s\", wanted \"%.200s\"",
                    etcd->options.prefix, own, kv->value);
}

static bool read_settings(struct etcd *etcd, const json_t *range)
{
    struct etcd_kv kv;
    if (!etcd_kv_first(&kv, range))
        return false;
    compare_settings(etcd, &kv);
    etcd_kv_free(&kv);
    return true;
}

static char *settings_create_request(struct etcd *etcd)
{
    char *value = etcd_base64(etcd->host->settings, strlen(etcd->host->settings));
    json_t *request = etcd_transaction(json_pack("[o]", etcd_if_created(etcd->keys.settings, 0)),
                                       json_pack("[o]", etcd_put(etcd->keys.settings, value, 0)),
                                       json_pack("[o]", etcd_get(etcd->keys.settings, NULL, 0)));
    free(value);
    return etcd_text(request);
}

static bool settings_create_answer(struct etcd *etcd, json_t *answer)
{
    if (!json_is_true(json_object_get(answer, "succeeded")))
        return read_settings(etcd, etcd_response(answer, 0, "response_range"));
    etcd_log(etcd, LARDER_LOG_INFO, "etcd: %s/settings is new: %s", etcd->options.prefix, etcd->host->settings);
    etcd->agreed = true;
    return true;
}

/* A gateway writes nothing. */
static char *settings_read_request(struct etcd *etcd)
{
    return etcd_text(
        etcd_transaction(json_array(), json_pack("[o]", etcd_get(etcd->keys.settings, NULL, 0)), json_array()));
}

static bool settings_read_answer(struct etcd *etcd, json_t *answer)
{
    const json_t *range = etcd_response(answer, 0, "response_range");
    if (etcd_array(range, "kvs") != NULL)
        return read_settings(etcd, range);
    char text[600];
    snprintf(text, sizeof text, "no cluster has formed under %s yet", etcd->options.prefix);
    etcd_complain(etcd, LARDER_LOG_INFO, text, text);
    etcd->retry_at = etcd->now + AGAIN_MS * LARDER_NS_PER_MS;
    return true;
}

const struct etcd_step etcd_settings_create = {"writing the settings", "kv/txn", settings_create_request,
                                               settings_create_answer};
const struct etcd_step etcd_settings_read = {"reading the settings", "kv/txn", settings_read_request,
                                             settings_read_answer};

/* ------------------------------------------------------------------------------------------------ the list */

bool etcd_formed_read(const json_t *range, uint64_t *generation, char *boot)
{
    struct etcd_kv kv;
    *generation = 0;
    if (!etcd_kv_first(&kv, range))
        return false;
    json_t *formed = json_loadb(kv.value, kv.value_size, 0, NULL);
    const char *text = json_string_value(json_object_get(formed, "boot"));
    json_int_t number = json_integer_value(json_object_get(formed, "generation"));
    *generation = number > 0 && number < 1 << 20 ? (uint64_t)number : 0;
    if (boot != NULL)
        snprintf(boot, ETCD_BOOT_SIZE, "%s", text != NULL ? text : "");
    json_decref(formed);
    etcd_kv_free(&kv);
    return true;
}

/* Whether the list that this node has is of the past that this etcd has. */
static bool is_same_history(struct etcd *etcd, uint64_t revision, bool formed, uint64_t generation)
{
    const struct etcd_list *list = &etcd->list;
    if (!list->known ||
        (formed && (generation > list->generation || (generation == list->generation && revision >= list->revision))))
        return true;
    char text[300];
    snprintf(text, sizeof text,
             "its history is not the one that was known: revision %llu after %llu; its data were lost or restored",
             (unsigned long long)revision, (unsigned long long)list->revision);
    etcd->range = etcd->check = false;
    etcd->check_at = etcd->now + etcd->options.check_interval_ms * LARDER_NS_PER_MS;
    if (etcd->host->self == NULL) {
        etcd_complain(etcd, LARDER_LOG_ERROR, "another history", text);
        return false;
    }
    etcd->relapsed = true;
    etcd_lease_lost(etcd, text);
    return false;
}

static char *range_request(struct etcd *etcd)
{
    const struct etcd_keys *keys = &etcd->keys;
    return etcd_text(etcd_transaction(
        json_array(),
        json_pack("[o, o]", etcd_get(keys->members, keys->members_end, etcd->at), etcd_get(keys->formed, NULL, 0)),
        json_array()));
}

static bool range_answer(struct etcd *etcd, json_t *answer)
{
    uint64_t revision = etcd_revision(answer), generation;
    const json_t *range = etcd_response(answer, 0, "response_range");
    if (revision == 0 || range == NULL)
        return false;
    bool formed = etcd_formed_read(etcd_response(answer, 1, "response_range"), &generation, NULL);
    if (!is_same_history(etcd, revision, formed, generation))
        return true;
    if (!etcd_list_take(&etcd->list, etcd_array(range, "kvs"), etcd->at > 0 ? etcd->at : revision, generation,
                        etcd->at > 0))
        return false;
    etcd_watch_close(etcd); /* it goes on from here */
    etcd->at = 0;
    etcd->range = etcd->check = false;
    etcd->check_at = etcd->now + etcd->options.check_interval_ms * LARDER_NS_PER_MS;
    etcd_registration_check(etcd);
    return true;
}

static char *check_request(struct etcd *etcd)
{
    const struct etcd_keys *keys = &etcd->keys;
    return etcd_text(etcd_transaction(
        json_array(),
        json_pack("[o, o]", etcd_get_latest(keys->members, keys->members_end), etcd_get(keys->formed, NULL, 0)),
        json_array()));
}

/* How many members etcd has, and the greatest of their revisions. False: the answer makes no sense. */
static bool read_latest(const json_t *range, int64_t *count, uint64_t *modified)
{
    struct etcd_kv latest = {0};
    *count = etcd_number(range, "count");
    if (range == NULL || (*count > 0 && !etcd_kv_first(&latest, range)))
        return false;
    *modified = latest.modified;
    etcd_kv_free(&latest);
    return true;
}

/*
 * The first list of a node that does not register is that of the last change, from which a watch tells of all who have gone
 * since: at which revision they went cannot be seen from the list as it is now.
 */
static bool find_answer(struct etcd *etcd, json_t *answer)
{
    int64_t count;
    if (!read_latest(etcd_response(answer, 0, "response_range"), &count, &etcd->at))
        return false;
    etcd->find = false;
    return true;
}

static bool check_answer(struct etcd *etcd, json_t *answer)
{
    struct etcd_list *list = &etcd->list;
    int64_t count;
    uint64_t revision = etcd_revision(answer), modified, generation;
    if (revision == 0 || !read_latest(etcd_response(answer, 0, "response_range"), &count, &modified))
        return false;
    bool formed = etcd_formed_read(etcd_response(answer, 1, "response_range"), &generation, NULL);
    if (!is_same_history(etcd, revision, formed, generation))
        return true;
    etcd->check = false;
    etcd->check_at = etcd->now + etcd->options.check_interval_ms * LARDER_NS_PER_MS;
    if (generation != list->generation)
        etcd->range = true;
    else if (etcd_list_agrees(list, (uint64_t)count, modified))
        etcd_list_skip(list, revision); /* a watch need not look at the past */
    else
        etcd_watch_close(etcd); /* another one tells what this one did not */
    return true;
}

const struct etcd_step etcd_find = {"looking for the last change", "kv/txn", check_request, find_answer};
const struct etcd_step etcd_range = {"reading the members", "kv/txn", range_request, range_answer};
const struct etcd_step etcd_check = {"looking for changes", "kv/txn", check_request, check_answer};
