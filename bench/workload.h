/*
 * What the contenders are asked for: keys, values and streams of requests, the same for all of them.
 *
 * A key is 16 printable bytes made from its number by a bijection, so that numbers that are neighbours have nothing in
 * common as keys. Which numbers are popular follows Zipf's law with exponent 0.99: the probability of rank r of n is
 * r^-0.99 over the sum of all; drawn exactly (to the precision of a double) from a table of aliases (M. Vose, "A linear
 * algorithm for generating random numbers with a given distribution", 1991). Ranks are scattered over the numbers by a
 * random permutation. All of it is made before anything is measured, from fixed seeds.
 */
#ifndef BENCH_WORKLOAD_H
#define BENCH_WORKLOAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define KEY_SIZE    16
#define THREADS_MAX 4

/*
 * One request of a stream: the number of its key, and in the upper 8 bits a die from 0 to 99. With a share of g per cent
 * of gets it is a get when the die is below g. So one stream serves every mix.
 */
#define REQUEST_NUMBER_BITS 24
#define REQUEST_NUMBER_MASK ((1u << REQUEST_NUMBER_BITS) - 1)
#define STREAM_LENGTH       (1u << 22) /* requests; then it begins again */

struct workload {
    uint32_t keys;                  /* at most REQUEST_NUMBER_MASK + 1 */
    uint32_t *streams[THREADS_MAX]; /* one a thread, of STREAM_LENGTH requests */
};

/* False when there is no memory. */
bool workload_open(struct workload *workload, uint32_t keys);
void workload_close(struct workload *workload);

/* splitmix64's output function (G. Steele and others, OOPSLA 2014): a bijection of 64 bits. */
static inline uint64_t workload_mix(uint64_t x)
{
    x += UINT64_C(0x9e3779b97f4a7c15);
    x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
    return x ^ x >> 31;
}

/* Each of 8 digits of 4 bits as one of the letters a to p. */
static inline uint64_t workload_letters(uint32_t digits)
{
    uint64_t x = digits;
    x = (x | x << 16) & UINT64_C(0x0000ffff0000ffff);
    x = (x | x << 8) & UINT64_C(0x00ff00ff00ff00ff);
    x = (x | x << 4) & UINT64_C(0x0f0f0f0f0f0f0f0f);
    return x + UINT64_C(0x6161616161616161);
}

static inline void workload_key(uint32_t number, char key[KEY_SIZE])
{
    uint64_t mixed = workload_mix(number);
    uint64_t halves[2] = {workload_letters((uint32_t)mixed), workload_letters((uint32_t)(mixed >> 32))};
    memcpy(key, halves, KEY_SIZE);
}

/* Values begin with the number of their key, so that every answer can be checked at the price of one comparison. */
static inline void workload_stamp(uint32_t number, void *value)
{
    uint64_t stamp = number + UINT64_C(1);
    memcpy(value, &stamp, sizeof stamp);
}

static inline bool workload_stamped(uint32_t number, const void *value)
{
    uint64_t stamp;
    memcpy(&stamp, value, sizeof stamp);
    return stamp == number + UINT64_C(1);
}

#endif
