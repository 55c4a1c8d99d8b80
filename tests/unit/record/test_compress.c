/* The five codecs against the libraries themselves, called here directly as an independent peer;
 * then everything that hostile input may try. */
#include <lz4frame.h>
#include <pthread.h>
#include <snappy-c.h>
#include <stdlib.h>
#include <zlib.h>
#include <zstd.h>

#include "lib/rng.h"
#include "record/compress.h"
#include "test.h"

enum { PEER_ROOM = 4 << 20, LIMIT = 8 << 20, STEP = 64 << 10 };

static const enum codec compressing[] = {CODEC_GZIP, CODEC_SNAPPY, CODEC_LZ4, CODEC_ZSTD};

/* Half text-like, half noise: blocks that shrink and blocks that do not. */
static struct buf sample(size_t len, uint64_t seed)
{
    struct buf b = {0};
    struct rng rng = {seed};
    assert_ok(buf_reserve(&b, len + 1));
    for (size_t i = 0; i < len; i++)
        b.data[i] = i / 4096 % 2 ? (uint8_t)rng_next(&rng)
                                 : (uint8_t) "the quick brown fox "[i % 20];
    b.len = len;
    return b;
}

static const size_t sample_sizes[] = {0, 1, 100, 32 << 10, (32 << 10) + 1, 300000, 1 << 20};

/* ---- peers ---- */

static size_t peer_gunzip(struct view in, uint8_t *out)
{
    z_stream z = {.next_in = (Bytef *)in.data,
                  .avail_in = (uInt)in.len,
                  .next_out = out,
                  .avail_out = PEER_ROOM};
    assert_int_equal(inflateInit2(&z, 31), Z_OK);
    assert_int_equal(inflate(&z, Z_FINISH), Z_STREAM_END);
    assert_int_equal(z.avail_in, 0);
    size_t len = z.total_out;
    inflateEnd(&z);
    return len;
}

static size_t peer_xerial(struct view in, uint8_t *out)
{
    static const uint8_t head[] = {0x82, 0x53, 0x4e, 0x41, 0x50, 0x50, 0x59, 0,
                                   0,    0,    0,    1,    0,    0,    0,    1};
    assert_true(in.len >= sizeof head);
    assert_memory_equal(in.data, head, sizeof head);
    size_t len = 0, pos = sizeof head;
    while (pos < in.len) {
        size_t block = be32_get(in.data + pos), room = PEER_ROOM - len;
        assert_int_equal(
            snappy_uncompress((const char *)in.data + pos + 4, block, (char *)out + len, &room),
            SNAPPY_OK);
        assert_true(room <= 32 << 10);
        len += room;
        pos += 4 + block;
    }
    assert_int_equal(pos, in.len);
    return len;
}

static size_t peer_unlz4(struct view in, uint8_t *out)
{
    LZ4F_dctx *context;
    assert_false(LZ4F_isError(LZ4F_createDecompressionContext(&context, LZ4F_VERSION)));
    size_t produced = PEER_ROOM, consumed = in.len;
    assert_int_equal(LZ4F_decompress(context, out, &produced, in.data, &consumed, NULL), 0);
    assert_int_equal(consumed, in.len);
    LZ4F_freeDecompressionContext(context);
    return produced;
}

static size_t peer_unzstd(struct view in, uint8_t *out)
{
    size_t len = ZSTD_decompress(out, PEER_ROOM, in.data, in.len);
    assert_false(ZSTD_isError(len));
    return len;
}

static size_t peer_decompress(enum codec codec, struct view in, uint8_t *out)
{
    switch (codec) {
    case CODEC_GZIP: return peer_gunzip(in, out);
    case CODEC_SNAPPY: return peer_xerial(in, out);
    case CODEC_LZ4: return peer_unlz4(in, out);
    default: return peer_unzstd(in, out);
    }
}

