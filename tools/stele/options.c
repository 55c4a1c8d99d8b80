/* See options.h. */
#include "options.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { KEY_FORMAT = 0x100, KEY_TIMEOUT, TIMEOUT_DEFAULT_MS = 30000 };

void common_options_init(struct common_options *options)
{
    const char *bootstrap = getenv("STELE_BOOTSTRAP");
    bool is_default = !bootstrap || !bootstrap[0];
    *options = (struct common_options){.bootstrap = is_default ? "127.0.0.1:9092" : bootstrap,
                                       .is_default = is_default,
                                       .timeout_ms = TIMEOUT_DEFAULT_MS};
}

bool parse_long(const char *text, long long min, long long max, long long *out)
{
    char *end;
    errno = 0;
    *out = strtoll(text, &end, 10);
    return end != text && *end == 0 && errno == 0 && *out >= min && *out <= max;
}

static void parse_format(const char *arg, struct argp_state *state, struct common_options *options)
{
    if (strcmp(arg, "json") == 0)
        options->format = FORMAT_JSON;
    else if (strcmp(arg, "text") == 0)
        options->format = FORMAT_TEXT;
    else
        argp_error(state, "--format is text or json, not '%s'", arg);
}

static error_t parse_common(int key, char *arg, struct argp_state *state)
{
    struct common_options *options = state->input;
    long long ms;
    switch (key) {
    case 'b':
        options->bootstrap = arg;
        options->is_default = false;
        return 0;
    case KEY_FORMAT: parse_format(arg, state, options); return 0;
    case KEY_TIMEOUT:
        if (!parse_long(arg, 1, 3600000, &ms))
            argp_error(state, "--timeout is a number of milliseconds up to 3600000, not '%s'", arg);
        options->timeout_ms = (int)ms;
        return 0;
    default: return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp_option format_option[] = {
    {"format", KEY_FORMAT, "text|json", 0, "How to print (default: text)", 0},
    {0},
};
static const struct argp_option common_option[] = {
    {"bootstrap", 'b', "HOST:PORT", 0,
     "The broker to ask (default: $STELE_BOOTSTRAP, or 127.0.0.1:9092)", 0},
    {"format", KEY_FORMAT, "text|json", 0, "How to print (default: text)", 0},
    {"timeout", KEY_TIMEOUT, "MS", 0, "How long to wait for an answer (default: 30000)", 0},
    {0},
};

const struct argp common_argp = {common_option, parse_common, NULL, NULL, NULL, NULL, NULL};
const struct argp format_argp = {format_option, parse_common, NULL, NULL, NULL, NULL, NULL};

int complain(int code, const char *format, ...)
{
    va_list args;
    fflush(stdout);
    fputs("stele: ", stderr);
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
    return code;
}

struct link *common_link(const struct common_options *options)
{
    struct link *link;
    char why[LINK_WHY_MAX];
    struct link_options open = {
        .bootstrap = options->bootstrap, .client_id = "stele", .timeout_ms = options->timeout_ms};
    if (link_open(&open, &link, why) == OK) return link;
    complain(EXIT_UNREACHABLE, "%s%s", why,
             options->is_default
                 ? "\nThis is the default address; -b HOST:PORT or STELE_BOOTSTRAP names another."
                 : "");
    return NULL;
}

int complain_call(const struct link *link, const char *what)
{
    const char *why = link_why(link);
    return complain(EXIT_BROKEN, "%s failed: %s", what, why[0] ? why : "out of memory");
}
