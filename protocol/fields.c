#include "fields.h"

const uint8_t KIND_BYTES[] = {
    [MESSAGE_BOOL] = sizeof(bool),
    [MESSAGE_INT8] = 1,
    [MESSAGE_INT16] = 2,
    [MESSAGE_UINT16] = 2,
    [MESSAGE_INT32] = 4,
    [MESSAGE_UINT32] = 4,
    [MESSAGE_INT64] = 8,
    [MESSAGE_FLOAT64] = 8,
    [MESSAGE_UUID] = 16,
    [MESSAGE_STRING] = sizeof(struct view),
    [MESSAGE_BYTES] = sizeof(struct view),
    [MESSAGE_RECORDS] = sizeof(struct records_field),
};

/* A null view where null is not allowed counts as empty, as the encoder has it. */
static bool view_is_default(const struct message_field *f, uint32_t bit, struct view v)
{
    if (f->flags & MESSAGE_NULL_DEFAULT) return !v.data;
    return v.len == 0 && (v.data || !(f->nullable & bit));
}

static bool struct_is_default(const struct message_struct *type, uint32_t bit, const char *in)
{
    for (size_t i = 0; i < type->field_count; i++)
        if (!field_is_default(type, &type->fields[i], bit, in)) return false;
    return true;
}

static bool array_is_default(const struct message_field *f, const char *in)
{
    int32_t count = *(const int32_t *)(in + f->count_offset);
    return count == (f->flags & MESSAGE_NULL_DEFAULT ? -1 : 0);
}

bool field_is_default(const struct message_struct *type, const struct message_field *f,
                      uint32_t bit, const char *in)
{
    const char *value = in + f->offset;
    const char *standard = (const char *)type->defaults + f->offset;
    if (f->flags & MESSAGE_ARRAY) return array_is_default(f, in);
    switch (f->kind) {
    case MESSAGE_BOOL:
    case MESSAGE_INT8: return *value == *standard;
    case MESSAGE_INT16:
    case MESSAGE_UINT16: return memcmp(value, standard, 2) == 0;
    case MESSAGE_INT32:
    case MESSAGE_UINT32: return memcmp(value, standard, 4) == 0;
    case MESSAGE_INT64:
    case MESSAGE_FLOAT64: return memcmp(value, standard, 8) == 0;
    case MESSAGE_UUID: return memcmp(value, standard, 16) == 0;
    case MESSAGE_STRING:
    case MESSAGE_BYTES: return view_is_default(f, bit, *(const struct view *)value);
    case MESSAGE_RECORDS: {
        const struct records_field *records = (const struct records_field *)value;
        return !records->data.data && !records->file;
    }
    default:
        if (f->flags & MESSAGE_POINTER) return *(const void *const *)value == NULL;
        return struct_is_default(f->type, bit, value);
    }
}
