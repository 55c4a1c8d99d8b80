/* log_dir: lock, identity, marker, boot id, names, checkpoints; on a simulated disk, so that
 * crashes and failures can be had.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/diag.h"
#include "base/os.h"
#include "lib/sim_disk.h"
#include "lib/temp_dir.h"
#include "meta_properties.h"
#include "storage/log_dir.h"

enum { NODE = 7 };

static int64_t fake_ns;
static int64_t fake_wall_ms(const struct clock *clock)
{
    (void)clock;
    return fake_ns / 1000000;
}
static int64_t fake_mono_ns(const struct clock *clock)
{
    (void)clock;
    return fake_ns;
}
static const struct clock fake_clock = {NULL, fake_wall_ms, fake_mono_ns};

struct fixture {
    struct sim_disk *disk;
    const struct os *os;
    struct env env;
    struct log_dir_identity identity;
    struct log_dir *dir;
};

static char last_line[1024];
static void keep_line(void *arg, enum diag_level level, const char *line)
{
    (void)arg;
    (void)level;
    snprintf(last_line, sizeof last_line, "%s", line);
}

static void init(struct fixture *f, uint64_t seed)
{
    *f = (struct fixture){.disk = sim_disk_new(seed), .identity = {.node_id = NODE}};
    f->os = sim_disk_os(f->disk);
    f->env = (struct env){f->os, &fake_clock, random_real()};
}

static int setup(void **state)
{
    struct fixture *f = malloc(sizeof *f);
    init(f, 5);
    diag_set_sink(keep_line, NULL);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    diag_set_sink(NULL, NULL);
    struct sim_disk_stats stats = sim_disk_stats(f->disk);
    int leaked = stats.handles + stats.mappings;
    sim_disk_free(f->disk);
    free(f);
    return leaked;
}

static err_t open_dir(struct fixture *f)
{
    f->identity = (struct log_dir_identity){.node_id = NODE};
    return log_dir_open(&f->env, "/data/logs", &f->identity, &f->dir);
}

static void put_file(const struct fixture *f, const char *path, const char *text)
{
    assert_int_equal(os_make_dirs(f->os, "/data/logs"), OK);
    assert_int_equal(os_replace_file(f->os, path, text, strlen(text)), OK);
}

static void assert_file(const struct fixture *f, const char *path, const char *text)
{
    struct buf b = {0};
    assert_int_equal(os_read_file(f->os, path, 10000, &b), OK);
    assert_string_equal((const char *)b.data, text);
    buf_release(&b);
}

static bool is_there(const struct fixture *f, const char *path)
{
    struct os_stat st;
    return f->os->stat(f->os, path, &st) == 0;
}

/* ---- identity ---- */

static void open__empty_directory__makes_an_identity_that_stays(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(open_dir(f), OK);
    struct log_dir_identity first = f->identity;
    assert_int_equal(strlen(first.cluster_id), UUID_TEXT_LEN);
    assert_false(uuid_is_zero(first.directory_id));
    assert_true(uuid_eq(first.directory_id, log_dir_id(f->dir)));
    assert_string_equal(log_dir_path(f->dir), "/data/logs");
    assert_false(log_dir_was_clean(f->dir));
    assert_int_equal(log_dir_close(f->dir, false), OK);
    assert_int_equal(open_dir(f), OK);
    assert_string_equal(f->identity.cluster_id, first.cluster_id);
    assert_true(uuid_eq(f->identity.directory_id, first.directory_id));
    assert_int_equal(log_dir_close(f->dir, false), OK);
}

static void open__kafkas_file__is_accepted_and_kept(void **state)
{
    struct fixture *f = *state;
    const char *text = "#\n#Mon Jan 05 10:00:00 UTC 2026\nnode.id=7\nversion=1\n"
                       "directory.id=p7zZ1vYtTHGQhjK0cM2bNw\ncluster.id=MkU3OEVBNTcwNTJENDM2Qg\n";
    put_file(f, "/data/logs/meta.properties", text);
    assert_int_equal(open_dir(f), OK);
    char id[UUID_TEXT_LEN + 1];
    uuid_format(f->identity.directory_id, id);
    assert_string_equal(id, "p7zZ1vYtTHGQhjK0cM2bNw");
    assert_string_equal(f->identity.cluster_id, "MkU3OEVBNTcwNTJENDM2Qg");
    assert_int_equal(log_dir_close(f->dir, true), OK);
    assert_file(f, "/data/logs/meta.properties", text);
}

