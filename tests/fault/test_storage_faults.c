/* Every call that a log makes to the disk fails once, or is the last one before a crash.
 *
 * A scenario takes a log through its life (appends with producers and transactions, rolls, flushes,
 * retention, truncation, clean and unclean reopens) while a model notes what was promised: which
 * value each acknowledged record has, and how far they were flushed. Then the disk is healed, the
 * log is opened again and asked whether it kept its word:
 *
 *   1. Every record that was flushed is there, with its value, unless it was truncated or retired.
 *   2. Every record that is there is one that was appended at that offset.
 *   3. Offsets follow one another, checksums are right, nothing is marked as damaged.
 *   4. The log takes new records and survives a clean restart with them.
 *
 * After a process death (or a mere error) that also holds for what was acknowledged and not
 * flushed.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <errno.h>

#include "base/diag.h"
#include "base/os.h"
#include "lib/log_fixture.h"
#include "lib/sim_disk.h"
#include "record/log_scan.h"
#include "record/record.h"

enum { OFFSETS_MAX = 4096, DAY_MS = 86400000 };

struct model {
    uint8_t values[OFFSETS_MAX]; /* of the record appended last at each offset; 0: none ever */
    uint8_t former[OFFSETS_MAX]; /* the one before it, which a lost truncation may bring back */
    koffset_t start;             /* at most: what was retired may come back */
    koffset_t kept;              /* records below were acknowledged and not truncated since */
    koffset_t flushed;
    koffset_t checkpoint; /* the recovery point that the broker would have on disk */
    uint8_t next_value;
};

struct world {
    struct sim_disk *disk;
    struct log_fixture f;
    struct model m;
};

/* Set FAULT_TRACE to see which call of which scenario is failing, and what the log says to it. */
static bool is_tracing;

static void on_diag(void *arg, enum diag_level level, const char *line)
{
    (void)arg;
    (void)level;
    if (is_tracing) fprintf(stderr, "%s\n", line);
}

static void trace(const char *what, uint64_t seed, uint64_t n)
{
    if (is_tracing)
        fprintf(stderr, "-- %s seed=%llx n=%llu\n", what, (unsigned long long)seed,
                (unsigned long long)n);
}

static void world_init(struct world *w, uint64_t seed)
{
    memset(&w->m, 0, sizeof w->m);
    w->m.next_value = 1;
    w->disk = sim_disk_new(seed);
    log_fixture_init(&w->f, sim_disk_os(w->disk), "/data");
    struct log_config *config = &w->f.options.config;
    config->segment_bytes = 3000;
    config->index_interval_bytes = 200;
    config->file_delete_delay_ms = 0;
}

static void world_release(struct world *w)
{
    log_fixture_release(&w->f);
    sim_disk_free(w->disk);
}

/* ---- steps; each gives up the scenario with the first error ---- */

static err_t append(struct world *w, struct batch_spec spec)
{
    spec.fill = w->m.next_value;
    spec.value_bytes = 150;
    spec.leader_epoch = (leader_epoch_t)(w->m.kept / 50);
    w->m.next_value = (uint8_t)(w->m.next_value % 250 + 1);
    struct log_append batch = batch_make(&spec);
    koffset_t before = log_offsets(w->f.log).end;
    /* Noted first: a failed write may have reached the disk all the same. */
    for (koffset_t o = before; o < before + spec.records && o < OFFSETS_MAX; o++) {
        w->m.former[o] = w->m.values[o];
        w->m.values[o] = spec.fill;
    }
    err_t err = log_fixture_add(&w->f, &batch, LOG_FROM_CLIENT, spec.leader_epoch);
    if (err == OK) {
        assert_int_equal(batch.base_offset, before);
        w->m.kept = batch.last_offset + 1;
    }
    free(batch.data);
    return err;
}

static err_t append_some(struct world *w, int batches)
{
    for (int i = 0; i < batches; i++) {
        TRY(append(w, (struct batch_spec){.records = 1 + i % 4, .sequence = -1}));
    }
    return OK;
}

