/* One function a codec and direction, behind one table.
 *
 * Bounded output, in two ways. gzip and LZ4 are streams: a `sink` makes room in growing steps as
 * output arrives, at most one byte beyond the limit, and that byte tells a stream that is too large
 * from one that just fits. snappy and zstd want the whole room at once: it is the least of the
 * limit, of what the input announces, and of what an input of that length can stand for at most in
 * that format, so that a few bytes cannot ask for a lot.
 *
 * The libraries' working memory (zlib's 300 KiB, zstd's tables) is worth keeping: a workspace a
 * thread, made at its first use and freed by a thread-specific destructor.
 */
#include "compress.h"

#define ZSTD_STATIC_LINKING_ONLY /* for ZSTD_decompressBound() */
#include <lz4frame.h>
#include <pthread.h>
#include <snappy-c.h>
#include <stdlib.h>
#include <zlib.h>
#include <zstd.h>
#include <zstd_errors.h>

#include "base/check.h"

/* ---- names and levels ---- */

static const char *const names[CODEC__COUNT] = {"none", "gzip", "snappy", "lz4", "zstd"};

const char *codec_name(enum codec codec)
{
    CHECK((unsigned)codec < CODEC__COUNT);
    return names[codec];
}

bool codec_parse(const char *name, enum codec *out)
{
    for (int i = 0; i < CODEC__COUNT; i++) {
        if (strcmp(name, names[i]) != 0) continue;
        *out = (enum codec)i;
        return true;
    }
    return false;
}

struct codec_levels codec_levels(enum codec codec)
{
    switch (codec) {
    case CODEC_GZIP: return (struct codec_levels){true, 1, 9, Z_DEFAULT_COMPRESSION};
    case CODEC_LZ4: return (struct codec_levels){true, 1, 17, 9};
    case CODEC_ZSTD: return (struct codec_levels){true, -131072, 22, 3};
    default: return (struct codec_levels){0};
    }
}

bool codec_level_is_valid(enum codec codec, int level)
{
    struct codec_levels l = codec_levels(codec);
    if (!l.has_levels || level == CODEC_LEVEL_DEFAULT || level == l.fallback) return true;
    return level >= l.lowest && level <= l.highest;
}

/* ---- the thread's workspace ---- */

struct workspace {
    z_stream deflate;
    z_stream inflate;
    int deflate_level; /* of `deflate`, if has_deflate */
    bool has_deflate;
    bool has_inflate;
    LZ4F_dctx *lz4_out;
    ZSTD_CCtx *zstd_in;
    ZSTD_DCtx *zstd_out;
};

static pthread_key_t workspace_key;
static pthread_once_t workspace_once = PTHREAD_ONCE_INIT;
static _Thread_local struct workspace *workspace_of_thread;

static void workspace_free(void *arg)
{
    struct workspace *w = arg;
    if (w->has_deflate) deflateEnd(&w->deflate);
    if (w->has_inflate) inflateEnd(&w->inflate);
    LZ4F_freeDecompressionContext(w->lz4_out);
    ZSTD_freeCCtx(w->zstd_in);
    ZSTD_freeDCtx(w->zstd_out);
    free(w);
}

static void make_key(void) { CHECK(pthread_key_create(&workspace_key, workspace_free) == 0); }

static struct workspace *workspace(void)
{
    if (workspace_of_thread) return workspace_of_thread;
    pthread_once(&workspace_once, make_key);
    struct workspace *w = calloc(1, sizeof *w);
    if (!w || pthread_setspecific(workspace_key, w) != 0) {
        free(w);
        return NULL;
    }
    workspace_of_thread = w;
    return w;
}

/* ---- bounded output of streams ---- */

enum { SINK_STEP_MIN = 64 * 1024 };

struct sink {
    struct buf *out;
    size_t start; /* out->len before the first byte */
    size_t max;   /* bytes that may come out; one more is given room, see the top */
};

static size_t sink_len(const struct sink *s) { return s->out->len - s->start; }

/* Room for more output at out->data + out->len: as much again as there is already. */
static err_t sink_room(struct sink *s, size_t *room)
{
    size_t done = sink_len(s);
    if (done > s->max) return ERR_TOO_LARGE;
    size_t left = s->max - done == SIZE_MAX ? SIZE_MAX : s->max - done + 1;
    *room = MIN(left, MAX(done, (size_t)SINK_STEP_MIN));
    return buf_reserve(s->out, *room);
}

static err_t sink_result(const struct sink *s) { return sink_len(s) > s->max ? ERR_TOO_LARGE : OK; }

/* ---- gzip ---- */

