/* fetch_sessions - what clients asked for and were told before, so that they need not repeat it
 * (KIP-227).
 *
 * A session belongs to nobody's connection: its id is the key. It is used by one request at a time,
 * between acquire (or create) and release; only the cache itself is shared between loops
 * (RANK_LEAF). Slots and the partitions of all sessions together are bounded; when they are used
 * up, the session that was idle longest goes, if it was idle for two minutes, else the client goes
 * on without a session.
 */
#pragma once

#include "base/env.h"
#include "base/list.h"
#include "base/map.h"
#include "base/types.h"
#include "base/uuid.h"
#include "protocol/kafka_error.h"

enum { FETCH_SESSION_NONE = 0, FETCH_EPOCH_INITIAL = 0, FETCH_EPOCH_FINAL = -1 };

struct fetch_sessions;

/* What a client wants of one partition. */
struct fetch_want {
    struct view topic;    /* by name, or data NULL: */
    struct uuid topic_id; /* by id */
    int32_t index;
    int32_t max_bytes;
    koffset_t offset;
    leader_epoch_t current_leader_epoch;
    leader_epoch_t last_fetched_epoch;
};

/* What the client was told last; -1: nothing, so that anything is news. */
struct fetch_told {
    koffset_t high_watermark, last_stable, log_start;
};

struct session_partition {
    struct list link; /* of the session, in the order in which they are served */
    struct fetch_want want;
    struct fetch_told told;
    char name[];
};

struct fetch_session {
    int32_t id;
    int32_t epoch; /* of the next request */
    bool uses_ids; /* its partitions are known by topic id */
    struct list partitions;
    struct map by_key;
    size_t count;
    /* of the cache */
    struct list link; /* least recently used first */
    int64_t used_ns;
    bool is_busy, is_doomed;
};

/* NULL without memory. `slots` 0: no sessions at all. */
struct fetch_sessions *fetch_sessions_new(int slots, const struct env *env);
void fetch_sessions_free(struct fetch_sessions *sessions); /* NULL is allowed */
size_t fetch_sessions_count(struct fetch_sessions *sessions);

/* A new one, in use, without partitions; its first epoch is 1. NULL: no slot. */
struct fetch_session *fetch_sessions_create(struct fetch_sessions *sessions, bool uses_ids);
/* The one that a request names; its epoch moves on. FETCH_SESSION_ID_NOT_FOUND,
 * INVALID_FETCH_SESSION_EPOCH (also when it is in use), FETCH_SESSION_TOPIC_ID_ERROR. */
enum kafka_error fetch_sessions_acquire(struct fetch_sessions *sessions, int32_t id, int32_t epoch,
                                        bool uses_ids, struct fetch_session **out);
/* Gives it back; one that is doomed or has no partitions is gone, and false returned. */
bool fetch_sessions_release(struct fetch_sessions *sessions, struct fetch_session *session);
/* Ends a session; no matter if there is none. */
void fetch_sessions_close(struct fetch_sessions *sessions, int32_t id);

/* Adds or alters a partition; NULL without memory, or when all sessions together have too many. */
struct session_partition *fetch_session_set(struct fetch_sessions *sessions,
                                            struct fetch_session *session,
                                            const struct fetch_want *want);
void fetch_session_forget(struct fetch_sessions *sessions, struct fetch_session *session,
                          const struct fetch_want *key);
/* Serves this partition after all others from now on. */
void fetch_session_rotate(struct fetch_session *session, struct session_partition *partition);