static size_t peer_gzip(struct view in, uint8_t *out)
{
    z_stream z = {.next_in = (Bytef *)in.data,
                  .avail_in = (uInt)in.len,
                  .next_out = out,
                  .avail_out = PEER_ROOM};
    assert_int_equal(deflateInit2(&z, 6, Z_DEFLATED, 31, 9, Z_DEFAULT_STRATEGY), Z_OK);
    assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
    deflateEnd(&z);
    return z.total_out;
}

static size_t peer_raw_snappy(struct view in, uint8_t *out)
{
    size_t len = PEER_ROOM;
    assert_int_equal(snappy_compress((const char *)in.data, in.len, (char *)out, &len), SNAPPY_OK);
    return len;
}

/* Everything on that our own frames do not have. */
static size_t peer_lz4(struct view in, uint8_t *out)
{
    LZ4F_preferences_t p = {.frameInfo = {.blockSizeID = LZ4F_max4MB,
                                          .blockMode = LZ4F_blockLinked,
                                          .contentChecksumFlag = LZ4F_contentChecksumEnabled,
                                          .contentSize = in.len,
                                          .blockChecksumFlag = LZ4F_blockChecksumEnabled}};
    size_t len = LZ4F_compressFrame(out, PEER_ROOM, in.data, in.len, &p);
    assert_false(LZ4F_isError(len));
    return len;
}

/* A stream: the size is not announced; with a checksum. */
static size_t peer_zstd(struct view in, uint8_t *out)
{
    ZSTD_CCtx *context = ZSTD_createCCtx();
    ZSTD_CCtx_setParameter(context, ZSTD_c_checksumFlag, 1);
    ZSTD_outBuffer to = {out, PEER_ROOM, 0};
    for (size_t pos = 0; pos < in.len; pos += 50000) {
        size_t len = in.len - pos < 50000 ? in.len - pos : 50000;
        ZSTD_inBuffer from = {in.data + pos, len, 0};
        assert_false(ZSTD_isError(ZSTD_compressStream2(context, &to, &from, ZSTD_e_flush)));
        assert_int_equal(from.pos, len);
    }
    ZSTD_inBuffer nothing = {0};
    assert_int_equal(ZSTD_compressStream2(context, &to, &nothing, ZSTD_e_end), 0);
    ZSTD_freeCCtx(context);
    return to.pos;
}

static size_t peer_compress(enum codec codec, struct view in, uint8_t *out)
{
    switch (codec) {
    case CODEC_GZIP: return peer_gzip(in, out);
    case CODEC_SNAPPY: return peer_raw_snappy(in, out);
    case CODEC_LZ4: return peer_lz4(in, out);
    default: return peer_zstd(in, out);
    }
}

/* ---- both ways ---- */

static void compress_append__every_codec__peer_reads_it(void **state)
{
    (void)state;
    uint8_t *room = malloc(PEER_ROOM);
    for (size_t c = 0; c < 4; c++) {
        enum codec codec = compressing[c];
        for (size_t i = 0; i < sizeof sample_sizes / sizeof *sample_sizes; i++) {
            struct buf in = sample(sample_sizes[i], i), out = {0};
            assert_ok(buf_append(&out, "before", 6));
            assert_ok(compress_append(codec, CODEC_LEVEL_DEFAULT, buf_view(&in), &out));
            assert_memory_equal(out.data, "before", 6);
            size_t len = peer_decompress(codec, view_of(out.data + 6, out.len - 6), room);
            assert_true(view_eq(view_of(room, len), buf_view(&in)));
            buf_release(&in);
            buf_release(&out);
        }
    }
    free(room);
}

static void decompress_append__peers_bytes__original(void **state)
{
    (void)state;
    uint8_t *room = malloc(PEER_ROOM);
    for (size_t c = 0; c < 4; c++) {
        enum codec codec = compressing[c];
        for (size_t i = 0; i < sizeof sample_sizes / sizeof *sample_sizes; i++) {
            struct buf in = sample(sample_sizes[i], i), out = {0};
            struct view packed = view_of(room, peer_compress(codec, buf_view(&in), room));
            assert_ok(buf_append(&out, "before", 6));
            assert_ok(decompress_append(codec, packed, in.len, &out));
            assert_memory_equal(out.data, "before", 6);
            assert_true(view_eq(view_of(out.data + 6, out.len - 6), buf_view(&in)));
            buf_release(&in);
            buf_release(&out);
        }
    }
    free(room);
}

