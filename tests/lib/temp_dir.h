/* temp_dir - a fresh directory for a test that needs real files, removed with all it holds. */
#pragma once

struct temp_dir {
    char path[128];
};

/* Under $TMPDIR, or /tmp. Stops the test program when that is impossible. */
void temp_dir_make(struct temp_dir *dir);
/* Removes everything below it as well; follows no links. */
void temp_dir_remove(struct temp_dir *dir);
