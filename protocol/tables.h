/* tables - the generated tables behind api.h and records.h; for this layer only. */
#pragma once

#include "api.h"
#include "records.h"

extern const struct api api_table[]; /* by rising key */
extern const size_t api_table_count;

extern const struct record_type record_table[];
extern const size_t record_table_count;
