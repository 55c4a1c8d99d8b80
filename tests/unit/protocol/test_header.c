/* Request and response headers: which form belongs to which version, and the two exceptions (the
 * client id, ApiVersions) that decide whether real clients can talk to us. */
#include "wire.h"

#include "protocol/header.h"
#include "protocol/messages.h"

static struct buf input;

static int teardown(void **state)
{
    (void)state;
    buf_release(&input);
    return 0;
}

static err_t decode(const char *text, struct request_header *out, size_t *left)
{
    struct reader r = reader_of(wire_bytes(&input, text));
    err_t err = request_header_decode(&r, out);
    *left = reader_left(&r);
    return err;
}

static void request_decode__old_version__has_no_tags(void **state)
{
    (void)state;
    struct request_header h;
    size_t left;
    assert_int_equal(decode("0000 0007 00000009 0003 'abc' ee", &h, &left), OK);
    assert_int_equal(left, 1);
    assert_int_equal(h.api->key, API_PRODUCE);
    assert_int_equal(h.api_version, 7);
    assert_int_equal(h.correlation_id, 9);
    assert_view_str(h.client_id, "abc");
}

static void request_decode__flexible_version__client_id_keeps_its_form(void **state)
{
    (void)state;
    struct request_header h;
    size_t left;
    assert_int_equal(decode("0000 0009 00000009 0003 'abc' 00 ee", &h, &left), OK);
    assert_int_equal(left, 1);
    assert_view_str(h.client_id, "abc");
    assert_int_equal(decode("0000 0009 00000009 ffff 01 05 02 'xy' ee", &h, &left), OK);
    assert_int_equal(left, 1);
    assert_null(h.client_id.data);
}

static void request_decode__never_flexible_api__has_no_tags(void **state)
{
    (void)state;
    struct request_header h;
    size_t left;
    assert_int_equal(decode("0011 0001 00000001 0000 ee", &h, &left), OK);
    assert_int_equal(left, 1);
    assert_int_equal(decode("002f 0000 00000001 0000 ee", &h, &left), OK);
    assert_int_equal(left, 1);
}

static void request_decode__unknown_key_or_version__unsupported_with_ids(void **state)
{
    (void)state;
    struct request_header h;
    size_t left;
    assert_int_equal(decode("7fff 0002 00000021 0000", &h, &left), ERR_UNSUPPORTED);
    assert_int_equal(h.api_key, 0x7fff);
    assert_int_equal(h.correlation_id, 0x21);
    assert_null(h.api);
    assert_int_equal(decode("ffff 0002 00000021 0000", &h, &left), ERR_UNSUPPORTED);
    assert_int_equal(decode("0000 0063 00000021 0000", &h, &left), ERR_UNSUPPORTED);
    assert_int_equal(h.api->key, API_PRODUCE);
    assert_int_equal(h.api_version, 99);
    assert_int_equal(decode("0000 ffff 00000021 0000", &h, &left), ERR_UNSUPPORTED);
}

static void request_decode__api_versions_of_the_future__is_ok(void **state)
{
    (void)state;
    struct request_header h;
    size_t left;
    assert_int_equal(decode("0012 0063 00000021 0002 'me' ffffff", &h, &left), OK);
    assert_int_equal(h.api_version, 99);
    assert_view_str(h.client_id, "me");
    assert_false(api_has_version(h.api, h.api_version));
}

static void request_decode__malformed__fails(void **state)
{
    (void)state;
    struct request_header h;
    size_t left;
    assert_int_equal(decode("0000 0007 000000", &h, &left), ERR_SHORT);
    assert_int_equal(decode("0000 0007 00000009 00", &h, &left), ERR_SHORT);
    assert_int_equal(decode("0000 0007 00000009 0004 'abc'", &h, &left), ERR_SHORT);
    assert_int_equal(decode("0000 0007 00000009 fffe", &h, &left), ERR_INVALID);
    assert_int_equal(decode("0000 0009 00000009 0000", &h, &left), ERR_SHORT);
    assert_int_equal(decode("0000 0009 00000009 0000 01 00 05 'abc'", &h, &left), ERR_SHORT);
    assert_int_equal(decode("0000 0009 00000009 0000 914e 0000", &h, &left), ERR_LIMIT);
}

static void request_encode__both_forms__as_on_the_wire(void **state)
{
    (void)state;
    struct buf out = {0};
    struct request_header h = {.api = api_find(API_FETCH), .api_version = 11, .correlation_id = 5};
    assert_int_equal(request_header_encode(&h, &out), OK);
    assert_wire_equal(buf_view(&out), "0001 000b 00000005 ffff");
    buf_clear(&out);
    h.api_version = 12;
    h.client_id = view_str("abc");
    assert_int_equal(request_header_encode(&h, &out), OK);
    assert_wire_equal(buf_view(&out), "0001 000c 00000005 0003 'abc' 00");
    buf_release(&out);
}

static void response_encode__tags_only_where_flexible(void **state)
{
    (void)state;
    struct buf out = {0};
    assert_int_equal(response_header_encode(api_find(API_FETCH), 11, 5, &out), OK);
    assert_wire_equal(buf_view(&out), "00000005");
    buf_clear(&out);
    assert_int_equal(response_header_encode(api_find(API_FETCH), 12, 5, &out), OK);
    assert_wire_equal(buf_view(&out), "00000005 00");
    buf_clear(&out);
    assert_int_equal(response_header_encode(api_find(API_API_VERSIONS), 3, 5, &out), OK);
    assert_wire_equal(buf_view(&out), "00000005");
    buf_release(&out);
}

static void response_decode__leaves_the_body(void **state)
{
    (void)state;
    int32_t id;
    struct reader r = reader_of(wire_bytes(&input, "00000005 01 07 01 ff ee"));
    assert_int_equal(response_header_decode(api_find(API_FETCH), 12, &r, &id), OK);
    assert_int_equal(id, 5);
    assert_int_equal(reader_left(&r), 1);
    r = reader_of(wire_bytes(&input, "00000006 0000"));
    assert_int_equal(response_header_decode(api_find(API_API_VERSIONS), 3, &r, &id), OK);
    assert_int_equal(id, 6);
    assert_int_equal(reader_left(&r), 2);
    r = reader_of(wire_bytes(&input, "000000"));
    assert_int_equal(response_header_decode(api_find(API_FETCH), 4, &r, &id), ERR_SHORT);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_teardown(name, teardown)
    const struct CMUnitTest tests[] = {
        TEST(request_decode__old_version__has_no_tags),
        TEST(request_decode__flexible_version__client_id_keeps_its_form),
        TEST(request_decode__never_flexible_api__has_no_tags),
        TEST(request_decode__unknown_key_or_version__unsupported_with_ids),
        TEST(request_decode__api_versions_of_the_future__is_ok),
        TEST(request_decode__malformed__fails),
        TEST(request_encode__both_forms__as_on_the_wire),
        TEST(response_encode__tags_only_where_flexible),
        TEST(response_decode__leaves_the_body),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
