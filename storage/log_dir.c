/* Opening goes: lock, meta.properties, boot id, clean-shutdown marker (read, then removed for
 * good), checkpoints. Closing cleanly goes the other way: checkpoints, then the marker as the very
 * last thing, so that the marker vouches for all the rest.
 *
 * Checkpoints live in memory under one leaf mutex. Writing them copies the text out under the mutex
 * and does the file work without it; `is_writing` keeps a second writer from overtaking the first
 * with older contents.
 */
#include "log_dir.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/check.h"
#include "base/diag.h"
#include "base/mutex.h"
#include "base/os.h"
#include "boot_id.h"
#include "checkpoint.h"
#include "meta_properties.h"

#define LOCK_FILE            ".lock"
#define META_PROPERTIES_FILE "meta.properties"
#define CLEAN_SHUTDOWN_FILE  ".kafka_cleanshutdown"

static const char clean_shutdown_text[] = "{\"version\":0,\"brokerEpoch\":-1}";

static const char *const checkpoint_files[CHECKPOINT__COUNT] = {
    [CHECKPOINT_RECOVERY_POINT] = "recovery-point-offset-checkpoint",
    [CHECKPOINT_HIGH_WATERMARK] = "replication-offset-checkpoint",
    [CHECKPOINT_LOG_START] = "log-start-offset-checkpoint",
};

enum { META_BYTES_MAX = 1 << 16, FREE_BYTES_AGE_MAX_NS = 1000000000 };

struct log_dir {
    const struct env *env; /* borrowed */
    char *path;            /* owned */
    int lock_fd;           /* -1: not locked */
    struct uuid id;
    bool was_clean;
    bool is_same_boot;
    struct boot_id boot_id; /* the kernel's */
    _Atomic bool is_failed;

    struct mutex mutex; /* guards all below */
    pthread_cond_t written;
    bool is_writing;
    struct checkpoint checkpoints[CHECKPOINT__COUNT];
    bool is_dirty[CHECKPOINT__COUNT];
    bool has_forgotten; /* what the files still say */
    int64_t free_bytes; /* -1: never asked */
    int64_t free_bytes_at_ns;
};

/* ---- paths and refusals ---- */

static const char *path_in(const struct log_dir *dir, const char *name, char out[PATH_MAX])
{
    /* The directory's path was tried with the longest of our names at open. */
    CHECK(snprintf(out, PATH_MAX, "%s/%s", dir->path, name) < PATH_MAX);
    return out;
}

static err_t refuse(const struct log_dir *dir, const char *name, err_t err, const char *why)
{
    diag(DIAG_ERROR, "log_dir", "cannot use log directory: %s file=%s/%s error=\"%s\"", why,
         dir->path, name, err_name(err));
    return err;
}

/* ---- open ---- */

/* A new directory has to be there after a power loss: every parent that may have got a new entry is
 * synced. Parents that may not be read are somebody else's and old. */
static err_t create_path(const struct log_dir *dir)
{
    const struct os *os = dir->env->os;
    struct os_stat st;
    if (os->stat(os, dir->path, &st) == 0) return st.is_dir ? OK : ERR_EXISTS;
    TRY(os_make_dirs(os, dir->path));
    char parent[PATH_MAX];
    size_t len = strlen(dir->path);
    memcpy(parent, dir->path, len + 1);
    for (char *slash; (slash = strrchr(parent, '/'));) {
        slash[slash == parent] = 0;
        int r = os->sync_dir(os, parent);
        if (r < 0 && r != -EACCES && r != -EPERM) return err_from_errno(-r);
        if (parent[1] == 0) return OK;
    }
    int r = os->sync_dir(os, ".");
    return r < 0 ? err_from_errno(-r) : OK;
}

static err_t take_lock(struct log_dir *dir)
{
    const struct os *os = dir->env->os;
    char path[PATH_MAX];
    int fd = os->open(os, path_in(dir, LOCK_FILE, path), OS_WRITE | OS_CREATE);
    if (fd < 0) return refuse(dir, LOCK_FILE, err_from_errno(-fd), "the lock cannot be opened");
    int r = os->lock(os, fd);
    if (r == 0) {
        dir->lock_fd = fd;
        return OK;
    }
    os->close(os, fd);
    return refuse(dir, LOCK_FILE, err_from_errno(-r), "another process holds the lock");
}

static err_t write_meta(struct log_dir *dir, const struct meta_properties *meta)
{
    struct buf text = {0};
    char path[PATH_MAX];
    err_t err = meta_properties_encode(meta, &text);
    if (err == OK)
        err = os_replace_file(dir->env->os, path_in(dir, META_PROPERTIES_FILE, path), text.data,
                              text.len);
    buf_release(&text);
    return err == OK ? OK : refuse(dir, META_PROPERTIES_FILE, err, "it cannot be written");
}

