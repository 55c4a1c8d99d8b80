/* What a path is follows from names alone: a directory with files of segments in it is a
 * partition's, one with partitions' directories (or what a broker keeps beside them) is a data
 * directory. What is in directories that nobody knows is not looked for.
 */
#include "files.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "base/check.h"
#include "options.h"

enum { DIGITS = 20, EPOCH_DIGITS = 10 };

static const char *const kind_names[FILE_KIND__COUNT] = {
    [FILE_SEGMENT] = "segment",
    [FILE_OFFSET_INDEX] = "offset index",
    [FILE_TIME_INDEX] = "time index",
    [FILE_TXN_INDEX] = "transaction index",
    [FILE_PRODUCERS] = "producer snapshot",
    [FILE_METADATA_SNAPSHOT] = "metadata snapshot",
    [FILE_TORN] = "torn tail",
    [FILE_EPOCHS] = "leader epochs",
    [FILE_PARTITION_METADATA] = "partition metadata",
    [FILE_DAMAGE] = "damaged ranges",
    [FILE_CHECKPOINT] = "checkpoint",
    [FILE_META_PROPERTIES] = "meta.properties",
    [FILE_QUORUM_STATE] = "quorum state",
    [FILE_OTHER] = "other",
};

/* By the end of a name that begins with an offset. */
static const struct {
    const char *suffix;
    enum file_kind kind;
} suffixes[] = {
    {".log", FILE_SEGMENT},        {".index", FILE_OFFSET_INDEX}, {".timeindex", FILE_TIME_INDEX},
    {".txnindex", FILE_TXN_INDEX}, {".snapshot", FILE_PRODUCERS},
};

static const struct {
    const char *name;
    enum file_kind kind;
} fixed_names[] = {
    {"leader-epoch-checkpoint", FILE_EPOCHS},
    {"partition.metadata", FILE_PARTITION_METADATA},
    {"damage", FILE_DAMAGE},
    {"recovery-point-offset-checkpoint", FILE_CHECKPOINT},
    {"replication-offset-checkpoint", FILE_CHECKPOINT},
    {"log-start-offset-checkpoint", FILE_CHECKPOINT},
    {"cleaner-offset-checkpoint", FILE_CHECKPOINT},
    {"meta.properties", FILE_META_PROPERTIES},
    {"quorum-state", FILE_QUORUM_STATE},
};

const char *file_kind_name(enum file_kind kind) { return kind_names[kind]; }

/* ---- names ---- */

static bool parse_digits(const char *name, int count, int64_t *out)
{
    *out = 0;
    for (int i = 0; i < count; i++) {
        if (name[i] < '0' || name[i] > '9') return false;
        if (__builtin_mul_overflow(*out, 10, out)) return false;
        if (__builtin_add_overflow(*out, name[i] - '0', out)) return false;
    }
    return true;
}

/* The length of what stands before ".deleted" and the like. */
static size_t strip_aside(const char *name, bool *is_aside)
{
    static const char *const marks[] = {".deleted", ".cleaned", ".swap", ".tmp"};
    size_t len = strlen(name);
    *is_aside = false;
    for (size_t i = 0; i < COUNT_OF(marks); i++) {
        size_t mark = strlen(marks[i]);
        if (len <= mark || strcmp(name + len - mark, marks[i]) != 0) continue;
        *is_aside = true;
        return len - mark;
    }
    return len;
}

static bool is_text(const char *at, size_t len, const char *text)
{
    return len == strlen(text) && memcmp(at, text, len) == 0;
}

/* What follows the offset in a name. */
static enum file_kind kind_of_rest(const char *rest, size_t len)
{
    int64_t epoch;
    for (size_t i = 0; i < COUNT_OF(suffixes); i++) {
        if (is_text(rest, len, suffixes[i].suffix)) return suffixes[i].kind;
    }
    if (len > 6 && memcmp(rest, ".torn-", 6) == 0) return FILE_TORN;
    if (len > 1 + EPOCH_DIGITS && rest[0] == '-' && parse_digits(rest + 1, EPOCH_DIGITS, &epoch) &&
        is_text(rest + 1 + EPOCH_DIGITS, len - 1 - EPOCH_DIGITS, ".checkpoint"))
        return FILE_METADATA_SNAPSHOT;
    return FILE_OTHER;
}

