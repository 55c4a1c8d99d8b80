/* The rules that one line alone cannot show: every name once, every struct with fields, both sides
 * of an API with the same versions, tags in flexible versions only and in rising order, defaults
 * that fit their type. Also computes in which versions a struct can occur at all, from the root
 * down.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "schemac.h"

enum { MAX_FIELDS = 64 }; /* the codec keeps a set of fields in one word */

static const char *const KEYWORDS[] = {
    "auto",     "break",  "case",   "char",   "const",    "continue", "default",  "do",
    "double",   "else",   "enum",   "extern", "float",    "for",      "goto",     "if",
    "inline",   "int",    "long",   "bool",   "register", "restrict", "return",   "short",
    "signed",   "sizeof", "static", "struct", "switch",   "typedef",  "union",    "unsigned",
    "void",     "while",  "class",  "new",    "delete",   "this",     "template", "private",
    "operator", "public", "true",   "false",  "volatile", "namespace"};

static void check_keyword(const struct field *f)
{
    for (size_t i = 0; i < sizeof(KEYWORDS) / sizeof(KEYWORDS[0]); i++)
        if (strcmp(KEYWORDS[i], f->name) == 0) fail_at(f->place, "'%s' is a word of C", f->name);
}

static void check_integer(const struct field *f, long long min, long long max)
{
    char *end;
    errno = 0;
    long long v = strtoll(f->default_text, &end, 10);
    if (*end || end == f->default_text || errno || v < min || v > max)
        fail_at(f->place, "default '%s' does not fit the type", f->default_text);
}

static void check_default(const struct field *f)
{
    if (f->defaults_to_null && !f->has_null)
        fail_at(f->place, "default null, but %s is never null", f->name);
    if (!f->default_text) return;
    if (f->is_array) fail_at(f->place, "arrays can only default to null");
    switch (f->kind) {
    case KIND_BOOL:
        if (strcmp(f->default_text, "true") != 0 && strcmp(f->default_text, "false") != 0)
            fail_at(f->place, "default of a bool is true or false");
        return;
    case KIND_INT8: check_integer(f, INT8_MIN, INT8_MAX); return;
    case KIND_INT16: check_integer(f, INT16_MIN, INT16_MAX); return;
    case KIND_UINT16: check_integer(f, 0, UINT16_MAX); return;
    case KIND_INT32: check_integer(f, INT32_MIN, INT32_MAX); return;
    case KIND_UINT32: check_integer(f, 0, UINT32_MAX); return;
    case KIND_INT64: check_integer(f, INT64_MIN, INT64_MAX); return;
    default: fail_at(f->place, "a field of this type can only default to null");
    }
}

static bool kind_can_be_null(const struct field *f)
{
    return f->is_array || f->kind == KIND_STRING || f->kind == KIND_BYTES ||
           f->kind == KIND_RECORDS || f->kind == KIND_STRUCT;
}

static void check_tag(const struct message *m, const struct record_type *t, const struct field *f)
{
    if (f->tag < 0) return;
    if (m->flexible_min == FLEXIBLE_NEVER) fail_at(f->place, "a tag in a message without tags");
    if (f->versions & ~versions_from_to(m->flexible_min, VERSION_LIMIT))
        fail_at(f->place, "%s is tagged, but not all of its versions are flexible", f->name);
    for (const struct field *other = t->fields; other != f; other = other->next)
        if (other->tag >= f->tag)
            fail_at(f->place, "tag %d does not follow the tags before it", f->tag);
}

static void check_field(const struct message *m, const struct record_type *t, struct field *f)
{
    check_keyword(f);
    for (const struct field *other = t->fields; other != f; other = other->next)
        if (strcmp(other->name, f->name) == 0) fail_at(f->place, "second field '%s'", f->name);
    if (f->has_null && !kind_can_be_null(f)) fail_at(f->place, "%s cannot be null", f->name);
    if (f->kind == KIND_STRUCT && !f->is_array && f->has_null && !f->defaults_to_null)
        fail_at(f->place, "a struct that may be null needs 'default null'");
    if (f->has_null && !f->nullable) fail_at(f->place, "null in no version of the field");
    if (f->kind == KIND_RECORDS && (f->is_array || f->tag >= 0))
        fail_at(f->place, "records can be neither in an array nor tagged");
    check_tag(m, t, f);
    check_default(f);
}

/* Versions flow from a struct into the structs of its fields. A struct may be used before the
 * place that defines it is checked, so this runs until nothing changes. */
static bool spread_reach(struct record_type *t)
{
    bool changed = false;
    for (struct field *f = t->fields; f; f = f->next) {
        if (!f->type) continue;
        uint32_t reach = f->type->reach | (f->versions & t->reach);
        bool by_tag = f->type->is_reached_by_tag || t->is_reached_by_tag || f->tag >= 0;
        changed |= reach != f->type->reach || by_tag != f->type->is_reached_by_tag;
        f->type->reach = reach;
        f->type->is_reached_by_tag = by_tag;
    }
    return changed;
}

static void check_recursion(const struct record_type *t, int depth)
{
    for (const struct field *f = t->fields; f; f = f->next) {
        if (!f->type) continue;
        if (depth == 0) fail_at(f->place, "struct %s contains itself", f->type->name);
        check_recursion(f->type, depth - 1);
    }
}

static void check_message(struct message *m)
{
    check_recursion(m->root, 16);
    m->root->reach = versions_from_to(m->version_min, m->version_max);
    for (bool changed = true; changed;) {
        changed = false;
        for (struct record_type *t = m->types; t; t = t->next) changed |= spread_reach(t);
    }
    for (struct record_type *t = m->types; t; t = t->next) {
        if (t->name && !t->fields) fail_at(m->place, "struct %s has no fields", t->name);
        int count = 0;
        for (struct field *f = t->fields; f; f = f->next) {
            if (++count > MAX_FIELDS) fail_at(f->place, "more than %d fields", MAX_FIELDS);
            check_field(m, t, f);
            if (f->kind == KIND_RECORDS && t->is_reached_by_tag)
                fail_at(f->place, "records below a tagged field");
        }
    }
}

static void check_names(const struct schema *schema)
{
    for (const struct message *m = schema->messages; m; m = m->next)
        for (const struct message *other = schema->messages; other != m; other = other->next)
            if (strcmp(m->c_name, other->c_name) == 0)
                fail_at(m->place, "second message '%s'", m->c_name);
}

static void check_api(const struct api *api)
{
    const struct message *q = api->request, *r = api->response;
    if (!q || !r) fail_at(api->place, "api %s lacks its request or response", api->stem);
    if (q->version_min != r->version_min || q->version_max != r->version_max)
        fail_at(r->place, "versions differ between the request and response of %s", api->stem);
    if (q->flexible_min != r->flexible_min)
        fail_at(r->place, "flexible versions differ between both sides of %s", api->stem);
}

static void sort_apis(struct schema *schema)
{
    struct api *sorted = NULL;
    while (schema->apis) {
        struct api *api = schema->apis, **at = &sorted;
        schema->apis = api->next;
        while (*at && (*at)->key < api->key) at = &(*at)->next;
        if (*at && (*at)->key == api->key) fail_at(api->place, "second api with key %d", api->key);
        api->next = *at;
        *at = api;
    }
    schema->apis = sorted;
}

void check_schema(struct schema *schema)
{
    check_names(schema);
    for (struct message *m = schema->messages; m; m = m->next) check_message(m);
    for (const struct api *api = schema->apis; api; api = api->next) check_api(api);
    sort_apis(schema);
}
