#include "options.h"

#include <stdlib.h>
#include <string.h>

#define MINUTE 60000
#define HOUR   3600000

/* The places of the rows in `etcd_params`, and of those in `tls_fields`. */
enum {
    PARAM_ENDPOINTS,
    PARAM_PREFIX,
    PARAM_LEASE_TTL,
    PARAM_USERNAME,
    PARAM_PASSWORD_FILE,
    PARAM_TLS,
    PARAM_ADVERTISE,
    PARAM_DIAL_TIMEOUT,
    PARAM_REQUEST_TIMEOUT,
    PARAM_START_TIMEOUT,
    PARAM_CHECK_INTERVAL,
    PARAM_RETRY_MAX,
    PARAM_COUNT
};
enum { TLS_CA, TLS_CERT, TLS_KEY, TLS_SERVER_NAME, TLS_COUNT };

#define FILE_PARAM(text, words)                                                                                        \
    {                                                                                                                  \
        .name = (text), .type = LARDER_PARAM_STRING, .minimum = 1, .maximum = 4096, .help = (words)                    \
    }
#define TIME_PARAM(text, value, least, most, words)                                                                    \
    {                                                                                                                  \
        .name = (text), .type = LARDER_PARAM_DURATION, .default_text = (value), .minimum = (least), .maximum = (most), \
        .help = (words)                                                                                                \
    }

static const struct larder_param tls_fields[] = {
    [TLS_CA] = FILE_PARAM("ca", "certificates that are trusted, as PEM, in place of the system's"),
    [TLS_CERT] = FILE_PARAM("cert", "this node's certificate, as PEM, where etcd wants one"),
    [TLS_KEY] = FILE_PARAM("key", "its key, as PEM; a file that others may not read"),
    [TLS_SERVER_NAME] = {.name = "server_name",
                         .type = LARDER_PARAM_STRING,
                         .minimum = 1,
                         .maximum = 253,
                         .help = "the name that etcd's certificate must have, when it is not the endpoint's"},
    [TLS_COUNT] = {.name = NULL},
};

const struct larder_param etcd_params[] = {
    [PARAM_ENDPOINTS] = {.name = "endpoints",
                         .type = LARDER_PARAM_STRINGS,
                         .minimum = 1,
                         .maximum = 64,
                         .required = true,
                         .help = "members of one etcd cluster: http://host:port or https://host:port; one is used "
                                 "until it fails"},
    [PARAM_PREFIX] = {.name = "prefix",
                      .type = LARDER_PARAM_STRING,
                      .default_text = "/larder",
                      .minimum = 1,
                      .maximum = 512,
                      .help = "what all keys of this Larder cluster begin with; another cluster has another"},
    [PARAM_LEASE_TTL] = TIME_PARAM("lease_ttl", "30s", 1000, 24 * HOUR,
                                   "how long a node that is silent stays a member; etcd may grant more"),
    [PARAM_USERNAME] = {.name = "username",
                        .type = LARDER_PARAM_STRING,
                        .minimum = 1,
                        .maximum = 256,
                        .help = "the user to log in as; none: without a login"},
    [PARAM_PASSWORD_FILE] = FILE_PARAM("password_file", "its password is the first line of this file, which others may "
                                                        "not read"),
    [PARAM_TLS] = {.name = "tls",
                   .type = LARDER_PARAM_RECORD,
                   .fields = tls_fields,
                   .help = "certificates; endpoints without a scheme are then https"},
    [PARAM_ADVERTISE] = {.name = "advertise",
                         .type = LARDER_PARAM_MAP,
                         .maximum = 16,
                         .help =
                             "where others reach this node, by the transport's name, when it is not where it listens"},
    [PARAM_DIAL_TIMEOUT] = TIME_PARAM("dial_timeout", "2s", 1, HOUR, "longest time to connect to an endpoint"),
    [PARAM_REQUEST_TIMEOUT] = TIME_PARAM("request_timeout", "5s", 10, HOUR,
                                         "longest time for an answer; a third of the lease at most"),
    [PARAM_START_TIMEOUT] = TIME_PARAM(
        "start_timeout", "15s", 0, HOUR,
        "how long a start waits for the first list; then the node goes on trying, and is "
        "not ready"),
    [PARAM_CHECK_INTERVAL] = TIME_PARAM("check_interval", "10s", 100, HOUR,
                                        "how often a watch that is silent is compared with the list"),
    [PARAM_RETRY_MAX] = TIME_PARAM("retry_max", "5s", 10, 10 * MINUTE,
                                   "longest pause between attempts while no endpoint answers"),
    [PARAM_COUNT] = {.name = NULL},
};

/* A copy of a text that may be absent. False: out of memory. */
static bool copy(char **text, const char *from)
{
    *text = from != NULL ? strdup(from) : NULL;
    return from == NULL || *text != NULL;
}

static bool fail_memory(const struct larder_host *host)
{
    host->fail(host, LARDER_NO_MEMORY, "out of memory");
    return false;
}