enum file_kind file_kind_of(const char *name, koffset_t *base_offset, bool *is_aside)
{
    size_t len = strip_aside(name, is_aside);
    *base_offset = -1;
    if (len > DIGITS && parse_digits(name, DIGITS, base_offset)) {
        enum file_kind kind = kind_of_rest(name + DIGITS, len - DIGITS);
        if (kind == FILE_OTHER) *base_offset = -1;
        return kind;
    }
    *base_offset = -1;
    for (size_t i = 0; i < COUNT_OF(fixed_names); i++) {
        if (is_text(name, len, fixed_names[i].name)) return fixed_names[i].kind;
    }
    return FILE_OTHER;
}

/* ---- directories ---- */

static void *need(void *p)
{
    if (p) return p;
    fputs("stele: out of memory\n", stderr);
    exit(EXIT_BROKEN);
}

static char *join(const char *dir, const char *name)
{
    char *path;
    bool is_here = strcmp(dir, ".") == 0 && strcmp(name, "..") != 0;
    if (asprintf(&path, "%s%s%s", is_here ? "" : dir, is_here ? "" : "/", name) < 0) need(NULL);
    return path;
}

struct listing {
    struct file *files;
    size_t count, cap;
    char **dirs; /* names of partitions' directories */
    size_t dir_count, dir_cap;
};

static void listing_release(struct listing *l)
{
    for (size_t i = 0; i < l->count; i++) free(l->files[i].path);
    for (size_t i = 0; i < l->dir_count; i++) free(l->dirs[i]);
    free(l->files);
    free(l->dirs);
}

static void add_file(struct listing *l, char *path, const struct stat *st)
{
    if (l->count == l->cap) {
        l->cap = l->cap ? l->cap * 2 : 16;
        l->files = need(realloc(l->files, l->cap * sizeof *l->files));
    }
    const char *slash = strrchr(path, '/');
    struct file file = {.path = path, .name = slash ? slash + 1 : path, .size_bytes = st->st_size};
    file.kind = file_kind_of(file.name, &file.base_offset, &file.is_aside);
    l->files[l->count++] = file;
}

static void add_dir(struct listing *l, const char *name)
{
    struct log_dir_entry entry;
    if (!log_dir_parse_name(name, &entry)) return;
    if (l->dir_count == l->dir_cap) {
        l->dir_cap = l->dir_cap ? l->dir_cap * 2 : 16;
        l->dirs = need(realloc(l->dirs, l->dir_cap * sizeof *l->dirs));
    }
    l->dirs[l->dir_count++] = need(strdup(name));
}

static int compare_files(const void *a, const void *b)
{
    const struct file *x = a, *y = b;
    uint64_t p = (uint64_t)x->base_offset, q = (uint64_t)y->base_offset; /* -1 goes last */
    if (p != q) return p < q ? -1 : 1;
    if (x->kind != y->kind) return (int)x->kind - (int)y->kind;
    return strcmp(x->name, y->name);
}

/* Topics by name, their partitions by number. */
static int compare_dirs(const void *a, const void *b)
{
    struct log_dir_entry x, y;
    log_dir_parse_name(*(char *const *)a, &x);
    log_dir_parse_name(*(char *const *)b, &y);
    int order = strcmp(x.topic, y.topic);
    if (order == 0) order = (x.partition > y.partition) - (x.partition < y.partition);
    return order ? order : strcmp(x.name, y.name);
}

