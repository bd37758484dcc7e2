/*
 * Rejection-inversion (W. Hörmann, G. Derflinger, 1996): draws from the area under 1 / x^s, which has a formula, and
 * rejects what lies outside of the steps. It needs no table, so there may be any number of keys.
 */
#include "random_keys.h"

#include <math.h>

/* SplitMix64: each state leads to the next by one addition, mixed on the way out. */
static uint64_t next_bits(uint64_t *state)
{
    uint64_t bits = *state += UINT64_C(0x9e3779b97f4a7c15);
    bits = (bits ^ (bits >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    bits = (bits ^ (bits >> 27)) * UINT64_C(0x94d049bb133111eb);
    return bits ^ (bits >> 31);
}

double random_unit(struct random_keys *keys)
{
    return (double)(next_bits(&keys->state) >> 11) * 0x1p-53;
}

/* The area under 1 / x^s from 1 to x. */
static double area(double x, double s)
{
    double rest = 1 - s, log_x = log(x);
    return fabs(rest * log_x) < 1e-8 ? log_x : expm1(rest * log_x) / rest;
}

static double area_inverse(double y, double s)
{
    double rest = 1 - s, scaled = rest * y;
    if (scaled < -1)
        scaled = -1; /* rounding at the far end */
    return exp(fabs(scaled) < 1e-8 ? y : log1p(scaled) / rest);
}

static double height(double x, double s)
{
    return exp(-s * log(x));
}

void random_keys_init(struct random_keys *keys, uint64_t count, double s, uint64_t seed)
{
    *keys = (struct random_keys){.state = seed, .count = (double)count, .s = s};
    keys->low = area(1.5, s) - 1;
    keys->high = area((double)count + 0.5, s);
    keys->sure_below = 2 - area_inverse(area(2.5, s) - height(2, s), s);
}

uint64_t random_keys_next(struct random_keys *keys)
{
    for (;;) {
        double y = keys->high + random_unit(keys) * (keys->low - keys->high), x = area_inverse(y, keys->s);
        double rank = floor(x + 0.5);
        rank = rank < 1 ? 1 : rank > keys->count ? keys->count : rank;
        if (rank - x <= keys->sure_below || y >= area(rank + 0.5, keys->s) - height(rank, keys->s))
            return (uint64_t)rank;
    }
}
