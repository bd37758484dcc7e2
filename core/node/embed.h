/* What the files of the embedding API share. */
#ifndef LDR_NODE_EMBED_H
#define LDR_NODE_EMBED_H

#include "core/node/node.h"

/* A handle names its group: one that was dropped and made again is found again. */
struct larder_group {
    struct larder_node *node; /* a counted reference to its memory */
    size_t name_size;
    char name[]; /* NUL-terminated */
};

#endif
