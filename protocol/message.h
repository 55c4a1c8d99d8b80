/* message - the shape of every Kafka message as constant tables.
 *
 * schemac makes one `struct message` for each request, response and record of protocol/schema and
 * writes them, with the C structs they describe, to protocol/messages.h and messages.c. The codec,
 * the text printer and the tests walk these tables; nobody else needs to look inside. All of it is
 * constant and may be read by any thread.
 *
 * Invariants (kept by schemac):
 * 1. versions fit in 0..31, so that a set of versions is one 32-bit mask;
 * 2. a field that is tagged in a version exists in that version, and that version is flexible;
 * 3. `records` fields are never arrays and never below a tagged field;
 * 4. `defaults` is an image of the struct with every default value in place.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"
#include "base/uuid.h"

enum message_kind {
    MESSAGE_BOOL,    /* bool */
    MESSAGE_INT8,    /* int8_t */
    MESSAGE_INT16,   /* int16_t */
    MESSAGE_UINT16,  /* uint16_t */
    MESSAGE_INT32,   /* int32_t */
    MESSAGE_UINT32,  /* uint32_t */
    MESSAGE_INT64,   /* int64_t */
    MESSAGE_FLOAT64, /* double */
    MESSAGE_UUID,    /* struct uuid */
    MESSAGE_STRING,  /* struct view; data == NULL is null */
    MESSAGE_BYTES,   /* struct view; data == NULL is null */
    MESSAGE_RECORDS, /* struct records_field */
    MESSAGE_STRUCT,  /* a struct in place, or a pointer to one with MESSAGE_POINTER */
};

enum message_flags {
    MESSAGE_ARRAY = 1 << 0,        /* pointer to elements, and an int32_t NAME_count */
    MESSAGE_POINTER = 1 << 1,      /* a nullable struct; NULL is null */
    MESSAGE_IGNORABLE = 1 << 2,    /* dropped where the version has no such field */
    MESSAGE_NULL_DEFAULT = 1 << 3, /* the default is null */
};

/* Record batches inside of a message: bytes in memory, or a promise of bytes from a file.
 *
 * Decoding fills `data` only, borrowed from the input; data.data == NULL is null. Encoding writes
 * `data`, unless `file` is set: then only the length prefix for `file_bytes` is written, and the
 * place where the file's bytes belong is noted in struct codec_holes. */
struct records_field {
    struct view data;
    void *file; /* borrowed, not looked into; for example a struct slice */
    size_t file_bytes;
};

struct message_struct;

struct message_field {
    const char *name;  /* as in the schema: snake_case */
    uint32_t versions; /* bit v: exists in version v */
    uint32_t nullable; /* bit v: may be null in version v */
    uint32_t tagged;   /* bit v: lives in the tag section in version v */
    uint16_t tag;
    uint16_t offset;                   /* of the member in the C struct */
    uint16_t count_offset;             /* of NAME_count, arrays only */
    uint8_t kind;                      /* enum message_kind, of the element for arrays */
    uint8_t flags;                     /* enum message_flags */
    const struct message_struct *type; /* MESSAGE_STRUCT only */
};

struct message_struct {
    const char *name; /* of the C struct */
    const struct message_field *fields;
    const void *defaults; /* `size` bytes */
    uint32_t tagged;      /* versions that have at least one tagged field here */
    uint16_t field_count;
    uint16_t size;      /* sizeof */
    uint16_t min_bytes; /* no version encodes to less; at least 1 */
};

struct message {
    const char *name; /* of the C struct: "fetch_request" */
    const struct message_struct *root;
    int8_t version_min;
    int8_t version_max;
    int8_t flexible_min; /* first version with compact forms and tag sections; 127: none */
};

static inline bool message_has_version(const struct message *m, int version)
{
    return version >= m->version_min && version <= m->version_max;
}
static inline bool message_is_flexible(const struct message *m, int version)
{
    return version >= m->flexible_min;
}
