/* Produce and InitProducerId over the wire: what is refused and how, what is stored. */
#include "fixture.h"

#include <stdlib.h>
#include <string.h>

struct test {
    struct test_broker *tb;
    struct test_client c;
};

static int setup(void **state)
{
    struct test *t = calloc(1, sizeof *t);
    t->tb = test_broker_new(NULL);
    test_client_open(&t->c, t->tb);
    test_create_topic(&t->c, "t", 3, NULL);
    *state = t;
    return 0;
}

static int teardown(void **state)
{
    struct test *t = *state;
    test_client_close(&t->c);
    test_broker_free(t->tb);
    free(t);
    return 0;
}

/* The error of one batch; frees it. */
static int error_of(struct test *t, const char *topic, struct view batch)
{
    struct test_produced got = test_produce(&t->c, topic, 0, batch, 1);
    free((void *)batch.data);
    if (got.error) assert_int_equal(got.base_offset, -1);
    return got.error;
}

static koffset_t end_of(struct test *t, const char *topic, int32_t index)
{
    struct partition *p = partition_table_find(t->tb->broker->partitions, view_str(topic), index);
    assert_non_null(p);
    koffset_t end = partition_describe(p).log.end;
    partition_unref(p);
    return end;
}

static void produce__good_batches__offsets_follow(void **state)
{
    struct test *t = *state;
    assert_int_equal(test_produce_some(&t->c, "t", 0, 5), 0);
    assert_int_equal(test_produce_some(&t->c, "t", 0, 1), 5);
    assert_int_equal(test_produce_some(&t->c, "t", 1, 2), 0);
    assert_int_equal(end_of(t, "t", 0), 6);
    test_client_close(&t->c);
    test_broker_restart(t->tb);
    test_client_open(&t->c, t->tb);
    assert_int_equal(test_produce_some(&t->c, "t", 0, 1), 6);
}

static void produce__damaged_batch__exact_error_and_nothing_written(void **state)
{
    struct test *t = *state;
    struct view b = test_batch(2, CODEC_NONE);
    ((uint8_t *)b.data)[b.len - 1] ^= 1;
    assert_int_equal(error_of(t, "t", b), KAFKA_ERR_CORRUPT_MESSAGE);
    b = test_batch(2, CODEC_NONE);
    ((uint8_t *)b.data)[BATCH_MAGIC] = 1;
    assert_int_equal(error_of(t, "t", b), KAFKA_ERR_INVALID_RECORD);
    b = test_batch(2, CODEC_NONE);
    b.len -= 3;
    assert_int_equal(error_of(t, "t", b), KAFKA_ERR_INVALID_RECORD);
    assert_int_equal(error_of(t, "t", view_of(malloc(1), 0)), KAFKA_ERR_INVALID_RECORD);
    assert_int_equal(end_of(t, "t", 0), 0);
}

static void produce__over_the_limit_or_without_key__exact_error(void **state)
{
    struct test *t = *state;
    static const char *const small[] = {"max.message.bytes=200", NULL};
    static const char *const compacted[] = {"cleanup.policy=compact", NULL};
    test_create_topic(&t->c, "small", 1, small);
    test_create_topic(&t->c, "compacted", 1, compacted);
    assert_int_equal(error_of(t, "small", test_batch(1, CODEC_NONE)), 0);
    assert_int_equal(error_of(t, "small", test_batch(50, CODEC_NONE)), KAFKA_ERR_MESSAGE_TOO_LARGE);
    assert_int_equal(error_of(t, "compacted", test_batch(1, CODEC_NONE)), KAFKA_ERR_INVALID_RECORD);
    assert_int_equal(error_of(t, "compacted", test_batch(1, CODEC_LZ4)), KAFKA_ERR_INVALID_RECORD);
    assert_int_equal(error_of(t, "nowhere", test_batch(1, CODEC_NONE)),
                     KAFKA_ERR_UNKNOWN_TOPIC_OR_PARTITION);
}

/* A request of our own making, to several partitions. */
struct sent {
    struct produce_request request;
    struct produce_request_topic topic;
    struct produce_request_partition partitions[4];
};

static void make(struct sent *s, int16_t acks, const struct view *batches, int32_t count)
{
    CODEC_DEFAULT(produce_request, &s->request);
    CODEC_DEFAULT(produce_request_topic, &s->topic);
    for (int32_t i = 0; i < count; i++) {
        CODEC_DEFAULT(produce_request_partition, &s->partitions[i]);
        s->partitions[i].index = i;
        s->partitions[i].records.data = batches[i];
    }
    s->topic.name = view_str("t");
    s->topic.partition_data = s->partitions;
    s->topic.partition_data_count = count;
    s->request.acks = acks;
    s->request.timeout_ms = 5000;
    s->request.topic_data = &s->topic;
    s->request.topic_data_count = 1;
}

