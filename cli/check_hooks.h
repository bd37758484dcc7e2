/* What malloc and its kin become in a module that is checked: see check_memory.h. Any thread. */
#ifndef CLI_CHECK_HOOKS_H
#define CLI_CHECK_HOOKS_H

#include <stdbool.h>
#include <stddef.h>

void *check_allocate(size_t size, size_t alignment, bool zeroed);
void check_free(void *place);
bool check_allocated(const void *place, size_t *size);

#endif
