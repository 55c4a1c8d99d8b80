/* bench_uv_echo PORT - the least that a libuv program can do with a request: read what came, write
 * it back.
 *
 * A baseline for the CPU time of a small request. One thread. Prints `ready` when it listens.
 */
#include <stdio.h>
#include <stdlib.h>
#include <uv.h>

#include "base/check.h"

struct write_request {
    uv_write_t request;
    uv_buf_t buf;
};

static char shared[1 << 16]; /* one read is answered before the next one comes */

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
    (void)handle;
    (void)suggested;
    *buf = uv_buf_init(shared, sizeof shared);
}

static void on_closed(uv_handle_t *handle) { free(handle); }
static void on_written(uv_write_t *request, int status)
{
    (void)status;
    free(request);
}

static void on_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
    if (n < 0) {
        uv_close((uv_handle_t *)stream, on_closed);
        return;
    }
    struct write_request *w = malloc(sizeof *w);
    CHECK(w);
    w->buf = uv_buf_init(buf->base, (unsigned)n);
    /* Small answers fit the socket's buffer, so libuv writes them at once and `shared` is free
     * again. */
    CHECK(uv_write(&w->request, stream, &w->buf, 1, on_written) == 0);
}

static void on_connection(uv_stream_t *server, int status)
{
    CHECK(status == 0);
    uv_tcp_t *client = malloc(sizeof *client);
    CHECK(client);
    CHECK(uv_tcp_init(server->loop, client) == 0);
    CHECK(uv_accept(server, (uv_stream_t *)client) == 0);
    uv_tcp_nodelay(client, 1);
    uv_read_start((uv_stream_t *)client, on_alloc, on_read);
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        fprintf(stderr, "usage: bench_uv_echo PORT\n");
        return 2;
    }
    uv_loop_t *loop = uv_default_loop();
    uv_tcp_t server;
    struct sockaddr_in address;
    CHECK(uv_ip4_addr("127.0.0.1", (int)strtol(argv[1], NULL, 10), &address) == 0);
    CHECK(uv_tcp_init(loop, &server) == 0);
    CHECK(uv_tcp_bind(&server, (const struct sockaddr *)&address, 0) == 0);
    CHECK(uv_listen((uv_stream_t *)&server, 64, on_connection) == 0);
    puts("ready");
    fflush(stdout);
    return uv_run(loop, UV_RUN_DEFAULT);
}