static err_t make_meta(struct log_dir *dir, const struct log_dir_identity *expected,
                       struct meta_properties *meta)
{
    const struct random *random = dir->env->random;
    meta->version = 1;
    meta->node_id = expected->node_id;
    meta->directory_id = uuid_random(random);
    if (expected->cluster_id[0])
        snprintf(meta->cluster_id, sizeof meta->cluster_id, "%s", expected->cluster_id);
    else
        uuid_format(uuid_random(random), meta->cluster_id);
    return write_meta(dir, meta);
}

static err_t check_meta(struct log_dir *dir, const struct log_dir_identity *expected,
                        struct meta_properties *meta)
{
    char why[256];
    if (expected->cluster_id[0] && strcmp(expected->cluster_id, meta->cluster_id) != 0) {
        snprintf(why, sizeof why, "it belongs to cluster %s, not to %s", meta->cluster_id,
                 expected->cluster_id);
        return refuse(dir, META_PROPERTIES_FILE, ERR_INVALID, why);
    }
    if (expected->node_id != meta->node_id) {
        snprintf(why, sizeof why, "it belongs to node %" PRId32 ", not to %" PRId32, meta->node_id,
                 expected->node_id);
        return refuse(dir, META_PROPERTIES_FILE, ERR_INVALID, why);
    }
    if (!uuid_is_zero(meta->directory_id)) return OK;
    meta->directory_id = uuid_random(dir->env->random);
    return write_meta(dir, meta);
}

static err_t read_meta(struct log_dir *dir, struct meta_properties *meta, bool *is_missing)
{
    struct buf text = {0};
    char path[PATH_MAX];
    const char *problem = "it cannot be read";
    err_t err = os_read_file(dir->env->os, path_in(dir, META_PROPERTIES_FILE, path), META_BYTES_MAX,
                             &text);
    *is_missing = err == ERR_NOT_FOUND;
    if (err == OK) err = meta_properties_parse(meta, buf_view(&text), &problem);
    buf_release(&text);
    if (err == OK || *is_missing) return OK;
    return refuse(dir, META_PROPERTIES_FILE, err, problem);
}

static err_t open_meta(struct log_dir *dir, struct log_dir_identity *identity)
{
    struct meta_properties meta = {0};
    bool is_missing;
    err_t err = read_meta(dir, &meta, &is_missing);
    if (err == OK)
        err = is_missing ? make_meta(dir, identity, &meta) : check_meta(dir, identity, &meta);
    if (err == OK) {
        memcpy(identity->cluster_id, meta.cluster_id, sizeof identity->cluster_id);
        identity->node_id = meta.node_id;
        identity->directory_id = dir->id = meta.directory_id;
    }
    meta_properties_release(&meta);
    return err;
}
_Static_assert(sizeof((struct log_dir_identity *)0)->cluster_id == CLUSTER_ID_MAX + 1, "copied");

/* From here on a crash is an unclean stop, whatever happens: the marker must not come back. Its
 * contents do not matter, as in Kafka. */
static err_t take_clean_marker(struct log_dir *dir)
{
    const struct os *os = dir->env->os;
    char path[PATH_MAX];
    int r = os->unlink(os, path_in(dir, CLEAN_SHUTDOWN_FILE, path));
    if (r == -ENOENT) return OK;
    if (r == 0) r = os->sync_dir(os, dir->path);
    if (r < 0) return refuse(dir, CLEAN_SHUTDOWN_FILE, err_from_errno(-r), "it cannot be removed");
    dir->was_clean = true;
    return OK;
}

/* A checkpoint that is no checkpoint costs a longer recovery, not the directory. */
static err_t load_checkpoints(struct log_dir *dir)
{
    char path[PATH_MAX];
    for (int kind = 0; kind < CHECKPOINT__COUNT; kind++) {
        const char *name = checkpoint_files[kind];
        err_t err = checkpoint_load(&dir->checkpoints[kind], dir->env->os,
                                    path_in(dir, name, path));
        if (err != OK && err != ERR_CORRUPT)
            return refuse(dir, name, err, "a checkpoint cannot be read");
    }
    return OK;
}

static err_t open_parts(struct log_dir *dir, struct log_dir_identity *identity)
{
    err_t err = create_path(dir);
    if (err != OK) return refuse(dir, "", err, "the directory cannot be made");
    TRY(take_lock(dir));
    TRY(open_meta(dir, identity));
    char path[PATH_MAX];
    struct boot_id seen = boot_id_read(dir->env->os, path_in(dir, BOOT_ID_FILE, path));
    dir->boot_id = boot_id_read(dir->env->os, BOOT_ID_KERNEL_PATH);
    dir->is_same_boot = boot_id_eq(&seen, &dir->boot_id);
    TRY(take_clean_marker(dir));
    return load_checkpoints(dir);
}

