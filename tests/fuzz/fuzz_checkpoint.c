/* Any bytes as one of the small text files: checkpoints, leader epochs, meta.properties; and those
 * that lie beside the segments of a log.
 *
 * Input: which file, then its bytes. What is read is written to the same state again; a log opens
 * whatever lies beside it, unless that is of a newer format. */
#include "log_input.h"

#include "storage/checkpoint.h"
#include "storage/epoch_cache.h"
#include "storage/log_dir.h"
#include "storage/meta_properties.h"

enum target { OFFSETS, EPOCHS, META, BESIDE_A_LOG, BESIDE_LOGS = BESIDE_A_LOG + 4, TARGETS = 12 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_offsets(struct view text)
{
    struct checkpoint first = {0}, second = {0};
    struct buf once = {0}, twice = {0};
    if (checkpoint_decode(&first, text) == OK) {
        CHECK(checkpoint_encode(&first, &once) == OK);
        CHECK(checkpoint_decode(&second, buf_view(&once)) == OK);
        CHECK(checkpoint_count(&first) == checkpoint_count(&second));
        CHECK(checkpoint_encode(&second, &twice) == OK);
        CHECK(view_eq(buf_view(&once), buf_view(&twice)));
    } else {
        CHECK(checkpoint_count(&first) == 0);
    }
    checkpoint_release(&first);
    checkpoint_release(&second);
    buf_release(&once);
    buf_release(&twice);
}

static void check_epochs_order(const struct epoch_cache *cache)
{
    for (size_t i = 1; i < cache->count; i++) {
        CHECK(cache->entries[i].epoch > cache->entries[i - 1].epoch);
        CHECK(cache->entries[i].start_offset > cache->entries[i - 1].start_offset);
    }
}

static void check_epochs(struct view text)
{
    struct epoch_cache first = {0}, second = {0};
    struct buf once = {0}, twice = {0};
    if (epoch_cache_decode(&first, text) == OK) {
        check_epochs_order(&first);
        CHECK(epoch_cache_encode(&first, &once) == OK);
        CHECK(epoch_cache_decode(&second, buf_view(&once)) == OK);
        CHECK(epoch_cache_encode(&second, &twice) == OK);
        CHECK(view_eq(buf_view(&once), buf_view(&twice)));
        bool changed;
        CHECK(epoch_cache_assign(&first, 3, 7, &changed) == OK);
        check_epochs_order(&first);
        CHECK(epoch_cache_at(&first, 7) == 3);
        epoch_cache_truncate_start(&first, 8);
        check_epochs_order(&first);
        epoch_cache_truncate_end(&first, 8);
        check_epochs_order(&first);
    } else {
        CHECK(first.count == 0);
    }
    epoch_cache_release(&first);
    epoch_cache_release(&second);
    buf_release(&once);
    buf_release(&twice);
}

static void check_meta(struct view text)
{
    struct meta_properties first = {0}, second = {0};
    struct buf once = {0}, twice = {0};
    const char *problem = NULL;
    if (meta_properties_parse(&first, text, &problem) == OK) {
        CHECK(meta_properties_encode(&first, &once) == OK);
        CHECK(meta_properties_parse(&second, buf_view(&once), &problem) == OK);
        CHECK(first.node_id == second.node_id && uuid_eq(first.directory_id, second.directory_id));
        CHECK(strcmp(first.cluster_id, second.cluster_id) == 0);
        CHECK(meta_properties_encode(&second, &twice) == OK);
        CHECK(view_eq(buf_view(&once), buf_view(&twice)));
    }
    meta_properties_release(&first);
    meta_properties_release(&second);
    buf_release(&once);
    buf_release(&twice);
}

static void check_beside(const char *name, struct view text)
{
    struct log_on_disk l = {0};
    char path[128];
    log_on_disk_init(&l);
    CHECK(log_fixture_open(&l.fixture, false, 0) == OK);
    for (int i = 0; i < 4; i++)
        CHECK(log_fixture_append(&l.fixture, &(struct batch_spec){.sequence = -1}) == OK);
    CHECK(log_fixture_close(&l.fixture, true) == OK);
    snprintf(path, sizeof path, "/data/topic-0/%s", name);
    put_file(l.os, path, text.data, text.len);
    for (int is_clean = 1; is_clean >= 0; is_clean--) {
        err_t err = log_fixture_open(&l.fixture, is_clean, 0);
        CHECK(err == OK || err == ERR_UNSUPPORTED);
        if (err != OK) break;
        CHECK(log_offsets(l.fixture.log).end == 4);
        check_all(l.fixture.log, true);
        CHECK(log_fixture_append(&l.fixture, &(struct batch_spec){.sequence = -1}) == OK);
        CHECK(log_truncate(l.fixture.log, 4) == OK);
        CHECK(log_fixture_close(&l.fixture, true) == OK);
    }
    log_on_disk_release(&l);
}

/* A directory opens, or says why not; what is only kept beside the logs never prevents it. */
static void check_dir(const char *name, struct view text)
{
    struct log_on_disk l = {0};
    char path[128];
    struct log_dir *dir;
    struct log_dir_identity identity = {.node_id = 1};
    log_on_disk_init(&l);
    CHECK(log_dir_open(&l.fixture.env, "/data", &identity, &dir) == OK);
    CHECK(log_dir_set_checkpoint(dir, CHECKPOINT_LOG_START, "a", 0, 3) == OK);
    CHECK(log_dir_close(dir, true) == OK);
    snprintf(path, sizeof path, "/data/%s", name);
    put_file(l.os, path, text.data, text.len);
    err_t err = log_dir_open(&l.fixture.env, "/data", &identity, &dir);
    if (strcmp(name, "meta.properties") != 0) CHECK(err == OK || err == ERR_UNSUPPORTED);
    if (err == OK) CHECK(log_dir_close(dir, true) == OK);
    log_on_disk_release(&l);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const beside_a_log[] = {"partition.metadata", "damage", "last-truncation",
                                               "leader-epoch-checkpoint"};
    static const char *const beside_logs[] = {"meta.properties", "recovery-point-offset-checkpoint",
                                              "log-start-offset-checkpoint", ".kafka_cleanshutdown",
                                              "boot-id"};
    struct input in = {view_of(data, size)};
    unsigned target = (unsigned)input_number(&in, 1) % TARGETS;
    switch (target) {
    case OFFSETS: check_offsets(in.rest); break;
    case EPOCHS: check_epochs(in.rest); break;
    case META: check_meta(in.rest); break;
    default:
        if (target < BESIDE_LOGS)
            check_beside(beside_a_log[target - BESIDE_A_LOG], in.rest);
        else
            check_dir(beside_logs[target - BESIDE_LOGS], in.rest);
    }
    return 0;
}
