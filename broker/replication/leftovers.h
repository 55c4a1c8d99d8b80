/* leftovers - directories of deleted partitions that a crash has left behind ("...-delete").
 *
 * Removed in the background at start. Directories under any other name are nobody's to remove.
 */
#pragma once

#include "base/env.h"
#include "storage/log_dir.h"

/* Removes them from one log directory; says what it did. Worker. */
void leftovers_remove(const struct env *env, struct log_dir *dir);
