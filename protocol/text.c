/* A walk like the encoder's, with a comma before every field and element but the first. */
#include "text.h"

#include <inttypes.h>

#include "fields.h"

struct printer {
    struct buf *out;
    uint32_t bit; /* of the version */
};

static err_t print_struct(struct printer *p, const struct message_struct *type, const char *in);

static err_t append_str(struct buf *out, const char *str)
{
    return buf_append(out, str, strlen(str));
}

/* ---- strings ---- */

static bool is_continuation(uint8_t byte) { return (byte & 0xc0) == 0x80; }

/* The length of the UTF-8 sequence at v.data, 0 if it is none (over-long forms, surrogates and
 * code points beyond U+10FFFF are none). v is not empty. */
static size_t utf8_length(struct view v)
{
    const uint8_t *s = v.data;
    if (s[0] < 0x80) return 1;
    size_t len = s[0] >= 0xf0 ? 4 : s[0] >= 0xe0 ? 3 : 2;
    if (s[0] < 0xc2 || s[0] > 0xf4 || v.len < len) return 0;
    for (size_t i = 1; i < len; i++)
        if (!is_continuation(s[i])) return 0;
    bool is_too_small = (s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xf0 && s[1] < 0x90);
    bool is_too_large = (s[0] == 0xed && s[1] > 0x9f) || (s[0] == 0xf4 && s[1] > 0x8f);
    return is_too_small || is_too_large ? 0 : len;
}

static err_t print_char(struct buf *out, const uint8_t *s, size_t len)
{
    if (len == 0) return append_str(out, "\\ufffd");
    if (*s == '"' || *s == '\\') {
        TRY(buf_append_u8(out, '\\'));
        return buf_append_u8(out, *s);
    }
    if (*s == '\n') return append_str(out, "\\n");
    if (*s == '\t') return append_str(out, "\\t");
    if (*s < 0x20 || *s == 0x7f) return buf_printf(out, "\\u%04x", *s);
    return buf_append(out, s, len);
}

err_t text_string(struct view text, struct buf *out)
{
    if (!text.data) return append_str(out, "null");
    TRY(buf_append_u8(out, '"'));
    while (text.len) {
        size_t len = utf8_length(text);
        TRY(print_char(out, text.data, len));
        size_t step = len ? len : 1;
        text = (struct view){text.data + step, text.len - step};
    }
    return buf_append_u8(out, '"');
}

