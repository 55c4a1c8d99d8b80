/* broker - everything one node consists of, put together; what handlers may ask for.
 *
 * Opened and closed by main (or by a test); all members are set before the first connection is
 * accepted and stay until the last is gone. Thread-safety is that of the members.
 */
#pragma once

#include <stdatomic.h>

#include "base/env.h"
#include "broker_settings.h"
#include "metadata/proposer.h"
#include "net/server.h"
#include "replication/partition_table.h"
#include "storage/log_dir.h"

struct dispatch;
struct fetch_sessions;
struct producer_ids;

struct broker {
    const struct env *env;
    struct broker_settings *settings;  /* as at start */
    struct broker_settings *effective; /* with what was altered since; the proposer's thread only */
    char cluster_id[64];
    struct log_dir **dirs; /* in order of log.dirs; a failed one stays in the list */
    int dir_count;
    struct handle_cache *handles;
    struct worker_pool *flushers, *housekeepers, *openers, *admin, *cold_readers;
    struct log *metadata_log;
    struct proposer *proposer;
    struct partition_table *partitions;
    struct server *server;
    struct fetch_sessions *sessions;
    struct producer_ids *producer_ids;
    struct dispatch *dispatch;
    struct server_listener *listeners; /* those of the settings, with the bound ports */
    int64_t broker_epoch;
    atomic_llong parked_bytes;   /* memory of requests that wait; bounded, see request_may_park() */
    bool is_serving;             /* the loops run */
    int64_t started_ns;          /* monotonic */
    _Atomic int64_t progress_ns; /* when recovery was last reported */
};

/* One diagnostic says what went wrong and where. */
err_t broker_open(const struct env *env, struct broker_settings *settings, struct broker **out);
/* Listens and serves; returns when everything is up. */
err_t broker_start(struct broker *broker);
/* Stops: replies in flight are sent, logs flushed and closed. False: something could not be
 * written, and the next start recovers. */
bool broker_close(struct broker *broker);
