/* batch_write - writing a batch's header (private to this layer). */
#pragma once

#include "batch.h"

/* Writes `header` to the first 61 bytes of a batch whose records are in place, length and CRC from
 * the bytes as they are (header->crc is not looked at). header->size_bytes fits a batch. */
void batch_seal(uint8_t *batch, const struct batch_header *header);

/* The fields of a header, size and magic checked, but nothing else. As batch_header_parse(). */
err_t batch_header_read(struct view bytes, struct batch_header *out);

/* What follows the header of a whole batch: its records as stored, or decompressed to `scratch`
 * (which is cleared). */
err_t batch_records(struct view batch, const struct batch_header *header,
                    size_t decompressed_max_bytes, struct buf *scratch, struct view *out);
