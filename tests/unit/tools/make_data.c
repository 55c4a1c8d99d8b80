/* Logs are written by the storage layer, so that segments, indexes and snapshots are real ones. */
#include "make_data.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/check.h"
#include "base/crc32c.h"
#include "base/os.h"
#include "lib/log_fixture.h"
#include "protocol/codec.h"
#include "protocol/messages.h"
#include "record/builder.h"
#include "storage/checkpoint.h"

static const time_ms_t noon = 1767268800000; /* 2026-01-01T12:00:00Z */

/* ---- appending ---- */

static void open_log(struct log_fixture *f, const struct data *data, const char *name)
{
    log_fixture_init(f, os_real(), data->dir.path);
    snprintf(f->path, sizeof f->path, "%s/%s", data->dir.path, name);
    f->options.config.segment_bytes = 1500;
    f->options.config.index_interval_bytes = 200;
    CHECK(log_fixture_open(f, true, 0) == OK);
    struct uuid id = {{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}};
    CHECK(log_set_topic_id(f->log, id) == OK);
}

static void close_log(struct log_fixture *f)
{
    CHECK(log_fixture_close(f, true) == OK);
    log_fixture_release(f);
}

static void append(struct log_fixture *f, struct batch_builder *b, leader_epoch_t epoch)
{
    struct view bytes;
    struct log_append batch = {0};
    CHECK(batch_builder_finish(b, &bytes) == OK);
    batch.data = malloc(bytes.len);
    CHECK(batch.data);
    memcpy(batch.data, bytes.data, bytes.len);
    CHECK(batch_header_parse(bytes, &batch.header) == OK);
    CHECK(log_fixture_add(f, &batch, LOG_FROM_SELF, epoch) == OK);
    free(batch.data);
    batch_builder_release(b);
}

static struct batch_builder begin(const struct batch_options *options)
{
    struct batch_builder b = {0};
    CHECK(batch_builder_init(&b, options) == OK);
    return b;
}

static void add(struct batch_builder *b, time_ms_t time, struct view key, struct view value)
{
    struct record record = {
        .offset = RECORD_OFFSET_NEXT, .timestamp = time, .key = key, .value = value};
    CHECK(batch_builder_append(b, &record) == OK);
}

static void add_with_headers(struct batch_builder *b, time_ms_t time)
{
    struct buf headers = {0};
    struct record_header one = {view_str("trace"), view_str("a\tb")},
                         two = {view_str("empty"), view_str("")}, three = {view_str("none"), {0}};
    CHECK(record_header_append(&headers, &one) == OK);
    CHECK(record_header_append(&headers, &two) == OK);
    CHECK(record_header_append(&headers, &three) == OK);
    struct record record = {.offset = RECORD_OFFSET_NEXT,
                            .timestamp = time,
                            .key = view_str("with headers"),
                            .value = view_str("gr\xc3\xbc\xc3\x9f \"dich\"\n"),
                            .headers = buf_view(&headers),
                            .header_count = 3};
    CHECK(batch_builder_append(b, &record) == OK);
    buf_release(&headers);
}

/* ---- orders-0 ---- */

static void append_texts(struct log_fixture *f, time_ms_t time, int count, leader_epoch_t epoch)
{
    struct batch_options options = batch_options_default();
    struct batch_builder b = begin(&options);
    char value[100];
    memset(value, 'x', sizeof value);
    for (int i = 0; i < count; i++) add(&b, time + i, (struct view){0}, view_of(value, 80));
    append(f, &b, epoch);
}

static void append_odd(struct log_fixture *f)
{
    struct batch_options options = batch_options_default();
    struct batch_builder b = begin(&options);
    char long_value[300];
    memset(long_value, 'L', sizeof long_value);
    add(&b, noon, view_str("key"), view_str("value"));
    add(&b, noon + 1, view_str(""), (struct view){0});
    add(&b, noon + 2, (struct view){0}, view_of("\x00\xff\xfe", 3));
    add_with_headers(&b, noon + 3);
    add(&b, noon + 4, view_str("long"), view_of(long_value, sizeof long_value));
    append(f, &b, 0);
}

static void append_produced(struct log_fixture *f, producer_id_t id, int32_t sequence,
                            bool is_transactional, time_ms_t time)
{
    struct batch_options options = batch_options_default();
    options.producer_id = id;
    options.producer_epoch = 2;
    options.base_sequence = sequence;
    options.is_transactional = is_transactional;
    struct batch_builder b = begin(&options);
    add(&b, time, view_str("p"), view_str(is_transactional ? "in a transaction" : "once"));
    append(f, &b, 3);
}

