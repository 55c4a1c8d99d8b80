/* The session cache by itself, under a clock that the test moves (KIP-227). */
#include "fetch_sessions.h"
#include "fixture.h"

#include <stdio.h>

static int64_t now_ns;

static int64_t mono(const struct clock *clock)
{
    (void)clock;
    return now_ns;
}

static const struct clock clock_by_hand = {.mono_ns = mono};
static struct env env;
static const int64_t MINUTE_NS = INT64_C(60) * 1000000000;

static int setup(void **state)
{
    env = *env_real();
    env.clock = &clock_by_hand;
    now_ns = MINUTE_NS;
    *state = fetch_sessions_new(3, &env);
    return *state ? 0 : -1;
}

static int teardown(void **state)
{
    fetch_sessions_free(*state);
    return 0;
}

static struct fetch_want want(const char *topic, int32_t index)
{
    return (struct fetch_want){.topic = view_str(topic), .index = index, .max_bytes = 100};
}

/* A session with one partition, given back; its id. */
static int32_t make(struct fetch_sessions *sessions)
{
    struct fetch_session *session = fetch_sessions_create(sessions, false);
    if (!session) return 0;
    struct fetch_want w = want("t", 0);
    assert_non_null(fetch_session_set(sessions, session, &w));
    int32_t id = session->id;
    assert_true(fetch_sessions_release(sessions, session));
    return id;
}

static enum kafka_error acquire(struct fetch_sessions *sessions, int32_t id, int32_t epoch)
{
    struct fetch_session *session;
    enum kafka_error error = fetch_sessions_acquire(sessions, id, epoch, false, &session);
    if (!error) fetch_sessions_release(sessions, session);
    return error;
}

static void acquire__epochs__have_to_follow(void **state)
{
    int32_t id = make(*state);
    assert_true(id > 0);
    assert_int_equal(acquire(*state, id, 1), KAFKA_ERR_NONE);
    assert_int_equal(acquire(*state, id, 1), KAFKA_ERR_INVALID_FETCH_SESSION_EPOCH);
    assert_int_equal(acquire(*state, id, 3), KAFKA_ERR_INVALID_FETCH_SESSION_EPOCH);
    assert_int_equal(acquire(*state, id, 2), KAFKA_ERR_NONE);
    assert_int_equal(acquire(*state, id + 1, 1), KAFKA_ERR_FETCH_SESSION_ID_NOT_FOUND);
    assert_int_equal(acquire(*state, 0, 1), KAFKA_ERR_FETCH_SESSION_ID_NOT_FOUND);
}

static void acquire__last_epoch__is_followed_by_one(void **state)
{
    struct fetch_sessions *sessions = *state;
    struct fetch_session *session = fetch_sessions_create(sessions, false);
    struct fetch_want w = want("t", 0);
    assert_non_null(fetch_session_set(sessions, session, &w));
    session->epoch = INT32_MAX;
    int32_t id = session->id;
    fetch_sessions_release(sessions, session);
    assert_int_equal(acquire(sessions, id, INT32_MAX), KAFKA_ERR_NONE);
    assert_int_equal(acquire(sessions, id, 1), KAFKA_ERR_NONE);
}

static void acquire__in_use__is_refused(void **state)
{
    struct fetch_sessions *sessions = *state;
    int32_t id = make(sessions);
    struct fetch_session *session;
    assert_int_equal(fetch_sessions_acquire(sessions, id, 1, false, &session), KAFKA_ERR_NONE);
    assert_int_equal(acquire(sessions, id, 2), KAFKA_ERR_INVALID_FETCH_SESSION_EPOCH);
    fetch_sessions_release(sessions, session);
    assert_int_equal(acquire(sessions, id, 2), KAFKA_ERR_NONE);
}

static void acquire__names_instead_of_ids__is_told(void **state)
{
    struct fetch_sessions *sessions = *state;
    int32_t id = make(sessions);
    struct fetch_session *session;
    assert_int_equal(fetch_sessions_acquire(sessions, id, 1, true, &session),
                     KAFKA_ERR_FETCH_SESSION_TOPIC_ID_ERROR);
}

static void close__in_use__goes_with_its_user(void **state)
{
    struct fetch_sessions *sessions = *state;
    int32_t id = make(sessions);
    struct fetch_session *session;
    assert_int_equal(fetch_sessions_acquire(sessions, id, 1, false, &session), KAFKA_ERR_NONE);
    fetch_sessions_close(sessions, id);
    assert_int_equal(acquire(sessions, id, 2), KAFKA_ERR_FETCH_SESSION_ID_NOT_FOUND);
    assert_false(fetch_sessions_release(sessions, session));
    assert_int_equal(fetch_sessions_count(sessions), 0);
}

