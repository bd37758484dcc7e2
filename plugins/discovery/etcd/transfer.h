/* One request over libcurl, and what arrives in answer to it. */
#ifndef DISCOVERY_ETCD_TRANSFER_H
#define DISCOVERY_ETCD_TRANSFER_H

#include <curl/curl.h>

#include "options.h"

#define ETCD_ANSWER_MAX ((size_t)64 << 20) /* bytes: more is refused */

struct etcd_transfer {
    CURL *easy;
    struct curl_slist *headers, *connect_to;
    char *request; /* the body */
    char *data;    /* what has arrived */
    size_t size, capacity;
    bool active; /* between begin and end */
    char error[CURL_ERROR_SIZE];
};

/* False: out of memory. */
bool etcd_transfer_init(struct etcd_transfer *transfer, const struct etcd_options *options);
void etcd_transfer_free(struct etcd_transfer *transfer); /* not active; zeroed is fine */

struct etcd_target {
    const struct etcd_endpoint *endpoint;
    const char *path;    /* behind /v3/ */
    const char *token;   /* NULL: none */
    uint64_t timeout_ms; /* 0: none */
};

/* Takes the request, which may be NULL. False: out of memory; the transfer is not active. */
bool etcd_transfer_begin(struct etcd_transfer *transfer, CURLM *multi, const struct etcd_target *target, char *request);
/* What has arrived stays until the next begin. */
void etcd_transfer_end(struct etcd_transfer *transfer, CURLM *multi);

/* The status of the answer; 0: none came. */
long etcd_transfer_status(const struct etcd_transfer *transfer);

/* Why it failed, in words. */
const char *etcd_transfer_reason(const struct etcd_transfer *transfer, CURLcode code);

#endif
