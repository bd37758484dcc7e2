/* A YAML document as a tree that knows where everything stood. */
#ifndef LDR_CONFIG_TREE_H
#define LDR_CONFIG_TREE_H

#include <stdbool.h>
#include <stddef.h>

#include "larder/status.h"

#define LDR_TREE_DEPTH 64      /* most levels of a document, and most parts of a setting's path */
#define LDR_TREE_NODES 1000000 /* most nodes of a document */

enum ldr_tree_kind { LDR_TREE_NULL, LDR_TREE_SCALAR, LDR_TREE_LIST, LDR_TREE_MAP };

/* A node owns its children and texts. */
struct ldr_tree {
    enum ldr_tree_kind kind;
    char *key;             /* in a MAP: its key; else NULL */
    char *text;            /* SCALAR: its text */
    bool quoted;           /* SCALAR: it stood in quotes, so it is a text whatever it looks like */
    const char *file;      /* borrowed from the document's owner: what errors call it */
    unsigned line, column; /* of the value, from 1; 0: made by a setting */
    unsigned key_line, key_column;
    struct ldr_tree **items; /* room for the next power of two of `count` */
    size_t count;
};

/*
 * Parses one YAML document. Refused with file:line:column: bad syntax, bytes that are not UTF-8, duplicate keys, aliases
 * and anchors, tags, several documents, more than 64 levels or 1,000,000 nodes. `file` must outlive the tree. An empty
 * document is an empty MAP. NULL: see larder_last_error().
 */
struct ldr_tree *ldr_tree_parse(const char *text, size_t length, const char *file);
void ldr_tree_free(struct ldr_tree *tree); /* NULL is fine */
struct ldr_tree *ldr_tree_copy(const struct ldr_tree *tree);

/* A node of its own, at no place. `key` may be NULL; `text` is of a SCALAR, else NULL. NULL when out of memory. */
struct ldr_tree *ldr_tree_new(enum ldr_tree_kind kind, const char *key, const char *text);

/* Gives the child to a MAP or LIST. False when out of memory: the child is still the caller's. */
bool ldr_tree_append(struct ldr_tree *parent, struct ldr_tree *child);

/* Makes every node of the tree belong to `file`. */
void ldr_tree_set_file(struct ldr_tree *tree, const char *file);

/* The child of a MAP; NULL when absent, and when `map` is NULL or no MAP. */
struct ldr_tree *ldr_tree_find(const struct ldr_tree *map, const char *key);

/* Sets "path.to.key=value", creating maps and appending to lists on the way. */
enum larder_status ldr_tree_set(struct ldr_tree *root, const char *setting, const char *file);

/* Whether the text is a setting at all, whatever it is applied to later. LARDER_INVALID, LARDER_NO_MEMORY. */
enum larder_status ldr_tree_check_setting(const char *setting, const char *file);

#endif
