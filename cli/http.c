#include "http.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

#define TIMEOUT_MS       30000 /* when none is told: longer than a node takes by itself */
#define CONNECT_MS       5000
#define ANSWER_GRACE_MS  500 /* for the node's own "deadline passed" to arrive, which says more */
#define PROBLEM_MAX_SIZE 65536

static size_t take_body(char *data, size_t one, size_t size, void *arg)
{
    struct text *body = arg;
    (void)one;
    text_add(body, data, size);
    return body->failed ? 0 : size;
}

static bool add_field(struct curl_slist **fields, const char *field)
{
    struct curl_slist *longer = curl_slist_append(*fields, field);
    if (longer == NULL)
        return false;
    *fields = longer;
    return true;
}

static bool make_fields(struct http *http, uint64_t timeout_ms)
{
    char timeout[64];
    if (timeout_ms > 0) {
        snprintf(timeout, sizeof timeout, "Larder-Timeout: %llums", (unsigned long long)timeout_ms);
        if (!add_field(&http->fields, timeout) || !add_field(&http->body_fields, timeout))
            return false;
    }
    return add_field(&http->body_fields, "Content-Type: application/octet-stream");
}

enum exit_code http_open(struct http *http, uint64_t timeout_ms)
{
    *http = (struct http){.curl = curl_easy_init()};
    if (http->curl == NULL || !make_fields(http, timeout_ms))
        return say_no_memory();
    http->timeout_ms = timeout_ms > 0 ? timeout_ms + ANSWER_GRACE_MS : TIMEOUT_MS;
    uint64_t connect_ms = http->timeout_ms < CONNECT_MS ? http->timeout_ms : CONNECT_MS;
    CURL *curl = http->curl;
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, http->error);
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(curl, CURLOPT_PROXY, "");      /* a proxy for the web does not lead to nodes */
    curl_easy_setopt(curl, CURLOPT_PATH_AS_IS, 1L); /* "." and ".." are keys like others */
    curl_easy_setopt(curl, CURLOPT_USERAGENT, "larder");
    curl_easy_setopt(curl, CURLOPT_TCP_NODELAY, 1L);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, (long)http->timeout_ms);
    curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, (long)connect_ms);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take_body);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, &http->body);
    return EXIT_DONE;
}

void http_close(struct http *http)
{
    curl_easy_cleanup(http->curl);
    curl_slist_free_all(http->fields);
    curl_slist_free_all(http->body_fields);
    text_free(&http->body);
}

/* The shortest reason that says it all. */
static void explain(struct http *http)
{
    long number = 0;
    curl_easy_getinfo(http->curl, CURLINFO_OS_ERRNO, &number);
    if (http->body.failed)
        snprintf(http->error, sizeof http->error, "no memory for the answer");
    else if (http->code == CURLE_OPERATION_TIMEDOUT)
        snprintf(http->error, sizeof http->error, "no answer in time");
    else if (http->code == CURLE_COULDNT_CONNECT && number != 0)
        snprintf(http->error, sizeof http->error, "%s", strerror((int)number));
    else if (http->error[0] == '\0')
        snprintf(http->error, sizeof http->error, "%s", curl_easy_strerror(http->code));
}

bool http_send(struct http *http, const char *method, const char *url, const void *body, size_t size)
{
    CURL *curl = http->curl;
    text_clear(&http->body);
    http->error[0] = '\0';
    http->status = 0;
    if (body != NULL) {
        curl_easy_setopt(curl, CURLOPT_POST, 1L);
        curl_easy_setopt(curl, CURLOPT_POSTFIELDS, body);
        curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)size);
    } else {
        curl_easy_setopt(curl, CURLOPT_HTTPGET, 1L);
    }
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, body != NULL ? http->body_fields : http->fields);
    curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, strcmp(method, "GET") == 0 ? NULL : method);
    CURLcode code = curl_easy_setopt(curl, CURLOPT_URL, url);
    if (code == CURLE_OK)
        code = curl_easy_perform(curl);
    http->code = code;
    if (code == CURLE_OK)
        curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &http->status);
    else
        explain(http);
    return code == CURLE_OK;
}

const char *http_reason(const struct http *http)
{
    return http->error;
}

const char *http_field(struct http *http, const char *name)
{
    struct curl_header *field;
    return curl_easy_header(http->curl, name, 0, CURLH_HEADER, -1, &field) == CURLHE_OK ? field->value : NULL;
}

/* A member of the problem in the body, as text. The caller frees `problem`. */
static const char *problem_member(const struct http *http, const char *name, json_t **problem)
{
    *problem = http->body.size <= PROBLEM_MAX_SIZE ? json_loadb(text_string(&http->body), http->body.size, 0, NULL)
                                                   : NULL;
    return json_string_value(json_object_get(*problem, name));
}

bool http_is_problem(const struct http *http, const char *type)
{
    json_t *problem;
    const char *got = problem_member(http, "type", &problem);
    bool same = got != NULL && strcmp(got, type) == 0;
    json_decref(problem);
    return same;
}

enum exit_code http_say_refused(const struct http *http, const char *node)
{
    json_t *problem;
    const char *detail = problem_member(http, "detail", &problem);
    enum exit_code code = http->status == 404 || http->status == 412 ? EXIT_NO : EXIT_REFUSED;
    if (detail != NULL)
        say(code, "%s answers %ld: %s", node, http->status, detail);
    else
        say(code, "%s answers %ld, and gives no reason that Larder would give", node, http->status);
    json_decref(problem);
    return code;
}
