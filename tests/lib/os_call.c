#include "os_call.h"

static const char *const names[OS_CALL__COUNT] = {
    [OS_CALL_OPEN] = "open",           [OS_CALL_CLOSE] = "close",
    [OS_CALL_PREAD] = "pread",         [OS_CALL_PWRITE] = "pwrite",
    [OS_CALL_FDATASYNC] = "fdatasync", [OS_CALL_FSYNC] = "fsync",
    [OS_CALL_TRUNCATE] = "truncate",   [OS_CALL_RESERVE] = "reserve",
    [OS_CALL_STAT] = "stat",           [OS_CALL_RENAME] = "rename",
    [OS_CALL_UNLINK] = "unlink",       [OS_CALL_MKDIR] = "mkdir",
    [OS_CALL_RMDIR] = "rmdir",         [OS_CALL_LIST] = "list",
    [OS_CALL_SYNC_DIR] = "sync_dir",   [OS_CALL_MAP] = "map",
    [OS_CALL_UNMAP] = "unmap",         [OS_CALL_LOCK] = "lock",
    [OS_CALL_SPACE] = "space",         [OS_CALL_WRITEBACK] = "writeback",
};

const char *os_call_name(enum os_call call) { return names[call]; }
