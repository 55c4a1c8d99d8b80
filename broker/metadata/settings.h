/* settings - one typed table of settings, and values parsed against it.
 *
 * The same machinery serves the broker's settings (server/broker_settings) and the topics'
 * (topic_settings): names are Kafka's, each has a type, a default, bounds, a line of meaning and
 * what it does here. A wrong value is refused with its name, the value seen and what is allowed.
 * Tables are const; value sets are plain memory.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/err.h"

enum setting_type {
    SETTING_BOOL,
    SETTING_INT,
    SETTING_LONG,
    SETTING_DOUBLE,
    SETTING_STRING,
    SETTING_LIST,
    SETTING_PASSWORD
};

enum setting_flags {
    SETTING_DYNAMIC = 1 << 0,   /* may be altered while running */
    SETTING_READ_ONLY = 1 << 1, /* shown, never set by a user */
    SETTING_NO_EFFECT = 1 << 2, /* accepted for compatibility, documented as without effect */
    SETTING_NULLABLE = 1 << 3,
};

struct setting {
    const char *name;
    enum setting_type type;
    int flags;
    const char *default_value; /* NULL: null */
    double min, max;           /* of numbers; both 0: the type's range */
    const char *const
        *choices;        /* of strings and of each list element; NULL-terminated; NULL: any */
    const char *meaning; /* one line */
    const char *synonym; /* the broker's setting that a topic's falls back to; NULL: none */
};

struct setting_table {
    const struct setting *settings;
    size_t count;
};

/* NULL: unknown. */
const struct setting *setting_find(const struct setting_table *table, struct view name);
/* The known name nearest to a wrong one, or NULL. */
const char *setting_nearest(const struct setting_table *table, struct view name);
/* Checks a value against type, bounds and choices; on ERR_INVALID `message` (may be NULL) says what
 * is allowed. */
err_t setting_check(const struct setting *setting, struct view value, char *message,
                    size_t message_size);

/* Values after setting_check(). */
bool setting_parse_bool(const char *value);
int64_t setting_parse_long(const char *value);
double setting_parse_double(const char *value);
/* Does the comma-separated list contain the word? */
bool setting_list_has(const char *list, const char *word);
