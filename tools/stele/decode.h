/* decode - what is inside of the records that brokers keep their own state in, as JSON.
 *
 * A decoded record is one JSON value; messages in it look like
 * {"type":"offset_commit_value","version":4,"data":{...}}. Pure but for memory; one thread.
 */
#pragma once

#include "base/buf.h"
#include "record/record.h"

enum decoder { DECODER_NONE, DECODER_OFFSETS, DECODER_TRANSACTIONS, DECODER_METADATA };

/* "none", "offsets", "transactions", "metadata". */
bool decoder_parse(const char *name, enum decoder *out);
/* Which one fits the topic. */
enum decoder decoder_of_topic(const char *topic);

/* Appends; what cannot be decoded is the JSON string "not decoded: why" and gives false. */
bool decode_record(enum decoder decoder, const struct record *record, struct buf *out);
/* The value of a control record whose type is `type`. */
bool decode_control(int type, const struct record *record, struct buf *out);