static err_t transaction(struct world *w, producer_id_t id, bool is_commit)
{
    TRY(append(w, (struct batch_spec){
                      .records = 2, .producer_id = id, .sequence = 0, .is_transactional = true}));
    TRY(append(w, (struct batch_spec){
                      .records = 1, .producer_id = id, .sequence = 2, .is_transactional = true}));
    struct log_append marker = marker_make(id, 0, is_commit);
    koffset_t before = log_offsets(w->f.log).end;
    w->m.former[before] = w->m.values[before];
    w->m.values[before] = 255;
    err_t err = log_fixture_add(&w->f, &marker, LOG_FROM_SELF, 0);
    if (err == OK) w->m.kept = marker.last_offset + 1;
    free(marker.data);
    return err;
}

static err_t flush(struct world *w)
{
    koffset_t flushed_to;
    TRY(log_flush(w->f.log, &flushed_to));
    assert_int_equal(flushed_to, log_offsets(w->f.log).end);
    w->m.flushed = w->m.checkpoint = flushed_to;
    return OK;
}

static err_t truncate_to(struct world *w, koffset_t offset)
{
    /* From now on nothing above is promised, whatever comes of it, nor the batch it lies in. */
    w->m.kept = MIN(w->m.kept, offset - 3);
    w->m.flushed = MIN(w->m.flushed, offset - 3);
    TRY(log_truncate(w->f.log, offset));
    assert_true(log_offsets(w->f.log).end <= offset);
    w->m.kept = log_offsets(w->f.log).end;
    return OK; /* and the checkpoint stays as it was: the broker writes it later */
}

static err_t retire(struct world *w, koffset_t start)
{
    int dropped;
    time_ms_t next;
    w->m.start = MAX(w->m.start, start);
    TRY(log_advance_start(w->f.log, start));
    TRY(log_apply_retention(w->f.log, 5000, log_offsets(w->f.log).end, &dropped));
    return log_reap(w->f.log, DAY_MS, &next);
}

static err_t reopen(struct world *w, bool clean)
{
    TRY(log_fixture_close(&w->f, clean));
    if (clean) w->m.flushed = w->m.checkpoint = w->m.kept;
    w->f.options.start_offset = w->m.start;
    return log_fixture_open(&w->f, clean, w->m.checkpoint);
}

/* ---- scenarios ---- */

static err_t run_appends(struct world *w)
{
    TRY(append_some(w, 10));
    TRY(flush(w));
    TRY(transaction(w, 7, false));
    TRY(append_some(w, 20));
    TRY(transaction(w, 8, true));
    TRY(flush(w));
    return append_some(w, 10);
}

static err_t run_reopens(struct world *w)
{
    TRY(append_some(w, 25));
    TRY(transaction(w, 9, false));
    TRY(reopen(w, true));
    TRY(append_some(w, 7));
    TRY(flush(w));
    TRY(append_some(w, 7));
    TRY(reopen(w, false));
    return append_some(w, 5);
}

static err_t run_truncations(struct world *w)
{
    TRY(append_some(w, 30));
    TRY(flush(w));
    TRY(append_some(w, 10));
    TRY(truncate_to(w, 70));
    TRY(append_some(w, 6));
    TRY(truncate_to(w, 20));
    TRY(append_some(w, 6));
    TRY(flush(w));
    TRY(truncate_to(w, 33));
    return append_some(w, 3);
}

static err_t run_retention(struct world *w)
{
    TRY(append_some(w, 30));
    TRY(flush(w));
    TRY(retire(w, 40));
    TRY(append_some(w, 20));
    TRY(flush(w));
    TRY(retire(w, 70));
    return append_some(w, 5);
}

