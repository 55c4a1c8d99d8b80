/* Line by line, with indentation as the structure (the format is described in
 * protocol/schema/README.md). A stack of open structs, one per level of indentation: a field goes
 * to the struct of its level; a field that names a new struct opens the next level. Rules that
 * concern one line are checked here, all others in check.c.
 */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "schemac.h"

enum { MAX_DEPTH = 8, MAX_TOKENS = 24, INDENT = 4, MAX_LINE = 512 };

struct parser {
    struct schema *schema;
    struct place place;
    struct api *api;
    struct message *message;
    struct record_type *open[MAX_DEPTH + 1]; /* [0] the root; NULL: not open */
    char line[MAX_LINE];
    char *tokens[MAX_TOKENS];
    int token_count;
    int at; /* next token */
};

static const struct {
    const char *name;
    enum kind kind;
} KINDS[] = {
    {"bool", KIND_BOOL},     {"int8", KIND_INT8},       {"int16", KIND_INT16},
    {"uint16", KIND_UINT16}, {"int32", KIND_INT32},     {"uint32", KIND_UINT32},
    {"int64", KIND_INT64},   {"float64", KIND_FLOAT64}, {"uuid", KIND_UUID},
    {"string", KIND_STRING}, {"bytes", KIND_BYTES},     {"records", KIND_RECORDS},
};

static char *next_token(struct parser *p, const char *wanted)
{
    if (p->at >= p->token_count) fail_at(p->place, "%s is missing", wanted);
    return p->tokens[p->at++];
}

static bool take_token(struct parser *p, const char *word)
{
    if (p->at >= p->token_count || strcmp(p->tokens[p->at], word) != 0) return false;
    p->at++;
    return true;
}

static void expect_end(struct parser *p)
{
    if (p->at < p->token_count) fail_at(p->place, "'%s' is not understood", p->tokens[p->at]);
}

static int parse_number(struct parser *p, const char *text, const char **end)
{
    char *stop;
    errno = 0;
    long v = strtol(text, &stop, 10);
    if (!isdigit((unsigned char)*text) || errno || v > 32767)
        fail_at(p->place, "'%s' is not a number from 0 to 32767", text);
    *end = stop;
    return (int)v;
}

static int parse_whole_number(struct parser *p, const char *text)
{
    const char *end;
    int v = parse_number(p, text, &end);
    if (*end) fail_at(p->place, "'%s' is not a number from 0 to 32767", text);
    return v;
}

/* "3", "0-7", or "4+", which ends at `open_end`. */
static void parse_range(struct parser *p, const char *text, int open_end, int *first, int *last)
{
    const char *end;
    *first = *last = parse_number(p, text, &end);
    if (strcmp(end, "+") == 0) {
        *last = open_end;
        end++;
    } else if (*end == '-') {
        *last = parse_number(p, end + 1, &end);
    }
    if (*end) fail_at(p->place, "'%s' is not a range such as 3, 0-7 or 4+", text);
    if (*last < *first) fail_at(p->place, "range '%s' is empty", text);
}

static void check_name(struct parser *p, const char *name)
{
    bool good = islower((unsigned char)*name);
    for (const char *c = name; *c; c++)
        good = good && (islower((unsigned char)*c) || isdigit((unsigned char)*c) || *c == '_');
    if (!good) fail_at(p->place, "'%s' is not a name in snake_case", name);
}

static char *parse_name(struct parser *p, const char *wanted)
{
    char *name = next_token(p, wanted);
    check_name(p, name);
    return must_printf("%s", name);
}

static struct record_type *add_type(struct message *m, char *name, char *c_name)
{
    struct record_type *t = must_calloc(sizeof(*t));
    t->name = name;
    t->c_name = c_name;
    if (m->types_last)
        m->types_last->next = t;
    else
        m->types = t;
    m->types_last = t;
    return t;
}

/* ---- what may stand at the left edge ---- */

