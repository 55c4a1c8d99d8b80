/* Plain TCP: the socket calls as they are, except that an interrupted one is made again. */
#include "transport.h"

#include <errno.h>
#include <sys/sendfile.h>
#include <sys/socket.h>

static ssize_t tcp_read(int fd, const struct iovec *iov, int count)
{
    ssize_t n;
    do {
        n = count == 1 ? recv(fd, iov->iov_base, iov->iov_len, 0) : readv(fd, iov, count);
    } while (n < 0 && errno == EINTR);
    return n < 0 ? -errno : n;
}

static ssize_t tcp_write(int fd, const struct iovec *iov, int count, bool more)
{
    int flags = MSG_NOSIGNAL | MSG_DONTWAIT | (more ? MSG_MORE : 0);
    struct msghdr message = {.msg_iov = (struct iovec *)iov, .msg_iovlen = (size_t)count};
    ssize_t n;
    do {
        n = count == 1 ? send(fd, iov->iov_base, iov->iov_len, flags)
                       : sendmsg(fd, &message, flags);
    } while (n < 0 && errno == EINTR);
    return n < 0 ? -errno : n;
}

static ssize_t tcp_send_file(int fd, int file, int64_t pos, size_t len)
{
    off_t at = pos;
    ssize_t n;
    do {
        n = sendfile(fd, file, &at, len);
    } while (n < 0 && errno == EINTR);
    return n < 0 ? -errno : n;
}

const struct transport transport_tcp = {tcp_read, tcp_write, tcp_send_file, true};
