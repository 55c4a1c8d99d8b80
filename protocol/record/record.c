/* The iterator keeps two plain pointers into the batch, or into its decompressed records.
 *
 * It reads whatever a log may hold, so offsets may have gaps (compaction), but have to rise and
 * stay within what the header says; and the records have to fill the batch exactly.
 */
#include "record.h"

#include "base/check.h"
#include "batch_write.h"
#include "record_parse.h"

err_t record_iter_init(struct record_iter *it, struct view batch, struct buf *scratch,
                       size_t decompressed_max_bytes)
{
    *it = (struct record_iter){.last_delta = -1};
    TRY(batch_header_parse(batch, &it->header));
    struct view records;
    TRY(batch_records(batch, &it->header, decompressed_max_bytes, scratch, &records));
    it->at = records.data;
    it->end = records.data + records.len;
    it->left = it->header.record_count;
    return OK;
}

static struct view view_or_null(const uint8_t *data, int32_t len)
{
    return len < 0 ? (struct view){0} : view_of(data, (size_t)len);
}

static err_t fail(struct record_iter *it)
{
    it->failed = ERR_CORRUPT;
    return ERR_CORRUPT;
}

err_t record_iter_next(struct record_iter *it, struct record *out)
{
    if (it->failed) return it->failed;
    if (it->left == 0) return it->at == it->end ? ERR_NOT_FOUND : fail(it);
    struct record_fields f;
    const uint8_t *next = record_parse(it->at, it->end, &f);
    if (!next || f.offset_delta <= it->last_delta) return fail(it);
    if (f.offset_delta > it->header.last_offset_delta) return fail(it);
    int64_t timestamp;
    if (__builtin_add_overflow(it->header.base_timestamp, f.timestamp_delta, &timestamp))
        return fail(it);
    *out = (struct record){
        .offset = it->header.base_offset + f.offset_delta,
        .timestamp = batch_is_log_append_time(&it->header) ? it->header.max_timestamp : timestamp,
        .key = view_or_null(f.key, f.key_len),
        .value = view_or_null(f.value, f.value_len),
        .headers = view_of(f.headers, (size_t)(next - f.headers)),
        .header_count = f.header_count,
    };
    it->at = next;
    it->last_delta = f.offset_delta;
    it->left--;
    return OK;
}

struct record_header_iter record_headers(const struct record *record)
{
    const uint8_t *at = record->headers.data;
    return (struct record_header_iter){at, at ? at + record->headers.len : at,
                                       record->header_count};
}

err_t record_header_next(struct record_header_iter *it, struct record_header *out)
{
    if (it->left <= 0) return it->at == it->end ? ERR_NOT_FOUND : ERR_CORRUPT;
    int32_t key_len, value_len;
    const uint8_t *key, *value;
    const uint8_t *at = take_bytes(it->at, it->end, 0, &key_len, &key);
    if (at) at = take_bytes(at, it->end, -1, &value_len, &value);
    if (!at) return ERR_CORRUPT;
    out->key = view_or_null(key, key_len);
    out->value = view_or_null(value, value_len);
    it->at = at;
    it->left--;
    return OK;
}

err_t record_header_append(struct buf *out, const struct record_header *header)
{
    if (header->key.len > INT32_MAX || header->value.len > INT32_MAX) return ERR_TOO_LARGE;
    TRY(buf_reserve(out, header->key.len + header->value.len + 2 * VARINT_MAX_BYTES));
    uint8_t *at = put_varint(out->data + out->len, (int32_t)header->key.len);
    if (header->key.len) memcpy(at, header->key.data, header->key.len);
    at = put_varint(at + header->key.len, header->value.data ? (int32_t)header->value.len : -1);
    if (header->value.len) memcpy(at, header->value.data, header->value.len);
    out->len = (size_t)(at + header->value.len - out->data);
    return OK;
}
