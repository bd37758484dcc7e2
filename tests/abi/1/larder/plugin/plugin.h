/*
 * What every module has in common: the head of its table, its parameters, and the services of its host.
 *
 * A module is one shared object with one exported object, `larder_plugin_table`: a const table whose first member is
 * `struct larder_plugin`. A macro of the kind's own header (LARDER_EVICTION, LARDER_HASH, ...) fills the head, so that
 * kind, ABI number and size are those of the header the module was compiled with. The host copies the smaller of its
 * own and the module's size, zeroes the rest, and checks the required callbacks by name. New members are only ever
 * appended, under a comment with the version that brought them.
 *
 * A module imports nothing from Larder: whatever it may ask of the host is handed to it as a table of functions.
 */
#ifndef LARDER_PLUGIN_PLUGIN_H
#define LARDER_PLUGIN_PLUGIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../status.h"

#ifdef __cplusplus
extern "C" {
#endif

enum larder_plugin_kind {
    LARDER_PLUGIN_EVICTION = 1,
    LARDER_PLUGIN_HASH = 2,
    LARDER_PLUGIN_TRANSPORT = 3,
    LARDER_PLUGIN_DISCOVERY = 4,
    LARDER_PLUGIN_LOADER = 5
};

/* Bytes that somebody else owns. `data` may be NULL when size is 0. Not terminated. */
struct larder_slice {
    const void *data;
    size_t size;
};

/* ------------------------------------------------------------------------------------------------ parameters */

enum larder_param_type {
    LARDER_PARAM_BOOL = 1,     /* true, false                                          -> integer 0 or 1 */
    LARDER_PARAM_INT = 2,      /* a whole number                                       -> integer */
    LARDER_PARAM_FLOAT = 3,    /* a number                                             -> number */
    LARDER_PARAM_SIZE = 4,     /* bytes: 512, 64KB, 16MiB (B, KB, KiB, MB, MiB, GB, GiB) -> integer, bytes */
    LARDER_PARAM_DURATION = 5, /* time: 250ms, 30s, 5m, 1h                             -> integer, milliseconds */
    LARDER_PARAM_STRING = 6,   /* text                                                 -> string */
    LARDER_PARAM_STRINGS = 7,  /* a list of texts                                      -> items, each with string */
    LARDER_PARAM_RECORD = 8,   /* a mapping described by `fields`                      -> items, one a field */
    LARDER_PARAM_RECORDS = 9,  /* a list of such mappings                              -> items, each with items */
    LARDER_PARAM_MAP = 10,     /* a mapping of free names to texts                     -> items with name and string */
    /* Only the host's own tables use these: {plugin: NAME, ...its own parameters}, and a list of such. The row's
       `choices` is the name of the kind. */
    LARDER_PARAM_PLUGIN = 11,
    LARDER_PARAM_PLUGINS = 12
};

/*
 * One parameter of a module, as a row of a table that ends with a row whose name is NULL. From these rows come the
 * check of the configuration file with line and column, `larder plugin info`, and the reference in docs/. Rows, and the
 * values below, stand in arrays and carry no size: neither struct changes as long as an ABI that uses them is promised.
 */
struct larder_param {
    const char *name; /* as in the configuration file: lower case with underscores */
    enum larder_param_type type;
    const char *default_text; /* as a user would write it; NULL: no default, see `required` */
    double minimum, maximum;  /* inclusive, in the unit of the value (bytes, ms); both 0: any that the type holds.
                                      For STRING the length in bytes, for lists the number of items. */
    const char *choices;      /* STRING: the allowed texts, separated by '|'; NULL: any */
    const struct larder_param *fields; /* RECORD and RECORDS: the table of their members */
    bool required;                     /* must be given; only looked at when default_text is NULL */
    const char *help;                  /* one line, no full stop */
};

/* The value of one parameter. Owned by the host, valid until the module's open() returns: copy what is kept. */
struct larder_param_value {
    const char *name;   /* the parameter's name; for an item of a MAP its free name; NULL for list items */
    bool given;         /* false: this is the default (or, without one, nothing: all members zero) */
    int64_t integer;    /* BOOL, INT, SIZE (bytes), DURATION (ms) */
    double number;      /* FLOAT; for INT, SIZE and DURATION the same value as integer */
    const char *string; /* STRING, and items of STRINGS and MAP; NULL when absent */
    size_t count;       /* STRINGS, RECORD, RECORDS, MAP: how many items */
    const struct larder_param_value *items; /* RECORD: one for each row of `fields`, in the table's order */
};

/* ------------------------------------------------------------------------------------------------ the head */

/* The first member of every table. `kind`, `abi`, `size` never move: they are read before anything else is trusted. */
struct larder_plugin {
    uint32_t kind;                     /* enum larder_plugin_kind */
    uint32_t abi;                      /* number of the kind's contract; set by the macro */
    uint64_t size;                     /* bytes of the whole table as the module knows it; set by the macro */
    const char *name;                  /* what a configuration file calls it: 1 to 32 of [a-z0-9_-] */
    const char *help;                  /* one line: what it is, for `larder plugin list` */
    const struct larder_param *params; /* NULL: takes no parameters */
};

#ifdef __cplusplus
#define LARDER_PLUGIN_LINKAGE extern "C"
#else
#define LARDER_PLUGIN_LINKAGE extern
#endif

/*
 * The name of the table. In a shared object it is always `larder_plugin_table`. When several modules are linked into
 * one program, the build defines LARDER_PLUGIN_STATIC to a suffix that makes the name unique.
 */
#ifdef LARDER_PLUGIN_STATIC
#define LARDER_PLUGIN_GLUE_(a, b) a##b
#define LARDER_PLUGIN_GLUE(a, b)  LARDER_PLUGIN_GLUE_(a, b)
#define LARDER_PLUGIN_TABLE       LARDER_PLUGIN_GLUE(larder_plugin_table_, LARDER_PLUGIN_STATIC)
#else
#define LARDER_PLUGIN_TABLE larder_plugin_table
#endif
#define LARDER_PLUGIN_SYMBOL "larder_plugin_table"

/*
 * Used by the macros of the kinds; authors use those, with a semicolon after. The members that follow the head are given
 * by name and in any order. In C++, which does not mix members with and without names, they are given without, in the
 * order of the table, with NULL for those left out before the last.
 */
#define LARDER_PLUGIN_DEFINE(type, kind, abi, name, help, params, ...)                                                 \
    LARDER_PLUGIN_LINKAGE LARDER_API const type LARDER_PLUGIN_TABLE;                                                   \
    const type LARDER_PLUGIN_TABLE = {{kind, abi, sizeof(type), name, help, params}, __VA_ARGS__}

/* ------------------------------------------------------------------------------------------------ the host */

enum larder_log_level { LARDER_LOG_ERROR = 0, LARDER_LOG_WARN = 1, LARDER_LOG_INFO = 2, LARDER_LOG_DEBUG = 3 };

struct larder_runtime;

/* What every module above the store may ask of the node that opened it. All functions may be called on any thread. */
struct larder_host {
    /* Writes one line to the node's log. `format` as for printf, without a newline; the text needs no escaping. */
    void (*log)(const struct larder_host *host, enum larder_log_level level, const char *format, ...)
        LARDER_PRINTF(3, 4);
    /* Gives the reason for a failure that the module is about to return. Returns `status`. */
    enum larder_status (*fail)(const struct larder_host *host, enum larder_status status, const char *format, ...)
        LARDER_PRINTF(3, 4);
    const struct larder_runtime *runtime; /* time, chance and threads: see runtime.h */
    const char *node_name;                /* the name of this node in its cluster */
    void *owner;                          /* the host's own; modules leave it alone */
};

#ifdef __cplusplus
}
#endif
#endif
