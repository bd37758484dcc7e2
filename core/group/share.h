/* One reply for many: its value is shared, not copied. */
#ifndef LDR_GROUP_SHARE_H
#define LDR_GROUP_SHARE_H

#include "larder/plugin/request.h"

/*
 * Makes `count` holders of the reply: each copy of the struct is released once, by its holder. With 0 it is released
 * here; when memory is short it becomes LARDER_NO_MEMORY.
 */
void ldr_reply_share(struct larder_reply *reply, size_t count);

#endif
