/* log_test - the stage of the unit tests of a log: a fixture in a temporary directory, with faults
 * to order, and cmocka's setup and teardown.
 *
 * Header only, cmocka's headers come first. The log is not opened yet, so that a case can set
 * options before log_test_open().
 */
#pragma once

#include <stdio.h>

#include "base/diag.h"
#include "lib/fault_os.h"
#include "lib/log_fixture.h"
#include "lib/temp_dir.h"
#include "record/log_scan.h"
#include "record/record.h"

struct log_test {
    struct temp_dir dir;
    struct fault_os faults;
    struct log_fixture f;
    struct log_config *config; /* of the fixture's options */
    char said[4096];           /* the diagnostics of the case, one a line */
};

static inline void log_test_hear(void *arg, enum diag_level level, const char *line)
{
    struct log_test *t = arg;
    (void)level;
    size_t len = strlen(t->said);
    snprintf(t->said + len, sizeof t->said - len, "%s\n", line);
}

static inline int log_test_setup(void **state)
{
    struct log_test *t = calloc(1, sizeof *t);
    CHECK(t);
    temp_dir_make(&t->dir);
    fault_os_init(&t->faults, os_real());
    log_fixture_init(&t->f, &t->faults.os, t->dir.path);
    t->config = &t->f.options.config;
    diag_set_sink(log_test_hear, t);
    *state = t;
    return 0;
}

static inline int log_test_teardown(void **state)
{
    struct log_test *t = *state;
    fault_os_reset(&t->faults, NULL);
    log_fixture_release(&t->f);
    fault_os_destroy(&t->faults);
    temp_dir_remove(&t->dir);
    diag_set_sink(NULL, NULL);
    free(t);
    return 0;
}

#define LOG_CASE(name) cmocka_unit_test_setup_teardown(name, log_test_setup, log_test_teardown)

static inline void log_test_open(struct log_test *t)
{
    assert_int_equal(log_fixture_open(&t->f, false, 0), OK);
}

/* As after kill -9 or power loss, with this recovery point in the checkpoint. */
static inline void log_test_crash(struct log_test *t, koffset_t recovery_point)
{
    (void)!log_fixture_close(&t->f, false);
    assert_int_equal(log_fixture_open(&t->f, false, recovery_point), OK);
}

static inline void log_test_restart(struct log_test *t)
{
    koffset_t end = log_offsets(t->f.log).end;
    assert_int_equal(log_fixture_close(&t->f, true), OK);
    assert_int_equal(log_fixture_open(&t->f, true, end), OK);
}

/* `count` batches of one record with 100-byte values; the byte tells the offset. */
static inline void log_test_fill(struct log_test *t, int count)
{
    for (int i = 0; i < count; i++) {
        koffset_t end = log_offsets(t->f.log).end;
        struct batch_spec spec = {.value_bytes = 100,
                                  .sequence = -1,
                                  .fill = (uint8_t)(end % 251),
                                  .timestamp = 1000 + 10 * end};
        assert_int_equal(log_fixture_append(&t->f, &spec), OK);
    }
}

/* Reads [from, to), which log_test_fill() has written, in pieces; checks every record. */
static inline void log_test_check(struct log_test *t, koffset_t from, koffset_t to, size_t piece)
{
    koffset_t next = from;
    while (next < to) {
        struct log_read read;
        struct buf bytes = {0}, scratch = {0};
        struct view batch;
        struct batch_header header;
        assert_int_equal(log_read(t->f.log, next, to, piece, true, &read), OK);
        assert_true(read.slice.len > 0);
        assert_int_equal(log_read_bytes(t->f.log, &read.slice, &bytes), OK);
        slice_release(&read.slice);
        struct log_scan scan = log_scan_of(buf_view(&bytes));
        koffset_t before = next;
        while (log_scan_next(&scan, &batch, &header) == OK) {
            struct record_iter it;
            struct record record;
            assert_int_equal(batch_check_crc(batch), OK);
            assert_int_equal(record_iter_init(&it, batch, &scratch, 1 << 20), OK);
            while (record_iter_next(&it, &record) == OK) {
                if (record.offset < next) continue;
                assert_int_equal(record.offset, next);
                assert_true(next < to);
                assert_int_equal(record.value.data[0], next % 251);
                next++;
            }
        }
        assert_true(next > before);
        buf_release(&bytes);
        buf_release(&scratch);
    }
}

/* ---- files of the log ---- */

static inline void log_test_path(struct log_test *t, const char *name, char out[400])
{
    snprintf(out, 400, "%s/%s", t->f.path, name);
}

static inline int64_t log_test_size(struct log_test *t, const char *name)
{
    char path[400];
    struct os_stat st;
    log_test_path(t, name, path);
    return os_real()->stat(os_real(), path, &st) < 0 ? -1 : st.size_bytes;
}

static inline void log_test_write(struct log_test *t, const char *name, int64_t pos,
                                  const void *data, size_t len)
{
    char path[400];
    log_test_path(t, name, path);
    int fd = os_real()->open(os_real(), path, OS_WRITE | OS_CREATE);
    CHECK(fd >= 0 && os_real()->pwrite(os_real(), fd, data, len, pos) == (ssize_t)len);
    os_real()->close(os_real(), fd);
}

static inline void log_test_cut(struct log_test *t, const char *name, int64_t size)
{
    char path[400];
    log_test_path(t, name, path);
    int fd = os_real()->open(os_real(), path, OS_WRITE);
    CHECK(fd >= 0 && os_real()->truncate(os_real(), fd, size) == 0);
    os_real()->close(os_real(), fd);
}

static inline void log_test_unlink(struct log_test *t, const char *name)
{
    char path[400];
    log_test_path(t, name, path);
    CHECK(os_real()->unlink(os_real(), path) == 0);
}

static inline void log_test_rename(struct log_test *t, const char *from, const char *to)
{
    char a[400], b[400];
    log_test_path(t, from, a);
    log_test_path(t, to, b);
    CHECK(os_real()->rename(os_real(), a, b) == 0);
}

/* The n-th of these calls fails from now on. */
static inline void log_test_fail(struct log_test *t, unsigned calls, uint64_t nth, int errnum)
{
    fault_os_reset(&t->faults, &(struct fault_plan){.nth = nth, .calls = calls, .errnum = errnum});
}
