/*
 * Whether nobody but root, this user and the members of its group can put code into this process through a file or
 * directory.
 */
#ifndef LDR_PLUGIN_TRUST_H
#define LDR_PLUGIN_TRUST_H

#include <stdbool.h>

#include "larder/status.h"

/*
 * LARDER_OK with *there false: nothing is at `path`. LARDER_INVALID: it is no directory, others may write in it, or it
 * belongs to neither root nor this user. Symbolic links are followed; what they lead to counts.
 */
enum larder_status ldr_trust_directory(const char *path, bool *there);

/*
 * The same for a file and the directory that holds it, both after following links. A directory in which others may
 * write but not replace files of this user (/tmp) passes here. *resolved is the path without links, to be freed.
 */
enum larder_status ldr_trust_file(const char *path, char **resolved);

#endif
