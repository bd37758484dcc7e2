/* A line on standard error that shows how far a long run is. In a pipe there is none. */
#ifndef CLI_PROGRESS_H
#define CLI_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

/* Whether standard error is a terminal. */
bool progress_wanted(void);

/* fraction: 0 to 1, or negative when nobody knows. */
void progress_show(double fraction, uint64_t requests, double seconds);
void progress_show_step(double fraction, const char *step); /* what is done at the moment */
void progress_clear(void);

#endif
