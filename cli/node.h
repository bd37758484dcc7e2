/* What commands ask of a node. */
#ifndef CLI_NODE_H
#define CLI_NODE_H

#include <jansson.h>

#include "http.h"
#include "options.h"
#include "url.h"

struct node {
    struct http http;
    struct text base; /* "http://127.0.0.1:8001" */
};

/* Nothing is sent yet. Close it in any case. */
enum exit_code node_open(struct node *node, const char *address, const struct options *options);
void node_close(struct node *node);

/* Sends a request to `path`, which is encoded. EXIT_DONE: the node answered, whatever it said. */
enum exit_code node_send(struct node *node, const char *method, const struct text *path, const void *body, size_t size);

/* A document. Any answer but 200 was said and is the exit code. */
enum exit_code node_get_document(struct node *node, const struct text *path, json_t **document);

/*
 * The same for a command that shows it: with --json the node's document goes to standard output as it is, else to
 * `show`.
 */
enum exit_code node_show_document(const struct options *options, const struct text *path,
                                  enum exit_code (*show)(const json_t *document));

#endif
