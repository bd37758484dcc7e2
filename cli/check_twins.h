/* Two states of a module that are treated alike must choose alike: what some checks compare. */
#ifndef CLI_CHECK_TWINS_H
#define CLI_CHECK_TWINS_H

#include "check_list.h"
#include "check_walk.h"

/*
 * Whether a process that makes the first walk of check_walks() gets what that one got. It does not when the module's
 * choices are random: then there is nothing to compare, which is noted. To be called before any other state is opened.
 */
bool check_repeats(const struct check_subject *subject);

/* The first walk of check_walks(), repeated: what tells its victims. */
uint64_t check_first_walk(const struct check_subject *subject);

#endif