static void open__old_version__gets_a_directory_id_and_keeps_the_rest(void **state)
{
    struct fixture *f = *state;
    put_file(f, "/data/logs/meta.properties",
             "# made by hand\nbroker.id=7\nversion=0\ncluster.id = abc\\:def \nx.y=z\n");
    assert_int_equal(open_dir(f), OK);
    assert_string_equal(f->identity.cluster_id, "abc:def");
    struct uuid id = f->identity.directory_id;
    assert_false(uuid_is_zero(id));
    assert_int_equal(log_dir_close(f->dir, false), OK);
    assert_int_equal(open_dir(f), OK);
    assert_true(uuid_eq(id, f->identity.directory_id));
    assert_int_equal(log_dir_close(f->dir, false), OK);
    struct buf b = {0};
    assert_int_equal(os_read_file(f->os, "/data/logs/meta.properties", 10000, &b), OK);
    assert_non_null(strstr((char *)b.data, "# made by hand\nx.y=z\nversion=0\n"));
    assert_non_null(strstr((char *)b.data, "broker.id=7\n"));
    assert_null(strstr((char *)b.data, "node.id"));
    buf_release(&b);
}

static void open__somebody_elses__is_refused_with_a_line(void **state)
{
    struct fixture *f = *state;
    put_file(f, "/data/logs/meta.properties", "version=1\nnode.id=8\ncluster.id=abc\n");
    assert_int_equal(open_dir(f), ERR_INVALID);
    assert_null(f->dir);
    assert_non_null(strstr(last_line, "/data/logs/meta.properties"));
    assert_non_null(strstr(last_line, "node 8, not to 7"));
    f->identity = (struct log_dir_identity){.node_id = 8, .cluster_id = "abd"};
    assert_int_equal(log_dir_open(&f->env, "/data/logs", &f->identity, &f->dir), ERR_INVALID);
    assert_non_null(strstr(last_line, "cluster abc, not to abd"));
}

static void open__malformed_properties__is_refused(void **state)
{
    struct fixture *f = *state;
    static const struct {
        const char *text;
        err_t err;
    } cases[] = {
        {"", ERR_INVALID},
        {"version=x\nnode.id=7\ncluster.id=a\n", ERR_INVALID},
        {"version=2\nnode.id=7\ncluster.id=a\n", ERR_UNSUPPORTED},
        {"version=1\ncluster.id=a\n", ERR_INVALID},
        {"version=1\nbroker.id=7\ncluster.id=a\n", ERR_INVALID},
        {"version=1\nnode.id=-7\ncluster.id=a\n", ERR_INVALID},
        {"version=1\nnode.id=7\n", ERR_INVALID},
        {"version=1\nnode.id=7\ncluster.id=a\ndirectory.id=short\n", ERR_INVALID},
        {"version=1\nnode.id=7\ncluster.id="
         "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\n",
         ERR_INVALID},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        put_file(f, "/data/logs/meta.properties", cases[i].text);
        last_line[0] = 0;
        assert_int_equal(open_dir(f), cases[i].err);
        assert_non_null(strstr(last_line, "/data/logs/meta.properties"));
        assert_file(f, "/data/logs/meta.properties", cases[i].text);
    }
}

static void open__in_use__is_busy(void **state)
{
    struct fixture *f = *state;
    struct log_dir *second;
    assert_int_equal(open_dir(f), OK);
    assert_int_equal(log_dir_open(&f->env, "/data/logs/", &f->identity, &second), ERR_BUSY);
    assert_null(second);
    assert_non_null(strstr(last_line, "/data/logs/.lock"));
    assert_int_equal(log_dir_close(f->dir, false), OK);
    assert_int_equal(open_dir(f), OK);
    assert_int_equal(log_dir_close(f->dir, false), OK);
}