/* False: it cannot be read; errno says why. */
static bool list(const char *path, struct listing *l)
{
    DIR *dir = opendir(path);
    struct dirent *entry;
    if (!dir) return false;
    while ((entry = readdir(dir))) {
        struct stat st;
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) continue;
        if (fstatat(dirfd(dir), entry->d_name, &st, 0) != 0) continue; /* gone meanwhile */
        if (S_ISDIR(st.st_mode))
            add_dir(l, entry->d_name);
        else if (S_ISREG(st.st_mode))
            add_file(l, join(path, entry->d_name), &st);
    }
    closedir(dir);
    if (l->count) qsort(l->files, l->count, sizeof *l->files, compare_files);
    if (l->dir_count) qsort(l->dirs, l->dir_count, sizeof *l->dirs, compare_dirs);
    return true;
}

/* ---- places ---- */

/* The name that a directory has at home, also when it was called "." or "../x". */
static void name_of_dir(const char *path, struct log_dir_entry *entry)
{
    static char real[PATH_MAX]; /* entry->name borrows from it */
    const char *slash;
    *entry = (struct log_dir_entry){0};
    if (!realpath(path, real)) return;
    slash = strrchr(real, '/');
    if (!slash || !log_dir_parse_name(slash + 1, entry)) entry->topic[0] = 0;
}

static bool has_segment_files(const struct listing *l)
{
    for (size_t i = 0; i < l->count; i++) {
        enum file_kind kind = l->files[i].kind;
        if (kind <= FILE_DAMAGE) return true;
    }
    return false;
}

static bool has_data_files(const struct listing *l)
{
    for (size_t i = 0; i < l->count; i++) {
        enum file_kind kind = l->files[i].kind;
        if (kind == FILE_CHECKPOINT || kind == FILE_META_PROPERTIES) return true;
    }
    return l->dir_count > 0;
}

static int complain_file(const char *path)
{
    return complain(EXIT_UNREACHABLE, "%s: %s", path, strerror(errno));
}

static int visit_partition(const char *path, const char *data_dir, const struct listing *l,
                           int (*fn)(void *, const struct place *), void *arg)
{
    struct place place = {.kind = PLACE_PARTITION,
                          .dir = path,
                          .data_dir = data_dir,
                          .files = l->files,
                          .count = l->count};
    name_of_dir(path, &place.entry);
    return fn(arg, &place);
}

static int visit_data(const char *path, const struct listing *l,
                      int (*fn)(void *, const struct place *), void *arg)
{
    struct place place = {
        .kind = PLACE_DATA, .dir = path, .data_dir = path, .files = l->files, .count = l->count};
    int code = fn(arg, &place);
    for (size_t i = 0; i < l->dir_count; i++) {
        struct listing inner = {0};
        char *dir = join(path, l->dirs[i]);
        int one = EXIT_OK;
        if (list(dir, &inner))
            one = visit_partition(dir, path, &inner, fn, arg);
        else if (errno != ENOENT) /* deleted meanwhile */
            one = complain_file(dir);
        code = MAX(code, one);
        listing_release(&inner);
        free(dir);
    }
    return code;
}

static int visit_dir(const char *path, int (*fn)(void *, const struct place *), void *arg)
{
    struct listing l = {0};
    int code;
    if (!list(path, &l)) {
        code = complain_file(path);
    } else if (has_segment_files(&l)) {
        char *parent = join(path, "..");
        code = visit_partition(path, parent, &l, fn, arg);
        free(parent);
    } else if (has_data_files(&l)) {
        code = visit_data(path, &l, fn, arg);
    } else {
        struct log_dir_entry entry;
        name_of_dir(path, &entry);
        code = entry.topic[0] ? EXIT_OK
                              : complain(EXIT_UNREACHABLE,
                                         "%s: neither a partition's directory nor one that holds "
                                         "such",
                                         path);
    }
    listing_release(&l);
    return code;
}

