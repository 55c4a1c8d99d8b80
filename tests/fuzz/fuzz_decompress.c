/* Any bytes as a compressed stream: the first byte chooses the codec, the second the limit. Output
 * and memory stay within the limit, a failure leaves the buffer as it was, and what came out can be
 * packed and unpacked again. */
#include "base/buf.h"
#include "base/check.h"
#include "record/compress.h"

enum { STEP = 64 << 10, LIMIT_BITS = 22, PREFIX = 3 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void pack_again(enum codec codec, struct view content)
{
    struct buf packed = {0}, unpacked = {0};
    CHECK(compress_append(codec, CODEC_LEVEL_DEFAULT, content, &packed) == OK);
    CHECK(decompress_append(codec, buf_view(&packed), content.len, &unpacked) == OK);
    CHECK(view_eq(buf_view(&unpacked), content));
    buf_release(&packed);
    buf_release(&unpacked);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2) return 0;
    enum codec codec = (enum codec)(data[0] % CODEC__COUNT);
    size_t max = (size_t)1 << data[1] % LIMIT_BITS;
    struct buf out = {0};
    CHECK(buf_append(&out, "abc", PREFIX) == OK);
    err_t err = decompress_append(codec, view_of(data + 2, size - 2), max, &out);
    CHECK(view_eq(view_of(out.data, PREFIX), view_of("abc", PREFIX)));
    CHECK(err == OK || out.len == PREFIX);
    CHECK(out.len - PREFIX <= max && out.cap <= 2 * (max + STEP));
    CHECK(err == OK || err == ERR_CORRUPT || err == ERR_TOO_LARGE);
    if (err == OK) pack_again(codec, view_of(out.data + PREFIX, out.len - PREFIX));
    buf_release(&out);
    return 0;
}
