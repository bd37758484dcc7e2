/* What the system says of the memory of this process and of the machine. In bytes; 0 when it cannot be read. */
#ifndef BENCH_MEMORY_H
#define BENCH_MEMORY_H

#include <stdint.h>

/* Resident now, to the page. Memory that malloc holds but nobody uses is given back first. */
uint64_t memory_resident(void);

/* The most that was ever resident since memory_reset_peak(). */
uint64_t memory_peak(void);
void memory_reset_peak(void);

/* Of the whole machine, without swapping. */
uint64_t memory_available(void);

#endif
