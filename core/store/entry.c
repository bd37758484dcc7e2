#include "core/store/entry.h"

#include "core/store/heap.h"

#define CLOCK_BITS 58u
#define EPOCH_BITS (64u - CLOCK_BITS) /* of the epoch, that lie above the clock */
#define WORD       sizeof(uint64_t)
#define NS_PER_US  1000

/* The four lowest flags stand for a word each. */
static inline unsigned words(unsigned flags)
{
    return (flags & 1u) + (flags >> 1 & 1u) + (flags >> 2 & 1u) + (flags >> 3 & 1u);
}

#define BEFORE_VERSION (LDR_ENTRY_EXPIRES | LDR_ENTRY_AGING)

_Static_assert((BEFORE_VERSION | LDR_ENTRY_CLOCK | LDR_ENTRY_EPOCH) == 15, "flags of words are the lowest");

static bool ages(const struct ldr_aging *aging)
{
    return (aging->revalidate_ms | aging->error_ms | aging->ahead_us) != 0;
}

struct ldr_layout ldr_entry_layout_of(const struct ldr_put *put)
{
    unsigned flags = 0, epoch_bytes = 0;
    struct larder_version version = put->version;
    if (put->expires != LARDER_NEVER)
        flags |= ages(&put->aging) ? LDR_ENTRY_EXPIRES | LDR_ENTRY_AGING : LDR_ENTRY_EXPIRES;
    if (version.clock >> CLOCK_BITS != 0)
        flags |= LDR_ENTRY_CLOCK | LDR_ENTRY_EPOCH;
    else if ((version.clock | version.epoch) != 0)
        flags |= LDR_ENTRY_CLOCK;
    if ((put->flags & LDR_PUT_NEGATIVE) != 0)
        flags |= LDR_ENTRY_NEGATIVE;
    if ((put->flags & LDR_PUT_TOMBSTONE) != 0)
        flags |= LDR_ENTRY_TOMBSTONE;
    if ((put->flags & LDR_PUT_TRACE) != 0)
        flags |= LDR_ENTRY_TRACE;
    uint64_t rest = (flags & LDR_ENTRY_EPOCH) != 0 ? 0 : version.epoch >> EPOCH_BITS;
    if (rest != 0)
        epoch_bytes = (64u - (unsigned)__builtin_clzll(rest) + 7) / 8;
    return ldr_layout_with(flags, LDR_ENTRY_HEADER + words(flags) * (unsigned)WORD, epoch_bytes);
}

static _Atomic uint64_t *word_at(const struct ldr_entry *entry, unsigned number)
{
    return (_Atomic uint64_t *)(uintptr_t)entry->bytes + number;
}

/* Relaxed: only the time of expiry changes once the entry is there, and it stands alone. */
static uint64_t load(const struct ldr_entry *entry, unsigned number)
{
    return atomic_load_explicit(word_at(entry, number), memory_order_relaxed);
}

static void store(struct ldr_entry *entry, unsigned number, uint64_t value)
{
    atomic_store_explicit(word_at(entry, number), value, memory_order_relaxed);
}

#define AGING_BITS 21u
#define MANTISSA   16u
#define AGING_MOST UINT64_C(3155760000000) /* a hundred years of milliseconds */

static uint64_t pack(uint64_t value)
{
    value = value < AGING_MOST ? value : AGING_MOST;
    unsigned shift = value >> MANTISSA == 0 ? 0 : 64 - MANTISSA - (unsigned)__builtin_clzll(value);
    return value >> shift | (uint64_t)shift << MANTISSA;
}

static uint64_t unpack(uint64_t word, unsigned number)
{
    uint64_t packed = word >> (number * AGING_BITS);
    return (packed & ((UINT64_C(1) << MANTISSA) - 1)) << (packed >> MANTISSA & 31);
}

static uint64_t aging_word(const struct ldr_aging *aging)
{
    return pack(aging->revalidate_ms) | pack(aging->error_ms) << AGING_BITS | pack(aging->ahead_us) << 2 * AGING_BITS;
}

static void write_version(struct ldr_entry *entry, struct larder_version version, unsigned number,
                          struct ldr_layout layout)
{
    if ((ldr_layout_flags(layout) & LDR_ENTRY_EPOCH) != 0) {
        store(entry, number, version.clock);
        store(entry, number + 1, version.epoch);
    } else if ((ldr_layout_flags(layout) & LDR_ENTRY_CLOCK) != 0) {
        store(entry, number, version.epoch << CLOCK_BITS | version.clock);
        unsigned char *rest = (unsigned char *)entry + ldr_layout_epoch(layout);
        for (unsigned i = 0; i < ldr_layout_epoch_bytes(layout); i++)
            rest[i] = (unsigned char)(version.epoch >> (EPOCH_BITS + 8 * i));
    }
}

/* Times and version, which are there when a flag says so. */
static void write_words(struct ldr_entry *entry, const struct ldr_put *put, struct ldr_layout layout)
{
    unsigned flags = ldr_layout_flags(layout);
    if ((flags & LDR_ENTRY_EXPIRES) != 0)
        store(entry, 0, put->expires);
    if ((flags & LDR_ENTRY_AGING) != 0)
        store(entry, 1, aging_word(&put->aging));
    write_version(entry, put->version, words(flags & BEFORE_VERSION), layout);
}

