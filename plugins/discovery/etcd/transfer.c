#include "transfer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define KEPT ((size_t)256 << 10) /* capacity of the buffer between transfers */

static size_t on_body(char *data, size_t one, size_t size, void *arg)
{
    (void)one; /* always 1 */
    struct etcd_transfer *transfer = arg;
    if (size > ETCD_ANSWER_MAX - transfer->size)
        return CURL_WRITEFUNC_ERROR;
    size_t wanted = transfer->size + size;
    if (wanted > transfer->capacity) {
        size_t capacity = transfer->capacity < 4096 ? 4096 : transfer->capacity;
        while (capacity < wanted)
            capacity *= 2;
        char *grown = realloc(transfer->data, capacity);
        if (grown == NULL)
            return CURL_WRITEFUNC_ERROR;
        transfer->data = grown;
        transfer->capacity = capacity;
    }
    if (size > 0)
        memcpy(transfer->data + transfer->size, data, size);
    transfer->size = wanted;
    return size;
}

/* Options that are the same for every request. */
static bool configure(struct etcd_transfer *transfer, const struct etcd_options *options)
{
    CURL *easy = transfer->easy;
    CURLcode failed = CURLE_OK;
#define SET(option, value) (failed = failed != CURLE_OK ? failed : curl_easy_setopt(easy, option, value))
    SET(CURLOPT_PRIVATE, transfer);
    SET(CURLOPT_ERRORBUFFER, transfer->error);
    SET(CURLOPT_WRITEFUNCTION, on_body);
    SET(CURLOPT_WRITEDATA, transfer);
    SET(CURLOPT_NOSIGNAL, 1L);
    SET(CURLOPT_PROXY, ""); /* the environment's is not ours: what is not configured does not happen */
    SET(CURLOPT_PROTOCOLS_STR, "http,https");
    SET(CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1); /* a connection that hangs is then one request's alone */
    SET(CURLOPT_CONNECTTIMEOUT_MS, (long)options->dial_timeout_ms);
    SET(CURLOPT_TCP_KEEPALIVE, 1L);
    SET(CURLOPT_TCP_KEEPIDLE, 10L);
    SET(CURLOPT_TCP_KEEPINTVL, 5L);
    SET(CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    SET(CURLOPT_CA_CACHE_TIMEOUT, 0L); /* files may be exchanged while the node runs */
    if (options->ca != NULL)
        SET(CURLOPT_CAINFO, options->ca);
    if (options->cert != NULL) {
        SET(CURLOPT_SSLCERT, options->cert);
        SET(CURLOPT_SSLKEY, options->key);
    }
#undef SET
    return failed == CURLE_OK;
}

bool etcd_transfer_init(struct etcd_transfer *transfer, const struct etcd_options *options)
{
    *transfer = (struct etcd_transfer){.easy = curl_easy_init()};
    if (transfer->easy != NULL && configure(transfer, options))
        return true;
    etcd_transfer_free(transfer);
    return false;
}

static void free_request(struct etcd_transfer *transfer)
{
    if (transfer->request != NULL)
        explicit_bzero(transfer->request, strlen(transfer->request)); /* it may have a password in it */
    free(transfer->request);
    curl_slist_free_all(transfer->headers);
    curl_slist_free_all(transfer->connect_to);
    transfer->request = NULL;
    transfer->headers = transfer->connect_to = NULL;
}

void etcd_transfer_free(struct etcd_transfer *transfer)
{
    curl_easy_cleanup(transfer->easy);
    free_request(transfer);
    free(transfer->data);
    *transfer = (struct etcd_transfer){0};
}

static bool append(struct curl_slist **list, const char *text)
{
    struct curl_slist *longer = curl_slist_append(*list, text);
    if (longer != NULL)
        *list = longer;
    return longer != NULL;
}

static bool add_headers(struct etcd_transfer *transfer, const char *token)
{
    char *header = NULL;
    bool added = append(&transfer->headers, "Content-Type: application/json") &&
                 append(&transfer->headers, "Expect:"); /* no round trip before a large body */
    if (token != NULL && added) {
        /* etcd wants the token as it is, without "Bearer". */
        added = asprintf(&header, "Authorization: %s", token) >= 0;
        if (added) {
            added = append(&transfer->headers, header);
            free(header);
        }
    }
    return added;
}

static bool prepare(struct etcd_transfer *transfer, const struct etcd_target *target)
{
    CURL *easy = transfer->easy;
    char *url = NULL;
    if (!add_headers(transfer, target->token) ||
        (target->endpoint->connect_to != NULL && !append(&transfer->connect_to, target->endpoint->connect_to)) ||
        asprintf(&url, "%s/v3/%s", target->endpoint->url, target->path) < 0)
        return false;
    bool set = curl_easy_setopt(easy, CURLOPT_URL, url) == CURLE_OK &&
               curl_easy_setopt(easy, CURLOPT_HTTPHEADER, transfer->headers) == CURLE_OK &&
               curl_easy_setopt(easy, CURLOPT_CONNECT_TO, transfer->connect_to) == CURLE_OK &&
               curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)target->timeout_ms) == CURLE_OK &&
               curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE, (long)strlen(transfer->request)) == CURLE_OK &&
               curl_easy_setopt(easy, CURLOPT_POSTFIELDS, transfer->request) == CURLE_OK;
    free(url);
    return set;
}

bool etcd_transfer_begin(struct etcd_transfer *transfer, CURLM *multi, const struct etcd_target *target, char *request)
{
    transfer->request = request;
    transfer->size = 0;
    transfer->error[0] = '\0';
    transfer->active = request != NULL && prepare(transfer, target) &&
                       curl_multi_add_handle(multi, transfer->easy) == CURLM_OK;
    if (!transfer->active)
        free_request(transfer);
    return transfer->active;
}

void etcd_transfer_end(struct etcd_transfer *transfer, CURLM *multi)
{
    if (!transfer->active)
        return;
    curl_multi_remove_handle(multi, transfer->easy);
    free_request(transfer);
    transfer->active = false;
    if (transfer->capacity > KEPT && transfer->size < KEPT) {
        char *less = realloc(transfer->data, KEPT);
        transfer->data = less != NULL ? less : transfer->data;
        transfer->capacity = less != NULL ? KEPT : transfer->capacity;
    }
}

long etcd_transfer_status(const struct etcd_transfer *transfer)
{
    long status = 0;
    curl_easy_getinfo(transfer->easy, CURLINFO_RESPONSE_CODE, &status);
    return status;
}

const char *etcd_transfer_reason(const struct etcd_transfer *transfer, CURLcode code)
{
    if (code == CURLE_WRITE_ERROR)
        return "more came than is taken, or memory is short";
    return transfer->error[0] != '\0' ? transfer->error : curl_easy_strerror(code);
}
