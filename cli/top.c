/* larder top: the keys that a cluster is asked for most, and how often. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "commands.h"
#include "document.h"
#include "node.h"
#include "screen.h"
#include "table.h"

static const struct column columns[] = {{"GETS/S", true}, {"GROUP", false}, {"OWNER", false}, {"KEY", false}};

/* Lines of the screen that are no keys: two of heading, the titles, and one that stays empty. */
#define OTHER_LINES 4

/* ------------------------------------------------------------------------------------------------ keys */

static int digit_of(char c)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const char *found = c != '\0' ? strchr(digits, c) : NULL;
    return found != NULL ? (int)(found - digits) : -1;
}

static void add_base64(struct text *text, const char *coded, size_t size)
{
    unsigned bits = 0, count = 0;
    for (size_t i = 0; i < size && digit_of(coded[i]) >= 0; i++) {
        bits = bits << 6 | (unsigned)digit_of(coded[i]);
        count += 6;
        if (count >= 8) {
            count -= 8;
            char byte = (char)(bits >> count & 255);
            text_add(text, &byte, 1);
        }
    }
}

/* Of a key that is too long to be told in full, the beginning. */
static void add_key(struct table *table, const json_t *key)
{
    struct text bytes = {0};
    const json_t *plain = json_object_get(key, "key"), *coded = json_object_get(key, "key_base64");
    if (plain != NULL)
        text_add(&bytes, json_string_value(plain), json_string_length(plain));
    else if (coded != NULL)
        add_base64(&bytes, json_string_value(coded), json_string_length(coded));
    uint64_t size = document_count(key, "key_size");
    if (size > bytes.size)
        text_printf(&bytes, "... (%llu bytes)", (unsigned long long)size);
    table_bytes(table, text_string(&bytes), bytes.size);
    table->failed |= bytes.failed;
    text_free(&bytes);
}

static enum exit_code show_keys(const json_t *document, size_t most)
{
    struct table table = {.columns = columns, .column_count = sizeof columns / sizeof *columns};
    size_t i;
    json_t *key;
    json_array_foreach(json_object_get(document, "keys"), i, key)
    {
        const char *owner = document_text(key, "owner");
        double rate = json_number_value(json_object_get(key, "rate"));
        if (i == most)
            break;
        table_cell(&table, rate < 1000 ? "%.1f" : "%.0f", rate);
        table_cell(&table, "%s", document_text(key, "group"));
        table_cell(&table, "%s", owner[0] != '\0' ? owner : "-");
        add_key(&table, key);
    }
    return table_print(&table);
}

static enum exit_code show(const json_t *document)
{
    return show_keys(document, SIZE_MAX);
}

/* ------------------------------------------------------------------------------------------------ a screen */

static void show_heading(const json_t *document, const char *node)
{
    struct text line = {0};
    size_t i;
    json_t *member;
    const json_t *failed = json_object_get(document, "failed");
    text_puts(&line, node);
    text_printf(&line, ": hottest keys of %llu members, q ends",
                (unsigned long long)document_count(document, "members"));
    json_array_foreach(failed, i, member)
    {
        text_puts(&line, i == 0 ? "; no answer of " : ", ");
        text_puts(&line, json_string_value(member) != NULL ? json_string_value(member) : "?");
    }
    struct text shown = {0};
    text_add_shown(&shown, text_string(&line), line.size);
    printf("%s\n\n", text_string(&shown));
    text_free(&line);
    text_free(&shown);
}

/* A node that does not answer is asked again: what it said last stays until it does. */
static enum exit_code refresh(struct node *node, const struct text *path)
{
    json_t *document;
    enum exit_code code = node_get_document(node, path, &document);
    if (code == EXIT_DONE) {
        size_t lines = screen_lines();
        screen_clear();
        show_heading(document, text_string(&node->base));
        code = show_keys(document, lines > OTHER_LINES ? lines - OTHER_LINES : 1);
    }
    json_decref(document);
    return code;
}

static enum exit_code show_live(const struct options *options, const struct text *path)
{
    struct node node;
    json_t *document = NULL;
    enum exit_code code = node_open(&node, options->nodes.items[0], options);
    if (code == EXIT_DONE)
        code = node_get_document(&node, path, &document); /* what is wrong from the start is said below the prompt */
    json_decref(document);
    if (code == EXIT_DONE) {
        screen_open();
        do
            refresh(&node, path);
        while (screen_wait(options->interval_ms));
        screen_close();
    }
    node_close(&node);
    return code;
}

enum exit_code command_top(const struct options *options)
{
    struct text path = {0};
    text_printf(&path, "/v1/top?cluster=true&count=%llu", (unsigned long long)options->count);
    if (options->arguments.count > 0) {
        text_puts(&path, "&group=");
        url_add_encoded(&path, options->arguments.items[0], strlen(options->arguments.items[0]));
    }
    enum exit_code code = options->json || !screen_wanted() ? node_show_document(options, &path, show)
                                                            : show_live(options, &path);
    text_free(&path);
    return code;
}
