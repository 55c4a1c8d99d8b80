/* Fetch, its sessions, ListOffsets and OffsetForLeaderEpoch over the wire. */
#include "fixture.h"

#include <stdlib.h>
#include <string.h>

#include "fetch_sessions.h"

struct test {
    struct test_broker *tb;
    struct test_client c;
    struct test_client other;
};

static int setup(void **state)
{
    struct test *t = calloc(1, sizeof *t);
    t->tb = test_broker_new(NULL);
    test_client_open(&t->c, t->tb);
    test_client_open(&t->other, t->tb);
    test_create_topic(&t->c, "t", 3, NULL);
    *state = t;
    return 0;
}

static int teardown(void **state)
{
    struct test *t = *state;
    test_client_close(&t->c);
    test_client_close(&t->other);
    test_broker_free(t->tb);
    free(t);
    return 0;
}

/* A request for the first `count` partitions of "t". */
struct sent {
    struct fetch_request request;
    struct fetch_request_topic topic;
    struct fetch_request_partition partitions[4];
    struct fetch_request_forgotten_topic forgotten;
    int32_t forgotten_index;
};

static void make(struct sent *s, int32_t count, int32_t max_wait_ms)
{
    CODEC_DEFAULT(fetch_request, &s->request);
    CODEC_DEFAULT(fetch_request_topic, &s->topic);
    for (int32_t i = 0; i < count; i++) {
        CODEC_DEFAULT(fetch_request_partition, &s->partitions[i]);
        s->partitions[i].partition = i;
        s->partitions[i].partition_max_bytes = 1 << 20;
    }
    s->topic.topic = view_str("t");
    s->topic.partitions = s->partitions;
    s->topic.partitions_count = count;
    s->request.topics = &s->topic;
    s->request.topics_count = count ? 1 : 0;
    s->request.max_wait_ms = max_wait_ms;
    s->request.min_bytes = 1;
    s->request.max_bytes = 50 << 20;
}

static const struct fetch_response_partition *partition_of(const struct fetch_response *r,
                                                           int32_t index)
{
    for (int32_t i = 0; i < r->responses_count; i++)
        for (int32_t k = 0; k < r->responses[i].partitions_count; k++)
            if (r->responses[i].partitions[k].partition_index == index)
                return &r->responses[i].partitions[k];
    return NULL;
}

static int32_t partition_total(const struct fetch_response *r)
{
    int32_t total = 0;
    for (int32_t i = 0; i < r->responses_count; i++) total += r->responses[i].partitions_count;
    return total;
}

static struct uuid topic_id(struct test *t)
{
    struct partition *p = partition_table_find(t->tb->broker->partitions, view_str("t"), 0);
    struct uuid id = partition_topic_id(p);
    partition_unref(p);
    return id;
}

/* ---- plain ---- */

static void fetch__every_version__gives_what_was_written(void **state)
{
    struct test *t = *state;
    struct view batch = test_batch(4, CODEC_NONE);
    assert_int_equal(test_produce(&t->c, "t", 1, batch, 1).error, 0);
    for (int version = 4; version <= 18; version++) {
        struct sent s;
        struct fetch_response response;
        make(&s, 3, 0);
        s.topic.topic_id = topic_id(t);
        CALL(&t->c, fetch, FETCH, version, &s.request, &response);
        assert_int_equal(response.error_code, 0);
        assert_int_equal(partition_total(&response), 3);
        const struct fetch_response_partition *p = partition_of(&response, 1);
        assert_int_equal(p->error_code, 0);
        assert_int_equal(p->high_watermark, 4);
        assert_int_equal(p->last_stable_offset, 4);
        assert_int_equal(p->records.data.len, batch.len);
        /* Base offset and leader epoch are the broker's; all else is as it was sent. */
        assert_memory_equal(p->records.data.data + BATCH_MAGIC, batch.data + BATCH_MAGIC,
                            batch.len - BATCH_MAGIC);
        assert_int_equal(partition_of(&response, 0)->records.data.len, 0);
        assert_int_equal(partition_of(&response, 0)->high_watermark, 0);
    }
    free((void *)batch.data);
}

