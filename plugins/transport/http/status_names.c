/* Two tables. */
#include "status_names.h"

#include <stddef.h>

const struct http_status_name *http_status_name(enum larder_status status)
{
    static const struct http_status_name names[LARDER_STATUS_COUNT] = {
        [LARDER_OK] = {200, "OK", "ok", "ok"},
        [LARDER_NOT_FOUND] = {404, "NOT_FOUND", "not-found", "not found"},
        [LARDER_INVALID] = {400, "INVALID", "invalid", "invalid request"},
        [LARDER_TOO_LARGE] = {413, "TOO_LARGE", "too-large", "too large"},
        [LARDER_NO_ROOM] = {507, "NO_ROOM", "no-room", "does not fit into the group's budget"},
        [LARDER_NO_MEMORY] = {503, "NO_MEMORY", "no-memory", "out of memory"},
        [LARDER_PRECONDITION] = {412, "PRECONDITION", "precondition", "precondition failed"},
        [LARDER_DEADLINE] = {504, "DEADLINE", "deadline", "deadline passed"},
        [LARDER_UNAVAILABLE] = {503, "UNAVAILABLE", "unavailable", "unavailable"},
        [LARDER_BUSY] = {503, "BUSY", "busy", "busy"},
        [LARDER_LOAD_FAILED] = {502, "LOAD_FAILED", "load-failed", "the origin failed"},
        [LARDER_NO_GROUP] = {404, "NO_GROUP", "no-group", "no such group"},
        [LARDER_EXISTS] = {409, "EXISTS", "exists", "exists already"},
        [LARDER_REFUSED] = {503, "REFUSED", "refused", "refused by a peer"},
        [LARDER_UNSUPPORTED] = {501, "UNSUPPORTED", "unsupported", "not offered here"},
        [LARDER_IO] = {500, "IO", "io", "input or output failed"},
    };
    static const struct http_status_name unknown = {500, "UNKNOWN", "unknown", "unknown status"};
    return (unsigned)status < LARDER_STATUS_COUNT ? &names[status] : &unknown;
}

const char *http_status_line(int http)
{
    switch (http) {
    case 200: return "200 OK";
    case 201: return "201 Created";
    case 204: return "204 No Content";
    case 304: return "304 Not Modified";
    case 400: return "400 Bad Request";
    case 404: return "404 Not Found";
    case 405: return "405 Method Not Allowed";
    case 408: return "408 Request Timeout";
    case 409: return "409 Conflict";
    case 412: return "412 Precondition Failed";
    case 413: return "413 Content Too Large";
    case 414: return "414 URI Too Long";
    case 417: return "417 Expectation Failed";
    case 431: return "431 Request Header Fields Too Large";
    case 501: return "501 Not Implemented";
    case 502: return "502 Bad Gateway";
    case 503: return "503 Service Unavailable";
    case 504: return "504 Gateway Timeout";
    case 505: return "505 HTTP Version Not Supported";
    case 507: return "507 Insufficient Storage";
    default: return "500 Internal Server Error";
    }
}
