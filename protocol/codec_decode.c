/* Reading a message: for each struct all untagged fields of the version in schema order, then, in
 * flexible versions, the tag section. Structs hold their defaults before they are read, so that
 * what is absent needs no work.
 *
 * The reader turns bad instead of failing, so fixed-size fields are not checked one by one: zeros
 * come out until the next length, count or end of struct looks at `bad`. No loop runs longer than
 * the input has bytes: counts are compared with what is left before memory is taken.
 */
#include "codec.h"
#include "fields.h"

struct decoder {
    struct reader *r;
    struct arena *arena;
    uint32_t bit; /* of the version */
    bool is_flexible;
};

enum { LENGTH_NULL = -1, STRING_MAX = 32767 };

static err_t decode_struct(struct decoder *d, const struct message_struct *type, char *out);

/* ---- lengths and counts ---- */

/* The length prefix of anything but a 16-bit string; LENGTH_NULL is null. */
static err_t decode_length(struct decoder *d, bool is_nullable, int64_t *length)
{
    *length = d->is_flexible ? (int64_t)read_uvarint(d->r) - 1 : read_i32(d->r);
    TRY(reader_result(d->r));
    return *length > LENGTH_NULL || (is_nullable && *length == LENGTH_NULL) ? OK : ERR_INVALID;
}

static err_t decode_string(struct decoder *d, bool is_nullable, struct view *out)
{
    int64_t length = d->is_flexible ? (int64_t)read_uvarint(d->r) - 1 : read_i16(d->r);
    if (d->r->bad) return ERR_SHORT;
    if (length < 0) {
        if (length < LENGTH_NULL || !is_nullable) return ERR_INVALID;
        *out = (struct view){0};
        return OK;
    }
    if (length > STRING_MAX) return ERR_INVALID;
    *out = read_view(d->r, (size_t)length);
    return reader_result(d->r);
}

static err_t decode_bytes(struct decoder *d, bool is_nullable, struct view *out)
{
    int64_t length;
    TRY(decode_length(d, is_nullable, &length));
    *out = length < 0 ? (struct view){0} : read_view(d->r, (size_t)length);
    return reader_result(d->r);
}

/* The least bytes that one element of the array can take. */
static size_t element_min_bytes(const struct decoder *d, const struct message_field *f)
{
    switch (f->kind) {
    case MESSAGE_STRUCT: return f->type->min_bytes;
    case MESSAGE_STRING: return d->is_flexible ? 1 : 2;
    case MESSAGE_BYTES: return d->is_flexible ? 1 : 4;
    default: return KIND_BYTES[f->kind];
    }
}

static err_t decode_count(struct decoder *d, const struct message_field *f, int32_t *count)
{
    int64_t n;
    TRY(decode_length(d, f->nullable & d->bit, &n));
    *count = (int32_t)n;
    if (n <= 0) return OK;
    if (n > CODEC_MAX_ELEMENTS) return ERR_LIMIT;
    return (size_t)n > reader_left(d->r) / element_min_bytes(d, f) ? ERR_SHORT : OK;
}

/* ---- values ---- */

/* A value of a kind other than a struct; fixed sizes leave a failure to the reader. */
static inline err_t decode_value(struct decoder *d, const struct message_field *f, char *out)
{
    struct reader *r = d->r;
    switch (f->kind) {
    case MESSAGE_BOOL: *(bool *)out = read_u8(r) != 0; return OK;
    case MESSAGE_INT8: *(int8_t *)out = read_i8(r); return OK;
    case MESSAGE_INT16: *(int16_t *)out = read_i16(r); return OK;
    case MESSAGE_UINT16: *(uint16_t *)out = read_u16(r); return OK;
    case MESSAGE_INT32: *(int32_t *)out = read_i32(r); return OK;
    case MESSAGE_UINT32: *(uint32_t *)out = read_u32(r); return OK;
    case MESSAGE_FLOAT64:
    case MESSAGE_INT64: {
        int64_t bits = read_i64(r);
        memcpy(out, &bits, sizeof(bits));
        return OK;
    }
    case MESSAGE_UUID: {
        struct view v = read_view(r, sizeof(struct uuid));
        if (v.data) memcpy(out, v.data, v.len);
        return OK;
    }
    case MESSAGE_STRING: return decode_string(d, f->nullable & d->bit, (struct view *)out);
    case MESSAGE_BYTES: return decode_bytes(d, f->nullable & d->bit, (struct view *)out);
    case MESSAGE_RECORDS:
        return decode_bytes(d, f->nullable & d->bit, &((struct records_field *)out)->data);
    default: return ERR_INVALID;
    }
}

