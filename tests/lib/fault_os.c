/* One function a call: count, fail or pass on. Closing always closes and unmapping always unmaps,
 * so that an injected failure leaks nothing by itself.
 */
#include "fault_os.h"

#include "base/check.h"

static struct fault_os *faults_of(const struct os *os) { return os->impl; }

/* 0, or the negative errno with which this call fails. */
static int take(const struct os *os, enum os_call call)
{
    struct fault_os *f = faults_of(os);
    int result = 0;
    pthread_mutex_lock(&f->mutex);
    if (!f->plan.calls || (f->plan.calls & OS_CALL_BIT(call))) {
        uint64_t n = ++f->counted;
        if (f->plan.nth && (n == f->plan.nth || (f->plan.is_sticky && n > f->plan.nth))) {
            f->failed++;
            f->last_failed = call;
            result = -f->plan.errnum;
        }
    }
    pthread_mutex_unlock(&f->mutex);
    return result;
}

static const struct os *inner(const struct os *os) { return faults_of(os)->inner; }

static int fault_open(const struct os *os, const char *path, int flags)
{
    int r = take(os, OS_CALL_OPEN);
    return r ? r : inner(os)->open(inner(os), path, flags);
}

static int fault_close(const struct os *os, int fd)
{
    int r = take(os, OS_CALL_CLOSE);
    int closed = inner(os)->close(inner(os), fd);
    return r ? r : closed;
}

static ssize_t fault_pread(const struct os *os, int fd, void *data, size_t len, int64_t pos)
{
    int r = take(os, OS_CALL_PREAD);
    return r ? r : inner(os)->pread(inner(os), fd, data, len, pos);
}

static ssize_t fault_pwrite(const struct os *os, int fd, const void *data, size_t len, int64_t pos)
{
    int r = take(os, OS_CALL_PWRITE);
    if (!r) return inner(os)->pwrite(inner(os), fd, data, len, pos);
    if (faults_of(os)->plan.is_torn) {
        ssize_t n = inner(os)->pwrite(inner(os), fd, data, len / 2, pos);
        if (n < 0) return n;
    }
    return r;
}

static ssize_t fault_pwritev(const struct os *os, int fd, const struct iovec *iov, int count,
                             int64_t pos)
{
    int r = take(os, OS_CALL_PWRITE);
    if (!r) return inner(os)->pwritev(inner(os), fd, iov, count, pos);
    if (faults_of(os)->plan.is_torn && count > 0) {
        ssize_t n = inner(os)->pwrite(inner(os), fd, iov[0].iov_base, iov[0].iov_len / 2, pos);
        if (n < 0) return n;
    }
    return r;
}

static int fault_fdatasync(const struct os *os, int fd)
{
    int r = take(os, OS_CALL_FDATASYNC);
    return r ? r : inner(os)->fdatasync(inner(os), fd);
}

static int fault_fsync(const struct os *os, int fd)
{
    int r = take(os, OS_CALL_FSYNC);
    return r ? r : inner(os)->fsync(inner(os), fd);
}

static int fault_truncate(const struct os *os, int fd, int64_t size)
{
    int r = take(os, OS_CALL_TRUNCATE);
    return r ? r : inner(os)->truncate(inner(os), fd, size);
}

static int fault_reserve(const struct os *os, int fd, int64_t pos, int64_t len)
{
    int r = take(os, OS_CALL_RESERVE);
    return r ? r : inner(os)->reserve(inner(os), fd, pos, len);
}

static int fault_fstat(const struct os *os, int fd, struct os_stat *out)
{
    int r = take(os, OS_CALL_STAT);
    return r ? r : inner(os)->fstat(inner(os), fd, out);
}

static int fault_stat(const struct os *os, const char *path, struct os_stat *out)
{
    int r = take(os, OS_CALL_STAT);
    return r ? r : inner(os)->stat(inner(os), path, out);
}

static int fault_rename(const struct os *os, const char *from, const char *to)
{
    int r = take(os, OS_CALL_RENAME);
    return r ? r : inner(os)->rename(inner(os), from, to);
}

static int fault_unlink(const struct os *os, const char *path)
{
    int r = take(os, OS_CALL_UNLINK);
    return r ? r : inner(os)->unlink(inner(os), path);
}

static int fault_mkdir(const struct os *os, const char *path)
{
    int r = take(os, OS_CALL_MKDIR);
    return r ? r : inner(os)->mkdir(inner(os), path);
}

static int fault_rmdir(const struct os *os, const char *path)
{
    int r = take(os, OS_CALL_RMDIR);
    return r ? r : inner(os)->rmdir(inner(os), path);
}

static int fault_list(const struct os *os, const char *path, os_list_fn fn, void *arg)
{
    int r = take(os, OS_CALL_LIST);
    return r ? r : inner(os)->list(inner(os), path, fn, arg);
}

static int fault_sync_dir(const struct os *os, const char *path)
{
    int r = take(os, OS_CALL_SYNC_DIR);
    return r ? r : inner(os)->sync_dir(inner(os), path);
}

static void *fault_map(const struct os *os, int fd, size_t len, int *err)
{
    int r = take(os, OS_CALL_MAP);
    if (!r) return inner(os)->map(inner(os), fd, len, err);
    *err = r;
    return NULL;
}

static void fault_unmap(const struct os *os, void *addr, size_t len)
{
    inner(os)->unmap(inner(os), addr, len);
}

static int fault_lock(const struct os *os, int fd)
{
    int r = take(os, OS_CALL_LOCK);
    return r ? r : inner(os)->lock(inner(os), fd);
}

static int fault_space(const struct os *os, const char *path, struct os_space *out)
{
    int r = take(os, OS_CALL_SPACE);
    return r ? r : inner(os)->space(inner(os), path, out);
}

static int fault_start_writeback(const struct os *os, int fd, int64_t pos, int64_t len)
{
    int r = take(os, OS_CALL_WRITEBACK);
    return r ? r : inner(os)->start_writeback(inner(os), fd, pos, len);
}

void fault_os_init(struct fault_os *faults, const struct os *inner_os)
{
    *faults = (struct fault_os){
        .inner = inner_os,
        .os =
            {
                .impl = faults,
                .open = fault_open,
                .close = fault_close,
                .pread = fault_pread,
                .pwrite = fault_pwrite,
                .pwritev = fault_pwritev,
                .fdatasync = fault_fdatasync,
                .fsync = fault_fsync,
                .truncate = fault_truncate,
                .reserve = fault_reserve,
                .fstat = fault_fstat,
                .stat = fault_stat,
                .rename = fault_rename,
                .unlink = fault_unlink,
                .mkdir = fault_mkdir,
                .rmdir = fault_rmdir,
                .list = fault_list,
                .sync_dir = fault_sync_dir,
                .map = fault_map,
                .unmap = fault_unmap,
                .lock = fault_lock,
                .space = fault_space,
                .start_writeback = fault_start_writeback,
            },
    };
    CHECK(pthread_mutex_init(&faults->mutex, NULL) == 0);
}

void fault_os_destroy(struct fault_os *faults) { pthread_mutex_destroy(&faults->mutex); }

void fault_os_reset(struct fault_os *faults, const struct fault_plan *plan)
{
    pthread_mutex_lock(&faults->mutex);
    faults->plan = plan ? *plan : (struct fault_plan){0};
    faults->counted = 0;
    faults->failed = 0;
    pthread_mutex_unlock(&faults->mutex);
}