static void open__real_directory__locks_against_a_second(void **state)
{
    (void)state;
    struct temp_dir temp;
    struct log_dir *dir, *second;
    struct log_dir_identity identity = {.node_id = 1};
    char path[256];
    temp_dir_make(&temp);
    snprintf(path, sizeof path, "%s/a/b", temp.path);
    assert_int_equal(log_dir_open(env_real(), path, &identity, &dir), OK);
    assert_int_equal(log_dir_open(env_real(), path, &identity, &second), ERR_BUSY);
    assert_int_equal(log_dir_mark_recovered(dir), OK);
    assert_int_equal(log_dir_close(dir, true), OK);
    assert_int_equal(log_dir_open(env_real(), path, &identity, &dir), OK);
    assert_true(log_dir_was_clean(dir));
    assert_true(log_dir_is_same_boot(dir));
    assert_true(log_dir_free_bytes(dir) > 0);
    assert_int_equal(log_dir_close(dir, false), OK);
    temp_dir_remove(&temp);
}

/* ---- clean or not, same boot or not ---- */

static void close__clean__is_seen_once(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(open_dir(f), OK);
    assert_int_equal(log_dir_close(f->dir, true), OK);
    assert_file(f, "/data/logs/.kafka_cleanshutdown", "{\"version\":0,\"brokerEpoch\":-1}");
    assert_int_equal(open_dir(f), OK);
    assert_true(log_dir_was_clean(f->dir));
    assert_false(is_there(f, "/data/logs/.kafka_cleanshutdown"));
    assert_int_equal(log_dir_close(f->dir, false), OK);
    assert_int_equal(open_dir(f), OK);
    assert_false(log_dir_was_clean(f->dir));
    assert_int_equal(log_dir_close(f->dir, false), OK);
}

static void close__failed_directory__leaves_no_marker(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(open_dir(f), OK);
    assert_false(log_dir_is_failed(f->dir));
    log_dir_fail(f->dir, "it smells");
    assert_true(log_dir_is_failed(f->dir));
    assert_non_null(strstr(last_line, "it smells dir=/data/logs"));
    assert_int_equal(log_dir_write_checkpoints(f->dir), ERR_FAILED);
    assert_int_equal(log_dir_close(f->dir, true), ERR_FAILED);
    assert_false(is_there(f, "/data/logs/.kafka_cleanshutdown"));
}

static void crash_and_open(struct fixture *f, enum sim_crash kind)
{
    sim_disk_crash(f->disk, kind);
    (void)log_dir_close(f->dir, false);
    sim_disk_start(f->disk);
    assert_int_equal(open_dir(f), OK);
}

static void same_boot__process_death__is_told_from_power_loss(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(open_dir(f), OK);
    assert_false(log_dir_is_same_boot(f->dir)); /* nothing is known of a new directory */
    assert_int_equal(log_dir_mark_recovered(f->dir), OK);
    crash_and_open(f, SIM_PROCESS_DEATH);
    assert_true(log_dir_is_same_boot(f->dir));
    crash_and_open(f, SIM_POWER_LOSS);
    assert_false(log_dir_is_same_boot(f->dir));
    assert_int_equal(log_dir_close(f->dir, false), OK);
}

static void same_boot__death_while_recovering_from_power_loss__is_still_power_loss(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(open_dir(f), OK);
    assert_int_equal(log_dir_mark_recovered(f->dir), OK);
    crash_and_open(f, SIM_POWER_LOSS);
    crash_and_open(f, SIM_PROCESS_DEATH); /* before anything was recovered */
    assert_false(log_dir_is_same_boot(f->dir));
    assert_int_equal(log_dir_mark_recovered(f->dir), OK);
    crash_and_open(f, SIM_PROCESS_DEATH);
    assert_true(log_dir_is_same_boot(f->dir));
    assert_int_equal(log_dir_close(f->dir, false), OK);
}