static void end_transaction(struct log_fixture *f, producer_id_t id, bool is_commit)
{
    struct log_append marker = marker_make(id, 2, is_commit);
    CHECK(log_fixture_add(f, &marker, LOG_FROM_SELF, 3) == OK);
    free(marker.data);
}

static void make_orders(const struct data *data)
{
    struct log_fixture f;
    open_log(&f, data, "orders-0");
    append_odd(&f);
    for (int i = 0; i < 3; i++) append_texts(&f, noon + 1000 * (i + 1), 3, 0);
    append_texts(&f, noon + 9000, 2, 3);
    append_produced(&f, 7001, 0, false, noon + 10000);
    append_produced(&f, 7002, 0, true, noon + 11000);
    append_produced(&f, 7003, 0, true, noon + 12000);
    end_transaction(&f, 7002, false);
    append_produced(&f, 7002, 1, true, noon + 13000);
    end_transaction(&f, 7002, true);
    append_produced(&f, 7001, 1, false, noon + 14000);
    append_texts(&f, noon + 500, 4, 3); /* older than what was there before */
    append_texts(&f, noon + 15000, 6, 3);
    close_log(&f);
}

/* ---- the others ---- */

static void make_codecs(const struct data *data)
{
    struct log_fixture f;
    open_log(&f, data, "codecs-0");
    for (int codec = 0; codec < CODEC__COUNT; codec++) {
        struct batch_options options = batch_options_default();
        options.codec = (enum codec)codec;
        options.level = CODEC_LEVEL_DEFAULT;
        struct batch_builder b = begin(&options);
        for (int i = 0; i < 3; i++)
            add(&b, noon + i, view_str(codec_name(options.codec)),
                view_str("the same value again"));
        append(&f, &b, 0);
    }
    close_log(&f);
}

/* int16 version, message. */
static void encode(const struct message *m, int version, bool has_version, const void *in,
                   struct buf *out)
{
    uint8_t raw[2];
    be16_put(raw, (uint16_t)version);
    if (has_version) CHECK(buf_append(out, raw, 2) == OK);
    CHECK(codec_encode(m, version, in, out, NULL) == OK);
}

static void make_offsets(const struct data *data)
{
    struct log_fixture f;
    struct buf key = {0}, value = {0}, bad = {0};
    struct offset_commit_key k;
    struct offset_commit_value v;
    struct batch_options options = batch_options_default();
    CODEC_DEFAULT(offset_commit_key, &k);
    CODEC_DEFAULT(offset_commit_value, &v);
    k.group = view_str("billing");
    k.topic = view_str("orders");
    k.partition = 4;
    v.offset = 1234;
    v.commit_timestamp = noon;
    encode(&offset_commit_key_message, 1, true, &k, &key);
    encode(&offset_commit_value_message, 3, true, &v, &value);
    CHECK(buf_append(&bad, "\x00\x63zz", 4) == OK);
    open_log(&f, data, "__consumer_offsets-0");
    struct batch_builder b = begin(&options);
    add(&b, noon, buf_view(&key), buf_view(&value));
    add(&b, noon, buf_view(&key), (struct view){0});
    add(&b, noon, buf_view(&bad), buf_view(&value));
    append(&f, &b, 0);
    close_log(&f);
    buf_release(&key);
    buf_release(&value);
    buf_release(&bad);
}

static void make_transactions(const struct data *data)
{
    struct log_fixture f;
    struct buf key = {0}, value = {0};
    struct transaction_log_key k;
    struct transaction_log_value v;
    struct batch_options options = batch_options_default();
    CODEC_DEFAULT(transaction_log_key, &k);
    CODEC_DEFAULT(transaction_log_value, &v);
    k.transactional_id = view_str("transfer-1");
    v.producer_id = 7002;
    encode(&transaction_log_key_message, 0, true, &k, &key);
    encode(&transaction_log_value_message, 0, true, &v, &value);
    open_log(&f, data, "__transaction_state-0");
    struct batch_builder b = begin(&options);
    add(&b, noon, buf_view(&key), buf_view(&value));
    append(&f, &b, 0);
    close_log(&f);
    buf_release(&key);
    buf_release(&value);
}

static void make_metadata(const struct data *data)
{
    struct log_fixture f;
    struct buf value = {0};
    struct topic_record topic;
    struct batch_options options = batch_options_default();
    CODEC_DEFAULT(topic_record, &topic);
    topic.name = view_str("orders");
    topic.topic_id.bytes[0] = 9;
    CHECK(buf_append(&value, "\x01\x02\x00", 3) == OK); /* frame 1, type 2, version 0 */
    encode(&topic_record_message, 0, false, &topic, &value);
    open_log(&f, data, "__cluster_metadata-0");
    struct batch_builder b = begin(&options);
    add(&b, noon, (struct view){0}, buf_view(&value));
    append(&f, &b, 0);
    close_log(&f);
    buf_release(&value);
}