/* "VERSIONS flexible N|none" closes every heading. */
static void parse_versions(struct parser *p, struct message *m)
{
    const char *text = next_token(p, "the range of versions");
    parse_range(p, text, -1, &m->version_min, &m->version_max);
    if (m->version_max > VERSION_LIMIT)
        fail_at(p->place, "versions beyond %d are not supported", VERSION_LIMIT);
    if (!take_token(p, "flexible")) fail_at(p->place, "'flexible N' or 'flexible none' is missing");
    const char *flexible = next_token(p, "the first flexible version");
    m->flexible_min = strcmp(flexible, "none") == 0 ? FLEXIBLE_NEVER
                                                    : parse_whole_number(p, flexible);
    if (m->flexible_min != FLEXIBLE_NEVER && m->flexible_min > m->version_max)
        fail_at(p->place, "flexible %d is beyond the last version", m->flexible_min);
    expect_end(p);
}

static struct message *open_message(struct parser *p, char *c_name)
{
    struct message *m = must_calloc(sizeof(*m));
    m->place = p->place;
    m->c_name = c_name;
    m->root = add_type(m, NULL, c_name);
    if (p->schema->messages_last)
        p->schema->messages_last->next = m;
    else
        p->schema->messages = m;
    p->schema->messages_last = m;
    p->message = m;
    p->open[0] = m->root;
    return m;
}

static void parse_api(struct parser *p)
{
    struct api *api = must_calloc(sizeof(*api));
    api->place = p->place;
    api->key = parse_whole_number(p, next_token(p, "the api's key"));
    api->stem = parse_name(p, "the api's name");
    expect_end(p);
    api->next = p->schema->apis;
    p->schema->apis = api;
    p->api = api;
    p->message = NULL;
    p->open[0] = NULL;
}

static void parse_side(struct parser *p, const char *side)
{
    if (!p->api) fail_at(p->place, "'%s' needs an 'api' line before it", side);
    struct message **slot = side[2] == 'q' ? &p->api->request : &p->api->response;
    if (*slot) fail_at(p->place, "second %s of api %s", side, p->api->stem);
    *slot = open_message(p, must_printf("%s_%s", p->api->stem, side));
    parse_versions(p, *slot);
}

static void parse_record(struct parser *p)
{
    char *set = parse_name(p, "the record's set");
    int id_min, id_max;
    parse_range(p, next_token(p, "the record's id"), -1, &id_min, &id_max);
    struct message *m = open_message(p, parse_name(p, "the record's name"));
    m->set = set;
    m->id_min = id_min;
    m->id_max = id_max;
    parse_versions(p, m);
}

static void parse_heading(struct parser *p)
{
    const char *word = next_token(p, "a heading");
    memset(p->open, 0, sizeof(p->open));
    if (strcmp(word, "api") == 0)
        parse_api(p);
    else if (strcmp(word, "request") == 0 || strcmp(word, "response") == 0)
        parse_side(p, word);
    else if (strcmp(word, "record") == 0)
        parse_record(p);
    else
        fail_at(p->place, "'%s' is neither api, request, response nor record", word);
}

/* ---- fields ---- */

/* Resolves the type; true if it is a struct that is defined by the lines that follow. */
static bool parse_type(struct parser *p, struct field *f)
{
    const char *text = next_token(p, "the field's type");
    f->is_array = strncmp(text, "[]", 2) == 0;
    if (f->is_array) text += 2;
    for (size_t i = 0; i < sizeof(KINDS) / sizeof(KINDS[0]); i++) {
        if (strcmp(KINDS[i].name, text) == 0) {
            f->kind = KINDS[i].kind;
            return false;
        }
    }
    check_name(p, text);
    f->kind = KIND_STRUCT;
    for (struct record_type *t = p->message->types; t; t = t->next) {
        if (t->name && strcmp(t->name, text) == 0) {
            f->type = t;
            return false;
        }
    }
    f->type = add_type(p->message, must_printf("%s", text),
                       must_printf("%s_%s", p->message->c_name, text));
    return true;
}

