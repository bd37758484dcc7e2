/* From the node back to the loop: inline when the node answers at once, else by a task. */
#include "submission.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* On the loop's thread, after a completion that came from elsewhere or later. */
static void arrive(struct tp_task *task)
{
    struct tp_submission *submission = (struct tp_submission *)((char *)task - offsetof(struct tp_submission, task));
    struct tp_worker *worker = submission->worker;
    submission->done = true;
    worker->outstanding--;
    worker->server->protocol->answered(submission);
    tp_worker_came_back(worker);
}

static void keep_message(struct tp_submission *submission, struct larder_slice message)
{
    if (message.size == 0)
        return;
    submission->message = malloc(message.size);
    if (submission->message == NULL)
        return;
    memcpy(submission->message, message.data, message.size);
    submission->message_size = message.size;
}

/* Takes the answer over, on any thread. */
static void complete(void *arg, struct larder_reply *reply)
{
    struct tp_submission *submission = arg;
    submission->reply = *reply;
    keep_message(submission, reply->message);
    submission->reply.message = (struct larder_slice){submission->message, submission->message_size};
    /* `submitting` is the loop's; only there it is looked at. */
    if (tp_loop_inside(submission->worker->loop) && submission->submitting) {
        submission->done = true;
        return;
    }
    submission->task.run = arrive;
    tp_loop_post(submission->worker->loop, &submission->task);
}

static void begin(struct tp_submission *submission)
{
    submission->worker->outstanding++;
    submission->submitting = true;
}

static bool end(struct tp_submission *submission)
{
    submission->submitting = false;
    if (submission->done)
        submission->worker->outstanding--;
    return submission->done;
}

bool tp_submit(struct tp_submission *submission)
{
    const struct larder_transport_host *host = submission->worker->server->host;
    begin(submission);
    host->submit(host, &submission->request, complete, submission);
    return end(submission);
}

/* Called once for each part, and once when all are submitted; on any thread. */
static void one_less(struct tp_submission *submission)
{
    /* Release hands over what this part's completion wrote, acquire receives what the others' did. */
    if (atomic_fetch_sub_explicit(&submission->left, 1, memory_order_acq_rel) != 1)
        return;
    struct larder_reply all = {.status = LARDER_OK};
    complete(submission, &all);
}

/* Counts bytes of a body that has `own` of them already; on any thread. False: nothing was counted. */
static bool count_bytes(struct tp_server *server, size_t own, size_t more)
{
    if (more == 0)
        return true;
    /* Relaxed: a count that stands for nothing else. */
    size_t before = atomic_fetch_add_explicit(&server->body_bytes, more, memory_order_relaxed);
    /* One body alone may always arrive, or none larger than the limit ever could. */
    if (before <= own || before + more <= server->options.max_body_bytes)
        return true;
    atomic_fetch_sub_explicit(&server->body_bytes, more, memory_order_relaxed);
    return false;
}

static void uncount_bytes(struct tp_server *server, size_t size)
{
    if (size > 0) /* relaxed, as above */
        atomic_fetch_sub_explicit(&server->body_bytes, size, memory_order_relaxed);
}

/* Whether a part's value may be kept until all have come: what the answer has no room for would be held for nothing. */
static enum larder_status take_value(struct tp_submission *submission, size_t size)
{
    /* Relaxed: only the sum matters, and each value is its own part's. */
    size_t taken = atomic_load_explicit(&submission->taken, memory_order_relaxed);
    do {
        if (size > submission->room - taken)
            return LARDER_TOO_LARGE;
    } while (!atomic_compare_exchange_weak_explicit(&submission->taken, &taken, taken + size, memory_order_relaxed,
                                                    memory_order_relaxed));
    if (count_bytes(submission->worker->server, submission->charged + taken, size))
        return LARDER_OK;
    atomic_fetch_sub_explicit(&submission->taken, size, memory_order_relaxed);
    return LARDER_NO_MEMORY;
}

static void part_done(void *arg, struct larder_reply *reply)
{
    struct tp_part *part = arg;
    enum larder_status status = reply->status;
    if (status == LARDER_OK)
        status = take_value(part->whole, reply->value.size);
    if (status == LARDER_OK) {
        part->reply = *reply;
        part->reply.message = (struct larder_slice){0};
    } else { /* which says enough */
        larder_reply_release(reply);
        part->reply = (struct larder_reply){.status = status};
    }
    one_less(part->whole);
}

void tp_part_release(struct tp_part *part)
{
    if (part->whole != NULL) /* else it was never submitted, and holds nothing */
        uncount_bytes(part->whole->worker->server, part->reply.value.size);
    larder_reply_release(&part->reply);
    part->reply.value = (struct larder_slice){0};
}

bool tp_submit_parts(struct tp_submission *submission, struct tp_part *parts, size_t count)
{
    const struct larder_transport_host *host = submission->worker->server->host;
    atomic_store_explicit(&submission->left, count + 1, memory_order_relaxed); /* nobody else knows of it yet */
    begin(submission);
    for (size_t i = 0; i < count; i++) {
        parts[i].whole = submission;
        host->submit(host, &parts[i].request, part_done, &parts[i]);
    }
    one_less(submission);
    return end(submission);
}

void tp_submission_count_refusal(const struct tp_submission *submission)
{
    /* Relaxed: a count that stands for nothing else. */
    atomic_fetch_add_explicit(&submission->worker->server->refused_requests, 1, memory_order_relaxed);
}

void tp_submission_refuse(struct tp_submission *submission, const char *format, va_list arguments)
{
    int size = vasprintf(&submission->message, format, arguments);
    if (size < 0)
        submission->message = NULL; /* the answer then tells its status alone */
    submission->message_size = size < 0 ? 0 : (size_t)size;
    submission->done = true;
    tp_submission_count_refusal(submission);
}

bool tp_submission_charge(struct tp_submission *submission, size_t size)
{
    size_t more = size > submission->charged ? size - submission->charged : 0;
    if (!count_bytes(submission->worker->server, submission->charged, more))
        return false;
    submission->charged += more;
    return true;
}

void tp_submission_uncharge(struct tp_submission *submission, size_t size)
{
    submission->charged -= size;
    uncount_bytes(submission->worker->server, size);
}

void tp_submission_free(struct tp_submission *submission)
{
    larder_reply_release(&submission->reply);
    tp_submission_uncharge(submission, submission->charged);
    free(submission->message);
    submission->message = NULL;
    submission->message_size = 0;
}