enum { GZIP_WINDOW = 15 + 16, GZIP_MEMORY = 8 }; /* 16: with gzip's header and trailer */

static err_t gzip_begin(struct workspace *w, int level)
{
    if (w->has_deflate && w->deflate_level == level)
        return deflateReset(&w->deflate) == Z_OK ? OK : ERR_NOMEM;
    if (w->has_deflate) deflateEnd(&w->deflate);
    w->deflate = (z_stream){0};
    w->has_deflate = deflateInit2(&w->deflate, level, Z_DEFLATED, GZIP_WINDOW, GZIP_MEMORY,
                                  Z_DEFAULT_STRATEGY) == Z_OK;
    w->deflate_level = level;
    return w->has_deflate ? OK : ERR_NOMEM;
}

static err_t gzip_compress(struct workspace *w, int level, struct view in, struct buf *out)
{
    TRY(gzip_begin(w, level));
    z_stream *z = &w->deflate;
    size_t bound = deflateBound(z, in.len);
    if (in.len > UINT32_MAX || bound > UINT32_MAX) return ERR_TOO_LARGE;
    TRY(buf_reserve(out, bound));
    z->next_in = (Bytef *)in.data;
    z->avail_in = (uInt)in.len;
    z->next_out = out->data + out->len;
    z->avail_out = (uInt)bound;
    CHECK(deflate(z, Z_FINISH) == Z_STREAM_END); /* the bound is a promise */
    out->len += bound - z->avail_out;
    return OK;
}

/* Inflates one member; what follows it stays in z->next_in. */
static err_t gzip_member(z_stream *z, struct sink *sink)
{
    for (;;) {
        size_t room;
        TRY(sink_room(sink, &room));
        uInt given = (uInt)MIN(room, (size_t)UINT32_MAX);
        z->next_out = sink->out->data + sink->out->len;
        z->avail_out = given;
        int result = inflate(z, Z_NO_FLUSH);
        sink->out->len += given - z->avail_out;
        if (result == Z_STREAM_END) return OK;
        if (result == Z_MEM_ERROR) return ERR_NOMEM;
        if (result != Z_OK && result != Z_BUF_ERROR) return ERR_CORRUPT;
        if (z->avail_in == 0 && z->avail_out > 0) return ERR_CORRUPT; /* ends too early */
    }
}

static err_t gzip_decompress(struct workspace *w, struct view in, size_t max, struct buf *out)
{
    if (in.len > UINT32_MAX) return ERR_TOO_LARGE;
    z_stream *z = &w->inflate;
    if (!w->has_inflate) w->has_inflate = inflateInit2(z, GZIP_WINDOW) == Z_OK;
    if (!w->has_inflate) return ERR_NOMEM;
    struct sink sink = {out, out->len, max};
    z->next_in = (Bytef *)in.data;
    z->avail_in = (uInt)in.len;
    do {
        if (inflateReset(z) != Z_OK) return ERR_NOMEM;
        TRY(gzip_member(z, &sink));
    } while (z->avail_in > 0);
    return sink_result(&sink);
}

/* ---- snappy ---- */

/* xerial's framing: a magic and two version numbers, then blocks, each a length and raw snappy. */
enum { XERIAL_MAGIC_SIZE = 8, XERIAL_HEADER_SIZE = 16, XERIAL_BLOCK = 32 * 1024 };
static const uint8_t xerial_header[XERIAL_HEADER_SIZE] = {0x82, 'S', 'N', 'A', 'P', 'P', 'Y', 0,
                                                          0,    0,   0,   1,   0,   0,   0,   1};

/* The densest code of the format is three bytes that copy 64. */
enum { SNAPPY_RATIO_MAX = 22 };

static bool is_xerial(struct view in)
{
    return in.len >= XERIAL_HEADER_SIZE && memcmp(in.data, xerial_header, XERIAL_MAGIC_SIZE) == 0;
}

static err_t snappy_compress_block(struct view in, struct buf *out)
{
    size_t size = snappy_max_compressed_length(in.len);
    TRY(buf_reserve(out, 4 + size));
    uint8_t *at = out->data + out->len;
    CHECK(snappy_compress((const char *)in.data, in.len, (char *)at + 4, &size) == SNAPPY_OK);
    be32_put(at, (uint32_t)size);
    out->len += 4 + size;
    return OK;
}

static err_t snappy_compress_append(struct workspace *w, int level, struct view in, struct buf *out)
{
    (void)w;
    (void)level;
    TRY(buf_append(out, xerial_header, XERIAL_HEADER_SIZE));
    for (size_t pos = 0; pos < in.len; pos += XERIAL_BLOCK) {
        size_t len = MIN(in.len - pos, (size_t)XERIAL_BLOCK);
        TRY(snappy_compress_block(view_of(in.data + pos, len), out));
    }
    return OK;
}

