/* Runs one check in a process of its own, which may crash, hang or end as it likes. */
#ifndef CLI_CHECK_RUN_H
#define CLI_CHECK_RUN_H

#include "check_list.h"

/*
 * The verdict, and the reason or a note, are on the board afterwards. `tick` is called several times a second. False:
 * there is no process to be had, and the board says nothing.
 */
bool check_run(const struct check *check, const char *path, uint64_t seed, void (*tick)(void *arg), void *arg);

#endif
