/* Allocations that fail on demand. The linker leads the transport's malloc, calloc and realloc here (--wrap). */
#ifndef TESTS_TRANSPORT_FAIL_H
#define TESTS_TRANSPORT_FAIL_H

#include <stddef.h>

/* From now on every Nth allocation fails; 0: none. */
void fail_every(unsigned n);

/* How many failed so far. */
size_t failed_allocations(void);

/* For the host itself. */
void *unfailing_malloc(size_t size);

#endif
