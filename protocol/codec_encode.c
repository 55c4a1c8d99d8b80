/* Writing a message: for each struct all untagged fields of the version in schema order, then, in
 * flexible versions, those tagged fields that differ from their default, by rising tag (schemac
 * sees to it that they stand in this order).
 *
 * A tagged field needs its length before its bytes. The field is written first, behind one byte,
 * which is enough for a length up to 127; a longer one moves the bytes up. That is rare and short,
 * and saves a second pass over every message.
 */
#include <stdlib.h>

#include "base/check.h"
#include "codec.h"
#include "fields.h"

struct encoder {
    struct buf *out;
    struct codec_holes *holes;
    uint32_t bit; /* of the version */
    bool is_flexible;
};

enum { STRING_MAX = 32767, LENGTH_MAX = 0x7ffffffe };

static err_t encode_struct(struct encoder *e, const struct message_struct *type, const char *in);

/* ---- bytes ---- */

/* Room for n bytes at the end of the buffer, which the caller fills; NULL: out of memory. */
static inline uint8_t *encode_take(struct encoder *e, size_t n)
{
    struct buf *out = e->out;
    if (__builtin_expect(out->cap - out->len < n, 0) && buf_reserve(out, n) != OK) return NULL;
    uint8_t *p = out->data + out->len;
    out->len += n;
    return p;
}

static err_t encode_uvarint(struct encoder *e, uint32_t v)
{
    uint8_t *p = encode_take(e, uvarint_size(v));
    if (!p) return ERR_NOMEM;
    for (; v >= 0x80; v >>= 7) *p++ = (uint8_t)(v | 0x80);
    *p = (uint8_t)v;
    return OK;
}

static err_t encode_raw(struct encoder *e, const void *data, size_t len)
{
    uint8_t *p = encode_take(e, len);
    if (!p) return ERR_NOMEM;
    if (len) memcpy(p, data, len);
    return OK;
}

static err_t encode_i32(struct encoder *e, int32_t v)
{
    uint8_t *p = encode_take(e, 4);
    if (!p) return ERR_NOMEM;
    be32_put(p, (uint32_t)v);
    return OK;
}

/* The prefix of bytes, records and arrays; -1 is null. */
static err_t encode_length(struct encoder *e, int64_t length)
{
    if (length > LENGTH_MAX) return ERR_TOO_LARGE;
    return e->is_flexible ? encode_uvarint(e, (uint32_t)(length + 1))
                          : encode_i32(e, (int32_t)length);
}

static err_t encode_string(struct encoder *e, bool is_nullable, struct view v)
{
    if (v.len > STRING_MAX) return ERR_TOO_LARGE;
    int length = !v.data && is_nullable ? -1 : (int)v.len;
    if (e->is_flexible) {
        TRY(encode_uvarint(e, (uint32_t)(length + 1)));
    } else {
        uint8_t *p = encode_take(e, 2);
        if (!p) return ERR_NOMEM;
        be16_put(p, (uint16_t)length);
    }
    return encode_raw(e, v.data, v.data ? v.len : 0);
}

static err_t encode_bytes(struct encoder *e, bool is_nullable, struct view v)
{
    TRY(encode_length(e, !v.data && is_nullable ? -1 : (int64_t)v.len));
    return encode_raw(e, v.data, v.data ? v.len : 0);
}

static err_t add_hole(struct encoder *e, const struct records_field *records)
{
    struct codec_holes *holes = e->holes;
    CHECK(holes);
    if (holes->count == holes->cap) {
        size_t cap = holes->cap ? holes->cap * 2 : 16;
        struct codec_hole *items = realloc(holes->items, cap * sizeof(*items));
        if (!items) return ERR_NOMEM;
        holes->items = items;
        holes->cap = cap;
    }
    holes->items[holes->count++] = (struct codec_hole){e->out->len, records->file_bytes,
                                                       records->file};
    return OK;
}

static err_t encode_records(struct encoder *e, bool is_nullable, const struct records_field *in)
{
    if (!in->file) return encode_bytes(e, is_nullable, in->data);
    if (in->file_bytes > LENGTH_MAX) return ERR_TOO_LARGE;
    TRY(encode_length(e, (int64_t)in->file_bytes));
    return add_hole(e, in);
}

/* ---- values ---- */

