/* log_input - what the fuzz targets of the log share: a simulated disk filled from the input, a
 * log on it, and what must hold of a log whatever its files were.
 *
 * Header only; whoever includes it links testlib, storage and record. One thread.
 */
#pragma once

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/diag.h"
#include "base/env.h"
#include "base/os.h"
#include "lib/log_fixture.h"
#include "lib/sim_disk.h"
#include "record/batch.h"
#include "record/log_scan.h"

/* ---- the input ---- */

/* Numbers in front, so that they stay where they are when the bytes behind them grow. */
struct input {
    struct view rest;
};

static inline uint64_t input_number(struct input *in, size_t bytes)
{
    uint64_t n = 0;
    for (; bytes; bytes--) {
        n = n << 8 | (in->rest.len ? *in->rest.data : 0);
        if (in->rest.len) in->rest = view_of(in->rest.data + 1, in->rest.len - 1);
    }
    return n;
}

/* The next `len` bytes, or what there is. */
static inline struct view input_bytes(struct input *in, size_t len)
{
    struct view v = view_of(in->rest.data, MIN(len, in->rest.len));
    in->rest = view_of(in->rest.data + v.len, in->rest.len - v.len);
    return v;
}

/* Makes the checksums right, batch after batch, as far as the lengths hold. */
static inline void seal_batches(uint8_t *data, size_t len)
{
    for (size_t at = 0; at + BATCH_HEADER_SIZE <= len;) {
        int64_t size = batch_size_peek(view_of(data + at, len - at));
        if (size <= 0 || (uint64_t)size > len - at) return;
        int64_t time = (int64_t)be64_get(data + at + BATCH_MAX_TIMESTAMP);
        batch_set_max_timestamp(data + at, ~time);
        batch_set_max_timestamp(data + at, time);
        at += (size_t)size;
    }
}

/* ---- the disk ---- */

static inline void put_file(const struct os *os, const char *path, const void *data, size_t len)
{
    int fd = os->open(os, path, OS_WRITE | OS_CREATE | OS_TRUNCATE);
    CHECK(fd >= 0);
    if (len) CHECK(os->pwrite(os, fd, data, len, 0) == (ssize_t)len);
    CHECK(os->close(os, fd) == 0);
}

static inline void drop_line(void *arg, enum diag_level level, const char *line)
{
    (void)arg;
    (void)level;
    (void)line;
}

static inline int64_t fixed_wall_ms(const struct clock *clock)
{
    (void)clock;
    return 1700000000000;
}
static inline int64_t fixed_mono_ns(const struct clock *clock)
{
    (void)clock;
    return 1000000000;
}
static const struct clock fixed_clock = {NULL, fixed_wall_ms, fixed_mono_ns};

/* ---- the log ---- */

struct log_on_disk {
    struct sim_disk *disk;
    const struct os *os;
    struct log_fixture fixture;
};

static inline void log_on_disk_init(struct log_on_disk *l)
{
    if (!getenv("FUZZ_TALK")) diag_set_sink(drop_line, NULL);
    l->disk = sim_disk_new(1);
    sim_disk_set_writeback(l->disk, 0);
    sim_disk_set_clock(l->disk, &fixed_clock);
    l->os = sim_disk_os(l->disk);
    CHECK(os_make_dirs(l->os, "/data/topic-0") == OK);
    log_fixture_init(&l->fixture, l->os, "/data");
    l->fixture.env.clock = &fixed_clock;
    l->fixture.options.config.segment_bytes = 1 << 20;
}

static inline void log_on_disk_release(struct log_on_disk *l)
{
    log_fixture_release(&l->fixture);
    CHECK(sim_disk_stats(l->disk).handles == 0 && sim_disk_stats(l->disk).mappings == 0);
    sim_disk_free(l->disk);
}

static inline void put_log_file(struct log_on_disk *l, koffset_t base, const char *suffix,
                                struct view bytes)
{
    char path[128];
    snprintf(path, sizeof path, "/data/topic-0/%020lld%s", (long long)base, suffix);
    put_file(l->os, path, bytes.data, bytes.len);
}

/* Batches from `offset` on as one read gives them: whole ones, in order, below the limit. Returns
 * the offset behind them, or `offset` when there is none. */
static inline koffset_t check_read(struct log *log, koffset_t offset, koffset_t end, bool is_sealed)
{
    struct log_read read = {0};
    struct buf bytes = {0};
    err_t err = log_read(log, offset, end, 1 << 16, true, &read);
    CHECK(err == OK || err == ERR_DAMAGED);
    if (err != OK) return offset;
    CHECK(log_read_bytes(log, &read.slice, &bytes) == OK && bytes.len == read.slice.len);
    struct log_scan scan = log_scan_of(buf_view(&bytes));
    struct view batch;
    struct batch_header header;
    koffset_t next = offset;
    while ((err = log_scan_next(&scan, &batch, &header)) == OK) {
        CHECK(batch_last_offset(&header) >= next && batch_last_offset(&header) < end);
        CHECK(header.base_offset >= next || next == offset); /* the first may begin before */
        if (is_sealed) CHECK(batch_check_crc(batch) == OK);
        next = batch_last_offset(&header) + 1;
    }
    CHECK(err == ERR_NOT_FOUND || err == ERR_SHORT);
    if (bytes.len == 0) next = end; /* the last offsets below the end may have gone */
    CHECK(next > offset || log_offsets(log).is_damaged);
    slice_release(&read.slice);
    buf_release(&bytes);
    return next;
}

/* Reads everything that is served. is_sealed: every checksum has to be right. */
static inline void check_all(struct log *log, bool is_sealed)
{
    struct log_offsets o = log_offsets(log);
    CHECK(o.start >= 0 && o.start <= o.end && o.flushed <= o.end && !o.is_failed);
    koffset_t at = o.start;
    for (int reads = 0; at < o.end && reads < 3000; reads++) {
        koffset_t next = check_read(log, at, o.end, is_sealed);
        if (next == at) CHECK(o.is_damaged);
        at = next > at ? next : at + 1 + (o.end - at) / 64;
    }
    struct log_timestamp_match match;
    err_t err = log_find_max_timestamp(log, &match);
    CHECK(err == OK || err == ERR_DAMAGED || !is_sealed);
    err = log_find_timestamp(log, match.timestamp, o.end, &match);
    CHECK(err == OK || err == ERR_DAMAGED || !is_sealed);
    struct aborted_txn *aborted = NULL;
    size_t count = 0;
    if (log_aborted_txns(log, o.start, o.end, &aborted, &count) == OK) free(aborted);
    leader_epoch_t found;
    koffset_t end;
    if (log_epoch_end(log, o.last_leader_epoch, &found, &end) == OK) CHECK(end == o.end);
}