/* A crash at any call of a life: the identity never changes once it was given out, and clean is
 * said only of a directory that was closed cleanly and not opened since. */
static void life__stopped_at_any_call__tells_the_truth(void **state)
{
    (void)state;
    uint64_t n = 1;
    for (bool is_through = false; !is_through; n++) {
        struct fixture f;
        init(&f, n);
        struct uuid given = {{0}};
        koffset_t offset = -1;
        bool opened_again = false, closed = false, written = false;
        sim_disk_stop_at(f.disk, n);
        if (open_dir(&f) == OK) {
            given = f.identity.directory_id;
            assert_int_equal(log_dir_set_checkpoint(f.dir, CHECKPOINT_LOG_START, "orders", 3, 44),
                             OK);
            written = log_dir_write_checkpoints(f.dir) == OK;
            closed = log_dir_close(f.dir, true) == OK;
            opened_again = closed && open_dir(&f) == OK;
            if (opened_again) {
                assert_true(log_dir_was_clean(f.dir));
                (void)log_dir_close(f.dir, false);
            }
        }
        is_through = !sim_disk_is_stopped(f.disk);
        sim_disk_crash(f.disk, n & 1 ? SIM_POWER_LOSS : SIM_PROCESS_DEATH);
        sim_disk_start(f.disk);
        assert_int_equal(open_dir(&f), OK);
        if (!uuid_is_zero(given)) assert_true(uuid_eq(given, f.identity.directory_id));
        if (closed && !opened_again && is_through) assert_true(log_dir_was_clean(f.dir));
        if (opened_again) assert_false(log_dir_was_clean(f.dir));
        if (written) {
            assert_true(log_dir_get_checkpoint(f.dir, CHECKPOINT_LOG_START, "orders", 3, &offset));
            assert_int_equal(offset, 44);
        }
        assert_int_equal(log_dir_close(f.dir, false), OK);
        assert_int_equal(sim_disk_stats(f.disk).handles, 0);
        sim_disk_free(f.disk);
    }
    assert_true(n > 30);
}

static void life__any_call_fails__is_an_error_and_leaks_nothing(void **state)
{
    (void)state;
    static const int errnums[] = {EIO, ENOSPC, EACCES};
    uint64_t n = 1;
    for (bool is_through = false; !is_through; n++) {
        struct fixture f;
        init(&f, n);
        sim_disk_fail(f.disk, &(struct fault_plan){.nth = n, .errnum = errnums[n % 3]});
        err_t err = open_dir(&f);
        if (err == OK) {
            assert_int_equal(
                log_dir_set_checkpoint(f.dir, CHECKPOINT_HIGH_WATERMARK, "orders", 3, 44), OK);
            err = log_dir_mark_recovered(f.dir);
            err_t closed = log_dir_close(f.dir, true);
            if (err == OK) err = closed;
        } else {
            assert_null(f.dir);
        }
        is_through = sim_disk_stats(f.disk).injected == 0;
        assert_int_equal(sim_disk_stats(f.disk).handles, 0);
        sim_disk_heal(f.disk);
        assert_int_equal(open_dir(&f), OK);
        if (is_through) assert_int_equal(err, OK);
        koffset_t offset;
        /* A clean mark vouches for the checkpoints. */
        if (log_dir_was_clean(f.dir))
            assert_true(
                log_dir_get_checkpoint(f.dir, CHECKPOINT_HIGH_WATERMARK, "orders", 3, &offset));
        assert_int_equal(log_dir_close(f.dir, true), OK);
        sim_disk_free(f.disk);
    }
    assert_true(n > 30);
}

/* ---- names ---- */