static void fetch__outside_or_unknown__exact_error(void **state)
{
    struct test *t = *state;
    struct sent s;
    struct fetch_response response;
    make(&s, 4, 5000);
    s.partitions[0].fetch_offset = 1;
    s.partitions[1].fetch_offset = -7;
    s.partitions[2].current_leader_epoch = 99;
    CALL(&t->c, fetch, FETCH, 11, &s.request, &response); /* errors do not wait */
    assert_int_equal(partition_of(&response, 0)->error_code, KAFKA_ERR_OFFSET_OUT_OF_RANGE);
    assert_int_equal(partition_of(&response, 0)->high_watermark, -1);
    assert_int_equal(partition_of(&response, 1)->error_code, KAFKA_ERR_OFFSET_OUT_OF_RANGE);
    assert_int_equal(partition_of(&response, 2)->error_code, KAFKA_ERR_UNKNOWN_LEADER_EPOCH);
    assert_int_equal(partition_of(&response, 3)->error_code, KAFKA_ERR_UNKNOWN_TOPIC_OR_PARTITION);
    make(&s, 1, 5000);
    s.topic.topic_id = (struct uuid){{1, 2, 3}};
    CALL(&t->c, fetch, FETCH, 13, &s.request, &response);
    assert_int_equal(partition_of(&response, 0)->error_code, KAFKA_ERR_UNKNOWN_TOPIC_ID);
}

static void fetch__limits__first_batch_whole_and_no_more(void **state)
{
    struct test *t = *state;
    for (int i = 0; i < 10; i++) test_produce_some(&t->c, "t", 0, 100);
    for (int i = 0; i < 10; i++) test_produce_some(&t->c, "t", 1, 100);
    struct sent s;
    struct fetch_response response;
    make(&s, 2, 0);
    s.request.max_bytes = 1;
    CALL(&t->c, fetch, FETCH, 11, &s.request, &response);
    size_t first = partition_of(&response, 0)->records.data.len;
    assert_true(first > 100);
    assert_int_equal(batch_size_peek(partition_of(&response, 0)->records.data), first);
    assert_int_equal(partition_of(&response, 1)->records.data.len, 0);
    assert_int_equal(partition_of(&response, 1)->high_watermark, 1000);
    make(&s, 2, 0);
    s.partitions[0].partition_max_bytes = 1;
    CALL(&t->c, fetch, FETCH, 11, &s.request, &response);
    assert_int_equal(partition_of(&response, 0)->records.data.len, first);
    assert_true(partition_of(&response, 1)->records.data.len > first);
    make(&s, 2, 0);
    s.request.max_bytes = (int32_t)(3 * first + 10);
    CALL(&t->c, fetch, FETCH, 11, &s.request, &response);
    assert_true(partition_of(&response, 0)->records.data.len <= 3 * first + 10);
}

static void fetch__diverging_epoch__is_told(void **state)
{
    struct test *t = *state;
    test_produce_some(&t->c, "t", 0, 3);
    struct sent s;
    struct fetch_response response;
    make(&s, 1, 5000);
    s.topic.topic_id = topic_id(t);
    s.partitions[0].fetch_offset = 3;
    s.partitions[0].last_fetched_epoch = 0;
    s.request.max_wait_ms = 0;
    CALL(&t->c, fetch, FETCH, 12, &s.request, &response);
    assert_int_equal(partition_of(&response, 0)->error_code, 0);
    assert_int_equal(partition_of(&response, 0)->diverging_epoch.epoch, -1);
    s.partitions[0].fetch_offset = 9; /* more than epoch 0 has */
    CALL(&t->c, fetch, FETCH, 12, &s.request, &response);
    assert_int_equal(partition_of(&response, 0)->error_code, 0);
    assert_int_equal(partition_of(&response, 0)->diverging_epoch.epoch, 0);
    assert_int_equal(partition_of(&response, 0)->diverging_epoch.end_offset, 3);
}

/* ---- waiting ---- */

static void fetch__nothing_there__waits_for_a_write(void **state)
{
    struct test *t = *state;
    struct sent s;
    struct fetch_response response;
    make(&s, 3, 9000);
    int32_t correlation = test_client_send(&t->c, API_FETCH, 11, &s.request);
    assert_true(test_client_is_silent(&t->c, 150));
    test_produce_some(&t->other, "t", 2, 1);
    test_client_receive(&t->c, API_FETCH, 11, correlation, &response);
    assert_true(partition_of(&response, 2)->records.data.len > 0);
    assert_int_equal(partition_of(&response, 2)->high_watermark, 1);
}