static err_t run_everything(struct world *w)
{
    TRY(run_appends(w));
    TRY(truncate_to(w, log_offsets(w->f.log).end - 9));
    TRY(append_some(w, 6));
    TRY(retire(w, 30));
    TRY(reopen(w, false));
    TRY(flush(w));
    TRY(truncate_to(w, log_offsets(w->f.log).end - 5));
    return reopen(w, true);
}

typedef err_t (*scenario_fn)(struct world *w);

/* ---- did it keep its word ---- */

static void check_batch(struct model *m, struct view batch, koffset_t promised)
{
    struct record_iter it;
    struct record record;
    struct buf scratch = {0};
    assert_int_equal(batch_check_crc(batch), OK);
    assert_int_equal(record_iter_init(&it, batch, &scratch, 1 << 20), OK);
    while (record_iter_next(&it, &record) == OK) {
        assert_true(record.offset < OFFSETS_MAX);
        uint8_t value = batch_is_control(&it.header) ? 255 : record.value.data[0];
        bool is_known = value == m->values[record.offset];
        bool is_former = record.offset >= promised && value == m->former[record.offset];
        assert_true(is_known || is_former);
        m->values[record.offset] = value; /* what came back is what counts from now on */
    }
    buf_release(&scratch);
}

static koffset_t check_slice(struct world *w, const struct log_read *read, koffset_t next,
                             koffset_t promised)
{
    struct buf bytes = {0};
    struct view batch;
    struct batch_header header;
    assert_int_equal(log_read_bytes(w->f.log, &read->slice, &bytes), OK);
    struct log_scan scan = log_scan_of(buf_view(&bytes));
    koffset_t before = next;
    while (log_scan_next(&scan, &batch, &header) == OK) {
        if (batch_last_offset(&header) < next) continue;
        assert_true(header.base_offset <= next);
        check_batch(&w->m, batch, promised);
        next = batch_last_offset(&header) + 1;
    }
    assert_true(next > before);
    buf_release(&bytes);
    return next;
}

static void check_contents(struct world *w, koffset_t promised)
{
    struct log_offsets o = log_offsets(w->f.log);
    assert_false(o.is_damaged);
    assert_false(o.is_failed);
    assert_true(o.start <= w->m.start || o.start <= w->m.kept);
    assert_true(o.end >= promised);
    for (koffset_t next = o.start; next < o.end;) {
        struct log_read read;
        assert_int_equal(log_read(w->f.log, next, o.end, 700, true, &read), OK);
        assert_true(read.slice.len > 0);
        next = check_slice(w, &read, next, promised);
        slice_release(&read.slice);
    }
}

/* Opens what is left on a healthy disk and looks. */
static void check_survivor(struct world *w, koffset_t promised, bool is_same_boot)
{
    w->f.options.start_offset = w->m.start;
    w->f.options.is_same_boot = is_same_boot;
    assert_int_equal(log_fixture_open(&w->f, false, w->m.checkpoint), OK);
    check_contents(w, promised);
    /* What is there now is there to stay. */
    koffset_t end = log_offsets(w->f.log).end;
    assert_int_equal(log_offsets(w->f.log).flushed, end);
    w->m.kept = w->m.flushed = w->m.checkpoint = end;
    assert_int_equal(append_some(w, 12), OK);
    assert_int_equal(log_fixture_close(&w->f, true), OK);
    assert_int_equal(log_fixture_open(&w->f, true, w->m.kept), OK);
    check_contents(w, w->m.kept);
    assert_int_equal(log_offsets(w->f.log).end, w->m.kept);
}

/* ---- loops ---- */

static void start(struct world *w, uint64_t seed)
{
    world_init(w, seed);
    const struct os *os = sim_disk_os(w->disk);
    assert_int_equal(os_make_dirs(os, "/data"), OK);
    assert_int_equal(os->sync_dir(os, "/"), 0);
}

static err_t run(struct world *w, scenario_fn scenario)
{
    TRY(log_fixture_open(&w->f, false, 0));
    return scenario(w);
}

