/* Input that asks for too much or says what cannot be: refused with the right error, and before
 * memory is taken for it. */
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

static err_t decode(const struct message *m, int version, struct view bytes, void *out)
{
    struct reader r = reader_of(bytes);
    return codec_decode(m, version, &r, &arena, out);
}

static err_t decode_text(const struct message *m, int version, const char *text, void *out)
{
    return decode(m, version, wire_bytes(&input, text), out);
}

static void decode__1000001_elements__limit(void **state)
{
    (void)state;
    struct metadata_request out;
    assert_int_equal(decode_text(&metadata_request_message, 0, "000f4241", &out), ERR_LIMIT);
    /* 1,000,001 + 1 as a uvarint */
    assert_int_equal(decode_text(&metadata_request_message, 9, "c2843d", &out), ERR_LIMIT);
    assert_int_equal(decode_text(&metadata_request_message, 9, "ffffffff0f", &out), ERR_LIMIT);
    assert_int_equal(arena.used_bytes, 0);
}

static void decode__1000000_elements__pass(void **state)
{
    (void)state;
    size_t len = 4 + 2 + 4 + 4000000;
    uint8_t *bytes = calloc(1, len);
    assert_non_null(bytes);
    be32_put(bytes, 1); /* topics, one with an empty name */
    be32_put(bytes + 6, 1000000);
    struct offset_fetch_request out;
    uint8_t head[2] = {0, 0}; /* the group id */
    struct buf all = {0};
    assert_int_equal(buf_append(&all, head, 2), OK);
    assert_int_equal(buf_append(&all, bytes, len), OK);
    assert_int_equal(decode(&offset_fetch_request_message, 0, buf_view(&all), &out), OK);
    assert_int_equal(out.topics[0].partition_indexes_count, 1000000);
    free(bytes);
    buf_release(&all);
}

static void decode__more_elements_than_bytes__short_without_memory(void **state)
{
    (void)state;
    struct metadata_request out;
    /* 3 topics of at least 1 byte each in 2 bytes: one could be, three cannot */
    assert_int_equal(decode_text(&metadata_request_message, 0, "00000003 0000", &out), ERR_SHORT);
    assert_int_equal(decode_text(&metadata_request_message, 0, "000f4240 0000", &out), ERR_SHORT);
    assert_int_equal(arena.used_bytes, 0);
    struct fetch_request fetch;
    assert_int_equal(decode_text(&fetch_request_message, 0,
                                 "ffffffff 00000000 00000000 00010000"
                                 "0000 00000000 0000 00000000 0000 00000000",
                                 &fetch),
                     ERR_SHORT);
    assert_int_equal(arena.used_bytes, 0);
}

static void decode__negative_counts_and_lengths__invalid(void **state)
{
    (void)state;
    struct metadata_request out;
    assert_int_equal(decode_text(&metadata_request_message, 0, "ffffffff", &out), ERR_INVALID);
    assert_int_equal(decode_text(&metadata_request_message, 1, "fffffffe", &out), ERR_INVALID);
    assert_int_equal(decode_text(&metadata_request_message, 1, "80000000", &out), ERR_INVALID);
    assert_int_equal(decode_text(&metadata_request_message, 1, "00000001 8000", &out), ERR_INVALID);
}

static void decode__null_string_where_not_allowed__invalid(void **state)
{
    (void)state;
    struct metadata_request out;
    assert_int_equal(decode_text(&metadata_request_message, 1, "00000001 ffff", &out), ERR_INVALID);
    assert_int_equal(decode_text(&metadata_request_message, 9, "02 00 00 00 00 00 00", &out),
                     ERR_INVALID);
}

static void decode__string_of_32768_bytes__invalid(void **state)
{
    (void)state;
    struct buf all = {0};
    static const uint8_t HEAD[] = {2, 0x81, 0x80, 0x02}; /* one topic, length 32768 + 1 */
    assert_int_equal(buf_append(&all, HEAD, sizeof(HEAD)), OK);
    assert_int_equal(buf_reserve(&all, 40000), OK);
    memset(all.data + all.len, 'x', 40000);
    all.len += 40000;
    struct metadata_request out;
    assert_int_equal(decode(&metadata_request_message, 9, buf_view(&all), &out), ERR_INVALID);
    buf_release(&all);
}

static void decode__arena_at_its_limit__nomem(void **state)
{
    (void)state;
    arena_init(&arena, 64);
    struct metadata_request out;
    assert_int_equal(
        decode_text(&metadata_request_message, 0, "00000004 0001'a' 0001'b' 0001'c' 0001'd'", &out),
        ERR_NOMEM);
}

/* ---- tags ---- */

static void decode__unknown_tags__are_skipped(void **state)
{
    (void)state;
    struct api_versions_request out;
    assert_int_equal(decode_text(&api_versions_request_message, 3,
                                 "02 'a' 02 'b' 03 00 00 05 03 'xyz' 9001 01 ff", &out),
                     OK);
    assert_view_str(out.client_software_version, "b");
}

static void decode__10001_tags__limit(void **state)
{
    (void)state;
    struct api_versions_request out;
    assert_int_equal(
        decode_text(&api_versions_request_message, 3, "02 'a' 02 'b' 914e 00 00 00", &out),
        ERR_LIMIT);
}

