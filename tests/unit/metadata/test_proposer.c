/* The local proposer on real files and on a disk that fails: order, atomicity, restarts. */
#include <errno.h>

#include "base/os.h"
#include "lib/sim_disk.h"
#include "lib/temp_dir.h"
#include "proposer_fixture.h"

struct test {
    struct temp_dir dir;
    struct proposer_fixture f;
    struct heard heard;
};

static int setup(void **state)
{
    struct test *t = calloc(1, sizeof(*t));
    temp_dir_make(&t->dir);
    fixture_init(&t->f, os_real(), t->dir.path);
    diag_set_sink(hear, &t->heard);
    *state = t;
    return 0;
}

static int teardown(void **state)
{
    struct test *t = *state;
    fixture_release(&t->f);
    temp_dir_remove(&t->dir);
    diag_set_sink(NULL, NULL);
    free(t);
    return 0;
}

static void reopen(struct test *t, bool clean)
{
    fixture_close(&t->f);
    assert_ok(fixture_open(&t->f, clean));
}

static koffset_t offset_of(struct proposer_fixture *f)
{
    struct image *image = proposer_image(f->proposer);
    koffset_t offset = image_offset(image);
    image_unref(image);
    return offset;
}

/* ---- the straight line ---- */

static void open__empty_log__begins_an_epoch(void **state)
{
    struct test *t = *state;
    assert_ok(fixture_open(&t->f, false));
    struct image *image = proposer_image(t->f.proposer);
    assert_string_equal(image_cluster_id(image), "cluster");
    assert_int_equal(image_offset(image), 0); /* the leader change */
    assert_int_equal(image_topic_count(image), 0);
    image_unref(image);
    for (int start = 0; start < 3; start++) {
        struct log_offsets offsets = log_offsets(t->f.log.log);
        assert_int_equal(offsets.last_leader_epoch, start);
        assert_int_equal(offsets.end, start + 1);
        reopen(t, start % 2);
    }
}

static void submit__topics__are_there_after_a_restart(void **state)
{
    struct test *t = *state;
    assert_ok(fixture_open(&t->f, false));
    assert_ok(create_topic(&t->f, 1, 6));
    assert_ok(create_topic(&t->f, 2, 1));
    assert_true(has_topic(&t->f, 1, 6) && has_topic(&t->f, 2, 1));
    assert_int_equal(offset_of(&t->f), 9); /* leader change, 1 + 6, 1 + 1 */
    assert_int_equal(log_offsets(t->f.log.log).flushed, 10);
    for (int i = 0; i < 3; i++) {
        reopen(t, i % 2);
        assert_true(has_topic(&t->f, 1, 6) && has_topic(&t->f, 2, 1));
        assert_int_equal(topic_count(&t->f), 2);
        assert_int_equal(offset_of(&t->f), 10 + i);
    }
}

static void submit__decide_fails_or_contradicts__nothing_is_written(void **state)
{
    struct test *t = *state;
    assert_ok(fixture_open(&t->f, false));
    assert_ok(create_topic(&t->f, 1, 1));
    koffset_t end = log_offsets(t->f.log.log).end;
    static const err_t wanted[] = {ERR_EXISTS, ERR_INVALID};
    for (size_t i = 0; i < COUNT_OF(wanted); i++) {
        struct create c;
        create_init(&c, 2, 1);
        c.wanted = wanted[i];
        proposer_submit(t->f.proposer, &c.proposal);
        assert_err(create_wait(&c), wanted[i]);
        assert_int_equal(c.offset, -1);
    }
    assert_int_equal(log_offsets(t->f.log.log).end, end);
    assert_ok(create_topic(&t->f, 2, 1)); /* it goes on */
    assert_int_equal(topic_count(&t->f), 2);
}

