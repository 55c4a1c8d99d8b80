/* The bounds that all connections share: their number, their idleness, their memory, and the
 * descriptors of the process. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/diag.h"
#include "harness.h"

static struct harness harness;

static int set_up(void **state)
{
    harness_init(&harness);
    *state = &harness;
    return 0;
}

static void rest(void) { nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL); }

static void connections__a_thousand__are_spread_and_served(void **state)
{
    struct harness *h = *state;
    enum { COUNT = 1000 };
    static int fds[COUNT];
    h->options.loops = 3;
    harness_start(h);
    for (int i = 0; i < COUNT; i++) fds[i] = client_connect(h);
    for (uint32_t i = 0; i < COUNT; i++) client_send_frame(fds[i], 'e', 100 + i, i);
    for (uint32_t i = 0; i < COUNT; i++) client_expect_echo(fds[i], 'e', 100 + i, i);
    assert_int_equal(server_stats(h->server).connections, COUNT);
    assert_int_equal(server_stats(h->server).connections_accepted, COUNT);
    for (int i = 0; i < COUNT; i++) close(fds[i]);
    harness_wait(&h->closed, COUNT);
    harness_end(h);
}

static void connections__over_the_maximum__are_closed_at_once(void **state)
{
    struct harness *h = *state;
    h->options.max_connections = 3;
    harness_start(h);
    int fds[3];
    for (int i = 0; i < 3; i++) {
        fds[i] = client_connect(h);
        client_send_frame(fds[i], 'e', 1, 1);
        client_expect_echo(fds[i], 'e', 1, 1);
    }
    for (int i = 0; i < 5; i++) {
        int refused = client_connect(h);
        client_expect_end(refused);
        close(refused);
    }
    assert_int_equal(server_stats(h->server).connections_refused, 5);
    close(fds[0]);
    harness_wait(&h->closed, 1);
    while (server_stats(h->server).connections == 3) rest();
    fds[0] = client_connect(h); /* there is room again */
    client_send_frame(fds[0], 'e', 1, 1);
    client_expect_echo(fds[0], 'e', 1, 1);
    for (int i = 0; i < 3; i++) close(fds[i]);
    harness_end(h);
}

static void connections__over_the_maximum_of_one_host__are_closed(void **state)
{
    struct harness *h = *state;
    h->options.max_connections_per_ip = 2;
    harness_start(h);
    for (int round = 0; round < 3; round++) {
        int fds[2];
        for (int i = 0; i < 2; i++) {
            fds[i] = client_connect(h);
            client_send_frame(fds[i], 'e', 1, 1);
            client_expect_echo(fds[i], 'e', 1, 1);
        }
        int refused = client_connect(h);
        client_expect_end(refused);
        close(refused);
        for (int i = 0; i < 2; i++) close(fds[i]);
        harness_wait(&h->closed, 2 * (round + 1));
    }
    harness_end(h);
}

static void idle__connection__is_closed_and_the_busy_one_is_not(void **state)
{
    struct harness *h = *state;
    h->options.idle_timeout_ms = 1500;
    harness_start(h);
    int idle = client_connect(h);
    int waiting = client_connect(h); /* for the service: not idle */
    client_send_frame(waiting, 'l', 1, 1);
    int busy = client_connect(h);
    while (server_stats(h->server).connections_closed_idle == 0) {
        client_send_frame(busy, 'e', 1, 1);
        client_expect_echo(busy, 'e', 1, 1);
        rest();
    }
    client_expect_end(idle);
    client_send_frame(busy, 'e', 1, 1);
    client_expect_echo(busy, 'e', 1, 1);
    harness_answer_later(h, 0);
    client_expect_echo(waiting, 'l', 1, 1);
    client_expect_end(busy); /* their turn comes */
    client_expect_end(waiting);
    assert_int_equal(server_stats(h->server).connections_closed_idle, 3);
    close(idle);
    close(busy);
    close(waiting);
    harness_end(h);
}

static void idle__reader_that_stopped__is_closed(void **state)
{
    struct harness *h = *state;
    h->options.idle_timeout_ms = 200;
    harness_make_file(h, 32 << 20);
    harness_start(h);
    int fd = client_connect_small(h, 16384);
    client_send_slice_request(fd, 0, 32 << 20);
    harness_wait(&h->dropped, 1);
    close(fd);
    harness_end(h);
}

/* ---- memory ---- */

enum { BIG = 1 << 20 };

