/* A target that the replay's own tests run: it dislikes one input, and says so as our code would.
 */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CHECK(size < 5 || memcmp(data, "BOOM", 4) != 0);
    return 0;
}
