#include "temp_dir.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/check.h"

void temp_dir_make(struct temp_dir *dir)
{
    const char *parent = getenv("TMPDIR");
    int len = snprintf(dir->path, sizeof dir->path, "%s/stele-test-XXXXXX",
                       parent && *parent ? parent : "/tmp");
    CHECK(len > 0 && (size_t)len < sizeof dir->path);
    CHECK(mkdtemp(dir->path));
}

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *at)
{
    (void)st;
    (void)kind;
    (void)at;
    return remove(path);
}

void temp_dir_remove(struct temp_dir *dir)
{
    enum { DESCRIPTORS = 16 };
    if (!dir->path[0]) return;
    CHECK(nftw(dir->path, remove_one, DESCRIPTORS, FTW_DEPTH | FTW_PHYS) == 0);
    dir->path[0] = 0;
}
