/* Where modules are searched for: a list of directories, and the files in them. */
#ifndef LDR_PLUGIN_SEARCH_H
#define LDR_PLUGIN_SEARCH_H

#include <stddef.h>

#include "larder/status.h"

struct ldr_search {
    char **directories;
    size_t count;
};

/* `paths`, then LARDER_PLUGIN_PATH, then the default directory. LARDER_NO_MEMORY leaves nothing behind. */
enum larder_status ldr_search_open(struct ldr_search *search, const char *const *paths, size_t path_count);
void ldr_search_close(struct ldr_search *search);

/* "DIRECTORY/SUB/NAME" or, with SUB NULL, "DIRECTORY/NAME"; to be freed. NULL with the reason in larder_last_error(). */
char *ldr_search_join(const char *directory, const char *sub, const char *name);

/* The files of a directory that end in ".so", sorted by name. A directory that is not there or cannot be read is empty. */
struct ldr_files {
    struct dirent **entries;
    size_t count;
};
enum larder_status ldr_search_files(const char *directory, struct ldr_files *files);
void ldr_search_files_free(struct ldr_files *files);

#endif
