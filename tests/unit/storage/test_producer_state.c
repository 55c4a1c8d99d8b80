/* producer_state: what is a duplicate, what follows, what is refused; transactions; the snapshot.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <string.h>

#include "base/buf.h"
#include "base/crc32c.h"
#include "lib/rng.h"
#include "storage/producer_state.h"

enum { ID = 4000, TIME = 1000 };

static struct batch_header batch(int16_t epoch, int32_t sequence, int32_t count, koffset_t offset)
{
    return (struct batch_header){
        .base_offset = offset,
        .last_offset_delta = count - 1,
        .record_count = count,
        .max_timestamp = TIME + offset,
        .producer_id = ID,
        .producer_epoch = epoch,
        .base_sequence = sequence,
    };
}

static struct batch_header txn_batch(producer_id_t id, int32_t sequence, koffset_t offset)
{
    struct batch_header h = batch(0, sequence, 1, offset);
    h.producer_id = id;
    h.attributes = BATCH_ATTR_TRANSACTIONAL;
    return h;
}

static struct batch_header marker(producer_id_t id, int16_t epoch, koffset_t offset)
{
    struct batch_header h = batch(epoch, NO_SEQUENCE, 1, offset);
    h.producer_id = id;
    h.attributes = BATCH_ATTR_TRANSACTIONAL | BATCH_ATTR_CONTROL;
    return h;
}

static void update(struct producer_state *s, struct batch_header h)
{
    assert_int_equal(producer_state_update(s, &h), OK);
}

static err_t check(const struct producer_state *s, struct batch_header h)
{
    struct producer_batch ignored;
    return producer_state_check(s, &h, &ignored);
}

static int setup(void **state)
{
    *state = producer_state_new();
    return *state ? 0 : -1;
}

static int teardown(void **state)
{
    producer_state_free(*state);
    return 0;
}

static void check__no_producer_id__is_ok(void **state)
{
    struct batch_header h = batch(0, 7, 1, 0);
    h.producer_id = NO_PRODUCER_ID;
    update(*state, h);
    assert_int_equal(check(*state, h), OK);
    assert_int_equal(producer_state_count(*state), 0);
}

/* The log follows what a leader or a snapshot says, also batches of producers without sequences. */
static void check__after_a_batch_without_sequence__starts_at_0(void **state)
{
    update(*state, batch(0, NO_SEQUENCE, 1, 0));
    assert_int_equal(check(*state, batch(0, 0, 1, 1)), OK);
    assert_int_equal(check(*state, batch(0, 1, 1, 1)), ERR_SEQUENCE);
}

static void check__unknown_producer__may_start_anywhere(void **state)
{
    assert_int_equal(check(*state, batch(3, 12345, 2, 0)), OK);
}

static void check__next_sequence__is_ok(void **state)
{
    update(*state, batch(0, 0, 10, 100));
    assert_int_equal(check(*state, batch(0, 10, 1, 0)), OK);
    assert_int_equal(check(*state, batch(0, 11, 1, 0)), ERR_SEQUENCE);
    assert_int_equal(check(*state, batch(0, 9, 1, 0)), ERR_SEQUENCE);
    assert_int_equal(check(*state, batch(0, 0, 1, 0)), ERR_SEQUENCE);
}

static void check__sequence_wraps_between_batches__is_ok(void **state)
{
    update(*state, batch(0, INT32_MAX - 1, 2, 0));
    assert_int_equal(check(*state, batch(0, 0, 1, 0)), OK);
    assert_int_equal(check(*state, batch(0, 1, 1, 0)), ERR_SEQUENCE);
}