static inline err_t encode_value(struct encoder *e, const struct message_field *f, bool is_nullable,
                                 const char *in)
{
    uint8_t *p;
    switch (f->kind) {
    case MESSAGE_BOOL:
    case MESSAGE_INT8:
        if (!(p = encode_take(e, 1))) return ERR_NOMEM;
        *p = *(const uint8_t *)in;
        return OK;
    case MESSAGE_INT16:
    case MESSAGE_UINT16:
        if (!(p = encode_take(e, 2))) return ERR_NOMEM;
        be16_put(p, *(const uint16_t *)in);
        return OK;
    case MESSAGE_INT32:
    case MESSAGE_UINT32:
        if (!(p = encode_take(e, 4))) return ERR_NOMEM;
        be32_put(p, *(const uint32_t *)in);
        return OK;
    case MESSAGE_INT64:
    case MESSAGE_FLOAT64:
        if (!(p = encode_take(e, 8))) return ERR_NOMEM;
        be64_put(p, *(const uint64_t *)in);
        return OK;
    case MESSAGE_UUID: return encode_raw(e, in, sizeof(struct uuid));
    case MESSAGE_STRING: return encode_string(e, is_nullable, *(const struct view *)in);
    case MESSAGE_BYTES: return encode_bytes(e, is_nullable, *(const struct view *)in);
    case MESSAGE_RECORDS: return encode_records(e, is_nullable, (const struct records_field *)in);
    default: return ERR_INVALID;
    }
}

static err_t encode_array(struct encoder *e, const struct message_field *f, const char *in)
{
    int32_t count = *(const int32_t *)(in + f->count_offset);
    const char *items = *(const char *const *)(in + f->offset);
    if (count < -1 || (count < 0 && !(f->nullable & e->bit))) return ERR_INVALID;
    TRY(encode_length(e, count));
    for (int32_t i = 0; i < count; i++) {
        if (f->kind == MESSAGE_STRUCT)
            TRY(encode_struct(e, f->type, items + i * f->type->size));
        else
            TRY(encode_value(e, f, false, items + i * KIND_BYTES[f->kind]));
    }
    return OK;
}

static err_t encode_pointer(struct encoder *e, const struct message_field *f, const char *in)
{
    const char *item = *(const char *const *)(in + f->offset);
    if (f->nullable & e->bit) {
        uint8_t marker = item ? 1 : 0xff;
        TRY(encode_raw(e, &marker, 1));
        if (!item) return OK;
    }
    return item ? encode_struct(e, f->type, item) : ERR_INVALID;
}

static inline err_t encode_field(struct encoder *e, const struct message_field *f, const char *in)
{
    if (f->flags & MESSAGE_ARRAY) return encode_array(e, f, in);
    if (f->kind != MESSAGE_STRUCT) return encode_value(e, f, f->nullable & e->bit, in + f->offset);
    if (f->flags & MESSAGE_POINTER) return encode_pointer(e, f, in);
    return encode_struct(e, f->type, in + f->offset);
}

/* ---- tags ---- */

static err_t encode_tagged(struct encoder *e, const struct message_field *f, const char *in)
{
    TRY(encode_uvarint(e, f->tag));
    size_t length_at = e->out->len;
    TRY(encode_uvarint(e, 0));
    TRY(encode_field(e, f, in));
    size_t size = e->out->len - length_at - 1;
    if (size > LENGTH_MAX) return ERR_TOO_LARGE;
    size_t extra = uvarint_size((uint32_t)size) - 1;
    if (extra && !encode_take(e, extra)) return ERR_NOMEM;
    uint8_t *start = e->out->data + length_at;
    if (extra) memmove(start + 1 + extra, start + 1, size);
    struct writer w = writer_of(start, 1 + extra);
    write_uvarint(&w, (uint32_t)size);
    return OK;
}

static err_t encode_tags(struct encoder *e, const struct message_struct *type, const char *in)
{
    if (!(type->tagged & e->bit)) return encode_uvarint(e, 0);
    uint32_t count = 0;
    uint64_t present = 0; /* bit i: field i is written */
    for (size_t i = 0; i < type->field_count; i++) {
        const struct message_field *f = &type->fields[i];
        if (!(f->tagged & e->bit) || field_is_default(type, f, e->bit, in)) continue;
        present |= (uint64_t)1 << i;
        count++;
    }
    TRY(encode_uvarint(e, count));
    for (size_t i = 0; present; i++, present >>= 1)
        if (present & 1) TRY(encode_tagged(e, &type->fields[i], in));
    return OK;
}

/* ---- structs ---- */

static err_t encode_struct(struct encoder *e, const struct message_struct *type, const char *in)
{
    const struct message_field *end = type->fields + type->field_count;
    for (const struct message_field *f = type->fields; f < end; f++) {
        if (f->versions & ~f->tagged & e->bit)
            TRY(encode_field(e, f, in));
        else if (!(f->versions & e->bit) && !(f->flags & MESSAGE_IGNORABLE) &&
                 !field_is_default(type, f, e->bit, in))
            return ERR_UNSUPPORTED;
    }
    return e->is_flexible ? encode_tags(e, type, in) : OK;
}

err_t codec_encode(const struct message *m, int version, const void *in, struct buf *out,
                   struct codec_holes *holes)
{
    if (!message_has_version(m, version)) return ERR_UNSUPPORTED;
    struct encoder e = {out, holes, (uint32_t)1 << version, message_is_flexible(m, version)};
    size_t len = out->len;
    size_t hole_count = holes ? holes->count : 0;
    err_t err = encode_struct(&e, m->root, in);
    if (err != OK) {
        out->len = len;
        if (holes) holes->count = hole_count;
    }
    return err;
}
