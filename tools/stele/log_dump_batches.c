/* A line for each batch of a segment, in the order of the file.
 *
 * The first thing that is no batch ends the file: what follows it is log-verify's to find. A last
 * batch that is not whole yet, in the newest segment of a log that a broker has open, is no error.
 */
#include <inttypes.h>
#include <stdio.h>

#include "base/check.h"
#include "log_dump.h"
#include "segment_file.h"

static const struct row_column columns[] = {
    {"file", NULL, 0},
    {"base_offset", "OFFSET", 10},
    {"last_offset", "LAST", 10},
    {"position", "POSITION", 10},
    {"size_bytes", "SIZE", 8},
    {"codec", "CODEC", -6},
    {"record_count", "RECORDS", 7},
    {"leader_epoch", "EPOCH", 5},
    {"base_timestamp", NULL, 0},
    {"max_timestamp", "TIMESTAMP", 13},
    {"max_time", "TIME", -24},
    {NULL, "PRODUCER", -8},
    {"producer_id", NULL, 0},
    {"producer_epoch", NULL, 0},
    {"base_sequence", NULL, 0},
    {"last_sequence", NULL, 0},
    {"is_transactional", NULL, 0},
    {"is_control", NULL, 0},
    {"timestamp_type", NULL, 0},
    {"delete_horizon", NULL, 0},
    {NULL, "FLAGS", -5},
    {"magic", NULL, 0},
    {"crc", NULL, 0},
    {"crc_ok", NULL, 0},
    {NULL, "CRC", -3},
};

/* One segment being shown. */
struct showing {
    struct dump *dump;
    struct segment_file segment;
    struct rows rows;
    struct dump_records records;
    bool found_bad;
};

static void show_producer(struct rows *rows, const struct batch_header *h)
{
    char text[64];
    snprintf(text, sizeof text, "%" PRId64 "/%d/%" PRId32, h->producer_id, h->producer_epoch,
             h->base_sequence);
    rows_string(rows, batch_has_producer_id(h) ? text : NULL);
    rows_number_if(rows, h->producer_id >= 0, h->producer_id);
    rows_number_if(rows, h->producer_epoch >= 0, h->producer_epoch);
    rows_number_if(rows, h->base_sequence >= 0, h->base_sequence);
    rows_number_if(rows, batch_last_sequence(h) >= 0, batch_last_sequence(h));
}

/* T: transactional, C: control, A: log append time, H: has a delete horizon. */
static void show_flags(struct rows *rows, const struct batch_header *h)
{
    char flags[8];
    snprintf(flags, sizeof flags, "%s%s%s%s", batch_is_transactional(h) ? "T" : "",
             batch_is_control(h) ? "C" : "", batch_is_log_append_time(h) ? "A" : "",
             batch_has_delete_horizon(h) ? "H" : "");
    rows_bool(rows, batch_is_transactional(h));
    rows_bool(rows, batch_is_control(h));
    rows_string(rows, batch_is_log_append_time(h) ? "LogAppendTime" : "CreateTime");
    rows_number_if(rows, batch_has_delete_horizon(h), h->base_timestamp);
    rows_string(rows, flags[0] ? flags : "-");
}

static void show_header(struct showing *s, const struct batch_header *h, bool is_crc_ok)
{
    struct rows *rows = &s->rows;
    rows_start(rows);
    rows_string(rows, s->segment.file->path);
    rows_number(rows, h->base_offset);
    rows_number(rows, batch_last_offset(h));
    rows_number(rows, s->segment.scan.pos);
    rows_number(rows, (int64_t)h->size_bytes);
    rows_string(rows, batch_codec(h) < CODEC__COUNT ? codec_name(batch_codec(h)) : "unknown");
    rows_number(rows, h->record_count);
    rows_number_if(rows, h->leader_epoch >= 0, h->leader_epoch);
    rows_number_if(rows, !batch_has_delete_horizon(h) && h->base_timestamp >= 0, h->base_timestamp);
    rows_number_if(rows, h->max_timestamp >= 0, h->max_timestamp);
    rows_time(rows, h->max_timestamp);
    show_producer(rows, h);
    show_flags(rows, h);
    rows_number(rows, h->magic);
    rows_number(rows, h->crc);
    rows_bool(rows, is_crc_ok);
    rows_string(rows, is_crc_ok ? "ok" : "BAD");
}

