/* Reading a configuration file, with distrust. */
#ifndef LDR_CONFIG_FILE_H
#define LDR_CONFIG_FILE_H

#include <stddef.h>

#include "larder/status.h"

#define LDR_FILE_MAX ((size_t)16 << 20) /* most bytes of a configuration */

/*
 * The whole of a regular file that not everybody may write, freed by the caller. LARDER_INVALID (what it is or who may
 * write it, behind a symbolic link too; too large), LARDER_IO, LARDER_NO_MEMORY.
 */
enum larder_status ldr_file_read(const char *path, char **text, size_t *length);

#endif