static void parse_name__splits_from_the_right(void **state)
{
    (void)state;
    struct log_dir_entry e;
    static const struct {
        const char *name, *topic;
        int32_t partition;
        const char *suffix;
    } good[] = {
        {"orders-0", "orders", 0, NULL},
        {"a-b.c_d-2147483647", "a-b.c_d", INT32_MAX, NULL},
        {"__consumer_offsets-49", "__consumer_offsets", 49, NULL},
        {"a--5", "a-", 5, NULL},
        {"...-5", "...", 5, NULL},
        {"orders-3.0123456789abcdef0123456789ABCDEF-delete", "orders", 3, "delete"},
        {"orders-3.0123456789abcdef0123456789abcdef-future", "orders", 3, "future"},
        {"orders-3.0123456789abcdef0123456789abcdef-stray", "orders", 3, "stray"},
        {"o.0123456789abcdef0123456789abcdef-delete-1", "o.0123456789abcdef0123456789abcdef-delete",
         1, NULL},
    };
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        assert_true(log_dir_parse_name(good[i].name, &e));
        assert_string_equal(e.topic, good[i].topic);
        assert_int_equal(e.partition, good[i].partition);
        assert_ptr_equal(e.name, good[i].name);
        if (good[i].suffix)
            assert_string_equal(e.suffix, good[i].suffix);
        else
            assert_null(e.suffix);
    }
}

