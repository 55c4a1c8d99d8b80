/* Frames that real clients sent (capture.py): each decodes to its last byte, and encodes to the
 * same bytes again. */
#include <ctype.h>
#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/arena.h"
#include "base/buf.h"
#include "protocol/api.h"
#include "protocol/codec.h"
#include "protocol/header.h"
#include "protocol/messages.h"

enum { FRAMES_MIN = 40, STRUCT_MAX = 4096 };

static void read_hex(const char *path, struct buf *out)
{
    FILE *f = fopen(path, "r");
    assert_non_null(f);
    int high = -1;
    for (int c; (c = fgetc(f)) != EOF;) {
        if (!isxdigit(c)) continue;
        int digit = isdigit(c) ? c - '0' : tolower(c) - 'a' + 10;
        if (high < 0) {
            high = digit;
            continue;
        }
        assert_int_equal(buf_append_u8(out, (uint8_t)(high << 4 | digit)), OK);
        high = -1;
    }
    fclose(f);
}

static void check_frame(const char *name, const struct buf *frame)
{
    struct arena arena = {0};
    struct buf again = {0};
    struct request_header header;
    struct reader r = reader_of(buf_view(frame));
    _Alignas(16) uint8_t body[STRUCT_MAX];
    assert_int_equal(request_header_decode(&r, &header), OK);
    err_t err = codec_decode(header.api->request, header.api_version, &r, &arena, body);
    if (err != OK || reader_left(&r) != 0)
        fail_msg("%s: %s, %zu bytes left", name, err_name(err), reader_left(&r));
    assert_int_equal(request_header_encode(&header, &again), OK);
    assert_int_equal(codec_encode(header.api->request, header.api_version, body, &again, NULL), OK);
    assert_int_equal(again.len, frame->len);
    assert_memory_equal(again.data, frame->data, frame->len);
    buf_release(&again);
    arena_release(&arena);
}

static void frames__of_real_clients__decode_and_encode_the_same(void **state)
{
    (void)state;
    DIR *dir = opendir(GOLDEN_FRAMES);
    int count = 0;
    assert_non_null(dir);
    for (struct dirent *e; (e = readdir(dir));) {
        char path[1024];
        struct buf frame = {0};
        if (!strstr(e->d_name, ".hex")) continue;
        snprintf(path, sizeof path, "%s/%s", GOLDEN_FRAMES, e->d_name);
        read_hex(path, &frame);
        check_frame(e->d_name, &frame);
        buf_release(&frame);
        count++;
    }
    closedir(dir);
    assert_true(count >= FRAMES_MIN); /* an empty directory proves nothing */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(frames__of_real_clients__decode_and_encode_the_same),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
