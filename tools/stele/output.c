/* Rows are kept until the end, because the width of a column is known only then. */
#include "output.h"

#include <ctype.h>
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"

struct output {
    enum output_format format;
    const struct column *columns;
    int column_count;
    json_t *rows; /* array of arrays of cells */
    json_t *row;
};

static void *need(void *p)
{
    if (p) return p;
    fputs("stele: out of memory\n", stderr);
    exit(EXIT_BROKEN);
}

struct output *output_new(enum output_format format, const struct column *columns, int count)
{
    struct output *out = need(calloc(1, sizeof *out));
    *out = (struct output){format, columns, count, need(json_array()), NULL};
    return out;
}

static void add_cell(struct output *out, json_t *cell)
{
    if (!out->row || (int)json_array_size(out->row) == out->column_count) {
        out->row = need(json_array());
        json_array_append_new(out->rows, out->row);
    }
    json_array_append_new(out->row, need(cell));
}

void output_text(struct output *out, struct view text)
{
    if (!text.data) {
        add_cell(out, json_null());
        return;
    }
    json_t *cell = json_stringn((const char *)text.data, text.len);
    add_cell(out, cell ? cell : json_string("(not UTF-8)"));
}

void output_string(struct output *out, const char *text)
{
    output_text(out, text ? view_str(text) : (struct view){0});
}
void output_number(struct output *out, int64_t number) { add_cell(out, json_integer(number)); }
void output_bool(struct output *out, bool value) { add_cell(out, json_boolean(value)); }

void output_numbers(struct output *out, const int32_t *numbers, int32_t count)
{
    json_t *list = need(json_array());
    for (int32_t i = 0; i < count; i++) json_array_append_new(list, need(json_integer(numbers[i])));
    add_cell(out, list);
}

bool output_is_empty(const struct output *out) { return json_array_size(out->rows) == 0; }

/* ---- text ---- */

static void cell_text(const json_t *cell, char *text, size_t size)
{
    switch (json_typeof(cell)) {
    case JSON_STRING: snprintf(text, size, "%s", json_string_value(cell)); break;
    case JSON_INTEGER:
        snprintf(text, size, "%" JSON_INTEGER_FORMAT, json_integer_value(cell));
        break;
    case JSON_TRUE: snprintf(text, size, "yes"); break;
    case JSON_FALSE: snprintf(text, size, "no"); break;
    case JSON_ARRAY: {
        size_t at = 0;
        text[0] = 0;
        for (size_t i = 0; i < json_array_size(cell) && at < size; i++)
            at += (size_t)snprintf(text + at, size - at, "%s%" JSON_INTEGER_FORMAT, i ? "," : "",
                                   json_integer_value(json_array_get(cell, i)));
        break;
    }
    default: snprintf(text, size, "-"); break;
    }
}

enum { CELL_MAX = 4096, COLUMNS_MAX = 32 };

static void print_text(const struct output *out)
{
    size_t widths[COLUMNS_MAX], index;
    char text[CELL_MAX];
    json_t *row;
    CHECK(out->column_count <= COLUMNS_MAX);
    if (output_is_empty(out)) return; /* titles of nothing tell nothing */
    for (int c = 0; c < out->column_count; c++) widths[c] = strlen(out->columns[c].title);
    json_array_foreach(out->rows, index, row)
    {
        for (int c = 0; c < out->column_count; c++) {
            cell_text(json_array_get(row, (size_t)c), text, sizeof text);
            widths[c] = MAX(widths[c], strlen(text));
        }
    }
    int last = out->column_count - 1;
    for (int c = 0; c <= last; c++) {
        bool right = out->columns[c].kind == COLUMN_NUMBER;
        printf("%*s%s",
               right       ? (int)widths[c]
               : c == last ? 0
                           : -(int)widths[c],
               out->columns[c].title, c == last ? "\n" : "  ");
    }
    json_array_foreach(out->rows, index, row)
    {
        for (int c = 0; c <= last; c++) {
            bool right = out->columns[c].kind == COLUMN_NUMBER;
            cell_text(json_array_get(row, (size_t)c), text, sizeof text);
            printf("%*s%s",
                   right       ? (int)widths[c]
                   : c == last ? 0
                               : -(int)widths[c],
                   text, c == last ? "\n" : "  ");
        }
    }
}

/* ---- JSON ---- */

static void json_key(const char *title, char *key, size_t size)
{
    size_t i = 0;
    for (; title[i] && i + 1 < size; i++)
        key[i] = title[i] == ' ' || title[i] == '-' ? '_' : (char)tolower((unsigned char)title[i]);
    key[i] = 0;
}

static void print_json(const struct output *out)
{
    json_t *list = need(json_array()), *row;
    size_t index;
    json_array_foreach(out->rows, index, row)
    {
        json_t *object = need(json_object());
        for (int c = 0; c < out->column_count; c++) {
            char key[64];
            json_key(out->columns[c].title, key, sizeof key);
            json_object_set(object, key, json_array_get(row, (size_t)c));
        }
        json_array_append_new(list, object);
    }
    json_dumpf(list, stdout, JSON_INDENT(1));
    putchar('\n');
    json_decref(list);
}

void output_finish(struct output *out)
{
    if (out->format == FORMAT_JSON)
        print_json(out);
    else
        print_text(out);
    json_decref(out->rows);
    free(out);
}