static void round_trip(enum codec codec, int level)
{
    struct buf in = sample(200000, 7), packed = {0}, out = {0};
    assert_ok(compress_append(codec, level, buf_view(&in), &packed));
    assert_ok(decompress_append(codec, buf_view(&packed), LIMIT, &out));
    assert_true(view_eq(buf_view(&out), buf_view(&in)));
    buf_release(&in);
    buf_release(&packed);
    buf_release(&out);
}

static void compress_append__every_level__round_trips(void **state)
{
    (void)state;
    round_trip(CODEC_NONE, 5);
    round_trip(CODEC_SNAPPY, 5);
    for (int level = 1; level <= 9; level++) round_trip(CODEC_GZIP, level);
    round_trip(CODEC_GZIP, -1);
    for (int level = 1; level <= 17; level++) round_trip(CODEC_LZ4, level);
    static const int zstd_levels[] = {-131072, -1, 0, 1, 3, 22};
    for (int i = 0; i < 6; i++) round_trip(CODEC_ZSTD, zstd_levels[i]);
}

static void compress_append__higher_gzip_level__smaller(void **state)
{
    (void)state;
    struct buf in = sample(200000, 7), fast = {0}, small = {0}, again = {0};
    assert_ok(compress_append(CODEC_GZIP, 1, buf_view(&in), &fast));
    assert_ok(compress_append(CODEC_GZIP, 9, buf_view(&in), &small));
    assert_ok(compress_append(CODEC_GZIP, 1, buf_view(&in), &again));
    assert_true(small.len < fast.len);
    assert_true(view_eq(buf_view(&fast), buf_view(&again)));
    buf_release(&in);
    buf_release(&fast);
    buf_release(&small);
    buf_release(&again);
}

static void compress_append__level_out_of_range__invalid(void **state)
{
    (void)state;
    struct buf out = {0};
    struct view in = view_str("x");
    assert_err(compress_append(CODEC_GZIP, 0, in, &out), ERR_INVALID);
    assert_err(compress_append(CODEC_GZIP, 10, in, &out), ERR_INVALID);
    assert_err(compress_append(CODEC_LZ4, 0, in, &out), ERR_INVALID);
    assert_err(compress_append(CODEC_LZ4, 18, in, &out), ERR_INVALID);
    assert_err(compress_append(CODEC_ZSTD, 23, in, &out), ERR_INVALID);
    assert_err(compress_append(CODEC_ZSTD, -131073, in, &out), ERR_INVALID);
    assert_err(compress_append((enum codec)5, 0, in, &out), ERR_UNSUPPORTED);
    assert_int_equal(out.len, 0);
}

/* Java's reader knows nothing but independent blocks. */
static void compress_append__lz4__blocks_are_independent(void **state)
{
    (void)state;
    struct buf in = sample(200000, 1), out = {0};
    assert_ok(compress_append(CODEC_LZ4, CODEC_LEVEL_DEFAULT, buf_view(&in), &out));
    static const uint8_t magic[] = {0x04, 0x22, 0x4d, 0x18};
    assert_memory_equal(out.data, magic, 4);
    assert_int_equal(out.data[4] & 0xe0, 0x60); /* version 1, independent */
    buf_release(&in);
    buf_release(&out);
}

/* ---- streams one behind the other ---- */

static void decompress_append__several_streams__all_of_them(void **state)
{
    (void)state;
    for (size_t c = 0; c < 4; c++) {
        enum codec codec = compressing[c];
        struct buf packed = {0}, out = {0};
        assert_ok(compress_append(codec, CODEC_LEVEL_DEFAULT, view_str("one "), &packed));
        assert_ok(compress_append(codec, CODEC_LEVEL_DEFAULT, view_str(""), &packed));
        assert_ok(compress_append(codec, CODEC_LEVEL_DEFAULT, view_str("two"), &packed));
        assert_ok(decompress_append(codec, buf_view(&packed), 7, &out));
        assert_true(view_eq(buf_view(&out), view_str("one two")));
        buf_clear(&out);
        assert_err(decompress_append(codec, buf_view(&packed), 6, &out), ERR_TOO_LARGE);
        buf_release(&packed);
        buf_release(&out);
    }
}

