/* Allocations of the module and of jansson, of which some fail; see --wrap in CMakeLists.txt. */
#ifndef TESTS_ETCD_FAIL_H
#define TESTS_ETCD_FAIL_H

#include <stdbool.h>
#include <stddef.h>

/* Whether allocations of this thread are let alone; what it was before. Threads begin with `false`. */
bool fail_exempt(bool exempt);

void fail_one(size_t number);   /* the allocation of that number, from 0, counted from here */
void fail_every(size_t number); /* each of so many */
size_t fail_no_more(void);      /* how many have failed since then */

/* For libraries that can be told. */
void *fail_malloc(size_t size);
void fail_free(void *memory);

#endif
