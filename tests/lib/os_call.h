/* os_call - the calls of the os table, numbered, so that tests can name those that shall fail. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum os_call {
    OS_CALL_OPEN,
    OS_CALL_CLOSE,
    OS_CALL_PREAD,
    OS_CALL_PWRITE, /* pwritev counts as one of these */
    OS_CALL_FDATASYNC,
    OS_CALL_FSYNC,
    OS_CALL_TRUNCATE,
    OS_CALL_RESERVE,
    OS_CALL_STAT, /* and fstat */
    OS_CALL_RENAME,
    OS_CALL_UNLINK,
    OS_CALL_MKDIR,
    OS_CALL_RMDIR,
    OS_CALL_LIST,
    OS_CALL_SYNC_DIR,
    OS_CALL_MAP,
    OS_CALL_UNMAP,
    OS_CALL_LOCK,
    OS_CALL_SPACE,
    OS_CALL_WRITEBACK,
    OS_CALL__COUNT
};

/* Masks, for those who take several. */
#define OS_CALL_BIT(call) (1u << (call))
enum {
    OS_CALLS_ALL = (1 << OS_CALL__COUNT) - 1,
    OS_CALLS_CHANGING = 1 << OS_CALL_PWRITE | 1 << OS_CALL_FDATASYNC | 1 << OS_CALL_FSYNC |
                        1 << OS_CALL_TRUNCATE | 1 << OS_CALL_RENAME | 1 << OS_CALL_UNLINK |
                        1 << OS_CALL_MKDIR | 1 << OS_CALL_RMDIR | 1 << OS_CALL_SYNC_DIR,
};

const char *os_call_name(enum os_call call);

/* Which calls fail, and how. */
struct fault_plan {
    uint64_t nth;   /* from 1, counted over the calls in `calls`; 0: nothing fails */
    unsigned calls; /* OS_CALL_BIT()s; 0: all calls */
    int errnum;     /* EIO, ENOSPC ... */
    bool is_sticky; /* all later ones fail, too */
    bool is_torn;   /* a failing write leaves a part behind (a simulated disk always does) */
};
