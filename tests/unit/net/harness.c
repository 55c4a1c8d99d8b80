/* The service keeps what a test has to see in atomic counters; nothing else is shared with the
 * loops. */
#include "harness.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

enum { PREFIX = 4, HEAD = 8 };

/* ---- the service ---- */

static void answer_done(struct reply *reply, bool delivered)
{
    struct answer *answer = CONTAINER_OF(reply, struct answer, reply);
    atomic_fetch_add(delivered ? &answer->harness->delivered : &answer->harness->dropped, 1);
    free(answer->copy);
    free(answer);
}

static void *service_opened(void *arg, struct conn *conn)
{
    struct harness *h = arg;
    atomic_fetch_add(&h->opened, 1);
    return conn;
}

static void service_closed(void *arg, struct conn *conn)
{
    struct harness *h = arg;
    CHECK(conn_user(conn) == conn);
    CHECK(!conn_is_open(conn));
    atomic_fetch_add(&h->closed, 1);
}

static void service_burst_end(void *arg, struct conn *conn)
{
    struct harness *h = arg;
    CHECK(loop_current() == conn_loop(conn));
    atomic_fetch_add(&h->bursts, 1);
}

static struct answer *expect(struct harness *h, struct conn *conn, struct view frame)
{
    struct answer *answer = calloc(1, sizeof *answer);
    CHECK(answer);
    answer->harness = h;
    answer->conn = conn;
    answer->len = PREFIX + frame.len;
    answer->copy = malloc(answer->len);
    CHECK(answer->copy);
    be32_put(answer->copy, (uint32_t)frame.len);
    memcpy(answer->copy + PREFIX, frame.data, frame.len);
    answer->reply.done = answer_done;
    conn_expect(conn, &answer->reply);
    return answer;
}

static void echo(struct answer *answer)
{
    err_t err = chain_add_owned(&answer->reply.chain, answer->copy, answer->len);
    answer->copy = NULL;
    CHECK(err == OK);
    conn_reply(answer->conn, &answer->reply);
}

static void answer_with_slice(struct harness *h, struct answer *answer, struct view frame)
{
    uint64_t pos = be64_get(frame.data + 1);
    uint32_t len = be32_get(frame.data + 9);
    uint8_t *head = malloc(PREFIX + HEAD);
    CHECK(head);
    be32_put(head, HEAD + len);
    be64_put(head + PREFIX, pos);
    CHECK(chain_add_owned(&answer->reply.chain, head, PREFIX + HEAD) == OK);
    slice_file_ref(&h->file);
    struct slice slice = {&h->file, (int64_t)pos, len, h->slices_are_hot};
    CHECK(chain_add_slice(&answer->reply.chain, &slice) == OK);
    conn_reply(answer->conn, &answer->reply);
}

static void service_frame(void *arg, struct conn *conn, struct view frame)
{
    struct harness *h = arg;
    atomic_fetch_add(&h->frames, 1);
    char kind = frame.len ? (char)frame.data[0] : 'e';
    switch (kind) {
    case 'c': conn_close(conn, "asked for", true); return;
    case 'k': conn_close(conn, "asked for", false); return;
    case 'n': conn_reply(conn, &expect(h, conn, frame)->reply); return;
    case 's': answer_with_slice(h, expect(h, conn, frame), frame); return;
    case 'l': {
        int i = atomic_load(&h->later_count);
        CHECK(i < LATER_MAX);
        h->later[i] = expect(h, conn, frame);
        atomic_store(&h->later_count, i + 1);
        return;
    }
    case 'h':
        conn_hold(conn);
        conn_ref(conn);
        echo(expect(h, conn, frame));
        atomic_store(&h->held, conn);
        return;
    case 'b':
        h->is_second_time = !h->is_second_time;
        if (!h->is_second_time) {
            echo(expect(h, conn, frame));
            return;
        }
        conn_hold(conn);
        conn_put_back(conn);
        conn_ref(conn);
        atomic_store(&h->held, conn);
        return;
    default: echo(expect(h, conn, frame)); return;
    }
}

static void answer_task(struct task *task) { echo(CONTAINER_OF(task, struct answer, task)); }

void harness_answer_later(struct harness *h, int i)
{
    harness_wait(&h->later_count, i + 1);
    struct answer *answer = h->later[i];
    answer->task = (struct task){.run = answer_task};
    loop_post(conn_loop(answer->conn), &answer->task);
}

struct release_task {
    struct task task;
    struct conn *conn;
};

static void release_task_run(struct task *task)
{
    struct release_task *release = CONTAINER_OF(task, struct release_task, task);
    conn_release_hold(release->conn);
    conn_unref(release->conn);
    free(release);
}

void harness_release(struct harness *h)
{
    struct conn *conn = atomic_exchange(&h->held, NULL);
    CHECK(conn);
    struct release_task *release = calloc(1, sizeof *release);
    CHECK(release);
    *release = (struct release_task){.task = {.run = release_task_run}, .conn = conn};
    loop_post(conn_loop(conn), &release->task);
}

/* ---- lifecycle ---- */

static void file_release(struct slice_file *file)
{
    struct harness *h = CONTAINER_OF(file, struct harness, file);
    close(file->fd);
    atomic_fetch_add(&h->file_released, 1);
}

void harness_init(struct harness *h)
{
    *h = (struct harness){
        .options = {.loops = 1,
                    .max_frame_bytes = 100 << 20,
                    .idle_timeout_ms = -1,
                    .send_buffer_bytes = -1,
                    .receive_buffer_bytes = -1,
                    .backlog = 1024},
        .service = {h, service_opened, service_frame, service_burst_end, service_closed},
        .slices_are_hot = true,
        .file = {.fd = -1},
    };
}

