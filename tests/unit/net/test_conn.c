/* A connection's frames and replies, over a real socket. */
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "harness.h"

static struct harness harness;

static int set_up(void **state)
{
    harness_init(&harness);
    *state = &harness;
    return 0;
}

static void frame__one__comes_back(void **state)
{
    struct harness *h = *state;
    harness_start(h);
    int fd = client_connect(h);
    client_send_frame(fd, 'e', 100, 7);
    client_expect_echo(fd, 'e', 100, 7);
    harness_wait(&h->delivered, 1);
    close(fd);
    harness_wait(&h->closed, 1);
    assert_int_equal(h->dropped, 0);
    harness_end(h);
}

static void frame__empty__is_delivered(void **state)
{
    struct harness *h = *state;
    harness_start(h);
    int fd = client_connect(h);
    uint8_t prefix[4] = {0};
    client_send(fd, prefix, sizeof prefix);
    client_receive(fd, prefix, sizeof prefix);
    assert_int_equal(be32_get(prefix), 0);
    close(fd);
    harness_end(h);
}

static void frames__pipelined__come_back_in_order_in_few_bursts(void **state)
{
    struct harness *h = *state;
    harness_start(h);
    int fd = client_connect(h);
    enum { COUNT = 2000, BODY = 50, WHOLE = 4 + 1 + BODY };
    uint8_t *all = malloc(COUNT * WHOLE);
    for (uint32_t i = 0; i < COUNT; i++) {
        be32_put(all + i * WHOLE, 1 + BODY);
        all[i * WHOLE + 4] = 'e';
        for (size_t k = 0; k < BODY; k++) all[i * WHOLE + 5 + k] = harness_byte(i + k);
    }
    client_send(fd, all, COUNT * WHOLE);
    for (uint32_t i = 0; i < COUNT; i++) client_expect_echo(fd, 'e', BODY, i);
    assert_int_equal(h->frames, COUNT);
    assert_true(h->bursts < COUNT / 4);
    free(all);
    close(fd);
    harness_end(h);
}

static void frame__byte_at_a_time__comes_back(void **state)
{
    struct harness *h = *state;
    harness_start(h);
    int fd = client_connect(h);
    uint8_t frame[4 + 1 + 300];
    be32_put(frame, 301);
    frame[4] = 'e';
    for (size_t i = 0; i < 300; i++) frame[5 + i] = harness_byte(i);
    for (size_t i = 0; i < sizeof frame; i++) client_send(fd, frame + i, 1);
    client_expect_echo(fd, 'e', 300, 0);
    close(fd);
    harness_end(h);
}

/* Around every size at which reading goes another way. */
static void frames__of_many_sizes__come_back(void **state)
{
    struct harness *h = *state;
    harness_start(h);
    int fd = client_connect(h);
    static const size_t sizes[] = {0,       1,       4090,    4096,    5000,    65530,
                                   65536,   70000,   262144,  1048570, 1048576, 1048580,
                                   2097147, 2097152, 3 << 20, 100,     5 << 20, 1};
    for (size_t i = 0; i < COUNT_OF(sizes); i++) {
        client_send_frame(fd, 'e', sizes[i], (uint32_t)i);
        client_expect_echo(fd, 'e', sizes[i], (uint32_t)i);
    }
    close(fd);
    harness_end(h);
}

/* A low-water mark left from the large frame would hide the small one. */
static void frames__small_after_large__is_not_hidden(void **state)
{
    struct harness *h = *state;
    harness_start(h);
    int fd = client_connect(h);
    for (int round = 0; round < 5; round++) {
        client_send_frame(fd, 'n', 600000 + 1000 * (size_t)round, 1);
        client_send_frame(fd, 'e', 3, 2);
        client_expect_echo(fd, 'e', 3, 2);
    }
    close(fd);
    harness_end(h);
}

static void frame__huge__comes_back(void **state)
{
    struct harness *h = *state;
    harness_start(h);
    int fd = client_connect(h);
    client_send_frame(fd, 'e', 40 << 20, 3);
    client_expect_echo(fd, 'e', 40 << 20, 3);
    assert_int_equal(server_stats(h->server).buffered_bytes, 0);
    close(fd);
    harness_end(h);
}