static void parse_name__anything_else__is_none(void **state)
{
    (void)state;
    struct log_dir_entry e;
    static const char *const bad[] = {
        "",
        "orders",
        "orders-",
        "-0",
        "orders-x",
        "orders-01",
        "orders--1x",
        "orders-2147483648",
        ".-0",
        "..-0",
        "or ders-0",
        "or/ders-0",
        "boot-id",
        "meta.properties",
        "orders-0.0123456789abcdef0123456789abcde-delete",
        "orders-0.abc-delete",
        "orders-0.0123456789abcdef0123456789abcdef-gone",
        "orders-0.0123456789abcdef0123456789abcdeg-delete",
        ".0123456789abcdef0123456789abcdef-delete",
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_false(log_dir_parse_name(bad[i], &e));
    char name[260];
    memset(name, 't', sizeof name);
    memcpy(name + 249, "-0", 3);
    assert_true(log_dir_parse_name(name, &e));
    memcpy(name + 250, "-0", 3);
    assert_false(log_dir_parse_name(name, &e));
}

static void join_name(void *arg, const struct log_dir_entry *entry)
{
    assert_int_equal(buf_printf(arg, "%s:%s:%d ", entry->name, entry->topic, entry->partition), OK);
}

static void each__gives_partition_directories_in_order(void **state)
{
    struct fixture *f = *state;
    struct buf seen = {0};
    assert_int_equal(open_dir(f), OK);
    assert_int_equal(f->os->mkdir(f->os, "/data/logs/b-0"), 0);
    assert_int_equal(f->os->mkdir(f->os, "/data/logs/a-1"), 0);
    assert_int_equal(f->os->mkdir(f->os, "/data/logs/lost+found"), 0);
    put_file(f, "/data/logs/c-0", "a file, not a directory");
    assert_int_equal(log_dir_each(f->dir, join_name, &seen), OK);
    assert_string_equal((char *)seen.data, "a-1:a:1 b-0:b:0 ");
    buf_release(&seen);
    assert_int_equal(log_dir_close(f->dir, false), OK);
}

/* ---- checkpoints and space ---- */

static uint64_t writes(const struct fixture *f)
{
    return sim_disk_stats(f->disk).calls[OS_CALL_PWRITE];
}

static void checkpoints__written_only_on_change(void **state)
{
    struct fixture *f = *state;
    koffset_t offset;
    assert_int_equal(open_dir(f), OK);
    assert_false(log_dir_get_checkpoint(f->dir, CHECKPOINT_RECOVERY_POINT, "a", 0, &offset));
    assert_int_equal(log_dir_set_checkpoint(f->dir, CHECKPOINT_RECOVERY_POINT, "a", 0, 5), OK);
    uint64_t before = writes(f);
    assert_int_equal(log_dir_write_checkpoints(f->dir), OK);
    assert_int_equal(writes(f), before + 1);
    assert_int_equal(log_dir_set_checkpoint(f->dir, CHECKPOINT_RECOVERY_POINT, "a", 0, 5), OK);
    log_dir_forget(f->dir, "b", 0);
    assert_int_equal(log_dir_write_checkpoints(f->dir), OK);
    assert_int_equal(writes(f), before + 1);
    assert_file(f, "/data/logs/recovery-point-offset-checkpoint", "0\n1\na 0 5\n");
    assert_int_equal(log_dir_set_checkpoint(f->dir, CHECKPOINT_HIGH_WATERMARK, "a", 0, 4), OK);
    assert_int_equal(log_dir_set_checkpoint(f->dir, CHECKPOINT_LOG_START, "a", 0, 3), OK);
    assert_int_equal(log_dir_write_checkpoints(f->dir), OK);
    assert_file(f, "/data/logs/replication-offset-checkpoint", "0\n1\na 0 4\n");
    assert_file(f, "/data/logs/log-start-offset-checkpoint", "0\n1\na 0 3\n");
    log_dir_forget(f->dir, "a", 0);
    assert_int_equal(log_dir_write_checkpoints(f->dir), OK);
    assert_file(f, "/data/logs/replication-offset-checkpoint", "0\n0\n");
    assert_int_equal(log_dir_close(f->dir, false), OK);
}

static void settle_forgotten__writes_only_what_was_forgotten(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(open_dir(f), OK);
    assert_int_equal(log_dir_set_checkpoint(f->dir, CHECKPOINT_RECOVERY_POINT, "a", 0, 5), OK);
    assert_int_equal(log_dir_write_checkpoints(f->dir), OK);
    assert_int_equal(log_dir_set_checkpoint(f->dir, CHECKPOINT_RECOVERY_POINT, "b", 0, 6), OK);
    uint64_t before = writes(f);
    assert_int_equal(log_dir_settle_forgotten(f->dir), OK);
    assert_int_equal(writes(f), before);
    log_dir_forget(f->dir, "a", 0);
    sim_disk_fail(f->disk, &(struct fault_plan){
                               .nth = 1, .calls = OS_CALL_BIT(OS_CALL_FSYNC), .errnum = ENOSPC});
    assert_int_equal(log_dir_settle_forgotten(f->dir), ERR_NOSPACE);
    assert_int_equal(log_dir_settle_forgotten(f->dir), OK);
    assert_file(f, "/data/logs/recovery-point-offset-checkpoint", "0\n1\nb 0 6\n");
    before = writes(f);
    assert_int_equal(log_dir_settle_forgotten(f->dir), OK);
    assert_int_equal(writes(f), before);
    assert_int_equal(log_dir_close(f->dir, false), OK);
}

static void checkpoints__failed_write__is_tried_again(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(open_dir(f), OK);
    assert_int_equal(log_dir_set_checkpoint(f->dir, CHECKPOINT_RECOVERY_POINT, "a", 0, 5), OK);
    sim_disk_fail(f->disk, &(struct fault_plan){
                               .nth = 1, .calls = OS_CALL_BIT(OS_CALL_PWRITE), .errnum = ENOSPC});
    assert_int_equal(log_dir_write_checkpoints(f->dir), ERR_NOSPACE);
    assert_int_equal(log_dir_write_checkpoints(f->dir), OK);
    assert_file(f, "/data/logs/recovery-point-offset-checkpoint", "0\n1\na 0 5\n");
    assert_int_equal(log_dir_close(f->dir, false), OK);
}

static void checkpoints__corrupt_file__is_empty_and_said(void **state)
{
    struct fixture *f = *state;
    koffset_t offset;
    put_file(f, "/data/logs/recovery-point-offset-checkpoint", "0\n1\na 0\n");
    put_file(f, "/data/logs/log-start-offset-checkpoint", "0\n1\na 0 9\n");
    assert_int_equal(open_dir(f), OK);
    assert_non_null(strstr(last_line, "recovery-point-offset-checkpoint line=3"));
    assert_false(log_dir_get_checkpoint(f->dir, CHECKPOINT_RECOVERY_POINT, "a", 0, &offset));
    assert_true(log_dir_get_checkpoint(f->dir, CHECKPOINT_LOG_START, "a", 0, &offset));
    assert_int_equal(log_dir_close(f->dir, false), OK);
}

struct setter {
    struct log_dir *dir;
    int partition;
};

static void *set_many(void *arg)
{
    struct setter *s = arg;
    for (int i = 1; i <= 200; i++) {
        err_t err = log_dir_set_checkpoint(s->dir, CHECKPOINT_HIGH_WATERMARK, "a", s->partition, i);
        if (err == OK && i % 10 == 0) err = log_dir_write_checkpoints(s->dir);
        if (err != OK) return s;
    }
    return NULL;
}

static void checkpoints__many_threads__the_last_word_is_on_disk(void **state)
{
    enum { THREADS = 4 };
    struct fixture *f = *state;
    pthread_t threads[THREADS];
    struct setter setters[THREADS];
    assert_int_equal(open_dir(f), OK);
    for (int i = 0; i < THREADS; i++) {
        setters[i] = (struct setter){f->dir, i};
        assert_int_equal(pthread_create(&threads[i], NULL, set_many, &setters[i]), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        void *result;
        assert_int_equal(pthread_join(threads[i], &result), 0);
        assert_null(result);
    }
    assert_int_equal(log_dir_close(f->dir, false), OK); /* writes nothing itself */
    assert_int_equal(open_dir(f), OK);
    for (int i = 0; i < THREADS; i++) {
        koffset_t offset = -1;
        assert_true(log_dir_get_checkpoint(f->dir, CHECKPOINT_HIGH_WATERMARK, "a", i, &offset));
        assert_int_equal(offset, 200);
    }
    assert_int_equal(log_dir_close(f->dir, false), OK);
}

static void free_bytes__is_asked_once_a_second(void **state)
{
    struct fixture *f = *state;
    sim_disk_set_capacity(f->disk, 1 << 20);
    fake_ns = 5000000000;
    assert_int_equal(open_dir(f), OK);
    int64_t before = log_dir_free_bytes(f->dir);
    assert_true(before > 0 && before < 1 << 20);
    put_file(f, "/data/logs/big", "0123456789");
    fake_ns += 999999999;
    assert_int_equal(log_dir_free_bytes(f->dir), before);
    assert_int_equal(sim_disk_stats(f->disk).calls[OS_CALL_SPACE], 1);
    fake_ns += 1;
    assert_true(log_dir_free_bytes(f->dir) < before);
    sim_disk_fail(f->disk, &(struct fault_plan){
                               .nth = 1, .calls = OS_CALL_BIT(OS_CALL_SPACE), .errnum = EIO});
    fake_ns += 1000000000;
    assert_true(log_dir_free_bytes(f->dir) == INT64_MAX);
    assert_int_equal(log_dir_close(f->dir, false), OK);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(open__empty_directory__makes_an_identity_that_stays),
        CASE(open__kafkas_file__is_accepted_and_kept),
        CASE(open__old_version__gets_a_directory_id_and_keeps_the_rest),
        CASE(open__somebody_elses__is_refused_with_a_line),
        CASE(open__malformed_properties__is_refused),
        CASE(open__in_use__is_busy),
        CASE(open__real_directory__locks_against_a_second),
        CASE(close__clean__is_seen_once),
        CASE(close__failed_directory__leaves_no_marker),
        CASE(same_boot__process_death__is_told_from_power_loss),
        CASE(same_boot__death_while_recovering_from_power_loss__is_still_power_loss),
        CASE(life__stopped_at_any_call__tells_the_truth),
        CASE(life__any_call_fails__is_an_error_and_leaks_nothing),
        CASE(parse_name__splits_from_the_right),
        CASE(parse_name__anything_else__is_none),
        CASE(each__gives_partition_directories_in_order),
        CASE(checkpoints__written_only_on_change),
        CASE(settle_forgotten__writes_only_what_was_forgotten),
        CASE(checkpoints__failed_write__is_tried_again),
        CASE(checkpoints__corrupt_file__is_empty_and_said),
        CASE(checkpoints__many_threads__the_last_word_is_on_disk),
        CASE(free_bytes__is_asked_once_a_second),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