static err_t show_records(struct showing *s, const struct batch_header *h)
{
    struct view whole;
    err_t err = segment_scan_batch(&s->segment.scan, h, &whole);
    return err == OK ? dump_records_of(&s->records, whole, &s->rows) : err;
}

/* In text the batch's line comes before its records, in JSON they are in the batch. */
static err_t show_batch(struct showing *s, const struct batch_header *h)
{
    const struct dump_options *o = s->dump->options;
    err_t err = OK, crc = segment_scan_check_crc(&s->segment.scan, h);
    if (crc == ERR_IO) return crc;
    show_header(s, h, crc == OK);
    if (o->format == FORMAT_TEXT) rows_end(&s->rows);
    if (o->with_records)
        err = show_records(s, h);
    else
        s->dump->left--;
    if (o->format == FORMAT_JSON) rows_end(&s->rows);
    if (crc != OK || err != OK) s->found_bad = true;
    if (err != OK)
        complain(EXIT_FOUND, "%s: byte %" PRId64 ": the batch's records cannot be read: %s",
                 s->segment.file->path, s->segment.scan.pos, err_name(err));
    return OK;
}

/* What stands at scan.next is no whole batch. */
static int end_badly(struct showing *s, err_t err)
{
    const char *path = s->segment.file->path;
    int64_t at = s->segment.scan.next, left = s->segment.scan.end - at;
    switch (segment_file_end(&s->segment, err)) {
    case SEGMENT_END_WRITING:
        return complain(EXIT_OK, "%s: byte %" PRId64 ": %" PRId64 " bytes that are being written",
                        path, at, left);
    case SEGMENT_END_ZEROS:
        return complain(EXIT_FOUND, "%s: byte %" PRId64 ": %" PRId64 " zeros up to the end", path,
                        at, left);
    case SEGMENT_END_IO: return complain(EXIT_BROKEN, "%s: cannot be read", path);
    default:
        return complain(EXIT_FOUND,
                        "%s: byte %" PRId64 ": no whole batch (%s); %" PRId64
                        " bytes not shown, log-verify looks behind them",
                        path, at, err_name(err), left);
    }
}

static int show_segment(struct showing *s)
{
    const struct dump_options *o = s->dump->options;
    struct batch_header header;
    err_t err = OK;
    while (err == OK && s->dump->left > 0 && s->segment.scan.next < o->max_bytes) {
        err = segment_scan_next(&s->segment.scan, &header);
        if (err != OK) break;
        if (batch_last_offset(&header) < o->from) continue;
        err = show_batch(s, &header);
    }
    if (err != OK && err != ERR_NOT_FOUND) return end_badly(s, err);
    return s->found_bad ? EXIT_FOUND : EXIT_OK;
}

int dump_segment(struct dump *dump, const struct place *place, const struct file *file)
{
    struct showing s = {.dump = dump, .records = {.dump = dump}};
    const struct dump_options *o = dump->options;
    err_t err = segment_file_open(&s.segment, place, file, SCAN_ALL);
    if (err != OK) return segment_file_failed(place, err);
    s.records.decoder = o->has_decoder ? o->decoder : decoder_of_topic(place->entry.topic);
    dump_heading(dump, file);
    rows_init(&s.rows, o->format, "batch", columns, COUNT_OF(columns));
    rows_titles(&s.rows);
    int code = show_segment(&s);
    dump_records_release(&s.records);
    rows_release(&s.rows);
    segment_file_close(&s.segment);
    return code;
}
