/* Keys as documents tell of them: group, key or key_base64, key_size, rate, owner, digest. */
#ifndef LDR_NODE_TOP_H
#define LDR_NODE_TOP_H

#include "core/node/stats.h"

/*
 * An array of the hottest keys of a group, or with an empty name of all, in no order: at most `count`. NULL: the reason is
 * set, which may be LARDER_NO_GROUP.
 */
json_t *ldr_top_keys(struct larder_node *node, struct larder_slice group, size_t count);

#endif
