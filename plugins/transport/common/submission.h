/*
 * What is handed to the node, and its way back: the completion may be called inline or later, on any thread, and the answer is
 * looked at on the loop's thread only. The connection may be gone by then.
 */
#ifndef TRANSPORT_COMMON_SUBMISSION_H
#define TRANSPORT_COMMON_SUBMISSION_H

#include <stdarg.h>

#include "worker.h"

/*
 * Lies at the beginning of the protocol's struct for one request, which owns all that `request` points at. Zeroed but for
 * `worker`. It is submitted at most once and lives until it has come back. Touched on the loop's thread, except by the
 * completion before it is handed over.
 */
struct tp_submission {
    struct tp_worker *worker;
    struct tp_task task;
    struct larder_request request;
    struct larder_reply reply; /* when `done`; its message stays valid */
    char *message;             /* of the reply, or of a refusal; allocated */
    size_t message_size;
    size_t charged;      /* bytes of body that are counted in server->body_bytes */
    size_t room;         /* bytes of values that the parts may bring together */
    atomic_size_t taken; /* of it */
    atomic_size_t left;  /* parts to be answered, and one while they are being submitted */
    bool submitting;     /* inside host->submit() */
    bool done;           /* there is an answer */
};

/* One of several requests that are answered together. */
struct tp_part {
    struct tp_submission *whole;
    struct larder_request request;
    struct larder_reply reply; /* without message */
};

/* Hands the request to the node. True: it is answered already; else the protocol's answered() is called. */
bool tp_submit(struct tp_submission *submission);

/*
 * The same for many; the submission's own reply is OK. The parts stay where they are until then. Values are kept until the
 * last has come, and counted in server->body_bytes: those that do not fit into what is left of `room` when they come are
 * released at once, and their part is TOO_LARGE; those for which there is no memory among the bodies, NO_MEMORY.
 */
bool tp_submit_parts(struct tp_submission *submission, struct tp_part *parts, size_t count);

/* Releases what the part's reply holds. Its owner calls it, not while it is submitted; more than once is fine. */
void tp_part_release(struct tp_part *part);

/* The transport itself refuses: keeps the message, counts it, and is done. Not once it is submitted. */
void tp_submission_refuse(struct tp_submission *submission, const char *format, va_list arguments);

/* Counts a refusal for which there is no submission but the one that brought it. */
void tp_submission_count_refusal(const struct tp_submission *submission);

/* Counts `size` bytes as the memory of the body. False: too much for all bodies together; nothing was counted. */
bool tp_submission_charge(struct tp_submission *submission, size_t size);

/* Counts `size` bytes less, which are not more than were counted. */
void tp_submission_uncharge(struct tp_submission *submission, size_t size);

/* Releases the reply, the message and the charge. Not while it is submitted. */
void tp_submission_free(struct tp_submission *submission);

#endif
