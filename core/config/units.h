/* Texts to numbers with units, exactly: nothing is rounded, cut or guessed. And back, for messages. */
#ifndef LDR_CONFIG_UNITS_H
#define LDR_CONFIG_UNITS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* "512", "512B", "64KB" (1000), "64KiB" (1024), MB, MiB, GB, GiB. False when it is anything else or overflows. */
bool ldr_parse_size(const char *text, int64_t *bytes);

/* "250ms", "30s", "5m", "1h"; "0" alone. False when it is anything else or overflows. */
bool ldr_parse_duration(const char *text, int64_t *ms);

/* Decimal, without "+", without leading zeros. */
bool ldr_parse_integer(const char *text, int64_t *value);
bool ldr_parse_number(const char *text, double *value);

#define LDR_UNIT_TEXT 32 /* bytes that are enough for the texts below */

/* The shortest exact text that the functions above read back: "64MiB", "1h". Neither takes negative numbers. */
void ldr_format_size(int64_t bytes, char *buffer, size_t capacity);
void ldr_format_duration(int64_t ms, char *buffer, size_t capacity);

/* The nearest of the `count` names, if it is near enough to be meant (edit distance at most a third); else NULL. */
const char *ldr_nearest(const char *name, const char *const *names, unsigned count);

#endif