void harness_start(struct harness *h)
{
    assert_int_equal(server_new(&h->options, &h->server), OK);
    struct server_listener listener = {.name = "TEST", .host = "127.0.0.1"};
    assert_int_equal(server_listen(h->server, &listener, &h->service), OK);
    assert_true(listener.port > 0);
    h->port = listener.port;
    assert_int_equal(server_start(h->server), OK);
}

void harness_stop(struct harness *h, int64_t grace_ms) { server_stop(h->server, grace_ms); }

void harness_end(struct harness *h)
{
    harness_stop(h, 0);
    struct server_stats stats = server_stats(h->server);
    assert_int_equal(stats.connections, 0);
    assert_int_equal(stats.buffered_bytes, 0);
    assert_int_equal(stats.frames, h->frames);
    server_free(h->server);
    worker_pool_free(h->workers);
    assert_int_equal(h->opened, h->closed);
    if (h->file.fd < 0) return;
    assert_int_equal(h->file_released, 0);
    slice_file_unref(&h->file);
    assert_int_equal(h->file_released, 1); /* nobody else held it */
}

void harness_wait(const atomic_int *counter, int value)
{
    for (int i = 0; i < TIMEOUT_S * 1000; i++) {
        if (atomic_load(counter) >= value) return;
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    }
    fail_msg("waited for %d, is %d", value, atomic_load(counter));
}

uint8_t harness_byte(size_t i) { return (uint8_t)(i * 2654435761u >> 13); }

void harness_make_file(struct harness *h, size_t size)
{
    char path[] = "/tmp/stele-net-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    unlink(path);
    uint8_t block[65536];
    for (size_t at = 0; at < size; at += sizeof block) {
        for (size_t i = 0; i < sizeof block; i++) block[i] = harness_byte(at + i);
        size_t len = MIN(sizeof block, size - at);
        assert_int_equal(write(fd, block, len), (ssize_t)len);
    }
    h->file = (struct slice_file){.refs = 1, .fd = fd, .release = file_release};
}

/* ---- clients ---- */

int client_connect_small(const struct harness *h, int receive_buffer_bytes)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    if (receive_buffer_bytes) {
        setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &receive_buffer_bytes, sizeof receive_buffer_bytes);
    }
    struct timeval limit = {.tv_sec = TIMEOUT_S};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
    int one = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    struct sockaddr_in to = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)h->port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof to), 0);
    return fd;
}

int client_connect(const struct harness *h) { return client_connect_small(h, 0); }

void client_send(int fd, const void *data, size_t len)
{
    const uint8_t *at = data;
    while (len) {
        ssize_t n = send(fd, at, len, MSG_NOSIGNAL);
        assert_true(n > 0);
        at += n;
        len -= (size_t)n;
    }
}

static uint8_t *make_frame(char kind, size_t len, uint32_t seed)
{
    uint8_t *frame = malloc(PREFIX + 1 + len);
    assert_non_null(frame);
    be32_put(frame, (uint32_t)(1 + len));
    frame[PREFIX] = (uint8_t)kind;
    for (size_t i = 0; i < len; i++) frame[PREFIX + 1 + i] = harness_byte(seed + i);
    return frame;
}

void client_send_frame(int fd, char kind, size_t len, uint32_t seed)
{
    uint8_t *frame = make_frame(kind, len, seed);
    client_send(fd, frame, PREFIX + 1 + len);
    free(frame);
}

void client_send_slice_request(int fd, uint64_t pos, uint32_t len)
{
    uint8_t frame[PREFIX + 13];
    be32_put(frame, 13);
    frame[PREFIX] = 's';
    be64_put(frame + PREFIX + 1, pos);
    be32_put(frame + PREFIX + 9, len);
    client_send(fd, frame, sizeof frame);
}

void client_receive(int fd, void *data, size_t len)
{
    uint8_t *at = data;
    while (len) {
        ssize_t n = recv(fd, at, len, 0);
        if (n <= 0) fail_msg("%zu bytes missing: %s", len, n ? strerror(errno) : "end of stream");
        at += n;
        len -= (size_t)n;
    }
}

void client_expect_echo(int fd, char kind, size_t len, uint32_t seed)
{
    uint8_t *frame = make_frame(kind, len, seed);
    uint8_t *got = malloc(PREFIX + 1 + len);
    assert_non_null(got);
    client_receive(fd, got, PREFIX + 1 + len);
    assert_memory_equal(got, frame, PREFIX + 1 + len);
    free(frame);
    free(got);
}

void client_expect_slice(int fd, uint64_t pos, uint32_t len)
{
    uint8_t head[PREFIX + HEAD];
    client_receive(fd, head, sizeof head);
    assert_int_equal(be32_get(head), HEAD + len);
    assert_int_equal(be64_get(head + PREFIX), pos);
    uint8_t block[65536];
    for (size_t at = 0; at < len; at += sizeof block) {
        size_t part = MIN(sizeof block, len - at);
        client_receive(fd, block, part);
        for (size_t i = 0; i < part; i++) {
            if (block[i] != harness_byte(pos + at + i)) fail_msg("byte %zu differs", at + i);
        }
    }
}

void client_expect_end(int fd)
{
    uint8_t byte;
    ssize_t n = recv(fd, &byte, 1, 0);
    assert_true(n == 0 || (n < 0 && errno == ECONNRESET));
}
