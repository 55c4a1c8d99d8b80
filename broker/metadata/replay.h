/* replay - the metadata log, read from its start into an image.
 *
 * First the newest usable snapshot, then the batches of the log behind it. Kafka's metadata
 * transactions (KIP-868) are followed: what an open one holds is forgotten. One thread; nothing of
 * it is kept, but for the image that replay_take() hands over.
 */
#pragma once

#include "base/buf.h"
#include "base/env.h"
#include "change.h"

struct log;
struct batch_header;

struct replay {
    struct image *image; /* owned; nobody else sees it */
    struct image
        *before_open;     /* owned: as it was before the open transaction; NULL: none is open */
    struct change change; /* the record being read */
    struct buf scratch, bytes;
    leader_epoch_t last_epoch; /* the newest seen; -1: none */
    int64_t record_count;
    const char *source; /* for diagnostics: the path being read; borrowed */
};

void replay_init(struct replay *replay, const char *cluster_id);
void replay_release(struct replay *replay);

/* Every record of one whole batch. ERR_CORRUPT: a bad CRC or malformed records (reported);
 * ERR_INVALID, ERR_UNSUPPORTED: records that cannot be applied (reported). */
err_t replay_batch(struct replay *replay, struct view batch, const struct batch_header *header);

/* Loads the newest usable snapshot of the directory `path`, if there is one: the image then stands
 * at its last offset. A snapshot that is damaged is reported and passed over. */
err_t replay_snapshots(struct replay *replay, const struct env *env, const char *path);

/* The log from the image's offset to its end. ERR_CORRUPT also when the log begins behind the
 * image's end. */
err_t replay_log(struct replay *replay, struct log *log);

/* Whether a transaction was open at the end; then the image is the one before it. */
bool replay_drop_open(struct replay *replay);
