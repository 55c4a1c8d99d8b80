/* leader_change - the control batch with which a leader of the metadata quorum begins its epoch. */
#pragma once

#include "base/buf.h"
#include "base/types.h"

struct leader_change {
    int32_t node_id; /* the leader, and the only voter */
    leader_epoch_t epoch;
    koffset_t base_offset;
    time_ms_t timestamp;
};

/* Appends the whole batch. */
err_t leader_change_build(const struct leader_change *change, struct buf *out);

/* The leader epoch of Kafka's `quorum-state` file beside the metadata log in `path`; -1: no such
 * file, or none in it. An election may have been won there without a record of it in the log. */
struct os;
leader_epoch_t quorum_state_epoch(const struct os *os, const char *path);
