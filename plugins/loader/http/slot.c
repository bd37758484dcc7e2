/* One transfer: what is asked of libcurl, what arrives, and what it means. */
#include <stdlib.h>
#include <string.h>

#include "loader.h"

#define BODY_KEPT   262144 /* capacity of a slot's buffer between transfers */
#define DROPPED_MAX 65536  /* of a body that nobody wants, so that the connection can be used again */
#define REDIRECTS   5

static long status_of(const struct origin_slot *slot)
{
    long status = 0;
    curl_easy_getinfo(slot->easy, CURLINFO_RESPONSE_CODE, &status);
    return status;
}

/* Breaks the transfer off: what a callback returns to make libcurl stop. */
static size_t stop(struct origin_slot *slot, enum larder_status status)
{
    slot->refusal = status;
    return CURL_WRITEFUNC_ERROR;
}

/* Room for `size` bytes more; the buffer grows by doubling, but not beyond what was announced or is taken. */
static bool reserve(struct origin_slot *slot, size_t size)
{
    size_t wanted = slot->size + size;
    if (wanted <= slot->capacity)
        return true;
    curl_off_t announced = -1;
    curl_easy_getinfo(slot->easy, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &announced);
    size_t capacity = slot->capacity <= SIZE_MAX / 2 ? slot->capacity * 2 : SIZE_MAX;
    if (announced > 0 && (uint64_t)announced <= slot->load->max_value)
        capacity = (size_t)announced;
    if (capacity > slot->load->max_value)
        capacity = (size_t)slot->load->max_value;
    if (capacity < wanted)
        capacity = wanted;
    char *body = realloc(slot->body, capacity);
    if (body == NULL)
        return false;
    slot->body = body;
    slot->capacity = capacity;
    return true;
}

static size_t on_body(char *data, size_t one, size_t size, void *arg)
{
    (void)one; /* always 1 */
    struct origin_slot *slot = arg;
    if (status_of(slot) != 200) {
        slot->dropped += size;
        return slot->dropped <= DROPPED_MAX ? size : stop(slot, LARDER_LOAD_FAILED);
    }
    if (size > slot->load->max_value - slot->size)
        return stop(slot, LARDER_TOO_LARGE);
    if (!reserve(slot, size))
        return stop(slot, LARDER_NO_MEMORY);
    if (size > 0)
        memcpy(slot->body + slot->size, data, size);
    slot->size += size;
    return size;
}

static size_t on_field(char *line, size_t one, size_t size, void *arg)
{
    (void)one; /* always 1 */
    struct origin_slot *slot = arg;
    /* A redirection, or a status 1xx, has fields that are not the answer's. */
    if (size >= 5 && memcmp(line, "HTTP/", 5) == 0)
        slot->freshness = (struct origin_freshness){0};
    origin_freshness_field(&slot->freshness, line, size);
    bool end = size == 2 && line[0] == '\r' && line[1] == '\n';
    curl_off_t announced = -1;
    curl_easy_getinfo(slot->easy, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &announced);
    if (end && status_of(slot) == 200 && announced > 0 && (uint64_t)announced > slot->load->max_value)
        return stop(slot, LARDER_TOO_LARGE);
    return size;
}

/* Options that are the same for every transfer. */
static bool configure(struct origin_slot *slot)
{
    const struct origin_options *options = &slot->loader->options;
    CURL *easy = slot->easy;
    CURLcode failed = CURLE_OK;
#define SET(option, value) (failed = failed != CURLE_OK ? failed : curl_easy_setopt(easy, option, value))
    SET(CURLOPT_PRIVATE, slot);
    SET(CURLOPT_ERRORBUFFER, slot->error);
    SET(CURLOPT_WRITEFUNCTION, on_body);
    SET(CURLOPT_WRITEDATA, slot);
    SET(CURLOPT_HEADERFUNCTION, on_field);
    SET(CURLOPT_HEADERDATA, slot);
    SET(CURLOPT_NOSIGNAL, 1L);
    SET(CURLOPT_PATH_AS_IS, 1L);
    SET(CURLOPT_PROXY, ""); /* the environment's is not ours: what is not configured does not happen */
    SET(CURLOPT_PROTOCOLS_STR, "http,https");
    SET(CURLOPT_REDIR_PROTOCOLS_STR, "http,https");
    SET(CURLOPT_FOLLOWLOCATION, options->follow ? 1L : 0L);
    SET(CURLOPT_MAXREDIRS, (long)REDIRECTS);
    SET(CURLOPT_CONNECTTIMEOUT_MS, (long)options->connect_timeout_ms);
    SET(CURLOPT_SSL_VERIFYPEER, options->verify ? 1L : 0L);
    SET(CURLOPT_SSL_VERIFYHOST, options->verify ? 2L : 0L);
    SET(CURLOPT_USERAGENT, options->user_agent);
    SET(CURLOPT_HTTPHEADER, options->headers);
    if (options->ca_file != NULL)
        SET(CURLOPT_CAINFO, options->ca_file);
#undef SET
    return failed == CURLE_OK;
}

