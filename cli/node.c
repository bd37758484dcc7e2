#include "node.h"

#include <stdio.h>

enum exit_code node_open(struct node *node, const char *address, const struct options *options)
{
    *node = (struct node){0};
    enum exit_code code = url_add_node(&node->base, address);
    return code == EXIT_DONE ? http_open(&node->http, options->timeout_ms) : code;
}

void node_close(struct node *node)
{
    http_close(&node->http);
    text_free(&node->base);
}

enum exit_code node_send(struct node *node, const char *method, const struct text *path, const void *body, size_t size)
{
    struct text url = {0};
    enum exit_code code = EXIT_DONE;
    text_puts(&url, text_string(&node->base));
    text_puts(&url, text_string(path));
    if (url.failed || path->failed)
        code = say_no_memory();
    else if (!http_send(&node->http, method, url.data, body, size))
        code = say(EXIT_REFUSED, "cannot reach %s: %s", node->base.data, http_reason(&node->http));
    text_free(&url);
    return code;
}

enum exit_code node_get_document(struct node *node, const struct text *path, json_t **document)
{
    *document = NULL;
    enum exit_code code = node_send(node, "GET", path, NULL, 0);
    if (code != EXIT_DONE)
        return code;
    if (node->http.status != 200)
        return http_say_refused(&node->http, node->base.data);
    *document = json_loadb(text_string(&node->http.body), node->http.body.size, 0, NULL);
    if (*document == NULL)
        return say(EXIT_REFUSED, "%s answers %s with something that is not JSON", node->base.data, path->data);
    return EXIT_DONE;
}

enum exit_code node_show_document(const struct options *options, const struct text *path,
                                  enum exit_code (*show)(const json_t *document))
{
    struct node node;
    json_t *document = NULL;
    enum exit_code code = node_open(&node, options->nodes.items[0], options);
    if (code == EXIT_DONE)
        code = node_get_document(&node, path, &document);
    if (code == EXIT_DONE && options->json)
        printf("%s\n", text_string(&node.http.body));
    else if (code == EXIT_DONE)
        code = show(document);
    json_decref(document);
    node_close(&node);
    return code;
}
