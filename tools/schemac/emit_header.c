/* messages.h: the API keys and one C struct for each message and nested struct, children before
 * their parents. */
#include <ctype.h>
#include <string.h>

#include "schemac.h"

static const char *const C_TYPES[] = {
    [KIND_BOOL] = "bool ",         [KIND_INT8] = "int8_t ",
    [KIND_INT16] = "int16_t ",     [KIND_UINT16] = "uint16_t ",
    [KIND_INT32] = "int32_t ",     [KIND_UINT32] = "uint32_t ",
    [KIND_INT64] = "int64_t ",     [KIND_FLOAT64] = "double ",
    [KIND_UUID] = "struct uuid ",  [KIND_STRING] = "struct view ",
    [KIND_BYTES] = "struct view ", [KIND_RECORDS] = "struct records_field ",
};

static void emit_upper(const char *text, FILE *out)
{
    for (; *text; text++) fputc(toupper((unsigned char)*text), out);
}

static void emit_range(uint32_t versions, FILE *out)
{
    int first = __builtin_ctz(versions), last = 31 - __builtin_clz(versions);
    if (first == last)
        fprintf(out, "%d", first);
    else
        fprintf(out, "%d-%d", first, last);
}

static void emit_member(const struct field *f, FILE *out)
{
    fputs("    ", out);
    if (f->kind == KIND_STRUCT)
        fprintf(out, "struct %s ", f->type->c_name);
    else
        fputs(C_TYPES[f->kind], out);
    bool is_pointer = f->is_array || (f->kind == KIND_STRUCT && f->has_null);
    fprintf(out, "%s%s; /* ", is_pointer ? "*" : "", f->name);
    emit_range(f->versions, out);
    if (f->nullable) {
        fputs(", null ", out);
        emit_range(f->nullable, out);
    }
    if (f->tag >= 0) fprintf(out, ", tag %d", f->tag);
    if (f->default_text) fprintf(out, ", default %s", f->default_text);
    if (f->defaults_to_null) fputs(", default null", out);
    fputs(" */\n", out);
    if (f->is_array) fprintf(out, "    int32_t %s_count;\n", f->name);
}

static void emit_struct(struct record_type *t, FILE *out)
{
    if (t->is_emitted) return;
    t->is_emitted = true;
    for (const struct field *f = t->fields; f; f = f->next)
        if (f->type) emit_struct(f->type, out);
    fprintf(out, "struct %s {\n", t->c_name);
    for (const struct field *f = t->fields; f; f = f->next) emit_member(f, out);
    if (!t->fields) fputs("    uint8_t nothing;\n", out);
    fprintf(out, "};\nextern const struct message_struct %s_struct;\n\n", t->c_name);
}

static void emit_message(const struct message *m, FILE *out)
{
    fprintf(out, "/* ---- %s, versions %d-%d", m->c_name, m->version_min, m->version_max);
    if (m->flexible_min == FLEXIBLE_NEVER)
        fputs(", never flexible", out);
    else
        fprintf(out, ", flexible from %d", m->flexible_min);
    fputs(" ---- */\n\n", out);
    emit_struct(m->root, out);
    fprintf(out, "extern const struct message %s_message;\n\n", m->c_name);
}

static void emit_keys(const struct schema *schema, FILE *out)
{
    fputs("enum api_key {\n", out);
    for (const struct api *api = schema->apis; api; api = api->next) {
        fputs("    API_", out);
        emit_upper(api->stem, out);
        fprintf(out, " = %d,\n", api->key);
    }
    fputs("};\n\n", out);
}

/* Sets of records, in order of first appearance; the same order as in emit_tables. */
static void emit_sets(const struct schema *schema, FILE *out)
{
    fputs("enum record_set {\n", out);
    for (const struct message *m = schema->messages; m; m = m->next) {
        bool is_new = m->set != NULL;
        for (const struct message *o = schema->messages; is_new && o != m; o = o->next)
            is_new = !o->set || strcmp(o->set, m->set) != 0;
        if (!is_new) continue;
        fputs("    RECORD_SET_", out);
        emit_upper(m->set, out);
        fputs(",\n", out);
    }
    fputs("};\n\n", out);
}

static void emit_record_ids(const struct schema *schema, FILE *out)
{
    fputs("/* The id of each record in its set. */\nenum record_id {\n", out);
    for (const struct message *m = schema->messages; m; m = m->next) {
        if (!m->set) continue;
        fputs("    RECORD_ID_", out);
        emit_upper(m->c_name, out);
        fprintf(out, " = %d,\n", m->id_max);
    }
    fputs("};\n\n", out);
}

void emit_header(const struct schema *schema, FILE *out)
{
    fputs("/* messages - a C struct for every message of protocol/schema. Made by schemac: change "
          "the\n * schema, not this file.\n"
          " *\n"
          " * A struct has the fields of all versions; comments name the versions that carry a "
          "field.\n"
          " * Array fields have a count beside them, -1 is null. Strings and bytes borrow; data "
          "NULL is\n * null. Start a struct from its defaults (CODEC_NEW, CODEC_DEFAULT of "
          "protocol/codec.h).\n"
          " */\n#pragma once\n\n#include \"protocol/message.h\"\n\n",
          out);
    emit_keys(schema, out);
    emit_sets(schema, out);
    emit_record_ids(schema, out);
    for (const struct message *m = schema->messages; m; m = m->next) emit_message(m, out);
}
