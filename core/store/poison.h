/* Free cells under AddressSanitizer: reading one is an error. Nothing without it. */
#ifndef LDR_STORE_POISON_H
#define LDR_STORE_POISON_H

#include <stddef.h>

#if defined(__SANITIZE_ADDRESS__)
#define LDR_POISONS 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define LDR_POISONS 1
#endif
#endif

#ifdef LDR_POISONS
#include <sanitizer/asan_interface.h>
#endif

static inline void ldr_poison(void *address, size_t size)
{
#ifdef LDR_POISONS
    ASAN_POISON_MEMORY_REGION(address, size);
#else
    (void)address;
    (void)size;
#endif
}

static inline void ldr_unpoison(void *address, size_t size)
{
#ifdef LDR_POISONS
    ASAN_UNPOISON_MEMORY_REGION(address, size);
#else
    (void)address;
    (void)size;
#endif
}

#endif