/* The null marker of an array belongs to the array; its elements are never null. */
static struct message_field element_of(const struct message_field *f)
{
    struct message_field element = *f;
    element.nullable = 0;
    return element;
}

static err_t decode_value_array(struct decoder *d, const struct message_field *f, int32_t count,
                                char **items)
{
    size_t size = KIND_BYTES[f->kind];
    *items = arena_calloc(d->arena, (size_t)count, size);
    if (!*items) return ERR_NOMEM;
    struct message_field element = element_of(f);
    for (int32_t i = 0; i < count; i++) TRY(decode_value(d, &element, *items + (size_t)i * size));
    return reader_result(d->r);
}

static err_t decode_struct_array(struct decoder *d, const struct message_struct *type,
                                 int32_t count, char **items)
{
    *items = codec_new(d->arena, type, (size_t)count);
    if (!*items) return ERR_NOMEM;
    for (int32_t i = 0; i < count; i++)
        TRY(decode_struct(d, type, *items + (size_t)i * type->size));
    return OK;
}

static err_t decode_array(struct decoder *d, const struct message_field *f, char *out)
{
    int32_t count;
    char *items = NULL;
    TRY(decode_count(d, f, &count));
    if (count > 0) {
        TRY(f->kind == MESSAGE_STRUCT ? decode_struct_array(d, f->type, count, &items)
                                      : decode_value_array(d, f, count, &items));
    }
    memcpy(out + f->offset, &items, sizeof(items));
    *(int32_t *)(out + f->count_offset) = count;
    return OK;
}

/* A nullable struct: one byte, negative for null, then the struct. */
static err_t decode_pointer(struct decoder *d, const struct message_field *f, char *out)
{
    char *item = NULL;
    bool is_null = (f->nullable & d->bit) && read_i8(d->r) < 0;
    TRY(reader_result(d->r));
    if (!is_null) {
        item = codec_new(d->arena, f->type, 1);
        if (!item) return ERR_NOMEM;
        TRY(decode_struct(d, f->type, item));
    }
    memcpy(out + f->offset, &item, sizeof(item));
    return OK;
}

static inline err_t decode_field(struct decoder *d, const struct message_field *f, char *out)
{
    if (f->flags & MESSAGE_ARRAY) return decode_array(d, f, out);
    if (f->kind != MESSAGE_STRUCT) return decode_value(d, f, out + f->offset);
    if (f->flags & MESSAGE_POINTER) return decode_pointer(d, f, out);
    return decode_struct(d, f->type, out + f->offset);
}

/* ---- tags ---- */

static const struct message_field *find_tag(const struct decoder *d,
                                            const struct message_struct *type, uint32_t tag)
{
    for (size_t i = 0; i < type->field_count; i++) {
        const struct message_field *f = &type->fields[i];
        if ((f->tagged & d->bit) && f->tag == tag) return f;
    }
    return NULL;
}

/* The field may read its own bytes only, and has to read all of them. */
static err_t decode_tagged(struct decoder *d, const struct message_field *f, size_t size, char *out)
{
    const uint8_t *end = d->r->end;
    d->r->end = d->r->at + size;
    TRY(decode_field(d, f, out));
    TRY(reader_result(d->r));
    if (d->r->at != d->r->end) return ERR_INVALID;
    d->r->end = end;
    return OK;
}

static err_t decode_tags(struct decoder *d, const struct message_struct *type, char *out)
{
    uint32_t count = read_uvarint(d->r);
    if (count > CODEC_MAX_TAGS) return ERR_LIMIT;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t tag = read_uvarint(d->r);
        size_t size = read_uvarint(d->r);
        if (d->r->bad || size > reader_left(d->r)) return ERR_SHORT;
        const struct message_field *f = find_tag(d, type, tag);
        if (f)
            TRY(decode_tagged(d, f, size, out));
        else
            (void)reader_take(d->r, size);
    }
    return OK;
}

/* ---- structs ---- */

static err_t decode_struct(struct decoder *d, const struct message_struct *type, char *out)
{
    const struct message_field *end = type->fields + type->field_count;
    for (const struct message_field *f = type->fields; f < end; f++) {
        if (!(f->versions & ~f->tagged & d->bit)) continue;
        TRY(decode_field(d, f, out));
    }
    if (d->is_flexible) TRY(decode_tags(d, type, out));
    return reader_result(d->r);
}

err_t codec_decode(const struct message *m, int version, struct reader *r, struct arena *arena,
                   void *out)
{
    if (!message_has_version(m, version)) return ERR_UNSUPPORTED;
    struct decoder d = {r, arena, (uint32_t)1 << version, message_is_flexible(m, version)};
    codec_default(m->root, out);
    return decode_struct(&d, m->root, out);
}
