/* Metadata and FindCoordinator over the wire. */
#include "fixture.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct test {
    struct test_broker *tb;
    struct test_client c;
};

static int setup_with(void **state, const char *const *settings)
{
    struct test *t = calloc(1, sizeof *t);
    t->tb = test_broker_new(settings);
    test_client_open(&t->c, t->tb);
    *state = t;
    return 0;
}

static int setup(void **state)
{
    static const char *const settings[] = {"num.partitions=2", NULL};
    return setup_with(state, settings);
}

static int setup_without_creation(void **state)
{
    static const char *const settings[] = {"auto.create.topics.enable=false", NULL};
    return setup_with(state, settings);
}

static int teardown(void **state)
{
    struct test *t = *state;
    test_client_close(&t->c);
    test_broker_free(t->tb);
    free(t);
    return 0;
}

static struct metadata_response ask(struct test *t, int version, const char *const *names,
                                    int32_t count)
{
    struct metadata_request request;
    struct metadata_request_topic topics[8];
    struct metadata_response response;
    CODEC_DEFAULT(metadata_request, &request);
    for (int32_t i = 0; i < count; i++) {
        CODEC_DEFAULT(metadata_request_topic, &topics[i]);
        topics[i].name = view_str(names[i]);
    }
    request.topics = topics;
    request.topics_count = count;
    CALL(&t->c, metadata, METADATA, version, &request, &response);
    return response;
}

static const char *const one[] = {"made"};

static void metadata__unknown_topic__is_made_in_every_version(void **state)
{
    struct test *t = *state;
    for (int version = 0; version <= 13; version++) {
        char name[16];
        const char *names[] = {name};
        snprintf(name, sizeof name, "new-%d", version);
        struct metadata_response r = ask(t, version, names, 1);
        assert_int_equal(r.topics_count, 1);
        assert_int_equal(r.topics[0].error_code, 0);
        assert_int_equal(r.topics[0].partitions_count, 2);
        for (int i = 0; i < 2; i++) {
            assert_int_equal(r.topics[0].partitions[i].error_code, 0);
            assert_int_equal(r.topics[0].partitions[i].leader_id, 1);
            assert_int_equal(r.topics[0].partitions[i].replica_nodes_count, 1);
            assert_int_equal(r.topics[0].partitions[i].isr_nodes[0], 1);
        }
        if (version >= 10) assert_false(uuid_is_zero(r.topics[0].topic_id));
        assert_int_equal(r.brokers_count, 1);
        assert_int_equal(r.brokers[0].port, t->tb->port);
        assert_int_equal(test_produce_some(&t->c, name, 1, 1), 0);
    }
}

static void metadata__creation_not_wanted__topic_is_unknown(void **state)
{
    struct test *t = *state;
    struct metadata_request request;
    struct metadata_request_topic topic;
    struct metadata_response response;
    CODEC_DEFAULT(metadata_request, &request);
    CODEC_DEFAULT(metadata_request_topic, &topic);
    topic.name = view_str("made");
    request.topics = &topic;
    request.topics_count = 1;
    request.allow_auto_topic_creation = false;
    CALL(&t->c, metadata, METADATA, 4, &request, &response);
    assert_int_equal(response.topics[0].error_code, KAFKA_ERR_UNKNOWN_TOPIC_OR_PARTITION);
    assert_int_equal(ask(t, 4, one, 1).topics[0].error_code, 0);
}

static void metadata__creation_not_allowed__topic_is_unknown(void **state)
{
    struct test *t = *state;
    for (int version = 0; version <= 13; version++)
        assert_int_equal(ask(t, version, one, 1).topics[0].error_code,
                         KAFKA_ERR_UNKNOWN_TOPIC_OR_PARTITION);
}

static void metadata__bad_names__are_told_the_good_one_is_made(void **state)
{
    struct test *t = *state;
    static const char *const names[] = {"good", "a b", "", "..", "good", "\xc3\xa4"};
    struct metadata_response r = ask(t, 9, names, 6);
    assert_int_equal(r.topics_count, 5); /* each once */
    assert_int_equal(r.topics[0].error_code, 0);
    for (int i = 1; i < 5; i++)
        assert_int_equal(r.topics[i].error_code, KAFKA_ERR_INVALID_TOPIC_EXCEPTION);
    assert_int_equal(ask(t, 1, NULL, -1).topics_count, 1);
}

static void metadata__empty_and_null__mean_what_the_version_says(void **state)
{
    struct test *t = *state;
    test_create_topic(&t->c, "a", 1, NULL);
    test_create_topic(&t->c, "b", 1, NULL);
    assert_int_equal(ask(t, 0, NULL, 0).topics_count, 2);
    assert_int_equal(ask(t, 1, NULL, 0).topics_count, 0);
    assert_int_equal(ask(t, 1, NULL, -1).topics_count, 2);
    assert_int_equal(ask(t, 13, NULL, -1).topics_count, 2);
    assert_int_equal(ask(t, 13, NULL, 0).topics_count, 0);
}