static int visit_file(const char *path, const struct stat *st,
                      int (*fn)(void *, const struct place *), void *arg)
{
    struct listing l = {0};
    char *copy = need(strdup(path)), *dir, *parent;
    add_file(&l, copy, st);
    const char *slash = strrchr(path, '/');
    if (!slash)
        dir = need(strdup("."));
    else
        dir = need(strndup(path, slash == path ? 1 : (size_t)(slash - path)));
    parent = join(dir, "..");
    struct place place = {
        .kind = PLACE_FILE, .dir = dir, .data_dir = parent, .files = l.files, .count = 1};
    name_of_dir(dir, &place.entry);
    if (l.files->kind == FILE_CHECKPOINT || l.files->kind == FILE_META_PROPERTIES)
        place.data_dir = dir;
    int code = fn(arg, &place);
    free(parent);
    free(dir);
    listing_release(&l);
    return code;
}

int files_walk(const char *path, int (*fn)(void *arg, const struct place *place), void *arg)
{
    struct stat st;
    if (stat(path, &st) != 0) return complain_file(path);
    if (S_ISREG(st.st_mode)) return visit_file(path, &st, fn, arg);
    if (!S_ISDIR(st.st_mode))
        return complain(EXIT_UNREACHABLE, "%s: neither a file nor a directory", path);
    size_t len = strlen(path);
    char *copy = need(strdup(path));
    while (len > 1 && copy[len - 1] == '/') copy[--len] = 0;
    int code = visit_dir(copy, fn, arg);
    free(copy);
    return code;
}

/* ---- questions ---- */

char *sibling_path(const struct file *file, enum file_kind kind)
{
    char *path;
    const char *suffix = NULL, *rest = file->name + DIGITS, *aside;
    CHECK(file->base_offset >= 0);
    for (size_t i = 0; i < COUNT_OF(suffixes); i++) {
        if (suffixes[i].kind == kind) suffix = suffixes[i].suffix;
    }
    CHECK(suffix);
    aside = strchr(rest + 1, '.');
    if (asprintf(&path, "%.*s%s%s", (int)(rest - file->path), file->path, suffix,
                 file->is_aside && aside ? aside : "") < 0)
        need(NULL);
    return path;
}

koffset_t segment_end(const struct place *place, koffset_t base_offset)
{
    for (size_t i = 0; i < place->count; i++) {
        const struct file *f = &place->files[i];
        if (f->kind == FILE_SEGMENT && !f->is_aside && f->base_offset > base_offset)
            return f->base_offset;
    }
    return INT64_MAX;
}

const struct file *place_find(const struct place *place, enum file_kind kind, koffset_t base_offset)
{
    for (size_t i = 0; i < place->count; i++) {
        const struct file *f = &place->files[i];
        if (f->kind == kind && f->base_offset == base_offset && !f->is_aside) return f;
    }
    return NULL;
}

/* For a file named alone the directory is looked into. */
bool place_is_last_segment(const struct place *place, const struct file *file)
{
    struct listing l = {0};
    bool is_last = true;
    const struct file *files = place->files;
    size_t count = place->count;
    if (place->kind == PLACE_FILE && list(place->dir, &l)) {
        files = l.files;
        count = l.count;
    }
    for (size_t i = 0; i < count; i++) {
        if (files[i].kind == FILE_SEGMENT && !files[i].is_aside &&
            files[i].base_offset > file->base_offset)
            is_last = false;
    }
    listing_release(&l);
    return is_last;
}

/* The kernel's own list is asked: taking the lock to see whether it is free could stand in the way
 * of a broker that starts just now. */
bool data_dir_is_locked(const char *data_dir)
{
    struct stat st;
    char *path = join(data_dir, ".lock"), line[256];
    bool is_there = stat(path, &st) == 0, is_locked = false;
    free(path);
    FILE *locks = is_there ? fopen("/proc/locks", "re") : NULL;
    if (!locks) return false;
    while (!is_locked && fgets(line, sizeof line, locks)) {
        unsigned major_id, minor_id;
        uint64_t inode;
        if (sscanf(line, "%*s %*s %*s %*s %*s %x:%x:%" SCNu64, &major_id, &minor_id, &inode) != 3)
            continue;
        is_locked = major_id == major(st.st_dev) && minor_id == minor(st.st_dev) &&
                    inode == st.st_ino;
    }
    fclose(locks);
    return is_locked;
}