static void send_part(int fd, size_t len, size_t from, size_t to)
{
    uint8_t *frame = malloc(to);
    be32_put(frame, (uint32_t)len);
    frame[4] = 'e';
    for (size_t i = 5; i < to; i++) frame[i] = harness_byte(i - 5);
    client_send(fd, frame + from, to - from);
    free(frame);
}

/* The low-water mark may leave up to 256 KiB of each half frame in its socket. */
static void wait_until_buffered(const struct harness *h, int64_t bytes)
{
    while (server_stats(h->server).buffered_bytes < bytes) rest();
}

/* Half frames of eight connections are more than the budget: some have to wait for others, and all
 * are served in the end. */
static void budget__used_up__is_kept_and_everybody_is_served(void **state)
{
    struct harness *h = *state;
    enum { COUNT = 8, LIMIT = 4 * BIG };
    int fds[COUNT];
    h->options.loops = 2;
    h->options.max_frame_bytes = BIG;
    h->options.max_buffered_bytes = LIMIT;
    harness_start(h);
    for (int i = 0; i < COUNT; i++) {
        fds[i] = client_connect(h);
        send_part(fds[i], BIG, 0, 3 * BIG / 4);
    }
    wait_until_buffered(h, 3 * BIG);
    rest();
    /* Each loop may have read once more just before; not all of it came in. */
    assert_true(server_stats(h->server).buffered_bytes < COUNT * 3 * BIG / 4);
    for (int i = 0; i < COUNT; i++) send_part(fds[i], BIG, 3 * BIG / 4, 4 + BIG);
    for (int i = 0; i < COUNT; i++) client_expect_echo(fds[i], 'e', BIG - 1, 0);
    for (int i = 0; i < COUNT; i++) close(fds[i]);
    harness_end(h);
}

/* Everybody stalls in the middle of a frame: the one whose turn it is is given up after a while. */
static void budget__used_up_by_stalled_frames__lets_others_in_after_a_while(void **state)
{
    struct harness *h = *state;
    enum { COUNT = 4 };
    int stalled[COUNT];
    h->options.max_frame_bytes = BIG;
    h->options.max_buffered_bytes = 2 * BIG;
    harness_start(h);
    for (int i = 0; i < COUNT; i++) {
        stalled[i] = client_connect(h);
        send_part(stalled[i], BIG, 0, 3 * BIG / 4);
    }
    wait_until_buffered(h, BIG + 1);
    int fd = client_connect(h);
    client_send_frame(fd, 'e', 10, 5);
    client_expect_echo(fd, 'e', 10, 5);
    close(fd);
    for (int i = 0; i < COUNT; i++) close(stalled[i]);
    harness_end(h);
}

static void fill_budget(struct harness *h, int *fds, int count)
{
    h->options.max_frame_bytes = BIG;
    h->options.max_buffered_bytes = 2 * BIG;
    harness_start(h);
    for (int i = 0; i < count; i++) {
        fds[i] = client_connect(h);
        send_part(fds[i], BIG, 0, 15 * BIG / 16);
    }
    wait_until_buffered(h, BIG + 1);
}

/* Memory is short: frames still come whole, a bit at a time. */
static void budget__used_up__serves_small_frames_in_pieces(void **state)
{
    struct harness *h = *state;
    int stalled[2];
    int fd = -1;
    fill_budget(h, stalled, 2);
    fd = client_connect(h);
    for (uint32_t i = 0; i < 3; i++) {
        send_part(fd, 2000, 0, 1000);
        rest();
        send_part(fd, 2000, 1000, 2004);
        client_send_frame(fd, 'e', 9000, i);
        client_expect_echo(fd, 'e', 1999, 0);
        client_expect_echo(fd, 'e', 9000, i);
    }
    for (int i = 0; i < 2; i++) close(stalled[i]); /* one may have been given up by now */
    close(fd);
    harness_end(h);
}

static void budget__used_up_when_the_server_stops__is_given_back(void **state)
{
    struct harness *h = *state;
    int fds[6];
    fill_budget(h, fds, 6);
    rest();
    harness_end(h); /* sees that nothing is counted any more */
    for (int i = 0; i < 6; i++) close(fds[i]);
}

/* What is announced costs nothing until it comes. */
static void memory__lengths_announced_by_many__is_not_taken(void **state)
{
    struct harness *h = *state;
    enum { COUNT = 200 };
    int fds[COUNT];
    harness_start(h);
    struct rusage before, after;
    getrusage(RUSAGE_SELF, &before);
    for (int i = 0; i < COUNT; i++) {
        fds[i] = client_connect(h);
        send_part(fds[i], 50 << 20, 0, 5000);
    }
    wait_until_buffered(h, COUNT * 4000);
    getrusage(RUSAGE_SELF, &after);
    assert_true(after.ru_maxrss - before.ru_maxrss < 20 << 10); /* KiB */
    for (int i = 0; i < COUNT; i++) close(fds[i]);
    harness_wait(&h->closed, COUNT);
    harness_end(h);
}

