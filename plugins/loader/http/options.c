/* The parameters, and what is made of them. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "loader.h"

/* The places of the rows in `origin_params`. */
enum {
    PARAM_URL,
    PARAM_TIMEOUT,
    PARAM_CONNECT_TIMEOUT,
    PARAM_MAX_CONNECTIONS,
    PARAM_FOLLOW,
    PARAM_HEADERS,
    PARAM_USER_AGENT,
    PARAM_VERIFY,
    PARAM_CA_FILE,
    PARAM_COUNT
};

const struct larder_param origin_params[] = {
    [PARAM_URL] = {.name = "url",
                   .type = LARDER_PARAM_STRING,
                   .required = true,
                   .minimum = 1,
                   .maximum = 8192,
                   .help = "where keys are fetched: http or https with {key}, and perhaps {group}, in path or query"},
    [PARAM_TIMEOUT] = {.name = "timeout",
                       .type = LARDER_PARAM_DURATION,
                       .default_text = "5s",
                       .minimum = 1,
                       .maximum = 3600000,
                       .help = "longest time for one fetch"},
    [PARAM_CONNECT_TIMEOUT] = {.name = "connect_timeout",
                               .type = LARDER_PARAM_DURATION,
                               .default_text = "1s",
                               .minimum = 1,
                               .maximum = 3600000,
                               .help = "longest time to connect to the origin"},
    [PARAM_MAX_CONNECTIONS] = {.name = "max_connections",
                               .type = LARDER_PARAM_INT,
                               .default_text = "32",
                               .minimum = 1,
                               .maximum = 1024,
                               .help = "most fetches at a time; further loads wait"},
    [PARAM_FOLLOW] = {.name = "follow",
                      .type = LARDER_PARAM_BOOL,
                      .default_text = "false",
                      .help = "go where the origin redirects to, five times at most"},
    [PARAM_HEADERS] = {.name = "headers",
                       .type = LARDER_PARAM_STRINGS,
                       .maximum = 64,
                       .help = "sent with every fetch, each as \"Name: value\""},
    [PARAM_USER_AGENT] = {.name = "user_agent",
                          .type = LARDER_PARAM_STRING,
                          .default_text = ORIGIN_AGENT,
                          .minimum = 1,
                          .maximum = 256,
                          .help = "the User-Agent header"},
    [PARAM_VERIFY] = {.name = "verify",
                      .type = LARDER_PARAM_BOOL,
                      .default_text = "true",
                      .help = "check the origin's certificate and its name"},
    [PARAM_CA_FILE] = {.name = "ca_file",
                       .type = LARDER_PARAM_STRING,
                       .minimum = 1,
                       .maximum = 4096,
                       .help = "certificates that are trusted, as PEM, in place of the system's"},
    [PARAM_COUNT] = {.name = NULL},
};

/* Whether the text can stand in a header: no control characters, which would end it. */
static bool printable(const char *text)
{
    for (; *text != '\0'; text++)
        if ((unsigned char)*text < 0x20 || *text == 0x7f)
            return false;
    return true;
}

/* "Name: value", with a value. */
static bool is_header(const char *text)
{
    static const char token[] = "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
    size_t name = strspn(text, token);
    if (name == 0 || text[name] != ':' || !printable(text))
        return false;
    return text[name + 1 + strspn(text + name + 1, " ")] != '\0';
}

static bool read_headers(struct origin_options *options, const struct larder_host *host,
                         const struct larder_param_value *param)
{
    for (size_t i = 0; i < param->count; i++) {
        const char *text = param->items[i].string;
        if (!is_header(text)) {
            host->fail(host, LARDER_INVALID, "headers: got \"%.200s\", wanted \"Name: value\"", text);
            return false;
        }
        struct curl_slist *longer = curl_slist_append(options->headers, text);
        if (longer == NULL) {
            host->fail(host, LARDER_NO_MEMORY, "out of memory");
            return false;
        }
        options->headers = longer;
    }
    return true;
}

/* A file that cannot be read would only be noticed by the first load. */
static bool check_file(const struct larder_host *host, const char *path)
{
    FILE *file = path != NULL ? fopen(path, "re") : NULL;
    if (path != NULL && file == NULL) {
        host->fail(host, LARDER_IO, "ca_file: cannot read \"%.200s\": %s", path, strerrordesc_np(errno));
        return false;
    }
    if (file != NULL)
        fclose(file);
    return true;
}

bool origin_options_read(struct origin_options *options, const struct larder_host *host,
                         const struct larder_param_value *params)
{
    char reason[ORIGIN_REASON];
    *options = (struct origin_options){
        .timeout_ms = (uint64_t)params[PARAM_TIMEOUT].integer,
        .connect_timeout_ms = (uint64_t)params[PARAM_CONNECT_TIMEOUT].integer,
        .max_connections = (unsigned)params[PARAM_MAX_CONNECTIONS].integer,
        .follow = params[PARAM_FOLLOW].integer != 0,
        .verify = params[PARAM_VERIFY].integer != 0,
    };
    const char *user_agent = params[PARAM_USER_AGENT].string;
    const char *ca_file = params[PARAM_CA_FILE].string;
    if (!origin_address_init(&options->address, params[PARAM_URL].string, reason)) {
        host->fail(host, LARDER_INVALID, "%s", reason);
        goto failed;
    }
    if (!printable(user_agent)) {
        host->fail(host, LARDER_INVALID, "user_agent: got \"%.200s\", wanted printable text", user_agent);
        goto failed;
    }
    if (!read_headers(options, host, &params[PARAM_HEADERS]) || !check_file(host, ca_file))
        goto failed;
    options->user_agent = strdup(user_agent);
    options->ca_file = ca_file != NULL ? strdup(ca_file) : NULL;
    if (options->user_agent != NULL && (ca_file == NULL || options->ca_file != NULL))
        return true;
    host->fail(host, LARDER_NO_MEMORY, "out of memory");
failed:
    origin_options_free(options);
    return false;
}

void origin_options_free(struct origin_options *options)
{
    origin_address_free(&options->address);
    curl_slist_free_all(options->headers);
    free(options->user_agent);
    free(options->ca_file);
    *options = (struct origin_options){0};
}
