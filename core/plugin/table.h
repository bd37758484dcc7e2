/* Checks a module's table and takes a copy of it that is as large as the host knows it. */
#ifndef LDR_PLUGIN_TABLE_H
#define LDR_PLUGIN_TABLE_H

#include "larder/plugin/plugin.h"

#define LDR_TABLE_MAX   65536 /* bytes; a larger size was never written by a macro */
#define LDR_NAME_WANTED "1 to 32 of [a-z0-9_-]"
#define LDR_NAME_MAX    32

/*
 * `label` is what errors call the module ("FILE: evict is missing"), `available` how many bytes are known to be readable at
 * `table`. The copy is one allocation for free(); the texts and parameters it points at stay the module's.
 * NULL: the reason is in larder_last_error().
 */
struct larder_plugin *ldr_table_copy(const char *label, const void *table, size_t available);

/* Whether `name`, of which at most LDR_NAME_MAX + 1 bytes are read, may be the name of a module. */
bool ldr_name_valid(const char *name);

#endif
