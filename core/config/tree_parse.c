/* From libyaml's events to a tree, and strict about what YAML allows but a configuration has no use for. */
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#include "core/base/fail.h"
#include "core/config/tree.h"

struct reader {
    yaml_parser_t parser;
    const char *text;
    size_t length;
    const char *file;
    struct ldr_tree *root;
    struct ldr_tree *open[LDR_TREE_DEPTH]; /* the containers around the current place, outermost first */
    unsigned depth;
    unsigned documents;
    size_t nodes;
    char *key; /* read in the innermost MAP, its value not yet */
    yaml_mark_t key_mark;
    size_t index, offset; /* the same place in characters and in bytes; only ever moves on */
};

static bool refuse(const struct reader *reader, const yaml_mark_t *mark, const char *what)
{
    ldr_fail(LARDER_INVALID, "%s:%zu:%zu: %s", reader->file, mark->line + 1, mark->column + 1, what);
    return false;
}

static bool no_memory(void)
{
    ldr_fail_memory();
    return false;
}

/* The byte at a mark, which libyaml counts in characters; NUL at the end. */
static char byte_at(struct reader *reader, const yaml_mark_t *mark)
{
    if (mark->index < reader->index)
        reader->index = reader->offset = 0;
    while (reader->index < mark->index && reader->offset < reader->length) {
        do {
            reader->offset++;
        } while (reader->offset < reader->length && ((unsigned char)reader->text[reader->offset] & 0xc0) == 0x80);
        reader->index++;
    }
    return reader->offset < reader->length ? reader->text[reader->offset] : '\0';
}

/* The mark of a byte offset. */
static yaml_mark_t mark_at(const struct reader *reader, size_t offset)
{
    yaml_mark_t mark = {0, 0, 0};
    for (size_t i = 0; i < offset && i < reader->length; i++) {
        if (reader->text[i] == '\n') {
            mark.line++;
            mark.column = 0;
        } else if (((unsigned char)reader->text[i] & 0xc0) != 0x80) {
            mark.column++;
        }
    }
    return mark;
}

/* At the end of the text something was not closed: where that began says more, and libyaml's last line is not there. */
static yaml_mark_t syntax_mark(struct reader *reader)
{
    const yaml_parser_t *parser = &reader->parser;
    byte_at(reader, &parser->problem_mark);
    if (reader->offset < reader->length)
        return parser->problem_mark;
    if (parser->context != NULL && parser->context_mark.index < parser->problem_mark.index)
        return parser->context_mark;
    return mark_at(reader, reader->length);
}

static bool refuse_syntax(struct reader *reader)
{
    const yaml_parser_t *parser = &reader->parser;
    if (parser->error == YAML_MEMORY_ERROR)
        return no_memory();
    yaml_mark_t mark = parser->error == YAML_READER_ERROR ? mark_at(reader, parser->problem_offset)
                                                          : syntax_mark(reader);
    if (parser->error != YAML_READER_ERROR && byte_at(reader, &parser->problem_mark) == '\t')
        return refuse(reader, &mark, "got a tab, wanted spaces");
    bool context = parser->error != YAML_READER_ERROR && parser->context != NULL;
    ldr_fail(LARDER_INVALID, "%s:%zu:%zu: %s%s%s", reader->file, mark.line + 1, mark.column + 1, parser->problem,
             context ? " " : "", context ? parser->context : "");
    return false;
}

static bool wants_key(const struct reader *reader)
{
    return reader->depth > 0 && reader->open[reader->depth - 1]->kind == LDR_TREE_MAP && reader->key == NULL;
}

