/* Bytes worked out by hand from the protocol's rules, one message form each. Both directions: the
 * struct gives the bytes, the bytes give the struct. */
#include "wire.h"

#include "protocol/codec.h"
#include "protocol/messages.h"

static struct arena arena;
static struct buf input;

static int setup(void **state)
{
    (void)state;
    arena = (struct arena){0};
    input = (struct buf){0};
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    arena_release(&arena);
    buf_release(&input);
    return 0;
}

static void assert_encodes(const struct message *m, int version, const void *in, const char *text)
{
    struct buf out = {0};
    assert_int_equal(codec_encode(m, version, in, &out, NULL), OK);
    assert_wire_equal(buf_view(&out), text);
    buf_release(&out);
}

static void assert_decodes(const struct message *m, int version, const char *text, void *out)
{
    struct reader r = reader_of(wire_bytes(&input, text));
    assert_int_equal(codec_decode(m, version, &r, &arena, out), OK);
    assert_int_equal(reader_left(&r), 0);
}

/* ---- ApiVersions ---- */

static void api_versions_request__v0__is_empty(void **state)
{
    (void)state;
    struct api_versions_request in;
    CODEC_DEFAULT(api_versions_request, &in);
    assert_encodes(&api_versions_request_message, 0, &in, "");
    assert_decodes(&api_versions_request_message, 0, "", &in);
    assert_int_equal(in.client_software_name.len, 0);
}

static void api_versions_request__v3__names_the_client(void **state)
{
    (void)state;
    static const char *const WIRE = "05 'kcat' 04 '1.7' 00";
    struct api_versions_request in;
    CODEC_DEFAULT(api_versions_request, &in);
    in.client_software_name = view_str("kcat");
    in.client_software_version = view_str("1.7");
    assert_encodes(&api_versions_request_message, 3, &in, WIRE);
    struct api_versions_request out;
    assert_decodes(&api_versions_request_message, 3, WIRE, &out);
    assert_view_str(out.client_software_name, "kcat");
    assert_view_str(out.client_software_version, "1.7");
}

static struct api_versions_response make_api_versions(void)
{
    struct api_versions_response in;
    CODEC_DEFAULT(api_versions_response, &in);
    in.api_keys = CODEC_NEW(&arena, api_versions_response_api, 2);
    in.api_keys_count = 2;
    in.api_keys[0].api_key = 18;
    in.api_keys[0].max_version = 3;
    in.api_keys[1].min_version = 3;
    in.api_keys[1].max_version = 9;
    return in;
}

static void api_versions_response__v0__is_error_and_array(void **state)
{
    (void)state;
    static const char *const WIRE = "0023 00000002 0012 0000 0003 0000 0003 0009";
    struct api_versions_response in = make_api_versions(), out;
    in.error_code = 35;
    in.throttle_time_ms = 7;
    assert_encodes(&api_versions_response_message, 0, &in, WIRE);
    assert_decodes(&api_versions_response_message, 0, WIRE, &out);
    assert_int_equal(out.error_code, 35);
    assert_int_equal(out.throttle_time_ms, 0);
    assert_int_equal(out.api_keys_count, 2);
    assert_int_equal(out.api_keys[1].max_version, 9);
    assert_int_equal(out.finalized_features_epoch, -1);
}

static void api_versions_response__v3__carries_features_as_tags(void **state)
{
    (void)state;
    static const char *const WIRE = "0000 03 0012 0000 0003 00 0000 0003 0009 00 00000000"
                                    "02 00 08 02 02 'f' 0001 0002 00 01 08 0000000000000005";
    struct api_versions_response in = make_api_versions(), out;
    in.supported_features = CODEC_NEW(&arena, api_versions_response_supported_feature, 1);
    in.supported_features_count = 1;
    in.supported_features[0].name = view_str("f");
    in.supported_features[0].min_version = 1;
    in.supported_features[0].max_version = 2;
    in.finalized_features_epoch = 5;
    assert_encodes(&api_versions_response_message, 3, &in, WIRE);
    assert_decodes(&api_versions_response_message, 3, WIRE, &out);
    assert_int_equal(out.supported_features_count, 1);
    assert_view_str(out.supported_features[0].name, "f");
    assert_int_equal(out.finalized_features_epoch, 5);
    assert_int_equal(out.finalized_features_count, 0);
}