struct origin_slot *origin_slot_new(struct origin_loader *loader)
{
    struct origin_slot *slot = calloc(1, sizeof *slot);
    if (slot == NULL)
        return NULL;
    slot->loader = loader;
    slot->easy = curl_easy_init();
    if (slot->easy != NULL && configure(slot))
        return slot;
    origin_slot_free(slot);
    return NULL;
}

void origin_slot_free(struct origin_slot *slot)
{
    curl_easy_cleanup(slot->easy);
    free(slot->body);
    free(slot);
}

/* How long the transfer may take: what the module allows, or what is left of the deadline. */
static long time_limit(const struct origin_slot *slot)
{
    uint64_t limit = slot->loader->options.timeout_ms;
    uint64_t deadline = slot->load->deadline;
    if (deadline != LARDER_NEVER) {
        uint64_t left = deadline > slot->started ? (deadline - slot->started) / LARDER_NS_PER_MS : 0;
        limit = left < limit ? left : limit;
    }
    return limit > 0 ? (long)limit : 1; /* 0 would be none */
}

bool origin_slot_begin(struct origin_slot *slot, struct larder_load *load)
{
    struct origin_loader *loader = slot->loader;
    slot->load = load;
    slot->started = larder_now(loader->host->runtime);
    slot->freshness = (struct origin_freshness){0};
    slot->size = slot->dropped = 0;
    slot->refusal = LARDER_OK;
    slot->error[0] = '\0';
    char *url = origin_address_expand(&loader->options.address, load->group, load->key);
    bool begun = url != NULL && curl_easy_setopt(slot->easy, CURLOPT_URL, url) == CURLE_OK &&
                 curl_easy_setopt(slot->easy, CURLOPT_TIMEOUT_MS, time_limit(slot)) == CURLE_OK &&
                 curl_multi_add_handle(loader->multi, slot->easy) == CURLM_OK;
    free(url);
    if (!begun)
        origin_fail(load, LARDER_LOAD_FAILED, "out of memory");
    return begun;
}

/* A transfer that libcurl could not bring to its end. */
static void finish_broken(struct origin_slot *slot, CURLcode code)
{
    const struct origin_options *options = &slot->loader->options;
    struct larder_load *load = slot->load;
    const char *host = options->address.host;
    uint64_t now = larder_now(slot->loader->host->runtime);
    if (slot->refusal == LARDER_TOO_LARGE) {
        origin_fail(load, LARDER_TOO_LARGE, "origin answered with more than the %llu bytes that are taken (host %s)",
                    (unsigned long long)load->max_value, host);
    } else if (slot->refusal == LARDER_NO_MEMORY || code == CURLE_OUT_OF_MEMORY) {
        origin_fail(load, LARDER_LOAD_FAILED, "out of memory for the origin's answer (host %s)", host);
    } else if (code == CURLE_OPERATION_TIMEDOUT && load->deadline != LARDER_NEVER &&
               now + 2 * LARDER_NS_PER_MS >= load->deadline) {
        /* libcurl counts whole milliseconds */
        origin_fail(load, LARDER_DEADLINE, "origin did not answer before the deadline (host %s)", host);
    } else {
        const char *reason = slot->error[0] != '\0' ? slot->error : curl_easy_strerror(code);
        origin_fail(load, LARDER_LOAD_FAILED, "origin failed: %s (host %s)", reason, host);
    }
}

static void finish_whole(struct origin_slot *slot)
{
    struct larder_load *load = slot->load;
    const char *host = slot->loader->options.address.host;
    long status = status_of(slot);
    if (status == 404 || status == 410) {
        origin_fail(load, LARDER_NOT_FOUND, "origin answered %ld (host %s)", status, host);
        return;
    }
    if (status != 200) {
        origin_fail(load, LARDER_LOAD_FAILED, "origin answered %ld (host %s)", status, host);
        return;
    }
    struct larder_load_result result = {.status = LARDER_OK, .value = {slot->body, slot->size}};
    origin_freshness_tell(&slot->freshness, &result);
    load->done(load, &result);
}

void origin_slot_finish(struct origin_slot *slot, CURLcode code)
{
    /* A body that nobody wants was broken off: the status says it all. */
    if (code == CURLE_OK || slot->refusal == LARDER_LOAD_FAILED)
        finish_whole(slot);
    else
        finish_broken(slot, code);
    slot->load = NULL;
    if (slot->capacity > BODY_KEPT) {
        free(slot->body);
        slot->body = NULL;
        slot->capacity = 0;
    }
}
