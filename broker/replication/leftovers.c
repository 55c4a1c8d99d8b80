/* Two walks, because a directory may not be changed while it is listed: names first, files then. */
#include "leftovers.h"

#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/diag.h"
#include "base/os.h"

enum { PATH_BYTES = 4096 };

/* Names, each with its NUL. */
struct names {
    struct buf bytes;
    bool is_short; /* no memory for all of them: the rest waits for another start */
};

static void add_name(void *arg, const char *name)
{
    struct names *names = arg;
    if (buf_append(&names->bytes, name, strlen(name) + 1) != OK) names->is_short = true;
}

static void add_deleted(void *arg, const struct log_dir_entry *entry)
{
    if (entry->suffix && strcmp(entry->suffix, "delete") == 0) add_name(arg, entry->name);
}

static const char *next_name(const struct names *names, size_t *at)
{
    if (*at >= names->bytes.len) return NULL;
    const char *name = (const char *)names->bytes.data + *at;
    *at += strlen(name) + 1;
    return name;
}

static int remove_directory(const struct os *os, const char *path)
{
    struct names files = {0};
    int r = os->list(os, path, add_name, &files);
    size_t at = 0;
    for (const char *name; r >= 0 && (name = next_name(&files, &at));) {
        char file[PATH_BYTES];
        int n = snprintf(file, sizeof file, "%s/%s", path, name);
        if (n > 0 && (size_t)n < sizeof file) r = os->unlink(os, file);
    }
    buf_release(&files.bytes);
    return r < 0 ? r : os->rmdir(os, path);
}

void leftovers_remove(const struct env *env, struct log_dir *dir)
{
    struct names deleted = {0};
    err_t err = log_dir_each(dir, add_deleted, &deleted);
    int removed = 0;
    size_t at = 0;
    for (const char *name; !err && (name = next_name(&deleted, &at));) {
        char path[PATH_BYTES];
        int n = snprintf(path, sizeof path, "%s/%s", log_dir_path(dir), name);
        if (n <= 0 || (size_t)n >= sizeof path) continue;
        int r = remove_directory(env->os, path);
        if (r < 0)
            diag(DIAG_WARN, "leftovers", "cannot remove a deleted partition path=%s error=\"%s\"",
                 path, err_name(err_from_errno(-r)));
        else
            removed++;
    }
    buf_release(&deleted.bytes);
    if (removed)
        diag(DIAG_INFO, "leftovers", "deleted partitions of before are removed dir=%s count=%d",
             log_dir_path(dir), removed);
}