void ldr_entry_write(struct ldr_entry *entry, const struct ldr_put *put, struct ldr_layout layout, uint32_t slot)
{
    atomic_store_explicit(&entry->slot, slot, memory_order_relaxed);
    entry->value_size = (uint32_t)put->value.size;
    entry->key_size = (uint16_t)put->key.size;
    entry->flags = ldr_layout_flags(layout);
    entry->offset = (uint8_t)(ldr_layout_epoch(layout) + ldr_layout_epoch_bytes(layout));
    atomic_store_explicit(&entry->pins, LDR_ENTRY_NEW, memory_order_relaxed);
    if (ldr_layout_flags(layout) != 0)
        write_words(entry, put, layout);
    unsigned char *key = (unsigned char *)entry + entry->offset;
    ldr_key_copy(key, put->key.data, put->key.size);
    if (put->value.size > 0)
        memcpy(key + put->key.size, put->value.data, put->value.size);
}

void ldr_entry_copy(struct ldr_entry *to, const struct ldr_entry *from)
{
    const size_t marks = offsetof(struct ldr_entry, value_size);
    atomic_store_explicit(&to->slot, atomic_load_explicit(&from->slot, memory_order_relaxed), memory_order_relaxed);
    memcpy((unsigned char *)to + marks, (const unsigned char *)from + marks, ldr_entry_size(from) - marks);
    atomic_store_explicit(&to->pins, 0, memory_order_relaxed);
}

void ldr_entry_release(struct ldr_entry *entry)
{
    if (entry == NULL)
        return;
    /*
     * Release: this thread's reads come before the cell is used again. Acquire: the last one gives back what all read.
     */
    uint32_t pins = atomic_fetch_sub_explicit(&entry->pins, 1, memory_order_acq_rel);
    if ((pins & LDR_ENTRY_ORPHAN) != 0 && (pins & LDR_ENTRY_PINS) == 1)
        ldr_heap_orphan_released(entry);
}

struct larder_slice ldr_entry_key(const struct ldr_entry *entry)
{
    return ldr_slice(ldr_entry_key_bytes(entry), entry->key_size);
}

struct larder_slice ldr_entry_value(const struct ldr_entry *entry)
{
    return ldr_slice(ldr_entry_value_bytes(entry), entry->value_size);
}

struct larder_version ldr_entry_version(const struct ldr_entry *entry)
{
    struct larder_version version = {0};
    unsigned number = words(entry->flags & BEFORE_VERSION);
    if ((entry->flags & LDR_ENTRY_CLOCK) == 0)
        return version;
    uint64_t word = load(entry, number);
    if ((entry->flags & LDR_ENTRY_EPOCH) != 0)
        return (struct larder_version){.epoch = load(entry, number + 1), .clock = word};
    version.clock = word & ((UINT64_C(1) << CLOCK_BITS) - 1);
    version.epoch = word >> CLOCK_BITS;
    const unsigned char *rest = entry->bytes + words(entry->flags) * WORD, *key = ldr_entry_key_bytes(entry);
    for (unsigned shift = EPOCH_BITS; rest < key; rest++, shift += 8)
        version.epoch |= (uint64_t)*rest << shift;
    return version;
}

uint64_t ldr_entry_expires(const struct ldr_entry *entry)
{
    return (entry->flags & LDR_ENTRY_EXPIRES) != 0 ? load(entry, 0) : LARDER_NEVER;
}

struct ldr_aging ldr_entry_aging(const struct ldr_entry *entry)
{
    if ((entry->flags & LDR_ENTRY_AGING) == 0)
        return (struct ldr_aging){0};
    uint64_t word = load(entry, 1);
    return (struct ldr_aging){unpack(word, 0), unpack(word, 1), unpack(word, 2)};
}

uint64_t ldr_entry_end(const struct ldr_entry *entry)
{
    uint64_t expires = ldr_entry_expires(entry);
    struct ldr_aging aging = ldr_entry_aging(entry);
    uint64_t window = aging.revalidate_ms > aging.error_ms ? aging.revalidate_ms : aging.error_ms;
    return window >= (LARDER_NEVER - expires) / LARDER_NS_PER_MS ? LARDER_NEVER : expires + window * LARDER_NS_PER_MS;
}

enum ldr_age ldr_entry_age(const struct ldr_entry *entry, uint64_t now)
{
    uint64_t expires = ldr_entry_expires(entry);
    if (now >= expires)
        return now < ldr_entry_end(entry) ? LDR_STALE : LDR_PAST;
    if ((entry->flags & LDR_ENTRY_AGING) == 0)
        return LDR_FRESH;
    return (expires - now) / NS_PER_US < LDR_RIPE_TIMES * unpack(load(entry, 1), 2) ? LDR_RIPE : LDR_FRESH;
}

bool ldr_entry_set_expires(struct ldr_entry *entry, uint64_t expires)
{
    if ((entry->flags & LDR_ENTRY_EXPIRES) == 0)
        return expires == LARDER_NEVER;
    store(entry, 0, expires);
    return true;
}

bool ldr_entry_negative(const struct ldr_entry *entry)
{
    return (entry->flags & LDR_ENTRY_NEGATIVE) != 0;
}

bool ldr_entry_tombstone(const struct ldr_entry *entry)
{
    return (entry->flags & LDR_ENTRY_TOMBSTONE) != 0;
}

bool ldr_entry_trace(const struct ldr_entry *entry)
{
    return (entry->flags & LDR_ENTRY_TRACE) != 0;
}