static void check__sequence_wraps_inside_a_batch__goes_on_behind_it(void **state)
{
    struct batch_header wrapping = batch(0, INT32_MAX - 1, 5, 50); /* max-1, max, 0, 1, 2 */
    struct producer_batch duplicate;
    update(*state, wrapping);
    const struct producer_entry *entry = producer_state_find(*state, ID);
    assert_int_equal(entry->batches[0].last_sequence, 2);
    assert_int_equal(check(*state, batch(0, 3, 1, 0)), OK);
    assert_int_equal(check(*state, batch(0, 4, 1, 0)), ERR_SEQUENCE);
    assert_int_equal(producer_state_check(*state, &wrapping, &duplicate), ERR_EXISTS);
    assert_int_equal(duplicate.first_offset, 50);
    assert_int_equal(duplicate.last_offset, 54);
}

static void check__same_batch_among_last_five__is_a_duplicate(void **state)
{
    struct producer_batch duplicate;
    for (int i = 0; i < 7; i++) update(*state, batch(0, i * 2, 2, 100 + i * 2));
    for (int i = 0; i < 7; i++) {
        struct batch_header h = batch(0, i * 2, 2, 0);
        err_t err = producer_state_check(*state, &h, &duplicate);
        assert_int_equal(err, i < 2 ? ERR_SEQUENCE : ERR_EXISTS);
        if (err == ERR_EXISTS) assert_int_equal(duplicate.first_offset, 100 + i * 2);
    }
}

static void check__same_start_but_other_length__is_refused(void **state)
{
    update(*state, batch(0, 0, 5, 0));
    assert_int_equal(check(*state, batch(0, 0, 4, 0)), ERR_SEQUENCE);
    assert_int_equal(check(*state, batch(0, 1, 4, 0)), ERR_SEQUENCE);
}

static void check__epochs__older_refused_newer_starts_at_zero(void **state)
{
    update(*state, batch(5, 0, 3, 0));
    assert_int_equal(check(*state, batch(4, 3, 1, 0)), ERR_PRODUCER_EPOCH);
    assert_int_equal(check(*state, batch(6, 3, 1, 0)), ERR_SEQUENCE);
    assert_int_equal(check(*state, batch(6, 0, 1, 0)), OK);
    update(*state, batch(6, 0, 1, 3));
    assert_int_equal(check(*state, batch(5, 0, 3, 0)), ERR_PRODUCER_EPOCH);
    assert_int_equal(check(*state, batch(6, 1, 1, 0)), OK);
    assert_int_equal(producer_state_find(*state, ID)->batch_count, 1);
}

static void check__changes_nothing(void **state)
{
    struct buf before = {0}, after = {0};
    update(*state, batch(0, 0, 3, 0));
    assert_int_equal(producer_state_encode(*state, &before), OK);
    assert_int_equal(check(*state, batch(9, 0, 1, 3)), OK);
    assert_int_equal(check(*state, batch(0, 3, 1, 3)), OK);
    assert_int_equal(producer_state_encode(*state, &after), OK);
    assert_true(view_eq(buf_view(&before), buf_view(&after)));
    buf_release(&before);
    buf_release(&after);
}

static void end_txn__of_a_newer_epoch__fences_and_starts_at_zero(void **state)
{
    struct completed_txn done;
    struct batch_header h = marker(ID, 1, 11);
    update(*state, txn_batch(ID, 0, 10));
    assert_true(producer_state_end_txn(*state, &h, true, 7, &done));
    assert_int_equal(check(*state, batch(0, 1, 1, 0)), ERR_PRODUCER_EPOCH);
    assert_int_equal(check(*state, batch(1, 1, 1, 0)), ERR_SEQUENCE);
    assert_int_equal(check(*state, batch(1, 0, 1, 0)), OK);
    assert_int_equal(producer_state_find(*state, ID)->coordinator_epoch, 7);
}

static void end_txn__of_the_same_epoch__sequences_go_on(void **state)
{
    struct completed_txn done;
    struct batch_header h = marker(ID, 0, 11);
    update(*state, txn_batch(ID, 0, 10));
    assert_true(producer_state_end_txn(*state, &h, false, 7, &done));
    assert_false(done.is_aborted);
    assert_int_equal(check(*state, batch(0, 1, 1, 0)), OK);
}

