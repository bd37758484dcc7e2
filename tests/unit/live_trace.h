/* Traces as numbers of keys, from 0 up: made here, or read from LARDER_TRACES where that is. */
#ifndef LIVE_TRACE_H
#define LIVE_TRACE_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store_kit.h"

struct trace {
    const char *name;
    uint32_t *keys;
    uint32_t count, distinct;
};

static inline uint64_t trace_draw(uint64_t *random)
{
    *random = *random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return *random >> 32;
}

/*
 * What tells policies apart, in turn: keys of which few are asked for often, a loop, and keys that come once. The part of
 * often used ones moves on.
 */
static inline struct trace trace_make(uint32_t count, uint32_t distinct)
{
    struct trace trace = {.name = "made", .count = count, .distinct = distinct};
    uint64_t random = 42;
    trace.keys = malloc(count * sizeof *trace.keys);
    assert_non_null(trace.keys);
    for (uint32_t i = 0; i < count; i++) {
        uint64_t part = trace_draw(&random) % 100, drawn = trace_draw(&random) % distinct;
        uint64_t often = drawn * drawn / distinct * drawn / distinct;
        if (part < 70)
            trace.keys[i] = (uint32_t)((often + i / 1000 * 7) % distinct);
        else if (part < 85)
            trace.keys[i] = (i / 4) % (distinct / 3);
        else
            trace.keys[i] = (uint32_t)drawn;
    }
    return trace;
}

/* The folder of the real ones; "" when it is not there. */
static inline const char *trace_folder(void)
{
    static char folder[1024];
    const char *named = getenv("LARDER_TRACES");
    snprintf(folder, sizeof folder, "%s", named != NULL ? named : TEST_SOURCE "/../shared/traces");
    FILE *file = NULL;
    char path[1100];
    snprintf(path, sizeof path, "%s/reference.csv", folder);
    if ((file = fopen(path, "re")) == NULL) {
        print_message("%s is not there: real traces are left out\n", path);
        return "";
    }
    fclose(file);
    return folder;
}

struct trace_line {
    unsigned long long key;
    uint32_t at;
};

static inline int trace_by_key(const void *left, const void *right)
{
    const struct trace_line *a = left, *b = right;
    return a->key != b->key ? (a->key > b->key) - (a->key < b->key) : (a->at > b->at) - (a->at < b->at);
}

/* The keys of real traces are numbers. */
static inline struct trace trace_read(const char *folder, const char *name)
{
    struct trace trace = {.name = name};
    struct trace_line *lines = malloc((2u << 20) * sizeof *lines);
    char command[1200], text[128];
    assert_non_null(lines);
    snprintf(command, sizeof command, "zstd -dcq '%s/%s.txt.zst'", folder, name);
    FILE *pipe = popen(command, "re");
    assert_non_null(pipe);
    while (fgets(text, sizeof text, pipe) != NULL) {
        assert_in_range(trace.count, 0, (2u << 20) - 1);
        lines[trace.count] = (struct trace_line){strtoull(text, NULL, 10), trace.count};
        trace.count++;
    }
    assert_int_equal(pclose(pipe), 0);
    trace.keys = malloc(trace.count * sizeof *trace.keys);
    assert_non_null(trace.keys);
    qsort(lines, trace.count, sizeof *lines, trace_by_key);
    for (uint32_t i = 0; i < trace.count; i++) {
        if (i == 0 || lines[i].key != lines[i - 1].key)
            trace.distinct++;
        trace.keys[lines[i].at] = trace.distinct - 1;
    }
    free(lines);
    return trace;
}

/* The misses that reference.csv tells; UINT64_MAX: it does not. */
static inline uint64_t trace_reference(const char *folder, const char *trace, const char *policy, uint32_t capacity)
{
    char path[1100], text[128], wanted[128];
    uint64_t misses = UINT64_MAX;
    snprintf(path, sizeof path, "%s/reference.csv", folder);
    snprintf(wanted, sizeof wanted, "%s,%s,%u,", trace, policy, capacity);
    FILE *file = fopen(path, "re");
    assert_non_null(file);
    while (misses == UINT64_MAX && fgets(text, sizeof text, file) != NULL)
        if (strncmp(text, wanted, strlen(wanted)) == 0)
            misses = strtoull(strchr(text + strlen(wanted), ',') + 1, NULL, 10);
    fclose(file);
    return misses;
}

#endif