/* ---- Metadata ---- */

static void metadata_request__v0_v1__differ_in_null(void **state)
{
    (void)state;
    struct metadata_request in;
    CODEC_DEFAULT(metadata_request, &in);
    assert_encodes(&metadata_request_message, 0, &in, "00000000");
    in.topics_count = -1;
    assert_encodes(&metadata_request_message, 1, &in, "ffffffff");
    assert_decodes(&metadata_request_message, 1, "ffffffff", &in);
    assert_int_equal(in.topics_count, -1);
    assert_true(in.allow_auto_topic_creation);
}

static void metadata_request__v10__names_a_topic_by_id(void **state)
{
    (void)state;
    static const char *const WIRE = "02 000102030405060708090a0b0c0d0e0f 00 00 00 00 01 00";
    struct metadata_request in, out;
    CODEC_DEFAULT(metadata_request, &in);
    in.topics = CODEC_NEW(&arena, metadata_request_topic, 1);
    in.topics_count = 1;
    for (int i = 0; i < 16; i++) in.topics[0].topic_id.bytes[i] = (uint8_t)i;
    in.topics[0].name = (struct view){0};
    in.allow_auto_topic_creation = false;
    in.include_topic_authorized_operations = true;
    assert_encodes(&metadata_request_message, 10, &in, WIRE);
    assert_decodes(&metadata_request_message, 10, WIRE, &out);
    assert_null(out.topics[0].name.data);
    assert_int_equal(out.topics[0].topic_id.bytes[15], 15);
    assert_true(out.include_topic_authorized_operations);
    assert_false(out.include_cluster_authorized_operations);
}

static struct metadata_response make_metadata(void)
{
    struct metadata_response in;
    CODEC_DEFAULT(metadata_response, &in);
    in.brokers = CODEC_NEW(&arena, metadata_response_broker, 1);
    in.brokers_count = 1;
    in.brokers[0].node_id = 1;
    in.brokers[0].host = view_str("h");
    in.brokers[0].port = 9092;
    in.cluster_id = view_str("c");
    in.controller_id = 1;
    in.topics = CODEC_NEW(&arena, metadata_response_topic, 1);
    in.topics_count = 1;
    in.topics[0].name = view_str("t");
    in.topics[0].partitions = CODEC_NEW(&arena, metadata_response_partition, 1);
    in.topics[0].partitions_count = 1;
    struct metadata_response_partition *p = &in.topics[0].partitions[0];
    p->leader_id = 1;
    p->leader_epoch = 4;
    static int32_t replicas[] = {1};
    p->replica_nodes = p->isr_nodes = replicas;
    p->replica_nodes_count = p->isr_nodes_count = 1;
    return in;
}

static void metadata_response__v1_v4__old_forms(void **state)
{
    (void)state;
    static const char *const BROKER = "00000001 00000001 0001 'h' 00002384 ffff";
    static const char *const TOPIC = "00000001 00000001 0000 0001 't' 00 00000001 0000 00000000"
                                     "00000001 00000001 00000001 00000001 00000001";
    struct metadata_response in = make_metadata(), out;
    char wire[512];
    snprintf(wire, sizeof(wire), "%s %s", BROKER, TOPIC);
    assert_encodes(&metadata_response_message, 1, &in, wire);
    snprintf(wire, sizeof(wire), "00000000 %s 0001 'c' %s", BROKER, TOPIC);
    assert_encodes(&metadata_response_message, 4, &in, wire);
    assert_decodes(&metadata_response_message, 4, wire, &out);
    assert_view_str(out.cluster_id, "c");
    assert_null(out.brokers[0].rack.data);
    assert_int_equal(out.topics[0].partitions[0].isr_nodes[0], 1);
    assert_int_equal(out.topics[0].partitions[0].leader_epoch, -1);
    assert_int_equal(out.topics[0].topic_authorized_operations, INT32_MIN);
}

