/* Starting is the straight line new, listen, start. Stopping, from the thread that started:
 *
 *   first loop: close the listeners -> every loop: close connections after their ready replies;
 *   after `grace_ms` close the rest; when handles and cold reads are gone, say so -> end the loops
 *
 * Memory outlives the loops: the service may hold references on connections until server_free(),
 * which runs what is left in the mailboxes.
 */
#include "server.h"

#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/check.h"
#include "base/diag.h"
#include "listener.h"

enum { LOOPS_MAX = 64, NS_PER_MS = 1000000 };

/* What a loop has to do when the server stops. */
struct stopper {
    struct task task;
    struct timer grace_timer;
    struct server *server;
    struct shard *shard;
};

struct server {
    struct server_shared shared;
    struct list listeners; /* of listener.link */
    struct stopper stoppers[LOOPS_MAX];
    struct task unlisten_task;
    sem_t progress; /* posted by a loop when it has done its part */
    int64_t grace_ms;
    bool is_started;
    bool is_stopped;
};

/* ---- start ---- */

static err_t add_shard(struct server *server, int index)
{
    char name[16];
    snprintf(name, sizeof name, "loop%d", index);
    struct loop *loop;
    TRY(loop_new(name, &loop));
    struct shard *shard = &server->shared.shards[index];
    server->shared.shard_count++;
    return shard_init(shard, &server->shared, loop);
}

err_t server_new(const struct server_options *options, struct server **out)
{
    CHECK(options->loops >= 1 && options->loops <= LOOPS_MAX);
    struct server *server = calloc(1, sizeof *server);
    struct shard *shards = calloc((size_t)options->loops, sizeof *shards);
    if (!server || !shards) {
        free(server);
        free(shards);
        return ERR_NOMEM;
    }
    server->shared.options = *options;
    server->shared.shards = shards;
    budget_init(&server->shared.budget, options->max_buffered_bytes, options->max_frame_bytes);
    address_counts_init(&server->shared.addresses, options->max_connections_per_ip);
    list_init(&server->listeners);
    CHECK(sem_init(&server->progress, 0, 0) == 0);
    for (int i = 0; i < options->loops; i++) {
        err_t err = add_shard(server, i);
        if (err != OK) {
            server_free(server);
            return err;
        }
    }
    *out = server;
    return OK;
}

err_t server_listen(struct server *server, struct server_listener *listener,
                    const struct conn_service *service)
{
    CHECK(!server->is_started);
    struct listener *opened;
    TRY(listener_open(&server->shared.shards[0], listener, service, &opened));
    list_push_back(&server->listeners, &opened->link);
    return OK;
}

static void end_loops(struct server *server, int first, int end)
{
    for (int i = first; i < end; i++) loop_stop(server->shared.shards[i].loop);
    for (int i = first; i < end; i++) loop_join(server->shared.shards[i].loop);
}

err_t server_start(struct server *server)
{
    CHECK(!server->is_started);
    LIST_EACH (link, &server->listeners) {
        TRY(listener_accept(CONTAINER_OF(link, struct listener, link)));
    }
    /* The first loop, which accepts, comes last: it must find the others running. */
    int count = server->shared.shard_count;
    for (int i = count; i-- > 0;) {
        err_t err = loop_start(server->shared.shards[i].loop);
        if (err == OK) continue;
        diag(DIAG_ERROR, "net", "cannot start a loop: %s", err_name(err));
        end_loops(server, i + 1, count);
        return err;
    }
    server->is_started = true;
    return OK;
}

/* ---- stop ---- */

static void close_listeners(struct server *server)
{
    LIST_EACH (link, &server->listeners) {
        listener_close(CONTAINER_OF(link, struct listener, link));
    }
}

static void unlisten(struct task *task)
{
    struct server *server = CONTAINER_OF(task, struct server, unlisten_task);
    close_listeners(server);
    sem_post(&server->progress);
}

static struct stopper *stopper_of(struct shard *shard)
{
    struct server *server = CONTAINER_OF(shard->shared, struct server, shared);
    return &server->stoppers[shard - shard->shared->shards];
}

static void is_quiet(struct shard *shard)
{
    struct stopper *stopper = stopper_of(shard);
    timer_stop(shard->loop, &stopper->grace_timer);
    shard->quiet = NULL;
    sem_post(&stopper->server->progress);
}

