/* Lines and words by hand: nothing of the C library's parsers refuses what must be refused
 * (blanks, plus signs, overflow). */
#include "text_lines.h"

bool text_lines_next(struct text_lines *lines, struct view *out)
{
    struct view rest = lines->rest;
    if (rest.len == 0) return false;
    const uint8_t *newline = memchr(rest.data, '\n', rest.len);
    size_t len = newline ? (size_t)(newline - rest.data) : rest.len;
    size_t step = newline ? len + 1 : len;
    lines->rest = view_of(rest.data + step, rest.len - step);
    lines->number++;
    if (len && rest.data[len - 1] == '\r') len--;
    *out = view_of(rest.data, len);
    return true;
}

bool text_lines_at_end(const struct text_lines *lines)
{
    for (size_t i = 0; i < lines->rest.len; i++) {
        uint8_t c = lines->rest.data[i];
        if (c != '\n' && c != '\r') return false;
    }
    return true;
}

err_t text_lines_head(struct text_lines *lines, int version, int64_t *count)
{
    struct view line;
    int64_t seen;
    if (!text_lines_next(lines, &line)) return ERR_CORRUPT;
    if (!word_to_int(line, version, version, &seen)) return ERR_CORRUPT;
    if (!text_lines_next(lines, &line)) return ERR_CORRUPT;
    return word_to_int(line, 0, INT32_MAX, count) ? OK : ERR_CORRUPT;
}

int line_split(struct view line, struct view *words, int max)
{
    int count = 0;
    while (count < max) {
        const uint8_t *space = line.len ? memchr(line.data, ' ', line.len) : NULL;
        size_t len = space ? (size_t)(space - line.data) : line.len;
        words[count++] = view_of(line.data, len);
        if (!space) return count;
        line = view_of(space + 1, line.len - len - 1);
    }
    return max + 1;
}

bool word_to_int(struct view word, int64_t min, int64_t max, int64_t *out)
{
    bool is_negative = word.len && word.data[0] == '-';
    size_t at = is_negative;
    int64_t value = 0;
    if (at == word.len) return false;
    for (; at < word.len; at++) {
        int digit = word.data[at] - '0';
        if (digit < 0 || digit > 9) return false;
        if (__builtin_mul_overflow(value, 10, &value)) return false;
        if (__builtin_sub_overflow(value, digit, &value)) return false; /* counted downwards */
    }
    if (!is_negative && __builtin_sub_overflow(0, value, &value)) return false;
    if (value < min || value > max) return false;
    *out = value;
    return true;
}