static void first_unstable__several_transactions__is_the_oldest_open(void **state)
{
    struct completed_txn done;
    assert_int_equal(producer_state_first_unstable(*state), -1);
    for (int i = 0; i < 10; i++) update(*state, txn_batch(ID + i, 0, 100 + i));
    update(*state, txn_batch(ID, 1, 110));
    for (int i = 0; i < 10; i++) {
        assert_int_equal(producer_state_first_unstable(*state), i < 6 ? 100 : 100 + i - 5);
        int which = (i + 5) % 10; /* 5..9 first, then 0..4: only 0 moves the oldest */
        struct batch_header h = marker(ID + which, 0, 200 + i);
        assert_true(producer_state_end_txn(*state, &h, true, 0, &done));
        assert_int_equal(done.first_offset, 100 + which);
        assert_int_equal(done.last_offset, 200 + i);
        assert_int_equal(done.producer_id, ID + which);
        assert_true(done.is_aborted);
    }
    assert_int_equal(producer_state_first_unstable(*state), -1);
}

static void end_txn__without_data__is_no_transaction(void **state)
{
    struct completed_txn done;
    struct batch_header h = marker(ID, 3, 5);
    assert_false(producer_state_end_txn(*state, &h, true, 1, &done));
    assert_int_equal(producer_state_find(*state, ID)->epoch, 3);
    assert_int_equal(producer_state_find(*state, ID)->batch_count, 0);
}

static void expire__idle_without_transaction__is_forgotten(void **state)
{
    update(*state, batch(0, 0, 1, 0));          /* idle since TIME */
    update(*state, txn_batch(ID + 1, 0, 1));    /* as idle, but in a transaction */
    update(*state, txn_batch(ID + 2, 0, 1000)); /* busy */
    assert_int_equal(producer_state_expire(*state, TIME), 0);
    assert_int_equal(producer_state_expire(*state, TIME + 500), 1);
    assert_null(producer_state_find(*state, ID));
    assert_non_null(producer_state_find(*state, ID + 1));
    assert_non_null(producer_state_find(*state, ID + 2));
    assert_int_equal(producer_state_first_unstable(*state), 1);
}

static void count_rising(void *arg, const struct producer_entry *entry)
{
    producer_id_t *last = arg;
    assert_true(entry->id > *last);
    *last = entry->id;
}

static void find__many_producers_in_any_order__all_are_found(void **state)
{
    enum { COUNT = 2000 };
    struct rng rng = {42};
    for (int i = 0; i < COUNT; i++) {
        struct batch_header h = batch(0, i, 1, i);
        h.producer_id = i * 7919 % COUNT;
        update(*state, h);
    }
    assert_int_equal(producer_state_count(*state), COUNT);
    for (int i = 0; i < COUNT; i++) {
        producer_id_t id = (producer_id_t)rng_below(&rng, COUNT);
        assert_int_equal(producer_state_find(*state, id)->id, id);
    }
    assert_null(producer_state_find(*state, COUNT));
    assert_null(producer_state_find(*state, -1));
    producer_id_t last = -1;
    producer_state_each(*state, count_rising, &last);
    assert_int_equal(last, COUNT - 1);
}

/* ---- snapshot ---- */

static void encode__one_producer__is_kafkas_layout(void **state)
{
    static const uint8_t entry[46] = {
        0,    0,    0,    0,    0, 0, 0x0f, 0xa0, /* producer id 4000 */
        0,    2,                                  /* epoch */
        0,    0,    0,    14,                     /* last sequence */
        0,    0,    0,    0,    0, 0, 0,    104,  /* last offset */
        0,    0,    0,    4,                      /* offset delta */
        0,    0,    0,    0,    0, 0, 4,    0x4c, /* timestamp 1100 */
        0xff, 0xff, 0xff, 0xff,                   /* coordinator epoch */
        0,    0,    0,    0,    0, 0, 0,    100,  /* first offset of the open transaction */
    };
    struct buf out = {0};
    struct batch_header h = batch(2, 10, 5, 100);
    h.attributes = BATCH_ATTR_TRANSACTIONAL;
    update(*state, h);
    assert_int_equal(producer_state_encode(*state, &out), OK);
    assert_int_equal(out.len, 10 + 46);
    assert_int_equal(be16_get(out.data), 1);
    assert_int_equal(be32_get(out.data + 2), crc32c(0, out.data + 6, out.len - 6));
    assert_int_equal(be32_get(out.data + 6), 1);
    assert_memory_equal(out.data + 10, entry, sizeof entry);
    buf_release(&out);
}