/* Small enough for the scratch buffer, read behind what is kept, and with frames before and after
 * it: a frame that is put back comes again, whole and in its place. */
static void frame__put_back__comes_again_in_its_place(void **state)
{
    struct harness *h = *state;
    harness_start(h);
    int fd = client_connect(h);
    static const size_t sizes[] = {10, 5000, 70000, 1 << 20, 5 << 20};
    int frames = 0;
    for (size_t i = 0; i < COUNT_OF(sizes); i++) {
        client_send_frame(fd, 'e', 20, 1);
        client_send_frame(fd, 'b', sizes[i], 2);
        client_send_frame(fd, 'e', 30, 3);
        client_expect_echo(fd, 'e', 20, 1);
        harness_wait(&h->frames, frames += 2);
        harness_release(h);
        client_expect_echo(fd, 'b', sizes[i], 2);
        client_expect_echo(fd, 'e', 30, 3);
        frames += 2;
    }
    assert_int_equal(h->frames, frames);
    assert_int_equal(server_stats(h->server).buffered_bytes, 0);
    close(fd);
    harness_end(h);
}

static void frame__over_the_limit__closes_after_earlier_replies(void **state)
{
    struct harness *h = *state;
    h->options.max_frame_bytes = 1000;
    harness_start(h);
    int fd = client_connect(h);
    client_send_frame(fd, 'e', 999, 1);
    client_send_frame(fd, 'e', 1000, 1);
    client_expect_echo(fd, 'e', 999, 1);
    client_expect_end(fd);
    close(fd);
    assert_int_equal(h->frames, 1);
    harness_end(h);
}

static void frame__negative_length__closes(void **state)
{
    struct harness *h = *state;
    harness_start(h);
    int fd = client_connect(h);
    uint8_t prefix[4];
    be32_put(prefix, (uint32_t)-1);
    client_send(fd, prefix, sizeof prefix);
    client_expect_end(fd);
    close(fd);
    assert_int_equal(h->frames, 0);
    harness_end(h);
}

static void replies__completed_out_of_order__leave_in_order(void **state)
{
    struct harness *h = *state;
    harness_start(h);
    int fd = client_connect(h);
    for (uint32_t i = 0; i < 4; i++) client_send_frame(fd, 'l', 10, i);
    client_send_frame(fd, 'e', 10, 4);
    harness_wait(&h->frames, 5);
    for (int i = 3; i >= 0; i--) {
        assert_int_equal(h->delivered, 0);
        harness_answer_later(h, i);
    }
    for (uint32_t i = 0; i < 4; i++) client_expect_echo(fd, 'l', 10, i);
    client_expect_echo(fd, 'e', 10, 4);
    close(fd);
    harness_end(h);
}

static void reply__empty__keeps_the_order(void **state)
{
    struct harness *h = *state;
    harness_start(h);
    int fd = client_connect(h);
    client_send_frame(fd, 'l', 10, 1);
    client_send_frame(fd, 'n', 10, 2);
    client_send_frame(fd, 'e', 10, 3);
    harness_answer_later(h, 0);
    client_expect_echo(fd, 'l', 10, 1);
    client_expect_echo(fd, 'e', 10, 3);
    harness_wait(&h->delivered, 3);
    close(fd);
    harness_end(h);
}

static void hold__until_released__stops_delivery(void **state)
{
    struct harness *h = *state;
    harness_start(h);
    int fd = client_connect(h);
    client_send_frame(fd, 'h', 5, 1);
    for (uint32_t i = 0; i < 50; i++) client_send_frame(fd, 'e', 3000, i);
    client_expect_echo(fd, 'h', 5, 1);
    assert_int_equal(h->frames, 1);
    harness_release(h);
    for (uint32_t i = 0; i < 50; i++) client_expect_echo(fd, 'e', 3000, i);
    close(fd);
    harness_end(h);
}