/* Call n fails, for every n until the scenario passes. Returns how many did. */
static uint64_t fail_each(scenario_fn scenario, struct fault_plan plan, uint64_t seed)
{
    for (uint64_t n = 1;; n++) {
        struct world w;
        trace("fail", seed, n);
        start(&w, seed + n);
        plan.nth = n;
        sim_disk_fail(w.disk, &plan);
        err_t err = run(&w, scenario);
        bool was_hit = sim_disk_stats(w.disk).injected > 0;
        if (!was_hit) assert_int_equal(err, OK);
        if (w.f.log) (void)!log_fixture_close(&w.f, false);
        sim_disk_heal(w.disk);
        /* A failed sync loses pages that were written before: only what was flushed is promised. */
        check_survivor(&w, w.m.flushed, true);
        world_release(&w);
        if (!was_hit) return n - 1;
    }
}

/* Call n is the last one, for every n until the scenario passes. */
static uint64_t crash_each(scenario_fn scenario, enum sim_crash kind, uint64_t seed)
{
    for (uint64_t n = 1;; n++) {
        struct world w;
        trace(kind == SIM_POWER_LOSS ? "power" : "death", seed, n);
        start(&w, seed + n);
        sim_disk_stop_at(w.disk, n);
        err_t err = run(&w, scenario);
        bool was_hit = sim_disk_is_stopped(w.disk);
        if (!was_hit) assert_int_equal(err, OK);
        sim_disk_crash(w.disk, kind);
        if (w.f.log) (void)!log_fixture_close(&w.f, false);
        sim_disk_start(w.disk);
        bool is_same_boot = kind == SIM_PROCESS_DEATH;
        check_survivor(&w, is_same_boot ? w.m.kept : w.m.flushed, is_same_boot);
        world_release(&w);
        if (!was_hit) return n - 1;
    }
}

static const scenario_fn scenarios[] = {run_appends, run_reopens, run_truncations, run_retention,
                                        run_everything};

static void log__any_call_fails_with_eio__flushed_records_survive(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(scenarios); i++) {
        assert_true(fail_each(scenarios[i], (struct fault_plan){.errnum = EIO}, i << 20) > 100);
    }
}

static void log__all_calls_from_any_on_fail_with_eio__flushed_records_survive(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(scenarios); i++) {
        fail_each(scenarios[i], (struct fault_plan){.errnum = EIO, .is_sticky = true}, i << 20);
    }
}

static void log__any_write_fills_the_disk__flushed_records_survive(void **state)
{
    (void)state;
    unsigned calls = OS_CALL_BIT(OS_CALL_PWRITE) | OS_CALL_BIT(OS_CALL_OPEN) |
                     OS_CALL_BIT(OS_CALL_RENAME) | OS_CALL_BIT(OS_CALL_RESERVE);
    for (size_t i = 0; i < COUNT_OF(scenarios); i++) {
        fail_each(scenarios[i], (struct fault_plan){.calls = calls, .errnum = ENOSPC}, i << 20);
    }
}

static void log__process_dies_in_any_call__acknowledged_records_survive(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(scenarios); i++) {
        assert_true(crash_each(scenarios[i], SIM_PROCESS_DEATH, i << 20) > 100);
    }
}

static void log__power_fails_in_any_call__flushed_records_survive(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 4; seed++) {
        for (size_t i = 0; i < COUNT_OF(scenarios); i++) {
            crash_each(scenarios[i], SIM_POWER_LOSS, seed << 30 | i << 20);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(log__any_call_fails_with_eio__flushed_records_survive),
        cmocka_unit_test(log__all_calls_from_any_on_fail_with_eio__flushed_records_survive),
        cmocka_unit_test(log__any_write_fills_the_disk__flushed_records_survive),
        cmocka_unit_test(log__process_dies_in_any_call__acknowledged_records_survive),
        cmocka_unit_test(log__power_fails_in_any_call__flushed_records_survive),
    };
    is_tracing = getenv("FAULT_TRACE");
    diag_set_sink(on_diag, NULL);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
