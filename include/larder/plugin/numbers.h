/* Numbers as messages between members have them: little-endian whatever the machine, at any address. */
#ifndef LARDER_PLUGIN_NUMBERS_H
#define LARDER_PLUGIN_NUMBERS_H

#include <stdint.h>

/* Each by bytes, which compilers make one store or load of. */
static inline void larder_put16(unsigned char *at, uint16_t number)
{
    at[0] = (unsigned char)number;
    at[1] = (unsigned char)(number >> 8);
}

static inline void larder_put32(unsigned char *at, uint32_t number)
{
    larder_put16(at, (uint16_t)number);
    larder_put16(at + 2, (uint16_t)(number >> 16));
}

static inline void larder_put64(unsigned char *at, uint64_t number)
{
    larder_put32(at, (uint32_t)number);
    larder_put32(at + 4, (uint32_t)(number >> 32));
}

static inline uint16_t larder_get16(const unsigned char *at)
{
    return (uint16_t)(at[0] | at[1] << 8);
}

static inline uint32_t larder_get32(const unsigned char *at)
{
    return larder_get16(at) | (uint32_t)larder_get16(at + 2) << 16;
}

static inline uint64_t larder_get64(const unsigned char *at)
{
    return larder_get32(at) | (uint64_t)larder_get32(at + 4) << 32;
}

#endif