static bool read_prefix(struct etcd_options *options, const struct larder_host *host, const char *text)
{
    size_t length = strlen(text);
    for (size_t i = 0; i < length; i++) {
        if ((unsigned char)text[i] > 0x20 && text[i] != 0x7f)
            continue;
        host->fail(host, LARDER_INVALID, "prefix: got \"%s\", wanted printable text without spaces", text);
        return false;
    }
    while (length > 0 && text[length - 1] == '/')
        length--;
    options->prefix = strndup(text, length);
    return options->prefix != NULL || fail_memory(host);
}

static bool read_endpoints(struct etcd_options *options, const struct larder_host *host,
                           const struct larder_param_value *texts, bool tls, const char *server_name)
{
    options->endpoints = calloc(texts->count, sizeof *options->endpoints);
    if (options->endpoints == NULL)
        return fail_memory(host);
    for (size_t i = 0; i < texts->count; i++) {
        if (!etcd_endpoint_read(&options->endpoints[i], host, texts->items[i].string, tls, server_name))
            return false;
        options->endpoint_count++;
    }
    return true;
}

static bool read_login(struct etcd_options *options, const struct larder_host *host, const char *username,
                       const char *password_file)
{
    if ((username == NULL) != (password_file == NULL)) {
        host->fail(host, LARDER_INVALID, "%s: got none, wanted username and password_file, or neither",
                   username == NULL ? "username" : "password_file");
        return false;
    }
    if (username == NULL)
        return true;
    char reason[ETCD_FILE_REASON];
    char *password = etcd_secret_read(password_file, reason);
    etcd_secret_free(password);
    if (password == NULL) {
        host->fail(host, LARDER_INVALID, "password_file: %s", reason);
        return false;
    }
    return (copy(&options->username, username) && copy(&options->password_file, password_file)) || fail_memory(host);
}

static bool read_tls(struct etcd_options *options, const struct larder_host *host, const struct larder_param_value *tls)
{
    if (!tls->given)
        return true;
    const char *ca = tls->items[TLS_CA].string, *cert = tls->items[TLS_CERT].string, *key = tls->items[TLS_KEY].string;
    if ((cert == NULL) != (key == NULL)) {
        host->fail(host, LARDER_INVALID, "tls: got %s, wanted cert and key, or neither",
                   cert == NULL ? "a key without cert" : "cert without key");
        return false;
    }
    char reason[ETCD_FILE_REASON];
    const char *wrong = !etcd_file_check(ca, false, reason)     ? "ca"
                        : !etcd_file_check(cert, false, reason) ? "cert"
                        : !etcd_file_check(key, true, reason)   ? "key"
                                                                : NULL;
    if (wrong != NULL) {
        host->fail(host, LARDER_INVALID, "tls: %s: %s", wrong, reason);
        return false;
    }
    return (copy(&options->ca, ca) && copy(&options->cert, cert) && copy(&options->key, key)) || fail_memory(host);
}

static bool read_addresses(struct etcd_options *options, const struct larder_host *host,
                           const struct larder_param_value *map)
{
    options->addresses = calloc(map->count + 1, sizeof *options->addresses);
    if (options->addresses == NULL)
        return fail_memory(host);
    for (size_t i = 0; i < map->count; i++) {
        char *transport, *address;
        bool copied = copy(&transport, map->items[i].name);
        if (!copy(&address, map->items[i].string) || !copied) {
            free(transport);
            free(address);
            return fail_memory(host);
        }
        options->addresses[options->address_count++] = (struct larder_address){transport, address};
    }
    return true;
}

bool etcd_options_read(struct etcd_options *options, const struct larder_host *host,
                       const struct larder_param_value *params)
{
    const struct larder_param_value *tls = &params[PARAM_TLS];
    *options = (struct etcd_options){
        .lease_ttl_ms = (uint64_t)params[PARAM_LEASE_TTL].integer,
        .dial_timeout_ms = (uint64_t)params[PARAM_DIAL_TIMEOUT].integer,
        .request_timeout_ms = (uint64_t)params[PARAM_REQUEST_TIMEOUT].integer,
        .start_timeout_ms = (uint64_t)params[PARAM_START_TIMEOUT].integer,
        .check_interval_ms = (uint64_t)params[PARAM_CHECK_INTERVAL].integer,
        .retry_max_ms = (uint64_t)params[PARAM_RETRY_MAX].integer,
    };
    if (read_prefix(options, host, params[PARAM_PREFIX].string) &&
        read_endpoints(options, host, &params[PARAM_ENDPOINTS], tls->given,
                       tls->given ? tls->items[TLS_SERVER_NAME].string : NULL) &&
        read_login(options, host, params[PARAM_USERNAME].string, params[PARAM_PASSWORD_FILE].string) &&
        read_tls(options, host, tls) && read_addresses(options, host, &params[PARAM_ADVERTISE]))
        return true;
    etcd_options_free(options);
    return false;
}

void etcd_options_free(struct etcd_options *options)
{
    for (size_t i = 0; i < options->endpoint_count; i++)
        etcd_endpoint_free(&options->endpoints[i]);
    for (size_t i = 0; i < options->address_count; i++) {
        free((char *)options->addresses[i].transport);
        free((char *)options->addresses[i].address);
    }
    char *const texts[] = {options->prefix, options->username, options->password_file,
                           options->ca,     options->cert,     options->key};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        free(texts[i]);
    free(options->addresses);
    free(options->endpoints);
    *options = (struct etcd_options){0};
}
