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

static void show(const json_t *handoff, uint64_t *most)
{
    uint64_t entries = document_count(handoff, "entries");
    *most = entries > *most ? entries : *most;
    if (progress_wanted())
        progress_show_step(*most == 0 ? 1 : 1 - (double)entries / (double)*most, "entries handed over");
}

/* Until the node has handed everything over, or is gone: a node that is gone does not answer. */
static enum exit_code follow(struct node *node)
{
    struct text url = {0};
    uint64_t most = 0;
    bool left = false;
    text_puts(&url, text_string(&node->base));
    text_puts(&url, "/v1/cluster");
    while (!left && !url.failed && http_send(&node->http, "GET", url.data, NULL, 0) && node->http.status == 200) {
        json_t *document = json_loadb(text_string(&node->http.body), node->http.body.size, 0, NULL);
        const json_t *handoff = json_object_get(document, "handoff");
        show(handoff, &most);
        left = json_is_true(json_object_get(handoff, "left"));
        json_decref(document);
        nanosleep(&(struct timespec){.tv_nsec = PAUSE_MS * 1000000L}, NULL);
    }
    if (progress_wanted())
        progress_clear();
    text_free(&url);
    return EXIT_DONE;
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