static void decompress_append__garbage_behind__corrupt(void **state)
{
    (void)state;
    for (size_t c = 0; c < 4; c++) {
        enum codec codec = compressing[c];
        struct buf packed = {0}, out = {0};
        assert_ok(compress_append(codec, CODEC_LEVEL_DEFAULT, view_str("content"), &packed));
        assert_ok(buf_append(&packed, "garbage!", 8));
        assert_err(decompress_append(codec, buf_view(&packed), LIMIT, &out), ERR_CORRUPT);
        assert_int_equal(out.len, 0);
        buf_release(&packed);
        buf_release(&out);
    }
}

static void decompress_append__zstd_skippable_frame__skipped(void **state)
{
    (void)state;
    static const uint8_t skippable[] = {0x50, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 'a', 'b', 'c'};
    struct buf packed = {0}, out = {0};
    assert_ok(buf_append(&packed, skippable, sizeof skippable));
    assert_ok(compress_append(CODEC_ZSTD, 3, view_str("content"), &packed));
    assert_ok(decompress_append(CODEC_ZSTD, buf_view(&packed), LIMIT, &out));
    assert_true(view_eq(buf_view(&out), view_str("content")));
    buf_release(&packed);
    buf_release(&out);
}

/* Version numbers differ between writers; nobody reads them. */
static void decompress_append__xerial_versions__ignored(void **state)
{
    (void)state;
    struct buf packed = {0}, out = {0};
    assert_ok(compress_append(CODEC_SNAPPY, 0, view_str("content"), &packed));
    packed.data[8] = 1;
    packed.data[15] = 0;
    assert_ok(decompress_append(CODEC_SNAPPY, buf_view(&packed), LIMIT, &out));
    assert_true(view_eq(buf_view(&out), view_str("content")));
    buf_release(&packed);
    buf_release(&out);
}

/* ---- limits ---- */

static void decompress_append__limit__exact(void **state)
{
    (void)state;
    static const size_t sizes[] = {1, 1000, 64 << 10, (64 << 10) + 1, 200000};
    uint8_t *room = malloc(PEER_ROOM);
    for (size_t c = 0; c < 4; c++) {
        enum codec codec = compressing[c];
        for (int i = 0; i < 5; i++) {
            struct buf in = sample(sizes[i], 3), ours = {0}, out = {0};
            assert_ok(compress_append(codec, CODEC_LEVEL_DEFAULT, buf_view(&in), &ours));
            struct view packed[] = {buf_view(&ours),
                                    view_of(room, peer_compress(codec, buf_view(&in), room))};
            for (int k = 0; k < 2; k++) {
                buf_clear(&out);
                assert_ok(decompress_append(codec, packed[k], in.len, &out));
                assert_int_equal(out.len, in.len);
                assert_err(decompress_append(codec, packed[k], in.len - 1, &out), ERR_TOO_LARGE);
                assert_int_equal(out.len, in.len);
                assert_err(decompress_append(codec, packed[k], 0, &out), ERR_TOO_LARGE);
            }
            buf_release(&in);
            buf_release(&ours);
            buf_release(&out);
        }
    }
    free(room);
}

static void decompress_append__bomb__stops_at_the_limit(void **state)
{
    (void)state;
    enum { BOMB = 64 << 20, MAX = 1 << 20 };
    uint8_t *zeros = calloc(1, BOMB);
    for (size_t c = 0; c < 4; c++) {
        enum codec codec = compressing[c];
        struct buf packed = {0}, out = {0};
        assert_ok(compress_append(codec, CODEC_LEVEL_DEFAULT, view_of(zeros, BOMB), &packed));
        assert_true(packed.len < BOMB / 20);
        assert_err(decompress_append(codec, buf_view(&packed), MAX, &out), ERR_TOO_LARGE);
        assert_int_equal(out.len, 0);
        assert_true(out.cap <= 2 * (MAX + STEP));
        buf_release(&packed);
        buf_release(&out);
    }
    free(zeros);
}

