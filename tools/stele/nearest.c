/* Edit distance in one row; long words are compared by their beginning only. */
#include "nearest.h"

#include <string.h>

#include "base/check.h"

enum { COMPARED_MAX = 64 };

static size_t distance(const char *a, const char *b)
{
    size_t row[COMPARED_MAX + 1], n = strnlen(b, COMPARED_MAX), m = strnlen(a, COMPARED_MAX);
    for (size_t j = 0; j <= n; j++) row[j] = j;
    for (size_t i = 1; i <= m; i++) {
        size_t corner = row[0];
        row[0] = i;
        for (size_t j = 1; j <= n; j++) {
            size_t change = corner + (a[i - 1] != b[j - 1]);
            size_t gap = MIN(row[j], row[j - 1]) + 1;
            corner = row[j];
            row[j] = MIN(change, gap);
        }
    }
    return row[n];
}

const char *nearest(const char *word, const char *const *words, size_t count)
{
    const char *best = NULL;
    size_t best_distance = MIN(strlen(word) / 3, (size_t)2) + 2; /* farther is not near */
    for (size_t i = 0; i < count; i++) {
        size_t d = distance(word, words[i]);
        if (d >= best_distance) continue;
        best = words[i];
        best_distance = d;
    }
    return best;
}
