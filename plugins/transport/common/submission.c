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

static void part_done(void *arg, struct larder_reply *reply)
{
    struct tp_part *part = arg;
    part->reply = *reply;
    part->reply.message = (struct larder_slice){0}; /* the status says enough */
    one_less(part->whole);
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
    struct tp_server *server = submission->worker->server;
    size_t more = size > submission->charged ? size - submission->charged : 0;
    /* Relaxed: a count that stands for nothing else. */
    size_t before = atomic_fetch_add_explicit(&server->body_bytes, more, memory_order_relaxed);
    /* One body alone may always arrive, or none larger than the limit ever could. */
    if (before > submission->charged && before + more > server->options.max_body_bytes) {
        atomic_fetch_sub_explicit(&server->body_bytes, more, memory_order_relaxed);
        return false;
    }
    submission->charged += more;
    return true;
}

void tp_submission_uncharge(struct tp_submission *submission, size_t size)
{
    if (size == 0)
        return;
    submission->charged -= size;
    /* Relaxed, as above. */
    atomic_fetch_sub_explicit(&submission->worker->server->body_bytes, size, memory_order_relaxed);
}

void tp_submission_free(struct tp_submission *submission)
{
    larder_reply_release(&submission->reply);
    tp_submission_uncharge(submission, submission->charged);
    free(submission->message);
    submission->message = NULL;
    submission->message_size = 0;
}
