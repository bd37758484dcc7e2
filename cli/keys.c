/* larder get, set, del, touch: one key. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "commands.h"
#include "node.h"

#define KEY_MAX   65535
#define VALUE_MAX (UINT64_C(1) << 30) /* the most that a group can be told to take */

/* A request for one key, from its arguments to its answer. */
struct call {
    const struct options *options;
    struct node node;
    struct text path; /* "/v1/groups/GROUP/keys/KEY" */
};

static enum exit_code take_key(const struct options *options, struct text *key)
{
    const char *given = options->arguments.items[1];
    if (!options->encoded)
        text_puts(key, given);
    else if (!url_add_decoded(key, given))
        return say(EXIT_USAGE, "KEY: got '%s', wanted two hexadecimal digits after each %%", given);
    if (key->failed)
        return say_no_memory();
    if (key->size == 0 || key->size > KEY_MAX)
        return say(EXIT_USAGE, "KEY: got %zu bytes, wanted 1 to %d", key->size, KEY_MAX);
    return EXIT_DONE;
}

static enum exit_code make_path(struct call *call)
{
    const struct options *options = call->options;
    const char *group = options->arguments.items[0];
    struct text *path = &call->path, key = {0};
    enum exit_code code = group[0] == '\0' ? say(EXIT_USAGE, "GROUP: got an empty text, wanted a name") : EXIT_DONE;
    if (code == EXIT_DONE)
        code = take_key(options, &key);
    text_puts(path, "/v1/groups/");
    url_add_encoded(path, group, strlen(group));
    text_puts(path, "/keys/");
    url_add_encoded(path, text_string(&key), key.size);
    if (options->ttl_none)
        text_puts(path, "?ttl=none");
    else if (options->ttl_ms > 0)
        text_printf(path, "?ttl=%llums", (unsigned long long)options->ttl_ms);
    text_free(&key);
    return code;
}

/* Everything that can be wrong with the arguments is said here, before any input is read. */
static enum exit_code begin(struct call *call, const struct options *options)
{
    *call = (struct call){.options = options};
    enum exit_code code = make_path(call);
    return code == EXIT_DONE ? node_open(&call->node, options->nodes.items[0], options) : code;
}

static enum exit_code perform(struct call *call, const char *method, const void *body, size_t size)
{
    enum exit_code code = node_send(&call->node, method, &call->path, body, size);
    const struct http *http = &call->node.http;
    if (code != EXIT_DONE || (http->status >= 200 && http->status < 300))
        return code;
    if (http->status == 404 && http_is_problem(http, "urn:larder:problem:not-found"))
        return say(EXIT_NO, "%s: not found in group %s", call->options->arguments.items[1],
                   call->options->arguments.items[0]);
    return http_say_refused(http, call->node.base.data);
}

static void end(struct call *call)
{
    node_close(&call->node);
    text_free(&call->path);
}

enum exit_code command_get(const struct options *options)
{
    struct call call;
    enum exit_code code = begin(&call, options);
    if (code == EXIT_DONE)
        code = perform(&call, "GET", NULL, 0);
    if (code == EXIT_DONE) {
        fwrite(text_string(&call.node.http.body), 1, call.node.http.body.size, stdout);
        if (isatty(STDOUT_FILENO))
            putchar('\n');
    }
    end(&call);
    return code;
}

static enum exit_code read_input(struct text *value)
{
    char piece[65536];
    size_t size;
    while ((size = fread(piece, 1, sizeof piece, stdin)) > 0) {
        text_add(value, piece, size);
        if (value->failed)
            return say_no_memory();
        if (value->size > VALUE_MAX)
            return say(EXIT_REFUSED, "standard input: got more than %llu bytes, which no group takes",
                       (unsigned long long)VALUE_MAX);
    }
    return ferror(stdin) ? say(EXIT_REFUSED, "standard input cannot be read") : EXIT_DONE;
}

enum exit_code command_set(const struct options *options)
{
    struct call call;
    struct text value = {0};
    const char *given = options->arguments.count > 2 ? options->arguments.items[2] : "-";
    enum exit_code code = begin(&call, options);
    if (code == EXIT_DONE && strcmp(given, "-") == 0)
        code = read_input(&value);
    else
        text_puts(&value, given);
    if (code == EXIT_DONE && value.failed)
        code = say_no_memory();
    if (code == EXIT_DONE)
        code = perform(&call, "PUT", text_string(&value), value.size);
    text_free(&value);
    end(&call);
    return code;
}

static enum exit_code send_only(const struct options *options, const char *method)
{
    struct call call;
    enum exit_code code = begin(&call, options);
    if (code == EXIT_DONE)
        code = perform(&call, method, NULL, 0);
    end(&call);
    return code;
}

enum exit_code command_del(const struct options *options)
{
    return send_only(options, "DELETE");
}

enum exit_code command_touch(const struct options *options)
{
    return send_only(options, "PATCH");
}
