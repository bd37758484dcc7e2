/* llhttp does the parsing; what it lets through and must not pass is refused around it. */
#include "head.h"

#include <llhttp/llhttp.h>
#include <string.h>
#include <strings.h>

struct parse {
    llhttp_t parser; /* first: the callbacks are given its address */
    struct http_head *head;
    struct larder_slice name, value;
    unsigned hosts, transfer_encodings;
    struct http_refusal refusal;
};

static int refuse(struct parse *parse, int status, const char *detail)
{
    parse->refusal = (struct http_refusal){status, detail};
    return HPE_USER;
}

static bool named(const struct parse *parse, const char *name, size_t size)
{
    return parse->name.size == size && strncasecmp(parse->name.data, name, size) == 0;
}

#define NAMED(parse, name) named((parse), (name), sizeof(name) - 1)

static void add_span(struct larder_slice *slice, const char *at, size_t size)
{
    if (slice->data == NULL)
        slice->data = at;
    slice->size += size; /* the head is in one piece, and so are its parts */
}

static int on_url(llhttp_t *parser, const char *at, size_t size)
{
    add_span(&((struct parse *)parser)->head->target, at, size);
    return 0;
}

static int on_field(llhttp_t *parser, const char *at, size_t size)
{
    add_span(&((struct parse *)parser)->name, at, size);
    return 0;
}

static int on_value(llhttp_t *parser, const char *at, size_t size)
{
    add_span(&((struct parse *)parser)->value, at, size);
    return 0;
}

static int take_once(struct parse *parse, struct larder_slice *field, const char *detail)
{
    if (field->data != NULL)
        return refuse(parse, 400, detail);
    *field = parse->value;
    return 0;
}

static bool value_is(const struct parse *parse, const char *text, size_t size)
{
    return parse->value.size == size && strncasecmp(parse->value.data, text, size) == 0;
}

/* Anything but "chunked" alone would be a body that this server cannot delimit or decode. */
static int on_transfer_encoding(struct parse *parse)
{
    if (++parse->transfer_encodings > 1)
        return refuse(parse, 400, "Transfer-Encoding is given twice");
    if (!value_is(parse, "chunked", 7))
        return refuse(parse, parse->value.size == 0 ? 400 : 501, "Transfer-Encoding: wanted chunked and nothing else");
    return 0;
}

static int on_expect(struct parse *parse)
{
    if (!value_is(parse, "100-continue", 12))
        return refuse(parse, 417, "Expect: wanted 100-continue");
    parse->head->expect_continue = true;
    return 0;
}

static int take_field(struct parse *parse)
{
    struct http_head *head = parse->head;
    switch (parse->name.size) {
    case 4:
        if (NAMED(parse, "host") && ++parse->hosts > 1)
            return refuse(parse, 400, "Host is given twice");
        return 0;
    case 6: return NAMED(parse, "expect") ? on_expect(parse) : 0;
    case 8: return NAMED(parse, "if-match") ? take_once(parse, &head->if_match, "If-Match is given twice") : 0;
    case 13:
        return NAMED(parse, "if-none-match") ? take_once(parse, &head->if_none_match, "If-None-Match is given twice")
                                             : 0;
    case 14:
        return NAMED(parse, "larder-timeout") ? take_once(parse, &head->timeout, "Larder-Timeout is given twice") : 0;
    case 17: return NAMED(parse, "transfer-encoding") ? on_transfer_encoding(parse) : 0;
    default: return 0;
    }
}

static int on_value_complete(llhttp_t *parser)
{
    struct parse *parse = (struct parse *)parser;
    const char *value = parse->value.data;
    while (parse->value.size > 0 && (value[parse->value.size - 1] == ' ' || value[parse->value.size - 1] == '\t'))
        parse->value.size--;
    if (value == NULL)
        parse->value.data = "";
    int result = take_field(parse);
    parse->name = parse->value = (struct larder_slice){0};
    return result;
}

static enum http_method method_of(const llhttp_t *parser)
{
    switch (parser->method) {
    case HTTP_GET: return HTTP_METHOD_GET;
    case HTTP_HEAD: return HTTP_METHOD_HEAD;
    case HTTP_PUT: return HTTP_METHOD_PUT;
    case HTTP_POST: return HTTP_METHOD_POST;
    case HTTP_PATCH: return HTTP_METHOD_PATCH;
    case HTTP_DELETE: return HTTP_METHOD_DELETE;
    default: return HTTP_METHOD_OTHER;
    }
}

static int on_headers_complete(llhttp_t *parser)
{
    struct parse *parse = (struct parse *)parser;
    struct http_head *head = parse->head;
    head->method = method_of(parser);
    head->minor = parser->http_minor;
    head->keep_alive = llhttp_should_keep_alive(parser) != 0;
    head->chunked = parse->transfer_encodings > 0;
    head->length = (parser->flags & F_CONTENT_LENGTH) != 0 ? parser->content_length : 0;
    if (parser->http_major != 1)
        return refuse(parse, parser->http_major == 0 ? 400 : 505, "wanted HTTP/1.1 or HTTP/1.0");
    if (head->minor == 1 && parse->hosts == 0)
        return refuse(parse, 400, "Host is missing");
    if (head->minor == 0 && head->chunked)
        return refuse(parse, 400, "Transfer-Encoding has no place in HTTP/1.0");
    head->expect_continue = head->expect_continue && head->minor == 1;
    return 1; /* the body is read elsewhere */
}

static int on_message_complete(llhttp_t *parser)
{
    (void)parser;
    return HPE_PAUSED;
}

/* One space on each side of the target, and HTTP: llhttp also takes several, and the names of other protocols. */
static bool request_line_exact(const char *data, const struct http_head *head)
{
    const char *target = head->target.data, *after = target + head->target.size;
    return target != NULL && target - data >= 2 && target[-1] == ' ' && target[-2] != ' ' &&
           strncmp(after, " HTTP/", 6) == 0;
}

struct http_refusal http_head_parse(const char *data, size_t size, struct http_head *head)
{
    static const llhttp_settings_t settings = {.on_url = on_url,
                                               .on_header_field = on_field,
                                               .on_header_value = on_value,
                                               .on_header_value_complete = on_value_complete,
                                               .on_headers_complete = on_headers_complete,
                                               .on_message_complete = on_message_complete};
    struct parse parse = {.head = head};
    *head = (struct http_head){0};
    llhttp_init(&parse.parser, HTTP_REQUEST, &settings);
    llhttp_errno_t error = llhttp_execute(&parse.parser, data, size);
    if (parse.refusal.status != 0)
        return parse.refusal;
    if (error != HPE_PAUSED || llhttp_get_error_pos(&parse.parser) != data + size)
        return (struct http_refusal){400, parse.parser.reason != NULL ? parse.parser.reason : "malformed request"};
    if (!request_line_exact(data, head))
        return (struct http_refusal){400, "malformed request line"};
    return (struct http_refusal){0};
}