err_t text_base64(struct view bytes, struct buf *out)
{
    static const char DIGITS[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    if (!bytes.data) return append_str(out, "null");
    TRY(buf_append_u8(out, '"'));
    for (size_t i = 0; i < bytes.len; i += 3) {
        size_t n = bytes.len - i < 3 ? bytes.len - i : 3;
        const uint8_t *s = bytes.data + i;
        uint32_t group = (uint32_t)s[0] << 16 | (n > 1 ? (uint32_t)s[1] << 8 : 0);
        if (n > 2) group |= s[2];
        char digits[4] = {DIGITS[group >> 18], DIGITS[group >> 12 & 63],
                          n > 1 ? DIGITS[group >> 6 & 63] : '=', n > 2 ? DIGITS[group & 63] : '='};
        TRY(buf_append(out, digits, sizeof(digits)));
    }
    return buf_append_u8(out, '"');
}

/* ---- values ---- */

/* JSON has no name for what is not a finite number. */
static err_t print_double(struct buf *out, double v)
{
    if (!__builtin_isfinite(v)) return append_str(out, "null");
    return buf_printf(out, "%.17g", v);
}

static err_t print_records(struct buf *out, const struct records_field *records)
{
    if (!records->file) return text_base64(records->data, out);
    return buf_printf(out, "\"%zu bytes of a file\"", records->file_bytes);
}

static err_t print_value(struct printer *p, enum message_kind kind, const char *in)
{
    struct buf *out = p->out;
    char uuid[UUID_TEXT_LEN + 1];
    switch (kind) {
    case MESSAGE_BOOL: return append_str(out, *(const bool *)in ? "true" : "false");
    case MESSAGE_INT8: return buf_printf(out, "%d", *(const int8_t *)in);
    case MESSAGE_INT16: return buf_printf(out, "%d", *(const int16_t *)in);
    case MESSAGE_UINT16: return buf_printf(out, "%u", *(const uint16_t *)in);
    case MESSAGE_INT32: return buf_printf(out, "%" PRId32, *(const int32_t *)in);
    case MESSAGE_UINT32: return buf_printf(out, "%" PRIu32, *(const uint32_t *)in);
    case MESSAGE_INT64: return buf_printf(out, "%" PRId64, *(const int64_t *)in);
    case MESSAGE_FLOAT64: return print_double(out, *(const double *)in);
    case MESSAGE_UUID:
        uuid_format(*(const struct uuid *)in, uuid);
        return buf_printf(out, "\"%s\"", uuid);
    case MESSAGE_STRING: return text_string(*(const struct view *)in, out);
    case MESSAGE_BYTES: return text_base64(*(const struct view *)in, out);
    case MESSAGE_RECORDS: return print_records(out, (const struct records_field *)in);
    case MESSAGE_STRUCT: break;
    }
    return ERR_INVALID;
}

static err_t print_array(struct printer *p, const struct message_field *f, const char *in)
{
    int32_t count = *(const int32_t *)(in + f->count_offset);
    const char *items = *(const char *const *)(in + f->offset);
    if (count < 0) return append_str(p->out, "null");
    TRY(buf_append_u8(p->out, '['));
    for (int32_t i = 0; i < count; i++) {
        if (i) TRY(buf_append_u8(p->out, ','));
        if (f->kind == MESSAGE_STRUCT)
            TRY(print_struct(p, f->type, items + i * f->type->size));
        else
            TRY(print_value(p, f->kind, items + i * KIND_BYTES[f->kind]));
    }
    return buf_append_u8(p->out, ']');
}

static err_t print_field(struct printer *p, const struct message_field *f, const char *in)
{
    if (f->flags & MESSAGE_ARRAY) return print_array(p, f, in);
    if (f->kind != MESSAGE_STRUCT) return print_value(p, f->kind, in + f->offset);
    if (!(f->flags & MESSAGE_POINTER)) return print_struct(p, f->type, in + f->offset);
    const char *item = *(const char *const *)(in + f->offset);
    return item ? print_struct(p, f->type, item) : append_str(p->out, "null");
}

/* topic_id is printed as "topicId": */
static err_t print_name(struct buf *out, const char *name)
{
    TRY(buf_append_u8(out, '"'));
    for (; *name; name++) {
        bool is_start = *name == '_' && name[1] >= 'a' && name[1] <= 'z';
        if (is_start) name++;
        TRY(buf_append_u8(out, (uint8_t)(is_start ? *name - 'a' + 'A' : *name)));
    }
    return append_str(out, "\":");
}

static err_t print_struct(struct printer *p, const struct message_struct *type, const char *in)
{
    bool is_first = true;
    TRY(buf_append_u8(p->out, '{'));
    for (size_t i = 0; i < type->field_count; i++) {
        const struct message_field *f = &type->fields[i];
        if (!(f->versions & p->bit)) continue;
        if ((f->tagged & p->bit) && field_is_default(type, f, p->bit, in)) continue;
        if (!is_first) TRY(buf_append_u8(p->out, ','));
        is_first = false;
        TRY(print_name(p->out, f->name));
        TRY(print_field(p, f, in));
    }
    return buf_append_u8(p->out, '}');
}

err_t text_message(const struct message *m, int version, const void *in, struct buf *out)
{
    if (!message_has_version(m, version)) return ERR_UNSUPPORTED;
    struct printer p = {out, (uint32_t)1 << version};
    size_t len = out->len;
    err_t err = print_struct(&p, m->root, in);
    if (err != OK) out->len = len;
    return err;
}
