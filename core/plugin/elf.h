/* Whether a file is a whole ELF shared object. */
#ifndef LDR_PLUGIN_ELF_H
#define LDR_PLUGIN_ELF_H

#include "larder/status.h"

/*
 * Looks at the headers only. The dynamic loader maps what they promise without comparing it with the size of the file,
 * so that a file that was cut off would kill the process. `path` is what errors call it, `resolved` is opened.
 */
enum larder_status ldr_elf_check(const char *path, const char *resolved);

#endif
