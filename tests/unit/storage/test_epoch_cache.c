/* epoch_cache: assigning, asking, cutting at both ends, the text. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <string.h>

#include "base/buf.h"
#include "storage/epoch_cache.h"

static bool assign(struct epoch_cache *c, leader_epoch_t epoch, koffset_t offset)
{
    bool changed = false;
    assert_int_equal(epoch_cache_assign(c, epoch, offset, &changed), OK);
    return changed;
}

/* Epochs 2 at 0, 4 at 10, 7 at 30. */
static struct epoch_cache three(void)
{
    struct epoch_cache c = {0};
    assert_true(assign(&c, 2, 0));
    assert_true(assign(&c, 4, 10));
    assert_true(assign(&c, 7, 30));
    return c;
}

static void assert_end(const struct epoch_cache *c, leader_epoch_t asked, leader_epoch_t found,
                       koffset_t end)
{
    leader_epoch_t f = -5;
    koffset_t e = -5;
    assert_int_equal(epoch_cache_end(c, asked, 100, &f, &e), OK);
    assert_int_equal(f, found);
    assert_int_equal(e, end);
}

static void assign__same_epoch_again__is_no_news(void **state)
{
    (void)state;
    struct epoch_cache c = three();
    assert_false(assign(&c, 7, 30));
    assert_false(assign(&c, 7, 99));
    assert_false(assign(&c, -1, 100));
    assert_int_equal(c.count, 3);
    epoch_cache_release(&c);
}

static void assign__contradiction__drops_later_entries(void **state)
{
    (void)state;
    struct epoch_cache c = three();
    assert_true(assign(&c, 5, 10)); /* another epoch wrote at 10 */
    assert_int_equal(c.count, 2);
    assert_int_equal(c.entries[1].epoch, 5);
    assert_int_equal(c.entries[1].start_offset, 10);
    epoch_cache_release(&c);
    c = three();
    assert_true(assign(&c, 3, 40)); /* an older epoch after a newer one: the newer ones are wrong */
    assert_int_equal(c.count, 2);
    assert_int_equal(epoch_cache_latest(&c), 3);
    epoch_cache_release(&c);
}

static void assign__older_batches_read_again__keeps_what_follows(void **state)
{
    (void)state;
    struct epoch_cache c = three();
    assert_false(assign(&c, 2, 5));
    assert_false(assign(&c, 4, 10));
    assert_true(assign(&c, 3, 8)); /* one that was not known */
    assert_true(assign(&c, 6, 29));
    assert_int_equal(c.count, 5);
    assert_int_equal(epoch_cache_at(&c, 9), 3);
    assert_int_equal(epoch_cache_at(&c, 28), 4);
    assert_int_equal(epoch_cache_at(&c, 29), 6);
    assert_true(epoch_cache_truncate_start(&c, 9));
    assert_true(assign(&c, 3, 8)); /* the start went back */
    assert_true(assign(&c, 1, 0));
    assert_int_equal(c.count, 5);
    assert_int_equal(c.entries[0].epoch, 1);
    assert_int_equal(c.entries[1].start_offset, 8);
    assert_int_equal(epoch_cache_latest(&c), 7);
    epoch_cache_release(&c);
}

static void assign__latest_epoch_before_its_start__begins_there(void **state)
{
    (void)state;
    struct epoch_cache c = three();
    assert_true(assign(&c, 7, 20)); /* the list was written before a truncation */
    assert_int_equal(c.count, 3);
    assert_int_equal(epoch_cache_at(&c, 19), 4);
    assert_int_equal(epoch_cache_at(&c, 20), 7);
    assert_end(&c, 4, 4, 20);
    epoch_cache_release(&c);
}

static void assign__same_epoch_where_another_begins__drops_that(void **state)
{
    (void)state;
    struct epoch_cache c = three();
    assert_true(assign(&c, 4, 30)); /* 7 did not write there */
    assert_int_equal(c.count, 2);
    assert_int_equal(epoch_cache_latest(&c), 4);
    epoch_cache_release(&c);
    c = three();
    assert_true(assign(&c, 9, 5)); /* newer than all, but before them */
    assert_int_equal(c.count, 2);
    assert_int_equal(epoch_cache_at(&c, 100), 9);
    epoch_cache_release(&c);
}

static void end__known_epochs__end_where_the_next_begins(void **state)
{
    (void)state;
    struct epoch_cache c = three();
    assert_end(&c, 2, 2, 10);
    assert_end(&c, 3, 2, 10);
    assert_end(&c, 4, 4, 30);
    assert_end(&c, 6, 4, 30);
    assert_end(&c, 7, 7, 100);
    epoch_cache_release(&c);
}

static void end__unknown_epochs__not_found(void **state)
{
    (void)state;
    struct epoch_cache c = three();
    leader_epoch_t f;
    koffset_t e;
    assert_int_equal(epoch_cache_end(&c, 8, 100, &f, &e), ERR_NOT_FOUND);
    assert_int_equal(epoch_cache_end(&c, 1, 100, &f, &e), ERR_NOT_FOUND);
    assert_int_equal(epoch_cache_end(&c, -1, 100, &f, &e), ERR_NOT_FOUND);
    epoch_cache_release(&c);
    assert_int_equal(epoch_cache_end(&c, 0, 0, &f, &e), ERR_NOT_FOUND);
}

