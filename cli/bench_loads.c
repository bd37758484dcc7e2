#include "bench_loads.h"

#include <stdlib.h>
#include <string.h>

#include "document.h"

static enum exit_code read_node(const char *address, const struct options *options, uint64_t *loads, bool *found)
{
    struct node node;
    struct text path = {0};
    json_t *document = NULL, *group;
    size_t i;
    text_puts(&path, "/stats");
    enum exit_code code = node_open(&node, address, options);
    if (code == EXIT_DONE)
        code = node_get_document(&node, &path, &document);
    json_array_foreach(json_object_get(document, "groups"), i, group)
    {
        if (strcmp(document_text(group, "name"), options->group) == 0) {
            *loads = document_count(group, "loads");
            *found = true;
        }
    }
    json_decref(document);
    text_free(&path);
    node_close(&node);
    return code;
}

/* A node that is named twice gets twice the connections, but what it counts counts once. */
static bool named_before(const struct texts *nodes, size_t place)
{
    for (size_t i = 0; i < place; i++)
        if (strcmp(nodes->items[i], nodes->items[place]) == 0)
            return true;
    return false;
}

enum exit_code bench_loads_read(struct bench_loads *loads, const struct options *options)
{
    *loads = (struct bench_loads){.of_node = calloc(options->nodes.count, sizeof *loads->of_node)};
    if (loads->of_node == NULL)
        return say_no_memory();
    enum exit_code code = EXIT_DONE;
    for (size_t i = 0; i < options->nodes.count && code == EXIT_DONE; i++)
        if (!named_before(&options->nodes, i))
            code = read_node(options->nodes.items[i], options, &loads->of_node[i], &loads->found);
    return code;
}

bool bench_loads_between(const struct bench_loads *before, const struct bench_loads *after, size_t count,
                         uint64_t *loads)
{
    *loads = 0;
    for (size_t i = 0; i < count; i++) {
        uint64_t first = before->of_node[i], last = after->of_node[i];
        *loads += last < first ? last : last - first;
    }
    return before->found && after->found;
}
