/* The addresses of nodes, and percent-encoding. */
#ifndef CLI_URL_H
#define CLI_URL_H

#include "say.h"
#include "text.h"

/* Adds the address of a node, "http://HOST:PORT", as --node names it. EXIT_USAGE was said when it makes no sense. */
enum exit_code url_add_node(struct text *url, const char *node);

/* Adds bytes as one piece of a path. */
void url_add_encoded(struct text *url, const void *data, size_t size);

/* Adds the bytes that are meant; false: a % is not followed by two hexadecimal digits. */
bool url_add_decoded(struct text *text, const char *encoded);

#endif
