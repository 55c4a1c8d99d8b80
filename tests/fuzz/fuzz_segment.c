/* Any bytes as the segments of a log. Whatever they are, the log opens, serves whole batches in
 * order and nothing else, goes on behind them, and is the same log after the next openings.
 *
 * Input: flags, recovery point, base offset of a second segment, where its bytes begin; then the
 * bytes of the one or two segments. */
#include "log_input.h"

enum { CLEAN = 1, SEALED = 2, SAME_BOOT = 4, TWO = 8, COMPACTED = 16 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct segment_input {
    unsigned flags;
    koffset_t recovery_point, second_base;
    struct view first, second;
};

static struct segment_input parse(struct input in)
{
    struct segment_input s = {.flags = (unsigned)input_number(&in, 1)};
    s.recovery_point = (koffset_t)input_number(&in, 1);
    s.second_base = (koffset_t)input_number(&in, 1);
    size_t split = input_number(&in, 2);
    if (!(s.flags & TWO)) split = in.rest.len;
    s.first = input_bytes(&in, split);
    s.second = in.rest;
    return s;
}

static void put_segment(struct log_on_disk *l, koffset_t base, struct view bytes, bool is_sealed)
{
    uint8_t *copy = malloc(bytes.len + 1);
    CHECK(copy);
    if (bytes.len) memcpy(copy, bytes.data, bytes.len);
    if (is_sealed) seal_batches(copy, bytes.len);
    put_log_file(l, base, ".log", view_of(copy, bytes.len));
    free(copy);
}

/* Appends behind what there is, and reads that back. */
static void check_goes_on(struct log_on_disk *l)
{
    struct log *log = l->fixture.log;
    struct log_offsets before = log_offsets(log);
    struct batch_spec spec = {.records = 3, .sequence = -1, .leader_epoch = 1 << 30};
    err_t err = log_fixture_append(&l->fixture, &spec);
    if (err == ERR_RANGE) return; /* no offsets are left */
    CHECK(err == OK);
    CHECK(log_offsets(log).end == before.end + 3);
    CHECK(check_read(log, before.end, before.end + 3, true) == before.end + 3);
    CHECK(log_roll(log) == OK);
    CHECK(log_fixture_append(&l->fixture, &spec) == OK);
    koffset_t flushed;
    CHECK(log_flush(log, &flushed) == OK && flushed == before.end + 6);
}

/* The same offsets again, after a clean and an unclean stop. */
static void check_reopens(struct log_on_disk *l, bool is_sealed)
{
    struct log_offsets before = log_offsets(l->fixture.log), after;
    CHECK(log_fixture_close(&l->fixture, true) == OK);
    CHECK(log_fixture_open(&l->fixture, true, before.end) == OK);
    after = log_offsets(l->fixture.log);
    CHECK(after.start == before.start && after.end == before.end);
    check_all(l->fixture.log, is_sealed);
    CHECK(log_fixture_close(&l->fixture, false) == OK);
    CHECK(log_fixture_open(&l->fixture, false, before.end) == OK);
    after = log_offsets(l->fixture.log);
    CHECK(after.start == before.start && after.end == before.end);
    check_all(l->fixture.log, is_sealed);
}

static void check_truncates(struct log_on_disk *l)
{
    struct log *log = l->fixture.log;
    struct log_offsets o = log_offsets(log);
    CHECK(log_truncate(log, o.start + (o.end - o.start) / 2) == OK);
    koffset_t end = log_offsets(log).end;
    CHECK(end <= o.end);
    check_all(log, false);
    struct batch_spec spec = {.records = 2, .sequence = -1, .leader_epoch = 1 << 30};
    if (log_fixture_append(&l->fixture, &spec) == OK)
        CHECK(check_read(log, end, end + 2, true) == end + 2);
    CHECK(log_advance_start(log, log_offsets(log).end) == OK);
    int dropped;
    CHECK(log_apply_retention(log, fixed_wall_ms(NULL), log_offsets(log).end, &dropped) == OK);
    check_all(log, false);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct segment_input s = parse((struct input){view_of(data, size)});
    struct log_on_disk l = {0};
    log_on_disk_init(&l);
    put_segment(&l, 0, s.first, s.flags & SEALED);
    if (s.flags & TWO) put_segment(&l, s.second_base, s.second, s.flags & SEALED);
    l.fixture.options.is_same_boot = s.flags & SAME_BOOT;
    l.fixture.options.config.is_compacted = s.flags & COMPACTED;
    bool is_clean = s.flags & CLEAN;
    err_t err = log_fixture_open(&l.fixture, is_clean, s.recovery_point);
    CHECK(err == OK || err == ERR_UNSUPPORTED);
    if (err == OK) {
        bool is_checked = !is_clean && s.recovery_point == 0;
        check_all(l.fixture.log, is_checked);
        check_goes_on(&l);
        check_reopens(&l, is_checked);
        check_truncates(&l);
    }
    log_on_disk_release(&l);
    return 0;
}
