/* The members of the tables and structs that a stable ABI promises, as the header of one time has them. */
#ifndef TESTS_ABI_LAYOUT_H
#define TESTS_ABI_LAYOUT_H

#include <stdbool.h>
#include <stdint.h>

struct layout_row {
    const char *name; /* of a member, of a struct whose size counts, or of a constant; NULL: the end */
    uint64_t value;   /* the member's offset, the struct's size, or the constant */
    uint64_t size;    /* of the member; else 0 */
    bool typed;       /* the member has the type that modules were compiled for */
};

extern const struct layout_row layout_kept[], layout_today[];

#endif