static void metadata__by_id__is_found_or_unknown(void **state)
{
    struct test *t = *state;
    struct metadata_response r = ask(t, 12, one, 1);
    struct metadata_request request;
    struct metadata_request_topic topics[2];
    CODEC_DEFAULT(metadata_request, &request);
    for (int i = 0; i < 2; i++) {
        CODEC_DEFAULT(metadata_request_topic, &topics[i]);
        topics[i].name = (struct view){NULL, 0};
        topics[i].topic_id = r.topics[0].topic_id;
    }
    topics[1].topic_id.bytes[0] ^= 1;
    request.topics = topics;
    request.topics_count = 2;
    CALL(&t->c, metadata, METADATA, 12, &request, &r);
    assert_int_equal(r.topics[0].error_code, 0);
    assert_memory_equal(r.topics[0].name.data, "made", 4);
    assert_int_equal(r.topics[1].error_code, KAFKA_ERR_UNKNOWN_TOPIC_ID);
    assert_null(r.topics[1].name.data);
}

static void metadata__operations__only_when_asked(void **state)
{
    struct test *t = *state;
    struct metadata_response r = ask(t, 8, one, 1);
    assert_int_equal(r.cluster_authorized_operations, INT32_MIN);
    assert_int_equal(r.topics[0].topic_authorized_operations, INT32_MIN);
    struct metadata_request request;
    CODEC_DEFAULT(metadata_request, &request);
    request.topics_count = -1;
    request.include_cluster_authorized_operations = true;
    request.include_topic_authorized_operations = true;
    CALL(&t->c, metadata, METADATA, 8, &request, &r);
    assert_int_equal(r.cluster_authorized_operations, 8096);
    assert_int_equal(r.topics[0].topic_authorized_operations, 3576);
}

static void metadata__many_clients_want_one_topic__it_is_made_once(void **state)
{
    struct test *t = *state;
    enum { COUNT = 20 };
    struct test_client c[COUNT];
    int32_t correlations[COUNT];
    struct metadata_request request;
    struct metadata_request_topic topic;
    CODEC_DEFAULT(metadata_request, &request);
    CODEC_DEFAULT(metadata_request_topic, &topic);
    topic.name = view_str("wanted");
    request.topics = &topic;
    request.topics_count = 1;
    for (int i = 0; i < COUNT; i++) {
        test_client_open(&c[i], t->tb);
        correlations[i] = test_client_send(&c[i], API_METADATA, 12, &request);
    }
    struct uuid id = {{0}};
    for (int i = 0; i < COUNT; i++) {
        struct metadata_response r;
        test_client_receive(&c[i], API_METADATA, 12, correlations[i], &r);
        assert_int_equal(r.topics[0].error_code, 0);
        if (i == 0) id = r.topics[0].topic_id;
        assert_true(uuid_eq(id, r.topics[0].topic_id));
        test_client_close(&c[i]);
    }
}

static void find_coordinator__every_version__says_why_not(void **state)
{
    struct test *t = *state;
    struct view key = view_str("group");
    for (int version = 0; version <= 6; version++) {
        struct find_coordinator_request request;
        struct find_coordinator_response response;
        CODEC_DEFAULT(find_coordinator_request, &request);
        if (version < 4) {
            request.key = key;
        } else {
            request.coordinator_keys = &key;
            request.coordinator_keys_count = 1;
        }
        for (int8_t type = 0; type <= (version ? 1 : 0); type++) {
            request.key_type = type;
            CALL(&t->c, find_coordinator, FIND_COORDINATOR, version, &request, &response);
            int16_t error = version < 4 ? response.error_code : response.coordinators[0].error_code;
            assert_int_equal(error, type ? KAFKA_ERR_TRANSACTIONAL_ID_AUTHORIZATION_FAILED
                                         : KAFKA_ERR_COORDINATOR_NOT_AVAILABLE);
        }
    }
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(metadata__unknown_topic__is_made_in_every_version),
        CASE(metadata__creation_not_wanted__topic_is_unknown),
        cmocka_unit_test_setup_teardown(metadata__creation_not_allowed__topic_is_unknown,
                                        setup_without_creation, teardown),
        CASE(metadata__bad_names__are_told_the_good_one_is_made),
        CASE(metadata__empty_and_null__mean_what_the_version_says),
        CASE(metadata__by_id__is_found_or_unknown),
        CASE(metadata__operations__only_when_asked),
        CASE(metadata__many_clients_want_one_topic__it_is_made_once),
        CASE(find_coordinator__every_version__says_why_not),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
