/* The os table of the simulated disk: every call locks, is counted, maybe fails, and is carried out
 * on inodes (sim_inode.c, sim_dir.c).
 *
 * Handles are numbers that are never used twice, so that one kept across a crash is found out.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "sim_disk_internal.h"

static struct sim_disk *disk_of(const struct os *os) { return os->impl; }

static int64_t now_ms(const struct sim_disk *d)
{
    return d->clock ? d->clock->wall_ms(d->clock) : 0;
}

static int end_path(struct sim_disk *d, enum os_call call, const char *path, int result)
{
    return (int)sim_disk_end(d, call, path, 0, 0, result);
}

static int64_t end_fd(struct sim_disk *d, enum os_call call, int fd, int64_t pos, int64_t len,
                      int64_t result)
{
    char what[32];
    snprintf(what, sizeof what, "fd=%d", fd);
    return sim_disk_end(d, call, what, pos, len, result);
}

/* ---- handles ---- */

static struct sim_handle *handle_at(struct sim_disk *d, int fd)
{
    if (fd < d->fd_base || (size_t)(fd - d->fd_base) >= d->handle_count) return NULL;
    struct sim_handle *h = &d->handles[fd - d->fd_base];
    return h->inode ? h : NULL;
}

static struct sim_inode *file_at(struct sim_disk *d, int fd)
{
    struct sim_handle *h = handle_at(d, fd);
    return h && !h->inode->is_dir ? h->inode : NULL;
}

static int add_handle(struct sim_disk *d, struct sim_inode *inode, int flags)
{
    if (d->handle_count == d->handle_cap) {
        d->handle_cap = d->handle_cap ? d->handle_cap * 2 : 64;
        d->handles = realloc(d->handles, d->handle_cap * sizeof *d->handles);
        CHECK(d->handles);
    }
    d->handles[d->handle_count++] = (struct sim_handle){inode, flags};
    inode->handles++;
    d->stats.handles++;
    return d->fd_base + (int)d->handle_count - 1;
}

static int do_open(struct sim_disk *d, const char *path, int flags)
{
    struct sim_inode *dir, *inode;
    char name[SIM_NAME_BYTES_MAX + 1];
    int r = sim_path_walk(d, path, &dir, name);
    if (r < 0) return r;
    inode = name[0] ? sim_names_find(&dir->names, name) : d->root;
    if (inode && (flags & OS_EXCLUSIVE) && (flags & OS_CREATE)) return -EEXIST;
    if (inode && inode->is_dir && (flags & (OS_WRITE | OS_CREATE))) return -EISDIR;
    if (!inode) {
        if (!(flags & OS_CREATE)) return -ENOENT;
        inode = sim_disk_make_inode(d, false);
        inode->mtime_ms = now_ms(d);
        sim_dir_add(dir, name, inode);
    } else if (flags & OS_TRUNCATE) {
        sim_inode_truncate(inode, 0);
    }
    return add_handle(d, inode, flags);
}

static int sim_open(const struct os *os, const char *path, int flags)
{
    struct sim_disk *d = disk_of(os);
    int r = sim_disk_begin(d, OS_CALL_OPEN);
    if (!r) r = do_open(d, path, flags);
    return (int)sim_disk_end(d, OS_CALL_OPEN, path, flags, 0, r);
}

/* Closes even when it fails. */
static int sim_close(const struct os *os, int fd)
{
    struct sim_disk *d = disk_of(os);
    int r = sim_disk_begin(d, OS_CALL_CLOSE);
    struct sim_handle *h = handle_at(d, fd);
    if (h) {
        if (h->inode->locked_by == fd) h->inode->locked_by = -1;
        h->inode->handles--;
        h->inode = NULL;
        d->stats.handles--;
    } else if (!r) {
        r = -EBADF;
    }
    return (int)end_fd(d, OS_CALL_CLOSE, fd, 0, 0, r);
}

/* ---- file contents ---- */