static void metadata_response__v13__ends_with_an_error_code(void **state)
{
    (void)state;
    static const char *const WIRE =
        "00000000 02 00000001 02 'h' 00002384 00 00 02 'c' 00000001"
        "02 0000 02 't' 00000000000000000000000000000000 00"
        "02 0000 00000000 00000001 00000004 02 00000001 02 00000001 01 00 80000000 00 0081 00";
    struct metadata_response in = make_metadata(), out;
    in.error_code = 129;
    assert_encodes(&metadata_response_message, 13, &in, WIRE);
    assert_decodes(&metadata_response_message, 13, WIRE, &out);
    assert_int_equal(out.error_code, 129);
    assert_int_equal(out.topics[0].partitions[0].leader_epoch, 4);
    assert_int_equal(out.topics[0].partitions[0].offline_replicas_count, 0);
}

/* ---- Produce ---- */

static struct produce_request make_produce(void)
{
    struct produce_request in;
    CODEC_DEFAULT(produce_request, &in);
    in.acks = -1;
    in.timeout_ms = 30000;
    in.topic_data = CODEC_NEW(&arena, produce_request_topic, 1);
    in.topic_data_count = 1;
    in.topic_data[0].name = view_str("t1");
    in.topic_data[0].topic_id.bytes[0] = 0xaa;
    in.topic_data[0].partition_data = CODEC_NEW(&arena, produce_request_partition, 1);
    in.topic_data[0].partition_data_count = 1;
    in.topic_data[0].partition_data[0].index = 3;
    in.topic_data[0].partition_data[0].records.data = view_str("batch");
    return in;
}

static void produce_request__v7__old_form(void **state)
{
    (void)state;
    static const char *const WIRE = "ffff ffff 00007530 00000001 0002 't1' 00000001 00000003"
                                    "00000005 'batch'";
    struct produce_request in = make_produce(), out;
    assert_encodes(&produce_request_message, 7, &in, WIRE);
    assert_decodes(&produce_request_message, 7, WIRE, &out);
    assert_null(out.transactional_id.data);
    assert_int_equal(out.acks, -1);
    assert_view_str(out.topic_data[0].name, "t1");
    assert_view_str(out.topic_data[0].partition_data[0].records.data, "batch");
    assert_true(out.topic_data[0].partition_data[0].records.data.data > input.data);
    assert_true(out.topic_data[0].partition_data[0].records.data.data < input.data + input.len);
}

static void produce_request__v9__compact_form(void **state)
{
    (void)state;
    static const char *const WIRE = "00 ffff 00007530 02 03 't1' 02 00000003 06 'batch' 00 00 00";
    struct produce_request in = make_produce(), out;
    assert_encodes(&produce_request_message, 9, &in, WIRE);
    assert_decodes(&produce_request_message, 9, WIRE, &out);
    assert_view_str(out.topic_data[0].partition_data[0].records.data, "batch");
}

static void produce_request__v13__topic_id_in_place_of_name(void **state)
{
    (void)state;
    static const char *const WIRE = "00 ffff 00007530 02 aa000000000000000000000000000000"
                                    "02 00000003 06 'batch' 00 00 00";
    struct produce_request in = make_produce(), out;
    assert_encodes(&produce_request_message, 13, &in, WIRE);
    assert_decodes(&produce_request_message, 13, WIRE, &out);
    assert_int_equal(out.topic_data[0].topic_id.bytes[0], 0xaa);
    assert_int_equal(out.topic_data[0].name.len, 0);
}

static void produce_request__null_records__stay_null(void **state)
{
    (void)state;
    struct produce_request in = make_produce(), out;
    in.topic_data[0].partition_data[0].records.data = (struct view){0};
    static const char *const WIRE = "ffff ffff 00007530 00000001 0002 't1' 00000001 00000003"
                                    "ffffffff";
    assert_encodes(&produce_request_message, 3, &in, WIRE);
    assert_decodes(&produce_request_message, 3, WIRE, &out);
    assert_null(out.topic_data[0].partition_data[0].records.data.data);
}

