/* Every message and version of the tables: what goes in comes out, and no bytes can do harm. */
#include "wire.h"

#include "lib/random_message.h"
#include "protocol/api.h"
#include "protocol/codec.h"
#include "protocol/records.h"

enum { ROUNDS = 4, TRUNCATIONS_MAX = 100, FLIPS = 60, ARENA_LIMIT = 32 << 20 };

typedef void (*check_fn)(const struct message *m, int version, struct rng *rng);

static void check_versions(const struct message *m, check_fn check)
{
    for (int version = m->version_min; version <= m->version_max; version++) {
        struct rng rng = {(uint64_t)version};
        for (int round = 0; round < ROUNDS; round++) check(m, version, &rng);
    }
}

static void check_all(check_fn check)
{
    size_t count;
    const struct api *apis = api_all(&count);
    assert_true(count > 60);
    for (size_t i = 0; i < count; i++) {
        check_versions(apis[i].request, check);
        check_versions(apis[i].response, check);
    }
    const struct record_type *types = record_all(&count);
    assert_true(count > 40);
    for (size_t i = 0; i < count; i++) check_versions(types[i].message, check);
}

static void make_encoded(const struct message *m, int version, struct rng *rng, struct buf *out)
{
    struct arena arena = {0};
    void *in = codec_new(&arena, m->root, 1);
    assert_non_null(in);
    random_message(m, version, rng, &arena, in);
    assert_int_equal(codec_encode(m, version, in, out, NULL), OK);
    arena_release(&arena);
}

/* Decodes from a copy of exactly `len` bytes; re-encodes what came out. */
static err_t decode_copy(const struct message *m, int version, struct view bytes, struct buf *again,
                         size_t *left)
{
    struct arena arena;
    arena_init(&arena, ARENA_LIMIT);
    uint8_t *copy = malloc(bytes.len ? bytes.len : 1);
    assert_non_null(copy);
    if (bytes.len) memcpy(copy, bytes.data, bytes.len);
    struct reader r = reader_of(view_of(copy, bytes.len));
    void *out = codec_new(&arena, m->root, 1);
    assert_non_null(out);
    err_t err = codec_decode(m, version, &r, &arena, out);
    if (err == OK) {
        *left = reader_left(&r);
        assert_int_equal(codec_encode(m, version, out, again, NULL), OK);
    }
    free(copy);
    arena_release(&arena);
    return err;
}

static void check_round_trip(const struct message *m, int version, struct rng *rng)
{
    struct buf first = {0}, again = {0};
    size_t left = 1;
    make_encoded(m, version, rng, &first);
    assert_int_equal(decode_copy(m, version, buf_view(&first), &again, &left), OK);
    assert_int_equal(left, 0);
    assert_int_equal(first.len, again.len);
    if (first.len) assert_memory_equal(first.data, again.data, first.len);
    buf_release(&first);
    buf_release(&again);
}

static void codec__random_message__comes_back_byte_for_byte(void **state)
{
    (void)state;
    check_all(check_round_trip);
}

static void check_truncations(const struct message *m, int version, struct rng *rng)
{
    struct buf first = {0}, again = {0};
    size_t left;
    make_encoded(m, version, rng, &first);
    size_t step = first.len / TRUNCATIONS_MAX + 1;
    for (size_t len = 0; len < first.len; len += step)
        assert_int_not_equal(decode_copy(m, version, view_of(first.data, len), &again, &left), OK);
    if (first.len) {
        struct view most = view_of(first.data, first.len - 1);
        assert_int_not_equal(decode_copy(m, version, most, &again, &left), OK);
    }
    buf_release(&first);
    buf_release(&again);
}

static void codec__truncated_message__fails(void **state)
{
    (void)state;
    check_all(check_truncations);
}

/* Whatever decodes also encodes; decode_copy insists on it. */
static void check_flips(const struct message *m, int version, struct rng *rng)
{
    struct buf first = {0}, again = {0};
    size_t left;
    make_encoded(m, version, rng, &first);
    for (int i = 0; first.len && i < FLIPS; i++) {
        uint8_t *byte = &first.data[rng_below(rng, first.len)];
        uint8_t before = *byte;
        *byte = rng_chance(rng, 300) ? 0xff : (uint8_t)rng_next(rng);
        buf_clear(&again);
        (void)(decode_copy(m, version, buf_view(&first), &again, &left) == OK);
        if (rng_chance(rng, 700)) *byte = before;
    }
    buf_release(&first);
    buf_release(&again);
}

static void codec__flipped_bytes__fail_or_encode_again(void **state)
{
    (void)state;
    check_all(check_flips);
}

/* min_bytes is what decode divides by: a lower number allows too much memory, a higher one refuses
 * good input. Messages of nothing but defaults are the smallest there are. */
static void check_min_bytes(const struct message *m, int version, struct rng *rng)
{
    (void)rng;
    struct buf out = {0};
    assert_int_equal(codec_encode(m, version, m->root->defaults, &out, NULL), OK);
    if (out.len) assert_true(out.len >= m->root->min_bytes);
    buf_release(&out);
}

static void codec__default_message__is_not_below_its_minimum(void **state)
{
    (void)state;
    check_all(check_min_bytes);
}

static void check_outside(const struct message *m, int version, struct rng *rng)
{
    (void)version;
    (void)rng;
    struct buf out = {0};
    struct arena arena = {0};
    struct reader r = reader_of(view_str(""));
    void *in = codec_new(&arena, m->root, 1);
    assert_non_null(in);
    static const int OUTSIDE[] = {-1, 32, 33, 1000, INT16_MIN};
    for (size_t i = 0; i < sizeof(OUTSIDE) / sizeof(OUTSIDE[0]); i++) {
        assert_int_equal(codec_encode(m, OUTSIDE[i], in, &out, NULL), ERR_UNSUPPORTED);
        assert_int_equal(codec_decode(m, OUTSIDE[i], &r, &arena, in), ERR_UNSUPPORTED);
    }
    int next = m->version_max + 1;
    assert_int_equal(codec_encode(m, next, in, &out, NULL), ERR_UNSUPPORTED);
    assert_int_equal(codec_decode(m, next, &r, &arena, in), ERR_UNSUPPORTED);
    assert_int_equal(out.len, 0);
    arena_release(&arena);
}

static void codec__version_outside_of_range__is_unsupported(void **state)
{
    (void)state;
    check_all(check_outside);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(codec__random_message__comes_back_byte_for_byte),
        cmocka_unit_test(codec__truncated_message__fails),
        cmocka_unit_test(codec__flipped_bytes__fail_or_encode_again),
        cmocka_unit_test(codec__default_message__is_not_below_its_minimum),
        cmocka_unit_test(codec__version_outside_of_range__is_unsupported),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
