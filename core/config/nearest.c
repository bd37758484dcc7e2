#include <string.h>

#include "core/config/units.h"

#define NAME_MAX_LENGTH 64 /* longer names are not typing errors of a setting's name */

static unsigned smaller(unsigned a, unsigned b)
{
    return a < b ? a : b;
}

/* Edit distance with insertions, deletions, replacements and swaps of neighbours, one each. */
static unsigned distance(const char *a, size_t a_length, const char *b, size_t b_length)
{
    unsigned rows[3][NAME_MAX_LENGTH + 1];
    unsigned *before = rows[0], *last = rows[1], *row = rows[2];
    for (unsigned j = 0; j <= b_length; j++)
        last[j] = j;
    for (unsigned i = 1; i <= a_length; i++) {
        row[0] = i;
        for (unsigned j = 1; j <= b_length; j++) {
            row[j] = smaller(smaller(last[j], row[j - 1]) + 1, last[j - 1] + (a[i - 1] != b[j - 1]));
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                row[j] = smaller(row[j], before[j - 2] + 1);
        }
        unsigned *spare = before;
        before = last;
        last = row;
        row = spare;
    }
    return last[b_length];
}

const char *ldr_nearest(const char *name, const char *const *names, unsigned count)
{
    const char *nearest = NULL;
    unsigned best = 0;
    size_t length = strnlen(name, NAME_MAX_LENGTH + 1);
    if (length > NAME_MAX_LENGTH)
        return NULL;
    for (unsigned i = 0; i < count; i++) {
        size_t other = strnlen(names[i], NAME_MAX_LENGTH + 1);
        if (other > NAME_MAX_LENGTH)
            continue;
        unsigned found = distance(name, length, names[i], other);
        if (found <= (length > other ? length : other) / 3 && (nearest == NULL || found < best)) {
            nearest = names[i];
            best = found;
        }
    }
    return nearest;
}
