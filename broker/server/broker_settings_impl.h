/* broker_settings_impl - what the files of broker_settings share. Nobody else includes it. */
#pragma once

#include <stdatomic.h>

#include "base/arena.h"
#include "base/check.h"
#include "broker_settings.h"

/* Where a text may stand, the strongest first. */
enum settings_level {
    LEVEL_NODE,         /* the node's own dynamic value */
    LEVEL_DEFAULT_NODE, /* the dynamic default of all nodes */
    LEVEL_COMMAND,
    LEVEL_FILE,
    LEVEL__COUNT /* the built-in default */
};

struct settings_text {
    const char *text;  /* NULL: not set here */
    const char *where; /* "--set", "server.properties:12" */
};

struct settings_row {
    struct settings_text at[LEVEL__COUNT];
};

struct broker_settings_values {
    struct broker_settings settings;
    struct arena arena;                 /* every string and list of this one */
    const struct broker_settings *base; /* of an overlay: keeps the texts below alive */
    _Atomic int refs;
    bool is_finished;
    struct settings_row rows[]; /* as in broker_setting_table */
};

/* One line in `errors`, which may be NULL; returns ERR_INVALID. */
err_t settings_complain(struct buf *errors, const char *where, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Checks and stores one text; a later one of the same level replaces it. */
err_t settings_put(struct broker_settings *settings, enum settings_level level, struct view name,
                   struct view value, const char *where, struct buf *errors);

/* The row's strongest level that has a text, or LEVEL__COUNT. */
enum settings_level settings_level_of(const struct settings_row *row);
/* A known name's row and effective text (NULL: null) and where it was set. */
const struct settings_row *settings_row(const struct broker_settings *settings, const char *name);
const char *settings_where(const struct broker_settings *settings, const char *name);

/* Fills the typed values. ERR_INVALID: what does not fit together, in `errors`; ERR_NOMEM. */
err_t settings_merge(struct broker_settings *settings, struct buf *errors);
/* ... and those of the listeners. */
err_t settings_merge_listeners(struct broker_settings *settings, struct buf *errors);
/* A comma-separated text as an array in the settings' arena; NULL without memory. */
const char **settings_split(struct broker_settings *settings, const char *text, int32_t *count);
