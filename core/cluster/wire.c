#include "core/cluster/wire.h"

#include <stdlib.h>

#include "core/base/fail.h"
#include "larder/plugin/numbers.h"

#define VERSION    2
#define MEMBERS    100000 /* most that a list from a peer may have */
#define CLOCK_MOST (UINT64_C(1) << 62)

/* ------------------------------------------------------------------------------------------------ header */

/* What the receiver stores, unless it comes too late. */
static bool is_of_copies(enum ldr_exchange kind)
{
    return kind == LDR_EXCHANGE_REPLICATE || kind == LDR_EXCHANGE_PUSH;
}

void ldr_header_encode(const struct ldr_header *header, unsigned char bytes[LDR_HEADER_SIZE])
{
    bytes[0] = VERSION;
    bytes[1] = (unsigned char)header->kind;
    larder_put16(bytes + 2, (uint16_t)header->flags);
    larder_put32(bytes + 4, header->items);
    larder_put64(bytes + 8, header->boot);
    larder_put64(bytes + 16, header->stamp);
    larder_put64(bytes + 24, header->budget);
    larder_put64(bytes + 32, header->id);
    larder_put64(bytes + 40, is_of_copies(header->kind) ? header->wait : header->floor.epoch);
    larder_put64(bytes + 48, header->floor.clock);
}

void ldr_header_flag(void *bytes, uint32_t flags)
{
    if (bytes != NULL)
        larder_put16((unsigned char *)bytes + 2, (uint16_t)(larder_get16((unsigned char *)bytes + 2) | flags));
}

bool ldr_header_decode(struct larder_slice slice, struct ldr_header *header)
{
    const unsigned char *bytes = slice.data;
    *header = (struct ldr_header){0};
    if (slice.size == 0)
        return true;
    if (slice.size < LDR_HEADER_SIZE || bytes[0] != VERSION || bytes[1] > LDR_EXCHANGE_SUMS)
        return false;
    *header = (struct ldr_header){
        .kind = (enum ldr_exchange)bytes[1],
        .flags = larder_get16(bytes + 2),
        .items = larder_get32(bytes + 4),
        .boot = larder_get64(bytes + 8),
        .stamp = larder_get64(bytes + 16),
        .budget = larder_get64(bytes + 24),
        .id = larder_get64(bytes + 32),
        .list = {bytes + LDR_HEADER_SIZE, slice.size - LDR_HEADER_SIZE},
    };
    if (is_of_copies(header->kind))
        header->wait = larder_get64(bytes + 40);
    else
        header->floor = (struct larder_version){larder_get64(bytes + 40), larder_get64(bytes + 48)};
    return true;
}

/* ------------------------------------------------------------------------------------------------ member lists */

/*
 * u64 epoch, u32 members; each: u64 incarnation, u32 weight, u8 leaving, and as texts, which are a u8 of their length and
 * their bytes: name, zone; u8 addresses; each: transport, address.
 */
static void append_text(struct ldr_buffer *buffer, const char *text)
{
    size_t size = text == NULL ? 0 : strlen(text);
    unsigned char length = (unsigned char)(size < UINT8_MAX ? size : UINT8_MAX);
    ldr_buffer_append(buffer, &length, 1);
    ldr_buffer_append(buffer, text == NULL ? "" : text, length);
}

void ldr_list_encode(struct ldr_buffer *buffer, uint64_t epoch, const struct larder_member *members, size_t count)
{
    unsigned char head[13];
    larder_put64(head, epoch);
    larder_put32(head + 8, (uint32_t)count);
    ldr_buffer_append(buffer, head, 12);
    for (size_t i = 0; i < count; i++) {
        const struct larder_member *member = &members[i];
        larder_put64(head, member->incarnation);
        larder_put32(head + 8, member->weight);
        head[12] = member->leaving;
        ldr_buffer_append(buffer, head, sizeof head);
        append_text(buffer, member->name);
        append_text(buffer, member->zone);
        unsigned char addresses = (unsigned char)(member->address_count < 16 ? member->address_count : 16);
        ldr_buffer_append(buffer, &addresses, 1);
        for (size_t j = 0; j < addresses; j++) {
            append_text(buffer, member->addresses[j].transport);
            append_text(buffer, member->addresses[j].address);
        }
    }
}

