/* One log, many threads: writers, readers, flushes, rolls, retention, truncation. Meant for the
 * thread sanitizer, and for the checks of the log itself. */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "lib/log_test.h"

enum { ROUNDS = 300 };

struct shared {
    struct log_test *t;
    _Atomic bool is_over;
    _Atomic int reads;
};

static void *flush_all_the_time(void *arg)
{
    struct shared *s = arg;
    koffset_t before = 0, flushed;
    while (!s->is_over) {
        CHECK(log_flush(s->t->f.log, &flushed) == OK);
        CHECK(flushed >= before || before - flushed < 100); /* truncations take some back */
        before = flushed;
    }
    return NULL;
}

static void *read_all_the_time(void *arg)
{
    struct shared *s = arg;
    koffset_t next = 0;
    while (!s->is_over) {
        struct log_offsets o = log_offsets(s->t->f.log);
        struct log_read read;
        struct buf bytes = {0};
        if (next < o.start || next >= o.end) next = o.start;
        err_t err = log_read(s->t->f.log, next, o.end, 5000, true, &read);
        if (err == ERR_RANGE) continue; /* retention or truncation was faster */
        CHECK(err == OK);
        if (log_read_bytes(s->t->f.log, &read.slice, &bytes) == OK) {
            struct log_scan scan = log_scan_of(buf_view(&bytes));
            struct view batch;
            struct batch_header header;
            while (log_scan_next(&scan, &batch, &header) == OK) {
                next = batch_last_offset(&header) + 1;
            }
        }
        slice_release(&read.slice);
        buf_release(&bytes);
        s->reads++;
    }
    return NULL;
}

static void *search_all_the_time(void *arg)
{
    struct shared *s = arg;
    for (time_ms_t ts = 0; !s->is_over; ts = (ts + 137) % 20000) {
        struct log_timestamp_match match;
        struct aborted_txn *txns;
        size_t count;
        err_t err = log_find_timestamp(s->t->f.log, ts, INT64_MAX, &match);
        CHECK(err == OK || err == ERR_IO);
        CHECK(log_aborted_txns(s->t->f.log, 0, INT64_MAX, &txns, &count) == OK);
        free(txns);
    }
    return NULL;
}

static void *shrink_all_the_time(void *arg)
{
    struct shared *s = arg;
    while (!s->is_over) {
        struct log_offsets o = log_offsets(s->t->f.log);
        int dropped;
        time_ms_t next;
        if (o.end - o.start > 100) {
            err_t err = log_advance_start(s->t->f.log, o.end - 100);
            CHECK(err == OK || err == ERR_RANGE);
        }
        CHECK(log_apply_retention(s->t->f.log, 0, o.start, &dropped) == OK);
        CHECK(log_reap(s->t->f.log, INT64_MAX / 2, &next) == OK);
    }
    return NULL;
}

static void *append_all_the_time(void *arg)
{
    struct shared *s = arg;
    for (int i = 0; i < ROUNDS; i++) {
        struct batch_spec spec = {.records = 3, .sequence = -1, .timestamp = 1000 + i};
        CHECK(log_fixture_append(&s->t->f, &spec) == OK);
    }
    return NULL;
}

static void log__many_threads__hold_together(void **state)
{
    struct log_test *t = *state;
    struct shared s = {.t = t};
    void *(*const helpers[])(void *) = {flush_all_the_time, read_all_the_time, read_all_the_time,
                                        search_all_the_time, shrink_all_the_time};
    pthread_t threads[COUNT_OF(helpers)], writers[2];
    t->config->segment_bytes = 4000;
    t->config->index_interval_bytes = 200;
    t->config->file_delete_delay_ms = 0;
    log_test_open(t);
    log_test_fill(t, 10);
    for (size_t i = 0; i < COUNT_OF(helpers); i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, helpers[i], &s), 0);
    }
    for (int i = 0; i < 2; i++) {
        assert_int_equal(pthread_create(&writers[i], NULL, append_all_the_time, &s), 0);
    }
    for (int i = 0; i < 2; i++) pthread_join(writers[i], NULL);
    koffset_t end = log_offsets(t->f.log).end;
    assert_int_equal(end, 10 + 2 * ROUNDS * 3);
    for (int i = 0; i < 20; i++) {
        koffset_t to = log_offsets(t->f.log).end - 7;
        if (to > log_offsets(t->f.log).start) assert_int_equal(log_truncate(t->f.log, to), OK);
        append_all_the_time(&(struct shared){.t = t});
        i += 9; /* each round appends a lot */
    }
    s.is_over = true;
    for (size_t i = 0; i < COUNT_OF(helpers); i++) pthread_join(threads[i], NULL);
    assert_true(s.reads > 0);
    assert_false(log_offsets(t->f.log).is_damaged);
    end = log_offsets(t->f.log).end;
    log_test_restart(t);
    assert_int_equal(log_offsets(t->f.log).end, end);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        LOG_CASE(log__many_threads__hold_together),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
