/* Where an etcd is: what users write, and what libcurl is told. */
#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "options.h"

#define PORT "2379"

/* The URL of the text, which may lack a scheme. CURLUE_OUT_OF_MEMORY, or another code: it is none. */
static CURLUcode parse(CURLU *url, const char *text, bool tls)
{
    char *whole = NULL;
    bool given = strstr(text, "://") != NULL;
    if (url == NULL || asprintf(&whole, "%s%s", given ? "" : tls ? "https://" : "http://", text) < 0)
        return CURLUE_OUT_OF_MEMORY;
    CURLUcode code = curl_url_set(url, CURLUPART_URL, whole, 0);
    free(whole);
    return code;
}

struct parts {
    char *scheme, *host, *port, *path, *more; /* libcurl's */
};

static CURLUcode take_apart(CURLU *url, struct parts *parts)
{
    static const CURLUPart others[] = {CURLUPART_USER, CURLUPART_PASSWORD, CURLUPART_QUERY, CURLUPART_FRAGMENT};
    CURLUcode code = curl_url_get(url, CURLUPART_SCHEME, &parts->scheme, 0);
    if (code == CURLUE_OK)
        code = curl_url_get(url, CURLUPART_HOST, &parts->host, 0);
    if (code == CURLUE_OK)
        code = curl_url_get(url, CURLUPART_PATH, &parts->path, 0);
    if (code != CURLUE_OK)
        return code;
    for (size_t i = 0; i < sizeof others / sizeof others[0] && parts->more == NULL; i++)
        curl_url_get(url, others[i], &parts->more, 0);
    curl_url_get(url, CURLUPART_PORT, &parts->port, 0);
    bool good = strcmp(parts->path, "/") == 0 && parts->more == NULL &&
                (strcmp(parts->scheme, "http") == 0 || strcmp(parts->scheme, "https") == 0);
    return good ? CURLUE_OK : CURLUE_MALFORMED_INPUT;
}

static void free_parts(struct parts *parts)
{
    curl_free(parts->scheme);
    curl_free(parts->host);
    curl_free(parts->port);
    curl_free(parts->path);
    curl_free(parts->more);
}

/* False: out of memory. */
static bool name_endpoint(struct etcd_endpoint *endpoint, const struct parts *parts, const char *server_name)
{
    const char *port = parts->port != NULL ? parts->port : PORT;
    if (asprintf(&endpoint->name, "%s://%s:%s", parts->scheme, parts->host, port) < 0)
        endpoint->name = NULL;
    if (asprintf(&endpoint->url, "%s://%s:%s", parts->scheme, server_name != NULL ? server_name : parts->host, port) <
        0)
        endpoint->url = NULL;
    if (server_name != NULL && asprintf(&endpoint->connect_to, "::%s:%s", parts->host, port) < 0)
        endpoint->connect_to = NULL;
    return endpoint->name != NULL && endpoint->url != NULL && (server_name == NULL || endpoint->connect_to != NULL);
}

bool etcd_endpoint_read(struct etcd_endpoint *endpoint, const struct larder_host *host, const char *text, bool tls,
                        const char *server_name)
{
    struct parts parts = {0};
    *endpoint = (struct etcd_endpoint){0};
    CURLU *url = curl_url();
    CURLUcode code = parse(url, text, tls);
    if (code == CURLUE_OK)
        code = take_apart(url, &parts);
    bool plain = code == CURLUE_OK && tls && strcmp(parts.scheme, "https") != 0;
    if (code == CURLUE_OK && !plain && !name_endpoint(endpoint, &parts, server_name))
        code = CURLUE_OUT_OF_MEMORY;
    if (code == CURLUE_OUT_OF_MEMORY) {
        etcd_endpoint_free(endpoint);
        host->fail(host, LARDER_NO_MEMORY, "out of memory");
    } else if (code != CURLUE_OK) {
        host->fail(host, LARDER_INVALID, "endpoints: got \"%.200s\", wanted http://host:port or https://host:port",
                   text);
    } else if (plain) {
        host->fail(host, LARDER_INVALID, "endpoints: got \"%.200s\", wanted https:// beside tls", text);
    }
    free_parts(&parts);
    curl_url_cleanup(url);
    return code == CURLUE_OK && !plain;
}

void etcd_endpoint_free(struct etcd_endpoint *endpoint)
{
    free(endpoint->name);
    free(endpoint->url);
    free(endpoint->connect_to);
    *endpoint = (struct etcd_endpoint){0};
}