/* Reads a list twice: once to measure and check it, once to fill it in. */
struct reader {
    const unsigned char *at;
    size_t left;
    bool good;
    char *texts;                      /* NULL: only measure */
    struct larder_address *addresses; /* likewise */
    size_t text_bytes, address_count;
};

static const unsigned char *take(struct reader *reader, size_t size)
{
    static const unsigned char nothing[16];
    if (size > reader->left)
        reader->good = false;
    if (!reader->good)
        return nothing;
    const unsigned char *at = reader->at;
    reader->at += size;
    reader->left -= size;
    return at;
}

static const char *take_text(struct reader *reader)
{
    size_t size = *take(reader, 1);
    const unsigned char *bytes = take(reader, size);
    if (!reader->good || memchr(bytes, '\0', size) != NULL) {
        reader->good = false;
        return "";
    }
    char *text = reader->texts;
    reader->text_bytes += size + 1;
    if (text == NULL)
        return "";
    memcpy(text, bytes, size);
    text[size] = '\0';
    reader->texts += size + 1;
    return text;
}

static void read_member(struct reader *reader, struct larder_member *member)
{
    const unsigned char *head = take(reader, 13);
    *member = (struct larder_member){.incarnation = larder_get64(head),
                                     .weight = larder_get32(head + 8),
                                     .leaving = head[12] != 0,
                                     .addresses = reader->addresses};
    member->name = take_text(reader);
    member->zone = take_text(reader);
    member->address_count = *take(reader, 1);
    for (size_t i = 0; i < member->address_count && reader->good; i++) {
        struct larder_address address = {.transport = take_text(reader)};
        address.address = take_text(reader);
        reader->address_count++;
        if (reader->addresses != NULL)
            *reader->addresses++ = address;
    }
}

enum larder_status ldr_list_decode(struct larder_slice bytes, struct ldr_list *list)
{
    *list = (struct ldr_list){0};
    struct reader first = {.at = bytes.data, .left = bytes.size, .good = true};
    const unsigned char *head = take(&first, 12);
    list->epoch = larder_get64(head);
    size_t count = larder_get32(head + 8);
    struct reader second = first;
    struct larder_member scratch;
    for (size_t i = 0; i < count && i <= MEMBERS && first.good; i++)
        read_member(&first, &scratch);
    if (!first.good || first.left != 0 || count == 0 || count > MEMBERS)
        return ldr_fail(LARDER_INVALID, "member list of a peer: got %zu bytes that make no sense", bytes.size);
    size_t members = count * sizeof *list->members, addresses = first.address_count * sizeof *second.addresses;
    char *memory = calloc(1, members + addresses + first.text_bytes);
    if (memory == NULL)
        return ldr_fail_memory();
    list->memory = memory;
    list->members = (struct larder_member *)(void *)memory;
    second.addresses = (struct larder_address *)(void *)(memory + members);
    second.texts = memory + members + addresses;
    for (size_t i = 0; i < count; i++)
        read_member(&second, &list->members[i]);
    list->count = count;
    return LARDER_OK;
}

void ldr_list_free(struct ldr_list *list)
{
    free(list->memory);
    *list = (struct ldr_list){0};
}

/* ------------------------------------------------------------------------------------------------ batches */

#define OFFER_HEAD 18
#define COPY_HEAD  31

/* u16 bytes of the key, u64 epoch and clock of the version, key. */
void ldr_offer_encode(struct ldr_buffer *buffer, const struct ldr_wire_copy *copy)
{
    unsigned char head[OFFER_HEAD];
    larder_put16(head, (uint16_t)copy->key.size);
    larder_put64(head + 2, copy->version.epoch);
    larder_put64(head + 10, copy->version.clock);
    ldr_buffer_append(buffer, head, sizeof head);
    ldr_buffer_append(buffer, copy->key.data, copy->key.size);
}

static bool take_slice(struct larder_slice *rest, size_t size, struct larder_slice *taken)
{
    if (size > rest->size)
        return false;
    *taken = ldr_slice(rest->data, size);
    rest->data = (const unsigned char *)rest->data + size;
    rest->size -= size;
    return true;
}

