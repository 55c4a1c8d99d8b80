/* Options that accepted sockets inherit (no delay, keep-alive, buffer sizes) are set on the
 * listening one, which saves a system call each for every connection. */
#include "listener.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/check.h"
#include "base/diag.h"

enum { ACCEPTS_MAX = 64, PAUSE_MS = 100 };
static const int64_t ns_per_ms = 1000000;
static const int64_t ns_per_s = 1000000000;

/* ---- opening ---- */

static void set_option(int fd, int level, int name, int value)
{
    /* All of these are wishes: a socket without them works. */
    if (setsockopt(fd, level, name, &value, sizeof value) != 0) {
        diag(DIAG_DEBUG, "net", "socket option refused name=%d value=%d: %s", name, value,
             strerror(errno));
    }
}

static void set_options(int fd, int family, const struct server_options *options)
{
    set_option(fd, SOL_SOCKET, SO_REUSEADDR, 1);
    set_option(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
    set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1);
    if (family == AF_INET6) set_option(fd, IPPROTO_IPV6, IPV6_V6ONLY, 0);
    if (options->send_buffer_bytes > 0) {
        set_option(fd, SOL_SOCKET, SO_SNDBUF, options->send_buffer_bytes);
    }
    if (options->receive_buffer_bytes > 0) {
        set_option(fd, SOL_SOCKET, SO_RCVBUF, options->receive_buffer_bytes);
    }
}

static int port_of(int fd)
{
    union address bound;
    socklen_t len = sizeof bound;
    return getsockname(fd, &bound.any, &len) == 0 ? address_port(&bound) : 0;
}

