#include "file_error.h"

#include <errno.h>
#include <string.h>

#include "base/check.h"
#include "base/diag.h"

err_t file_error(int64_t result, const char *verb, const char *path)
{
    CHECK(result < 0);
    int errnum = (int)-result;
    if (errnum == EFBIG) errnum = ENOSPC;
    err_t err = err_from_errno(errnum);
    if (err == ERR_NOT_FOUND) return err;
    diag(DIAG_ERROR, "storage", "cannot %s file=%s error=\"%s\"", verb, path,
         strerrordesc_np(errnum));
    /* What a disk says beyond the few codes that callers act on is one thing to them. */
    switch (err) {
    case ERR_NOMEM:
    case ERR_NOSPACE:
    case ERR_PERM:
    case ERR_LIMIT:
    case ERR_EXISTS: return err;
    default: return ERR_IO;
    }
}