static void parse_attribute(struct parser *p, struct field *f)
{
    const char *word = p->tokens[p->at++];
    int first, last;
    if (strcmp(word, "null") == 0) {
        f->has_null = true;
        f->nullable = f->versions;
        if (p->at < p->token_count && isdigit((unsigned char)*p->tokens[p->at])) {
            parse_range(p, p->tokens[p->at++], p->message->version_max, &first, &last);
            f->nullable &= versions_from_to(first, last > VERSION_LIMIT ? VERSION_LIMIT : last);
        }
    } else if (strcmp(word, "tag") == 0) {
        f->tag = parse_whole_number(p, next_token(p, "the tag's number"));
    } else if (strcmp(word, "default") == 0) {
        const char *text = next_token(p, "the default value");
        f->defaults_to_null = strcmp(text, "null") == 0;
        if (!f->defaults_to_null) f->default_text = must_printf("%s", text);
    } else if (strcmp(word, "ignorable") == 0) {
        f->is_ignorable = true;
    } else {
        fail_at(p->place, "'%s' is neither null, tag, default nor ignorable", word);
    }
}

static void parse_field(struct parser *p, int depth)
{
    if (depth > MAX_DEPTH) fail_at(p->place, "structs are nested too deeply");
    struct record_type *in = p->open[depth - 1];
    if (!in) fail_at(p->place, "nothing is open at this indentation");
    struct field *f = must_calloc(sizeof(*f));
    f->place = p->place;
    f->tag = -1;
    f->name = parse_name(p, "the field's name");
    memset(&p->open[depth], 0, sizeof(p->open) - (size_t)depth * sizeof(p->open[0]));
    if (parse_type(p, f)) p->open[depth] = f->type;
    int first, last;
    parse_range(p, next_token(p, "the field's versions"), p->message->version_max, &first, &last);
    if (last > VERSION_LIMIT) last = VERSION_LIMIT;
    if (first > VERSION_LIMIT) fail_at(p->place, "version %d is too high", first);
    f->versions = versions_from_to(first, last) &
                  versions_from_to(p->message->version_min, p->message->version_max);
    if (!f->versions) fail_at(p->place, "%s exists in no version of the message", f->name);
    while (p->at < p->token_count) parse_attribute(p, f);
    if (in->last)
        in->last->next = f;
    else
        in->fields = f;
    in->last = f;
}

/* ---- lines ---- */

static int measure_indent(struct parser *p)
{
    size_t spaces = strspn(p->line, " ");
    if (p->line[spaces] == '\t') fail_at(p->place, "indent with spaces, not with tabs");
    if (spaces % INDENT != 0)
        fail_at(p->place, "indentation of %zu, not a multiple of %d", spaces, INDENT);
    return (int)(spaces / INDENT);
}

static void split_tokens(struct parser *p)
{
    p->at = p->token_count = 0;
    for (char *save, *t = strtok_r(p->line, " \n", &save); t; t = strtok_r(NULL, " \n", &save)) {
        if (*t == '#') return;
        if (p->token_count == MAX_TOKENS) fail_at(p->place, "too many words");
        p->tokens[p->token_count++] = t;
    }
}

void parse_file(struct schema *schema, const char *path)
{
    struct parser p = {.schema = schema, .place = {must_printf("%s", path), 0}};
    FILE *in = fopen(path, "re");
    if (!in) fail_at(p.place, "cannot open: %s", strerror(errno));
    while (fgets(p.line, sizeof(p.line), in)) {
        p.place.line++;
        if (!strchr(p.line, '\n') && !feof(in)) fail_at(p.place, "line too long");
        size_t first = strspn(p.line, " \n");
        if (p.line[first] == '\0' || p.line[first] == '#') continue;
        int depth = measure_indent(&p);
        split_tokens(&p);
        if (depth == 0)
            parse_heading(&p);
        else
            parse_field(&p, depth);
    }
    if (ferror(in)) fail_at(p.place, "cannot read");
    fclose(in);
    if (!p.api && !p.message) fail_at(p.place, "no api and no record in this file");
}