static void release(struct log_dir *dir)
{
    const struct os *os = dir->env->os;
    if (dir->lock_fd >= 0) os->close(os, dir->lock_fd);
    for (int kind = 0; kind < CHECKPOINT__COUNT; kind++)
        checkpoint_release(&dir->checkpoints[kind]);
    pthread_cond_destroy(&dir->written);
    mutex_destroy(&dir->mutex);
    free(dir->path);
    free(dir);
}

err_t log_dir_open(const struct env *env, const char *path, struct log_dir_identity *identity,
                   struct log_dir **out)
{
    *out = NULL;
    /* Partition directories with the longest names and their files have to fit, too. */
    if (!path[0] || strlen(path) > PATH_MAX - 512) return ERR_INVALID;
    struct log_dir *dir = calloc(1, sizeof *dir);
    char *copy = strdup(path);
    if (!dir || !copy) {
        free(dir);
        free(copy);
        return ERR_NOMEM;
    }
    for (size_t len = strlen(copy); len > 1 && copy[len - 1] == '/';) copy[--len] = 0;
    dir->env = env;
    dir->path = copy;
    dir->lock_fd = -1;
    dir->free_bytes = -1;
    mutex_init(&dir->mutex, RANK_LEAF);
    CHECK(pthread_cond_init(&dir->written, NULL) == 0);
    err_t err = open_parts(dir, identity);
    if (err == OK)
        *out = dir;
    else
        release(dir);
    return err;
}

err_t log_dir_mark_recovered(struct log_dir *dir)
{
    if (dir->is_same_boot || !dir->boot_id.text[0]) return OK;
    char path[PATH_MAX];
    return boot_id_write(dir->env->os, path_in(dir, BOOT_ID_FILE, path), &dir->boot_id);
}

/* ---- close ---- */

err_t log_dir_close(struct log_dir *dir, bool clean)
{
    err_t err = OK;
    char path[PATH_MAX];
    if (clean) err = log_dir_write_checkpoints(dir);
    if (clean && err == OK)
        err = os_replace_file(dir->env->os, path_in(dir, CLEAN_SHUTDOWN_FILE, path),
                              clean_shutdown_text, sizeof clean_shutdown_text - 1);
    release(dir);
    return err;
}

/* ---- description ---- */

const char *log_dir_path(const struct log_dir *dir) { return dir->path; }
struct uuid log_dir_id(const struct log_dir *dir) { return dir->id; }
bool log_dir_was_clean(const struct log_dir *dir) { return dir->was_clean; }
bool log_dir_is_same_boot(const struct log_dir *dir) { return dir->is_same_boot; }
bool log_dir_is_failed(const struct log_dir *dir) { return atomic_load(&dir->is_failed); }

void log_dir_fail(struct log_dir *dir, const char *why)
{
    if (!atomic_exchange(&dir->is_failed, true))
        diag(DIAG_ERROR, "log_dir", "log directory goes offline: %s dir=%s", why, dir->path);
}

/* ---- listing ---- */

struct names {
    struct buf text; /* NUL-terminated, one after the other */
    size_t count;
    err_t err;
};

