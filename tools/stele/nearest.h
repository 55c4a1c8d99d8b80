/* nearest - which of the known words somebody may have meant. */
#pragma once

#include <stddef.h>

/* The one of `words` that is a few letters away from `word`; NULL: none is near. */
const char *nearest(const char *word, const char *const *words, size_t count);