/* No limit worth the name must not turn an announced size into memory either. */
static void decompress_append__announced_size_is_a_lie__little_memory(void **state)
{
    (void)state;
    static const uint8_t snappy[] = {0xff, 0xff, 0xff, 0xff, 0x0f, 0x00, 'x'}; /* 4 GiB */
    static const uint8_t xerial[] = {0x82, 'S', 'N',  'A', 'P', 'P', 'Y',  0,    0,
                                     0,    0,   1,    0,   0,   0,   1,    0,    0,
                                     0,    7,   0xff, 255, 255, 255, 0x0f, 0x00, 'x'};
    /* one segment, 8 bytes of size: 2^40; then an empty last block */
    static const uint8_t zstd[] = {0x28, 0xb5, 0x2f, 0xfd, 0xe0, 0, 0, 0, 0, 0, 1, 0, 0, 1, 0, 0};
    const struct {
        enum codec codec;
        struct view in;
    } lies[] = {{CODEC_SNAPPY, view_of(snappy, sizeof snappy)},
                {CODEC_SNAPPY, view_of(xerial, sizeof xerial)},
                {CODEC_ZSTD, view_of(zstd, sizeof zstd)}};
    for (int i = 0; i < 3; i++) {
        struct buf out = {0};
        assert_err(decompress_append(lies[i].codec, lies[i].in, SIZE_MAX / 8, &out), ERR_CORRUPT);
        assert_true(out.cap <= 2 << 20);
        buf_release(&out);
    }
}

/* ---- damage ---- */

static void decompress_append__every_truncation__corrupt(void **state)
{
    (void)state;
    struct buf in = sample(9000, 11);
    for (size_t c = 0; c < 4; c++) {
        enum codec codec = compressing[c];
        struct buf packed = {0}, out = {0};
        assert_ok(compress_append(codec, CODEC_LEVEL_DEFAULT, buf_view(&in), &packed));
        for (size_t len = 0; len < packed.len; len++) {
            if (codec == CODEC_SNAPPY && len == 16) continue; /* a header and no blocks */
            uint8_t *cut = malloc(len + !len);                /* of exact size, for the sanitizer */
            if (len) memcpy(cut, packed.data, len);
            assert_err(decompress_append(codec, view_of(cut, len), LIMIT, &out), ERR_CORRUPT);
            assert_int_equal(out.len, 0);
            free(cut);
        }
        buf_release(&packed);
        buf_release(&out);
    }
    buf_release(&in);
}

static void decompress_append__flipped_bits__error_or_some_bytes(void **state)
{
    (void)state;
    struct rng rng = {2};
    struct buf in = sample(9000, 11);
    for (size_t c = 0; c < 4; c++) {
        enum codec codec = compressing[c];
        struct buf packed = {0}, out = {0};
        assert_ok(compress_append(codec, CODEC_LEVEL_DEFAULT, buf_view(&in), &packed));
        int refused = 0;
        for (int i = 0; i < 2000; i++) {
            size_t at = rng_below(&rng, packed.len);
            uint8_t bit = (uint8_t)(1 << rng_below(&rng, 8));
            packed.data[at] ^= bit;
            buf_clear(&out);
            err_t err = decompress_append(codec, buf_view(&packed), LIMIT, &out);
            if (err) assert_int_equal(out.len, 0);
            assert_true(out.len <= LIMIT);
            refused += err != OK;
            packed.data[at] ^= bit;
        }
        assert_true(refused > 0);
        assert_ok(decompress_append(codec, buf_view(&packed), LIMIT, &out)); /* no harm done */
        buf_release(&packed);
        buf_release(&out);
    }
    buf_release(&in);
}

