/* Records of a batch: text is one line each, indented below the batch; JSON is an array in the
 * batch's object.
 *
 * Whatever is in a key or value must neither break the terminal nor the JSON: text shows what
 * is text as it is, with line ends escaped, anything else as hex; JSON has strings for text and
 * {"base64":...} for the rest. */
#include <ctype.h>
#include <inttypes.h>

#include "base/check.h"
#include "log_dump.h"
#include "protocol/text.h"
#include "record/control.h"
#include "record/record.h"

enum { DECOMPRESSED_MAX_BYTES = 256 << 20, FLUSH_BYTES = 1 << 20 };

void dump_records_release(struct dump_records *r)
{
    buf_release(&r->scratch);
    buf_release(&r->line);
}

/* ---- bytes ---- */

/* How many bytes a character of UTF-8 takes here; 0: it is none. */
static size_t utf8_length(const uint8_t *at, size_t left)
{
    static const uint32_t lowest[] = {0, 0, 0x80, 0x800, 0x10000};
    size_t len = at[0] < 0x80 ? 1 : at[0] >> 5 == 6 ? 2 : at[0] >> 4 == 14 ? 3 : 4;
    if (len == 1) return 1;
    if ((len == 4 && at[0] >> 3 != 30) || len > left) return 0;
    uint32_t c = at[0] & (0xffu >> (len + 1));
    for (size_t i = 1; i < len; i++) {
        if (at[i] >> 6 != 2) return 0;
        c = c << 6 | (at[i] & 0x3f);
    }
    bool is_surrogate = c >= 0xd800 && c < 0xe000;
    return c < lowest[len] || c > 0x10ffff || is_surrogate ? 0 : len;
}

static bool is_utf8(struct view bytes)
{
    for (size_t i = 0; i < bytes.len;) {
        size_t len = utf8_length(bytes.data + i, bytes.len - i);
        if (len == 0) return false;
        i += len;
    }
    return true;
}

/* UTF-8, and no control characters but those that texts have. */
static bool is_text(struct view bytes)
{
    for (size_t i = 0; i < bytes.len; i++) {
        uint8_t c = bytes.data[i];
        if ((c < 0x20 && c != '\n' && c != '\t' && c != '\r') || c == 0x7f) return false;
    }
    return is_utf8(bytes);
}

/* The front of it, not ending within a character if there are any. */
static struct view front(struct view bytes, size_t max_bytes)
{
    if (bytes.len <= max_bytes) return bytes;
    size_t cut = max_bytes;
    while (cut > 0 && max_bytes - cut < 3 && bytes.data[cut] >> 6 == 2) cut--;
    return view_of(bytes.data, bytes.data[cut] >> 6 == 2 ? max_bytes : cut);
}

static void put_escaped(struct view text, struct buf *out)
{
    must(buf_append_u8(out, '"'));
    for (size_t i = 0; i < text.len;) {
        uint8_t c = text.data[i];
        size_t len = utf8_length(text.data + i, text.len - i);
        bool is_c1 = c == 0xc2 && len == 2 && text.data[i + 1] < 0xa0;
        if (c == '"' || c == '\\')
            must(buf_printf(out, "\\%c", c));
        else if (c == '\n' || c == '\t' || c == '\r')
            must(buf_printf(out, "\\%c", c == '\n' ? 'n' : c == '\t' ? 't' : 'r'));
        else if (is_c1)
            must(buf_printf(out, "\\u%04x", text.data[i + 1]));
        else
            must(buf_append(out, text.data + i, len));
        i += len;
    }
    must(buf_append_u8(out, '"'));
}

static void put_bytes_text(struct view bytes, size_t max_bytes, struct buf *out)
{
    struct view shown = front(bytes, max_bytes);
    if (!bytes.data) {
        must(buf_printf(out, "null"));
        return;
    }
    if (is_text(shown)) {
        put_escaped(shown, out);
    } else {
        must(buf_printf(out, "0x"));
        for (size_t i = 0; i < shown.len; i++) must(buf_printf(out, "%02x", shown.data[i]));
    }
    if (shown.len < bytes.len) must(buf_printf(out, "... (%zu bytes)", bytes.len));
}

/* ,"name":value and, if that is not all of it, how long it is. */
static void put_bytes_json(const char *name, struct view bytes, size_t max_bytes, struct buf *out)
{
    struct view shown = front(bytes, max_bytes);
    if (out->data[out->len - 1] != '{') must(buf_append_u8(out, ','));
    must(buf_printf(out, "\"%s\":", name));
    if (!bytes.data || is_text(shown)) {
        must(text_string(shown, out));
    } else {
        must(buf_printf(out, "{\"base64\":"));
        must(text_base64(shown, out));
        must(buf_append_u8(out, '}'));
    }
    if (shown.len < bytes.len) must(buf_printf(out, ",\"%s_size_bytes\":%zu", name, bytes.len));
}

/* ---- one record ---- */

