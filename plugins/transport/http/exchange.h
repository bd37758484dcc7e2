/*
 * One request and its answer.
 *
 * An exchange owns everything its request points at. It lives until its answer has come, also when its connection is gone by
 * then.
 */
#ifndef TRANSPORT_HTTP_EXCHANGE_H
#define TRANSPORT_HTTP_EXCHANGE_H

#include "fields.h"
#include "head.h"
#include "larder/plugin/transport.h"
#include "plugins/transport/common/submission.h"

struct http_connection;
struct http_worker;
struct http_batch;

/* How the answer is told. */
enum http_kind {
    HTTP_KIND_NONE, /* refused before its route was known */
    HTTP_KIND_GET,
    HTTP_KIND_SET,
    HTTP_KIND_TOUCH,
    HTTP_KIND_DELETE,
    HTTP_KIND_DOCUMENT,  /* the reply's value is JSON */
    HTTP_KIND_GROUP_PUT, /* 201 or 200 */
    HTTP_KIND_DONE,      /* 204 */
    HTTP_KIND_METRICS,
    HTTP_KIND_STATE, /* health and readiness */
    HTTP_KIND_PAGE,  /* the status page: needs no node */
    HTTP_KIND_BATCH,
    HTTP_KIND_PEER,
    HTTP_KIND_OLD_SET, /* the earlier system's four routes */
    HTTP_KIND_OLD_GET,
    HTTP_KIND_OLD_DELETE,
    HTTP_KIND_OLD_STATS
};

#define HTTP_EXCHANGE_SMALL 512 /* group and key up to this size need no allocation */

struct http_exchange {
    struct tp_submission base;
    struct http_exchange *next;         /* in the connection's queue, or in the pool */
    struct http_connection *connection; /* NULL: gone */
    enum http_kind kind;
    bool head_only;                     /* HEAD */
    bool old_client;                    /* HTTP/1.0 */
    bool keep_alive;                    /* as far as the request is concerned */
    bool alone;                         /* changes something: not at the same time as others of its connection */
    bool gathered;                      /* submitted at the end of this turn of the loop */
    int refused;                        /* HTTP status; 0: the node answers */
    unsigned allow;                     /* with 405: enum http_method */
    struct http_tags match, none_match; /* of GET; count 0 and not any: not given */
    uint64_t timeout_ms;
    bool no_group;      /* what would be written has no place here */
    size_t value_limit; /* of a batch: most bytes of one value */
    size_t body_limit;  /* most bytes of body that the route takes */
    char *body;         /* allocated */
    char *memory;       /* of group and key when `small` is too small; allocated */
    struct http_batch *batch;
    char small[HTTP_EXCHANGE_SMALL]; /* last: not cleared */
};

/* From the worker's pool. NULL: out of memory. */
struct http_exchange *http_exchange_new(struct http_worker *worker, struct http_connection *connection);

/* Releases the reply and everything owned. Not while it is submitted. */
void http_exchange_free(struct http_exchange *exchange);

/* Empties the worker's pool. */
void http_exchange_pool_free(struct http_worker *worker);

/* The answer is a refusal by the transport. A second refusal changes nothing. */
void http_exchange_refuse(struct http_exchange *exchange, int status, const char *format, ...) LARDER_PRINTF(3, 4);

/* Finds the route and fills the request from the head; or refuses. */
void http_exchange_route(struct http_exchange *exchange, const struct http_head *head);

/*
 * The body is complete; it becomes the exchange's, also when it is refused for it. Data NULL: it is empty. `now` is the
 * runtime's clock: the time the body took is not the node's, so that the deadline counts from here.
 */
void http_exchange_body(struct http_exchange *exchange, char *body, size_t size, uint64_t now);

/* Hands the request to the node, a get with others; exchange->base.done tells whether it is answered already. */
void http_exchange_submit(struct http_exchange *exchange);

/* The protocol's callback: the answer comes later. */
void http_exchange_answered(struct tp_submission *exchange);

#endif
