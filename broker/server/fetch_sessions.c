/* A map from ids to sessions and a list in order of use; a session's partitions hang in a list (the
 * order of service) and in a map (by topic and index). The lock guards map, list and flags; what is
 * inside of a session belongs to the request that uses it. */
#include "fetch_sessions.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "base/check.h"
#include "base/mutex.h"

enum {
    PARTITIONS_MAX = 200000, /* of all sessions together */
    KEY_MAX = 256 + 4,
};
static const int64_t IDLE_NS = INT64_C(120) * 1000000000;

struct fetch_sessions {
    const struct env *env;
    int slots;
    atomic_size_t partitions;
    struct mutex lock; /* RANK_LEAF */
    struct map by_id;
    struct list by_use;
};

static struct view id_key(const int32_t *id) { return view_of(id, sizeof *id); }

/* Topic and index as bytes; false: no topic has such a name. */
static bool partition_key(const struct fetch_want *want, uint8_t out[KEY_MAX], struct view *key)
{
    struct view topic = want->topic;
    if (!topic.data) topic = view_of(want->topic_id.bytes, sizeof want->topic_id.bytes);
    if (topic.len + 4 > KEY_MAX) return false;
    be32_put(out, (uint32_t)want->index);
    if (topic.len) memcpy(out + 4, topic.data, topic.len);
    *key = view_of(out, topic.len + 4);
    return true;
}

static void session_free(struct fetch_sessions *sessions, struct fetch_session *session)
{
    LIST_EACH_SAFE (link, &session->partitions) {
        free(CONTAINER_OF(link, struct session_partition, link));
    }
    atomic_fetch_sub(&sessions->partitions, session->count);
    map_release(&session->by_key);
    free(session);
}

struct fetch_sessions *fetch_sessions_new(int slots, const struct env *env)
{
    struct fetch_sessions *sessions = calloc(1, sizeof *sessions);
    if (!sessions) return NULL;
    sessions->env = env;
    sessions->slots = slots;
    mutex_init(&sessions->lock, RANK_LEAF);
    list_init(&sessions->by_use);
    return sessions;
}

void fetch_sessions_free(struct fetch_sessions *sessions)
{
    if (!sessions) return;
    LIST_EACH_SAFE (link, &sessions->by_use) {
        session_free(sessions, CONTAINER_OF(link, struct fetch_session, link));
    }
    map_release(&sessions->by_id);
    mutex_destroy(&sessions->lock);
    free(sessions);
}

size_t fetch_sessions_count(struct fetch_sessions *sessions)
{
    mutex_lock(&sessions->lock);
    size_t count = sessions->by_id.count;
    mutex_unlock(&sessions->lock);
    return count;
}

/* ---- the cache ---- */

/* Out of map and list; the lock is held. */
static void unlink_session(struct fetch_sessions *sessions, struct fetch_session *session)
{
    map_remove(&sessions->by_id, id_key(&session->id));
    list_remove(&session->link);
}

/* Makes a slot free; what has to be freed is in *evicted. The lock is held. */
static bool find_slot(struct fetch_sessions *sessions, int64_t now, struct fetch_session **evicted)
{
    if ((int)sessions->by_id.count < sessions->slots) return true;
    LIST_EACH (link, &sessions->by_use) {
        struct fetch_session *session = CONTAINER_OF(link, struct fetch_session, link);
        if (now - session->used_ns < IDLE_NS) return false;
        if (session->is_busy) continue;
        unlink_session(sessions, session);
        *evicted = session;
        return true;
    }
    return false;
}

static int32_t new_id(struct fetch_sessions *sessions)
{
    for (;;) {
        int32_t id;
        sessions->env->random->fill(sessions->env->random, &id, sizeof id);
        id &= INT32_MAX;
        if (id != FETCH_SESSION_NONE && !map_get(&sessions->by_id, id_key(&id))) return id;
    }
}

struct fetch_session *fetch_sessions_create(struct fetch_sessions *sessions, bool uses_ids)
{
    int64_t now = env_mono_ns(sessions->env);
    struct fetch_session *evicted = NULL, *session = calloc(1, sizeof *session);
    if (!session) return NULL;
    list_init(&session->partitions);
    list_init(&session->link);
    session->epoch = FETCH_EPOCH_INITIAL + 1;
    session->uses_ids = uses_ids;
    session->used_ns = now;
    session->is_busy = true;
    mutex_lock(&sessions->lock);
    bool has_slot = find_slot(sessions, now, &evicted);
    if (has_slot) {
        session->id = new_id(sessions);
        has_slot = map_put(&sessions->by_id, id_key(&session->id), session, NULL) == OK;
    }
    if (has_slot) list_push_back(&sessions->by_use, &session->link);
    mutex_unlock(&sessions->lock);
    if (evicted) session_free(sessions, evicted);
    if (has_slot) return session;
    session_free(sessions, session);
    return NULL;
}

