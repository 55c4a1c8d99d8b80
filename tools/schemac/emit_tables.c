/* messages.c: for each struct its default image, its field table and its descriptor; for each
 * message its descriptor; at the end the tables of APIs and of record types. */
#include <ctype.h>
#include <string.h>

#include "schemac.h"

static const char *const KIND_NAMES[] = {
    [KIND_BOOL] = "BOOL",     [KIND_INT8] = "INT8",       [KIND_INT16] = "INT16",
    [KIND_UINT16] = "UINT16", [KIND_INT32] = "INT32",     [KIND_UINT32] = "UINT32",
    [KIND_INT64] = "INT64",   [KIND_FLOAT64] = "FLOAT64", [KIND_UUID] = "UUID",
    [KIND_STRING] = "STRING", [KIND_BYTES] = "BYTES",     [KIND_RECORDS] = "RECORDS",
    [KIND_STRUCT] = "STRUCT",
};

/* ---- smallest encodings ---- */

static int type_min_bytes(const struct message *m, const struct record_type *t, int version);

static int field_min_bytes(const struct message *m, const struct field *f, int version)
{
    bool flexible = version >= m->flexible_min;
    if (f->is_array) return flexible ? 1 : 4;
    switch (f->kind) {
    case KIND_BOOL:
    case KIND_INT8: return 1;
    case KIND_INT16:
    case KIND_UINT16: return 2;
    case KIND_INT32:
    case KIND_UINT32: return 4;
    case KIND_INT64:
    case KIND_FLOAT64: return 8;
    case KIND_UUID: return 16;
    case KIND_STRING: return flexible ? 1 : 2;
    case KIND_BYTES:
    case KIND_RECORDS: return flexible ? 1 : 4;
    case KIND_STRUCT: return f->nullable >> version & 1 ? 1 : type_min_bytes(m, f->type, version);
    }
    return 0;
}

static int type_min_bytes(const struct message *m, const struct record_type *t, int version)
{
    int sum = version >= m->flexible_min ? 1 : 0;
    for (const struct field *f = t->fields; f; f = f->next)
        if (f->tag < 0 && f->versions >> version & 1) sum += field_min_bytes(m, f, version);
    return sum;
}

static int type_min_bytes_ever(const struct message *m, const struct record_type *t)
{
    int min = 65535;
    for (int v = m->version_min; v <= m->version_max; v++) {
        if (!(t->reach >> v & 1)) continue;
        int bytes = type_min_bytes(m, t, v);
        if (bytes < min) min = bytes;
    }
    return min < 1 ? 1 : min;
}

/* ---- defaults ---- */

static bool type_has_defaults(const struct record_type *t);

/* True if the default differs from a zeroed member. */
static bool field_has_default(const struct field *f)
{
    if (f->is_array) return f->defaults_to_null;
    if (f->kind == KIND_STRING || f->kind == KIND_BYTES) return !f->defaults_to_null;
    if (field_is_embedded(f)) return type_has_defaults(f->type);
    return f->default_text != NULL;
}

static bool type_has_defaults(const struct record_type *t)
{
    for (const struct field *f = t->fields; f; f = f->next)
        if (field_has_default(f)) return true;
    return false;
}

static void emit_initializer(const struct record_type *t, FILE *out)
{
    fputc('{', out);
    bool first = true;
    for (const struct field *f = t->fields; f; f = f->next) {
        if (!field_has_default(f)) continue;
        if (!first) fputs(", ", out);
        first = false;
        fprintf(out, ".%s%s = ", f->name, f->is_array ? "_count" : "");
        if (f->is_array)
            fputs("-1", out);
        else if (f->kind == KIND_STRING || f->kind == KIND_BYTES)
            fputs("EMPTY", out);
        else if (f->kind == KIND_STRUCT)
            emit_initializer(f->type, out);
        else if (strcmp(f->default_text, "-9223372036854775808") == 0)
            fputs("INT64_MIN", out);
        else
            fputs(f->default_text, out);
    }
    if (first) fputc('0', out);
    fputc('}', out);
}

/* ---- tables ---- */

static void emit_flags(const struct field *f, FILE *out)
{
    int flags = 0;
    if (f->is_array) flags |= 1;
    if (f->kind == KIND_STRUCT && !f->is_array && f->has_null) flags |= 2;
    if (f->is_ignorable) flags |= 4;
    if (f->defaults_to_null) flags |= 8;
    static const char *const NAMES[] = {"MESSAGE_ARRAY", "MESSAGE_POINTER", "MESSAGE_IGNORABLE",
                                        "MESSAGE_NULL_DEFAULT"};
    if (!flags) fputc('0', out);
    for (int i = 0; i < 4; i++) {
        if (!(flags >> i & 1)) continue;
        fputs(NAMES[i], out);
        flags &= ~(1 << i);
        if (flags) fputs(" | ", out);
    }
}

