/* The bodies of requests. All functions give NULL when memory is short, and take NULL from one another for that. */
#ifndef DISCOVERY_ETCD_REQUEST_H
#define DISCOVERY_ETCD_REQUEST_H

#include <jansson.h>
#include <stdint.h>

/* Room for a number of 64 bits as requests have it. */
#define ETCD_NUMBER 24

/* Writes the number as text and returns that. */
const char *etcd_print(char *text, int64_t number);

/* Parts of a transaction; keys and values are in base64. What they are given they take. */

/* Holds when the key was created at that revision; 0: when it is not there. */
json_t *etcd_if_created(const char *key, uint64_t revision);
/* Holds when the key is there with this value. */
json_t *etcd_if_value(const char *key, const char *value);
json_t *etcd_put(const char *key, const char *value, int64_t lease); /* lease 0: none */
/* `end` NULL: of one key; `revision` 0: as they are now. */
json_t *etcd_get(const char *key, const char *end, uint64_t revision);
/* The key of a range with the greatest revision, without its value, and how many there are. */
json_t *etcd_get_latest(const char *key, const char *end);
json_t *etcd_transaction(json_t *compare, json_t *success, json_t *failure); /* arrays */
json_t *etcd_nested(json_t *transaction);

/* The text, to be freed. */
char *etcd_text(json_t *request);

#endif
