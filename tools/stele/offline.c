/* See offline.h. */
#include "offline.h"

#include <stdlib.h>

#include "base/check.h"

static void add_path(struct offline_options *o, const char *path)
{
    const char **grown = realloc(o->paths, (size_t)(o->path_count + 1) * sizeof *grown);
    if (!grown) exit(complain(EXIT_BROKEN, "out of memory"));
    grown[o->path_count++] = path;
    o->paths = grown;
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct offline_options *o = state->input;
    switch (key) {
    case ARGP_KEY_INIT:
        common_options_init(&o->common);
        state->child_inputs[0] = &o->common;
        return 0;
    case ARGP_KEY_ARG: add_path(o, arg); return 0;
    case ARGP_KEY_NO_ARGS: argp_error(state, "which file or directory?"); return 0;
    default: return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp_child children[] = {{&format_argp, 0, NULL, 0}, {0}};
const struct argp offline_argp = {NULL, parse, NULL, NULL, children, NULL, NULL};

void offline_parse(const struct argp *argp, int argc, char **argv, void *input)
{
    argp_err_exit_status = EXIT_USAGE;
    argp_parse(argp, argc, argv, 0, NULL, input);
}

void offline_release(struct offline_options *options)
{
    free(options->paths);
    options->paths = NULL;
}

int offline_walk(const struct offline_options *options,
                 int (*fn)(void *arg, const struct place *place), void *arg)
{
    int code = EXIT_OK;
    for (int i = 0; i < options->path_count; i++) {
        int one = files_walk(options->paths[i], fn, arg);
        code = MAX(code, one);
    }
    return code;
}
