/* Numbers with units: read exactly as a configuration file has them, and shown short for people. */
#ifndef CLI_UNITS_H
#define CLI_UNITS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Decimal digits and nothing else. False when it is anything else or overflows; so do the others. */
bool units_parse_count(const char *text, size_t size, uint64_t *count);
bool units_parse_size(const char *text, uint64_t *bytes);  /* 512, 64KB, 16MiB; B, KB, KiB, MB, MiB, GB, GiB */
bool units_parse_duration(const char *text, uint64_t *ms); /* 250ms, 30s, 5m, 1h */

#define UNITS_TEXT 32 /* bytes that are enough for the texts below */

/* Three digits that count: "512 B", "1.5 MiB"; "830 ns", "1.25 ms", "2 h 5 m". Return the buffer. */
const char *units_size(char buffer[UNITS_TEXT], uint64_t bytes);
const char *units_duration(char buffer[UNITS_TEXT], uint64_t ns);

#endif