/* ---- descriptors ---- */

/* In a child of its own: sets a limit that is reached while connections come. */
static void run_out_of_descriptors(struct harness *h)
{
    harness_start(h);
    int first = client_connect(h);
    client_send_frame(first, 'e', 1, 1);
    client_expect_echo(first, 'e', 1, 1);
    int fds[8];
    for (int i = 0; i < 8; i++) {
        fds[i] = socket(AF_INET, SOCK_STREAM, 0);
        CHECK(fds[i] >= 0);
    }
    int next = dup(0);
    close(next);
    struct rlimit limit = {(rlim_t)next + 3, (rlim_t)next + 3};
    CHECK(setrlimit(RLIMIT_NOFILE, &limit) == 0);
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)h->port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int served = 0, refused = 0;
    for (int i = 0; i < 8; i++) {
        CHECK(connect(fds[i], (struct sockaddr *)&to, sizeof to) == 0);
        uint8_t frame[5] = {0, 0, 0, 1, 'e'};
        send(fds[i], frame, 5, MSG_NOSIGNAL);
        ssize_t n = recv(fds[i], frame, 5, MSG_WAITALL);
        if (n == 5) {
            served++;
        } else {
            refused++;
        }
    }
    CHECK(served == 3 && refused == 5);
    client_send_frame(first, 'e', 1, 1); /* those that are in are not affected */
    client_expect_echo(first, 'e', 1, 1);
    for (int i = 0; i < 8; i++) close(fds[i]);
    /* The descriptors are back as soon as the server has noticed. */
    while (server_stats(h->server).connections > 1) rest();
    int again = client_connect(h);
    client_send_frame(again, 'e', 1, 1);
    client_expect_echo(again, 'e', 1, 1);
    close(again);
    close(first);
    harness_end(h);
}

static void descriptors__used_up__are_refused_and_it_recovers(void **state)
{
    struct harness *h = *state;
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        run_out_of_descriptors(h);
        _exit(0);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

/* Not even the reserve helps: the limit is below it. Accepting has to rest, and to go on later. */
static void run_out_of_all_descriptors(struct harness *h)
{
    harness_start(h);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    struct rlimit before, limit;
    CHECK(getrlimit(RLIMIT_NOFILE, &before) == 0);
    limit = before;
    limit.rlim_cur = 3;
    CHECK(setrlimit(RLIMIT_NOFILE, &limit) == 0);
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)h->port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    CHECK(connect(fd, (struct sockaddr *)&to, sizeof to) == 0);
    client_send_frame(fd, 'e', 1, 1);
    struct rusage start, end;
    getrusage(RUSAGE_SELF, &start);
    nanosleep(&(struct timespec){.tv_nsec = 500000000}, NULL);
    getrusage(RUSAGE_SELF, &end);
    int64_t used_us = (end.ru_utime.tv_sec - start.ru_utime.tv_sec) * 1000000 +
                      end.ru_utime.tv_usec - start.ru_utime.tv_usec;
    CHECK(used_us < 250000); /* it does not try all the time */
    CHECK(h->opened == 0);
    CHECK(setrlimit(RLIMIT_NOFILE, &before) == 0);
    client_expect_echo(fd, 'e', 1, 1);
    close(fd);
    harness_end(h);
}

