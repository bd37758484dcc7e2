/* llhttp decodes the chunks; the trailer, in which it would accept a bare LF, is gone over by the scanner and dropped. */
#include "chunks.h"

/* Sizes, extensions and line ends may take so much in all, and so much for each byte of body. */
#define OVERHEAD_FIXED    16384
#define OVERHEAD_PER_BYTE 8

static int on_body(llhttp_t *parser, const char *at, size_t size)
{
    struct http_chunks *chunks = (struct http_chunks *)parser;
    if (size > chunks->limit - chunks->body.size) {
        chunks->too_large = true;
        return HPE_USER;
    }
    http_text_add(&chunks->body, at, size);
    return chunks->body.failed ? HPE_USER : 0;
}

/* Says no before the bytes of a chunk that cannot fit arrive. */
static int on_chunk_header(llhttp_t *parser)
{
    struct http_chunks *chunks = (struct http_chunks *)parser;
    if (parser->content_length > chunks->limit - chunks->body.size) {
        chunks->too_large = true;
        return HPE_USER;
    }
    chunks->last = parser->content_length == 0;
    return chunks->last ? HPE_PAUSED : 0;
}

static const llhttp_settings_t settings = {.on_body = on_body, .on_chunk_header = on_chunk_header};

void http_chunks_open(struct http_chunks *chunks, size_t limit)
{
    static const char head[] = "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n";
    *chunks = (struct http_chunks){.limit = limit};
    llhttp_init(&chunks->parser, HTTP_REQUEST, &settings);
    /* The real head has been parsed; this brings the parser to where the body begins. */
    llhttp_execute(&chunks->parser, head, sizeof head - 1);
}

void http_chunks_close(struct http_chunks *chunks)
{
    http_text_free(&chunks->body);
}

static enum http_chunks_result feed_trailer(struct http_chunks *chunks, const struct http_limits *limits,
                                            const char *data, size_t size, size_t *used)
{
    switch (http_scan_trailer(&chunks->trailer, limits, data, size)) {
    case HTTP_SCAN_DONE: *used = chunks->trailer.at; return HTTP_CHUNKS_DONE;
    case HTTP_SCAN_MORE: *used = 0; return HTTP_CHUNKS_MORE;
    default: *used = 0; return HTTP_CHUNKS_BAD;
    }
}

enum http_chunks_result http_chunks_feed(struct http_chunks *chunks, const struct http_limits *limits, const char *data,
                                         size_t size, size_t *used)
{
    if (chunks->last)
        return feed_trailer(chunks, limits, data, size, used);
    size_t before = chunks->body.size;
    llhttp_errno_t error = llhttp_execute(&chunks->parser, data, size);
    if (chunks->too_large)
        return HTTP_CHUNKS_TOO_LARGE;
    if (chunks->body.failed)
        return HTTP_CHUNKS_NO_MEMORY;
    if (error != HPE_OK && !(error == HPE_PAUSED && chunks->last))
        return HTTP_CHUNKS_BAD;
    *used = chunks->last ? (size_t)(llhttp_get_error_pos(&chunks->parser) - data) : size;
    chunks->overhead += *used - (chunks->body.size - before);
    if (chunks->overhead > OVERHEAD_FIXED &&
        (chunks->overhead - OVERHEAD_FIXED) / OVERHEAD_PER_BYTE > chunks->body.size)
        return HTTP_CHUNKS_BAD;
    if (!chunks->last)
        return HTTP_CHUNKS_MORE;
    size_t trailer = 0;
    enum http_chunks_result result = feed_trailer(chunks, limits, data + *used, size - *used, &trailer);
    *used += trailer;
    return result;
}