/* Whole frames wait behind each hold, in one buffer. */
static void hold__again_and_again__delivers_one_by_one(void **state)
{
    struct harness *h = *state;
    harness_start(h);
    int fd = client_connect(h);
    enum { COUNT = 200 };
    for (uint32_t i = 0; i < COUNT; i++) client_send_frame(fd, 'h', 50, i);
    for (uint32_t i = 0; i < COUNT; i++) {
        client_expect_echo(fd, 'h', 50, i);
        assert_int_equal(h->frames, (int)i + 1);
        harness_release(h);
    }
    close(fd);
    harness_end(h);
}

/* What is kept behind a hold ends in the middle of a frame. */
static void hold__with_half_a_frame_behind_it__goes_on_where_it_was(void **state)
{
    struct harness *h = *state;
    harness_start(h);
    int fd = client_connect(h);
    static const size_t sizes[] = {100, 10000, 300000};
    for (size_t i = 0; i < COUNT_OF(sizes); i++) {
        size_t whole = 4 + 1 + sizes[i];
        uint8_t *bytes = malloc(20 + whole);
        for (int k = 0; k < 2; k++) {
            be32_put(bytes + 10 * k, 6);
            bytes[10 * k + 4] = k ? 'e' : 'h';
            for (size_t b = 0; b < 5; b++) bytes[10 * k + 5 + b] = harness_byte(b);
        }
        be32_put(bytes + 20, (uint32_t)(1 + sizes[i]));
        bytes[24] = 'e';
        for (size_t b = 0; b < sizes[i]; b++) bytes[25 + b] = harness_byte(b);
        client_send(fd, bytes, 20 + whole / 2);
        client_expect_echo(fd, 'h', 5, 0);
        harness_release(h);
        client_expect_echo(fd, 'e', 5, 0);
        client_send(fd, bytes + 20 + whole / 2, whole - whole / 2);
        client_expect_echo(fd, 'e', sizes[i], 0);
        free(bytes);
    }
    close(fd);
    harness_end(h);
}

static void close__after_replies__sends_those_that_are_ready(void **state)
{
    struct harness *h = *state;
    harness_start(h);
    int fd = client_connect(h);
    client_send_frame(fd, 'e', 2 << 20, 1);
    client_send_frame(fd, 'c', 10, 2);
    client_send_frame(fd, 'e', 10, 3);
    client_expect_echo(fd, 'e', 2 << 20, 1);
    client_expect_end(fd);
    close(fd);
    assert_int_equal(h->frames, 2);
    harness_end(h);
}

/* What the peer goes on sending must not cost it the replies that it has not read yet. */
static void close__after_replies_while_the_peer_sends__loses_none(void **state)
{
    struct harness *h = *state;
    harness_start(h);
    for (int round = 0; round < 20; round++) {
        int fd = client_connect_small(h, 16384);
        client_send_frame(fd, 'e', 1 << 20, 1);
        client_send_frame(fd, 'c', 10, 2);
        for (int i = 0; i < 20; i++) client_send_frame(fd, 'e', 100, 3);
        client_expect_echo(fd, 'e', 1 << 20, 1);
        client_expect_end(fd);
        close(fd);
    }
    harness_wait(&h->closed, 20);
    harness_end(h);
}

/* A peer that does not close is not waited for without end. */
static void close__after_replies_to_a_silent_peer__ends_by_itself(void **state)
{
    struct harness *h = *state;
    harness_start(h);
    int fd = client_connect(h);
    client_send_frame(fd, 'c', 10, 2);
    client_expect_end(fd);
    harness_wait(&h->closed, 1);
    close(fd);
    harness_end(h);
}

static void close__with_pending_replies__drops_them_when_they_become_ready(void **state)
{
    struct harness *h = *state;
    harness_start(h);
    int fd = client_connect(h);
    client_send_frame(fd, 'l', 10, 1);
    client_send_frame(fd, 'l', 10, 1);
    client_send_frame(fd, 'k', 10, 1);
    client_expect_end(fd);
    harness_wait(&h->closed, 1);
    assert_int_equal(h->dropped, 0);
    harness_answer_later(h, 1);
    harness_wait(&h->dropped, 1);
    harness_answer_later(h, 0);
    harness_wait(&h->dropped, 2);
    close(fd);
    harness_end(h);
}

