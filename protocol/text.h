/* text - any message as one line of JSON, from the same tables as the codec.
 *
 * Names are in camelCase, as other tools print them ("leaderEpoch"). uuids are 22 characters of
 * base64, bytes and records are base64; strings are escaped, and bytes in them that are not UTF-8
 * become U+FFFD, so that the output is valid JSON whatever the input was. Only fields that exist in
 * the given version are printed, and tagged ones only if they differ from their default. No state,
 * any thread.
 */
#pragma once

#include "base/buf.h"
#include "protocol/message.h"

/* Appends {"field":value,...}. `in` is a struct of m->root, as codec_decode leaves it.
 * ERR_UNSUPPORTED: no such version; ERR_NOMEM. On failure out is as before. */
err_t text_message(const struct message *m, int version, const void *in, struct buf *out);

/* Appends a JSON string with its quotes. NULL data is null, without quotes. */
err_t text_string(struct view text, struct buf *out);
/* Appends a JSON string of standard base64. NULL data is null. */
err_t text_base64(struct view bytes, struct buf *out);