static void produce__one_bad_partition_of_four__others_unaffected(void **state)
{
    struct test *t = *state;
    struct view batches[4];
    for (int i = 0; i < 4; i++) batches[i] = test_batch(i + 1, CODEC_NONE);
    ((uint8_t *)batches[1].data)[BATCH_CRC] ^= 1;
    struct sent s;
    make(&s, -1, batches, 4);
    struct produce_response response;
    CALL(&t->c, produce, PRODUCE, 7, &s.request, &response);
    const struct produce_response_partition *got = response.responses[0].partition_responses;
    assert_int_equal(response.responses[0].partition_responses_count, 4);
    assert_int_equal(got[0].error_code, 0);
    assert_int_equal(got[1].error_code, KAFKA_ERR_CORRUPT_MESSAGE);
    assert_int_equal(got[2].error_code, 0);
    assert_int_equal(got[3].error_code, KAFKA_ERR_UNKNOWN_TOPIC_OR_PARTITION);
    assert_int_equal(end_of(t, "t", 0), 1);
    assert_int_equal(end_of(t, "t", 1), 0);
    assert_int_equal(end_of(t, "t", 2), 3);
    for (int i = 0; i < 4; i++) free((void *)batches[i].data);
}

static void produce__whole_request_wrong__every_partition_says_so(void **state)
{
    struct test *t = *state;
    struct view batch = test_batch(1, CODEC_NONE);
    struct sent s;
    struct produce_response response;
    make(&s, 2, &batch, 1);
    CALL(&t->c, produce, PRODUCE, 7, &s.request, &response);
    assert_int_equal(response.responses[0].partition_responses[0].error_code,
                     KAFKA_ERR_INVALID_REQUIRED_ACKS);
    make(&s, -1, &batch, 1);
    s.request.transactional_id = view_str("tx");
    CALL(&t->c, produce, PRODUCE, 7, &s.request, &response);
    assert_int_equal(response.responses[0].partition_responses[0].error_code,
                     KAFKA_ERR_TRANSACTIONAL_ID_AUTHORIZATION_FAILED);
    make(&s, -1, &batch, 1);
    CALL(&t->c, produce, PRODUCE, 2, &s.request, &response);
    assert_int_equal(response.responses[0].partition_responses[0].error_code,
                     KAFKA_ERR_UNSUPPORTED_FOR_MESSAGE_FORMAT);
    free((void *)batch.data);
    batch = test_batch(1, CODEC_ZSTD);
    make(&s, -1, &batch, 1);
    CALL(&t->c, produce, PRODUCE, 6, &s.request, &response);
    assert_int_equal(response.responses[0].partition_responses[0].error_code,
                     KAFKA_ERR_UNSUPPORTED_COMPRESSION_TYPE);
    free((void *)batch.data);
    assert_int_equal(end_of(t, "t", 0), 0);
}

static void produce__by_topic_id__is_found_or_unknown(void **state)
{
    struct test *t = *state;
    struct partition *p = partition_table_find(t->tb->broker->partitions, view_str("t"), 0);
    struct view batch = test_batch(1, CODEC_NONE);
    struct sent s;
    struct produce_response response;
    make(&s, -1, &batch, 1);
    s.topic.topic_id = partition_topic_id(p);
    partition_unref(p);
    CALL(&t->c, produce, PRODUCE, 13, &s.request, &response);
    assert_int_equal(response.responses[0].partition_responses[0].error_code, 0);
    assert_true(uuid_eq(response.responses[0].topic_id, s.topic.topic_id));
    s.topic.topic_id.bytes[3] ^= 1;
    CALL(&t->c, produce, PRODUCE, 13, &s.request, &response);
    assert_int_equal(response.responses[0].partition_responses[0].error_code,
                     KAFKA_ERR_UNKNOWN_TOPIC_ID);
    free((void *)batch.data);
}

static void produce__acks_0__no_answer_and_error_closes(void **state)
{
    struct test *t = *state;
    struct view batch = test_batch(1, CODEC_NONE);
    struct sent s;
    make(&s, 0, &batch, 1);
    test_client_send(&t->c, API_PRODUCE, 7, &s.request);
    struct api_versions_request ask;
    struct api_versions_response told;
    CODEC_DEFAULT(api_versions_request, &ask);
    CALL(&t->c, api_versions, API_VERSIONS, 0, &ask, &told); /* the first thing that comes */
    assert_int_equal(end_of(t, "t", 0), 1);
    s.partitions[0].index = 17;
    test_client_send(&t->c, API_PRODUCE, 7, &s.request);
    test_client_expect_close(&t->c);
    free((void *)batch.data);
}

/* ---- idempotence ---- */