static void submit__nothing_to_do__is_done_without_a_batch(void **state)
{
    struct test *t = *state;
    assert_ok(fixture_open(&t->f, false));
    koffset_t end = log_offsets(t->f.log.log).end;
    struct create c;
    create_init(&c, 1, 1);
    c.adds_nothing = true;
    proposer_submit(t->f.proposer, &c.proposal);
    assert_ok(create_wait(&c));
    assert_int_equal(c.offset, end - 1);
    assert_int_equal(log_offsets(t->f.log.log).end, end);
}

/* ---- order ---- */

struct watch {
    koffset_t last;
    size_t told;
    bool is_first_without_change;
};

static void watch(void *arg, const struct image *before, const struct image *after,
                  const struct change *change)
{
    struct watch *w = arg;
    if (!before) {
        w->is_first_without_change = change == NULL && w->told == 0;
    } else {
        CHECK(image_offset(before) == w->last);
        CHECK(image_offset(after) == w->last + (koffset_t)change->count);
    }
    w->last = image_offset(after);
    w->told++;
}

/* Holds the proposer's thread in a done() until it is told. */
struct gate {
    struct create create;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    bool is_in, may_go;
};

static void gate_done(struct proposal *proposal, err_t err, const struct image *image)
{
    struct create *create = CONTAINER_OF(proposal, struct create, proposal);
    struct gate *gate = CONTAINER_OF(create, struct gate, create);
    pthread_mutex_lock(&gate->lock);
    gate->is_in = true;
    pthread_cond_signal(&gate->wake);
    while (!gate->may_go) pthread_cond_wait(&gate->wake, &gate->lock);
    pthread_mutex_unlock(&gate->lock);
    create_done(proposal, err, image);
}

static void gate_enter(struct gate *gate, struct proposer *proposer)
{
    *gate = (struct gate){0};
    create_init(&gate->create, 1000000, 1);
    gate->create.proposal.done = gate_done;
    pthread_mutex_init(&gate->lock, NULL);
    pthread_cond_init(&gate->wake, NULL);
    proposer_submit(proposer, &gate->create.proposal);
    pthread_mutex_lock(&gate->lock);
    while (!gate->is_in) pthread_cond_wait(&gate->wake, &gate->lock);
    pthread_mutex_unlock(&gate->lock);
}

static void gate_leave(struct gate *gate)
{
    pthread_mutex_lock(&gate->lock);
    gate->may_go = true;
    pthread_cond_signal(&gate->wake);
    pthread_mutex_unlock(&gate->lock);
    assert_ok(create_wait(&gate->create));
    pthread_mutex_destroy(&gate->lock);
    pthread_cond_destroy(&gate->wake);
}

static void submit__many_at_once__share_a_flush_and_see_each_other(void **state)
{
    (void)state;
    enum { MANY = 100 };
    struct sim_disk *disk = sim_disk_new(1);
    struct proposer_fixture f;
    struct watch w = {0};
    fixture_init(&f, sim_disk_os(disk), "/data");
    f.subscriber = (struct proposer_subscriber){&w, watch};
    assert_int_equal(os_make_dirs(sim_disk_os(disk), "/data"), OK);
    assert_ok(fixture_open(&f, false));
    assert_true(w.is_first_without_change);
    struct gate gate;
    gate_enter(&gate, f.proposer);
    struct sim_disk_stats before = sim_disk_stats(disk);
    struct create *creates = calloc(MANY, sizeof(*creates));
    for (uint32_t i = 0; i < MANY; i++) {
        create_init(&creates[i], i + 1, 2);
        proposer_submit(f.proposer, &creates[i].proposal);
    }
    gate_leave(&gate);
    for (uint32_t i = 0; i < MANY; i++) {
        assert_ok(create_wait(&creates[i]));
        assert_int_equal(creates[i].topics_seen, i + 1); /* the gate's own topic, too */
        if (i > 0) assert_int_equal(creates[i].offset, creates[i - 1].offset + 3);
    }
    struct sim_disk_stats after = sim_disk_stats(disk);
    assert_in_range(after.calls[OS_CALL_FDATASYNC] + after.calls[OS_CALL_FSYNC] -
                        before.calls[OS_CALL_FDATASYNC] - before.calls[OS_CALL_FSYNC],
                    1, 3);
    assert_int_equal(w.told, MANY + 2);
    free(creates);
    fixture_release(&f);
    sim_disk_free(disk);
}

