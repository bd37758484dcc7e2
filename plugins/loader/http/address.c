#include "address.h"

#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define KEY   "{key}"
#define GROUP "{group}"

/* Length of the placeholder at the beginning of the text; 0: there is none. */
static size_t placeholder(const char *text)
{
    if (strncmp(text, KEY, strlen(KEY)) == 0)
        return strlen(KEY);
    return strncmp(text, GROUP, strlen(GROUP)) == 0 ? strlen(GROUP) : 0;
}

static size_t encode(struct larder_slice bytes, char *out)
{
    static const char digits[] = "0123456789ABCDEF";
    static const char unreserved[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~";
    const unsigned char *from = bytes.data;
    char *at = out;
    for (size_t i = 0; i < bytes.size; i++) {
        if (from[i] != '\0' && strchr(unreserved, from[i]) != NULL) {
            *at++ = (char)from[i];
            continue;
        }
        *at++ = '%';
        *at++ = digits[from[i] >> 4];
        *at++ = digits[from[i] & 15];
    }
    return (size_t)(at - out);
}

bool origin_address_climbs(const struct origin_address *address, struct larder_slice key)
{
    if (!address->in_path)
        return false;
    const char *data = key.data;
    size_t begin = 0;
    for (size_t i = 0; i <= key.size; i++) {
        if (i < key.size && data[i] != '/' && data[i] != '\\')
            continue;
        size_t size = i - begin;
        if ((size == 1 || size == 2) && data[begin] == '.' && data[i - 1] == '.')
            return true;
        begin = i + 1;
    }
    return false;
}

/* Most bytes of the URL, NUL included. False: more than can be counted. */
static bool measure(const char *text, size_t group, size_t key, size_t *size)
{
    *size = strlen(text) + 1;
    for (size_t length; *text != '\0'; text += length > 0 ? length : 1) {
        length = placeholder(text);
        size_t bytes = length == 0 ? 0 : length == strlen(KEY) ? key : group;
        if (__builtin_mul_overflow(bytes, (size_t)3, &bytes) || __builtin_add_overflow(*size, bytes, size))
            return false;
    }
    return true;
}

char *origin_address_expand(const struct origin_address *address, struct larder_slice group, struct larder_slice key)
{
    size_t size;
    if (!measure(address->text, group.size, key.size, &size))
        return NULL;
    char *url = malloc(size);
    if (url == NULL)
        return NULL;
    char *at = url;
    for (const char *text = address->text; *text != '\0';) {
        size_t length = placeholder(text);
        if (length == 0)
            *at++ = *text++;
        else
            at += encode(length == strlen(KEY) ? key : group, at);
        text += length;
    }
    *at = '\0';
    return url;
}

/* Where path and query begin: behind a scheme and a host. NULL: the text begins otherwise. */
static const char *path_of(const char *text)
{
    size_t scheme = strncasecmp(text, "http://", 7) == 0 ? 7 : strncasecmp(text, "https://", 8) == 0 ? 8 : 0;
    size_t host = strcspn(text + scheme, "/?#");
    return scheme > 0 && host > 0 ? text + scheme + host : NULL;
}

/* Whether the text has every placeholder where it may be: behind the host, where a key cannot choose whom to ask. */
static bool check_placeholders(const char *text, char *reason)
{
    const char *path = path_of(text);
    if (path == NULL) {
        snprintf(reason, ORIGIN_REASON, "url: got \"%.160s\", wanted http:// or https:// and a host", text);
        return false;
    }
    const char *first = strchr(text, '{');
    for (const char *at = first; at != NULL; at = strchr(at + 1, '{')) {
        if (placeholder(at) == 0) {
            snprintf(reason, ORIGIN_REASON, "url: got \"%.32s\", wanted {key} or {group}", at);
            return false;
        }
    }
    if (strstr(text, KEY) == NULL) {
        snprintf(reason, ORIGIN_REASON, "url: got \"%.160s\", wanted {key} in it", text);
        return false;
    }
    if (first < path || strchr(path, '#') != NULL) {
        snprintf(reason, ORIGIN_REASON, "url: got \"%.160s\", wanted {key} and {group} in path or query only", text);
        return false;
    }
    return true;
}

/* "host" or "host:port" of the URL, in new memory. NULL: none, or out of memory. */
static char *host_of(CURLU *url)
{
    char *host = NULL;
    char *port = NULL;
    char *text = NULL;
    if (curl_url_get(url, CURLUPART_HOST, &host, 0) == CURLUE_OK) {
        bool given = curl_url_get(url, CURLUPART_PORT, &port, 0) == CURLUE_OK;
        if (asprintf(&text, given ? "%s:%s" : "%s", host, port) < 0)
            text = NULL;
    }
    curl_free(port);
    curl_free(host);
    return text;
}

/* Takes the URL apart as the transfers will. The host, in new memory; NULL with the reason. */
static char *check_url(const char *expanded, const char *text, char *reason)
{
    char *host = NULL;
    CURLU *url = curl_url();
    CURLUcode code = url != NULL ? curl_url_set(url, CURLUPART_URL, expanded, CURLU_PATH_AS_IS) : CURLUE_OUT_OF_MEMORY;
    if (code == CURLUE_OK)
        host = host_of(url);
    else if (code != CURLUE_OUT_OF_MEMORY)
        snprintf(reason, ORIGIN_REASON, "url: got \"%.140s\": %.80s", text, curl_url_strerror(code));
    curl_url_cleanup(url);
    return host;
}

bool origin_address_init(struct origin_address *address, const char *text, char *reason)
{
    *address = (struct origin_address){0};
    if (!check_placeholders(text, reason))
        return false;
    snprintf(reason, ORIGIN_REASON, "out of memory");
    const char *query = strchr(text, '?');
    address->in_path = query == NULL || strstr(text, KEY) < query;
    address->text = strdup(text);
    if (address->text == NULL)
        return false;
    char *expanded = origin_address_expand(address, (struct larder_slice){"g", 1}, (struct larder_slice){"k", 1});
    if (expanded != NULL)
        address->host = check_url(expanded, text, reason);
    free(expanded);
    if (address->host == NULL)
        origin_address_free(address);
    return address->host != NULL;
}

void origin_address_free(struct origin_address *address)
{
    free(address->text);
    free(address->host);
    *address = (struct origin_address){0};
}
