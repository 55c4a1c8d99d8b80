/* Bytes that are not in the page cache, for a connection that has to send them.
 *
 * Happy path: a worker reads the range so that it is cached (and hints at what follows it), then
 * the connection sends it from the file. Memory is short, and it is gone before that: the worker
 * reads it again, into memory, and it is sent from there. The file ends or fails: the connection is
 * closed, since a reply that was announced cannot be completed.
 *
 * The read holds references on the connection and on the file, so both may be closed meanwhile.
 */
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/diag.h"
#include "conn_internal.h"
#include "residency.h"

enum { AHEAD_BYTES = 1 << 20 };

struct cold_read {
    struct task task; /* on a worker, then on the loop */
    struct conn *conn;
    struct slice_file *file;
    int64_t pos;
    size_t len;
    size_t ahead;
    ssize_t result;
    uint8_t *data; /* owned; NULL: into the page cache only */
};

static void use_result(struct conn *conn, struct cold_read *read)
{
    if (read->result != (ssize_t)read->len) {
        diag(DIAG_ERROR, "net", "cannot read what is to be sent, closing peer=%s pos=%lld: %s",
             conn->peer_text, (long long)read->pos,
             read->result < 0 ? strerror((int)-read->result) : "the file ends");
        conn_close(conn, NULL, false);
        return;
    }
    conn->was_cold = true;
    conn->window = read->data;
    conn->window_len = read->len;
    conn->window_sent = 0;
    read->data = NULL;
}

static void finish_on_loop(struct task *task)
{
    struct cold_read *read = CONTAINER_OF(task, struct cold_read, task);
    struct conn *conn = read->conn;
    struct shard *shard = conn->shard;
    conn->cold = NULL;
    if (conn->state <= CONN_DRAINING) {
        use_result(conn, read);
        conn_attend(conn);
    }
    slice_file_unref(read->file);
    free(read->data);
    free(read);
    conn_unref(conn);
    shard->cold_reads--;
    shard_check_quiet(shard);
}

static void run_on_worker(struct task *task)
{
    struct cold_read *read = CONTAINER_OF(task, struct cold_read, task);
    read->result = residency_fetch(read->file->fd, read->pos, read->len, read->ahead, read->data);
    task->run = finish_on_loop;
    loop_post(read->conn->shard->loop, task);
}

void conn_read_cold(struct conn *conn, const struct slice *slice, int64_t pos, size_t len)
{
    struct cold_read *read = calloc(1, sizeof *read);
    uint8_t *data = conn->was_cold ? malloc(len) : NULL;
    if (!read || (conn->was_cold && !data)) {
        free(read);
        free(data);
        conn_close(conn, "no memory for a cold read", false);
        return;
    }
    slice_file_ref(slice->file);
    conn_ref(conn);
    *read = (struct cold_read){
        .task = {.run = run_on_worker},
        .conn = conn,
        .file = slice->file,
        .pos = pos,
        .len = len,
        .ahead = MIN((size_t)(slice->pos + (int64_t)slice->len - pos) - len, (size_t)AHEAD_BYTES),
        .data = data,
    };
    conn->cold = read;
    conn->shard->cold_reads++;
    shard_count_up(&conn->shard->cold_count, 1);
    worker_submit(conn->shard->shared->options.cold_readers, &read->task);
}
