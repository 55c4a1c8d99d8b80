/* codec - one walker over the tables of message.h that reads and writes every Kafka message.
 *
 * Decoding copies nothing: strings, bytes and records are views into the input, arrays and nullable
 * structs live in the arena. So the result is valid as long as both the input bytes and the arena
 * are. Encoding borrows its input for the call only, except for `records_field.file`.
 *
 * Start every struct that is to be encoded from its defaults (CODEC_NEW, codec_default): a zeroed
 * one is not the same, for example leader_id 0 is a broker and -1 is "unknown".
 *
 * Bounds come before memory: an array of more than CODEC_MAX_ELEMENTS, or of more elements than the
 * rest of the input can hold, and a tag section of more than CODEC_MAX_TAGS are refused before
 * anything is allocated; the arena's own limit bounds the sum. Nothing here keeps state; any thread
 * may call with its own arguments.
 */
#pragma once

#include "base/arena.h"
#include "base/buf.h"
#include "base/bytes.h"
#include "protocol/message.h"

enum {
    CODEC_MAX_ELEMENTS = 1000000,
    CODEC_MAX_TAGS = 10000,
};

/* ---- structs ---- */

/* `count` structs of the arena, each with its default values; NULL when the arena is at its limit.
 * A count of 0 gives a valid pointer. */
MUST_USE void *codec_new(struct arena *arena, const struct message_struct *type, size_t count);

/* struct fetch_response_partition *p = CODEC_NEW(arena, fetch_response_partition, n); */
#define CODEC_NEW(arena, name, count) ((struct name *)codec_new((arena), &name##_struct, (count)))

/* Sets a whole struct to its default values. CODEC_DEFAULT(fetch_request, &request). */
void codec_default(const struct message_struct *type, void *out);
#define CODEC_DEFAULT(name, out) codec_default(&name##_struct, (struct name *){(out)})

/* ---- decode ---- */

/* Reads one message of the given version from r into *out (a struct of m->root). Bytes that follow
 * the message are left in r; the caller decides whether they matter. Unknown tagged fields are
 * skipped. On failure *out must not be used:
 *   ERR_UNSUPPORTED  the message has no such version
 *   ERR_SHORT        the input ends too early (or a length or count points beyond its end)
 *   ERR_INVALID      null where it is not allowed, a negative length, a tag of the wrong size
 *   ERR_LIMIT        CODEC_MAX_ELEMENTS or CODEC_MAX_TAGS
 *   ERR_NOMEM        the arena is used up */
err_t codec_decode(const struct message *m, int version, struct reader *r, struct arena *arena,
                   void *out);

/* ---- encode ---- */

/* A place in the encoded bytes where a file's bytes belong: `file_bytes` of `file` come just before
 * the byte at `position` of the out buffer (counted from the start of the buffer, whatever was in
 * it before). Positions never fall. The message's length on the wire is the buffer's plus that of
 * all holes. */
struct codec_hole {
    size_t position;
    size_t file_bytes;
    void *file; /* as given in records_field.file */
};

/* Zeroed is empty. The caller owns it and may keep it for the next message (set count to 0). */
struct codec_holes {
    struct codec_hole *items; /* owned */
    size_t count;
    size_t cap;
};
void codec_holes_release(struct codec_holes *holes);

/* Appends one message to out. Tagged fields with their default value are left out; so are fields
 * that this version lacks, if they are ignorable or have their default value. A null string or
 * bytes value where null is not allowed is written as empty. `holes` may be NULL if no
 * records_field has a file. On failure out and holes are as before:
 *   ERR_UNSUPPORTED  no such version; or a value that this version cannot express
 *   ERR_INVALID      a null array or struct where null is not allowed, a negative count
 *   ERR_TOO_LARGE    longer than its length prefix can say
 *   ERR_NOMEM */
err_t codec_encode(const struct message *m, int version, const void *in, struct buf *out,
                   struct codec_holes *holes);
