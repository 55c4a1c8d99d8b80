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
        *choices; /* of texts, list elements, numbers as written; NULL-terminated; NULL: any */
    const char *meaning; /* one line */
    const char *synonym; /* the broker's setting that a topic's falls back to; NULL: none */
};

struct setting_table {
    const struct setting *settings; /* in order of name */
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

/* What is allowed, in words: "a whole number from 1 to 9". */
void setting_allowed(const struct setting *setting, char *text, size_t size);
/* The sentence that setting_check() gives; with other words for a rule that the table has not. */
void setting_refusal(const struct setting *setting, struct view value, const char *allowed,
                     char *message, size_t size);
/* The sentence for a name that is not in the table, with the nearest one. */
void setting_unknown(const struct setting_table *table, struct view name, char *message,
                     size_t size);

/* Values after setting_check(). */
bool setting_parse_bool(const char *value);
int64_t setting_parse_long(const char *value);
double setting_parse_double(const char *value);
struct view setting_trim(struct view value); /* without the blanks around it */
/* Does the comma-separated list contain the word? */
bool setting_list_has(const char *list, const char *word);
/* Takes the next element that is not empty off a list, without the blanks around it. */
bool setting_list_next(struct view *rest, struct view *element);
