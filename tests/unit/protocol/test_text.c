/* JSON must stay JSON whatever bytes a message holds; names and values are compared literally. */
#include "wire.h"

#include "base/arena.h"
#include "lib/random_message.h"
#include "protocol/api.h"
#include "protocol/codec.h"
#include "protocol/messages.h"
#include "protocol/text.h"

static void assert_text(const struct buf *out, const char *expected)
{
    char text[2048];
    assert_true(out->len < sizeof(text));
    memcpy(text, out->data, out->len);
    text[out->len] = '\0';
    assert_string_equal(text, expected);
}

static void assert_string(struct view in, const char *expected)
{
    struct buf out = {0};
    assert_int_equal(text_string(in, &out), OK);
    assert_text(&out, expected);
    buf_release(&out);
}

static void string__plain_and_utf8__unchanged(void **state)
{
    (void)state;
    assert_string((struct view){0}, "null");
    assert_string(view_str(""), "\"\"");
    assert_string(view_str("a b/c"), "\"a b/c\"");
    assert_string(view_str("\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80"),
                  "\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\"");
}

static void string__special_characters__escaped(void **state)
{
    (void)state;
    assert_string(view_of("\"\\\n\t\x01\x7f\0", 7), "\"\\\"\\\\\\n\\t\\u0001\\u007f\\u0000\"");
}

static void string__not_utf8__replaced(void **state)
{
    (void)state;
    assert_string(view_str("a\xff"
                           "b"),
                  "\"a\\ufffdb\"");
    assert_string(view_str("\xc3"), "\"\\ufffd\"");            /* cut */
    assert_string(view_str("\xc0\x80"), "\"\\ufffd\\ufffd\""); /* over-long */
    assert_string(view_str("\xe0\x80\x80"), "\"\\ufffd\\ufffd\\ufffd\"");
    assert_string(view_str("\xed\xa0\x80"), "\"\\ufffd\\ufffd\\ufffd\""); /* surrogate */
    assert_string(view_str("\xf4\x90\x80\x80"), "\"\\ufffd\\ufffd\\ufffd\\ufffd\"");
}

static void base64__all_lengths__padded(void **state)
{
    (void)state;
    static const char *const EXPECTED[] = {
        "\"\"", "\"Zg==\"", "\"Zm8=\"", "\"Zm9v\"", "\"Zm9vYg==\"", "\"Zm9vYmE=\"", "\"Zm9vYmFy\""};
    for (size_t len = 0; len <= 6; len++) {
        struct buf out = {0};
        assert_int_equal(text_base64(view_of("foobar", len), &out), OK);
        assert_text(&out, EXPECTED[len]);
        buf_release(&out);
    }
    struct buf out = {0};
    assert_int_equal(text_base64((struct view){0}, &out), OK);
    assert_text(&out, "null");
    buf_release(&out);
}

static void message__fetch_request__fields_of_the_version_only(void **state)
{
    (void)state;
    struct arena arena = {0};
    struct buf out = {0};
    struct fetch_request in;
    CODEC_DEFAULT(fetch_request, &in);
    in.topics = CODEC_NEW(&arena, fetch_request_topic, 1);
    in.topics_count = 1;
    in.topics[0].topic = view_str("t");
    assert_int_equal(text_message(&fetch_request_message, 4, &in, &out), OK);
    assert_text(&out, "{\"replicaId\":-1,\"maxWaitMs\":0,\"minBytes\":0,\"maxBytes\":2147483647,"
                      "\"isolationLevel\":0,\"topics\":[{\"topic\":\"t\",\"partitions\":[]}]}");
    arena_release(&arena);
    buf_release(&out);
}

static void message__all_kinds__as_json(void **state)
{
    (void)state;
    struct arena arena = {0};
    struct buf out = {0};
    struct partition_change_record in;
    CODEC_DEFAULT(partition_change_record, &in);
    static int32_t isr[] = {1, -2};
    in.isr = isr;
    in.isr_count = 2;
    in.leader = 3;
    assert_int_equal(text_message(&partition_change_record_message, 0, &in, &out), OK);
    assert_text(&out, "{\"partitionId\":-1,\"topicId\":\"AAAAAAAAAAAAAAAAAAAAAA\","
                      "\"isr\":[1,-2],\"leader\":3}");
    buf_clear(&out);
    struct consumer_group_heartbeat_response heartbeat;
    CODEC_DEFAULT(consumer_group_heartbeat_response, &heartbeat);
    assert_int_equal(text_message(&consumer_group_heartbeat_response_message, 0, &heartbeat, &out),
                     OK);
    assert_text(&out, "{\"throttleTimeMs\":0,\"errorCode\":0,\"errorMessage\":null,"
                      "\"memberId\":null,\"memberEpoch\":0,\"heartbeatIntervalMs\":0,"
                      "\"assignment\":null}");
    arena_release(&arena);
    buf_release(&out);
}

static void message__unknown_version__unsupported(void **state)
{
    (void)state;
    struct buf out = {0};
    struct fetch_request in;
    CODEC_DEFAULT(fetch_request, &in);
    assert_int_equal(text_message(&fetch_request_message, 99, &in, &out), ERR_UNSUPPORTED);
    assert_int_equal(text_message(&fetch_request_message, -1, &in, &out), ERR_UNSUPPORTED);
    assert_int_equal(out.len, 0);
}

/* Brackets balance outside of strings, and nothing but ASCII and UTF-8 comes out. */
static void assert_balanced(struct view text)
{
    int depth = 0;
    bool in_string = false;
    for (size_t i = 0; i < text.len; i++) {
        char c = (char)text.data[i];
        if (in_string && c == '\\')
            i++;
        else if (c == '"')
            in_string = !in_string;
        else if (!in_string && (c == '{' || c == '['))
            depth++;
        else if (!in_string && (c == '}' || c == ']'))
            depth--;
        assert_true(depth >= 0);
        assert_true((uint8_t)c >= 0x20);
    }
    assert_int_equal(depth, 0);
    assert_false(in_string);
}

static void message__random_of_every_api__is_balanced(void **state)
{
    (void)state;
    size_t count;
    const struct api *apis = api_all(&count);
    struct rng rng = {7};
    for (size_t i = 0; i < count; i++) {
        struct arena arena = {0};
        struct buf out = {0};
        const struct message *m = i & 1 ? apis[i].request : apis[i].response;
        void *in = codec_new(&arena, m->root, 1);
        assert_non_null(in);
        random_message(m, m->version_max, &rng, &arena, in);
        assert_int_equal(text_message(m, m->version_max, in, &out), OK);
        assert_balanced(buf_view(&out));
        arena_release(&arena);
        buf_release(&out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(string__plain_and_utf8__unchanged),
        cmocka_unit_test(string__special_characters__escaped),
        cmocka_unit_test(string__not_utf8__replaced),
        cmocka_unit_test(base64__all_lengths__padded),
        cmocka_unit_test(message__fetch_request__fields_of_the_version_only),
        cmocka_unit_test(message__all_kinds__as_json),
        cmocka_unit_test(message__unknown_version__unsupported),
        cmocka_unit_test(message__random_of_every_api__is_balanced),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