static void create__slots_used_up__only_idle_ones_give_way(void **state)
{
    struct fetch_sessions *sessions = *state;
    int32_t ids[3];
    for (int i = 0; i < 3; i++) {
        ids[i] = make(sessions);
        assert_true(ids[i] > 0);
        now_ns += MINUTE_NS / 2;
    }
    assert_int_equal(make(sessions), 0);
    /* Used now, the first one is no longer the one that was idle longest. */
    assert_int_equal(acquire(sessions, ids[0], 1), KAFKA_ERR_NONE);
    now_ns += MINUTE_NS;
    assert_true(make(sessions) > 0);
    assert_int_equal(acquire(sessions, ids[0], 2), KAFKA_ERR_NONE);
    assert_int_equal(acquire(sessions, ids[1], 1), KAFKA_ERR_FETCH_SESSION_ID_NOT_FOUND);
    assert_int_equal(fetch_sessions_count(sessions), 3);
}

static void release__without_partitions__is_gone(void **state)
{
    struct fetch_sessions *sessions = *state;
    struct fetch_session *session = fetch_sessions_create(sessions, false);
    struct fetch_want w = want("t", 0);
    fetch_session_set(sessions, session, &w);
    fetch_session_forget(sessions, session, &w);
    fetch_session_forget(sessions, session, &w);
    assert_false(fetch_sessions_release(sessions, session));
    assert_int_equal(fetch_sessions_count(sessions), 0);
}

static void set__same_partition__is_altered_in_place(void **state)
{
    struct fetch_sessions *sessions = *state;
    struct fetch_session *session = fetch_sessions_create(sessions, false);
    char name[] = "topic";
    struct fetch_want w = want(name, 4);
    struct session_partition *p = fetch_session_set(sessions, session, &w);
    p->told.high_watermark = 9;
    w.offset = 77;
    assert_ptr_equal(fetch_session_set(sessions, session, &w), p);
    assert_int_equal(p->want.offset, 77);
    assert_int_equal(p->told.high_watermark, 9);
    assert_int_equal(session->count, 1);
    name[0] = 'x'; /* the session has a copy */
    assert_memory_equal(p->want.topic.data, "topic", 5);
    fetch_sessions_release(sessions, session);
}

static void rotate__goes_to_the_end(void **state)
{
    struct fetch_sessions *sessions = *state;
    struct fetch_session *session = fetch_sessions_create(sessions, false);
    struct session_partition *p[3];
    for (int32_t i = 0; i < 3; i++) {
        struct fetch_want w = want("t", i);
        p[i] = fetch_session_set(sessions, session, &w);
    }
    fetch_session_rotate(session, p[0]);
    const int32_t order[] = {1, 2, 0};
    int n = 0;
    LIST_EACH (link, &session->partitions) {
        assert_int_equal(CONTAINER_OF(link, struct session_partition, link)->want.index,
                         order[n++]);
    }
    fetch_sessions_release(sessions, session);
}

static void set__too_many_partitions_of_all__is_refused(void **state)
{
    struct fetch_sessions *sessions = *state;
    struct fetch_session *session = fetch_sessions_create(sessions, true);
    int32_t n = 0;
    struct fetch_want w = {.topic_id = {{1}}};
    for (; n < 1000000; n++) {
        w.index = n;
        if (!fetch_session_set(sessions, session, &w)) break;
    }
    assert_true(n >= 100000 && n < 1000000);
    w.index = 0;
    fetch_session_forget(sessions, session, &w);
    w.index = n;
    assert_non_null(fetch_session_set(sessions, session, &w));
    fetch_sessions_release(sessions, session);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(acquire__epochs__have_to_follow),
        CASE(acquire__last_epoch__is_followed_by_one),
        CASE(acquire__in_use__is_refused),
        CASE(acquire__names_instead_of_ids__is_told),
        CASE(close__in_use__goes_with_its_user),
        CASE(create__slots_used_up__only_idle_ones_give_way),
        CASE(release__without_partitions__is_gone),
        CASE(set__same_partition__is_altered_in_place),
        CASE(rotate__goes_to_the_end),
        CASE(set__too_many_partitions_of_all__is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
