#include "stream.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

#define INPUT_SIZE 65536
#define HEAD_MAX   10 /* bytes that tell what a file is */

enum form { FORM_PLAIN, FORM_GZIP, FORM_ZSTD };

struct stream {
    int file;
    bool standard_input; /* not ours to close */
    enum form form;
    z_stream gzip;
    ZSTD_DStream *zstd;
    bool unfinished; /* compressed data that began has not ended yet */
    bool padded;     /* zeros have followed it */
    uint64_t consumed, total;
    size_t at, size; /* of the input that was read and is not used yet */
    char error[160];
    unsigned char input[INPUT_SIZE];
};

static bool read_file(struct stream *stream, void *data, size_t size, size_t *got)
{
    ssize_t result;
    do {
        result = read(stream->file, data, size);
    } while (result < 0 && errno == EINTR);
    *got = result < 0 ? 0 : (size_t)result;
    stream->consumed += *got;
    if (result < 0)
        snprintf(stream->error, sizeof stream->error, "%s", strerror(errno));
    return result >= 0;
}

static bool refill(struct stream *stream)
{
    size_t got;
    if (stream->at > 0)
        memmove(stream->input, stream->input + stream->at, stream->size - stream->at);
    stream->size -= stream->at;
    stream->at = 0;
    if (!read_file(stream, stream->input + stream->size, INPUT_SIZE - stream->size, &got))
        return false;
    stream->size += got;
    return true;
}

/* ------------------------------------------------------------------------------------------------ forms */

static bool fail(struct stream *stream, const char *reason)
{
    snprintf(stream->error, sizeof stream->error, "%s", reason);
    return false;
}

/* Each unpacks some input, or says why not; `*got` 0 means that it wants more. */
static bool copy_plain(struct stream *stream, void *data, size_t size, size_t *got)
{
    *got = stream->size - stream->at < size ? stream->size - stream->at : size;
    memcpy(data, stream->input + stream->at, *got);
    stream->at += *got;
    return true;
}

/* Tapes and block devices fill up with zeros; nothing else may follow these. */
static bool skip_zeros(struct stream *stream)
{
    while (stream->at < stream->size && stream->input[stream->at] == 0)
        stream->at++;
    stream->padded = true;
    return stream->at == stream->size || fail(stream, "is not valid gzip");
}

static bool unpack_gzip(struct stream *stream, void *data, size_t size, size_t *got)
{
    z_stream *gzip = &stream->gzip;
    if (stream->padded || (!stream->unfinished && stream->input[stream->at] == 0))
        return skip_zeros(stream);
    gzip->next_in = stream->input + stream->at;
    gzip->avail_in = (uInt)(stream->size - stream->at);
    gzip->next_out = data;
    gzip->avail_out = (uInt)(size < INPUT_SIZE ? size : INPUT_SIZE);
    uInt room = gzip->avail_out;
    int result = inflate(gzip, Z_NO_FLUSH);
    *got = room - gzip->avail_out;
    stream->at = stream->size - gzip->avail_in;
    stream->unfinished = result != Z_STREAM_END;
    if (result == Z_STREAM_END) /* another file may have been appended */
        result = inflateReset(gzip);
    if (result == Z_MEM_ERROR)
        return fail(stream, "out of memory");
    return result == Z_OK || result == Z_BUF_ERROR || fail(stream, "is not valid gzip");
}

static bool unpack_zstd(struct stream *stream, void *data, size_t size, size_t *got)
{
    ZSTD_inBuffer in = {stream->input, stream->size, stream->at};
    ZSTD_outBuffer out = {data, size, 0};
    size_t result = ZSTD_decompressStream(stream->zstd, &out, &in);
    if (ZSTD_isError(result)) {
        snprintf(stream->error, sizeof stream->error, "is not valid zstd: %s", ZSTD_getErrorName(result));
        return false;
    }
    stream->unfinished = result != 0;
    stream->at = in.pos;
    *got = out.pos;
    return true;
}

static bool unpack(struct stream *stream, void *data, size_t size, size_t *got)
{
    switch (stream->form) {
    case FORM_GZIP: return unpack_gzip(stream, data, size, got);
    case FORM_ZSTD: return unpack_zstd(stream, data, size, got);
    case FORM_PLAIN: break;
    }
    return copy_plain(stream, data, size, got);
}

