/* replay - see replay.h. Snapshots are read in snapshot_load.c. */
#include "replay.h"

#include "apply.h"
#include "base/check.h"
#include "base/diag.h"
#include "image_impl.h"
#include "protocol/messages.h"
#include "record/log_scan.h"
#include "record/record.h"
#include "storage/log.h"

enum { READ_BYTES = 1 << 20, DECOMPRESSED_MAX_BYTES = 256 << 20 };

void replay_init(struct replay *replay, const char *cluster_id)
{
    *replay = (struct replay){.image = image_new_empty(), .last_epoch = -1, .source = ""};
    image_set_cluster_id(replay->image, cluster_id);
    change_init(&replay->change);
}

void replay_release(struct replay *replay)
{
    image_unref(replay->image);
    image_unref(replay->before_open);
    change_release(&replay->change);
    buf_release(&replay->scratch);
    buf_release(&replay->bytes);
    *replay = (struct replay){0};
}

/* ---- metadata transactions ---- */

static err_t begin(struct replay *replay)
{
    if (replay->before_open) return ERR_INVALID;
    replay->before_open = image_next(replay->image);
    return OK;
}

static err_t end(struct replay *replay)
{
    if (!replay->before_open) return ERR_INVALID;
    image_unref(replay->before_open);
    replay->before_open = NULL;
    return OK;
}

static err_t forget(struct replay *replay)
{
    if (!replay->before_open) return ERR_INVALID;
    koffset_t offset = replay->image->offset;
    image_unref(replay->image);
    replay->image = replay->before_open;
    replay->before_open = NULL;
    replay->image->offset = offset;
    return OK;
}

bool replay_drop_open(struct replay *replay)
{
    if (!replay->before_open) return false;
    CHECK(forget(replay) == OK);
    return true;
}

/* ---- records ---- */

static err_t apply(struct replay *replay, const struct change_record *record)
{
    switch (record->type) {
    case RECORD_ID_BEGIN_TRANSACTION_RECORD: return begin(replay);
    case RECORD_ID_END_TRANSACTION_RECORD: return end(replay);
    case RECORD_ID_ABORT_TRANSACTION_RECORD: return forget(replay);
    default: return image_apply_record(replay->image, record);
    }
}

static err_t replay_records(struct replay *replay, struct view batch)
{
    struct record_iter it;
    struct record record;
    TRY(record_iter_init(&it, batch, &replay->scratch, DECOMPRESSED_MAX_BYTES));
    err_t err;
    while ((err = record_iter_next(&it, &record)) == OK) {
        change_clear(&replay->change);
        TRY(change_decode_record(record.value, &replay->change));
        TRY(apply(replay, replay->change.first));
        replay->record_count++;
    }
    return err == ERR_NOT_FOUND ? OK : err;
}

err_t replay_batch(struct replay *replay, struct view batch, const struct batch_header *header)
{
    err_t err = batch_check_crc(batch);
    if (err == OK && !batch_is_control(header)) err = replay_records(replay, batch);
    if (err != OK) {
        diag(DIAG_ERROR, "metadata", "a batch of the metadata cannot be used in=%s offset=%lld: %s",
             replay->source, (long long)header->base_offset, err_name(err));
        return err == ERR_SHORT ? ERR_CORRUPT : err;
    }
    replay->last_epoch = MAX(replay->last_epoch, header->leader_epoch);
    return OK;
}

/* ---- the log ---- */

/* The batches of one piece; the last may be cut off. */
static err_t replay_piece(struct replay *replay, struct view bytes)
{
    struct log_scan scan = log_scan_of(bytes);
    struct view batch;
    struct batch_header header;
    err_t err;
    while ((err = log_scan_next(&scan, &batch, &header)) == OK) {
        koffset_t last = batch_last_offset(&header);
        if (last <= replay->image->offset) continue; /* the snapshot has it */
        TRY(replay_batch(replay, batch, &header));
        replay->image->offset = last;
    }
    if (err == ERR_NOT_FOUND || err == ERR_SHORT) return OK;
    diag(DIAG_ERROR, "metadata", "what follows is no batch of the metadata in=%s after_offset=%lld",
         replay->source, (long long)replay->image->offset);
    return ERR_CORRUPT;
}

static err_t read_piece(struct replay *replay, struct log *log, koffset_t end)
{
    struct log_read read = {0};
    TRY(log_read(log, replay->image->offset + 1, end, READ_BYTES, true, &read));
    buf_clear(&replay->bytes);
    err_t err = log_read_bytes(log, &read.slice, &replay->bytes);
    slice_release(&read.slice);
    TRY(err);
    koffset_t before = replay->image->offset;
    TRY(replay_piece(replay, buf_view(&replay->bytes)));
    return replay->image->offset > before ? OK : ERR_CORRUPT;
}

err_t replay_log(struct replay *replay, struct log *log)
{
    struct log_offsets offsets = log_offsets(log);
    replay->source = log_path(log);
    if (offsets.end <= replay->image->offset + 1) {
        if (offsets.end == replay->image->offset + 1) return OK;
        /* A snapshot is newer than what is left of the log: go on behind it. */
        return log_reset(log, replay->image->offset + 1);
    }
    if (offsets.start > replay->image->offset + 1) {
        diag(DIAG_ERROR, "metadata",
             "the metadata log begins behind its newest usable snapshot in=%s start_offset=%lld "
             "snapshot_end=%lld",
             replay->source, (long long)offsets.start, (long long)replay->image->offset + 1);
        return ERR_CORRUPT;
    }
    while (replay->image->offset + 1 < offsets.end) {
        err_t err = read_piece(replay, log, offsets.end);
        if (err == OK) continue;
        diag(DIAG_ERROR, "metadata", "the metadata log cannot be read in=%s offset=%lld: %s",
             replay->source, (long long)replay->image->offset + 1, err_name(err));
        return err;
    }
    return OK;
}