static err_t snappy_decompress_block(struct view in, size_t max, struct buf *out)
{
    const char *data = (const char *)in.data;
    size_t size;
    if (snappy_uncompressed_length(data, in.len, &size) != SNAPPY_OK) return ERR_CORRUPT;
    if (size / SNAPPY_RATIO_MAX > in.len) return ERR_CORRUPT; /* a lie */
    if (size > max) return ERR_TOO_LARGE;
    TRY(buf_reserve(out, size));
    if (snappy_uncompress(data, in.len, (char *)out->data + out->len, &size) != SNAPPY_OK)
        return ERR_CORRUPT;
    out->len += size;
    return OK;
}

/* Streams may lie one behind the other, each with a header. */
static err_t xerial_decompress(struct view in, size_t max, struct buf *out)
{
    size_t start = out->len;
    struct reader r = reader_of(in);
    while (reader_left(&r) > 0) {
        if (is_xerial(view_of(r.at, reader_left(&r)))) {
            reader_take(&r, XERIAL_HEADER_SIZE);
            continue;
        }
        uint32_t len = read_u32(&r);
        struct view block = read_view(&r, len);
        if (r.bad) return ERR_CORRUPT;
        TRY(snappy_decompress_block(block, max - (out->len - start), out));
    }
    return OK;
}

static err_t snappy_decompress(struct workspace *w, struct view in, size_t max, struct buf *out)
{
    (void)w;
    return is_xerial(in) ? xerial_decompress(in, max, out) : snappy_decompress_block(in, max, out);
}

/* ---- lz4 ---- */

/* Kafka's setting counts from 1 to 17 and means the fast compressor by its default, 9; the library
 * counts up to 12 and means the fast one by 0. */
static int lz4_library_level(int level)
{
    enum { LIBRARY_MAX = 12 };
    return level == codec_levels(CODEC_LZ4).fallback ? 0 : MIN(level, LIBRARY_MAX);
}

/* Java clients read independent blocks only. */
static err_t lz4_compress(struct workspace *w, int level, struct view in, struct buf *out)
{
    (void)w;
    LZ4F_preferences_t preferences = {
        .frameInfo = {.blockSizeID = LZ4F_max64KB, .blockMode = LZ4F_blockIndependent},
        .compressionLevel = lz4_library_level(level),
    };
    size_t bound = LZ4F_compressFrameBound(in.len, &preferences);
    TRY(buf_reserve(out, bound));
    size_t size = LZ4F_compressFrame(out->data + out->len, bound, in.data, in.len, &preferences);
    if (LZ4F_isError(size)) return ERR_NOMEM; /* nothing else can be wrong */
    out->len += size;
    return OK;
}

static err_t lz4_frames(LZ4F_dctx *context, struct view in, struct sink *sink)
{
    size_t pos = 0, hint = 1;
    while (pos < in.len || hint != 0) {
        size_t room;
        TRY(sink_room(sink, &room));
        size_t produced = room, consumed = in.len - pos;
        hint = LZ4F_decompress(context, sink->out->data + sink->out->len, &produced, in.data + pos,
                               &consumed, NULL);
        if (LZ4F_isError(hint)) return ERR_CORRUPT;
        sink->out->len += produced;
        pos += consumed;
        /* With room left and no input, a frame that wants more has been cut off. */
        if (hint != 0 && pos == in.len && produced < room) return ERR_CORRUPT;
    }
    return sink_result(sink);
}

static err_t lz4_decompress(struct workspace *w, struct view in, size_t max, struct buf *out)
{
    if (!w->lz4_out && LZ4F_isError(LZ4F_createDecompressionContext(&w->lz4_out, LZ4F_VERSION)))
        return ERR_NOMEM;
    struct sink sink = {out, out->len, max};
    err_t err = lz4_frames(w->lz4_out, in, &sink);
    if (err == OK) return OK;
    /* The library's own reset keeps what an unfinished frame announced, and holds it against the
     * next frame. */
    LZ4F_freeDecompressionContext(w->lz4_out);
    w->lz4_out = NULL;
    return err;
}

/* ---- zstd ---- */

/* A block has a head of three bytes and stands for 128 KiB at most. */
enum { ZSTD_BLOCK_HEAD = 3 };

