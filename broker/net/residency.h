/* residency - whether bytes of a file can be had without waiting for a disk. Any thread. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* True: the range is in the page cache, as far as can be told cheaply; also true if the file system
 * does not say. */
bool residency_check(int fd, int64_t pos, size_t len);
/* Reads without waiting: the bytes read, fewer than `len` if the rest is not in memory or the file
 * ends, or -errno (-EAGAIN: nothing is in memory). */
ssize_t residency_read(int fd, void *data, size_t len, int64_t pos);
/* Brings the range into the page cache and waits for it; into `data`, too, if not NULL. Hints that
 * what follows, up to `ahead` bytes, is wanted next. The bytes read (fewer: the file ends), or
 * -errno. For workers. */
ssize_t residency_fetch(int fd, int64_t pos, size_t len, size_t ahead, void *data);