static void put_text(const struct dump_records *r, const struct record *record, struct buf *out)
{
    size_t max_bytes = r->dump->options->value_max_bytes;
    struct record_header_iter it = record_headers(record);
    struct record_header header;
    must(buf_printf(out, "key "));
    put_bytes_text(record->key, max_bytes, out);
    must(buf_printf(out, "  value "));
    put_bytes_text(record->value, max_bytes, out);
    if (record->header_count > 0) must(buf_printf(out, "  headers"));
    while (record_header_next(&it, &header) == OK) {
        must(buf_append_u8(out, ' '));
        put_bytes_text(header.key, max_bytes, out);
        must(buf_append_u8(out, '='));
        put_bytes_text(header.value, max_bytes, out);
    }
}

static void put_json(const struct dump_records *r, const struct record *record, struct buf *out)
{
    size_t max_bytes = r->dump->options->value_max_bytes;
    struct record_header_iter it = record_headers(record);
    struct record_header header;
    put_bytes_json("key", record->key, max_bytes, out);
    put_bytes_json("value", record->value, max_bytes, out);
    must(buf_printf(out, ",\"headers\":["));
    for (bool is_first = true; record_header_next(&it, &header) == OK; is_first = false) {
        must(buf_printf(out, is_first ? "{" : ",{"));
        put_bytes_json("key", header.key, max_bytes, out);
        put_bytes_json("value", header.value, max_bytes, out);
        must(buf_append_u8(out, '}'));
    }
    must(buf_append_u8(out, ']'));
}

/* COMMIT, SNAPSHOT_HEADER: as Kafka's own tools name them. */
static void put_control_name(enum control_type type, struct buf *out)
{
    for (const char *c = control_type_name(type); *c; c++) {
        must(buf_append_u8(out, *c == '-' ? '_' : (uint8_t)toupper((unsigned char)*c)));
    }
}

static void put_control(const struct record *record, bool is_json, struct buf *out)
{
    enum control_type type;
    if (control_key_parse(record->key, &type) != OK) type = CONTROL_UNKNOWN;
    must(buf_printf(out, is_json ? ",\"control\":\"" : ""));
    put_control_name(type, out);
    must(buf_printf(out, is_json ? "\",\"decoded\":" : " "));
    decode_control((int)type, record, out);
}

/* What only brokers write; false: the record is to be shown as it is (all the same, or because it
 * could not be decoded). */
static bool put_decoded(const struct dump_records *r, const struct record *record, bool is_control,
                        struct buf *out)
{
    bool is_json = r->dump->options->format == FORMAT_JSON;
    if (is_control) {
        put_control(record, is_json, out);
        return true;
    }
    if (r->decoder == DECODER_NONE) return false;
    if (is_json) must(buf_printf(out, ",\"decoded\":"));
    bool is_good = decode_record(r->decoder, record, out);
    if (!is_json && !is_good) must(buf_printf(out, "  "));
    return is_good;
}

static void record_as_text(struct dump_records *r, const struct record *record, bool is_control)
{
    char time[TIME_TEXT_MAX];
    buf_clear(&r->line);
    must(buf_printf(&r->line, "      offset %" PRId64 "  %s  ", record->offset,
                    time_text(record->timestamp, time)));
    if (!put_decoded(r, record, is_control, &r->line)) put_text(r, record, &r->line);
    must(buf_append_u8(&r->line, '\n'));
    stdout_write(buf_view(&r->line));
}

static void record_as_json(struct dump_records *r, const struct record *record, bool is_control,
                           struct buf *out)
{
    char time[TIME_TEXT_MAX];
    const char *quote = record->timestamp == -1 ? "" : "\"";
    const char *text = record->timestamp == -1 ? "null" : time_text(record->timestamp, time);
    must(buf_printf(out, "{\"offset\":%" PRId64 ",\"timestamp\":%" PRId64 ",\"time\":%s%s%s",
                    record->offset, record->timestamp, quote, text, quote));
    if (!put_decoded(r, record, is_control, out)) put_json(r, record, out);
    must(buf_append_u8(out, '}'));
    if (out->len < FLUSH_BYTES) return;
    stdout_write(buf_view(out));
    buf_clear(out);
}

/* ---- the records of a batch ---- */

static err_t each_record(struct dump_records *r, struct record_iter *it, struct buf *json)
{
    const struct dump_options *o = r->dump->options;
    bool is_control = batch_is_control(&it->header), is_first = true;
    struct record record;
    err_t err = OK;
    while (r->dump->left > 0 && (err = record_iter_next(it, &record)) == OK) {
        if (record.offset < o->from) continue;
        r->dump->left--;
        if (json && !is_first) must(buf_append_u8(json, ','));
        if (json)
            record_as_json(r, &record, is_control, json);
        else
            record_as_text(r, &record, is_control);
        is_first = false;
    }
    return err == ERR_NOT_FOUND ? OK : err;
}

err_t dump_records_of(struct dump_records *r, struct view batch, struct rows *row)
{
    struct record_iter it;
    struct buf *json = rows_field(row, "records");
    if (json) must(buf_append_u8(json, '['));
    err_t err = record_iter_init(&it, batch, &r->scratch, DECOMPRESSED_MAX_BYTES);
    if (err == OK) err = each_record(r, &it, json);
    if (json) must(buf_append_u8(json, ']'));
    return err;
}
