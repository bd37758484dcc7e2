/* larder plugin check: whether a module keeps the contract of its kind. */
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "check_board.h"
#include "check_run.h"
#include "commands.h"
#include "document.h"
#include "plugin_search.h"
#include "progress.h"
#include "table.h"
#include "text.h"

/* ------------------------------------------------------------------------------------------------ --list */

static const char *kind_of(const struct check *check)
{
    return check->kind != 0 ? larder_plugin_kind_name((enum larder_plugin_kind)check->kind) : "all";
}

static json_t *checks_json(void)
{
    json_t *json = json_array();
    for (const struct check *check = check_list; check->name != NULL; check++)
        json_array_append_new(
            json, json_pack("{s:s, s:s, s:s}", "kind", kind_of(check), "name", check->name, "what", check->what));
    return json;
}

static enum exit_code list_checks(bool as_json)
{
    static const struct column columns[] = {{"KIND", false}, {"CHECK", false}, {"WHAT A MODULE MUST DO", false}};
    struct table table = {.columns = columns, .column_count = 3};
    if (as_json)
        return document_print(checks_json(), 0);
    for (const struct check *check = check_list; check->name != NULL; check++) {
        table_cell(&table, "%s", kind_of(check));
        table_pair(&table, check->name, check->what);
    }
    return table_print(&table);
}

/* ------------------------------------------------------------------------------------------------ one run */

struct run {
    const char *path;
    uint64_t seed;
    bool bar;     /* a terminal is watching */
    json_t *json; /* NULL: lines for people */
    const struct check *now;
    size_t done, count;
    size_t passed, failed, not_run;
};

static void show_progress(void *arg)
{
    const struct run *run = arg;
    if (run->bar)
        progress_show_step((double)run->done / (double)run->count, run->now->name);
}

/* One line, of which a terminal obeys nothing: names and reasons may come from the module. */
static void print_line(const struct text *line)
{
    struct text shown = {0};
    text_add_shown(&shown, text_string(line), line->size);
    puts(text_string(&shown));
    fflush(stdout);
    text_free(&shown);
}

static void print_result(const struct run *run, const struct check_board *board)
{
    struct text line = {0};
    int verdict = atomic_load(&board->verdict);
    if (verdict == CHECK_FAILED)
        text_printf(&line, "FAILED %s: %s (seed %" PRIu64 ")", run->now->name, board->reason, run->seed);
    else if (verdict == CHECK_NOT_RUN)
        text_printf(&line, "not run %s: %s", run->now->name, board->note);
    else if (board->note[0] != '\0')
        text_printf(&line, "ok %s (%s)", run->now->name, board->note);
    else
        text_printf(&line, "ok %s", run->now->name);
    print_line(&line);
    text_free(&line);
}

static void add_result(const struct run *run, const struct check_board *board)
{
    int verdict = atomic_load(&board->verdict);
    json_t *one = json_pack("{s:s, s:o}", "name", run->now->name, "ok",
                            verdict == CHECK_NOT_RUN ? json_null() : json_boolean(verdict == CHECK_PASSED));
    if (verdict == CHECK_FAILED)
        json_object_set_new(one, "reason", document_shown(board->reason));
    else if (board->note[0] != '\0')
        json_object_set_new(one, "note", document_shown(board->note));
    json_array_append_new(json_object_get(run->json, "checks"), one);
}

static bool run_one(struct run *run, const struct check *check)
{
    const struct check_board *board = check_board();
    run->now = check;
    bool ran = check_run(check, run->path, run->seed, show_progress, run);
    if (run->bar)
        progress_clear();
    if (!ran)
        return false;
    if (run->json != NULL)
        add_result(run, board);
    else
        print_result(run, board);
    switch (atomic_load(&board->verdict)) {
    case CHECK_FAILED: run->failed++; break;
    case CHECK_NOT_RUN: run->not_run++; break;
    default: run->passed++; break;
    }
    run->done++;
    return true;
}

/*
 * Without a good table nothing can be said about what is in it. A module that hangs is likely to do so again, and to wait
 * for it in each of the checks takes longer than anybody looks on: what is left is not run.
 */
static bool run_all(struct run *run)
{
    run->count = 1;
    if (!run_one(run, &check_list[0]))
        return false;
    if (run->failed > 0)
        return true;
    for (const struct check *check = &check_list[1]; check->name != NULL; check++)
        run->count += check->kind == check_board()->kind;
    for (const struct check *check = &check_list[1]; check->name != NULL && !check_board()->stuck; check++)
        if (check->kind == check_board()->kind && !run_one(run, check))
            return false;
    run->not_run += run->count - run->done;
    return true;
}

