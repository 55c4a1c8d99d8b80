/* settings - see settings.h.
 *
 * A value is checked once, when it comes in, and parsed again where it is used: the parsers below
 * take checked text and CHECK that it is. Blanks around a value or a list's element do not count,
 * as in Kafka. Bounds are doubles in the table: whole numbers up to 2^53 are exact there, and what
 * is larger is a type's own limit, which is tested on integers.
 */
#include "settings.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include "base/check.h"

enum { NUMBER_TEXT_MAX = 40, NAME_MAX_LEN = 100, VALUE_SHOWN_MAX = 80 };

/* As strcmp(). */
static int compare(struct view a, const char *b)
{
    size_t b_len = strlen(b);
    int order = a.len ? memcmp(a.data, b, MIN(a.len, b_len)) : 0;
    return order ? order : (a.len > b_len) - (a.len < b_len);
}

const struct setting *setting_find(const struct setting_table *table, struct view name)
{
    size_t low = 0, high = table->count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        int order = compare(name, table->settings[middle].name);
        if (order == 0) return &table->settings[middle];
        if (order < 0) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    return NULL;
}

/* ---- nearest name ---- */

/* Edits (insert, delete, replace) from a to b; one row of the table at a time. */
static size_t edit_distance(struct view a, struct view b)
{
    size_t row[NAME_MAX_LEN + 1];
    for (size_t j = 0; j <= b.len; j++) row[j] = j;
    for (size_t i = 1; i <= a.len; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= b.len; j++) {
            size_t replaced = diagonal + (a.data[i - 1] != b.data[j - 1]);
            diagonal = row[j];
            row[j] = MIN(replaced, MIN(row[j], row[j - 1]) + 1);
        }
    }
    return row[b.len];
}

const char *setting_nearest(const struct setting_table *table, struct view name)
{
    if (name.len > NAME_MAX_LEN) return NULL;
    const char *best = NULL;
    size_t best_distance = name.len / 3 + 2; /* further away is no typing error */
    for (size_t i = 0; i < table->count; i++) {
        struct view known = view_str(table->settings[i].name);
        CHECK(known.len <= NAME_MAX_LEN);
        size_t distance = edit_distance(name, known);
        if (distance < best_distance) {
            best_distance = distance;
            best = table->settings[i].name;
        }
    }
    return best;
}

/* ---- parsing ---- */

struct view setting_trim(struct view v)
{
    while (v.len && isspace(v.data[0])) v.data++, v.len--;
    while (v.len && isspace(v.data[v.len - 1])) v.len--;
    return v;
}

static bool word_is(struct view v, const char *word)
{
    return v.len == strlen(word) && strncasecmp((const char *)v.data, word, v.len) == 0;
}

static bool parse_bool(struct view v, bool *out)
{
    v = setting_trim(v);
    *out = word_is(v, "true");
    return *out || word_is(v, "false");
}

/* The text as a C string without blanks around it; false when it cannot be a number. */
static bool number_text(struct view v, char out[NUMBER_TEXT_MAX])
{
    v = setting_trim(v);
    if (v.len == 0 || v.len >= NUMBER_TEXT_MAX) return false;
    memcpy(out, v.data, v.len);
    out[v.len] = '\0';
    return strlen(out) == v.len;
}

static bool parse_long(struct view v, int64_t *out)
{
    char text[NUMBER_TEXT_MAX];
    if (!number_text(v, text)) return false;
    char *end;
    errno = 0;
    *out = strtoll(text, &end, 10);
    return errno == 0 && *end == '\0';
}

static bool parse_double(struct view v, double *out)
{
    char text[NUMBER_TEXT_MAX];
    if (!number_text(v, text)) return false;
    if (text[strspn(text, "+-.0123456789eE")] != '\0') return false; /* no hex, inf, nan */
    char *end;
    errno = 0;
    *out = strtod(text, &end);
    return errno == 0 && *end == '\0';
}

bool setting_parse_bool(const char *value)
{
    bool out;
    CHECK(parse_bool(view_str(value), &out));
    return out;
}

int64_t setting_parse_long(const char *value)
{
    int64_t out;
    CHECK(parse_long(view_str(value), &out));
    return out;
}

double setting_parse_double(const char *value)
{
    double out;
    CHECK(parse_double(view_str(value), &out));
    return out;
}

/* ---- lists ---- */

bool setting_list_next(struct view *rest, struct view *element)
{
    while (rest->len) {
        const uint8_t *comma = memchr(rest->data, ',', rest->len);
        size_t len = comma ? (size_t)(comma - rest->data) : rest->len;
        *element = setting_trim(view_of(rest->data, len));
        size_t used = comma ? len + 1 : len;
        *rest = view_of(rest->data + used, rest->len - used);
        if (element->len) return true;
    }
    return false;
}

bool setting_list_has(const char *list, const char *word)
{
    struct view rest = view_str(list), element;
    while (setting_list_next(&rest, &element)) {
        if (view_eq(element, view_str(word))) return true;
    }
    return false;
}

/* ---- checking ---- */