static void decode__what_was_encoded__knows_the_newest_batch(void **state)
{
    struct producer_state *copy = producer_state_new();
    struct buf out = {0};
    struct completed_txn done;
    for (int i = 0; i < 4; i++) update(*state, batch(1, i * 3, 3, 10 + i * 3));
    update(*state, txn_batch(ID + 7, INT32_MAX, 30));
    struct batch_header m = marker(ID + 9, 4, 31);
    producer_state_end_txn(*state, &m, true, 5, &done);
    assert_int_equal(producer_state_encode(*state, &out), OK);
    update(copy, batch(0, 0, 1, 999)); /* replaced by the load */
    assert_int_equal(producer_state_decode(copy, buf_view(&out)), OK);
    assert_int_equal(producer_state_count(copy), 3);
    assert_int_equal(producer_state_first_unstable(copy), 30);
    struct producer_batch duplicate;
    struct batch_header newest = batch(1, 9, 3, 0);
    assert_int_equal(producer_state_check(copy, &newest, &duplicate), ERR_EXISTS);
    assert_int_equal(duplicate.first_offset, 19);
    assert_int_equal(check(copy, batch(1, 12, 1, 0)), OK);
    assert_int_equal(check(copy, batch(1, 6, 3, 0)), ERR_SEQUENCE); /* only one was kept */
    assert_int_equal(producer_state_find(copy, ID + 9)->batch_count, 0);
    assert_int_equal(producer_state_find(copy, ID + 9)->coordinator_epoch, 5);
    assert_int_equal(producer_state_find(copy, ID + 9)->last_timestamp, TIME + 31);
    struct buf again = {0};
    assert_int_equal(producer_state_encode(copy, &again), OK);
    assert_true(view_eq(buf_view(&out), buf_view(&again)));
    buf_release(&again);
    buf_release(&out);
    producer_state_free(copy);
}

static void decode__batch_that_wrapped__first_sequence_is_before_the_wrap(void **state)
{
    struct buf out = {0};
    update(*state, batch(0, INT32_MAX - 1, 5, 50));
    assert_int_equal(producer_state_encode(*state, &out), OK);
    assert_int_equal(producer_state_decode(*state, buf_view(&out)), OK);
    const struct producer_entry *entry = producer_state_find(*state, ID);
    assert_int_equal(entry->batches[0].first_sequence, INT32_MAX - 1);
    assert_int_equal(entry->batches[0].first_offset, 50);
    buf_release(&out);
}