/* A thread's workspace must not remember what a stream before was refused for. */
static void decompress_append__after_a_failure__next_stream_is_read(void **state)
{
    (void)state;
    uint8_t *room = malloc(PEER_ROOM);
    struct buf in = sample(9000, 11);
    for (size_t c = 0; c < 4; c++) {
        enum codec codec = compressing[c];
        struct buf good = {0}, out = {0};
        assert_ok(compress_append(codec, CODEC_LEVEL_DEFAULT, buf_view(&in), &good));
        size_t len = peer_compress(codec, buf_view(&in), room);
        for (size_t cut = 1; cut < len; cut += 7) {
            assert_err(decompress_append(codec, view_of(room, cut), LIMIT, &out), ERR_CORRUPT);
            assert_ok(decompress_append(codec, buf_view(&good), LIMIT, &out));
            assert_true(view_eq(buf_view(&out), buf_view(&in)));
            buf_clear(&out);
            assert_err(decompress_append(codec, view_of(room, len), 5000, &out), ERR_TOO_LARGE);
            assert_ok(decompress_append(codec, buf_view(&good), LIMIT, &out));
            buf_clear(&out);
        }
        buf_release(&good);
        buf_release(&out);
    }
    buf_release(&in);
    free(room);
}

static void decompress_append__no_such_codec__unsupported(void **state)
{
    (void)state;
    struct buf out = {0};
    for (int codec = 5; codec < 8; codec++)
        assert_err(decompress_append((enum codec)codec, view_str("x"), 9, &out), ERR_UNSUPPORTED);
    assert_err(decompress_append(CODEC_NONE, view_str("xy"), 1, &out), ERR_TOO_LARGE);
    assert_int_equal(out.len, 0);
}

/* ---- names, threads ---- */

static void codec_parse__every_name__its_codec(void **state)
{
    (void)state;
    enum codec codec;
    for (int i = 0; i < CODEC__COUNT; i++) {
        assert_true(codec_parse(codec_name((enum codec)i), &codec));
        assert_int_equal(codec, i);
    }
    assert_string_equal(codec_name(CODEC_ZSTD), "zstd");
    assert_false(codec_parse("producer", &codec));
    assert_false(codec_parse("", &codec));
    assert_false(codec_parse("GZIP", &codec));
}

static void *thread_main(void *arg)
{
    for (int i = 0; i < 3; i++) {
        for (size_t c = 0; c < 4; c++) round_trip(compressing[c], CODEC_LEVEL_DEFAULT);
    }
    return arg;
}

static void compress_append__many_threads__each_has_its_workspace(void **state)
{
    (void)state;
    pthread_t threads[8];
    for (int i = 0; i < 8; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, thread_main, NULL), 0);
    for (int i = 0; i < 8; i++) assert_int_equal(pthread_join(threads[i], NULL), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(compress_append__every_codec__peer_reads_it),
        cmocka_unit_test(decompress_append__peers_bytes__original),
        cmocka_unit_test(compress_append__every_level__round_trips),
        cmocka_unit_test(compress_append__higher_gzip_level__smaller),
        cmocka_unit_test(compress_append__level_out_of_range__invalid),
        cmocka_unit_test(compress_append__lz4__blocks_are_independent),
        cmocka_unit_test(decompress_append__several_streams__all_of_them),
        cmocka_unit_test(decompress_append__garbage_behind__corrupt),
        cmocka_unit_test(decompress_append__zstd_skippable_frame__skipped),
        cmocka_unit_test(decompress_append__xerial_versions__ignored),
        cmocka_unit_test(decompress_append__limit__exact),
        cmocka_unit_test(decompress_append__bomb__stops_at_the_limit),
        cmocka_unit_test(decompress_append__announced_size_is_a_lie__little_memory),
        cmocka_unit_test(decompress_append__every_truncation__corrupt),
        cmocka_unit_test(decompress_append__flipped_bits__error_or_some_bytes),
        cmocka_unit_test(decompress_append__after_a_failure__next_stream_is_read),
        cmocka_unit_test(decompress_append__no_such_codec__unsupported),
        cmocka_unit_test(codec_parse__every_name__its_codec),
        cmocka_unit_test(compress_append__many_threads__each_has_its_workspace),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