/* One batch of a control record. */
static void control_batch(enum control_type type, koffset_t offset, struct buf *out)
{
    struct batch_options options = batch_options_default();
    uint8_t key[CONTROL_KEY_SIZE];
    struct view bytes;
    options.is_control = true;
    options.base_offset = offset;
    options.leader_epoch = 1;
    struct batch_builder b = begin(&options);
    control_key_put(key, type);
    /* version 0, and for a header the time of the last record */
    add(&b, noon, view_of(key, sizeof key),
        view_of("\0\0\0\0\0\0\0\0\0\0", type == CONTROL_SNAPSHOT_HEADER ? 11 : 3));
    CHECK(batch_builder_finish(&b, &bytes) == OK);
    CHECK(buf_append(out, bytes.data, bytes.len) == OK);
    batch_builder_release(&b);
}

static void make_metadata_snapshot(const struct data *data)
{
    struct buf file = {0};
    control_batch(CONTROL_SNAPSHOT_HEADER, 0, &file);
    control_batch(CONTROL_SNAPSHOT_FOOTER, 1, &file);
    data_write(data, "__cluster_metadata-0/00000000000000000001-0000000001.checkpoint", file.data,
               file.len);
    buf_release(&file);
}

void data_make(struct data *data)
{
    static const char properties[] = "version=1\ncluster.id=MkU3OEVBNTcwNTJENDM2Qk\nnode.id=1\n"
                                     "directory.id=AQIDBAUGBwgJCgsMDQ4PEA\n";
    static const char recovery[] = "0\n2\norders 0 30\ncodecs 0 15\n";
    static const char watermarks[] = "0\n1\norders 0 30\n";
    temp_dir_make(&data->dir);
    make_orders(data);
    make_codecs(data);
    make_offsets(data);
    make_transactions(data);
    make_metadata(data);
    make_metadata_snapshot(data);
    data_write(data, "meta.properties", properties, sizeof properties - 1);
    data_write(data, "recovery-point-offset-checkpoint", recovery, sizeof recovery - 1);
    data_write(data, "replication-offset-checkpoint", watermarks, sizeof watermarks - 1);
    data_write(data, ".kafka_cleanshutdown", "{\"version\":0}", 13);
}

void data_remove(struct data *data) { temp_dir_remove(&data->dir); }

/* ---- changes ---- */

static void path_of(const struct data *data, const char *file, char path[512])
{
    CHECK(snprintf(path, 512, "%s/%s", data->dir.path, file) < 512);
}

void data_flip(const struct data *data, const char *file, long position, unsigned char mask)
{
    char path[512];
    path_of(data, file, path);
    FILE *f = fopen(path, "r+");
    CHECK(f && fseek(f, position, SEEK_SET) == 0);
    int c = fgetc(f);
    CHECK(c != EOF && fseek(f, position, SEEK_SET) == 0 && fputc(c ^ mask, f) != EOF);
    CHECK(fclose(f) == 0);
}

void data_seal(const struct data *data, const char *file, long position)
{
    char path[512];
    struct buf bytes = {0};
    path_of(data, file, path);
    CHECK(os_read_file(os_real(), path, 1 << 20, &bytes) == OK);
    uint8_t *batch = bytes.data + position;
    int64_t size = batch_size_peek(view_of(batch, bytes.len - (size_t)position));
    CHECK(size > 0 && position + size <= (long)bytes.len);
    be32_put(batch + BATCH_CRC,
             crc32c(0, batch + BATCH_ATTRIBUTES, (size_t)size - BATCH_ATTRIBUTES));
    data_write(data, file, bytes.data, bytes.len);
    buf_release(&bytes);
}

void data_resize(const struct data *data, const char *file, long size)
{
    char path[512];
    path_of(data, file, path);
    CHECK(truncate(path, size < 0 ? data_size(data, file) + size : size) == 0);
}

void data_write(const struct data *data, const char *file, const void *bytes, unsigned long len)
{
    char path[512];
    path_of(data, file, path);
    FILE *f = fopen(path, "w");
    CHECK(f && fwrite(bytes, 1, len, f) == len && fclose(f) == 0);
}

void data_unlink(const struct data *data, const char *file)
{
    char path[512];
    path_of(data, file, path);
    CHECK(unlink(path) == 0);
}

long data_size(const struct data *data, const char *file)
{
    char path[512];
    struct stat st;
    path_of(data, file, path);
    CHECK(stat(path, &st) == 0);
    return (long)st.st_size;
}