static ssize_t sim_pread(const struct os *os, int fd, void *data, size_t len, int64_t pos)
{
    struct sim_disk *d = disk_of(os);
    int64_t r = sim_disk_begin(d, OS_CALL_PREAD);
    struct sim_inode *inode = file_at(d, fd);
    if (!r && !inode) r = -EBADF;
    if (!r && pos < 0) r = -EINVAL;
    if (!r && pos < inode->size) {
        r = MIN((int64_t)len, inode->size - pos);
        memcpy(data, inode->view + pos, (size_t)r);
    }
    return (ssize_t)end_fd(d, OS_CALL_PREAD, fd, pos, (int64_t)len, r);
}

/* Writes as much of [pos, pos + len) as there is room for; 0 or -ENOSPC. */
static int write_with_room(struct sim_disk *d, struct sim_inode *inode, const uint8_t *data,
                           size_t len, int64_t pos)
{
    int64_t room = sim_disk_free_sectors(d);
    size_t fits = len;
    while (fits && sim_inode_wants(inode, pos, (int64_t)fits) > room)
        fits = fits > SIM_SECTOR ? fits - SIM_SECTOR : 0;
    sim_inode_write(inode, data, fits, pos);
    inode->mtime_ms = now_ms(d);
    return fits == len ? 0 : -ENOSPC;
}

static int do_write(struct sim_disk *d, struct sim_handle *h, const uint8_t *data, size_t len,
                    int64_t pos)
{
    if (!h || h->inode->is_dir || !(h->flags & OS_WRITE)) return -EBADF;
    if (pos < 0) return -EINVAL;
    if (pos + (int64_t)len > SIM_FILE_BYTES_MAX) return -EFBIG;
    int r = write_with_room(d, h->inode, data, len, pos);
    d->stats.injected += r != 0;
    if (rng_chance(&d->rng, d->writeback_permille))
        sim_inode_writeback(h->inode, &d->rng, 500, 0, SIM_FILE_BYTES_MAX);
    return r;
}

static ssize_t write_flat(struct sim_disk *d, int fd, const uint8_t *data, size_t len, int64_t pos)
{
    bool was_stopped = d->is_stopped;
    int r = sim_disk_begin(d, OS_CALL_PWRITE);
    struct sim_handle *h = handle_at(d, fd);
    if (!r)
        r = do_write(d, h, data, len, pos);
    else if (!was_stopped) /* the failing call itself leaves a prefix */
        (void)do_write(d, h, data, rng_below(&d->rng, len + d->is_stopped), pos);
    return (ssize_t)end_fd(d, OS_CALL_PWRITE, fd, pos, (int64_t)len, r ? r : (int64_t)len);
}

static ssize_t sim_pwrite(const struct os *os, int fd, const void *data, size_t len, int64_t pos)
{
    return write_flat(disk_of(os), fd, data, len, pos);
}

static ssize_t sim_pwritev(const struct os *os, int fd, const struct iovec *iov, int count,
                           int64_t pos)
{
    size_t len = 0, at = 0;
    for (int i = 0; i < count; i++) len += iov[i].iov_len;
    uint8_t *flat = malloc(len ? len : 1);
    CHECK(flat);
    for (int i = 0; i < count; at += iov[i++].iov_len)
        memcpy(flat + at, iov[i].iov_base, iov[i].iov_len);
    ssize_t r = write_flat(disk_of(os), fd, flat, len, pos);
    free(flat);
    return r;
}

static int sync_file(const struct os *os, int fd, enum os_call call)
{
    struct sim_disk *d = disk_of(os);
    bool was_stopped = d->is_stopped;
    int r = sim_disk_begin(d, call);
    struct sim_inode *inode = file_at(d, fd);
    bool lies = d->lying_calls & OS_CALL_BIT(call);
    if (!inode)
        r = r ? r : -EBADF;
    else if (r && !was_stopped && !d->is_stopped) {
        sim_inode_sync_failed(inode, &d->rng, rng_chance(&d->rng, 500));
        d->stats.failed_syncs++;
    } else if (!r && !lies)
        sim_inode_sync(inode);
    return (int)end_fd(d, call, fd, 0, 0, r);
}

