/*
 * A registration's value:
 *
 *     {"addresses": {"http": "10.0.0.1:8001"}, "weight": 1, "zone": "north", "leaving": false,
 *      "boot": "0f...", "process": {"machine": ..., "namespace": ..., "id": ..., "started": ...}}
 *
 * Only the addresses are wanted; what is not known here is passed over.
 */
#ifndef DISCOVERY_ETCD_MEMBER_H
#define DISCOVERY_ETCD_MEMBER_H

#include <jansson.h>

#include "larder/plugin/discovery.h"
#include "process.h"

#define ETCD_REASON 160 /* room for a reason: one line, NUL-terminated */

/* The text, to be freed; NULL: out of memory. `addresses` are told in place of the member's own. */
char *etcd_member_encode(const struct larder_member *member, const struct larder_address *addresses, bool leaving,
                         const char *boot, const struct etcd_process *process);

/*
 * Fills a member whose name is given already. It points into the document that is returned, but for its addresses, which are to be
 * freed. NULL: it is no registration and `reason` says why, or "" when memory is short.
 */
json_t *etcd_member_decode(struct larder_member *member, const char *value, size_t size, char *reason);

/* The boot id of a registration; "": none. */
const char *etcd_member_boot(const json_t *document);

/* 1 to LARDER_MEMBER_NAME_MAX of A-Z a-z 0-9 . _ - */
bool etcd_member_name(const char *name, size_t size);

#endif
