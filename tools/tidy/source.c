/* The separation is one pass of a small state machine over the bytes:
 *
 *   CODE --slash star--> BLOCK --star slash--> CODE     CODE --two slashes--> LINE --newline-->
 * CODE CODE --"--> STRING --"--> CODE                      CODE --'--> CHAR --'--> CODE
 */
#include "source.h"

#include <ctype.h>
#include <string.h>

#include "base/buf.h"
#include "base/check.h"
#include "base/os.h"

enum { SOURCE_MAX_BYTES = 8 << 20 };

enum state { IN_CODE, IN_BLOCK, IN_LINE, IN_STRING, IN_CHAR };

static bool ends_with(const char *text, const char *end)
{
    size_t n = strlen(text), m = strlen(end);
    return n >= m && strcmp(text + n - m, end) == 0;
}

enum source_kind source_kind_of(const char *path)
{
    static const struct {
        const char *end;
        enum source_kind kind;
    } kinds[] = {
        {".c", SOURCE_C},
        {".h", SOURCE_HEADER},
        {".sh", SOURCE_SCRIPT},
        {".py", SOURCE_SCRIPT},
        {".js", SOURCE_SCRIPT},
        {".ci/run", SOURCE_SCRIPT},
        {".cmake", SOURCE_BUILD},
        {"CMakeLists.txt", SOURCE_BUILD},
        {"Makefile", SOURCE_BUILD},
        {".md", SOURCE_PROSE},
        {".txt", SOURCE_PROSE},
        {".json", SOURCE_PROSE},
        {".in", SOURCE_PROSE},
        {".schema", SOURCE_PROSE},
        {"Containerfile", SOURCE_PROSE},
        {"LICENSE", SOURCE_OTHER},
        {".conf", SOURCE_PROSE},
        {".properties", SOURCE_PROSE},
    };
    for (size_t i = 0; i < COUNT_OF(kinds); i++)
        if (ends_with(path, kinds[i].end)) return kinds[i].kind;
    return SOURCE_OTHER;
}

/* ---- separation ---- */

static enum state state_after(enum state state, const char *at)
{
    switch (state) {
    case IN_CODE:
        if (at[0] == '/' && at[1] == '*') return IN_BLOCK;
        if (at[0] == '/' && at[1] == '/') return IN_LINE;
        if (at[0] == '"') return IN_STRING;
        return at[0] == '\'' ? IN_CHAR : IN_CODE;
    case IN_BLOCK: return at[0] == '/' && at[-1] == '*' ? IN_CODE : IN_BLOCK;
    case IN_LINE: return at[0] == '\n' ? IN_CODE : IN_LINE;
    case IN_STRING: return at[0] == '"' ? IN_CODE : IN_STRING;
    case IN_CHAR: return at[0] == '\'' ? IN_CODE : IN_CHAR;
    }
    return state;
}

static char blank_unless_newline(char c) { return c == '\n' ? c : ' '; }

/* Fills `code`, and marks with 'c' in `marks` each byte that belongs to a comment. */
static void separate(const char *text, size_t len, char *code, char *marks)
{
    enum state state = IN_CODE;
    for (size_t i = 0; i < len; i++) {
        enum state before = state;
        bool is_escape = (state == IN_STRING || state == IN_CHAR) && text[i] == '\\';
        if (!is_escape) state = state_after(state, text + i);
        bool is_code = before == IN_CODE && state != IN_BLOCK && state != IN_LINE;
        bool is_quote = before != state && (text[i] == '"' || text[i] == '\'');
        code[i] = is_code || is_quote ? text[i] : blank_unless_newline(text[i]);
        if (before == IN_BLOCK || before == IN_LINE || state == IN_BLOCK || state == IN_LINE)
            marks[i] = 'c';
        if (is_escape && i + 1 < len) {
            i++;
            code[i] = blank_unless_newline(text[i]);
        }
        /* The star that opens a comment must not close it too. */
        if (before == IN_CODE && state == IN_BLOCK && i + 1 < len) {
            i++;
            code[i] = ' ';
            marks[i] = 'c';
        }
    }
}

/* ---- lines ---- */

static bool is_blank(const char *text) { return text[strspn(text, " \t\r")] == 0; }

static void count_kinds(struct source *s)
{
    for (size_t i = 0; i < s->line_count; i++) {
        const struct line *line = &s->lines[i];
        if (!is_blank(line->code))
            s->code_lines++;
        else if (line->has_comment && !is_blank(line->text))
            s->comment_lines++;
    }
}

static void cut_lines(struct source *s, struct arena *arena, char *text, char *code, char *marks,
                      size_t len)
{
    size_t count = 0;
    for (size_t i = 0; i < len; i++) count += text[i] == '\n';
    s->lines = arena_calloc(arena, count + 1, sizeof *s->lines);
    CHECK(s->lines);
    for (size_t start = 0; start < len;) {
        const char *newline = memchr(text + start, '\n', len - start);
        size_t end = newline ? (size_t)(newline - text) : len;
        text[end] = code[end] = 0;
        s->lines[s->line_count++] = (struct line){text + start, code + start, end - start,
                                                  memchr(marks + start, 'c', end - start) != NULL};
        start = end + 1;
    }
}

err_t source_load(struct source *s, struct arena *arena, const char *root, const char *path)
{
    struct buf file = {0};
    *s = (struct source){.path = path, .kind = source_kind_of(path), .layer = layer_of_path(path)};
    char *full = arena_printf(arena, "%s/%s", root, path);
    CHECK(full);
    err_t err = os_read_file(os_real(), full, SOURCE_MAX_BYTES, &file);
    if (err == OK && file.len && memchr(file.data, 0, file.len)) err = ERR_UNSUPPORTED;
    if (err != OK) goto done;
    char *text = arena_strndup(arena, file.data, file.len);
    char *code = arena_strndup(arena, file.data, file.len);
    char *marks = arena_alloc(arena, file.len + 1);
    CHECK(text && code && marks);
    if (source_is_c(s)) separate(text, file.len, code, marks);
    cut_lines(s, arena, text, code, marks, file.len);
    if (source_is_c(s)) count_kinds(s);
done:
    buf_release(&file);
    return err;
}

/* ---- words ---- */

static bool is_word_char(char c) { return isalnum((unsigned char)c) || c == '_'; }

const char *code_find_word_from(const char *from, const char *start, const char *word)
{
    size_t len = strlen(word);
    for (const char *at = from; (at = strstr(at, word)); at++) {
        bool begins = at == start || !is_word_char(at[-1]);
        if (begins && !is_word_char(at[len])) return at;
    }
    return NULL;
}

const char *code_find_word(const struct line *line, const char *word)
{
    return code_find_word_from(line->code, line->code, word);
}