static struct produce_response make_produced(void)
{
    struct produce_response in;
    CODEC_DEFAULT(produce_response, &in);
    in.responses = CODEC_NEW(&arena, produce_response_topic, 1);
    in.responses_count = 1;
    in.responses[0].name = view_str("t1");
    in.responses[0].partition_responses = CODEC_NEW(&arena, produce_response_partition, 1);
    in.responses[0].partition_responses_count = 1;
    in.responses[0].partition_responses[0].error_code = 6;
    in.responses[0].partition_responses[0].base_offset = 258;
    in.responses[0].partition_responses[0].log_start_offset = 0;
    return in;
}

static void produce_response__v7_v8__old_forms(void **state)
{
    (void)state;
    struct produce_response in = make_produced();
    assert_encodes(&produce_response_message, 7, &in,
                   "00000001 0002 't1' 00000001 00000000 0006 0000000000000102"
                   "ffffffffffffffff 0000000000000000 00000000");
    assert_encodes(&produce_response_message, 8, &in,
                   "00000001 0002 't1' 00000001 00000000 0006 0000000000000102"
                   "ffffffffffffffff 0000000000000000 00000000 ffff 00000000");
}

static void produce_response__v10__hints_at_the_leader(void **state)
{
    (void)state;
    static const char *const WIRE = "02 03 't1' 02 00000000 0006 0000000000000102"
                                    "ffffffffffffffff 0000000000000000 01 00"
                                    "01 00 09 00000002 00000005 00 00 00000000"
                                    "01 00 0d 02 00000002 02 'h' 00002384 00 00";
    struct produce_response in = make_produced(), out;
    in.responses[0].partition_responses[0].current_leader.leader_id = 2;
    in.responses[0].partition_responses[0].current_leader.leader_epoch = 5;
    in.node_endpoints = CODEC_NEW(&arena, produce_response_node_endpoint, 1);
    in.node_endpoints_count = 1;
    in.node_endpoints[0].node_id = 2;
    in.node_endpoints[0].host = view_str("h");
    in.node_endpoints[0].port = 9092;
    assert_encodes(&produce_response_message, 10, &in, WIRE);
    assert_decodes(&produce_response_message, 10, WIRE, &out);
    assert_int_equal(out.responses[0].partition_responses[0].current_leader.leader_epoch, 5);
    assert_int_equal(out.node_endpoints[0].port, 9092);
    assert_null(out.node_endpoints[0].rack.data);
}

/* ---- Fetch ---- */

static struct fetch_request make_fetch(void)
{
    struct fetch_request in;
    CODEC_DEFAULT(fetch_request, &in);
    in.max_wait_ms = 500;
    in.min_bytes = 1;
    in.max_bytes = 0x3200000;
    in.topics = CODEC_NEW(&arena, fetch_request_topic, 1);
    in.topics_count = 1;
    in.topics[0].topic = view_str("t1");
    in.topics[0].partitions = CODEC_NEW(&arena, fetch_request_partition, 1);
    in.topics[0].partitions_count = 1;
    in.topics[0].partitions[0].fetch_offset = 10;
    in.topics[0].partitions[0].partition_max_bytes = 0x100000;
    return in;
}

static void fetch_request__v4__before_sessions(void **state)
{
    (void)state;
    struct fetch_request in = make_fetch();
    assert_encodes(&fetch_request_message, 4, &in,
                   "ffffffff 000001f4 00000001 03200000 00 00000001 0002 't1' 00000001"
                   "00000000 000000000000000a 00100000");
}

