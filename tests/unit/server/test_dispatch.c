/* Frames made by hand against a real broker: headers, versions, order, refusals. */
#include "fixture.h"

#include <stdlib.h>
#include <string.h>

#include "versions.h"

struct test {
    struct test_broker *tb;
    struct test_client c;
};

static int setup(void **state)
{
    struct test *t = calloc(1, sizeof *t);
    t->tb = test_broker_new(NULL);
    test_client_open(&t->c, t->tb);
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

/* A frame with a header of version 1 and no client id. */
static void write_header(struct test_client *c, int16_t key, int16_t version, int32_t correlation)
{
    uint8_t frame[14];
    struct writer w = writer_of(frame, sizeof frame);
    write_i32(&w, 10);
    write_i16(&w, key);
    write_i16(&w, version);
    write_i32(&w, correlation);
    write_i16(&w, -1);
    test_client_write(c, frame, sizeof frame);
}

static void frame__unknown_key__closes(void **state)
{
    struct test *t = *state;
    write_header(&t->c, 999, 0, 1);
    test_client_expect_close(&t->c);
}

static void frame__version_not_offered__closes(void **state)
{
    struct test *t = *state;
    write_header(&t->c, API_FETCH, 3, 1); /* the codec could, the broker does not */
    test_client_expect_close(&t->c);
}

static void frame__no_whole_header__closes(void **state)
{
    struct test *t = *state;
    const uint8_t frame[] = {0, 0, 0, 3, 0, 18, 0};
    test_client_write(&t->c, frame, sizeof frame);
    test_client_expect_close(&t->c);
}

static void frame__negative_length__closes(void **state)
{
    struct test *t = *state;
    const uint8_t frame[] = {0xff, 0xff, 0xff, 0xff, 0, 0};
    test_client_write(&t->c, frame, sizeof frame);
    test_client_expect_close(&t->c);
}

static void frame__body_cut__closes_after_earlier_answers(void **state)
{
    struct test *t = *state;
    struct api_versions_request request;
    CODEC_DEFAULT(api_versions_request, &request);
    int32_t correlation = test_client_encode(&t->c, API_API_VERSIONS, 0, &request);
    struct buf two = {0};
    const uint8_t bad[] = {0, 0, 0, 10, 0, API_METADATA, 0, 1, 0, 0, 0, 9, 0xff, 0xff};
    assert_int_equal(buf_append(&two, t->c.out.data, t->c.out.len), OK);
    assert_int_equal(buf_append(&two, bad, sizeof bad), OK);
    test_client_write(&t->c, two.data, two.len);
    buf_release(&two);
    struct api_versions_response response;
    test_client_receive(&t->c, API_API_VERSIONS, 0, correlation, &response);
    test_client_expect_close(&t->c);
}

static void frame__million_elements_announced__closes(void **state)
{
    struct test *t = *state;
    uint8_t frame[18];
    struct writer w = writer_of(frame, sizeof frame);
    write_i32(&w, 14);
    write_i16(&w, API_METADATA);
    write_i16(&w, 1);
    write_i32(&w, 5);
    write_i16(&w, -1);
    write_i32(&w, 900000);
    test_client_write(&t->c, frame, sizeof frame);
    test_client_expect_close(&t->c);
}

static void frame__byte_by_byte__is_answered(void **state)
{
    struct test *t = *state;
    struct metadata_request request;
    CODEC_DEFAULT(metadata_request, &request);
    request.topics_count = -1;
    int32_t correlation = test_client_encode(&t->c, API_METADATA, 4, &request);
    for (size_t i = 0; i < t->c.out.len; i++) test_client_write(&t->c, t->c.out.data + i, 1);
    struct metadata_response response;
    test_client_receive(&t->c, API_METADATA, 4, correlation, &response);
    assert_int_equal(response.brokers_count, 1);
    assert_int_equal(response.brokers[0].port, t->tb->port);
}

/* ---- ApiVersions ---- */

static void api_versions__unknown_version__is_told_the_range(void **state)
{
    struct test *t = *state;
    write_header(&t->c, API_API_VERSIONS, 77, 42);
    struct api_versions_response response;
    test_client_receive(&t->c, API_API_VERSIONS, 0, 42, &response);
    assert_int_equal(response.error_code, KAFKA_ERR_UNSUPPORTED_VERSION);
    assert_int_equal(response.api_keys_count, 1);
    assert_int_equal(response.api_keys[0].api_key, API_API_VERSIONS);
    assert_int_equal(response.api_keys[0].min_version, 0);
    assert_int_equal(response.api_keys[0].max_version, 4);
}

static void api_versions__all_versions__name_all_offers(void **state)
{
    struct test *t = *state;
    size_t count;
    const struct api_offer *offers = versions_all(&count);
    for (int version = 0; version <= 4; version++) {
        struct api_versions_request request;
        struct api_versions_response response;
        CODEC_DEFAULT(api_versions_request, &request);
        request.client_software_name = view_str("a.b-c");
        request.client_software_version = view_str("1");
        CALL(&t->c, api_versions, API_VERSIONS, version, &request, &response);
        assert_int_equal(response.error_code, 0);
        assert_int_equal(response.api_keys_count, count);
        for (size_t i = 0; i < count; i++) {
            assert_int_equal(response.api_keys[i].api_key, offers[i].key);
            assert_int_equal(response.api_keys[i].min_version, offers[i].version_min);
            assert_int_equal(response.api_keys[i].max_version, offers[i].version_max);
        }
    }
    assert_int_equal(versions_find(API_PRODUCE)->version_min, 0);
    assert_null(versions_find(API_JOIN_GROUP));
}

static void api_versions__bad_software_name__is_an_invalid_request(void **state)
{
    struct test *t = *state;
    static const char *const names[] = {"", "-a", "a-", "a b", "a\n"};
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        struct api_versions_request request;
        struct api_versions_response response;
        CODEC_DEFAULT(api_versions_request, &request);
        request.client_software_name = view_str(names[i]);
        request.client_software_version = view_str("1.0");
        CALL(&t->c, api_versions, API_VERSIONS, 3, &request, &response);
        assert_int_equal(response.error_code, KAFKA_ERR_INVALID_REQUEST);
    }
}

