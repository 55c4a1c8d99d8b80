/* options - what commands have in common: --bootstrap, --format, --timeout, and one way to fail. */
#pragma once

#include <argp.h>
#include <stdbool.h>

#include "client/link.h"
#include "command.h"

enum output_format { FORMAT_TEXT, FORMAT_JSON };

struct common_options {
    const char *bootstrap; /* --bootstrap, STELE_BOOTSTRAP, 127.0.0.1:9092 */
    bool is_default;       /* nobody named one */
    enum output_format format;
    int timeout_ms;
};

/* An argp child: put {&common_argp, 0, NULL, 0} in `children` and state->child_inputs[0] = &common
 * in ARGP_KEY_INIT. */
extern const struct argp common_argp;
/* The same without a broker: only --format. */
extern const struct argp format_argp;

void common_options_init(struct common_options *options);

/* Prints "stele: ..." on stderr and returns `code`. */
int complain(int code, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Opens a link, or complains and returns NULL. */
struct link *common_link(const struct common_options *options);
/* A failed link_call() in words; returns the exit code. */
int complain_call(const struct link *link, const char *what);

/* Text after a sub-command's name in usage lines comes from argp; this one sets the program's name.
 */
bool parse_long(const char *text, long long min, long long max, long long *out);