static int sim_fdatasync(const struct os *os, int fd)
{
    return sync_file(os, fd, OS_CALL_FDATASYNC);
}
static int sim_fsync(const struct os *os, int fd) { return sync_file(os, fd, OS_CALL_FSYNC); }

static int sim_truncate(const struct os *os, int fd, int64_t size)
{
    struct sim_disk *d = disk_of(os);
    int r = sim_disk_begin(d, OS_CALL_TRUNCATE);
    struct sim_handle *h = handle_at(d, fd);
    if (!r && (!h || h->inode->is_dir || !(h->flags & OS_WRITE))) r = -EBADF;
    if (!r && size < 0) r = -EINVAL;
    if (!r && size > SIM_FILE_BYTES_MAX) r = -EFBIG;
    if (!r) sim_inode_truncate(h->inode, size);
    return (int)end_fd(d, OS_CALL_TRUNCATE, fd, size, 0, r);
}

static int sim_reserve(const struct os *os, int fd, int64_t pos, int64_t len)
{
    struct sim_disk *d = disk_of(os);
    int r = sim_disk_begin(d, OS_CALL_RESERVE);
    struct sim_inode *inode = file_at(d, fd);
    if (!r && !inode) r = -EBADF;
    if (!r && (pos < 0 || len <= 0)) r = -EINVAL;
    if (!r && pos + len > SIM_FILE_BYTES_MAX) r = -EFBIG;
    if (!r && sim_inode_wants(inode, pos, len) > sim_disk_free_sectors(d)) r = -ENOSPC;
    if (!r) sim_inode_reserve(inode, pos, len);
    return (int)end_fd(d, OS_CALL_RESERVE, fd, pos, len, r);
}

static int sim_start_writeback(const struct os *os, int fd, int64_t pos, int64_t len)
{
    struct sim_disk *d = disk_of(os);
    int r = sim_disk_begin(d, OS_CALL_WRITEBACK);
    struct sim_inode *inode = file_at(d, fd);
    if (!r && !inode) r = -EBADF;
    if (!r) sim_inode_writeback(inode, &d->rng, 700, pos, len ? len : SIM_FILE_BYTES_MAX - pos);
    return (int)end_fd(d, OS_CALL_WRITEBACK, fd, pos, len, r);
}

static void *sim_map(const struct os *os, int fd, size_t len, int *err)
{
    struct sim_disk *d = disk_of(os);
    int r = sim_disk_begin(d, OS_CALL_MAP);
    struct sim_inode *inode = file_at(d, fd);
    if (!r && !inode) r = -EBADF;
    if (!r && (len == 0 || len > SIM_FILE_BYTES_MAX)) r = -EINVAL;
    if (!r) {
        if (d->mapping_count == d->mapping_cap) {
            d->mapping_cap = d->mapping_cap ? d->mapping_cap * 2 : 64;
            d->mappings = realloc(d->mappings, d->mapping_cap * sizeof *d->mappings);
            CHECK(d->mappings);
        }
        d->mappings[d->mapping_count++] = (struct sim_mapping){inode, len};
        inode->mappings++;
        d->stats.mappings++;
    }
    *err = (int)end_fd(d, OS_CALL_MAP, fd, 0, (int64_t)len, r);
    return r ? NULL : inode->view;
}

static void sim_unmap(const struct os *os, void *addr, size_t len)
{
    struct sim_disk *d = disk_of(os);
    sim_disk_begin(d, OS_CALL_UNMAP); /* cannot fail */
    size_t i = 0;
    while (i < d->mapping_count &&
           (d->mappings[i].inode->view != addr || d->mappings[i].len != len))
        i++;
    CHECK(i < d->mapping_count); /* what was never mapped, or with another length */
    d->mappings[i].inode->mappings--;
    d->mappings[i] = d->mappings[--d->mapping_count];
    d->stats.mappings--;
    sim_disk_end(d, OS_CALL_UNMAP, "", 0, (int64_t)len, 0);
}

