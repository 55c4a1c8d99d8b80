/* layer - who may know whom: the picture of docs/ARCHITECTURE.md as a table.
 *
 * The build enforces what each CMakeLists.txt declares; this table says what may be declared. Pure.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct layer {
    const char *name;   /* also the first word of its headers' includes: "net/loop.h" */
    const char *folder; /* below the root, with a slash at the end */
    const char *may;    /* layers it may include, with a blank around each; "*": all */
};

/* The layer a file belongs to, by the longest folder that fits; NULL for none. */
const struct layer *layer_of_path(const char *path);
/* By name; NULL for none. */
const struct layer *layer_by_name(const char *name, size_t len);
bool layer_may_use(const struct layer *user, const struct layer *used);

size_t layer_count(void);
const struct layer *layer_at(size_t i);