/* ------------------------------------------------------------------------------------------------ the report */

static void put_notes(struct text *notes, const struct run *run)
{
    const struct check_board *board = check_board();
    if (board->imports[0] != '\0')
        text_printf(notes, "it needs %s besides the C library", board->imports);
    if (board->stuck && run->done < run->count)
        text_printf(notes, "%sthe %zu checks after %s were not run, as a module that hangs may do so in each",
                    notes->size > 0 ? "; " : "", run->count - run->done, run->now->name);
    if (run->count == 1 && run->failed == 0)
        text_printf(notes, "for a %s module the table and the parameters are checked, and nothing else",
                    larder_plugin_kind_name((enum larder_plugin_kind)board->kind));
}

static enum exit_code report(struct run *run)
{
    const struct check_board *board = check_board();
    struct text notes = {0}, line = {0};
    enum exit_code code = run->failed > 0 ? EXIT_NO : EXIT_DONE;
    put_notes(&notes, run);
    if (run->json != NULL) {
        const char *kind = larder_plugin_kind_name((enum larder_plugin_kind)board->kind);
        json_object_set_new(run->json, "file", document_shown(run->path));
        json_object_set_new(run->json, "kind", board->kind != 0 ? json_string(kind) : json_null());
        json_object_set_new(run->json, "name", board->kind != 0 ? document_shown(board->name) : json_null());
        json_object_set_new(run->json, "seed", json_integer((json_int_t)run->seed));
        json_object_set_new(run->json, "ok", json_integer((json_int_t)run->passed));
        json_object_set_new(run->json, "failed", json_integer((json_int_t)run->failed));
        json_object_set_new(run->json, "not_run", json_integer((json_int_t)run->not_run));
        if (notes.size > 0)
            json_object_set_new(run->json, "note", document_shown(text_string(&notes)));
        if (document_print(json_incref(run->json), 0) != EXIT_DONE)
            code = EXIT_REFUSED;
    } else {
        if (notes.size > 0)
            text_printf(&line, "note: %s", text_string(&notes));
        if (notes.size > 0)
            print_line(&line);
        printf("%zu ok, %zu failed", run->passed, run->failed);
        if (run->not_run > 0)
            printf(", %zu not run", run->not_run);
        putchar('\n');
    }
    text_free(&notes);
    text_free(&line);
    return code;
}

static enum exit_code check_file(const struct options *options, const char *path)
{
    struct run run = {.path = path, .seed = options->seed, .bar = progress_wanted()};
    if (access(path, F_OK) != 0)
        return say(EXIT_NO, "plugin check: %s: there is no such file", path);
    if (check_board_open() == NULL || (options->json && (run.json = json_pack("{s:[]}", "checks")) == NULL))
        return say_no_memory();
    enum exit_code code = run_all(&run) ? report(&run) : say(EXIT_REFUSED, "plugin check: no process can be started");
    json_decref(run.json);
    return code;
}

/* ------------------------------------------------------------------------------------------------ by name */

struct found {
    char *path;
    size_t count;
    bool failed; /* out of memory */
};

static void take_path(void *arg, const struct larder_plugin_info *info)
{
    struct found *found = arg;
    if (found->count++ > 0)
        return;
    found->path = strdup(info->path);
    found->failed = found->path == NULL;
}

static enum exit_code check_name(const struct options *options, const char *name)
{
    struct found found = {0};
    enum exit_code code = plugin_search(options, "plugin check", name, take_path, &found);
    if (code != EXIT_DONE)
        return code;
    if (found.failed)
        code = say_no_memory();
    else if (found.count > 1)
        code = say(EXIT_USAGE, "plugin check: %zu modules are called '%s', wanted one: name its file", found.count,
                   name);
    else if (found.path[0] == '\0')
        code = say(EXIT_NO, "plugin check: '%s' is linked into the program, wanted a file", name);
    else
        code = check_file(options, found.path);
    free(found.path);
    return code;
}

enum exit_code command_plugin_check(const struct options *options)
{
    if (options->list)
        return list_checks(options->json);
    if (options->arguments.count == 0)
        return say(EXIT_USAGE, "plugin check: got 0 arguments, wanted NAME|FILE.so");
    const char *name = options->arguments.items[0];
    return plugin_names_file(name) ? check_file(options, name) : check_name(options, name);
}
