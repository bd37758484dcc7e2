/* The rows of hostile keys: are keys that collide under a ring's hash as fast in our store as any others? */
#ifndef BENCH_HOSTILE_H
#define BENCH_HOSTILE_H

#include "bench/report.h"
#include "bench/settings.h"

void hostile_plan(const struct settings *settings, struct report *report);

/* False when a key was not stored or not found. */
bool hostile_run(const struct settings *settings, struct report *report);

#endif
