/* listener - the listening sockets of one name, and what is accepted on them.
 *
 * Lives on the first shard's loop. A host name may stand for several addresses: all are listened
 * on. When descriptors run out, a reserve one is given up to accept and close whoever waits (so
 * they know at once), and when that fails, too, accepting rests for a moment.
 */
#pragma once

#include "conn_internal.h"

enum { LISTENER_SOCKETS_MAX = 8 };

struct listener_socket {
    struct listener *listener;
    int fd; /* -1: closed */
    bool has_handle;
    uv_poll_t poll;
};

struct listener {
    struct list link; /* of the server's list */
    struct shard *shard;
    struct conn_origin origin;
    struct listener_socket sockets[LISTENER_SOCKETS_MAX];
    int socket_count;
    int reserve_fd; /* -1: given up */
    struct timer pause_timer;
    int64_t complained_ns;    /* when the last diagnostic about a refusal was written */
    int64_t refused_silently; /* since then */
    _Atomic int64_t accepted, refused;
};

/* Binds and listens. `address->port` receives the port. */
err_t listener_open(struct shard *shard, struct server_listener *address,
                    const struct conn_service *service, struct listener **out);
/* Before the loop runs, or on it. */
err_t listener_accept(struct listener *listener);
/* Stops accepting and closes the sockets; on the loop, or when it does not run. */
void listener_close(struct listener *listener);
/* After the loop is gone. */
void listener_free(struct listener *listener);
