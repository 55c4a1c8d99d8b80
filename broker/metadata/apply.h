/* apply - one metadata record onto an image that nobody else can see yet (image_impl.h). */
#pragma once

#include "change.h"

/* ERR_INVALID: the record contradicts the image (reported); the image may not be used any further.
 */
err_t image_apply_record(struct image *image, const struct change_record *record);
