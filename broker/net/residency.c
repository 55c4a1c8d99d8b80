/* cachestat(2) counts the cached pages of a range in one call (Linux 6.5). It counts pages whose
 * read is still under way, too, so a few bytes are read without waiting as well: reads arrive in
 * order, so the last byte of every PROBE_STEP stands for those before it. Where there is no
 * cachestat, the probes are all there is, and closer together. */
#include "residency.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/check.h"

#ifndef SYS_cachestat
#define SYS_cachestat 451 /* the same on every architecture */
#endif

enum {
    PAGE = 4096,
    PROBE_STEP = 512 << 10,
    PROBE_STEP_ALONE = 64 << 10,
    JUNK_BYTES = 64 << 10,
};

struct cachestat_range {
    uint64_t off, len;
};
struct cachestat_counts {
    uint64_t cached, dirty, writeback, evicted, recently_evicted;
};

static atomic_bool no_cachestat; /* found out at the first call */

/* 1: all pages are in the cache; 0: not; -1: not to be had. */
static int count_pages(int fd, int64_t pos, size_t len)
{
    if (atomic_load_explicit(&no_cachestat, memory_order_relaxed)) return -1;
    struct cachestat_range range = {(uint64_t)pos, len};
    struct cachestat_counts counts;
    if (syscall(SYS_cachestat, fd, &range, &counts, 0) != 0) {
        if (errno == ENOSYS) atomic_store_explicit(&no_cachestat, true, memory_order_relaxed);
        return -1;
    }
    uint64_t first = (uint64_t)pos / PAGE;
    uint64_t last = ((uint64_t)pos + len - 1) / PAGE;
    return counts.cached >= last - first + 1;
}

/* False: it would have to be waited for. Errors are for the one who really reads. */
static bool probe(int fd, int64_t pos)
{
    uint8_t byte;
    ssize_t n = preadv2(fd, &(struct iovec){&byte, 1}, 1, pos, RWF_NOWAIT);
    return n >= 0 || errno != EAGAIN;
}

bool residency_check(int fd, int64_t pos, size_t len)
{
    if (len == 0) return true;
    int counted = count_pages(fd, pos, len);
    if (counted == 0) return false;
    size_t step = counted > 0 ? PROBE_STEP : PROBE_STEP_ALONE;
    for (size_t at = step; at < len; at += step) {
        if (!probe(fd, pos + (int64_t)at - 1)) return false;
    }
    return probe(fd, pos + (int64_t)len - 1) && (counted > 0 || probe(fd, pos));
}

ssize_t residency_read(int fd, void *data, size_t len, int64_t pos)
{
    struct iovec iov = {data, len};
    ssize_t n = preadv2(fd, &iov, 1, pos, RWF_NOWAIT);
    if (n < 0 && errno == EOPNOTSUPP) n = pread(fd, data, len, pos);
    return n < 0 ? -errno : n;
}

ssize_t residency_fetch(int fd, int64_t pos, size_t len, size_t ahead, void *data)
{
    readahead(fd, pos, len + ahead);
    uint8_t junk[JUNK_BYTES];
    size_t at = 0;
    while (at < len) {
        size_t want = data ? len - at : MIN(len - at, sizeof junk);
        ssize_t n = pread(fd, data ? (uint8_t *)data + at : junk, want, pos + (int64_t)at);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return -errno;
        if (n == 0) break;
        at += (size_t)n;
    }
    return (ssize_t)at;
}