static void collect_name(void *arg, const char *name)
{
    struct names *names = arg;
    struct log_dir_entry entry;
    if (names->err != OK || !log_dir_parse_name(name, &entry)) return;
    names->err = buf_append(&names->text, name, strlen(name) + 1);
    names->count++;
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* In order of name: what follows from the order of a listing must not depend on the disk. */
static err_t visit_names(struct log_dir *dir, struct names *names,
                         void (*fn)(void *arg, const struct log_dir_entry *entry), void *arg)
{
    const struct os *os = dir->env->os;
    char path[PATH_MAX];
    const char **sorted = malloc((names->count + 1) * sizeof *sorted);
    if (!sorted) return ERR_NOMEM;
    const char *at = (const char *)names->text.data;
    for (size_t i = 0; i < names->count; i++, at += strlen(at) + 1) sorted[i] = at;
    qsort(sorted, names->count, sizeof *sorted, compare_names);
    err_t err = OK;
    for (size_t i = 0; i < names->count && err == OK; i++) {
        struct log_dir_entry entry;
        struct os_stat st;
        int r = os->stat(os, path_in(dir, sorted[i], path), &st);
        if (r < 0 && r != -ENOENT) err = err_from_errno(-r);
        if (r == 0 && st.is_dir && log_dir_parse_name(sorted[i], &entry)) fn(arg, &entry);
    }
    free(sorted);
    return err;
}

err_t log_dir_each(struct log_dir *dir, void (*fn)(void *arg, const struct log_dir_entry *entry),
                   void *arg)
{
    const struct os *os = dir->env->os;
    struct names names = {0};
    int r = os->list(os, dir->path, collect_name, &names);
    err_t err = r < 0 ? err_from_errno(-r) : names.err;
    if (err == OK) err = visit_names(dir, &names, fn, arg);
    buf_release(&names.text);
    return err;
}

/* ---- checkpoints ---- */

bool log_dir_get_checkpoint(struct log_dir *dir, enum checkpoint_kind kind, const char *topic,
                            int32_t partition, koffset_t *out)
{
    mutex_lock(&dir->mutex);
    bool is_known = checkpoint_get(&dir->checkpoints[kind], topic, partition, out);
    mutex_unlock(&dir->mutex);
    return is_known;
}

err_t log_dir_set_checkpoint(struct log_dir *dir, enum checkpoint_kind kind, const char *topic,
                             int32_t partition, koffset_t offset)
{
    struct checkpoint *cp = &dir->checkpoints[kind];
    koffset_t known;
    err_t err = OK;
    mutex_lock(&dir->mutex);
    if (!checkpoint_get(cp, topic, partition, &known) || known != offset) {
        err = checkpoint_set(cp, topic, partition, offset);
        if (err == OK) dir->is_dirty[kind] = true;
    }
    mutex_unlock(&dir->mutex);
    return err;
}

void log_dir_forget(struct log_dir *dir, const char *topic, int32_t partition)
{
    mutex_lock(&dir->mutex);
    for (int kind = 0; kind < CHECKPOINT__COUNT; kind++) {
        struct checkpoint *cp = &dir->checkpoints[kind];
        size_t before = checkpoint_count(cp);
        checkpoint_remove(cp, topic, partition);
        if (checkpoint_count(cp) == before) continue;
        dir->is_dirty[kind] = dir->has_forgotten = true;
    }
    mutex_unlock(&dir->mutex);
}

/* The mutex is held, except while the file is written. */
static err_t write_one(struct log_dir *dir, enum checkpoint_kind kind)
{
    struct buf text = {0};
    char path[PATH_MAX];
    err_t err = checkpoint_encode(&dir->checkpoints[kind], &text);
    if (err == OK) {
        dir->is_dirty[kind] = false;
        mutex_unlock(&dir->mutex);
        err = os_replace_file(dir->env->os, path_in(dir, checkpoint_files[kind], path), text.data,
                              text.len);
        mutex_lock(&dir->mutex);
    }
    if (err != OK) dir->is_dirty[kind] = true;
    buf_release(&text);
    return err;
}

err_t log_dir_write_checkpoints(struct log_dir *dir)
{
    if (log_dir_is_failed(dir)) return ERR_FAILED;
    err_t first = OK;
    mutex_lock(&dir->mutex);
    while (dir->is_writing) pthread_cond_wait(&dir->written, &dir->mutex.lock);
    dir->is_writing = true;
    bool had_forgotten = dir->has_forgotten;
    dir->has_forgotten = false;
    for (int kind = 0; kind < CHECKPOINT__COUNT; kind++) {
        err_t err = dir->is_dirty[kind] ? write_one(dir, (enum checkpoint_kind)kind) : OK;
        if (first == OK) first = err;
    }
    if (first != OK) dir->has_forgotten |= had_forgotten;
    dir->is_writing = false;
    pthread_cond_broadcast(&dir->written);
    mutex_unlock(&dir->mutex);
    return first;
}

err_t log_dir_settle_forgotten(struct log_dir *dir)
{
    mutex_lock(&dir->mutex);
    while (dir->is_writing) pthread_cond_wait(&dir->written, &dir->mutex.lock);
    bool has_forgotten = dir->has_forgotten;
    mutex_unlock(&dir->mutex);
    return has_forgotten ? log_dir_write_checkpoints(dir) : OK;
}

/* ---- space ---- */

int64_t log_dir_free_bytes(struct log_dir *dir)
{
    int64_t now = env_mono_ns(dir->env);
    mutex_lock(&dir->mutex);
    bool is_fresh = dir->free_bytes >= 0 && now - dir->free_bytes_at_ns < FREE_BYTES_AGE_MAX_NS;
    int64_t known = dir->free_bytes;
    mutex_unlock(&dir->mutex);
    if (is_fresh) return known;
    struct os_space space;
    if (dir->env->os->space(dir->env->os, dir->path, &space) < 0) return INT64_MAX;
    mutex_lock(&dir->mutex);
    dir->free_bytes = space.free_bytes;
    dir->free_bytes_at_ns = now;
    mutex_unlock(&dir->mutex);
    return space.free_bytes;
}