enum { THREADS = 4, EACH = 100 };

struct writer_thread {
    struct proposer_fixture *f;
    uint32_t first;
};

static void *create_many(void *arg)
{
    struct writer_thread *w = arg;
    for (uint32_t i = 0; i < EACH; i++) {
        CHECK(create_topic(w->f, w->first + i, 3) == OK);
        CHECK(has_topic(w->f, w->first + i, 3)); /* what is done is published */
    }
    return NULL;
}

static void submit__from_several_threads__nothing_is_lost(void **state)
{
    struct test *t = *state;
    struct watch w = {0};
    t->f.subscriber = (struct proposer_subscriber){&w, watch};
    assert_ok(fixture_open(&t->f, false));
    pthread_t threads[THREADS];
    struct writer_thread writers[THREADS];
    for (uint32_t i = 0; i < THREADS; i++) {
        writers[i] = (struct writer_thread){&t->f, 1 + i * EACH};
        assert_int_equal(pthread_create(&threads[i], NULL, create_many, &writers[i]), 0);
    }
    for (int i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);
    assert_int_equal(topic_count(&t->f), THREADS * EACH);
    assert_int_equal(w.told, 1 + THREADS * EACH);
    w = (struct watch){0};
    reopen(t, false);
    for (uint32_t i = 0; i < THREADS * EACH; i++) assert_true(has_topic(&t->f, 1 + i, 3));
}

static void close__with_a_full_queue__finishes_all(void **state)
{
    struct test *t = *state;
    enum { MANY = 50 };
    assert_ok(fixture_open(&t->f, false));
    struct create creates[MANY];
    for (uint32_t i = 0; i < MANY; i++) {
        create_init(&creates[i], i + 1, 1);
        proposer_submit(t->f.proposer, &creates[i].proposal);
    }
    proposer_close(t->f.proposer);
    t->f.proposer = NULL;
    for (uint32_t i = 0; i < MANY; i++) assert_ok(create_wait(&creates[i]));
}

/* ---- what a crash leaves ---- */

static void first_segment(const struct test *t, char path[512])
{
    snprintf(path, 512, "%s/00000000000000000000.log", t->f.log.path);
}

/* The log cut at every length: each change is there as a whole or not at all, and in order. */
static void open__log_cut_anywhere__holds_whole_changes(void **state)
{
    struct test *t = *state;
    enum { TOPICS = 6 };
    assert_ok(fixture_open(&t->f, false));
    for (uint32_t i = 0; i < TOPICS; i++) assert_ok(create_topic(&t->f, i + 1, 2));
    fixture_close(&t->f);
    char path[512];
    first_segment(t, path);
    struct buf whole = {0};
    assert_ok(os_read_file(os_real(), path, 1 << 20, &whole));
    size_t seen = TOPICS;
    for (size_t len = whole.len; len > 0; len -= MIN(len, 7)) {
        struct temp_dir dir;
        struct proposer_fixture f;
        temp_dir_make(&dir);
        fixture_init(&f, os_real(), dir.path);
        assert_ok(os_make_dirs(os_real(), f.log.path));
        char copy[512];
        snprintf(copy, sizeof(copy), "%s/00000000000000000000.log", f.log.path);
        assert_ok(os_replace_file(os_real(), copy, whole.data, len));
        assert_ok(fixture_open(&f, false));
        size_t count = topic_count(&f);
        assert_true(count <= seen && count + 1 >= seen);
        for (uint32_t i = 0; i < count; i++) assert_true(has_topic(&f, i + 1, 2));
        seen = count;
        assert_ok(create_topic(&f, 77, 1)); /* and it can be written */
        fixture_release(&f);
        temp_dir_remove(&dir);
    }
    assert_int_equal(seen, 0);
    buf_release(&whole);
}