/* Hangs a node into the innermost container. Frees it on failure. */
static bool attach(struct reader *reader, struct ldr_tree *node, const yaml_mark_t *mark)
{
    if (node == NULL)
        return no_memory();
    node->file = reader->file;
    node->line = (unsigned)mark->line + 1;
    node->column = (unsigned)mark->column + 1;
    if (++reader->nodes > LDR_TREE_NODES) {
        ldr_tree_free(node);
        return refuse(reader, mark, "more than 1000000 values");
    }
    if (reader->key != NULL) {
        node->key = reader->key;
        node->key_line = (unsigned)reader->key_mark.line + 1;
        node->key_column = (unsigned)reader->key_mark.column + 1;
        reader->key = NULL;
    }
    if (reader->depth == 0) {
        reader->root = node;
    } else if (!ldr_tree_append(reader->open[reader->depth - 1], node)) {
        ldr_tree_free(node);
        return no_memory();
    }
    return true;
}

static bool take_key(struct reader *reader, const yaml_event_t *event)
{
    if (event->data.scalar.length == 0)
        return refuse(reader, &event->start_mark, "got an empty key");
    reader->key = strdup((const char *)event->data.scalar.value);
    if (reader->key == NULL)
        return no_memory();
    reader->key_mark = event->start_mark;
    return true;
}

static bool is_null(const char *text)
{
    static const char *const nulls[] = {"", "~", "null", "Null", "NULL"};
    for (size_t i = 0; i < sizeof nulls / sizeof *nulls; i++) {
        if (strcmp(text, nulls[i]) == 0)
            return true;
    }
    return false;
}

static bool take_scalar(struct reader *reader, const yaml_event_t *event)
{
    const char *text = (const char *)event->data.scalar.value;
    /* libyaml forgets the tag "!" of a scalar, but begins the scalar where it stood. */
    if (event->data.scalar.tag != NULL || byte_at(reader, &event->start_mark) == '!')
        return refuse(reader, &event->start_mark, "tags are not supported");
    if (event->data.scalar.anchor != NULL)
        return refuse(reader, &event->start_mark, "anchors are not supported");
    if (strlen(text) != event->data.scalar.length)
        return refuse(reader, &event->start_mark, "got a text with a NUL byte");
    if (wants_key(reader))
        return take_key(reader, event);
    bool plain = event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
    bool null = plain && is_null(text);
    struct ldr_tree *node = ldr_tree_new(null ? LDR_TREE_NULL : LDR_TREE_SCALAR, NULL, null ? NULL : text);
    if (node != NULL)
        node->quoted = !plain;
    return attach(reader, node, &event->start_mark);
}

static bool enter(struct reader *reader, const yaml_event_t *event, enum ldr_tree_kind kind, const yaml_char_t *anchor,
                  const yaml_char_t *tag)
{
    if (tag != NULL)
        return refuse(reader, &event->start_mark, "tags are not supported");
    if (anchor != NULL)
        return refuse(reader, &event->start_mark, "anchors are not supported");
    if (wants_key(reader))
        return refuse(reader, &event->start_mark,
                      kind == LDR_TREE_MAP ? "got a mapping as a key, wanted a text"
                                           : "got a list as a key, wanted a text");
    if (reader->depth == LDR_TREE_DEPTH)
        return refuse(reader, &event->start_mark, "more than 64 levels");
    struct ldr_tree *node = ldr_tree_new(kind, NULL, NULL);
    if (!attach(reader, node, &event->start_mark))
        return false;
    reader->open[reader->depth++] = node;
    return true;
}

static bool stands_before(const struct ldr_tree *a, const struct ldr_tree *b)
{
    return a->key_line != b->key_line ? a->key_line < b->key_line : a->key_column < b->key_column;
}

static int compare_keys(const void *a, const void *b)
{
    const struct ldr_tree *const *x = a, *const *y = b;
    int order = strcmp((*x)->key, (*y)->key);
    return order != 0 ? order : stands_before(*x, *y) ? -1 : 1;
}

