/* What the files of a connection know of each other: conn.c (life and interest), conn_read.c,
 * conn_write.c, conn_cold.c.
 *
 *   OPEN --conn_close(after_replies)--> DRAINING --nothing ready is left--> LINGERING
 *   LINGERING --the peer closed, or LINGER_MS are over--> DOOMED
 *   any of these --conn_close(), error--> DOOMED --at the end of the turn--> CLOSED
 *
 * Why linger: a socket that is closed while the peer still sends is reset, and the reset destroys
 * the replies that the peer has not read yet. So our end is shut, and what comes is thrown away.
 *
 * Nothing is done to a connection inside a caller's stack: it is put on the shard's dirty list, and
 * attended to before the loop sleeps.
 */
#pragma once

#include "address.h"
#include "conn.h"
#include "loop_internal.h"
#include "shard.h"
#include "transport.h"

enum {
    /* Replies that may be outstanding before no more is read: each costs memory, ready or not. */
    CONN_EXPECTED_MAX = 1024,
    CONN_PREFIX_BYTES = 4, /* a frame's length, before it */
};

enum conn_state { CONN_OPEN, CONN_DRAINING, CONN_LINGERING, CONN_DOOMED, CONN_CLOSED };

/* Where the bytes that were received and not delivered are. While the connection may read, they are
 * less than one frame. */
struct conn_input {
    struct frame_buf buf;
    size_t start;   /* delivered before it */
    size_t end;     /* received before it */
    size_t counted; /* in the budget */
};

/* What a listener gives to its connections; outlives them. */
struct conn_origin {
    const struct conn_service *service;
    const char *name;
};

struct conn {
    struct list activity;  /* shard.by_activity; in no list once closed */
    struct list dirty;     /* shard.dirty */
    struct list waiting;   /* shard.waiting */
    struct list lingering; /* shard.lingering */
    struct shard *shard;
    const struct transport *transport;
    const struct conn_origin *origin;
    void *user;
    int fd;
    int refs;
    int holds;
    int low_water_mark; /* as set on the socket */
    int64_t active_ms;
    int64_t linger_until_ms;
    enum conn_state state;
    uint8_t events;   /* what the poll handle waits for */
    bool is_busy;     /* a callback of ours runs, and will see to what changes */
    bool has_handle;  /* poll is initialised and not closed */
    bool is_unheard;  /* readable, but nobody wants to read */
    bool is_blocked;  /* the socket takes no more */
    bool is_crowded;  /* too many replies, or bytes of them, wait */
    bool is_ended;    /* the peer sends no more */
    bool is_put_back; /* the frame that is being delivered has to come again */
    uint32_t burst;   /* frames delivered since the last burst_end() */
    struct conn_input in;
    struct list replies; /* of reply.link, in order */
    int expected;        /* replies in the list */
    int64_t ready_bytes; /* of those that are ready, not sent */
    /* The slice that is being sent. */
    size_t resident;        /* bytes from where it stands that are known to be in memory */
    struct cold_read *cold; /* a worker reads ahead for us; nothing is sent meanwhile */
    uint8_t *window;        /* owned: the next bytes of the slice, read by a worker */
    size_t window_len;
    size_t window_sent;
    bool was_cold; /* the place was read ahead once already */
    union address peer;
    union address local; /* family 0: not asked for yet */
    char peer_text[ADDRESS_TEXT_MAX];
    char local_host[ADDRESS_HOST_MAX];
    struct task start_task;
    uv_poll_t poll;
};

_Static_assert(sizeof(struct conn) < 1024, "10,000 idle connections have to cost almost nothing");

/* ---- conn.c ---- */
/* Takes fd over; it is open on its loop after conn_start() has run there. */
err_t conn_new(struct shard *shard, const struct conn_origin *origin, int fd,
               const union address *peer, struct conn **out);
void conn_start(struct conn *conn);
/* Has the connection attended to before the loop sleeps. */
void conn_touch(struct conn *conn);
/* Everything that a connection may have to do, except reading. */
void conn_attend(struct conn *conn);
/* Bytes moved: not idle. */
void conn_note_activity(struct conn *conn);
bool conn_wants_read(const struct conn *conn);

/* ---- conn_read.c ---- */
void conn_read(struct conn *conn);
/* Frames that wait behind a hold that is over; true: there were some. */
bool conn_deliver_waiting(struct conn *conn);
/* Frees the input, and what it has of the budget. */
void conn_release_input(struct conn *conn);

/* Throws away what comes. */
void conn_discard_input(struct conn *conn);

/* ---- conn_write.c ---- */
/* Sends what is ready until the socket is full. */
void conn_flush(struct conn *conn);
bool conn_has_ready(const struct conn *conn);
/* The replies that are ready are answered for as not delivered. */
void conn_drop_replies(struct conn *conn);

/* ---- conn_cold.c ---- */
/* Has `len` bytes from where the current slice stands brought into memory; conn_flush() goes on
 * afterwards. */
void conn_read_cold(struct conn *conn, const struct slice *slice, int64_t pos, size_t len);