static void open__flipped_bit_after_a_clean_stop__is_refused_with_a_line(void **state)
{
    struct test *t = *state;
    assert_ok(fixture_open(&t->f, false));
    for (uint32_t i = 0; i < 5; i++) assert_ok(create_topic(&t->f, i + 1, 2));
    fixture_close(&t->f);
    char path[512];
    first_segment(t, path);
    struct buf file = {0};
    assert_ok(os_read_file(os_real(), path, 1 << 20, &file));
    file.data[file.len / 2] ^= 4;
    assert_ok(os_replace_file(os_real(), path, file.data, file.len));
    buf_release(&file);
    t->heard.count = 0;
    assert_ok(log_fixture_open(&t->f.log, true, 1 << 20));
    err_t err = fixture_open_proposer(&t->f);
    assert_true(err == ERR_CORRUPT || err == ERR_DAMAGED);
    assert_true(t->heard.count >= 1);
    assert_null(t->f.proposer);
}

/* ---- a disk that fails ---- */

static void submit__flush_fails__all_later_are_refused(void **state)
{
    struct test *t = *state;
    struct sim_disk *disk = sim_disk_new(3);
    struct proposer_fixture f;
    fixture_init(&f, sim_disk_os(disk), "/data");
    assert_int_equal(os_make_dirs(sim_disk_os(disk), "/data"), OK);
    assert_ok(fixture_open(&f, false));
    assert_ok(create_topic(&f, 1, 1));
    t->heard.count = 0;
    sim_disk_fail(disk, &(struct fault_plan){.nth = 1,
                                             .calls = OS_CALL_BIT(OS_CALL_FDATASYNC) |
                                                      OS_CALL_BIT(OS_CALL_FSYNC),
                                             .errnum = EIO});
    assert_err(create_topic(&f, 2, 1), ERR_IO);
    assert_err(create_topic(&f, 3, 1), ERR_FAILED);
    assert_int_equal(topic_count(&f), 1); /* what is not durable is not shown */
    int lines = 0;
    if (strstr(t->heard.last, "cannot be written")) lines++;
    assert_int_equal(lines, 1);
    fixture_close(&f);
    assert_ok(fixture_open(&f, false));
    assert_true(has_topic(&f, 1, 1));
    assert_false(has_topic(&f, 3, 1));
    assert_ok(create_topic(&f, 4, 1));
    fixture_release(&f);
    sim_disk_free(disk);
}

static void submit__disk_full__goes_on_when_there_is_room(void **state)
{
    (void)state;
    struct sim_disk *disk = sim_disk_new(4);
    struct proposer_fixture f;
    fixture_init(&f, sim_disk_os(disk), "/data");
    assert_int_equal(os_make_dirs(sim_disk_os(disk), "/data"), OK);
    assert_ok(fixture_open(&f, false));
    assert_ok(create_topic(&f, 1, 1));
    sim_disk_set_capacity(disk, sim_disk_stats(disk).used_bytes);
    assert_err(create_topic(&f, 2, 500), ERR_NOSPACE);
    assert_int_equal(topic_count(&f), 1);
    sim_disk_set_capacity(disk, 64 << 20);
    assert_ok(create_topic(&f, 2, 500));
    fixture_close(&f);
    assert_ok(fixture_open(&f, false));
    assert_true(has_topic(&f, 2, 500));
    fixture_release(&f);
    sim_disk_free(disk);
}

/* Ends in the n-th call, loses the power, opens again: what was acknowledged is there, what was not
 * is there as a whole or not at all. False when n is beyond the scenario. */