/* ---- order ---- */

static void frames__many_at_once__answers_in_order(void **state)
{
    struct test *t = *state;
    enum { COUNT = 200 };
    struct api_versions_request versions;
    struct metadata_request metadata;
    CODEC_DEFAULT(api_versions_request, &versions);
    CODEC_DEFAULT(metadata_request, &metadata);
    metadata.topics_count = -1;
    struct buf all = {0};
    int32_t correlations[COUNT];
    for (int i = 0; i < COUNT; i++) {
        correlations[i] = i % 2 ? test_client_encode(&t->c, API_METADATA, 1, &metadata)
                                : test_client_encode(&t->c, API_API_VERSIONS, 0, &versions);
        assert_int_equal(buf_append(&all, t->c.out.data, t->c.out.len), OK);
    }
    test_client_write(&t->c, all.data, all.len);
    buf_release(&all);
    for (int i = 0; i < COUNT; i++) {
        struct api_versions_response a;
        struct metadata_response m;
        if (i % 2)
            test_client_receive(&t->c, API_METADATA, 1, correlations[i], &m);
        else
            test_client_receive(&t->c, API_API_VERSIONS, 0, correlations[i], &a);
    }
}

/* Behind a Produce that waits for its flush, a ListOffsets has to see what was written. */
static void frame__behind_waiting_produce__waits_for_it(void **state)
{
    struct test *t = *state;
    static const char *const settings[] = {"durability=fsync", NULL};
    test_create_topic(&t->c, "slow", 1, settings);
    for (int round = 0; round < 20; round++) {
        struct view batch = test_batch(3, CODEC_NONE);
        struct produce_request produce;
        struct produce_request_topic pt;
        struct produce_request_partition pp;
        CODEC_DEFAULT(produce_request, &produce);
        CODEC_DEFAULT(produce_request_topic, &pt);
        CODEC_DEFAULT(produce_request_partition, &pp);
        pp.records.data = batch;
        pt.name = view_str("slow");
        pt.partition_data = &pp;
        pt.partition_data_count = 1;
        produce.acks = -1;
        produce.timeout_ms = 10000;
        produce.topic_data = &pt;
        produce.topic_data_count = 1;
        struct list_offsets_request list;
        struct list_offsets_request_topic lt;
        struct list_offsets_request_partition lp;
        CODEC_DEFAULT(list_offsets_request, &list);
        CODEC_DEFAULT(list_offsets_request_topic, &lt);
        CODEC_DEFAULT(list_offsets_request_partition, &lp);
        lp.timestamp = -1;
        lt.name = view_str("slow");
        lt.partitions = &lp;
        lt.partitions_count = 1;
        list.topics = &lt;
        list.topics_count = 1;
        struct buf both = {0};
        int32_t first = test_client_encode(&t->c, API_PRODUCE, 9, &produce);
        assert_int_equal(buf_append(&both, t->c.out.data, t->c.out.len), OK);
        int32_t second = test_client_encode(&t->c, API_LIST_OFFSETS, 5, &list);
        assert_int_equal(buf_append(&both, t->c.out.data, t->c.out.len), OK);
        test_client_write(&t->c, both.data, both.len);
        buf_release(&both);
        struct produce_response produced;
        struct list_offsets_response listed;
        test_client_receive(&t->c, API_PRODUCE, 9, first, &produced);
        assert_int_equal(produced.responses[0].partition_responses[0].error_code, 0);
        test_client_receive(&t->c, API_LIST_OFFSETS, 5, second, &listed);
        assert_int_equal(listed.topics[0].partitions[0].offset, 3 * (round + 1));
        free((void *)batch.data);
    }
}

/* ---- everything ---- */

