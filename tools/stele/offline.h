/* offline - what the commands have in common that look at files: PATH... and --format. */
#pragma once

#include "files.h"
#include "options.h"

struct offline_options {
    struct common_options common;
    const char **paths; /* owned; into argv */
    int path_count;
};

/* An argp child like format_argp: its input is a struct offline_options. At least one path. */
extern const struct argp offline_argp;

/* Parses; leaves the program when the arguments are wrong. `input` is what argp's parser wants. */
void offline_parse(const struct argp *argp, int argc, char **argv, void *input);
void offline_release(struct offline_options *options);
/* files_walk() over all paths; the largest exit code. */
int offline_walk(const struct offline_options *options,
                 int (*fn)(void *arg, const struct place *place), void *arg);
