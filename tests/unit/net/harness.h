/* A server with a service that answers every frame as its first byte asks, and blocking clients.
 *
 *   'e' echo: the frame comes back
 *   's' slices: replies with the bytes [u64, u64 + u32) of harness.file, after a head of 8 bytes
 *   'l' later: answered, in any order, by harness_answer_later()
 *   'h' hold: echo, and no further frame before harness_release()
 *   'b' back: put back and held until harness_release(); echo when it comes again
 *   'c' close: no reply, the connection is closed after the replies before it
 *   'k' kill: no reply, the connection is closed at once
 *   'n' nothing: an empty reply keeps the place
 *
 * The service counts on the loops' threads; tests read the counters when a reply tells them that
 * the loop is past them, or wait with harness_wait().
 */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/check.h"
#include "server.h"

enum { LATER_MAX = 64, TIMEOUT_S = 60 };

struct answer {
    struct reply reply;
    struct harness *harness;
    struct conn *conn;
    uint8_t *copy; /* of the frame, prefix included */
    size_t len;
    struct task task;
};

struct harness {
    struct server_options options;
    struct conn_service service;
    struct server *server;
    struct worker_pool *workers;
    int port;
    struct slice_file file; /* what slices are of */
    bool slices_are_hot;
    atomic_int opened, closed, frames, bursts, delivered, dropped;
    atomic_int file_released;
    /* What waits for the test; on the loop of the (single) connection that asked for it. */
    struct answer *later[LATER_MAX];
    atomic_int later_count;
    struct conn *_Atomic held;
    bool is_second_time; /* of a frame that was put back; the loop's */
};

/* Options that limit nothing; the test may change them, and `file`, before harness_start(). */
void harness_init(struct harness *h);
void harness_start(struct harness *h);
/* Stops the server, if harness_stop() has not, and checks that every connection was closed and
 * every reply accounted for. */
void harness_end(struct harness *h);
void harness_stop(struct harness *h, int64_t grace_ms);
/* Waits until `counter` reaches `value`; fails after TIMEOUT_S. */
void harness_wait(const atomic_int *counter, int value);
/* Answers the i-th frame that asked for it. */
void harness_answer_later(struct harness *h, int i);
/* Ends the hold of the connection that asked for it. */
void harness_release(struct harness *h);
/* An unlinked file of `size` bytes; byte i is harness_byte(i). */
void harness_make_file(struct harness *h, size_t size);
uint8_t harness_byte(size_t i);

/* ---- clients ---- */
int client_connect(const struct harness *h);
/* The same with a small receive buffer: reads slowly. */
int client_connect_small(const struct harness *h, int receive_buffer_bytes);
void client_send(int fd, const void *data, size_t len);
/* A frame: the kind, then `len` bytes that follow from `seed`. */
void client_send_frame(int fd, char kind, size_t len, uint32_t seed);
void client_send_slice_request(int fd, uint64_t pos, uint32_t len);
void client_receive(int fd, void *data, size_t len);
/* Receives what client_send_frame() sent. */
void client_expect_echo(int fd, char kind, size_t len, uint32_t seed);
void client_expect_slice(int fd, uint64_t pos, uint32_t len);
/* The server closed: no further byte. */
void client_expect_end(int fd);