bool stream_read(struct stream *stream, void *data, size_t size, size_t *got)
{
    *got = 0;
    if (stream->form == FORM_PLAIN && stream->at == stream->size)
        return read_file(stream, data, size, got);
    for (;;) {
        size_t before = stream->at;
        bool any = stream->at < stream->size || stream->unfinished;
        if (any && !unpack(stream, data, size, got))
            return false;
        if (*got > 0)
            return true;
        if (stream->at > before && stream->at < stream->size)
            continue; /* a head without content */
        size_t left = stream->size - stream->at;
        if (!refill(stream))
            return false;
        if (stream->size == left)
            return !stream->unfinished || fail(stream, "ends in the middle of its compressed data");
    }
}

/* ------------------------------------------------------------------------------------------------ opening */

static bool begins_with(const struct stream *stream, const char *head, size_t size)
{
    return stream->size >= size && memcmp(stream->input, head, size) == 0;
}

/* A key may well begin like "BZh9", hence the mark of a block or of the end behind it, too. */
static bool is_bzip2(const struct stream *stream)
{
    const unsigned char *input = stream->input;
    return begins_with(stream, "BZh", 3) && stream->size >= HEAD_MAX && input[3] >= '1' && input[3] <= '9' &&
           (memcmp(input + 4, "1AY&SY", 6) == 0 || memcmp(input + 4, "\x17\x72\x45\x38\x50\x90", 6) == 0);
}

/* What would otherwise be read as lines. */
static bool refuse_others(struct stream *stream)
{
    if (begins_with(stream, "\xfd\x37zXZ\0", 6))
        return fail(stream, "is an xz file; wanted plain text, gzip or zstd");
    if (is_bzip2(stream))
        return fail(stream, "is a bzip2 file; wanted plain text, gzip or zstd");
    if (begins_with(stream, "\x04\x22\x4d\x18", 4) || begins_with(stream, "\x02\x21\x4c\x18", 4))
        return fail(stream, "is an lz4 file; wanted plain text, gzip or zstd");
    return true;
}

static bool begin_form(struct stream *stream)
{
    while (stream->size < HEAD_MAX) {
        size_t before = stream->size;
        if (!refill(stream))
            return false;
        if (stream->size == before)
            break;
    }
    if (begins_with(stream, "\x1f\x8b", 2)) {
        if (inflateInit2(&stream->gzip, 15 + 16) != Z_OK) /* the longest window, and gzip's head */
            return fail(stream, "out of memory");
        stream->form = FORM_GZIP;
    } else if (begins_with(stream, "\x28\xb5\x2f\xfd", 4)) {
        stream->zstd = ZSTD_createDStream();
        if (stream->zstd == NULL)
            return fail(stream, "out of memory");
        stream->form = FORM_ZSTD;
    }
    return stream->form != FORM_PLAIN || refuse_others(stream);
}

struct stream *stream_open(const char *path, char *error, size_t capacity)
{
    struct stream *stream = calloc(1, sizeof *stream);
    if (stream == NULL) {
        snprintf(error, capacity, "out of memory");
        return NULL;
    }
    stream->standard_input = strcmp(path, "-") == 0;
    stream->file = stream->standard_input ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
    struct stat status;
    if (stream->file < 0)
        fail(stream, strerror(errno));
    else if (fstat(stream->file, &status) == 0 && S_ISREG(status.st_mode))
        stream->total = (uint64_t)status.st_size;
    if (stream->file >= 0 && begin_form(stream))
        return stream;
    snprintf(error, capacity, "%s", stream->error);
    stream_close(stream);
    return NULL;
}

void stream_close(struct stream *stream)
{
    if (stream == NULL)
        return;
    if (stream->form == FORM_GZIP)
        inflateEnd(&stream->gzip);
    ZSTD_freeDStream(stream->zstd);
    if (!stream->standard_input && stream->file >= 0)
        close(stream->file);
    free(stream);
}

const char *stream_error(const struct stream *stream)
{
    return stream->error;
}

double stream_fraction(const struct stream *stream)
{
    return stream->total > 0 ? (double)stream->consumed / (double)stream->total : -1;
}
