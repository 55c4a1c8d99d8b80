/* boot_id - tells the death of a process from a power loss: the kernel's boot id, and the one a
 * directory last saw.
 *
 * Both are read through the os table. Private to storage.
 */
#pragma once

#include <stdbool.h>

#include "base/os.h"

#define BOOT_ID_KERNEL_PATH "/proc/sys/kernel/random/boot_id"
#define BOOT_ID_FILE        "boot-id"

struct boot_id {
    char text[64]; /* "" : unknown, which equals nothing */
};

/* Unknown where it cannot be read. */
struct boot_id boot_id_read(const struct os *os, const char *path);
bool boot_id_eq(const struct boot_id *a, const struct boot_id *b);
err_t boot_id_write(const struct os *os, const char *path, const struct boot_id *id);