static void descriptors__not_even_the_reserve__rests_and_recovers(void **state)
{
    struct harness *h = *state;
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        run_out_of_all_descriptors(h);
        _exit(0);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

/* ---- addresses ---- */

static err_t try_listen(struct harness *h, const char *host, int port, int *bound)
{
    assert_int_equal(server_new(&h->options, &h->server), OK);
    struct server_listener listener = {.name = "TEST", .host = host, .port = port};
    err_t err = server_listen(h->server, &listener, &h->service);
    *bound = listener.port;
    return err;
}

static void listen__port_in_use__is_busy(void **state)
{
    struct harness *h = *state;
    struct harness other;
    int port, bound;
    harness_init(&other);
    assert_int_equal(try_listen(h, "127.0.0.1", 0, &port), OK);
    assert_int_equal(try_listen(&other, "127.0.0.1", port, &bound), ERR_BUSY);
    server_free(other.server);
    assert_int_equal(try_listen(&other, "", port, &bound), ERR_BUSY);
    server_free(other.server);
    server_free(h->server);
    assert_int_equal(try_listen(h, "127.0.0.1", port, &bound), OK);
    server_free(h->server);
}

static void listen__address_of_nobody__fails(void **state)
{
    struct harness *h = *state;
    int bound;
    assert_int_not_equal(try_listen(h, "192.0.2.1", 0, &bound), OK);
    server_free(h->server);
    assert_int_equal(try_listen(h, "no such name.invalid", 0, &bound), ERR_INVALID);
    server_free(h->server);
}

struct seen_names {
    char peer[80], local[80], listener[32];
    int local_port;
    struct harness *harness;
};

static struct seen_names names;

static void frame_notes_names(void *arg, struct conn *conn, struct view frame)
{
    struct harness *h = arg;
    snprintf(names.peer, sizeof names.peer, "%s", conn_peer(conn));
    snprintf(names.local, sizeof names.local, "%s", conn_local_host(conn));
    snprintf(names.listener, sizeof names.listener, "%s", conn_listener(conn));
    names.local_port = conn_local_port(conn);
    names.harness->service.frame(h, conn, frame);
}

static int connect_v6(int port)
{
    struct sockaddr_in6 to = {
        .sin6_family = AF_INET6, .sin6_port = htons((uint16_t)port), .sin6_addr = in6addr_loopback};
    int fd = socket(AF_INET6, SOCK_STREAM, 0);
    if (fd >= 0 && connect(fd, (struct sockaddr *)&to, sizeof to) == 0) return fd;
    if (fd >= 0) close(fd);
    return -1;
}

static void expect_names(struct harness *h, int fd, const char *host, const char *format)
{
    char peer[80];
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
    } own;
    socklen_t len = sizeof own;
    getsockname(fd, &own.any, &len);
    snprintf(peer, sizeof peer, format, host, ntohs(own.v4.sin_port));
    client_send_frame(fd, 'e', 1, 1);
    client_expect_echo(fd, 'e', 1, 1);
    assert_string_equal(names.peer, peer);
    assert_string_equal(names.local, host);
    assert_string_equal(names.listener, "TEST");
    assert_int_equal(names.local_port, h->port);
    close(fd);
}

static void listen__on_all_addresses__serves_both_families(void **state)
{
    struct harness *h = *state;
    assert_int_equal(server_new(&h->options, &h->server), OK);
    struct conn_service service = h->service;
    service.frame = frame_notes_names;
    names.harness = h;
    struct server_listener listener = {.name = "TEST", .host = ""};
    assert_int_equal(server_listen(h->server, &listener, &service), OK);
    h->port = listener.port;
    assert_int_equal(server_start(h->server), OK);
    expect_names(h, client_connect(h), "127.0.0.1", "%s:%d");
    int v6 = connect_v6(h->port);
    if (v6 >= 0) expect_names(h, v6, "::1", "[%s]:%d"); /* a machine may have no IPv6 */
    harness_end(h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(connections__a_thousand__are_spread_and_served, set_up),
        cmocka_unit_test_setup(connections__over_the_maximum__are_closed_at_once, set_up),
        cmocka_unit_test_setup(connections__over_the_maximum_of_one_host__are_closed, set_up),
        cmocka_unit_test_setup(idle__connection__is_closed_and_the_busy_one_is_not, set_up),
        cmocka_unit_test_setup(idle__reader_that_stopped__is_closed, set_up),
        cmocka_unit_test_setup(budget__used_up__is_kept_and_everybody_is_served, set_up),
        cmocka_unit_test_setup(budget__used_up_by_stalled_frames__lets_others_in_after_a_while,
                               set_up),
        cmocka_unit_test_setup(budget__used_up__serves_small_frames_in_pieces, set_up),
        cmocka_unit_test_setup(budget__used_up_when_the_server_stops__is_given_back, set_up),
        cmocka_unit_test_setup(memory__lengths_announced_by_many__is_not_taken, set_up),
        cmocka_unit_test_setup(descriptors__used_up__are_refused_and_it_recovers, set_up),
        cmocka_unit_test_setup(descriptors__not_even_the_reserve__rests_and_recovers, set_up),
        cmocka_unit_test_setup(listen__port_in_use__is_busy, set_up),
        cmocka_unit_test_setup(listen__address_of_nobody__fails, set_up),
        cmocka_unit_test_setup(listen__on_all_addresses__serves_both_families, set_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
