/* The lines that a check reports: where, what was got, what was wanted. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "core/base/bytes.h"
#include "core/config/schema_check.h"

#define PATH_LENGTH 256
#define GOT_LENGTH  64 /* bytes of a value that a message shows */

static size_t write_path(const struct ldr_path *path, char *text, size_t capacity)
{
    if (path->up == NULL) {
        *text = '\0';
        return 0;
    }
    size_t used = write_path(path->up, text, capacity);
    if (used >= capacity)
        return used;
    int length = path->key == NULL
                     ? snprintf(text + used, capacity - used, "[%zu]", path->index)
                     : snprintf(text + used, capacity - used, "%s%.*s", used == 0 ? "" : ".", GOT_LENGTH, path->key);
    return used + (size_t)length;
}

void ldr_check_fail(struct ldr_check *check, const struct ldr_path *path, const struct ldr_tree *at, const char *format,
                    ...)
{
    char place[PATH_LENGTH], message[sizeof check->errors->first];
    write_path(path, place, sizeof place);
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(message, sizeof message, format, arguments);
    va_end(arguments);
    ldr_errors_add(check->errors, at, "%s%s%s", place, *place == '\0' ? "" : ": ", message);
}

/* Bytes of the text that are shown, without cutting a character in two. */
static int shown(const char *text)
{
    size_t length = strnlen(text, GOT_LENGTH + 1);
    if (length <= GOT_LENGTH)
        return (int)length;
    length = GOT_LENGTH;
    while (length > 0 && ((unsigned char)text[length] & 0xc0) == 0x80)
        length--;
    return (int)length;
}

void ldr_check_wanted(struct ldr_check *check, const struct ldr_path *path, const struct ldr_tree *at,
                      const char *wanted)
{
    int length;
    switch (at->kind) {
    case LDR_TREE_SCALAR:
        length = shown(at->text);
        ldr_check_fail(check, path, at, "got \"%.*s%s\", wanted %s", length, at->text,
                       at->text[length] == '\0' ? "" : "...", wanted);
        break;
    case LDR_TREE_LIST: ldr_check_fail(check, path, at, "got a list, wanted %s", wanted); break;
    case LDR_TREE_MAP: ldr_check_fail(check, path, at, "got a mapping, wanted %s", wanted); break;
    case LDR_TREE_NULL: ldr_check_fail(check, path, at, "got nothing, wanted %s", wanted); break;
    }
}

void *ldr_check_alloc(struct ldr_check *check, size_t count, size_t size)
{
    size_t bytes;
    /* A table without rows still has values that are not NULL. */
    void *memory = ldr_multiply(count, size, &bytes) ? ldr_arena_alloc(check->arena, bytes == 0 ? 1 : bytes) : NULL;
    if (memory == NULL)
        check->no_memory = true;
    return memory;
}

const char *ldr_check_text(struct ldr_check *check, const char *text)
{
    const char *copy = ldr_arena_text(check->arena, text);
    if (copy == NULL)
        check->no_memory = true;
    return copy;
}
