/* Random ranks, some preferred: rank k with a probability in proportion to 1 / k^s, as Zipf found for words. */
#ifndef CLI_RANDOM_KEYS_H
#define CLI_RANDOM_KEYS_H

#include <stdint.h>

struct random_keys {
    uint64_t state;    /* of the generator */
    double count, s;   /* ranks, exponent */
    double low, high;  /* between which a point under the curve is drawn */
    double sure_below; /* so near to a rank that no further look is needed */
};

void random_keys_init(struct random_keys *keys, uint64_t count, double s, uint64_t seed);
double random_unit(struct random_keys *keys);        /* 0 <= x < 1 */
uint64_t random_keys_next(struct random_keys *keys); /* 1 to count */

#endif
