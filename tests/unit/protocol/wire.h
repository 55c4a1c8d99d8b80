/* wire - bytes written as text in tests: "0012 03 'name' ff". */
#pragma once

#include <ctype.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/buf.h"

static inline uint8_t wire_digit(char c)
{
    return (uint8_t)(isdigit((unsigned char)c) ? c - '0' : c - 'a' + 10);
}

/* Pairs of hex digits are bytes, text between quotes stands for itself, spaces are nothing. The
 * buffer has exactly the size of the bytes, so that a sanitizer sees one byte too much. */
static inline struct view wire_bytes(struct buf *out, const char *text)
{
    uint8_t *data = malloc(strlen(text) + 1);
    size_t len = 0;
    assert_non_null(data);
    while (*text) {
        if (*text == ' ') {
            text++;
        } else if (*text == '\'') {
            for (text++; *text != '\''; text++) data[len++] = (uint8_t)*text;
            text++;
        } else {
            data[len++] = (uint8_t)(wire_digit(text[0]) << 4 | wire_digit(text[1]));
            text += 2;
        }
    }
    free(out->data);
    out->data = realloc(data, len ? len : 1);
    out->len = len;
    out->cap = len;
    return buf_view(out);
}

static inline void assert_view_str(struct view v, const char *str)
{
    assert_non_null(v.data);
    assert_int_equal(v.len, strlen(str));
    assert_memory_equal(v.data, str, v.len);
}

static inline void assert_wire_equal(struct view v, const char *text)
{
    struct buf expected = {0};
    wire_bytes(&expected, text);
    assert_int_equal(v.len, expected.len);
    assert_memory_equal(v.data, expected.data, v.len);
    buf_release(&expected);
}
