/* broker_settings_file - Java's properties format.
 *
 * A logical line is "key = value"; '=', ':' or blanks part the two. '#' and '!' begin a comment. A
 * backslash at the end of a line joins the next one, without its leading blanks; elsewhere it takes
 * the special meaning of a character away, or gives one (\t \n \r \f \uXXXX). Of two lines with the
 * same key the later one holds. Bytes beyond ASCII are UTF-8.
 */
#include <stdio.h>

#include "base/os.h"
#include "broker_settings_impl.h"

enum { FILE_MAX_BYTES = 1 << 20 };

struct properties {
    struct view rest;
    int line;              /* of the first physical line of what was read last */
    int lines_read;        /* physical ones */
    struct buf logical;    /* owned: the line being read, still escaped */
    struct buf key, value; /* owned: unescaped */
};

static bool is_blank(uint8_t c) { return c == ' ' || c == '\t' || c == '\f'; }

/* The next physical line, without its end. */
static struct view next_physical(struct properties *p)
{
    size_t len = 0;
    while (len < p->rest.len && p->rest.data[len] != '\n' && p->rest.data[len] != '\r') len++;
    struct view line = view_of(p->rest.data, len);
    if (len < p->rest.len) {
        bool is_pair = p->rest.data[len] == '\r' && len + 1 < p->rest.len &&
                       p->rest.data[len + 1] == '\n';
        len += is_pair ? 2 : 1;
    }
    p->rest = view_of(p->rest.data + len, p->rest.len - len);
    p->lines_read++;
    return line;
}

static struct view without_leading_blanks(struct view line)
{
    while (line.len && is_blank(line.data[0])) line.data++, line.len--;
    return line;
}

static bool is_continued(struct view line)
{
    size_t backslashes = 0;
    while (backslashes < line.len && line.data[line.len - 1 - backslashes] == '\\') backslashes++;
    return backslashes % 2 == 1;
}

/* Gathers the next logical line that is not empty or a comment. ERR_NOT_FOUND at the end. */
static err_t next_logical(struct properties *p)
{
    buf_clear(&p->logical);
    while (p->rest.len) {
        struct view line = without_leading_blanks(next_physical(p));
        if (line.len == 0 || line.data[0] == '#' || line.data[0] == '!') continue;
        p->line = p->lines_read;
        while (is_continued(line)) {
            TRY(buf_append(&p->logical, line.data, line.len - 1));
            line = p->rest.len ? without_leading_blanks(next_physical(p)) : view_of("", 0);
        }
        return buf_append(&p->logical, line.data, line.len);
    }
    return ERR_NOT_FOUND;
}

static int hex_digit(uint8_t c)
{
    if (c >= '0' && c <= '9') return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static err_t append_utf8(struct buf *out, unsigned code)
{
    if (code < 0x80) return buf_append_u8(out, (uint8_t)code);
    if (code < 0x800) {
        TRY(buf_append_u8(out, (uint8_t)(0xc0 | code >> 6)));
        return buf_append_u8(out, (uint8_t)(0x80 | (code & 0x3f)));
    }
    TRY(buf_append_u8(out, (uint8_t)(0xe0 | code >> 12)));
    TRY(buf_append_u8(out, (uint8_t)(0x80 | (code >> 6 & 0x3f))));
    return buf_append_u8(out, (uint8_t)(0x80 | (code & 0x3f)));
}

/* What follows a backslash at in->data[*at]; moves *at behind it. */
static err_t unescape(struct view in, size_t *at, struct buf *out)
{
    uint8_t c = in.data[(*at)++];
    switch (c) {
    case 't': return buf_append_u8(out, '\t');
    case 'n': return buf_append_u8(out, '\n');
    case 'r': return buf_append_u8(out, '\r');
    case 'f': return buf_append_u8(out, '\f');
    case 'u': break;
    default: return buf_append_u8(out, c);
    }
    unsigned code = 0;
    for (int i = 0; i < 4; i++) {
        int digit = *at < in.len ? hex_digit(in.data[(*at)++]) : -1;
        if (digit < 0) return ERR_INVALID;
        code = code << 4 | (unsigned)digit;
    }
    return append_utf8(out, code);
}

/* Splits the logical line. ERR_INVALID: a malformed \u. */
static err_t split_line(struct properties *p)
{
    struct view in = buf_view(&p->logical);
    buf_clear(&p->key);
    buf_clear(&p->value);
    size_t at = 0;
    while (at < in.len && in.data[at] != '=' && in.data[at] != ':' && !is_blank(in.data[at])) {
        uint8_t c = in.data[at++];
        if (c == '\\' && at < in.len) {
            TRY(unescape(in, &at, &p->key));
        } else {
            TRY(buf_append_u8(&p->key, c));
        }
    }
    while (at < in.len && is_blank(in.data[at])) at++;
    if (at < in.len && (in.data[at] == '=' || in.data[at] == ':')) at++;
    while (at < in.len && is_blank(in.data[at])) at++;
    while (at < in.len) {
        uint8_t c = in.data[at++];
        if (c == '\\' && at < in.len) {
            TRY(unescape(in, &at, &p->value));
        } else {
            TRY(buf_append_u8(&p->value, c));
        }
    }
    return OK;
}

/* All lines; problems are gathered, so that one look shows all of them. */
static err_t read_lines(struct properties *p, struct broker_settings *settings, const char *path,
                        struct buf *errors)
{
    err_t worst = OK;
    err_t err;
    while ((err = next_logical(p)) == OK) {
        char where[300];
        snprintf(where, sizeof(where), "%s:%d", path, p->line);
        err = split_line(p);
        if (err == ERR_INVALID) {
            err = settings_complain(errors, where, "\\u takes four hexadecimal digits");
        } else if (err == OK) {
            err = settings_put(settings, LEVEL_FILE, buf_view(&p->key), buf_view(&p->value), where,
                               errors);
        }
        if (err != OK && err != ERR_INVALID) return err;
        if (err != OK) worst = err;
    }
    return err == ERR_NOT_FOUND ? worst : err;
}

err_t broker_settings_read_file(struct broker_settings *settings, const struct os *os,
                                const char *path, struct buf *errors)
{
    CHECK(!settings->values->is_finished);
    struct buf contents = {0};
    struct properties p = {0};
    err_t err = os_read_file(os, path, FILE_MAX_BYTES, &contents);
    if (err != OK) {
        (void)settings_complain(errors, path, "cannot be read: %s", err_name(err));
        goto done;
    }
    p.rest = buf_view(&contents);
    err = read_lines(&p, settings, path, errors);
done:
    buf_release(&contents);
    buf_release(&p.logical);
    buf_release(&p.key);
    buf_release(&p.value);
    return err;
}