static int sim_lock(const struct os *os, int fd)
{
    struct sim_disk *d = disk_of(os);
    int r = sim_disk_begin(d, OS_CALL_LOCK);
    struct sim_handle *h = handle_at(d, fd);
    if (!r && !h) r = -EBADF;
    if (!r && h->inode->locked_by >= 0 && h->inode->locked_by != fd) r = -EBUSY;
    if (!r) h->inode->locked_by = fd;
    return (int)end_fd(d, OS_CALL_LOCK, fd, 0, 0, r);
}

/* ---- names ---- */

static void stat_fill(const struct sim_inode *inode, struct os_stat *out)
{
    *out = (struct os_stat){
        .size_bytes = inode->size,
        .allocated_bytes = inode->allocated * SIM_SECTOR,
        .mtime_ms = inode->mtime_ms,
        .inode = inode->id,
        .is_dir = inode->is_dir,
    };
}

static int sim_fstat(const struct os *os, int fd, struct os_stat *out)
{
    struct sim_disk *d = disk_of(os);
    int r = sim_disk_begin(d, OS_CALL_STAT);
    struct sim_handle *h = handle_at(d, fd);
    if (!r && !h) r = -EBADF;
    if (!r) stat_fill(h->inode, out);
    return (int)end_fd(d, OS_CALL_STAT, fd, 0, 0, r);
}

static int sim_stat(const struct os *os, const char *path, struct os_stat *out)
{
    struct sim_disk *d = disk_of(os);
    struct sim_inode *inode;
    int r = sim_disk_begin(d, OS_CALL_STAT);
    if (!r) r = sim_path_find(d, path, &inode);
    if (!r) stat_fill(inode, out);
    return end_path(d, OS_CALL_STAT, path, r);
}

static int do_rename(struct sim_disk *d, const char *from, const char *to)
{
    struct sim_inode *from_dir, *to_dir;
    char from_name[SIM_NAME_BYTES_MAX + 1], to_name[SIM_NAME_BYTES_MAX + 1];
    int r = sim_path_walk(d, from, &from_dir, from_name);
    if (r >= 0) r = sim_path_walk(d, to, &to_dir, to_name);
    if (r < 0) return r;
    if (from_dir != to_dir) return -EXDEV;
    struct sim_inode *inode = sim_names_find(&from_dir->names, from_name);
    struct sim_inode *there = sim_names_find(&to_dir->names, to_name);
    if (!inode) return -ENOENT;
    if (there == inode) return 0;
    if (there && inode->is_dir != there->is_dir) return there->is_dir ? -EISDIR : -ENOTDIR;
    if (there && there->names.count) return -ENOTEMPTY;
    sim_dir_rename(from_dir, from_name, to_name);
    return 0;
}

static int sim_rename(const struct os *os, const char *from, const char *to)
{
    struct sim_disk *d = disk_of(os);
    int r = sim_disk_begin(d, OS_CALL_RENAME);
    if (!r) r = do_rename(d, from, to);
    return end_path(d, OS_CALL_RENAME, r ? from : to, r);
}

static int remove_name(struct sim_disk *d, const char *path, bool is_dir)
{
    struct sim_inode *dir;
    char name[SIM_NAME_BYTES_MAX + 1];
    int r = sim_path_walk(d, path, &dir, name);
    if (r < 0) return r;
    struct sim_inode *inode = sim_names_find(&dir->names, name);
    if (!inode) return -ENOENT;
    if (inode->is_dir != is_dir) return is_dir ? -ENOTDIR : -EISDIR;
    if (inode->names.count) return -ENOTEMPTY;
    sim_dir_remove(dir, name);
    sim_disk_sweep_if_due(d);
    return 0;
}

static int sim_unlink(const struct os *os, const char *path)
{
    struct sim_disk *d = disk_of(os);
    int r = sim_disk_begin(d, OS_CALL_UNLINK);
    if (!r) r = remove_name(d, path, false);
    return end_path(d, OS_CALL_UNLINK, path, r);
}