static void emit_field(const struct record_type *t, const struct field *f, FILE *out)
{
    fprintf(out, "    {\"%s\", 0x%x, 0x%x, 0x%x, %d, offsetof(struct %s, %s), ", f->name,
            f->versions, f->nullable, f->tag >= 0 ? f->versions : 0, f->tag >= 0 ? f->tag : 0,
            t->c_name, f->name);
    if (f->is_array)
        fprintf(out, "offsetof(struct %s, %s_count), ", t->c_name, f->name);
    else
        fputs("0, ", out);
    fprintf(out, "MESSAGE_%s, ", KIND_NAMES[f->kind]);
    emit_flags(f, out);
    if (f->type)
        fprintf(out, ", &%s_struct},\n", f->type->c_name);
    else
        fputs(", NULL},\n", out);
}

static void emit_type(const struct message *m, const struct record_type *t, FILE *out)
{
    fprintf(out, "static const struct %s %s_defaults = ", t->c_name, t->c_name);
    emit_initializer(t, out);
    fputs(";\n", out);
    int count = 0;
    uint32_t tagged = 0;
    fprintf(out, "static const struct message_field %s_fields[] = {\n", t->c_name);
    for (const struct field *f = t->fields; f; f = f->next, count++) {
        emit_field(t, f, out);
        if (f->tag >= 0) tagged |= f->versions;
    }
    fputs(count ? "};\n" : "    {0},\n};\n", out);
    fprintf(out,
            "const struct message_struct %s_struct = {\n"
            "    \"%s\", %s_fields, &%s_defaults, 0x%x, %d, sizeof(struct %s), %d};\n\n",
            t->c_name, t->c_name, t->c_name, t->c_name, tagged, count, t->c_name,
            type_min_bytes_ever(m, t));
}

static void emit_message(const struct message *m, FILE *out)
{
    for (const struct record_type *t = m->types; t; t = t->next) emit_type(m, t, out);
    fprintf(out, "const struct message %s_message = {\"%s\", &%s_struct, %d, %d, %d};\n\n",
            m->c_name, m->c_name, m->c_name, m->version_min, m->version_max, m->flexible_min);
}

/* list_offsets -> ListOffsets */
static void emit_camel(const char *stem, FILE *out)
{
    bool upper = true;
    for (; *stem; stem++) {
        if (*stem != '_') fputc(upper ? toupper((unsigned char)*stem) : *stem, out);
        upper = *stem == '_';
    }
}

static void emit_apis(const struct schema *schema, FILE *out)
{
    int count = 0;
    fputs("const struct api api_table[] = {\n", out);
    for (const struct api *api = schema->apis; api; api = api->next, count++) {
        fprintf(out, "    {%d, %d, %d, \"", api->key, api->request->version_min,
                api->request->version_max);
        emit_camel(api->stem, out);
        fprintf(out, "\", \"%s\", &%s_request_message, &%s_response_message},\n", api->stem,
                api->stem, api->stem);
    }
    if (!count) fputs("    {0},\n", out);
    fprintf(out, "};\nconst size_t api_table_count = %d;\n\n", count);
}

static void emit_records(const struct schema *schema, FILE *out)
{
    int count = 0;
    fputs("const struct record_type record_table[] = {\n", out);
    for (const struct message *m = schema->messages; m; m = m->next) {
        if (!m->set) continue;
        fputs("    {RECORD_SET_", out);
        for (const char *c = m->set; *c; c++) fputc(toupper((unsigned char)*c), out);
        fprintf(out, ", %d, %d, &%s_message},\n", m->id_min, m->id_max, m->c_name);
        count++;
    }
    if (!count) fputs("    {0},\n", out);
    fprintf(out, "};\nconst size_t record_table_count = %d;\n", count);
}

void emit_tables(const struct schema *schema, FILE *out)
{
    fputs("/* The tables behind messages.h. Made by schemac: change the schema, not this file. */\n"
          "#include \"messages.h\"\n\n#include \"tables.h\"\n\n"
          "#define EMPTY {(const uint8_t *)\"\", 0}\n\n",
          out);
    for (const struct message *m = schema->messages; m; m = m->next) emit_message(m, out);
    emit_apis(schema, out);
    emit_records(schema, out);
}