static void fetch__too_little__waits_for_more(void **state)
{
    struct test *t = *state;
    struct sent s;
    struct fetch_response response;
    make(&s, 2, 9000);
    s.request.min_bytes = 400;
    int32_t correlation = test_client_send(&t->c, API_FETCH, 4, &s.request);
    for (int i = 0; i < 20 && test_client_is_silent(&t->c, 20); i++)
        test_produce_some(&t->other, "t", i % 2, 1);
    test_client_receive(&t->c, API_FETCH, 4, correlation, &response);
    assert_true(partition_of(&response, 0)->records.data.len +
                    partition_of(&response, 1)->records.data.len >=
                400);
}

static void fetch__nothing_comes__is_answered_in_time(void **state)
{
    struct test *t = *state;
    struct sent s;
    struct fetch_response response;
    make(&s, 3, 200);
    int64_t begun = env_mono_ns(env_real());
    CALL(&t->c, fetch, FETCH, 11, &s.request, &response);
    int64_t ms = (env_mono_ns(env_real()) - begun) / 1000000;
    assert_true(ms >= 190 && ms < 5000);
    assert_int_equal(partition_total(&response), 3);
}

static void fetch__topic_deleted_while_waiting__is_told(void **state)
{
    struct test *t = *state;
    struct sent s;
    struct fetch_response response;
    make(&s, 1, 9000);
    int32_t correlation = test_client_send(&t->c, API_FETCH, 11, &s.request);
    assert_true(test_client_is_silent(&t->c, 100));
    struct delete_topics_request del;
    struct delete_topics_response deleted;
    struct view name = view_str("t");
    CODEC_DEFAULT(delete_topics_request, &del);
    del.topic_names = &name;
    del.topic_names_count = 1;
    del.timeout_ms = 5000;
    CALL(&t->other, delete_topics, DELETE_TOPICS, 1, &del, &deleted);
    assert_int_equal(deleted.responses[0].error_code, 0);
    test_client_receive(&t->c, API_FETCH, 11, correlation, &response);
    int16_t error = partition_of(&response, 0)->error_code;
    assert_true(error == KAFKA_ERR_UNKNOWN_TOPIC_OR_PARTITION ||
                error == KAFKA_ERR_NOT_LEADER_OR_FOLLOWER);
}

static void fetch__connection_closed_while_waiting__nothing_is_left(void **state)
{
    struct test *t = *state;
    for (int i = 0; i < 50; i++) {
        struct test_client c;
        struct sent s;
        test_client_open(&c, t->tb);
        make(&s, 2, 9000);
        s.partitions[0].partition = 2; /* nothing is written to 1 and 2 */
        test_client_send(&c, API_FETCH, 11, &s.request);
        if (i % 2) assert_true(test_client_is_silent(&c, 5));
        test_client_close(&c);
        if (i % 5 == 0) test_produce_some(&t->other, "t", 0, 1);
    }
}

static void stop__with_waiting_fetches__ends_in_time(void **state)
{
    struct test *t = *state;
    struct sent s;
    make(&s, 3, 60000);
    test_client_send(&t->c, API_FETCH, 11, &s.request);
    assert_true(test_client_is_silent(&t->c, 50));
    int64_t begun = env_mono_ns(env_real());
    test_broker_restart(t->tb);
    assert_true(env_mono_ns(env_real()) - begun < INT64_C(8000000000));
}

/* ---- sessions ---- */

static void session__incremental__tells_only_news(void **state)
{
    struct test *t = *state;
    struct sent s;
    struct fetch_response r;
    make(&s, 3, 0);
    s.request.session_epoch = FETCH_EPOCH_INITIAL;
    CALL(&t->c, fetch, FETCH, 11, &s.request, &r);
    int32_t id = r.session_id;
    assert_true(id > 0);
    assert_int_equal(partition_total(&r), 3);

    make(&s, 0, 0);
    s.request.session_id = id;
    s.request.session_epoch = 1;
    CALL(&t->c, fetch, FETCH, 11, &s.request, &r);
    assert_int_equal(r.error_code, 0);
    assert_int_equal(r.session_id, id);
    assert_int_equal(partition_total(&r), 0);

    test_produce_some(&t->other, "t", 1, 2);
    s.request.session_epoch = 2;
    CALL(&t->c, fetch, FETCH, 11, &s.request, &r);
    assert_int_equal(partition_total(&r), 1);
    assert_true(partition_of(&r, 1)->records.data.len > 0);

    /* The client moves on: the new offset replaces the old one. */
    make(&s, 2, 0);
    s.partitions[0].partition = 1;
    s.partitions[0].fetch_offset = 2;
    s.topic.partitions_count = 1;
    s.request.session_id = id;
    s.request.session_epoch = 3;
    CALL(&t->c, fetch, FETCH, 11, &s.request, &r);
    assert_int_equal(partition_total(&r), 0);
}

