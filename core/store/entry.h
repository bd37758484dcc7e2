/*
 * An entry: a header, then the key, then the value, in a cell of the slab. Entries never change but for the members
 * that are atomic, so that readers take no lock; a new value is a new entry.
 *
 *     0        4        8            12         14      15       16
 *     | slot   | pins   | value_size | key_size | flags | offset | words ... | epoch | key | value |
 *
 * The words, 8 bytes each and there only when a flag says so, in this order: time of expiry, aging, clock, epoch of the
 * version.
 *
 * The word of aging has the three numbers of struct ldr_aging in 21 bits each, as 16 bits to be shifted left by 5: rounded
 * down by less than one part in 32,768.
 *
 * A version takes as few bytes as it needs. The clock counts milliseconds since 1970 in 42 bits (until 2109) over a
 * counter of 16, which leaves 6 bits of its word: they hold the lower 6 bits of the epoch. What is above them, if
 * anything, follows the words in as many bytes as it has, lowest first: those between the last word and the key. Only a
 * clock beyond 58 bits has a word to itself, and the epoch another one.
 */
#ifndef LDR_STORE_ENTRY_H
#define LDR_STORE_ENTRY_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/bytes.h"
#include "core/store/store.h"
#include "larder/plugin/runtime.h"

enum ldr_entry_flags {
    LDR_ENTRY_EXPIRES = 1u << 0,
    LDR_ENTRY_AGING = 1u << 1, /* with LDR_ENTRY_EXPIRES only */
    LDR_ENTRY_CLOCK = 1u << 2,
    LDR_ENTRY_EPOCH = 1u << 3, /* with LDR_ENTRY_CLOCK only: the epoch has a word */
    LDR_ENTRY_NEGATIVE = 1u << 4,
    LDR_ENTRY_TOMBSTONE = 1u << 5, /* with LDR_ENTRY_NEGATIVE */
    LDR_ENTRY_TRACE = 1u << 6      /* likewise */
};

struct ldr_entry {
    /*
     * While resident: the slot by which the policy knows it. Afterwards the slab's link, so that a late reader finds
     * nonsense here, which it must expect.
     */
    _Atomic uint32_t slot;
    _Atomic uint32_t pins; /* readers that hold it beyond their section, and the marks below */
    uint32_t value_size;
    uint16_t key_size;
    uint8_t flags;
    uint8_t offset; /* of the key, from the start of the entry */
    unsigned char bytes[];
};

#define LDR_ENTRY_HEADER 16u
#define LDR_ENTRY_ALIGN  8u

/* Marks in `pins`. */
#define LDR_ENTRY_ORPHAN UINT32_C(0x80000000) /* its store is closed: the last release gives the heap back */
#define LDR_ENTRY_NEW    UINT32_C(0x40000000) /* taken and not published yet: it is not moved */
#define LDR_ENTRY_PINS   UINT32_C(0x3fffffff) /* the count */
#define LDR_ENTRY_FREE   UINT32_MAX           /* not an entry: a cell that is free */

_Static_assert(sizeof(struct ldr_entry) == LDR_ENTRY_HEADER, "the header of an entry is 16 bytes");

/* A reference to an entry: its distance from the base of the entries in units of LDR_ENTRY_ALIGN << shift. 0: none. */
typedef uint32_t ldr_ref;

/* Where the entries of a store are. Never changes while the store is open. */
struct ldr_place {
    unsigned char *base;
    unsigned shift; /* 3 for references in units of 8 bytes, which reach 32 GiB; more for larger stores */
};

static inline struct ldr_entry *ldr_entry_at(struct ldr_place place, ldr_ref ref)
{
    return (struct ldr_entry *)(void *)(place.base + ((size_t)ref << place.shift));
}

static inline const unsigned char *ldr_entry_key_bytes(const struct ldr_entry *entry)
{
    return (const unsigned char *)entry + entry->offset;
}

static inline const unsigned char *ldr_entry_value_bytes(const struct ldr_entry *entry)
{
    return ldr_entry_key_bytes(entry) + entry->key_size;
}

/*
 * Inside a section of LDR_EPOCH_STORE, or under the shard's lock. Relaxed: whoever reclaims the cell looks at the count
 * after the section has ended, and sees it.
 */
static inline void ldr_entry_pin(struct ldr_entry *entry)
{
    atomic_fetch_add_explicit(&entry->pins, 1, memory_order_relaxed);
}

/*
 * Where the parts before the key are. One number, as three bytes that are written one by one and then copied together would
 * have the processor wait until all that was stored before them has left its buffers.
 */
struct ldr_layout {
    uint32_t parts; /* the flags, above them where the words end, above that how many bytes of the epoch follow */
};

