/* Whole-file helpers over the door of os.h. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "buf.h"
#include "check.h"
#include "os.h"

static err_t read_all(const struct os *os, int fd, size_t max_bytes, struct buf *out)
{
    struct os_stat st;
    int r = os->fstat(os, fd, &st);
    if (r < 0) return err_from_errno(-r);
    if (st.size_bytes > (int64_t)max_bytes) return ERR_LIMIT;
    buf_clear(out);
    TRY(buf_reserve(out, (size_t)st.size_bytes + 1));
    ssize_t n = os->pread(os, fd, out->data, (size_t)st.size_bytes, 0);
    if (n < 0) return err_from_errno((int)-n);
    out->len = (size_t)n;
    out->data[n] = 0;
    return OK;
}

err_t os_read_file(const struct os *os, const char *path, size_t max_bytes, struct buf *out)
{
    int fd = os->open(os, path, OS_READ);
    if (fd < 0) return err_from_errno(-fd);
    err_t err = read_all(os, fd, max_bytes, out);
    os->close(os, fd);
    return err;
}

/* The directory part of a path; "." where there is none. */
static void dir_of(const char *path, char out[PATH_MAX])
{
    const char *slash = strrchr(path, '/');
    size_t len = slash ? (size_t)(slash - path) : 0;
    if (len == 0) {
        path = slash ? "/" : ".";
        len = 1;
    }
    memcpy(out, path, len);
    out[len] = 0;
}

static int write_new(const struct os *os, const char *path, const void *data, size_t len)
{
    int fd = os->open(os, path, OS_WRITE | OS_CREATE | OS_TRUNCATE);
    if (fd < 0) return fd;
    ssize_t r = os->pwrite(os, fd, data, len, 0);
    if (r >= 0) r = os->fsync(os, fd);
    int c = os->close(os, fd);
    return r < 0 ? (int)r : c;
}

err_t os_replace_file(const struct os *os, const char *path, const void *data, size_t len)
{
    char tmp[PATH_MAX], dir[PATH_MAX];
    if ((size_t)snprintf(tmp, sizeof tmp, "%s.tmp", path) >= sizeof tmp) return ERR_INVALID;
    dir_of(path, dir);
    int r = write_new(os, tmp, data, len);
    if (r >= 0) r = os->rename(os, tmp, path);
    if (r >= 0) r = os->sync_dir(os, dir);
    return r < 0 ? err_from_errno(-r) : OK;
}

err_t os_make_dirs(const struct os *os, const char *path)
{
    char part[PATH_MAX];
    size_t len = strlen(path);
    if (len == 0 || len >= sizeof part) return ERR_INVALID;
    for (size_t i = 1; i <= len; i++) {
        if (path[i] != '/' && path[i] != 0) continue;
        memcpy(part, path, i);
        part[i] = 0;
        int r = os->mkdir(os, part);
        if (r < 0 && r != -EEXIST) return err_from_errno(-r);
    }
    struct os_stat st;
    int r = os->stat(os, path, &st);
    if (r < 0) return err_from_errno(-r);
    return st.is_dir ? OK : ERR_EXISTS;
}
