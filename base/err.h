/* err - what can go wrong while running, as one small set of codes.
 *
 * Three kinds of failure, never mixed: a programmer's mistake is a CHECK and stops the process; an
 * operating error (input, disk, memory, limits) is an err_t; a Kafka error code is wire format and
 * is made from an err_t in one file of the server only. Every function that can fail says so in its
 * type, and its result has to be looked at.
 */
#pragma once

#if defined(__clang__)
#define ERR_MUST_USE __attribute__((warn_unused_result))
#else
#define ERR_MUST_USE
#endif
#define MUST_USE __attribute__((warn_unused_result))

typedef enum ERR_MUST_USE err {
    OK = 0,
    /* resources */
    ERR_NOMEM,   /* memory, or an arena's limit, is used up */
    ERR_LIMIT,   /* a bound of ours would be passed (sizes, counts, admission) */
    ERR_BUSY,    /* somebody else holds it (directory lock, address in use) */
    ERR_TIMEOUT, /* the time allowed is over */
    ERR_CLOSED,  /* the peer or the object is gone */
    ERR_AGAIN,   /* not now: parked, would block, or a roll is needed first */
    /* the outside world */
    ERR_IO,        /* a system call failed; the place that saw it has said so */
    ERR_NOSPACE,   /* no room on the device */
    ERR_PERM,      /* not permitted */
    ERR_NOT_FOUND, /* no such thing */
    ERR_EXISTS,    /* there is one already */
    /* bytes */
    ERR_SHORT,       /* input ends too early */
    ERR_CORRUPT,     /* bytes that cannot be true: checksum, magic, structure */
    ERR_INVALID,     /* well formed, but not allowed */
    ERR_UNSUPPORTED, /* a version, codec or feature we do not have */
    ERR_RANGE,       /* an offset or position outside of what there is */
    ERR_TOO_LARGE,   /* one record, batch or frame beyond its limit */
    ERR_TIMESTAMP,   /* a record's time is outside of what the topic allows */
    ERR_NO_KEY,      /* a record without a key where one is needed */
    /* logs and producers */
    ERR_FAILED,         /* the log stopped taking writes after an unknown disk state */
    ERR_DAMAGED,        /* the asked range is known to be damaged on disk */
    ERR_SEQUENCE,       /* producer sequence does not follow the last one */
    ERR_PRODUCER_EPOCH, /* producer epoch is older than the known one */
    ERR_STALE_EPOCH,    /* leader epoch is older than ours */
    ERR_UNKNOWN_EPOCH,  /* leader epoch is newer than ours */
    ERR_NOT_LEADER,     /* this broker does not lead the partition */
    ERR__COUNT
} err_t;

/* A short English name, for messages: "no space left". Never NULL. */
const char *err_name(err_t err);

/* The err_t for an errno value; unknown ones become ERR_IO. */
err_t err_from_errno(int errnum);

/* Returns from the calling function with the error, when there is one. The only macro that returns.
 */
#define TRY(expr)                                                 \
    do {                                                          \
        err_t try_err_ = (expr);                                  \
        if (__builtin_expect(try_err_ != OK, 0)) return try_err_; \
    } while (0)