static void decode__any_flipped_bit__is_corrupt_and_empty(void **state)
{
    struct buf out = {0};
    update(*state, batch(0, 0, 5, 50));
    assert_int_equal(producer_state_encode(*state, &out), OK);
    for (size_t bit = 0; bit < out.len * 8; bit++) {
        out.data[bit / 8] ^= (uint8_t)(1u << bit % 8);
        assert_int_equal(producer_state_decode(*state, buf_view(&out)), ERR_CORRUPT);
        assert_int_equal(producer_state_count(*state), 0);
        out.data[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    for (size_t len = 0; len < out.len; len++)
        assert_int_equal(producer_state_decode(*state, view_of(out.data, len)), ERR_CORRUPT);
    assert_int_equal(producer_state_decode(*state, buf_view(&out)), OK);
    buf_release(&out);
}

static void sign(struct buf *b) { be32_put(b->data + 2, crc32c(0, b->data + 6, b->len - 6)); }

static void decode__impossible_but_signed__is_corrupt(void **state)
{
    struct buf out = {0};
    update(*state, batch(0, 0, 5, 50));
    assert_int_equal(producer_state_encode(*state, &out), OK);
    uint8_t *entry = out.data + 10;
    be32_put(entry + 22, (uint32_t)-1); /* a negative delta */
    sign(&out);
    assert_int_equal(producer_state_decode(*state, buf_view(&out)), ERR_CORRUPT);
    be32_put(entry + 22, 55); /* it would begin before offset 0 */
    sign(&out);
    assert_int_equal(producer_state_decode(*state, buf_view(&out)), ERR_CORRUPT);
    be32_put(entry + 22, 4);
    assert_int_equal(buf_reserve(&out, 46), OK); /* the same producer twice */
    entry = out.data + 10;
    memcpy(entry + 46, entry, 46);
    out.len += 46;
    be32_put(out.data + 6, 2);
    sign(&out);
    assert_int_equal(producer_state_decode(*state, buf_view(&out)), ERR_CORRUPT);
    be32_put(out.data + 6, 0x7fffffff); /* a count that would overflow a careless product */
    sign(&out);
    assert_int_equal(producer_state_decode(*state, buf_view(&out)), ERR_CORRUPT);
    buf_release(&out);
}

/* Against a model that keeps everything: random producers, epochs, retries. */
static void check__random_history__agrees_with_a_plain_model(void **state)
{
    struct rng rng = {7};
    int32_t next = 0;
    int16_t epoch = 0;
    struct batch_header history[64];
    int count = 0;
    koffset_t offset = 0;
    for (int step = 0; step < 20000; step++) {
        if (count == 64 || rng_chance(&rng, 5)) {
            epoch++;
            next = 0;
            count = 0;
        }
        if (count && rng_chance(&rng, 300)) {
            int back = (int)rng_below(&rng, (uint64_t)count);
            struct batch_header old = history[count - 1 - back];
            bool repeats = back < PRODUCER_BATCHES_KEPT;
            assert_int_equal(check(*state, old), repeats ? ERR_EXISTS : ERR_SEQUENCE);
            continue;
        }
        int32_t size = (int32_t)rng_between(&rng, 1, 5);
        struct batch_header h = batch(epoch, next, size, offset);
        assert_int_equal(check(*state, h), OK);
        update(*state, h);
        history[count++] = h;
        offset += size;
        next = sequence_add(next, size);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(check__no_producer_id__is_ok, setup, teardown),
        cmocka_unit_test_setup_teardown(check__after_a_batch_without_sequence__starts_at_0, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(check__unknown_producer__may_start_anywhere, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(check__next_sequence__is_ok, setup, teardown),
        cmocka_unit_test_setup_teardown(check__sequence_wraps_between_batches__is_ok, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(check__sequence_wraps_inside_a_batch__goes_on_behind_it,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(check__same_batch_among_last_five__is_a_duplicate, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(check__same_start_but_other_length__is_refused, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(check__epochs__older_refused_newer_starts_at_zero, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(check__changes_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(end_txn__of_a_newer_epoch__fences_and_starts_at_zero, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(end_txn__of_the_same_epoch__sequences_go_on, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(first_unstable__several_transactions__is_the_oldest_open,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(end_txn__without_data__is_no_transaction, setup, teardown),
        cmocka_unit_test_setup_teardown(expire__idle_without_transaction__is_forgotten, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(find__many_producers_in_any_order__all_are_found, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(encode__one_producer__is_kafkas_layout, setup, teardown),
        cmocka_unit_test_setup_teardown(decode__what_was_encoded__knows_the_newest_batch, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(
            decode__batch_that_wrapped__first_sequence_is_before_the_wrap, setup, teardown),
        cmocka_unit_test_setup_teardown(decode__any_flipped_bit__is_corrupt_and_empty, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(decode__impossible_but_signed__is_corrupt, setup, teardown),
        cmocka_unit_test_setup_teardown(check__random_history__agrees_with_a_plain_model, setup,
                                        teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
