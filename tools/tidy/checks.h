/* checks - the rules that can fail, one function a family, each over one file.
 *
 * A rule's name stands in brackets after its findings and in allow.txt.
 */
#pragma once

#include "finding.h"
#include "function.h"
#include "source.h"

/* What is counted over all files. */
struct census {
    int jansson_users; /* files outside of tools/ that include it */
};

/* [columns] [tab] [trailing-blank] [mark] [machine-path] [package-host] [head-comment]
 * [pragma-once] [last-line] */
void check_text(const struct source *s, struct findings *f);
/* [file-length] [function-length] */
void check_lengths(const struct source *s, const struct functions *functions, struct findings *f);
/* [layer] [third-party] */
void check_includes(const struct source *s, struct census *census, struct findings *f);
/* [layer], of layer_library(... DEPENDS ...) in a CMakeLists.txt */
void check_declared_layers(const struct source *s, struct findings *f);
/* [banned-call] [seam] [silenced-warning] */
void check_calls(const struct source *s, struct findings *f);
