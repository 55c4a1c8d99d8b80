/* compress - the five codecs of a record batch, in the framings that Kafka's clients read and
 * write.
 *
 * gzip: gzip members. snappy: written in the block framing of xerial's Java library, read in that
 * or raw. lz4: LZ4 frames. zstd: zstd frames. Both directions append to the caller's buffer, which
 * keeps its contents when they fail; input and buffer must not overlap. Working memory of the
 * libraries is kept per thread and freed with the thread; any thread may call anything here.
 *
 * Decompression trusts no announced size: room is made for what was really decoded, or for what an
 * input of that length can become at most, and never for more than `max_bytes` (which the buffer's
 * own growth may round up to twice that).
 */
#pragma once

#include "base/buf.h"

enum codec {
    CODEC_NONE = 0,
    CODEC_GZIP = 1,
    CODEC_SNAPPY = 2,
    CODEC_LZ4 = 3,
    CODEC_ZSTD = 4,
    CODEC__COUNT
};

/* "none", "gzip", "snappy", "lz4", "zstd": the names used in settings. */
const char *codec_name(enum codec codec);
/* False when there is no such codec. */
bool codec_parse(const char *name, enum codec *out);

/* What `level` may be, as in compression.<codec>.level: `fallback`, or `lowest` to `highest`.
 * CODEC_LEVEL_DEFAULT stands for `fallback`. Codecs without levels (none, snappy) take any. */
struct codec_levels {
    bool has_levels;
    int lowest, highest, fallback;
};
enum { CODEC_LEVEL_DEFAULT = INT32_MIN };
struct codec_levels codec_levels(enum codec codec);
bool codec_level_is_valid(enum codec codec, int level);

/* Appends `in`, compressed, to `out`. A level outside of the codec's range is ERR_INVALID. */
err_t compress_append(enum codec codec, int level, struct view in, struct buf *out);

/* Appends what `in` stands for to `out`, whose data is not NULL then. The whole of `in` has to be
 * used up.
 * ERR_TOO_LARGE: more than max_bytes would come out; ERR_CORRUPT: not what the codec says;
 * ERR_UNSUPPORTED: no such codec; ERR_NOMEM. */
err_t decompress_append(enum codec codec, struct view in, size_t max_bytes, struct buf *out);
