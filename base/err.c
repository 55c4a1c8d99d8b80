/* The names and the errno mapping of err.h, in one place each. */
#include "err.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "check.h"

static const char *const names[ERR__COUNT] = {
    [OK] = "ok",
    [ERR_NOMEM] = "out of memory",
    [ERR_LIMIT] = "limit reached",
    [ERR_BUSY] = "in use",
    [ERR_TIMEOUT] = "timed out",
    [ERR_CLOSED] = "closed",
    [ERR_AGAIN] = "not now",
    [ERR_IO] = "input/output error",
    [ERR_NOSPACE] = "no space left",
    [ERR_PERM] = "permission denied",
    [ERR_NOT_FOUND] = "not found",
    [ERR_EXISTS] = "exists already",
    [ERR_SHORT] = "input ends early",
    [ERR_CORRUPT] = "corrupt",
    [ERR_INVALID] = "invalid",
    [ERR_UNSUPPORTED] = "unsupported",
    [ERR_RANGE] = "out of range",
    [ERR_TOO_LARGE] = "too large",
    [ERR_TIMESTAMP] = "timestamp not allowed",
    [ERR_NO_KEY] = "record without key",
    [ERR_FAILED] = "log failed",
    [ERR_DAMAGED] = "range is damaged",
    [ERR_SEQUENCE] = "sequence out of order",
    [ERR_PRODUCER_EPOCH] = "producer epoch too old",
    [ERR_STALE_EPOCH] = "leader epoch too old",
    [ERR_UNKNOWN_EPOCH] = "leader epoch unknown",
    [ERR_NOT_LEADER] = "not the leader",
};

const char *err_name(err_t err)
{
    CHECK((unsigned)err < ERR__COUNT && names[err]);
    return names[err];
}

err_t err_from_errno(int errnum)
{
    switch (errnum) {
    case 0: return OK;
    case ENOMEM: return ERR_NOMEM;
    case ENOSPC:
    case EDQUOT: return ERR_NOSPACE;
    case EACCES:
    case EPERM:
    case EROFS: return ERR_PERM;
    case ENOENT:
    case ENOTDIR: return ERR_NOT_FOUND;
    case EEXIST:
    case ENOTEMPTY: return ERR_EXISTS;
    case EADDRINUSE:
    case EBUSY: return ERR_BUSY;
    case EAGAIN: return ERR_AGAIN;
    case EPIPE:
    case ECONNRESET: return ERR_CLOSED;
    case ETIMEDOUT: return ERR_TIMEOUT;
    case EMFILE:
    case ENFILE: return ERR_LIMIT;
    case EINVAL:
    case ENAMETOOLONG: return ERR_INVALID;
    case EFBIG: return ERR_TOO_LARGE;
    default: return ERR_IO;
    }
}

_Noreturn void check_failed(const char *file, int line, const char *expr)
{
    fprintf(stderr, "FATAL %s:%d: check failed: %s\n", file, line, expr);
    abort();
}