/* A listening socket in *fd; 0 or an errno value. */
static int listen_on(const struct addrinfo *info, int port, const struct server_options *options,
                     int *fd)
{
    union address address = {0};
    if (info->ai_addrlen > sizeof address) return EAFNOSUPPORT;
    memcpy(&address, info->ai_addr, info->ai_addrlen);
    if (info->ai_family == AF_INET) address.v4.sin_port = htons((uint16_t)port);
    if (info->ai_family == AF_INET6) address.v6.sin6_port = htons((uint16_t)port);
    *fd = socket(info->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (*fd < 0) return errno;
    set_options(*fd, info->ai_family, options);
    if (bind(*fd, &address.any, info->ai_addrlen) == 0 && listen(*fd, options->backlog) == 0) {
        return 0;
    }
    int errnum = errno;
    close(*fd);
    *fd = -1;
    return errnum;
}

static void complain(const struct server_listener *address, const char *what)
{
    diag(DIAG_ERROR, "net", "cannot listen: %s listener=%s address=%s:%d", what, address->name,
         address->host, address->port);
}

/* The addresses a listener stands for, to be freed with freeaddrinfo(). */
static err_t resolve(const struct server_listener *address, struct addrinfo **out)
{
    const char *host = address->host;
    bool is_any = !host[0];
    struct addrinfo hints = {
        .ai_family = is_any ? AF_INET6 : AF_UNSPEC,
        .ai_socktype = SOCK_STREAM,
        .ai_flags = AI_PASSIVE | AI_NUMERICSERV,
    };
    int failed = getaddrinfo(is_any ? "::" : host, "0", &hints, out);
    if (!failed) return OK;
    complain(address, gai_strerror(failed));
    return ERR_INVALID;
}

/* A secondary address of a name may be missing on this machine; the first must work. */
static int listen_on_all(struct listener *listener, const struct addrinfo *list, int *port)
{
    const struct server_options *options = &listener->shard->shared->options;
    int first_error = 0;
    for (const struct addrinfo *info = list; info; info = info->ai_next) {
        if (listener->socket_count == LISTENER_SOCKETS_MAX) break;
        struct listener_socket *socket = &listener->sockets[listener->socket_count];
        int errnum = listen_on(info, *port, options, &socket->fd);
        if (errnum == 0) {
            socket->listener = listener;
            listener->socket_count++;
            *port = port_of(socket->fd);
        } else if (errnum == EADDRINUSE || !first_error) {
            first_error = errnum;
        }
        if (errnum == EADDRINUSE) return errnum;
    }
    return listener->socket_count ? 0 : first_error;
}

/* "" is every address: of both families, or of IPv4 where the system has no other. */
static int listen_on_any_v4(struct listener *listener, int *port)
{
    union address any = {.v4 = {.sin_family = AF_INET}};
    struct addrinfo info = {.ai_family = AF_INET, .ai_addr = &any.any, .ai_addrlen = sizeof any.v4};
    return listen_on_all(listener, &info, port);
}

static err_t bind_listener(struct listener *listener, struct server_listener *address)
{
    struct addrinfo *list = NULL;
    TRY(resolve(address, &list));
    int errnum = listen_on_all(listener, list, &address->port);
    freeaddrinfo(list);
    if (!address->host[0] && errnum && errnum != EADDRINUSE) {
        errnum = listen_on_any_v4(listener, &address->port);
    }
    if (!errnum) return OK;
    complain(address, strerror(errnum));
    return err_from_errno(errnum);
}

/* ---- accepting ---- */

static int open_reserve(void) { return open("/dev/null", O_RDONLY | O_CLOEXEC); }

/* At most one line a second says that somebody was refused. */
static void refuse(struct listener *listener, const char *why, const union address *peer)
{
    shard_count_up(&listener->refused, 1);
    int64_t now = loop_now_ns(listener->shard->loop);
    if (listener->complained_ns && now - listener->complained_ns < ns_per_s) {
        listener->refused_silently++;
        return;
    }
    char text[ADDRESS_TEXT_MAX] = "?";
    if (peer) address_text(peer, text);
    diag(DIAG_WARN, "net", "connection refused: %s listener=%s peer=%s others=%lld", why,
         listener->origin.name, text, (long long)listener->refused_silently);
    listener->complained_ns = now;
    listener->refused_silently = 0;
}

static struct shard *least_loaded(struct server_shared *shared)
{
    struct shard *best = &shared->shards[0];
    for (int i = 1; i < shared->shard_count; i++) {
        struct shard *shard = &shared->shards[i];
        if (atomic_load_explicit(&shard->connections, memory_order_relaxed) <
            atomic_load_explicit(&best->connections, memory_order_relaxed)) {
            best = shard;
        }
    }
    return best;
}

/* NULL, or why the connection is not taken. */
static const char *take(struct listener *listener, int fd, const union address *peer)
{
    struct server_shared *shared = listener->shard->shared;
    int max = shared->options.max_connections;
    if (max > 0 && atomic_load_explicit(&shared->connections, memory_order_relaxed) >= max) {
        return "max.connections is reached";
    }
    if (address_counts_add(&shared->addresses, peer) != OK) {
        return "max.connections.per.ip is reached";
    }
    struct shard *shard = least_loaded(shared);
    struct conn *conn;
    if (conn_new(shard, &listener->origin, fd, peer, &conn) != OK) {
        address_counts_remove(&shared->addresses, peer);
        return "no memory";
    }
    shard_count_up(&listener->accepted, 1);
    if (shard == listener->shard) {
        conn_start(conn);
    } else {
        loop_post(shard->loop, &conn->start_task);
    }
    return NULL;
}

static void set_accepting(struct listener *listener, bool on);

static void pause_accepting(struct listener *listener)
{
    set_accepting(listener, false);
    struct loop *loop = listener->shard->loop;
    timer_start(loop, &listener->pause_timer, loop_now_ns(loop) + PAUSE_MS * ns_per_ms);
}

/* The process has no descriptor left. Whoever waits is let in and out with the reserve. */
static bool shed(struct listener *listener, int listen_fd)
{
    if (listener->reserve_fd >= 0) close(listener->reserve_fd);
    union address peer;
    socklen_t len = sizeof peer;
    int fd = accept4(listen_fd, &peer.any, &len, SOCK_CLOEXEC);
    if (fd >= 0) {
        refuse(listener, "out of file descriptors", &peer);
        close(fd);
    }
    listener->reserve_fd = open_reserve();
    return fd >= 0 && listener->reserve_fd >= 0;
}

/* False: nobody waits any more, or accepting has to rest. */
static bool accept_one(struct listener_socket *socket)
{
    struct listener *listener = socket->listener;
    union address peer;
    socklen_t len = sizeof peer;
    int fd = accept4(socket->fd, &peer.any, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd >= 0) {
        const char *why = take(listener, fd, &peer);
        if (why) {
            refuse(listener, why, &peer);
            close(fd);
        }
        return true;
    }
    switch (errno) {
    case EAGAIN: return false;
    case EMFILE:
    case ENFILE:
        if (shed(listener, socket->fd)) return true;
        break;
    case ENOBUFS:
    case ENOMEM: refuse(listener, "out of memory", NULL); break;
    default: return true; /* the peer gave up before it was accepted */
    }
    pause_accepting(listener);
    return false;
}

static void on_waiting(uv_poll_t *poll, int status, int events)
{
    (void)events;
    struct listener_socket *socket = poll->data;
    if (status < 0) {
        diag(DIAG_ERROR, "net", "listening socket failed: %s listener=%s", uv_strerror(status),
             socket->listener->origin.name);
        pause_accepting(socket->listener);
        return;
    }
    for (int i = 0; i < ACCEPTS_MAX && accept_one(socket); i++) {
    }
}

static void set_accepting(struct listener *listener, bool on)
{
    for (int i = 0; i < listener->socket_count; i++) {
        uv_poll_t *poll = &listener->sockets[i].poll;
        if (on) {
            CHECK(uv_poll_start(poll, UV_READABLE, on_waiting) == 0);
        } else {
            uv_poll_stop(poll);
        }
    }
}

static void pause_is_over(struct timer *timer)
{
    struct listener *listener = CONTAINER_OF(timer, struct listener, pause_timer);
    if (listener->reserve_fd < 0) listener->reserve_fd = open_reserve();
    set_accepting(listener, true);
}

/* ---- lifecycle ---- */

err_t listener_open(struct shard *shard, struct server_listener *address,
                    const struct conn_service *service, struct listener **out)
{
    struct listener *listener = calloc(1, sizeof *listener);
    if (!listener) return ERR_NOMEM;
    listener->shard = shard;
    listener->pause_timer.fire = pause_is_over;
    listener->reserve_fd = open_reserve();
    listener->origin.service = service;
    listener->origin.name = strdup(address->name);
    list_init(&listener->link);
    err_t err = listener->origin.name ? bind_listener(listener, address) : ERR_NOMEM;
    if (err != OK) {
        listener_close(listener);
        listener_free(listener);
        return err;
    }
    *out = listener;
    return OK;
}

err_t listener_accept(struct listener *listener)
{
    for (int i = 0; i < listener->socket_count; i++) {
        struct listener_socket *socket = &listener->sockets[i];
        int failed = uv_poll_init(loop_uv(listener->shard->loop), &socket->poll, socket->fd);
        if (failed) return err_from_errno(-failed);
        socket->poll.data = socket;
        socket->has_handle = true;
        listener->shard->handles++;
    }
    set_accepting(listener, true);
    return OK;
}

static void handle_closed(uv_handle_t *handle)
{
    struct listener_socket *socket = handle->data;
    struct shard *shard = socket->listener->shard;
    shard->handles--;
    shard_check_quiet(shard);
}

void listener_close(struct listener *listener)
{
    timer_stop(listener->shard->loop, &listener->pause_timer);
    for (int i = 0; i < listener->socket_count; i++) {
        struct listener_socket *socket = &listener->sockets[i];
        if (socket->fd < 0) continue;
        if (socket->has_handle) uv_close((uv_handle_t *)&socket->poll, handle_closed);
        close(socket->fd);
        socket->fd = -1;
    }
    if (listener->reserve_fd >= 0) close(listener->reserve_fd);
    listener->reserve_fd = -1;
}

void listener_free(struct listener *listener)
{
    free((char *)listener->origin.name);
    free(listener);
}