static err_t zstd_compress(struct workspace *w, int level, struct view in, struct buf *out)
{
    if (!w->zstd_in) w->zstd_in = ZSTD_createCCtx();
    if (!w->zstd_in) return ERR_NOMEM;
    size_t bound = ZSTD_compressBound(in.len);
    if (ZSTD_isError(bound)) return ERR_TOO_LARGE;
    TRY(buf_reserve(out, bound));
    size_t size = ZSTD_compressCCtx(w->zstd_in, out->data + out->len, bound, in.data, in.len,
                                    level);
    if (ZSTD_isError(size)) return ERR_NOMEM; /* nothing else can be wrong */
    out->len += size;
    return OK;
}

/* Frames of the format as it has been since 1.0, and complete: the library may also know the
 * formats before, which no client writes and few eyes watch. */
static bool zstd_frames_are_plain(struct view in)
{
    while (in.len > 0) {
        size_t size = ZSTD_findFrameCompressedSize(in.data, in.len);
        if (ZSTD_isError(size) || size < 4) return false;
        uint32_t magic = __builtin_bswap32(be32_get(in.data));
        bool is_skippable = (magic & ZSTD_MAGIC_SKIPPABLE_MASK) == ZSTD_MAGIC_SKIPPABLE_START;
        if (magic != ZSTD_MAGICNUMBER && !is_skippable) return false;
        in = view_of(in.data + size, in.len - size);
    }
    return true;
}

static err_t zstd_decompress(struct workspace *w, struct view in, size_t max, struct buf *out)
{
    if (!w->zstd_out) w->zstd_out = ZSTD_createDCtx();
    if (!w->zstd_out) return ERR_NOMEM;
    if (!zstd_frames_are_plain(in)) return ERR_CORRUPT;
    unsigned long long announced = ZSTD_decompressBound(in.data, in.len);
    if (announced == ZSTD_CONTENTSIZE_ERROR) return ERR_CORRUPT;
    unsigned long long possible = ((unsigned long long)in.len / ZSTD_BLOCK_HEAD + 1) *
                                  ZSTD_BLOCKSIZE_MAX;
    size_t room = (size_t)MIN(MIN(announced, possible), (unsigned long long)max);
    TRY(buf_reserve(out, room));
    size_t size = ZSTD_decompressDCtx(w->zstd_out, out->data + out->len, room, in.data, in.len);
    if (!ZSTD_isError(size)) {
        out->len += size;
        return OK;
    }
    if (ZSTD_getErrorCode(size) == ZSTD_error_dstSize_tooSmall && room == max) return ERR_TOO_LARGE;
    return ZSTD_getErrorCode(size) == ZSTD_error_memory_allocation ? ERR_NOMEM : ERR_CORRUPT;
}

/* ---- all of them ---- */

static const struct {
    err_t (*compress)(struct workspace *w, int level, struct view in, struct buf *out);
    err_t (*decompress)(struct workspace *w, struct view in, size_t max, struct buf *out);
} codecs[CODEC__COUNT] = {
    [CODEC_GZIP] = {gzip_compress, gzip_decompress},
    [CODEC_SNAPPY] = {snappy_compress_append, snappy_decompress},
    [CODEC_LZ4] = {lz4_compress, lz4_decompress},
    [CODEC_ZSTD] = {zstd_compress, zstd_decompress},
};

err_t compress_append(enum codec codec, int level, struct view in, struct buf *out)
{
    if ((unsigned)codec >= CODEC__COUNT) return ERR_UNSUPPORTED;
    if (!codec_level_is_valid(codec, level)) return ERR_INVALID;
    if (codec == CODEC_NONE) return buf_append(out, in.data, in.len);
    struct workspace *w = workspace();
    if (!w) return ERR_NOMEM;
    if (level == CODEC_LEVEL_DEFAULT) level = codec_levels(codec).fallback;
    size_t start = out->len;
    err_t err = codecs[codec].compress(w, level, in, out);
    if (err) out->len = start;
    return err;
}

err_t decompress_append(enum codec codec, struct view in, size_t max_bytes, struct buf *out)
{
    if ((unsigned)codec >= CODEC__COUNT) return ERR_UNSUPPORTED;
    if (codec == CODEC_NONE)
        return in.len > max_bytes ? ERR_TOO_LARGE : buf_append(out, in.data, in.len);
    if (in.len == 0) return ERR_CORRUPT; /* every framing has a header */
    TRY(buf_reserve(out, 1));            /* so that even nothing has an address */
    struct workspace *w = workspace();
    if (!w) return ERR_NOMEM;
    size_t start = out->len;
    err_t err = codecs[codec].decompress(w, in, max_bytes, out);
    if (err) out->len = start;
    return err;
}