static void at__offsets__belong_to_the_epoch_before(void **state)
{
    (void)state;
    struct epoch_cache c = three();
    assert_int_equal(epoch_cache_at(&c, 0), 2);
    assert_int_equal(epoch_cache_at(&c, 9), 2);
    assert_int_equal(epoch_cache_at(&c, 10), 4);
    assert_int_equal(epoch_cache_at(&c, 1000), 7);
    assert_true(epoch_cache_truncate_start(&c, 5));
    assert_int_equal(epoch_cache_at(&c, 4), -1);
    epoch_cache_release(&c);
    assert_int_equal(epoch_cache_at(&c, 0), -1);
    assert_int_equal(epoch_cache_latest(&c), -1);
}

static void truncate_end__drops_what_begins_at_or_after(void **state)
{
    (void)state;
    struct epoch_cache c = three();
    assert_false(epoch_cache_truncate_end(&c, 31));
    assert_true(epoch_cache_truncate_end(&c, 30));
    assert_int_equal(epoch_cache_latest(&c), 4);
    assert_true(epoch_cache_truncate_end(&c, 0));
    assert_int_equal(c.count, 0);
    epoch_cache_release(&c);
}

static void truncate_start__keeps_the_epoch_that_holds_it(void **state)
{
    (void)state;
    struct epoch_cache c = three();
    assert_false(epoch_cache_truncate_start(&c, 0));
    assert_true(epoch_cache_truncate_start(&c, 20));
    assert_int_equal(c.count, 2);
    assert_int_equal(c.entries[0].epoch, 4);
    assert_int_equal(c.entries[0].start_offset, 20);
    assert_true(epoch_cache_truncate_start(&c, 500));
    assert_int_equal(c.count, 1);
    assert_end(&c, 7, 7, 100);
    epoch_cache_release(&c);
}

static void encode__is_kafkas_text(void **state)
{
    (void)state;
    struct epoch_cache c = three();
    struct buf out = {0};
    assert_int_equal(epoch_cache_encode(&c, &out), OK);
    assert_true(view_eq(buf_view(&out), view_str("0\n3\n2 0\n4 10\n7 30\n")));
    struct epoch_cache d = {0};
    assert_int_equal(epoch_cache_decode(&d, buf_view(&out)), OK);
    assert_int_equal(d.count, 3);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(d.entries[i].epoch, c.entries[i].epoch);
        assert_int_equal(d.entries[i].start_offset, c.entries[i].start_offset);
    }
    assert_int_equal(epoch_cache_decode(&d, view_str("0\n0\n")), OK);
    assert_int_equal(d.count, 0);
    buf_release(&out);
    epoch_cache_release(&c);
    epoch_cache_release(&d);
}

static void decode__malformed__is_corrupt_and_empty(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        "0",
        "0\n",
        "1\n0\n",
        "x\n0\n",
        "0\n-1\n",
        "0\n2\n1 0\n",          /* too few lines */
        "0\n1\n1 0\n2 5\n",     /* too many */
        "0\n1\n1\n",            /* one word */
        "0\n1\n1 0 0\n",        /* three */
        "0\n1\n1  0\n",         /* two blanks */
        "0\n1\n-1 0\n",         /* negative epoch */
        "0\n1\n1 -1\n",         /* negative offset */
        "0\n2\n2 0\n2 5\n",     /* epochs do not rise */
        "0\n2\n2 5\n3 5\n",     /* offsets do not rise */
        "0\n1\n2147483648 0\n", /* beyond int32 */
        "0\n1\n1 9223372036854775808\n",
        "0\n1\n+1 0\n",
        "0\n1\n1 0x\n",
        "0\n99999999999\n",
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct epoch_cache c = three();
        assert_int_equal(epoch_cache_decode(&c, view_str(bad[i])), ERR_CORRUPT);
        assert_int_equal(c.count, 0);
        epoch_cache_release(&c);
    }
}

static void decode__other_line_ends__are_accepted(void **state)
{
    (void)state;
    struct epoch_cache c = {0};
    assert_int_equal(epoch_cache_decode(&c, view_str("0\r\n1\r\n3 9223372036854775807\r\n\n")), OK);
    assert_int_equal(c.entries[0].start_offset, INT64_MAX);
    assert_int_equal(epoch_cache_decode(&c, view_str("0\n1\n0 0")), OK);
    assert_int_equal(c.count, 1);
    epoch_cache_release(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(assign__same_epoch_again__is_no_news),
        cmocka_unit_test(assign__contradiction__drops_later_entries),
        cmocka_unit_test(assign__older_batches_read_again__keeps_what_follows),
        cmocka_unit_test(assign__latest_epoch_before_its_start__begins_there),
        cmocka_unit_test(assign__same_epoch_where_another_begins__drops_that),
        cmocka_unit_test(end__known_epochs__end_where_the_next_begins),
        cmocka_unit_test(end__unknown_epochs__not_found),
        cmocka_unit_test(at__offsets__belong_to_the_epoch_before),
        cmocka_unit_test(truncate_end__drops_what_begins_at_or_after),
        cmocka_unit_test(truncate_start__keeps_the_epoch_that_holds_it),
        cmocka_unit_test(encode__is_kafkas_text),
        cmocka_unit_test(decode__malformed__is_corrupt_and_empty),
        cmocka_unit_test(decode__other_line_ends__are_accepted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
