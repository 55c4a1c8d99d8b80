/* The table of APIs: every key found, none invented, and the version ranges that clients rely on.
 */
#include "wire.h"

#include "protocol/api.h"
#include "protocol/messages.h"

static void find__every_key__gives_its_entry_or_none(void **state)
{
    (void)state;
    size_t count, found = 0;
    const struct api *all = api_all(&count);
    for (int key = INT16_MIN; key <= INT16_MAX; key++) {
        const struct api *api = api_find((int16_t)key);
        if (!api) continue;
        assert_int_equal(api->key, key);
        assert_true(api >= all && api < all + count);
        found++;
    }
    assert_int_equal(found, count);
}

static void find__zookeeper_keys__are_none(void **state)
{
    (void)state;
    for (int16_t key = 4; key <= 7; key++) assert_null(api_find(key));
}

static void find_name__both_spellings__same_entry(void **state)
{
    (void)state;
    const struct api *api = api_find(API_LIST_OFFSETS);
    assert_string_equal(api->name, "ListOffsets");
    assert_string_equal(api->stem, "list_offsets");
    assert_ptr_equal(api_find_name(view_str("ListOffsets")), api);
    assert_ptr_equal(api_find_name(view_str("list_offsets")), api);
    assert_ptr_equal(api_find_name(view_str("LISTOFFSETS")), api);
    assert_null(api_find_name(view_str("ListOffset")));
    assert_null(api_find_name(view_str("")));
}

static void table__keys_rise_and_both_sides_agree(void **state)
{
    (void)state;
    size_t count;
    const struct api *all = api_all(&count);
    for (size_t i = 0; i < count; i++) {
        if (i) assert_true(all[i].key > all[i - 1].key);
        assert_int_equal(all[i].version_min, all[i].request->version_min);
        assert_int_equal(all[i].version_max, all[i].response->version_max);
        assert_int_equal(all[i].request->flexible_min, all[i].response->flexible_min);
    }
}

struct expected {
    int16_t key;
    int8_t version_max;
    int8_t flexible_min; /* -1: never */
};

/* The ranges that decide what clients can talk about; from the protocol's public description. */
static const struct expected RANGES[] = {
    {API_PRODUCE, 13, 9},
    {API_FETCH, 18, 12},
    {API_LIST_OFFSETS, 11, 6},
    {API_METADATA, 13, 9},
    {API_OFFSET_COMMIT, 10, 8},
    {API_OFFSET_FETCH, 10, 6},
    {API_FIND_COORDINATOR, 6, 3},
    {API_JOIN_GROUP, 9, 6},
    {API_HEARTBEAT, 4, 4},
    {API_LEAVE_GROUP, 5, 4},
    {API_SYNC_GROUP, 5, 4},
    {API_DESCRIBE_GROUPS, 6, 5},
    {API_LIST_GROUPS, 5, 3},
    {API_SASL_HANDSHAKE, 1, -1},
    {API_API_VERSIONS, 4, 3},
    {API_CREATE_TOPICS, 7, 5},
    {API_DELETE_TOPICS, 6, 4},
    {API_DELETE_RECORDS, 2, 2},
    {API_INIT_PRODUCER_ID, 5, 2},
    {API_OFFSET_FOR_LEADER_EPOCH, 4, 4},
    {API_ADD_PARTITIONS_TO_TXN, 5, 3},
    {API_END_TXN, 5, 3},
    {API_WRITE_TXN_MARKERS, 2, 1},
    {API_TXN_OFFSET_COMMIT, 5, 3},
    {API_DESCRIBE_CONFIGS, 4, 4},
    {API_ALTER_CONFIGS, 2, 2},
    {API_DESCRIBE_LOG_DIRS, 4, 2},
    {API_CREATE_PARTITIONS, 3, 2},
    {API_DELETE_GROUPS, 3, 2},
    {API_INCREMENTAL_ALTER_CONFIGS, 1, 1},
    {API_OFFSET_DELETE, 0, -1},
    {API_VOTE, 2, 0},
    {API_BEGIN_QUORUM_EPOCH, 1, 1},
    {API_ALTER_PARTITION, 3, 0},
    {API_DESCRIBE_CLUSTER, 2, 0},
    {API_DESCRIBE_PRODUCERS, 0, 0},
    {API_BROKER_REGISTRATION, 4, 0},
    {API_LIST_TRANSACTIONS, 2, 0},
    {API_CONSUMER_GROUP_HEARTBEAT, 1, 0},
    {API_DESCRIBE_TOPIC_PARTITIONS, 0, 0},
    {API_ADD_RAFT_VOTER, 1, 0},
};

static void table__known_apis__have_the_known_ranges(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(RANGES) / sizeof(RANGES[0]); i++) {
        const struct api *api = api_find(RANGES[i].key);
        assert_non_null(api);
        assert_int_equal(api->version_min, 0);
        assert_int_equal(api->version_max, RANGES[i].version_max);
        for (int v = 0; v <= api->version_max; v++) {
            bool expected = RANGES[i].flexible_min >= 0 && v >= RANGES[i].flexible_min;
            assert_int_equal(api_is_flexible(api, v), expected);
        }
        assert_true(api_has_version(api, 0));
        assert_false(api_has_version(api, api->version_max + 1));
        assert_false(api_has_version(api, -1));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(find__every_key__gives_its_entry_or_none),
        cmocka_unit_test(find__zookeeper_keys__are_none),
        cmocka_unit_test(find_name__both_spellings__same_entry),
        cmocka_unit_test(table__keys_rise_and_both_sides_agree),
        cmocka_unit_test(table__known_apis__have_the_known_ranges),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