/* Every offered version of every API takes a request of nothing but defaults: an answer that can be
 * decoded, or the connection is closed; the broker lives on. */
static void request__defaults_of_every_version__broker_lives(void **state)
{
    struct test *t = *state;
    size_t count;
    const struct api_offer *offers = versions_all(&count);
    int answered = 0, asked = 0;
    for (size_t i = 0; i < count; i++) {
        const struct api *api = api_find(offers[i].key);
        for (int v = offers[i].version_min; v <= offers[i].version_max; v++) {
            struct test_client c;
            test_client_open(&c, t->tb);
            void *request = calloc(1, api->request->root->size);
            codec_default(api->request->root, request);
            test_client_send(&c, (enum api_key)api->key, v, request);
            free(request);
            asked++;
            if (api->key == API_PRODUCE) {
                answered++; /* acks=0 by default: nothing comes */
            } else if (test_client_read_frame(&c)) {
                struct reader r = reader_of(buf_view(&c.in));
                int32_t correlation;
                void *response = calloc(1, api->response->root->size);
                assert_int_equal(response_header_decode(api, v, &r, &correlation), OK);
                assert_int_equal(codec_decode(api->response, v, &r, &c.arena, response), OK);
                free(response);
                answered++;
            }
            test_client_close(&c);
        }
    }
    assert_true(asked > 80);
    assert_int_equal(answered, asked);
}

/* Together they need more than may be in work at once: some have to wait, none is forgotten. */
static void frames__large_ones_of_many_clients__all_are_answered(void **state)
{
    struct test *t = *state;
    enum { CLIENTS = 24, TOPICS = 12000 };
    static struct create_topics_request_topic topics[TOPICS];
    struct create_topics_request request;
    CODEC_DEFAULT(create_topics_request, &request);
    for (int i = 0; i < TOPICS; i++) {
        CODEC_DEFAULT(create_topics_request_topic, &topics[i]);
        topics[i].name = view_str("no such/name");
        topics[i].num_partitions = 1;
        topics[i].replication_factor = 1;
    }
    request.topics = topics;
    request.topics_count = TOPICS;
    request.timeout_ms = 10000;
    struct test_client c[CLIENTS];
    int32_t correlations[CLIENTS];
    for (int i = 0; i < CLIENTS; i++) {
        test_client_open(&c[i], t->tb);
        correlations[i] = test_client_send(&c[i], API_CREATE_TOPICS, 4, &request);
    }
    test_client_close(&c[3]); /* who is gone holds up nobody */
    for (int i = 0; i < CLIENTS; i++) {
        struct create_topics_response response;
        if (i == 3) continue;
        test_client_receive(&c[i], API_CREATE_TOPICS, 4, correlations[i], &response);
        assert_int_equal(response.topics_count, TOPICS);
        test_client_close(&c[i]);
    }
}

static void close__in_the_middle_of_everything__nothing_is_left(void **state)
{
    struct test *t = *state;
    static const char *const settings[] = {"durability=fsync", NULL};
    test_create_topic(&t->c, "slow", 1, settings);
    for (int i = 0; i < 30; i++) {
        struct test_client c;
        test_client_open(&c, t->tb);
        struct view batch = test_batch(1, CODEC_NONE);
        struct produce_request produce;
        struct produce_request_topic pt;
        struct produce_request_partition pp;
        CODEC_DEFAULT(produce_request, &produce);
        CODEC_DEFAULT(produce_request_topic, &pt);
        CODEC_DEFAULT(produce_request_partition, &pp);
        pp.records.data = batch;
        pt.name = view_str("slow");
        pt.partition_data = &pp;
        pt.partition_data_count = 1;
        produce.acks = -1;
        produce.timeout_ms = 10000;
        produce.topic_data = &pt;
        produce.topic_data_count = 1;
        test_client_send(&c, API_PRODUCE, 9, &produce);
        free((void *)batch.data);
        struct metadata_request metadata;
        CODEC_DEFAULT(metadata_request, &metadata);
        metadata.topics_count = -1;
        test_client_send(&c, API_METADATA, 9, &metadata);
        test_client_close(&c);
    }
    test_produce_some(&t->c, "slow", 0, 1);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(frame__unknown_key__closes),
        CASE(frame__version_not_offered__closes),
        CASE(frame__no_whole_header__closes),
        CASE(frame__negative_length__closes),
        CASE(frame__body_cut__closes_after_earlier_answers),
        CASE(frame__million_elements_announced__closes),
        CASE(frame__byte_by_byte__is_answered),
        CASE(api_versions__unknown_version__is_told_the_range),
        CASE(api_versions__all_versions__name_all_offers),
        CASE(api_versions__bad_software_name__is_an_invalid_request),
        CASE(frames__many_at_once__answers_in_order),
        CASE(frame__behind_waiting_produce__waits_for_it),
        CASE(request__defaults_of_every_version__broker_lives),
        CASE(frames__large_ones_of_many_clients__all_are_answered),
        CASE(close__in_the_middle_of_everything__nothing_is_left),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