static void session__forgotten_partition__is_not_told(void **state)
{
    struct test *t = *state;
    struct sent s;
    struct fetch_response r;
    make(&s, 2, 0);
    s.request.session_epoch = FETCH_EPOCH_INITIAL;
    CALL(&t->c, fetch, FETCH, 11, &s.request, &r);
    int32_t id = r.session_id;
    make(&s, 0, 0);
    CODEC_DEFAULT(fetch_request_forgotten_topic, &s.forgotten);
    s.forgotten.topic = view_str("t");
    s.forgotten_index = 0;
    s.forgotten.partitions = &s.forgotten_index;
    s.forgotten.partitions_count = 1;
    s.request.forgotten_topics_data = &s.forgotten;
    s.request.forgotten_topics_data_count = 1;
    s.request.session_id = id;
    s.request.session_epoch = 1;
    test_produce_some(&t->other, "t", 0, 1);
    test_produce_some(&t->other, "t", 1, 1);
    CALL(&t->c, fetch, FETCH, 11, &s.request, &r);
    assert_int_equal(partition_total(&r), 1);
    assert_non_null(partition_of(&r, 1));
    /* Without its last partition the session ends. */
    s.forgotten_index = 1;
    s.request.session_epoch = 2;
    CALL(&t->c, fetch, FETCH, 11, &s.request, &r);
    assert_int_equal(r.session_id, 0);
    assert_int_equal(fetch_sessions_count(t->tb->broker->sessions), 0);
}

static void session__wrong_id_or_epoch__is_told(void **state)
{
    struct test *t = *state;
    struct sent s;
    struct fetch_response r;
    make(&s, 1, 0);
    s.request.session_id = 12345;
    s.request.session_epoch = 1;
    CALL(&t->c, fetch, FETCH, 11, &s.request, &r);
    assert_int_equal(r.error_code, KAFKA_ERR_FETCH_SESSION_ID_NOT_FOUND);
    s.request.session_id = 0;
    s.request.session_epoch = FETCH_EPOCH_INITIAL;
    CALL(&t->c, fetch, FETCH, 11, &s.request, &r);
    int32_t id = r.session_id;
    s.request.session_id = id;
    s.request.session_epoch = 5;
    CALL(&t->c, fetch, FETCH, 11, &s.request, &r);
    assert_int_equal(r.error_code, KAFKA_ERR_INVALID_FETCH_SESSION_EPOCH);
    s.request.session_epoch = 1;
    s.topic.topic_id = topic_id(t);
    CALL(&t->c, fetch, FETCH, 13, &s.request, &r);
    assert_int_equal(r.error_code, KAFKA_ERR_FETCH_SESSION_TOPIC_ID_ERROR);
    s.request.session_epoch = FETCH_EPOCH_FINAL;
    CALL(&t->c, fetch, FETCH, 11, &s.request, &r);
    assert_int_equal(r.session_id, 0);
    assert_int_equal(partition_total(&r), 1);
    assert_int_equal(fetch_sessions_count(t->tb->broker->sessions), 0);
}

static void session__with_topic_ids__works_alike(void **state)
{
    struct test *t = *state;
    struct sent s;
    struct fetch_response r;
    make(&s, 3, 0);
    s.topic.topic_id = topic_id(t);
    s.request.session_epoch = FETCH_EPOCH_INITIAL;
    CALL(&t->c, fetch, FETCH, 16, &s.request, &r);
    int32_t id = r.session_id;
    test_produce_some(&t->other, "t", 2, 2);
    make(&s, 0, 9000);
    s.request.session_id = id;
    s.request.session_epoch = 1;
    CALL(&t->c, fetch, FETCH, 16, &s.request, &r);
    assert_int_equal(partition_total(&r), 1);
    assert_true(uuid_eq(r.responses[0].topic_id, topic_id(t)));
    assert_true(partition_of(&r, 2)->records.data.len > 0);
}

/* ---- ListOffsets, OffsetForLeaderEpoch ---- */

