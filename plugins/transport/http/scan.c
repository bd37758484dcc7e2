/* Line by line over a head, each byte once, however it arrives. */
#include "scan.h"

#include <string.h>

/* What has been seen of the line under way, complete or not, against the limits. */
static enum http_scan_result check_size(const struct http_scan *scan, const struct http_limits *limits, size_t end,
                                        bool trailer)
{
    if (!trailer && scan->lines == 0)
        return end > limits->request_line ? HTTP_SCAN_LONG_LINE : HTTP_SCAN_MORE;
    if (end - scan->first > limits->header_bytes)
        return HTTP_SCAN_LARGE;
    size_t fields = scan->lines - (trailer ? 0 : 1);
    return fields > limits->headers ? HTTP_SCAN_MANY : HTTP_SCAN_MORE;
}

/* Whether a trailer's line has a name, a colon right after it, and no control characters. The parser sees to those of a head. */
static bool is_field(const char *line, size_t size)
{
    const char *colon = memchr(line, ':', size);
    if (colon == NULL || colon[-1] == ' ' || colon[-1] == '\t')
        return false;
    for (size_t i = 0; i < size; i++)
        if (((unsigned char)line[i] < ' ' && line[i] != '\t') || line[i] == 0x7F)
            return false;
    return true;
}

/* A complete line, from scan->line to the LF at `lf`. */
static enum http_scan_result check_line(const struct http_scan *scan, const char *data, size_t lf, bool trailer)
{
    const char *line = data + scan->line, *cr = memchr(line, '\r', lf - scan->line);
    if (cr != data + lf - 1)
        return HTTP_SCAN_BAD; /* a bare LF, or a CR inside the line */
    if (cr == line)
        return scan->lines == 0 && !trailer ? HTTP_SCAN_BAD : HTTP_SCAN_DONE;
    if ((scan->lines > 0 || trailer) && (*line == ' ' || *line == '\t' || *line == ':'))
        return HTTP_SCAN_BAD;
    return trailer && !is_field(line, (size_t)(cr - line)) ? HTTP_SCAN_BAD : HTTP_SCAN_MORE;
}

static enum http_scan_result scan_lines(struct http_scan *scan, const struct http_limits *limits, const char *data,
                                        size_t size, bool trailer)
{
    for (;;) {
        const char *found = memchr(data + scan->at, '\n', size - scan->at);
        if (found == NULL) {
            scan->at = size;
            return check_size(scan, limits, size, trailer);
        }
        size_t lf = (size_t)(found - data);
        enum http_scan_result result = lf == scan->line ? HTTP_SCAN_BAD : check_line(scan, data, lf, trailer);
        if (result == HTTP_SCAN_DONE || result == HTTP_SCAN_BAD) {
            scan->at = lf + 1;
            return result;
        }
        if (scan->lines == 0 && !trailer) {
            if (lf + 1 > limits->request_line)
                return HTTP_SCAN_LONG_LINE;
            scan->first = lf + 1;
        }
        scan->lines++;
        scan->line = scan->at = lf + 1;
        result = check_size(scan, limits, lf + 1, trailer);
        if (result != HTTP_SCAN_MORE)
            return result;
    }
}

enum http_scan_result http_scan_head(struct http_scan *scan, const struct http_limits *limits, const char *data,
                                     size_t size)
{
    if (size > 0 && (data[0] < 'A' || data[0] > 'Z'))
        return HTTP_SCAN_BAD;
    return scan_lines(scan, limits, data, size, false);
}

enum http_scan_result http_scan_trailer(struct http_scan *scan, const struct http_limits *limits, const char *data,
                                        size_t size)
{
    return scan_lines(scan, limits, data, size, true);
}