static struct init_producer_id_response init_producer(struct test *t, const char *transactional_id)
{
    struct init_producer_id_request request;
    struct init_producer_id_response response;
    CODEC_DEFAULT(init_producer_id_request, &request);
    request.transactional_id = transactional_id ? view_str(transactional_id)
                                                : (struct view){NULL, 0};
    CALL(&t->c, init_producer_id, INIT_PRODUCER_ID, 4, &request, &response);
    return response;
}

static void init_producer_id__many__never_the_same_twice(void **state)
{
    struct test *t = *state;
    int64_t last = -1;
    for (int i = 0; i < 2500; i++) {
        struct init_producer_id_response got = init_producer(t, NULL);
        assert_int_equal(got.error_code, 0);
        assert_int_equal(got.producer_epoch, 0);
        assert_true(got.producer_id > last);
        last = got.producer_id;
    }
    test_client_close(&t->c);
    test_broker_restart(t->tb);
    test_client_open(&t->c, t->tb);
    assert_true(init_producer(t, NULL).producer_id > last);
    assert_int_equal(init_producer(t, "").error_code, KAFKA_ERR_INVALID_REQUEST);
    assert_int_equal(init_producer(t, "tx").error_code,
                     KAFKA_ERR_TRANSACTIONAL_ID_AUTHORIZATION_FAILED);
}

static void produce__sequences__duplicates_and_gaps(void **state)
{
    struct test *t = *state;
    int64_t id = init_producer(t, NULL).producer_id;
    struct view first = test_batch_of(2, id, 0, 0);
    for (int i = 0; i < 3; i++) { /* again and again: the old offset and no error */
        struct test_produced got = test_produce(&t->c, "t", 0, first, -1);
        assert_int_equal(got.error, 0);
        assert_int_equal(got.base_offset, 0);
    }
    free((void *)first.data);
    assert_int_equal(error_of(t, "t", test_batch_of(1, id, 0, 5)),
                     KAFKA_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER);
    assert_int_equal(error_of(t, "t", test_batch_of(1, id, 0, 2)), 0);
    assert_int_equal(error_of(t, "t", test_batch_of(1, id, 1, 0)), 0);
    assert_int_equal(error_of(t, "t", test_batch_of(1, id, 0, 3)),
                     KAFKA_ERR_INVALID_PRODUCER_EPOCH);
    assert_int_equal(end_of(t, "t", 0), 4);
}

/* ---- what the topic wants ---- */

static struct batch_header stored_header(struct test *t, const char *topic)
{
    struct partition *p = partition_table_find(t->tb->broker->partitions, view_str(topic), 0);
    struct partition_fetch fetch = {
        .current_leader_epoch = -1, .max_bytes = 1 << 20, .at_least_one = true};
    struct partition_fetched got;
    partition_read(p, &fetch, &got);
    assert_int_equal(got.err, OK);
    struct buf bytes = {0};
    assert_int_equal(log_read_bytes(partition_log(p), &got.slice, &bytes), OK);
    slice_release(&got.slice);
    partition_unref(p);
    struct batch_header header;
    assert_int_equal(batch_header_parse(buf_view(&bytes), &header), OK);
    assert_int_equal(batch_check_crc(view_of(bytes.data, header.size_bytes)), OK);
    buf_release(&bytes);
    return header;
}

static void produce__log_append_time__is_set_and_told(void **state)
{
    struct test *t = *state;
    static const char *const settings[] = {"message.timestamp.type=LogAppendTime", NULL};
    test_create_topic(&t->c, "lat", 1, settings);
    struct view batch = test_batch(3, CODEC_NONE);
    int64_t before = env_wall_ms(env_real());
    struct test_produced got = test_produce(&t->c, "lat", 0, batch, 1);
    free((void *)batch.data);
    assert_int_equal(got.error, 0);
    assert_true(got.log_append_time >= before);
    struct batch_header header = stored_header(t, "lat");
    assert_true(batch_is_log_append_time(&header));
    assert_int_equal(header.max_timestamp, got.log_append_time);
}