static int sim_rmdir(const struct os *os, const char *path)
{
    struct sim_disk *d = disk_of(os);
    int r = sim_disk_begin(d, OS_CALL_RMDIR);
    if (!r) r = remove_name(d, path, true);
    return end_path(d, OS_CALL_RMDIR, path, r);
}

static int do_mkdir(struct sim_disk *d, const char *path)
{
    struct sim_inode *dir;
    char name[SIM_NAME_BYTES_MAX + 1];
    int r = sim_path_walk(d, path, &dir, name);
    if (r < 0) return r;
    if (!name[0] || sim_names_find(&dir->names, name)) return -EEXIST;
    sim_dir_add(dir, name, sim_disk_make_inode(d, true));
    return 0;
}

static int sim_mkdir(const struct os *os, const char *path)
{
    struct sim_disk *d = disk_of(os);
    int r = sim_disk_begin(d, OS_CALL_MKDIR);
    if (!r) r = do_mkdir(d, path);
    return end_path(d, OS_CALL_MKDIR, path, r);
}

static int find_dir(struct sim_disk *d, const char *path, struct sim_inode **out)
{
    int r = sim_path_find(d, path, out);
    return r ? r : (*out)->is_dir ? 0 : -ENOTDIR;
}

/* The names are copied, so that fn may use the disk. */
static int sim_list(const struct os *os, const char *path, os_list_fn fn, void *arg)
{
    struct sim_disk *d = disk_of(os);
    struct sim_inode *dir;
    char **names = NULL;
    size_t count = 0;
    int r = sim_disk_begin(d, OS_CALL_LIST);
    if (!r) r = find_dir(d, path, &dir);
    if (!r) {
        names = malloc((dir->names.count + 1) * sizeof *names);
        CHECK(names);
        for (; count < dir->names.count; count++) {
            names[count] = strdup(dir->names.items[count].text);
            CHECK(names[count]);
        }
    }
    end_path(d, OS_CALL_LIST, path, r);
    for (size_t i = 0; i < count; i++) {
        fn(arg, names[i]);
        free(names[i]);
    }
    free(names);
    return r;
}

static int sim_sync_dir(const struct os *os, const char *path)
{
    struct sim_disk *d = disk_of(os);
    struct sim_inode *dir;
    int r = sim_disk_begin(d, OS_CALL_SYNC_DIR);
    if (!r) r = find_dir(d, path, &dir);
    if (!r && !(d->lying_calls & OS_CALL_BIT(OS_CALL_SYNC_DIR)))
        sim_dir_commit(dir, dir->change_count);
    return end_path(d, OS_CALL_SYNC_DIR, path, r);
}

static int sim_space(const struct os *os, const char *path, struct os_space *out)
{
    struct sim_disk *d = disk_of(os);
    struct sim_inode *inode;
    int r = sim_disk_begin(d, OS_CALL_SPACE);
    if (!r) r = sim_path_find(d, path, &inode);
    if (!r) *out = (struct os_space){d->capacity, sim_disk_free_sectors(d) * SIM_SECTOR};
    return end_path(d, OS_CALL_SPACE, path, r);
}

const struct os sim_os_table = {
    .open = sim_open,
    .close = sim_close,
    .pread = sim_pread,
    .pwrite = sim_pwrite,
    .pwritev = sim_pwritev,
    .fdatasync = sim_fdatasync,
    .fsync = sim_fsync,
    .truncate = sim_truncate,
    .reserve = sim_reserve,
    .fstat = sim_fstat,
    .stat = sim_stat,
    .rename = sim_rename,
    .unlink = sim_unlink,
    .mkdir = sim_mkdir,
    .rmdir = sim_rmdir,
    .list = sim_list,
    .sync_dir = sim_sync_dir,
    .map = sim_map,
    .unmap = sim_unmap,
    .lock = sim_lock,
    .space = sim_space,
    .start_writeback = sim_start_writeback,
};
