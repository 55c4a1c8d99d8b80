/* A row is put together in one buffer and written with one call. In text the blanks that stand
 * before the first wide cell and behind the last are not worth their bytes: lines are trimmed. */
#include "rows.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/check.h"
#include "protocol/text.h"

enum { STDOUT_BYTES = 256 * 1024 };

void must(err_t err)
{
    if (err == OK) return;
    fprintf(stderr, "stele: %s\n", err_name(err));
    exit(EXIT_BROKEN);
}

/* ---- stdout ---- */

void stdout_prepare(void)
{
    signal(SIGPIPE, SIG_IGN);
    setvbuf(stdout, NULL, isatty(STDOUT_FILENO) ? _IOLBF : _IOFBF, STDOUT_BYTES);
}

/* A reader that has seen enough is no failure. */
static void check_stdout(bool is_bad)
{
    if (is_bad && errno == EPIPE) _exit(EXIT_OK);
    if (!is_bad) return;
    perror("stele: stdout");
    _exit(EXIT_BROKEN);
}

void stdout_write(struct view bytes)
{
    check_stdout(fwrite(bytes.data, 1, bytes.len, stdout) != bytes.len);
}

void stdout_printf(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int n = vprintf(format, args);
    va_end(args);
    check_stdout(n < 0);
}

void stdout_finish(void) { check_stdout(fflush(stdout) != 0); }

/* ---- time ---- */

const char *time_text(time_ms_t ms, char out[TIME_TEXT_MAX])
{
    static const time_ms_t year_9999 = 253402300799999;
    if (ms < 0 || ms > year_9999) {
        snprintf(out, TIME_TEXT_MAX, ms == -1 ? "-" : "%" PRId64, ms);
        return out;
    }
    time_t seconds = (time_t)(ms / 1000);
    struct tm tm;
    gmtime_r(&seconds, &tm);
    size_t len = strftime(out, TIME_TEXT_MAX, "%Y-%m-%dT%H:%M:%S", &tm);
    snprintf(out + len, TIME_TEXT_MAX - len, ".%03dZ", (int)(ms % 1000));
    return out;
}

bool time_parse(const char *text, time_ms_t *out)
{
    static const char *const formats[] = {"%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M", "%Y-%m-%d"};
    long long ms;
    if (parse_long(text, -1, INT64_MAX, &ms)) {
        *out = ms;
        return true;
    }
    for (size_t i = 0; i < COUNT_OF(formats); i++) {
        struct tm tm = {0};
        const char *rest = strptime(text, formats[i], &tm);
        int fraction = 0, used = 0;
        if (!rest) continue;
        if (*rest == '.' && sscanf(rest, ".%3d%n", &fraction, &used) == 1) {
            for (int digits = used - 1; digits < 3; digits++) fraction *= 10;
            rest += used;
        }
        if (*rest != 0 && strcmp(rest, "Z") != 0) continue;
        *out = (time_ms_t)timegm(&tm) * 1000 + fraction;
        return true;
    }
    return false;
}

/* ---- rows ---- */

void rows_init(struct rows *rows, enum output_format format, const char *type,
               const struct row_column *columns, int count)
{
    *rows = (struct rows){.format = format, .type = type, .columns = columns, .count = count};
}

void rows_release(struct rows *rows) { buf_release(&rows->line); }

static void pad_cell(struct rows *rows, const struct row_column *column, struct view text)
{
    bool left = column->width < 0;
    size_t width = (size_t)(left ? -column->width : column->width);
    size_t pad = text.len < width ? width - text.len : 0;
    if (rows->line.len) must(buf_append(&rows->line, "  ", 2));
    if (!left) must(buf_printf(&rows->line, "%*s", (int)pad, ""));
    for (size_t i = 0; i < text.len;
         i++) /* names and lines come from files: nothing may move the cursor */
        must(buf_append_u8(&rows->line,
                           text.data[i] < 0x20 || text.data[i] == 0x7f ? '?' : text.data[i]));
    if (left) must(buf_printf(&rows->line, "%*s", (int)pad, ""));
}

static void end_line(struct rows *rows)
{
    struct buf *line = &rows->line;
    while (line->len && line->data[line->len - 1] == ' ') line->len--;
    must(buf_append_u8(line, '\n'));
    stdout_write(buf_view(line));
    buf_clear(line);
}

void rows_titles(struct rows *rows)
{
    if (rows->format == FORMAT_JSON) return;
    buf_clear(&rows->line);
    for (int i = 0; i < rows->count; i++) {
        const struct row_column *c = &rows->columns[i];
        if (c->title) pad_cell(rows, c, view_str(c->title));
    }
    end_line(rows);
}

void rows_start(struct rows *rows)
{
    buf_clear(&rows->line);
    rows->at = 0;
    if (rows->format == FORMAT_JSON) must(buf_printf(&rows->line, "{\"type\":\"%s\"", rows->type));
}

struct buf *rows_field(struct rows *rows, const char *key)
{
    if (rows->format != FORMAT_JSON) return NULL;
    must(buf_printf(&rows->line, ",\"%s\":", key));
    return &rows->line;
}

/* One cell: as it looks in a table, and as it is in JSON. */
static void cell(struct rows *rows, struct view text, struct view json)
{
    CHECK(rows->at < rows->count);
    const struct row_column *column = &rows->columns[rows->at++];
    if (rows->format != FORMAT_JSON) {
        if (column->title) pad_cell(rows, column, text);
    } else if (column->key) {
        struct buf *out = rows_field(rows, column->key);
        must(buf_append(out, json.data, json.len));
    }
}

void rows_number(struct rows *rows, int64_t number)
{
    char text[24];
    int len = snprintf(text, sizeof text, "%" PRId64, number);
    cell(rows, view_of(text, (size_t)len), view_of(text, (size_t)len));
}

void rows_bool(struct rows *rows, bool value)
{
    cell(rows, view_str(value ? "yes" : "no"), view_str(value ? "true" : "false"));
}

void rows_null(struct rows *rows) { cell(rows, view_str("-"), view_str("null")); }

void rows_number_if(struct rows *rows, bool has, int64_t number)
{
    if (has)
        rows_number(rows, number);
    else
        rows_null(rows);
}

void rows_text(struct rows *rows, struct view text)
{
    struct buf json = {0};
    if (!text.data) {
        rows_null(rows);
        return;
    }
    if (rows->format == FORMAT_JSON) must(text_string(text, &json));
    cell(rows, text, buf_view(&json));
    buf_release(&json);
}

void rows_string(struct rows *rows, const char *text)
{
    rows_text(rows, text ? view_str(text) : (struct view){0});
}

void rows_time(struct rows *rows, time_ms_t ms)
{
    char text[TIME_TEXT_MAX];
    rows_string(rows, ms == -1 ? NULL : time_text(ms, text));
}

void rows_end(struct rows *rows)
{
    CHECK(rows->at == rows->count);
    if (rows->format == FORMAT_JSON) must(buf_append_u8(&rows->line, '}'));
    end_line(rows);
}
