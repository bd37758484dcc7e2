/* larder cluster leave: tells a member to hand its keys over and go, and shows how far it is. */
#include <time.h>

#include "commands.h"
#include "document.h"
#include "node.h"
#include "progress.h"
#include "say.h"

#define PAUSE_MS 200

static enum exit_code tell(struct node *node)
{
    struct text path = {0};
    text_puts(&path, "/v1/cluster/leave");
    enum exit_code code = node_send(node, "POST", &path, "", 0);
    text_free(&path);
    return code;
}

/* What is known of the node from its last answer. */
struct sight {
    bool leaving, left;
    uint64_t entries, most; /* that it has, and the most it had */
};

static void take(struct sight *sight, const json_t *handoff)
{
    sight->leaving = json_is_true(json_object_get(handoff, "leaving"));
    if (!sight->leaving) /* whoever answers began after the one that was told to leave */
        return;
    sight->left = json_is_true(json_object_get(handoff, "left"));
    sight->entries = document_count(handoff, "entries");
    sight->most = sight->entries > sight->most ? sight->entries : sight->most;
}

static void show(const struct sight *sight)
{
    double left = sight->most == 0 ? 0 : (double)sight->entries / (double)sight->most;
    if (progress_wanted())
        progress_show_step(1 - left, "entries handed over");
}

/* Until the node has left, which it says before it goes; or is gone: then it does not answer, or is another one. */
static enum exit_code follow(struct node *node)
{
    struct text url = {0};
    struct sight sight = {.leaving = true};
    text_puts(&url, text_string(&node->base));
    text_puts(&url, "/v1/cluster");
    while (sight.leaving && !url.failed && http_send(&node->http, "GET", url.data, NULL, 0)) {
        if (node->http.status == 200) { /* one that is busy is asked again */
            json_t *document = json_loadb(text_string(&node->http.body), node->http.body.size, 0, NULL);
            take(&sight, json_object_get(document, "handoff"));
            json_decref(document);
        }
        show(&sight);
        if (sight.left) /* a node in another program may stay */
            break;
        nanosleep(&(struct timespec){.tv_nsec = PAUSE_MS * 1000000L}, NULL);
    }
    if (progress_wanted())
        progress_clear();
    text_free(&url);
    if (sight.left)
        return EXIT_DONE;
    return say(EXIT_NO, "%s is gone before it had handed everything over: of %llu entries it still had %llu",
               node->base.data, (unsigned long long)sight.most, (unsigned long long)sight.entries);
}

enum exit_code command_cluster_leave(const struct options *options)
{
    struct node node;
    enum exit_code code = node_open(&node, options->nodes.items[0], options);
    if (code == EXIT_DONE)
        code = tell(&node);
    if (code == EXIT_DONE && node.http.status / 100 != 2)
        code = http_say_refused(&node.http, node.base.data);
    if (code == EXIT_DONE)
        code = follow(&node);
    node_close(&node);
    return code;
}