static int32_t next_epoch(int32_t epoch) { return epoch == INT32_MAX ? 1 : epoch + 1; }

enum kafka_error fetch_sessions_acquire(struct fetch_sessions *sessions, int32_t id, int32_t epoch,
                                        bool uses_ids, struct fetch_session **out)
{
    enum kafka_error error = KAFKA_ERR_NONE;
    int64_t now = env_mono_ns(sessions->env);
    mutex_lock(&sessions->lock);
    struct fetch_session *session = map_get(&sessions->by_id, id_key(&id));
    if (!session || session->is_doomed)
        error = KAFKA_ERR_FETCH_SESSION_ID_NOT_FOUND;
    else if (session->is_busy || session->epoch != epoch)
        error = KAFKA_ERR_INVALID_FETCH_SESSION_EPOCH;
    else if (session->uses_ids != uses_ids)
        error = KAFKA_ERR_FETCH_SESSION_TOPIC_ID_ERROR;
    if (!error) {
        session->epoch = next_epoch(epoch);
        session->is_busy = true;
        session->used_ns = now;
        list_remove(&session->link);
        list_push_back(&sessions->by_use, &session->link);
        *out = session;
    }
    mutex_unlock(&sessions->lock);
    return error;
}

bool fetch_sessions_release(struct fetch_sessions *sessions, struct fetch_session *session)
{
    mutex_lock(&sessions->lock);
    CHECK(session->is_busy);
    session->is_busy = false;
    bool is_over = session->is_doomed || session->count == 0;
    if (is_over) unlink_session(sessions, session);
    mutex_unlock(&sessions->lock);
    if (is_over) session_free(sessions, session);
    return !is_over;
}

void fetch_sessions_close(struct fetch_sessions *sessions, int32_t id)
{
    mutex_lock(&sessions->lock);
    struct fetch_session *session = map_get(&sessions->by_id, id_key(&id));
    if (session && session->is_busy) {
        session->is_doomed = true; /* its user frees it */
        session = NULL;
    }
    if (session) unlink_session(sessions, session);
    mutex_unlock(&sessions->lock);
    if (session) session_free(sessions, session);
}

/* ---- one session ---- */

static struct session_partition *add(struct fetch_sessions *sessions, struct fetch_session *session,
                                     const struct fetch_want *want, struct view key)
{
    if (atomic_fetch_add(&sessions->partitions, 1) >= PARTITIONS_MAX) {
        atomic_fetch_sub(&sessions->partitions, 1);
        return NULL;
    }
    struct session_partition *p = calloc(1, sizeof *p + want->topic.len + 1);
    if (!p || map_put(&session->by_key, key, p, NULL) != OK) {
        free(p);
        atomic_fetch_sub(&sessions->partitions, 1);
        return NULL;
    }
    if (want->topic.len) memcpy(p->name, want->topic.data, want->topic.len);
    p->told = (struct fetch_told){-1, -1, -1};
    list_push_back(&session->partitions, &p->link);
    session->count++;
    return p;
}

struct session_partition *fetch_session_set(struct fetch_sessions *sessions,
                                            struct fetch_session *session,
                                            const struct fetch_want *want)
{
    uint8_t bytes[KEY_MAX];
    struct view key;
    if (!partition_key(want, bytes, &key)) return NULL;
    struct session_partition *p = map_get(&session->by_key, key);
    if (!p) p = add(sessions, session, want, key);
    if (!p) return NULL;
    p->want = *want;
    if (want->topic.data) p->want.topic = view_of(p->name, want->topic.len);
    return p;
}

void fetch_session_forget(struct fetch_sessions *sessions, struct fetch_session *session,
                          const struct fetch_want *want)
{
    uint8_t bytes[KEY_MAX];
    struct view key;
    if (!partition_key(want, bytes, &key)) return;
    struct session_partition *p = map_remove(&session->by_key, key);
    if (!p) return;
    list_remove(&p->link);
    free(p);
    session->count--;
    atomic_fetch_sub(&sessions->partitions, 1);
}

void fetch_session_rotate(struct fetch_session *session, struct session_partition *partition)
{
    list_remove(&partition->link);
    list_push_back(&session->partitions, &partition->link);
}
