/* crc32c - CRC-32C (Castagnoli), the checksum of record batches and producer snapshots.
 *
 * The fastest kernel that the processor has is chosen at the first call. Pure, any thread.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

/* The checksum of `len` bytes, continuing from `crc` (0 to begin): crc32c(crc32c(0, a), b) is that
 * of a followed by b. */
uint32_t crc32c(uint32_t crc, const void *data, size_t len);

/* The portable kernel, for tests and for processors without the instruction. */
uint32_t crc32c_portable(uint32_t crc, const void *data, size_t len);

/* The name of the chosen kernel, for --version and benchmarks: "portable", "sse4.2+pclmul",
 * "armv8". */
const char *crc32c_kernel(void);
