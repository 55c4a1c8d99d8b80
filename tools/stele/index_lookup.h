/* index_lookup - what a broker does to find an offset or a time in a log, step by step, for
 * `stele index-inspect --lookup`. Prints on stdout, returns an exit code. */
#pragma once

#include "files.h"
#include "rows.h"

int index_lookup_offset(const struct place *place, enum output_format format, koffset_t offset);
int index_lookup_time(const struct place *place, enum output_format format, time_ms_t timestamp);
