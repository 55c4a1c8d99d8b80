/* transport - how a connection's bytes get into and out of its descriptor.
 *
 * One table a kind; TLS and unix sockets are others. Every function returns the bytes moved (which
 * may be fewer than asked for), 0 from read at the end of the stream, or -errno; -EAGAIN: not now.
 * None blocks, none raises SIGPIPE.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

struct transport {
    ssize_t (*read)(int fd, const struct iovec *iov, int count);
    /* `more`: bytes that belong to the same packets follow at once. */
    ssize_t (*write)(int fd, const struct iovec *iov, int count, bool more);
    /* NULL: files have to be turned into memory first. */
    ssize_t (*send_file)(int fd, int file, int64_t pos, size_t len);
    bool has_low_water_mark; /* SO_RCVLOWAT has an effect */
};

extern const struct transport transport_tcp;