static bool version_good(struct larder_version version)
{
    return version.clock < CLOCK_MOST;
}

bool ldr_offer_decode(struct larder_slice *rest, struct ldr_wire_copy *copy)
{
    struct larder_slice at = *rest, head;
    *copy = (struct ldr_wire_copy){0};
    if (!take_slice(&at, OFFER_HEAD, &head))
        return false;
    const unsigned char *bytes = head.data;
    copy->version = (struct larder_version){larder_get64(bytes + 2), larder_get64(bytes + 10)};
    if (!take_slice(&at, larder_get16(bytes), &copy->key) || copy->key.size == 0 || !version_good(copy->version))
        return false;
    *rest = at;
    return true;
}

/* As above, then u8 flags (1 negative, 2 tombstone), u32 bytes of the value, i64 ttl; key, value. */
void ldr_copy_encode(struct ldr_buffer *buffer, const struct ldr_wire_copy *copy)
{
    unsigned char head[COPY_HEAD];
    larder_put16(head, (uint16_t)copy->key.size);
    larder_put64(head + 2, copy->version.epoch);
    larder_put64(head + 10, copy->version.clock);
    head[18] = (unsigned char)(copy->negative | copy->tombstone << 1);
    larder_put32(head + 19, (uint32_t)copy->value.size);
    larder_put64(head + 23, (uint64_t)copy->ttl_ms);
    ldr_buffer_append(buffer, head, sizeof head);
    ldr_buffer_append(buffer, copy->key.data, copy->key.size);
    ldr_buffer_append(buffer, copy->value.data, copy->value.size);
}

bool ldr_copy_decode(struct larder_slice *rest, struct ldr_wire_copy *copy)
{
    struct larder_slice at = *rest, head;
    *copy = (struct ldr_wire_copy){0};
    if (!take_slice(&at, COPY_HEAD, &head))
        return false;
    const unsigned char *bytes = head.data;
    copy->version = (struct larder_version){larder_get64(bytes + 2), larder_get64(bytes + 10)};
    copy->negative = (bytes[18] & 1) != 0;
    copy->tombstone = (bytes[18] & 2) != 0;
    copy->ttl_ms = (int64_t)larder_get64(bytes + 23);
    if (!take_slice(&at, larder_get16(bytes), &copy->key) || !take_slice(&at, larder_get32(bytes + 19), &copy->value) ||
        copy->key.size == 0 || !version_good(copy->version) ||
        ((copy->negative || copy->tombstone) && copy->value.size > 0) ||
        (copy->ttl_ms != LARDER_TTL_NONE && (copy->ttl_ms < 0 || copy->ttl_ms > LARDER_TTL_MAX)))
        return false;
    *rest = at;
    return true;
}

/* ------------------------------------------------------------------------------------------------ sums of ranges */

#define SUMS_HEAD 12

void ldr_sums_encode(struct ldr_buffer *buffer, const uint32_t at[3], const uint64_t *sums, uint32_t ranges)
{
    unsigned char head[SUMS_HEAD], bytes[8];
    for (size_t i = 0; i < 3; i++)
        larder_put32(head + 4 * i, at[i]);
    ldr_buffer_append(buffer, head, sizeof head);
    for (uint32_t i = 0; i < ranges; i++) {
        larder_put64(bytes, sums[i]);
        ldr_buffer_append(buffer, bytes, sizeof bytes);
    }
}

bool ldr_sums_decode(struct larder_slice bytes, uint32_t ranges, struct ldr_wire_sums *sums)
{
    const unsigned char *at = bytes.data;
    *sums = (struct ldr_wire_sums){.ranges = ranges};
    if (bytes.size != SUMS_HEAD + (size_t)ranges * 8)
        return false;
    for (size_t i = 0; i < 3; i++)
        sums->at[i] = larder_get32(at + 4 * i);
    sums->sums = at + SUMS_HEAD;
    return true;
}

uint64_t ldr_sum_of_range(const struct ldr_wire_sums *sums, uint32_t range)
{
    return larder_get64(sums->sums + (size_t)range * 8);
}