static void fetch_request__v11__old_form(void **state)
{
    (void)state;
    static const char *const WIRE =
        "ffffffff 000001f4 00000001 03200000 00 00000000 ffffffff 00000001 0002 't1' 00000001"
        "00000000 ffffffff 000000000000000a ffffffffffffffff 00100000 00000000 0000";
    struct fetch_request in = make_fetch(), out;
    assert_encodes(&fetch_request_message, 11, &in, WIRE);
    assert_decodes(&fetch_request_message, 11, WIRE, &out);
    assert_int_equal(out.session_epoch, -1);
    assert_int_equal(out.topics[0].partitions[0].fetch_offset, 10);
    assert_int_equal(out.topics[0].partitions[0].last_fetched_epoch, -1);
    assert_non_null(out.rack_id.data);
    assert_int_equal(out.rack_id.len, 0);
}

static void fetch_request__v12__cluster_id_is_a_tag(void **state)
{
    (void)state;
    static const char *const WIRE =
        "ffffffff 000001f4 00000001 03200000 00 00000000 ffffffff 02 03 't1' 02"
        "00000000 ffffffff 000000000000000a ffffffff ffffffffffffffff 00100000 00 00 01 01"
        "01 00 03 03 'id'";
    struct fetch_request in = make_fetch(), out;
    in.cluster_id = view_str("id");
    assert_encodes(&fetch_request_message, 12, &in, WIRE);
    assert_decodes(&fetch_request_message, 12, WIRE, &out);
    assert_view_str(out.cluster_id, "id");
}

static void fetch_request__v18__follower_tags(void **state)
{
    (void)state;
    static const char *const WIRE =
        "000001f4 00000001 03200000 00 00000000 ffffffff 02 00000000000000000000000000000000 02"
        "00000000 ffffffff 000000000000000a ffffffff ffffffffffffffff 00100000"
        "01 01 08 0000000000000009 00 01 01"
        "01 01 0d 00000002 0000000000000007 00";
    struct fetch_request in = make_fetch(), out;
    in.replica_state.replica_id = 2;
    in.replica_state.replica_epoch = 7;
    in.topics[0].partitions[0].high_watermark = 9;
    assert_encodes(&fetch_request_message, 18, &in, WIRE);
    assert_decodes(&fetch_request_message, 18, WIRE, &out);
    assert_int_equal(out.replica_state.replica_epoch, 7);
    assert_int_equal(out.topics[0].partitions[0].high_watermark, 9);
    assert_int_equal(out.replica_id, -1);
}

static void fetch_request__long_tagged_field__has_a_two_byte_size(void **state)
{
    (void)state;
    char name[201], wire[512];
    memset(name, 'x', 200);
    name[200] = '\0';
    struct fetch_request in, out;
    CODEC_DEFAULT(fetch_request, &in);
    in.cluster_id = view_str(name);
    snprintf(wire, sizeof(wire),
             "ffffffff 00000000 00000000 7fffffff 00 00000000 ffffffff 01 01 01"
             "01 00 ca01 c901 '%s'",
             name);
    assert_encodes(&fetch_request_message, 12, &in, wire);
    assert_decodes(&fetch_request_message, 12, wire, &out);
    assert_view_str(out.cluster_id, name);
}

static struct fetch_response make_fetched(void)
{
    struct fetch_response in;
    CODEC_DEFAULT(fetch_response, &in);
    in.session_id = 7;
    in.responses = CODEC_NEW(&arena, fetch_response_topic, 1);
    in.responses_count = 1;
    in.responses[0].topic = view_str("t1");
    in.responses[0].partitions = CODEC_NEW(&arena, fetch_response_partition, 1);
    in.responses[0].partitions_count = 1;
    struct fetch_response_partition *p = &in.responses[0].partitions[0];
    p->high_watermark = 11;
    p->last_stable_offset = 11;
    p->log_start_offset = 0;
    p->aborted_transactions_count = -1;
    p->records.data = view_str("batch");
    return in;
}

