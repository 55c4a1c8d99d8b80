/* log_fixture - what tests of logs share: batches of a few records, and a log on any disk.
 *
 * Header only; whoever includes it links storage and record. Not thread-safe.
 */
#pragma once

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "record/builder.h"
#include "record/control.h"
#include "storage/handle_cache.h"
#include "storage/log.h"
#include "storage/producer_state.h"

struct batch_spec {
    int records;               /* 0 stands for 1 */
    int value_bytes;           /* of each record; 0 stands for 20 */
    time_ms_t timestamp;       /* of the first record, the next ones are 1 ms later each; 0: 1000 */
    producer_id_t producer_id; /* with sequence < 0: none */
    int16_t producer_epoch;
    int32_t sequence;
    bool is_transactional;
    koffset_t base_offset;       /* as a leader would have set it */
    leader_epoch_t leader_epoch; /* the same */
    uint8_t fill;                /* first byte of the values, to tell batches apart */
};

/* A batch in malloc'ed memory, ready for log_append(). */
static inline struct log_append batch_make(const struct batch_spec *spec)
{
    struct batch_options options = batch_options_default();
    options.base_offset = spec->base_offset;
    options.leader_epoch = spec->leader_epoch;
    options.is_transactional = spec->is_transactional;
    if (spec->sequence >= 0 && spec->producer_id > 0) {
        options.producer_id = spec->producer_id;
        options.producer_epoch = spec->producer_epoch;
        options.base_sequence = spec->sequence;
    }
    struct batch_builder builder = {0};
    CHECK(batch_builder_init(&builder, &options) == OK);
    size_t len = spec->value_bytes ? (size_t)spec->value_bytes : 20;
    uint8_t *value = malloc(len);
    CHECK(value);
    memset(value, spec->fill, len);
    for (int i = 0; i < (spec->records ? spec->records : 1); i++) {
        struct record record = {.offset = RECORD_OFFSET_NEXT,
                                .timestamp = (spec->timestamp ? spec->timestamp : 1000) + i,
                                .value = view_of(value, len)};
        CHECK(batch_builder_append(&builder, &record) == OK);
    }
    struct view bytes;
    CHECK(batch_builder_finish(&builder, &bytes) == OK);
    struct log_append batch = {.data = malloc(bytes.len)};
    CHECK(batch.data);
    memcpy(batch.data, bytes.data, bytes.len);
    CHECK(batch_header_parse(bytes, &batch.header) == OK);
    batch_builder_release(&builder);
    free(value);
    return batch;
}

/* A marker that ends a transaction. */
static inline struct log_append marker_make(producer_id_t id, int16_t epoch, bool is_commit)
{
    struct log_append batch = {.data = malloc(CONTROL_MARKER_BATCH_SIZE)};
    CHECK(batch.data);
    control_marker_build(&(struct control_marker){.is_commit = is_commit,
                                                  .producer_id = id,
                                                  .producer_epoch = epoch,
                                                  .coordinator_epoch = 1,
                                                  .leader_epoch = 0,
                                                  .timestamp = 5000},
                         batch.data);
    CHECK(batch_header_parse(view_of(batch.data, CONTROL_MARKER_BATCH_SIZE), &batch.header) == OK);
    return batch;
}

/* ---- a log ---- */

struct log_fixture {
    struct env env;
    struct handle_cache *handles;
    struct log_options options; /* change before opening */
    struct log *log;
    char path[256];
};

/* Nothing is opened yet. `os` is borrowed. */
static inline void log_fixture_init(struct log_fixture *f, const struct os *os, const char *dir)
{
    *f = (struct log_fixture){.env = *env_real()};
    f->env.os = os;
    f->handles = handle_cache_new(&f->env, 64, 64);
    snprintf(f->path, sizeof f->path, "%s/topic-0", dir);
    f->options = (struct log_options){
        .env = &f->env, .handles = f->handles, .path = f->path, .config = log_config_default()};
    f->options.config.retention_ms = -1;
}

static inline err_t log_fixture_open(struct log_fixture *f, bool clean, koffset_t recovery_point)
{
    CHECK(!f->log);
    f->options.was_clean_shutdown = clean;
    f->options.recovery_point = recovery_point;
    return log_open(&f->options, &f->log);
}

static inline err_t log_fixture_close(struct log_fixture *f, bool flush)
{
    err_t err = log_close(f->log, flush);
    f->log = NULL;
    return err;
}

static inline void log_fixture_release(struct log_fixture *f)
{
    if (f->log) (void)!log_fixture_close(f, false);
    handle_cache_free(f->handles);
    f->handles = NULL;
}

/* Appends one batch with the given origin, rolling when asked to; the batch's own result. */
static inline err_t log_fixture_add(struct log_fixture *f, struct log_append *batch,
                                    enum log_origin origin, leader_epoch_t epoch)
{
    for (;;) {
        err_t err = log_append(f->log, batch, 1, origin, epoch);
        if (err == OK) return batch->err;
        if (err != ERR_AGAIN) return err;
        err = log_roll(f->log);
        if (err != OK) return err;
    }
}

/* Makes, appends as a client and frees a batch. */
static inline err_t log_fixture_append(struct log_fixture *f, const struct batch_spec *spec)
{
    struct log_append batch = batch_make(spec);
    err_t err = log_fixture_add(f, &batch, LOG_FROM_CLIENT, spec->leader_epoch);
    free(batch.data);
    return err;
}
