/* Bytes of a file or of standard input: plain, gzip or zstd, as its first bytes say. */
#ifndef CLI_STREAM_H
#define CLI_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct stream;

/* "-" is standard input. NULL: the reason is in `error`. */
struct stream *stream_open(const char *path, char *error, size_t capacity);
void stream_close(struct stream *stream); /* NULL is fine */

/* Up to `size` bytes; *got 0: the end. False: stream_error() tells why. */
bool stream_read(struct stream *stream, void *data, size_t size, size_t *got);
const char *stream_error(const struct stream *stream);

/* How much of the file was read, 0 to 1; negative: nobody knows how long it is. */
double stream_fraction(const struct stream *stream);

#endif