static inline struct ldr_layout ldr_layout_with(unsigned flags, unsigned epoch, unsigned epoch_bytes)
{
    return (struct ldr_layout){flags | epoch << 8 | epoch_bytes << 16};
}

static inline uint8_t ldr_layout_flags(struct ldr_layout layout)
{
    return (uint8_t)layout.parts;
}

/* What follows the words, in bytes from the start of the entry. */
static inline uint8_t ldr_layout_epoch(struct ldr_layout layout)
{
    return (uint8_t)(layout.parts >> 8);
}

static inline uint8_t ldr_layout_epoch_bytes(struct ldr_layout layout)
{
    return (uint8_t)(layout.parts >> 16);
}

/* Of the entry of a put. */
static inline struct ldr_layout ldr_entry_layout(const struct ldr_put *put);

/* The bytes that it takes. The caller has checked that key and value are not larger than their fields. */
static inline size_t ldr_entry_bytes_of(const struct ldr_put *put, struct ldr_layout layout);

/*
 * Writes a whole entry into a cell of at least ldr_entry_bytes_of() that no reader can see; without the shard's lock,
 * too. It stays marked LDR_ENTRY_NEW until `pins` is set to 0, under the lock, right before the release store that puts
 * its reference into the index.
 */
void ldr_entry_write(struct ldr_entry *entry, const struct ldr_put *put, struct ldr_layout layout, uint32_t slot);

/* Makes `to`, which no reader can see, the same entry, with no pins and no marks. Under the shard's lock. */
void ldr_entry_copy(struct ldr_entry *to, const struct ldr_entry *from);

/* Changes the time of expiry where there is a word for it. False: there is none, it takes a new entry. */
bool ldr_entry_set_expires(struct ldr_entry *entry, uint64_t expires);

/* When it goes by itself: after its time of expiry, and the longer of its windows. LARDER_NEVER: never. */
uint64_t ldr_entry_end(const struct ldr_entry *entry);

/* The layout with a version, a time of expiry or a flag. */
struct ldr_layout ldr_entry_layout_of(const struct ldr_put *put);

static inline struct ldr_layout ldr_entry_layout(const struct ldr_put *put)
{
    if ((put->version.clock | put->version.epoch) == 0 && put->expires == LARDER_NEVER &&
        (put->flags & (LDR_PUT_NEGATIVE | LDR_PUT_TOMBSTONE)) == 0)
        return ldr_layout_with(0, LDR_ENTRY_HEADER, 0);
    return ldr_entry_layout_of(put);
}

static inline size_t ldr_entry_bytes_of(const struct ldr_put *put, struct ldr_layout layout)
{
    return (size_t)ldr_layout_epoch(layout) + ldr_layout_epoch_bytes(layout) + put->key.size + put->value.size;
}

/* All bytes of the entry. */
static inline size_t ldr_entry_size(const struct ldr_entry *entry)
{
    return (size_t)entry->offset + entry->key_size + entry->value_size;
}

static inline uint64_t ldr_key_word(const unsigned char *bytes)
{
    uint64_t word;
    memcpy(&word, bytes, sizeof word);
    return word;
}

/*
 * Whether two keys of the same size, of at least one byte, are equal. Without memcmp(): most keys are so short that a
 * call, and the registers saved for it, would cost more than comparing.
 */
static inline bool ldr_key_equal(const unsigned char *a, const unsigned char *b, size_t size)
{
    if (size < sizeof(uint64_t)) {
        unsigned differ = 0;
        for (size_t i = 0; i < size; i++)
            differ |= (unsigned)(a[i] ^ b[i]);
        return differ == 0;
    }
    /* By words; the last one ends where the keys end and may overlap the one before. */
    size_t last = size - sizeof(uint64_t);
    if (((ldr_key_word(a) ^ ldr_key_word(b)) | (ldr_key_word(a + last) ^ ldr_key_word(b + last))) != 0)
        return false;
    for (size_t i = sizeof(uint64_t); i < last; i += sizeof(uint64_t)) {
        if (ldr_key_word(a + i) != ldr_key_word(b + i))
            return false;
    }
    return true;
}

/* Copies a key, of at least one byte, without a call as well. */
static inline void ldr_key_copy(unsigned char *to, const unsigned char *from, size_t size)
{
    if (size < sizeof(uint64_t) || size > 4 * sizeof(uint64_t)) {
        memcpy(to, from, size);
        return;
    }
    size_t last = size - sizeof(uint64_t);
    for (size_t i = 0; i < last; i += sizeof(uint64_t))
        memcpy(to + i, from + i, sizeof(uint64_t));
    memcpy(to + last, from + last, sizeof(uint64_t));
}

static inline bool ldr_entry_is(const struct ldr_entry *entry, struct larder_slice key)
{
    return entry->key_size == key.size && ldr_key_equal(ldr_entry_key_bytes(entry), key.data, key.size);
}

#endif