static void close__by_the_peer_with_pending_replies__is_noticed(void **state)
{
    struct harness *h = *state;
    harness_start(h);
    int fd = client_connect(h);
    client_send_frame(fd, 'l', 10, 1);
    harness_wait(&h->frames, 1);
    close(fd);
    harness_wait(&h->closed, 1);
    harness_answer_later(h, 0);
    harness_wait(&h->dropped, 1);
    harness_end(h);
}

static void close__server_stops_with_pending_replies__drops_them_in_free(void **state)
{
    struct harness *h = *state;
    harness_start(h);
    int fd = client_connect(h);
    client_send_frame(fd, 'l', 10, 1);
    harness_wait(&h->frames, 1);
    harness_stop(h, 1000);
    client_expect_end(fd);
    harness_answer_later(h, 0);
    harness_end(h);
    assert_int_equal(h->dropped, 1);
    close(fd);
}

static void stop__with_grace__sends_what_is_ready(void **state)
{
    struct harness *h = *state;
    harness_make_file(h, 32 << 20);
    harness_start(h);
    int fd = client_connect_small(h, 32768);
    client_send_slice_request(fd, 0, 32 << 20);
    harness_wait(&h->frames, 1);
    pid_t reader = fork();
    if (reader == 0) {
        client_expect_slice(fd, 0, 32 << 20);
        _exit(0);
    }
    close(fd);
    harness_stop(h, TIMEOUT_S * 1000);
    assert_int_equal(h->delivered, 1);
    harness_end(h);
}

static void stop__without_grace__does_not_wait_for_a_reader(void **state)
{
    struct harness *h = *state;
    harness_make_file(h, 32 << 20);
    harness_start(h);
    int fd = client_connect_small(h, 32768);
    client_send_slice_request(fd, 0, 32 << 20);
    harness_wait(&h->frames, 1);
    harness_stop(h, 0);
    assert_int_equal(h->dropped, 1);
    harness_end(h);
    close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(frame__one__comes_back, set_up),
        cmocka_unit_test_setup(frame__empty__is_delivered, set_up),
        cmocka_unit_test_setup(frames__pipelined__come_back_in_order_in_few_bursts, set_up),
        cmocka_unit_test_setup(frame__byte_at_a_time__comes_back, set_up),
        cmocka_unit_test_setup(frames__of_many_sizes__come_back, set_up),
        cmocka_unit_test_setup(frames__small_after_large__is_not_hidden, set_up),
        cmocka_unit_test_setup(frame__huge__comes_back, set_up),
        cmocka_unit_test_setup(frame__put_back__comes_again_in_its_place, set_up),
        cmocka_unit_test_setup(frame__over_the_limit__closes_after_earlier_replies, set_up),
        cmocka_unit_test_setup(frame__negative_length__closes, set_up),
        cmocka_unit_test_setup(replies__completed_out_of_order__leave_in_order, set_up),
        cmocka_unit_test_setup(reply__empty__keeps_the_order, set_up),
        cmocka_unit_test_setup(hold__until_released__stops_delivery, set_up),
        cmocka_unit_test_setup(hold__again_and_again__delivers_one_by_one, set_up),
        cmocka_unit_test_setup(hold__with_half_a_frame_behind_it__goes_on_where_it_was, set_up),
        cmocka_unit_test_setup(close__after_replies__sends_those_that_are_ready, set_up),
        cmocka_unit_test_setup(close__after_replies_while_the_peer_sends__loses_none, set_up),
        cmocka_unit_test_setup(close__after_replies_to_a_silent_peer__ends_by_itself, set_up),
        cmocka_unit_test_setup(close__with_pending_replies__drops_them_when_they_become_ready,
                               set_up),
        cmocka_unit_test_setup(close__by_the_peer_with_pending_replies__is_noticed, set_up),
        cmocka_unit_test_setup(close__server_stops_with_pending_replies__drops_them_in_free,
                               set_up),
        cmocka_unit_test_setup(stop__with_grace__sends_what_is_ready, set_up),
        cmocka_unit_test_setup(stop__without_grace__does_not_wait_for_a_reader, set_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
