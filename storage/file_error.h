/* file_error - turns what the OS door answered into an err_t and tells the operator once, with the
 * file's name. Private to storage; any thread. */
#pragma once

#include <stdint.h>

#include "base/err.h"

/* `result` < 0 is a negative errno. EFBIG counts as a full disk: a limit on file sizes is no defect
 * of the device. A missing file is answered without a diagnostic: callers ask on purpose. */
err_t file_error(int64_t result, const char *verb, const char *path);