/* Sorting keeps a map of a million keys from taking a million times a million comparisons. */
static bool refuse_duplicates(const struct reader *reader, const struct ldr_tree *map)
{
    if (map->count < 2)
        return true;
    const struct ldr_tree **sorted = calloc(map->count, sizeof(*sorted));
    if (sorted == NULL)
        return no_memory();
    memcpy(sorted, map->items, map->count * sizeof *sorted);
    qsort(sorted, map->count, sizeof *sorted, compare_keys);
    const struct ldr_tree *first = NULL, *second = NULL;
    for (size_t i = 1; i < map->count; i++) {
        if (strcmp(sorted[i - 1]->key, sorted[i]->key) == 0 && (second == NULL || stands_before(sorted[i], second))) {
            first = sorted[i - 1];
            second = sorted[i];
        }
    }
    free(sorted);
    if (second == NULL)
        return true;
    ldr_fail(LARDER_INVALID, "%s:%u:%u: %.64s: duplicate key, first given in line %u", reader->file, second->key_line,
             second->key_column, second->key, first->key_line);
    return false;
}

static bool leave(struct reader *reader)
{
    const struct ldr_tree *node = reader->open[--reader->depth];
    return node->kind != LDR_TREE_MAP || refuse_duplicates(reader, node);
}

static bool take_event(struct reader *reader, const yaml_event_t *event)
{
    switch (event->type) {
    case YAML_DOCUMENT_START_EVENT:
        if (reader->documents++ > 0)
            return refuse(reader, &event->start_mark, "got a second document, wanted one");
        return true;
    case YAML_ALIAS_EVENT: return refuse(reader, &event->start_mark, "aliases are not supported");
    case YAML_SCALAR_EVENT: return take_scalar(reader, event);
    case YAML_SEQUENCE_START_EVENT:
        return enter(reader, event, LDR_TREE_LIST, event->data.sequence_start.anchor, event->data.sequence_start.tag);
    case YAML_MAPPING_START_EVENT:
        return enter(reader, event, LDR_TREE_MAP, event->data.mapping_start.anchor, event->data.mapping_start.tag);
    case YAML_SEQUENCE_END_EVENT:
    case YAML_MAPPING_END_EVENT: return leave(reader);
    case YAML_NO_EVENT:
    case YAML_STREAM_START_EVENT:
    case YAML_STREAM_END_EVENT:
    case YAML_DOCUMENT_END_EVENT: break;
    }
    return true;
}

static bool read_events(struct reader *reader)
{
    for (;;) {
        yaml_event_t event;
        if (!yaml_parser_parse(&reader->parser, &event))
            return refuse_syntax(reader);
        yaml_event_type_t type = event.type;
        bool taken = take_event(reader, &event);
        yaml_event_delete(&event);
        if (!taken)
            return false;
        if (type == YAML_STREAM_END_EVENT)
            return true;
    }
}

/* Nothing but blanks and comments, or an explicit null. */
static bool make_empty(struct reader *reader)
{
    ldr_tree_free(reader->root);
    reader->root = ldr_tree_new(LDR_TREE_MAP, NULL, NULL);
    if (reader->root == NULL)
        return no_memory();
    reader->root->file = reader->file;
    reader->root->line = reader->root->column = 1;
    return true;
}

struct ldr_tree *ldr_tree_parse(const char *text, size_t length, const char *file)
{
    static const char mark[] = "\xef\xbb\xbf"; /* of UTF-8, as some editors put it in front */
    if (length == 0)
        text = ""; /* a body that is absent is NULL, for which libyaml ends the process */
    if (length >= 3 && memcmp(text, mark, 3) == 0) {
        text += 3;
        length -= 3;
    }
    struct reader reader = {.text = text, .length = length, .file = file};
    if (!yaml_parser_initialize(&reader.parser)) {
        ldr_fail_memory();
        return NULL;
    }
    yaml_parser_set_encoding(&reader.parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&reader.parser, (const unsigned char *)text, length);
    bool read = read_events(&reader);
    if (read && (reader.root == NULL || reader.root->kind == LDR_TREE_NULL))
        read = make_empty(&reader);
    if (!read) {
        ldr_tree_free(reader.root);
        reader.root = NULL;
    }
    free(reader.key);
    yaml_parser_delete(&reader.parser);
    return reader.root;
}
