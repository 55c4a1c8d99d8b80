/* fields - what the walkers over the tables share; for this layer only. */
#pragma once

#include "message.h"

/* Bytes in memory of one value; by enum message_kind, all but MESSAGE_STRUCT. For kinds of fixed
 * size that is their size on the wire, too. */
extern const uint8_t KIND_BYTES[];

/* True if the field of the struct `in` has its default value. `bit` is that of the version. */
bool field_is_default(const struct message_struct *type, const struct message_field *f,
                      uint32_t bit, const char *in);
