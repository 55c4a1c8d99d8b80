/* slice - a borrowed range of a file, which can be sent without its bytes ever being seen.
 *
 * The file is reference-counted: as long as a slice is alive the descriptor stays open and the
 * bytes stay what they are (files are neither shrunk nor overwritten below what was handed out).
 * Any thread may take and drop references.
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct slice_file {
    _Atomic int refs;
    int fd;                                   /* open for reading while refs > 0 */
    void (*release)(struct slice_file *file); /* called once, by whoever drops the last reference */
};

struct slice {
    struct slice_file *file; /* one reference, owned by the slice; NULL: an empty slice */
    int64_t pos;             /* in bytes, from the start of the file */
    size_t len;
    bool is_hot; /* appended so recently that it must be in the page cache */
};

static inline void slice_file_ref(struct slice_file *file)
{
    atomic_fetch_add_explicit(&file->refs, 1, memory_order_relaxed);
}
static inline void slice_file_unref(struct slice_file *file)
{
    if (atomic_fetch_sub_explicit(&file->refs, 1, memory_order_acq_rel) == 1) file->release(file);
}
static inline void slice_release(struct slice *s)
{
    if (s->file) slice_file_unref(s->file);
    *s = (struct slice){0};
}