static void decode__10000_tags__pass(void **state)
{
    (void)state;
    struct buf all = {0};
    wire_bytes(&input, "02 'a' 02 'b' 904e");
    assert_int_equal(buf_append(&all, input.data, input.len), OK);
    for (int i = 0; i < 20000; i++) assert_int_equal(buf_append_u8(&all, 0), OK);
    struct api_versions_request out;
    assert_int_equal(decode(&api_versions_request_message, 3, buf_view(&all), &out), OK);
    buf_release(&all);
}

static void decode__tag_beyond_the_end__short(void **state)
{
    (void)state;
    struct api_versions_request out;
    assert_int_equal(
        decode_text(&api_versions_request_message, 3, "02 'a' 02 'b' 01 07 04 'abc'", &out),
        ERR_SHORT);
}

/* "FETCH_HEAD 01 00 SIZE ..." is a fetch request of version 12 with a cluster id as tag 0. */
#define FETCH_HEAD "ffffffff 00000000 00000000 7fffffff 00 00000000 ffffffff 01 01 01 "

static void decode__known_tag_of_wrong_size__fails(void **state)
{
    (void)state;
    struct fetch_request out;
    assert_int_equal(decode_text(&fetch_request_message, 12, FETCH_HEAD "01 00 03 03 'id'", &out),
                     OK);
    assert_int_equal(
        decode_text(&fetch_request_message, 12, FETCH_HEAD "01 00 04 03 'id' 00", &out),
        ERR_INVALID);
    assert_int_equal(
        decode_text(&fetch_request_message, 12, FETCH_HEAD "01 00 02 03 'id' 00", &out), ERR_SHORT);
}

static void decode__tag_of_a_later_version__is_skipped(void **state)
{
    (void)state;
    struct fetch_request out;
    assert_int_equal(decode_text(&fetch_request_message, 12,
                                 FETCH_HEAD "01 01 0d 00000002 0000000000000007 00", &out),
                     OK);
    assert_int_equal(out.replica_state.replica_id, -1);
}

/* ---- what cannot be encoded ---- */

static void encode__field_the_version_lacks__dropped_or_unsupported(void **state)
{
    (void)state;
    struct buf out = {0};
    struct fetch_request in;
    CODEC_DEFAULT(fetch_request, &in);
    in.rack_id = view_str("r"); /* ignorable, since version 11 */
    assert_int_equal(codec_encode(&fetch_request_message, 4, &in, &out, NULL), OK);
    size_t len = out.len;
    in.topics = CODEC_NEW(&arena, fetch_request_topic, 1);
    in.topics_count = 1;
    in.topics[0].partitions = CODEC_NEW(&arena, fetch_request_partition, 1);
    in.topics[0].partitions_count = 1;
    in.topics[0].partitions[0].last_fetched_epoch = 3; /* not ignorable, since version 12 */
    assert_int_equal(codec_encode(&fetch_request_message, 11, &in, &out, NULL), ERR_UNSUPPORTED);
    assert_int_equal(out.len, len);
    assert_int_equal(codec_encode(&fetch_request_message, 12, &in, &out, NULL), OK);
    buf_release(&out);
}

static void encode__null_where_not_allowed__empty_or_invalid(void **state)
{
    (void)state;
    struct buf out = {0};
    struct metadata_request in;
    CODEC_DEFAULT(metadata_request, &in);
    in.topics = CODEC_NEW(&arena, metadata_request_topic, 1);
    in.topics_count = 1;
    in.topics[0].name = (struct view){0};
    assert_int_equal(codec_encode(&metadata_request_message, 0, &in, &out, NULL), OK);
    assert_wire_equal(buf_view(&out), "00000001 0000");
    buf_clear(&out);
    in.topics_count = -1;
    assert_int_equal(codec_encode(&metadata_request_message, 0, &in, &out, NULL), ERR_INVALID);
    in.topics_count = -2;
    assert_int_equal(codec_encode(&metadata_request_message, 1, &in, &out, NULL), ERR_INVALID);
    assert_int_equal(out.len, 0);
    buf_release(&out);
}

static void encode__string_too_long__too_large(void **state)
{
    (void)state;
    static const uint8_t LONG[32768];
    struct buf out = {0};
    struct api_versions_request in;
    CODEC_DEFAULT(api_versions_request, &in);
    in.client_software_name = view_of(LONG, 32768);
    assert_int_equal(codec_encode(&api_versions_request_message, 3, &in, &out, NULL),
                     ERR_TOO_LARGE);
    in.client_software_name.len = 32767;
    assert_int_equal(codec_encode(&api_versions_request_message, 3, &in, &out, NULL), OK);
    buf_release(&out);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(decode__1000001_elements__limit),
        TEST(decode__1000000_elements__pass),
        TEST(decode__more_elements_than_bytes__short_without_memory),
        TEST(decode__negative_counts_and_lengths__invalid),
        TEST(decode__null_string_where_not_allowed__invalid),
        TEST(decode__string_of_32768_bytes__invalid),
        TEST(decode__arena_at_its_limit__nomem),
        TEST(decode__unknown_tags__are_skipped),
        TEST(decode__10001_tags__limit),
        TEST(decode__10000_tags__pass),
        TEST(decode__tag_beyond_the_end__short),
        TEST(decode__known_tag_of_wrong_size__fails),
        TEST(decode__tag_of_a_later_version__is_skipped),
        TEST(encode__field_the_version_lacks__dropped_or_unsupported),
        TEST(encode__null_where_not_allowed__empty_or_invalid),
        TEST(encode__string_too_long__too_large),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
