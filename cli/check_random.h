/* Random numbers of the checks: SplitMix64, so that a seed gives the same walk everywhere. */
#ifndef CLI_CHECK_RANDOM_H
#define CLI_CHECK_RANDOM_H

#include <stdint.h>

static inline uint64_t check_mix(uint64_t bits)
{
    bits = (bits ^ (bits >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    bits = (bits ^ (bits >> 27)) * UINT64_C(0x94d049bb133111eb);
    return bits ^ (bits >> 31);
}

static inline uint64_t check_random(uint64_t *state)
{
    return check_mix(*state += UINT64_C(0x9e3779b97f4a7c15));
}

/* 0 to below - 1; `below` is at least 1. */
static inline uint32_t check_random_below(uint64_t *state, uint32_t below)
{
    return (uint32_t)(((check_random(state) >> 32) * below) >> 32);
}

#endif
