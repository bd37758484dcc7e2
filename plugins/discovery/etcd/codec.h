/* What etcd's JSON gateway makes of its messages: bytes are base64, numbers of 64 bits are strings, what is zero is left out. */
#ifndef DISCOVERY_ETCD_CODEC_H
#define DISCOVERY_ETCD_CODEC_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* In new memory, NUL-terminated; NULL: out of memory. */
char *etcd_base64(const void *data, size_t size);
/* In new memory, with a NUL behind the last byte; NULL: it is no base64 (RFC 4648, section 4), or out of memory. */
char *etcd_unbase64(const char *text, size_t length, size_t *size);

/* A number of the object, as a string or as a number; 0 when it is absent or none. */
int64_t etcd_number(const json_t *object, const char *name);
/* header.revision of an answer; 0: none. */
uint64_t etcd_revision(const json_t *answer);
/* The list of the object under that name; NULL: none, as after a request that found nothing. */
const json_t *etcd_array(const json_t *object, const char *name);
/* The answer of operation `index` of a transaction, of the given kind; NULL: there is none. */
const json_t *etcd_response(const json_t *answer, size_t index, const char *kind);

/* A key with its value, decoded. */
struct etcd_kv {
    char *key, *value; /* owned; NUL-terminated, and may have NULs within */
    size_t key_size, value_size;
    uint64_t created, modified; /* revisions */
    int64_t lease;              /* 0: none */
};

/* False: it is none, or out of memory. `object` may be NULL. */
bool etcd_kv_read(struct etcd_kv *kv, const json_t *object);
/* The first of an answer to a range; false: there is none, or as above. */
bool etcd_kv_first(struct etcd_kv *kv, const json_t *range);
void etcd_kv_free(struct etcd_kv *kv); /* zeroed is fine */

#endif