static void produce__topic_with_codec__is_recompressed_in_order(void **state)
{
    struct test *t = *state;
    static const char *const settings[] = {"compression.type=zstd", NULL};
    test_create_topic(&t->c, "z", 1, settings);
    /* Pipelined, with another topic in between: everything keeps its place. */
    struct view batches[6];
    int32_t correlations[6];
    for (int i = 0; i < 6; i++) {
        struct sent s;
        batches[i] = test_batch(i + 1, i % 2 ? CODEC_LZ4 : CODEC_NONE);
        make(&s, 1, &batches[i], 1);
        if (i != 3) s.topic.name = view_str("z");
        correlations[i] = test_client_send(&t->c, API_PRODUCE, 9, &s.request);
    }
    const int64_t offsets[] = {0, 1, 3, 0, 6, 11};
    for (int i = 0; i < 6; i++) {
        struct produce_response response;
        test_client_receive(&t->c, API_PRODUCE, 9, correlations[i], &response);
        const struct produce_response_partition *got = response.responses[0].partition_responses;
        assert_int_equal(got->error_code, 0);
        assert_int_equal(got->base_offset, offsets[i]);
        free((void *)batches[i].data);
    }
    struct batch_header header = stored_header(t, "z");
    assert_int_equal(batch_codec(&header), CODEC_ZSTD);
    struct view bad = test_batch(2, CODEC_NONE);
    ((uint8_t *)bad.data)[bad.len - 1] ^= 1;
    assert_int_equal(error_of(t, "z", bad), KAFKA_ERR_CORRUPT_MESSAGE);
}

/* A request is prepared twice when one of its batches has to be recompressed. */
static void produce__append_time_beside_recompression__both_are_taken(void **state)
{
    struct test *t = *state;
    static const char *const settings[] = {"compression.type=lz4",
                                           "message.timestamp.type=LogAppendTime", NULL};
    test_create_topic(&t->c, "both", 2, settings);
    struct view batches[2] = {test_batch(2, CODEC_LZ4), test_batch(3, CODEC_NONE)};
    struct sent s;
    make(&s, 1, batches, 2);
    s.topic.name = view_str("both");
    struct produce_response response;
    CALL(&t->c, produce, PRODUCE, 7, &s.request, &response);
    const struct produce_response_partition *got = response.responses[0].partition_responses;
    assert_int_equal(got[0].error_code, 0);
    assert_int_equal(got[1].error_code, 0);
    assert_int_equal(end_of(t, "both", 0), 2);
    assert_int_equal(end_of(t, "both", 1), 3);
    struct batch_header header = stored_header(t, "both");
    assert_true(batch_is_log_append_time(&header));
    assert_int_equal(header.max_timestamp, got[0].log_append_time_ms);
    for (int i = 0; i < 2; i++) free((void *)batches[i].data);
}

static void produce__min_insync_replicas__is_refused_before_writing(void **state)
{
    struct test *t = *state;
    static const char *const settings[] = {"min.insync.replicas=2", NULL};
    test_create_topic(&t->c, "two", 1, settings);
    struct view batch = test_batch(1, CODEC_NONE);
    assert_int_equal(test_produce(&t->c, "two", 0, batch, -1).error, KAFKA_ERR_NOT_ENOUGH_REPLICAS);
    assert_int_equal(end_of(t, "two", 0), 0);
    assert_int_equal(test_produce(&t->c, "two", 0, batch, 1).error, 0);
    free((void *)batch.data);
}

/* Many requests in one write: the broker gathers them, and rolls on the way. */
static void produce__pipelined_over_rolls__all_in_order(void **state)
{
    struct test *t = *state;
    static const char *const settings[] = {"segment.bytes=1048576", NULL};
    test_create_topic(&t->c, "rolls", 1, settings);
    enum { COUNT = 150 };
    struct view batch = test_batch(2000, CODEC_NONE);
    int32_t correlations[COUNT];
    for (int i = 0; i < COUNT; i++) {
        struct sent s;
        make(&s, i % 2 ? 1 : -1, &batch, 1);
        s.topic.name = view_str("rolls");
        correlations[i] = test_client_send(&t->c, API_PRODUCE, 7, &s.request);
    }
    for (int i = 0; i < COUNT; i++) {
        struct produce_response response;
        test_client_receive(&t->c, API_PRODUCE, 7, correlations[i], &response);
        const struct produce_response_partition *got = response.responses[0].partition_responses;
        assert_int_equal(got->error_code, 0);
        assert_int_equal(got->base_offset, i * 2000);
    }
    free((void *)batch.data);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(produce__good_batches__offsets_follow),
        CASE(produce__damaged_batch__exact_error_and_nothing_written),
        CASE(produce__over_the_limit_or_without_key__exact_error),
        CASE(produce__one_bad_partition_of_four__others_unaffected),
        CASE(produce__whole_request_wrong__every_partition_says_so),
        CASE(produce__by_topic_id__is_found_or_unknown),
        CASE(produce__acks_0__no_answer_and_error_closes),
        CASE(init_producer_id__many__never_the_same_twice),
        CASE(produce__sequences__duplicates_and_gaps),
        CASE(produce__log_append_time__is_set_and_told),
        CASE(produce__topic_with_codec__is_recompressed_in_order),
        CASE(produce__append_time_beside_recompression__both_are_taken),
        CASE(produce__min_insync_replicas__is_refused_before_writing),
        CASE(produce__pipelined_over_rolls__all_in_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