static bool is_choice(const struct setting *setting, struct view v)
{
    if (!setting->choices) return true;
    for (const char *const *choice = setting->choices; *choice; choice++) {
        if (view_eq(view_str(*choice), v)) return true;
    }
    return false;
}

static bool has_bounds(const struct setting *setting)
{
    return setting->min != 0 || setting->max != 0;
}

static bool is_within(const struct setting *setting, double number)
{
    return !has_bounds(setting) || (number >= setting->min && number <= setting->max);
}

static bool is_well_formed(const struct setting *setting, struct view value)
{
    bool flag;
    int64_t whole;
    double number;
    switch (setting->type) {
    case SETTING_BOOL: return parse_bool(value, &flag);
    case SETTING_INT:
        return parse_long(value, &whole) && whole >= INT32_MIN && whole <= INT32_MAX &&
               is_within(setting, (double)whole);
    case SETTING_LONG: return parse_long(value, &whole) && is_within(setting, (double)whole);
    case SETTING_DOUBLE: return parse_double(value, &number) && is_within(setting, number);
    case SETTING_LIST:
    case SETTING_STRING:
    case SETTING_PASSWORD: return true;
    }
    return false;
}

static bool is_allowed(const struct setting *setting, struct view value)
{
    if (!is_well_formed(setting, value)) return false;
    if (setting->type != SETTING_LIST) return is_choice(setting, setting_trim(value));
    struct view element;
    while (setting_list_next(&value, &element)) {
        if (!is_choice(setting, element)) return false;
    }
    return true;
}

/* snprintf at the end of a text, which may be cut. */
static void add(char *text, size_t size, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
static void add(char *text, size_t size, const char *format, ...)
{
    size_t used = strlen(text);
    va_list args;
    va_start(args, format);
    vsnprintf(text + used, size - used, format, args);
    va_end(args);
}

static void add_choices(const struct setting *setting, char *text, size_t size)
{
    if (!setting->choices[0][0]) {
        add(text, size, "only the empty one");
        return;
    }
    add(text, size, setting->type == SETTING_LIST ? "a comma-separated list of " : "one of ");
    for (const char *const *choice = setting->choices; *choice; choice++) {
        add(text, size, "%s%s", choice == setting->choices ? "" : ", ", *choice);
    }
}

static void add_bounds(const struct setting *setting, char *text, size_t size)
{
    if (!has_bounds(setting)) return;
    double top = setting->type == SETTING_INT ? INT32_MAX : (double)INT64_MAX;
    if (setting->max >= top) {
        add(text, size, " of at least %.15g", setting->min);
    } else {
        add(text, size, " from %.15g to %.15g", setting->min, setting->max);
    }
}

void setting_allowed(const struct setting *setting, char *text, size_t size)
{
    CHECK(size > 0);
    text[0] = '\0';
    if (setting->choices) {
        add_choices(setting, text, size);
        return;
    }
    switch (setting->type) {
    case SETTING_BOOL: add(text, size, "true or false"); break;
    case SETTING_INT:
    case SETTING_LONG:
        add(text, size, "a whole number");
        add_bounds(setting, text, size);
        break;
    case SETTING_DOUBLE:
        add(text, size, "a number");
        add_bounds(setting, text, size);
        break;
    case SETTING_LIST: add(text, size, "a comma-separated list"); break;
    case SETTING_STRING:
    case SETTING_PASSWORD: add(text, size, "any text"); break;
    }
}

/* At most VALUE_SHOWN_MAX bytes of the value, fit for a terminal. */
static void show_value(struct view value, char out[VALUE_SHOWN_MAX + 4])
{
    size_t len = MIN(value.len, VALUE_SHOWN_MAX);
    for (size_t i = 0; i < len; i++) out[i] = isprint(value.data[i]) ? (char)value.data[i] : '?';
    snprintf(out + len, 4, "%s", len < value.len ? "..." : "");
}

void setting_refusal(const struct setting *setting, struct view value, const char *allowed,
                     char *message, size_t size)
{
    if (!message || size == 0) return;
    char shown[VALUE_SHOWN_MAX + 4] = "(hidden)";
    if (setting->type != SETTING_PASSWORD) show_value(value, shown);
    snprintf(message, size, "Invalid value \"%s\" for %s: allowed is %s", shown, setting->name,
             allowed);
}

err_t setting_check(const struct setting *setting, struct view value, char *message,
                    size_t message_size)
{
    if (is_allowed(setting, value)) return OK;
    char allowed[400];
    setting_allowed(setting, allowed, sizeof(allowed));
    setting_refusal(setting, value, allowed, message, message_size);
    return ERR_INVALID;
}

void setting_unknown(const struct setting_table *table, struct view name, char *message,
                     size_t size)
{
    if (!message || size == 0) return;
    char shown[VALUE_SHOWN_MAX + 4];
    show_value(name, shown);
    const char *nearest = setting_nearest(table, name);
    snprintf(message, size, "Unknown setting \"%s\"%s%s%s", shown, nearest ? "; did you mean " : "",
             nearest ? nearest : "", nearest ? "?" : "");
}