static bool power_cut_at(uint64_t n)
{
    enum { TOPICS = 4 };
    struct sim_disk *disk = sim_disk_new(n);
    assert_int_equal(os_make_dirs(sim_disk_os(disk), "/data"), OK);
    assert_true(sim_disk_os(disk)->sync_dir(sim_disk_os(disk), "/") >= 0);
    assert_true(sim_disk_os(disk)->sync_dir(sim_disk_os(disk), "/data") >= 0);
    struct proposer_fixture f;
    fixture_init(&f, sim_disk_os(disk), "/data");
    sim_disk_stop_at(disk, n);
    bool acknowledged[TOPICS] = {0};
    if (fixture_open(&f, false) == OK) {
        for (uint32_t i = 0; i < TOPICS; i++) {
            acknowledged[i] = create_topic(&f, i + 1, 3) == OK;
        }
    }
    bool was_stopped = sim_disk_is_stopped(disk);
    sim_disk_crash(disk, SIM_POWER_LOSS);
    fixture_release(&f);
    sim_disk_start(disk);
    fixture_init(&f, sim_disk_os(disk), "/data");
    assert_ok(fixture_open(&f, false));
    for (uint32_t i = 0; i < TOPICS; i++) {
        if (acknowledged[i]) assert_true(has_topic(&f, i + 1, 3));
        struct image *image = proposer_image(f.proposer);
        const struct image_topic *topic = image_topic_by_id(image, test_id(i + 1));
        if (topic) assert_int_equal(topic->partition_count, 3);
        image_unref(image);
    }
    assert_ok(create_topic(&f, 99, 1));
    fixture_release(&f);
    sim_disk_free(disk);
    return was_stopped;
}

static void power_cut__at_every_call__keeps_what_was_acknowledged(void **state)
{
    (void)state;
    uint64_t n = 1;
    while (power_cut_at(n)) n++;
    assert_true(n > 20);
}

/* One call fails, the process goes on: the same promise. */
static void failure__at_every_call__keeps_what_was_acknowledged(void **state)
{
    (void)state;
    enum { TOPICS = 3 };
    for (uint64_t n = 1;; n++) {
        struct sim_disk *disk = sim_disk_new(n);
        assert_int_equal(os_make_dirs(sim_disk_os(disk), "/data"), OK);
        struct proposer_fixture f;
        fixture_init(&f, sim_disk_os(disk), "/data");
        sim_disk_fail(disk, &(struct fault_plan){.nth = n, .errnum = EIO});
        bool acknowledged[TOPICS] = {0};
        if (fixture_open(&f, false) == OK) {
            for (uint32_t i = 0; i < TOPICS; i++) {
                acknowledged[i] = create_topic(&f, i + 1, 2) == OK;
            }
        }
        bool has_failed = sim_disk_stats(disk).injected > 0;
        sim_disk_heal(disk);
        fixture_close(&f);
        assert_ok(fixture_open(&f, false));
        for (uint32_t i = 0; i < TOPICS; i++) {
            if (acknowledged[i]) assert_true(has_topic(&f, i + 1, 2));
        }
        fixture_release(&f);
        sim_disk_free(disk);
        if (!has_failed) break;
    }
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(open__empty_log__begins_an_epoch),
        TEST(submit__topics__are_there_after_a_restart),
        TEST(submit__decide_fails_or_contradicts__nothing_is_written),
        TEST(submit__nothing_to_do__is_done_without_a_batch),
        TEST(submit__many_at_once__share_a_flush_and_see_each_other),
        TEST(submit__from_several_threads__nothing_is_lost),
        TEST(close__with_a_full_queue__finishes_all),
        TEST(open__log_cut_anywhere__holds_whole_changes),
        TEST(open__flipped_bit_after_a_clean_stop__is_refused_with_a_line),
        TEST(submit__flush_fails__all_later_are_refused),
        TEST(submit__disk_full__goes_on_when_there_is_room),
        TEST(power_cut__at_every_call__keeps_what_was_acknowledged),
        TEST(failure__at_every_call__keeps_what_was_acknowledged),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