static void grace_is_over(struct timer *timer)
{
    shard_close_all(CONTAINER_OF(timer, struct stopper, grace_timer)->shard, false);
}

static void stop_shard(struct task *task)
{
    struct stopper *stopper = CONTAINER_OF(task, struct stopper, task);
    struct shard *shard = stopper->shard;
    int64_t grace_ms = stopper->server->grace_ms;
    shard->is_stopping = true;
    shard->quiet = is_quiet;
    shard_close_all(shard, grace_ms > 0);
    int64_t deadline = loop_now_ns(shard->loop) + grace_ms * NS_PER_MS;
    timer_start(shard->loop, &stopper->grace_timer, deadline);
    shard_check_quiet(shard);
}

static void wait_for_loops(struct server *server, int count)
{
    for (int i = 0; i < count; i++) {
        while (sem_wait(&server->progress) != 0) {
        }
    }
}

void server_stop(struct server *server, int64_t grace_ms)
{
    CHECK(!loop_current());
    if (!server->is_started || server->is_stopped) return;
    server->is_stopped = true;
    server->grace_ms = grace_ms;
    int count = server->shared.shard_count;
    server->unlisten_task = (struct task){.run = unlisten};
    loop_post(server->shared.shards[0].loop, &server->unlisten_task);
    wait_for_loops(server, 1);
    for (int i = 0; i < count; i++) {
        struct shard *shard = &server->shared.shards[i];
        server->stoppers[i] = (struct stopper){
            .task = {.run = stop_shard},
            .grace_timer = {.fire = grace_is_over},
            .server = server,
            .shard = shard,
        };
        loop_post(shard->loop, &server->stoppers[i].task);
    }
    wait_for_loops(server, count);
    end_loops(server, 0, count);
}

/* Tasks of one loop may post to another, so all mailboxes are emptied before a loop is freed. */
void server_run_leftovers(struct server *server)
{
    struct server_shared *shared = &server->shared;
    CHECK(!server->is_started || server->is_stopped);
    for (bool again = true; again;) {
        again = false;
        for (int i = 0; i < shared->shard_count; i++) {
            again = loop_run_leftovers(shared->shards[i].loop) || again;
        }
    }
}

void server_free(struct server *server)
{
    if (!server) return;
    CHECK(!server->is_started || server->is_stopped);
    if (!server->is_started) close_listeners(server);
    struct server_shared *shared = &server->shared;
    server_run_leftovers(server);
    for (int i = 0; i < shared->shard_count; i++) loop_free(shared->shards[i].loop);
    for (int i = 0; i < shared->shard_count; i++) shard_release(&shared->shards[i]);
    LIST_EACH_SAFE (link, &server->listeners) {
        listener_free(CONTAINER_OF(link, struct listener, link));
    }
    address_counts_release(&shared->addresses);
    sem_destroy(&server->progress);
    free(shared->shards);
    free(server);
}

/* ---- queries ---- */

int server_loop_count(const struct server *server) { return server->shared.shard_count; }

struct loop *server_loop(struct server *server, int index)
{
    CHECK(index >= 0 && index < server->shared.shard_count);
    return server->shared.shards[index].loop;
}

static int64_t count_of(const _Atomic int64_t *counter)
{
    return atomic_load_explicit(counter, memory_order_relaxed);
}

struct server_stats server_stats(const struct server *server)
{
    const struct server_shared *shared = &server->shared;
    struct server_stats stats = {
        .connections = atomic_load_explicit(&shared->connections, memory_order_relaxed),
        .buffered_bytes = count_of(&shared->budget.used),
    };
    LIST_EACH (link, &server->listeners) {
        const struct listener *listener = CONTAINER_OF(link, struct listener, link);
        stats.connections_accepted += count_of(&listener->accepted);
        stats.connections_refused += count_of(&listener->refused);
    }
    for (int i = 0; i < shared->shard_count; i++) {
        const struct shard *shard = &shared->shards[i];
        stats.connections_closed_idle += count_of(&shard->closed_idle);
        stats.frames += count_of(&shard->frames);
        stats.bytes_in += count_of(&shard->bytes_in);
        stats.bytes_out += count_of(&shard->bytes_out);
        stats.cold_reads += count_of(&shard->cold_count);
    }
    return stats;
}
