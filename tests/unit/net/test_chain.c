/* Pieces go in at the end and leave at the front, and give back what they own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/check.h"
#include "chain.h"

static int released;

static void file_release(struct slice_file *file)
{
    (void)file;
    released++;
}

static struct slice_file make_file(void)
{
    released = 0;
    return (struct slice_file){.refs = 1, .fd = -1, .release = file_release};
}

static void *bytes(size_t len)
{
    void *data = calloc(1, len);
    assert_non_null(data);
    return data;
}

static void add__pieces_of_all_kinds__counts_their_bytes(void **state)
{
    (void)state;
    struct slice_file file = make_file();
    struct chain chain = {0};
    struct buf buf = {0};
    assert_int_equal(buf_append(&buf, "abcd", 4), OK);
    struct slice slice = {&file, 100, 1000, false};
    assert_int_equal(chain_add_static(&chain, view_str("head")), OK);
    assert_int_equal(chain_add_owned(&chain, bytes(10), 10), OK);
    assert_int_equal(chain_add_buf(&chain, &buf), OK);
    assert_int_equal(chain_add_slice(&chain, &slice), OK);
    assert_null(buf.data);
    assert_null(slice.file);
    assert_int_equal(chain_left(&chain), 4 + 10 + 4 + 1000);
    assert_int_equal(chain.count, 4);
    assert_int_equal(chain_piece(&chain, 3)->slice.pos, 100);
    chain_release(&chain);
    assert_int_equal(released, 1);
    assert_int_equal(chain_left(&chain), 0);
}

static void add__nothing__keeps_no_piece(void **state)
{
    (void)state;
    struct slice_file file = make_file();
    struct chain chain = {0};
    struct slice slice = {&file, 0, 0, false};
    assert_int_equal(chain_add_static(&chain, view_str("")), OK);
    assert_int_equal(chain_add_owned(&chain, bytes(1), 0), OK); /* still takes it over */
    assert_int_equal(chain_add_slice(&chain, &slice), OK);
    assert_int_equal(chain.count, 0);
    assert_int_equal(released, 1);
    chain_release(&chain);
}

static void advance__over_pieces__releases_them_at_once(void **state)
{
    (void)state;
    struct slice_file file = make_file();
    struct chain chain = {0};
    struct slice slice = {&file, 0, 50, false};
    assert_int_equal(chain_add_owned(&chain, bytes(10), 10), OK);
    assert_int_equal(chain_add_slice(&chain, &slice), OK);
    assert_int_equal(chain_add_owned(&chain, bytes(10), 10), OK);
    chain_advance(&chain, 15);
    assert_int_equal(chain.first, 1);
    assert_int_equal(chain.first_sent, 5);
    assert_int_equal(released, 0);
    chain_advance(&chain, 45);
    assert_int_equal(released, 1);
    assert_int_equal(chain.first, 2);
    assert_int_equal(chain.first_sent, 0);
    assert_int_equal(chain_left(&chain), 10);
    chain_advance(&chain, 10);
    assert_int_equal(chain_left(&chain), 0);
    assert_int_equal(chain.first, chain.count);
    chain_release(&chain);
}

static void advance__any_steps__passes_every_byte_once(void **state)
{
    (void)state;
    for (size_t step = 1; step < 40; step++) {
        struct chain chain = {0};
        for (size_t len = 1; len <= 20; len++) {
            assert_int_equal(chain_add_owned(&chain, bytes(len), len), OK);
        }
        size_t total = chain_left(&chain);
        assert_int_equal(total, 20 * 21 / 2);
        for (size_t sent = 0; sent < total; sent += step) {
            size_t before = 0;
            for (uint32_t i = 0; i < chain.first; i++) before += i + 1;
            assert_int_equal(before + chain.first_sent, sent);
            chain_advance(&chain, MIN(step, chain_left(&chain)));
        }
        assert_int_equal(chain_left(&chain), 0);
        chain_release(&chain);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(add__pieces_of_all_kinds__counts_their_bytes),
        cmocka_unit_test(add__nothing__keeps_no_piece),
        cmocka_unit_test(advance__over_pieces__releases_them_at_once),
        cmocka_unit_test(advance__any_steps__passes_every_byte_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