static struct list_offsets_response_partition list_offset(struct test *t, int version,
                                                          int64_t timestamp)
{
    struct list_offsets_request request;
    struct list_offsets_request_topic topic;
    struct list_offsets_request_partition partition;
    struct list_offsets_response response;
    CODEC_DEFAULT(list_offsets_request, &request);
    CODEC_DEFAULT(list_offsets_request_topic, &topic);
    CODEC_DEFAULT(list_offsets_request_partition, &partition);
    partition.timestamp = timestamp;
    topic.name = view_str("t");
    topic.partitions = &partition;
    topic.partitions_count = 1;
    request.topics = &topic;
    request.topics_count = 1;
    CALL(&t->c, list_offsets, LIST_OFFSETS, version, &request, &response);
    assert_int_equal(response.topics_count, 1);
    return response.topics[0].partitions[0];
}

static void list_offsets__every_version__same_answers(void **state)
{
    struct test *t = *state;
    int64_t before = env_wall_ms(env_real());
    for (int i = 0; i < 5; i++) test_produce_some(&t->c, "t", 0, 3);
    for (int version = 1; version <= 11; version++) {
        assert_int_equal(list_offset(t, version, -1).offset, 15);
        assert_int_equal(list_offset(t, version, -2).offset, 0);
        assert_int_equal(list_offset(t, version, before).offset, 0);
        assert_true(list_offset(t, version, before).timestamp >= before);
        assert_int_equal(list_offset(t, version, before + 100000000).offset, -1);
        assert_int_equal(list_offset(t, version, before).error_code, 0);
    }
    /* The last of some batch: they may all be of one millisecond. */
    assert_int_equal(list_offset(t, 7, -3).offset % 3, 2);
    assert_int_equal(list_offset(t, 8, -4).offset, 0);
    assert_int_equal(list_offset(t, 9, -5).offset, -1);
    assert_int_equal(list_offset(t, 9, -9).error_code, KAFKA_ERR_UNSUPPORTED_VERSION);
}

static void list_offsets__version_0__old_lists(void **state)
{
    struct test *t = *state;
    test_produce_some(&t->c, "t", 0, 3);
    struct list_offsets_response_partition got = list_offset(t, 0, -1);
    assert_int_equal(got.old_style_offsets_count, 1);
    assert_int_equal(got.old_style_offsets[0], 3);
    got = list_offset(t, 0, -2);
    assert_int_equal(got.old_style_offsets[0], 0);
}

static void offset_for_leader_epoch__known_and_unknown(void **state)
{
    struct test *t = *state;
    test_produce_some(&t->c, "t", 0, 3);
    struct offset_for_leader_epoch_request request;
    struct offset_for_leader_epoch_request_topic topic;
    struct offset_for_leader_epoch_request_partition partitions[2];
    CODEC_DEFAULT(offset_for_leader_epoch_request, &request);
    CODEC_DEFAULT(offset_for_leader_epoch_request_topic, &topic);
    for (int i = 0; i < 2; i++)
        CODEC_DEFAULT(offset_for_leader_epoch_request_partition, &partitions[i]);
    partitions[0].leader_epoch = 0;
    partitions[1].leader_epoch = 44;
    topic.topic = view_str("t");
    topic.partitions = partitions;
    topic.partitions_count = 2;
    request.topics = &topic;
    request.topics_count = 1;
    for (int version = 0; version <= 4; version++) {
        struct offset_for_leader_epoch_response response;
        CALL(&t->c, offset_for_leader_epoch, OFFSET_FOR_LEADER_EPOCH, version, &request, &response);
        const struct offset_for_leader_epoch_response_partition *got =
            response.topics[0].partitions;
        assert_int_equal(got[0].error_code, 0);
        assert_int_equal(got[0].end_offset, 3);
        assert_int_equal(got[1].error_code, 0);
        assert_int_equal(got[1].end_offset, -1);
    }
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(fetch__every_version__gives_what_was_written),
        CASE(fetch__outside_or_unknown__exact_error),
        CASE(fetch__limits__first_batch_whole_and_no_more),
        CASE(fetch__diverging_epoch__is_told),
        CASE(fetch__nothing_there__waits_for_a_write),
        CASE(fetch__too_little__waits_for_more),
        CASE(fetch__nothing_comes__is_answered_in_time),
        CASE(fetch__topic_deleted_while_waiting__is_told),
        CASE(fetch__connection_closed_while_waiting__nothing_is_left),
        CASE(stop__with_waiting_fetches__ends_in_time),
        CASE(session__incremental__tells_only_news),
        CASE(session__forgotten_partition__is_not_told),
        CASE(session__wrong_id_or_epoch__is_told),
        CASE(session__with_topic_ids__works_alike),
        CASE(list_offsets__every_version__same_answers),
        CASE(list_offsets__version_0__old_lists),
        CASE(offset_for_leader_epoch__known_and_unknown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
