/* Input: two bytes that pick a message, a byte that picks its version, then the message; or ffff,
 * any byte, and a request with its header. What decodes must encode, and decode again to the same
 * bytes; it must also print. */
#include <stdlib.h>

#include "base/check.h"
#include "protocol/api.h"
#include "protocol/codec.h"
#include "protocol/header.h"
#include "protocol/records.h"
#include "protocol/text.h"

enum { ARENA_LIMIT = 16 << 20, WITH_HEADER = 0xffff };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Requests and responses of all APIs, then the records. */
static const struct message *pick_message(size_t n)
{
    size_t api_count, record_count;
    const struct api *apis = api_all(&api_count);
    const struct record_type *records = record_all(&record_count);
    n %= 2 * api_count + record_count;
    if (n < api_count) return apis[n].request;
    if (n < 2 * api_count) return apis[n - api_count].response;
    return records[n - 2 * api_count].message;
}

static bool decode(const struct message *m, int version, struct view in, struct arena *arena,
                   void **out)
{
    struct reader r = reader_of(in);
    *out = codec_new(arena, m->root, 1);
    CHECK(*out);
    return codec_decode(m, version, &r, arena, *out) == OK;
}

static void check_message(const struct message *m, int version, struct view in)
{
    struct arena arena, second;
    struct buf once = {0}, twice = {0}, text = {0};
    void *out;
    arena_init(&arena, ARENA_LIMIT);
    arena_init(&second, 2 * ARENA_LIMIT);
    if (decode(m, version, in, &arena, &out)) {
        CHECK(codec_encode(m, version, out, &once, NULL) == OK);
        CHECK(text_message(m, version, out, &text) == OK);
        CHECK(decode(m, version, buf_view(&once), &second, &out));
        CHECK(codec_encode(m, version, out, &twice, NULL) == OK);
        CHECK(view_eq(buf_view(&once), buf_view(&twice)));
    }
    buf_release(&once);
    buf_release(&twice);
    buf_release(&text);
    arena_release(&arena);
    arena_release(&second);
}

/* The way of a frame from the network: header, then the body that it announces. */
static void check_request(struct view in)
{
    struct reader r = reader_of(in);
    struct request_header header;
    if (request_header_decode(&r, &header) != OK) return;
    if (!api_has_version(header.api, header.api_version)) return;
    check_message(header.api->request, header.api_version, view_of(r.at, reader_left(&r)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 3) return 0;
    struct view in = view_of(data + 3, size - 3);
    size_t pick = be16_get(data);
    if (pick == WITH_HEADER) {
        check_request(in);
        return 0;
    }
    const struct message *m = pick_message(pick);
    check_message(m, m->version_min + data[2] % (m->version_max - m->version_min + 1), in);
    return 0;
}
