/* Paths of the simulated disk, absolute ones and relative ones alike from its root. */
#include <errno.h>
#include <limits.h>
#include <string.h>

#include "sim_disk_internal.h"

int sim_path_next(const char **path, char name[SIM_NAME_BYTES_MAX + 1])
{
    const char *at = *path + strspn(*path, "/");
    size_t len = strcspn(at, "/");
    *path = at + len;
    if (len > SIM_NAME_BYTES_MAX) return -ENAMETOOLONG;
    memcpy(name, at, len);
    name[len] = 0;
    if (strcmp(name, "..") == 0) return -EINVAL;
    if (strcmp(name, ".") == 0) return sim_path_next(path, name);
    return len > 0;
}

int sim_path_walk(struct sim_disk *d, const char *path, struct sim_inode **dir,
                  char name[SIM_NAME_BYTES_MAX + 1])
{
    char next[SIM_NAME_BYTES_MAX + 1];
    if (strlen(path) >= PATH_MAX) return -ENAMETOOLONG;
    *dir = d->root;
    int r = sim_path_next(&path, name);
    while (r > 0 && (r = sim_path_next(&path, next)) > 0) {
        struct sim_inode *child = sim_names_find(&(*dir)->names, name);
        if (!child) return -ENOENT;
        if (!child->is_dir) return -ENOTDIR;
        *dir = child;
        memcpy(name, next, sizeof next);
    }
    return r;
}

int sim_path_find(struct sim_disk *d, const char *path, struct sim_inode **out)
{
    struct sim_inode *dir;
    char name[SIM_NAME_BYTES_MAX + 1];
    int r = sim_path_walk(d, path, &dir, name);
    if (r < 0) return r;
    *out = name[0] ? sim_names_find(&dir->names, name) : d->root;
    return *out ? 0 : -ENOENT;
}