static void fetch_response__v11__old_form(void **state)
{
    (void)state;
    static const char *const WIRE = "00000000 0000 00000007 00000001 0002 't1' 00000001 00000000"
                                    "0000 000000000000000b 000000000000000b 0000000000000000"
                                    "ffffffff ffffffff 00000005 'batch'";
    struct fetch_response in = make_fetched(), out;
    assert_encodes(&fetch_response_message, 11, &in, WIRE);
    assert_decodes(&fetch_response_message, 11, WIRE, &out);
    assert_int_equal(out.responses[0].partitions[0].aborted_transactions_count, -1);
    assert_int_equal(out.responses[0].partitions[0].preferred_read_replica, -1);
    assert_view_str(out.responses[0].partitions[0].records.data, "batch");
}

static void fetch_response__v12__diverging_epoch_and_leader_are_tags(void **state)
{
    (void)state;
    static const char *const WIRE = "00000000 0000 00000007 02 03 't1' 02 00000000"
                                    "0000 000000000000000b 000000000000000b 0000000000000000"
                                    "00 ffffffff 06 'batch'"
                                    "02 00 0d 00000004 0000000000000063 00"
                                    "01 09 00000001 00000006 00 00 00";
    struct fetch_response in = make_fetched(), out;
    in.responses[0].partitions[0].diverging_epoch.epoch = 4;
    in.responses[0].partitions[0].diverging_epoch.end_offset = 99;
    in.responses[0].partitions[0].current_leader.leader_id = 1;
    in.responses[0].partitions[0].current_leader.leader_epoch = 6;
    assert_encodes(&fetch_response_message, 12, &in, WIRE);
    assert_decodes(&fetch_response_message, 12, WIRE, &out);
    assert_int_equal(out.responses[0].partitions[0].diverging_epoch.end_offset, 99);
    assert_int_equal(out.responses[0].partitions[0].current_leader.leader_epoch, 6);
    assert_int_equal(out.responses[0].partitions[0].snapshot_id.epoch, -1);
}

/* ---- a struct that may be null ---- */

static void nullable_struct__null_and_present__begin_with_a_marker(void **state)
{
    (void)state;
    struct consumer_group_heartbeat_response in, out;
    CODEC_DEFAULT(consumer_group_heartbeat_response, &in);
    in.heartbeat_interval_ms = 5000;
    assert_encodes(&consumer_group_heartbeat_response_message, 0, &in,
                   "00000000 0000 00 00 00000000 00001388 ff 00");
    in.assignment = CODEC_NEW(&arena, consumer_group_heartbeat_response_assignment, 1);
    static const char *const WIRE = "00000000 0000 00 00 00000000 00001388 01 01 00 00";
    assert_encodes(&consumer_group_heartbeat_response_message, 0, &in, WIRE);
    assert_decodes(&consumer_group_heartbeat_response_message, 0, WIRE, &out);
    assert_non_null(out.assignment);
    assert_int_equal(out.assignment->topic_partitions_count, 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(api_versions_request__v0__is_empty),
        TEST(api_versions_request__v3__names_the_client),
        TEST(api_versions_response__v0__is_error_and_array),
        TEST(api_versions_response__v3__carries_features_as_tags),
        TEST(metadata_request__v0_v1__differ_in_null),
        TEST(metadata_request__v10__names_a_topic_by_id),
        TEST(metadata_response__v1_v4__old_forms),
        TEST(metadata_response__v13__ends_with_an_error_code),
        TEST(produce_request__v7__old_form),
        TEST(produce_request__v9__compact_form),
        TEST(produce_request__v13__topic_id_in_place_of_name),
        TEST(produce_request__null_records__stay_null),
        TEST(produce_response__v7_v8__old_forms),
        TEST(produce_response__v10__hints_at_the_leader),
        TEST(fetch_request__v4__before_sessions),
        TEST(fetch_request__v11__old_form),
        TEST(fetch_request__v12__cluster_id_is_a_tag),
        TEST(fetch_request__v18__follower_tags),
        TEST(fetch_request__long_tagged_field__has_a_two_byte_size),
        TEST(fetch_response__v11__old_form),
        TEST(fetch_response__v12__diverging_epoch_and_leader_are_tags),
        TEST(nullable_struct__null_and_present__begin_with_a_marker),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
