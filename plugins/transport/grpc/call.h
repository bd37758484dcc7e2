/*
 * One call: a stream of HTTP/2, from its header fields to its trailers. Of a stream of requests each request is a call as well, for
 * which the stream's own call is the carrier.
 *
 * A call owns everything its request points at. It is submitted to the node and lives until the answer has
 * come, also when its stream or its connection is gone by then.
 */
#ifndef TRANSPORT_GRPC_CALL_H
#define TRANSPORT_GRPC_CALL_H

#include "arena.h"
#include "plugins/transport/common/output.h"
#include "plugins/transport/common/submission.h"
#include "reader.h"
#include "server.h"
#include "status.h"

struct grpc_connection;
struct grpc_method;
struct grpc_pin;

LIST_HEAD(grpc_calls, grpc_call);
TAILQ_HEAD(grpc_queue, grpc_call);

enum grpc_phase {
    GRPC_PHASE_ARRIVING, /* header fields or message are not complete */
    GRPC_PHASE_WAITING,  /* for room: too much is to be sent already */
    GRPC_PHASE_NODE,     /* submitted */
    GRPC_PHASE_CARRYING, /* all of a stream's requests have come, and what is answered of them is sent */
    GRPC_PHASE_ANSWERING,
    GRPC_PHASE_PAUSING /* a stream of answers, between two of them */
};

enum grpc_encoding { GRPC_IDENTITY, GRPC_GZIP, GRPC_DEFLATE, GRPC_OTHER_ENCODING };

#define GRPC_SMALL_MESSAGE 512  /* messages up to this size need no allocation */
#define GRPC_SMALL_PARTS   1024 /* nor what is made of them */

struct grpc_call {
    struct tp_submission base;          /* its message is the text of the answer when `code` is not OK */
    LIST_ENTRY(grpc_call) link;         /* all of the connection */
    TAILQ_ENTRY(grpc_call) turn;        /* in WAITING */
    struct grpc_connection *connection; /* NULL: gone */
    int32_t stream;                     /* 0: closed */
    enum grpc_phase phase;
    /* What its header fields say, when they are complete. */
    bool has_head;
    const struct grpc_method *method; /* NULL: no such; then `small` begins with its path */
    size_t path_size;                 /* of it; a longer one is cut */
    bool is_post, is_grpc;
    bool has_timeout, bad_timeout;
    enum grpc_encoding encoding;
    size_t header_bytes;
    uint64_t deadline; /* of the client, or LARDER_NEVER */
    uint64_t due;      /* when somebody has to look at it: the message has to be there, or an answer is to move */
    /* The message. */
    bool has_message, ended; /* complete; the client has said all */
    char *owned;             /* bytes of the message that are not the reader's; allocated */
    struct grpc_reader reader;
    struct grpc_arena arena;
    struct tp_part *parts; /* of a batch; in the arena */
    size_t part_count;
    /* A stream of requests. */
    struct grpc_call *carrier; /* whose request this is; NULL: it is a stream itself, or its stream is gone */
    uint32_t number;           /* among the carrier's requests; of a carrier: that of the next */
    size_t carried;            /* requests of a carrier that are not answered */
    struct tp_output replies;  /* of a carrier: what nghttp2 has not taken yet */
    size_t kept;               /* of a carrier: bytes of `replies` that are charged for, besides its message */
    /* The answer. */
    int http; /* refused as HTTP: the status; 0: as gRPC */
    enum grpc_code code;
    enum larder_status reason;       /* for the trailer larder-status; LARDER_STATUS_COUNT: not one of the node's */
    struct larder_slice head, value; /* of the message under way; the value's bytes follow the head's */
    size_t sent;                     /* of both */
    struct grpc_pin *pin;            /* keeps a large value while it is written; NULL: small */
    bool begun;                      /* header fields of the answer are on their way */
    bool streaming;                  /* more messages may follow */
    bool deferred;                   /* nothing is to be sent before the next */
    bool unknown_service;            /* of Watch */
    int last_status;                 /* of Watch: what was sent last; -1: nothing */
    char small[GRPC_SMALL_MESSAGE];  /* from here on not cleared */
    char first[GRPC_SMALL_PARTS];
};

/* From the worker's pool. NULL: out of memory, or too many at a time. */
struct grpc_call *grpc_call_new(struct grpc_worker *worker, struct grpc_connection *connection, int32_t stream);

/* A request of the carrier, for its method to fill in; see grpc_call_new(). */
struct grpc_call *grpc_call_carried(struct grpc_call *carrier);

/* Counts `size` bytes as the memory of the call's message; see tp_submission_charge(). The call comes as a pointer to anything. */
bool grpc_call_charge(void *call, size_t size);

/* Another phase, or another time by which somebody has to look at the call. */
void grpc_call_enter(struct grpc_call *call, enum grpc_phase phase, uint64_t due);

/* Releases the reply and everything owned. Not while it is submitted. */
void grpc_call_free(struct grpc_call *call);

/* Empties the worker's pool. */
void grpc_call_pool_free(struct grpc_worker *worker);

/* One header field. */
void grpc_call_header(struct grpc_call *call, struct larder_slice name, struct larder_slice value);

/* The header fields are complete. In arrive.c, like the next three. */
void grpc_call_begin(struct grpc_call *call);

/* Bytes of messages. */
void grpc_call_data(struct grpc_call *call, struct larder_slice data);

/* The client has said all. */
void grpc_call_end(struct grpc_call *call);

/*
 * When the node is to have answered, from now on. Without a deadline of the client's, the time that the message took is not the
 * node's.
 */
uint64_t grpc_call_deadline(const struct grpc_call *call);

/* The stream is gone: frees the call, or leaves it to the node's answer. */
void grpc_call_closed(struct grpc_call *call);

/* The request is complete: hands it to the node, or has it wait for room. What is answered at once may be gone then. */
void grpc_call_ready(struct grpc_call *call);

/* Its turn has come: hands the request to the node. As above. */
void grpc_call_submit(struct grpc_call *call);

/* Its time has come: `due` has passed. The call may be gone then. */
void grpc_call_look(struct grpc_call *call);

/*
 * The transport itself answers with a failure; for one of the node's statuses, or for none of them. Whatever of the call is still to
 * arrive is dropped. Does nothing when the call is being answered already.
 */
void grpc_call_refuse(struct grpc_call *call, enum larder_status reason, const char *format, ...) LARDER_PRINTF(3, 4);
void grpc_call_fail(struct grpc_call *call, enum grpc_code code, const char *format, ...) LARDER_PRINTF(3, 4);

/* An answer is on its way; and its last message is, but another one may follow. */
void grpc_call_answers(struct grpc_call *call);
void grpc_call_pause(struct grpc_call *call);

/* The protocol's callback: the answer comes later. */
void grpc_call_answered(struct tp_submission *call);

#endif
