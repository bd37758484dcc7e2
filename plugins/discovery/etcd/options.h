/* The parameters, and what is made of them. */
#ifndef DISCOVERY_ETCD_OPTIONS_H
#define DISCOVERY_ETCD_OPTIONS_H

#include "larder/plugin/discovery.h"

struct etcd_endpoint {
    char *name;       /* "http://10.0.0.1:2379": for messages */
    char *url;        /* the same, or with the name that its certificate is checked for */
    char *connect_to; /* "::HOST:PORT" where it is, when the URL has another name; else NULL */
};

/* All owned. */
struct etcd_options {
    size_t endpoint_count;
    struct etcd_endpoint *endpoints;
    char *prefix; /* without a slash at its end */
    uint64_t lease_ttl_ms, dial_timeout_ms, request_timeout_ms, start_timeout_ms, check_interval_ms, retry_max_ms;
    char *username, *password_file; /* both or none */
    char *ca, *cert, *key;          /* files; NULL: not given */
    size_t address_count;           /* of what is announced in place of where this node listens */
    struct larder_address *addresses;
};

extern const struct larder_param etcd_params[];

/* False: host->fail() was called with the reason. */
bool etcd_options_read(struct etcd_options *options, const struct larder_host *host,
                       const struct larder_param_value *params);
void etcd_options_free(struct etcd_options *options); /* zeroed is fine */

/* endpoint.c: "host", "host:port" or "scheme://host:port"; false: host->fail() was called. */
bool etcd_endpoint_read(struct etcd_endpoint *endpoint, const struct larder_host *host, const char *text, bool tls,
                        const char *server_name);
void etcd_endpoint_free(struct etcd_endpoint *endpoint);

/* secret.c */

#define ETCD_FILE_REASON 320 /* room for a reason: one line, NUL-terminated */

/* Whether a file can be read and, if it is secret, by nobody but its owner and group. NULL is fine. */
bool etcd_file_check(const char *path, bool secret, char *reason);
/* The first line of the file, for etcd_secret_free(), which wipes it; NULL with the reason. */
char *etcd_secret_read(const char *path, char *reason);
void etcd_secret_free(char *secret); /* NULL is fine */

#endif
