/* stele broker-api - the versions that a broker offers: the first thing to look at when a client
 * does not work. */
#include <stdio.h>

#include "options.h"
#include "output.h"
#include "protocol/api.h"

static error_t parse(int key, char *arg, struct argp_state *state)
{
    switch (key) {
    case ARGP_KEY_INIT: state->child_inputs[0] = state->input; return 0;
    case ARGP_KEY_ARG: argp_error(state, "unexpected argument '%s'", arg); return 0;
    default: return ARGP_ERR_UNKNOWN;
    }
}

struct printing {
    struct output *out;
    const struct link *link;
};

static void print_api(void *arg, int16_t key, int16_t min, int16_t max)
{
    struct printing *p = arg;
    const struct api *api = api_find(key);
    int used = api ? link_version(p->link, (enum api_key)key) : -1;
    output_number(p->out, key);
    output_string(p->out, api ? api->name : NULL);
    output_number(p->out, min);
    output_number(p->out, max);
    if (used >= 0)
        output_number(p->out, used);
    else
        output_string(p->out, NULL);
}

static int run(int argc, char **argv)
{
    static const struct argp_child children[] = {{&common_argp, 0, NULL, 0}, {0}};
    static const struct argp argp = {NULL,
                                     parse,
                                     NULL,
                                     "Prints the APIs and versions that a broker offers, and the "
                                     "version this program would use.",
                                     children,
                                     NULL,
                                     NULL};
    static const struct column columns[] = {{"KEY", COLUMN_NUMBER},
                                            {"API", COLUMN_TEXT},
                                            {"MIN", COLUMN_NUMBER},
                                            {"MAX", COLUMN_NUMBER},
                                            {"USED", COLUMN_NUMBER}};
    struct common_options common;
    common_options_init(&common);
    argp_parse(&argp, argc, argv, 0, NULL, &common);
    struct link *link = common_link(&common);
    if (!link) return EXIT_UNREACHABLE;
    struct printing p = {output_new(common.format, columns, 5), link};
    link_each_api(link, print_api, &p);
    output_finish(p.out);
    link_close(link);
    return EXIT_OK;
}

const struct command command_broker_api = {
    .name = "broker-api",
    .summary = "print the APIs and versions that a broker offers",
    .examples = "  stele broker-api\n"
                "  stele broker-api -b broker1:9092 --format json\n",
    .run = run,
};
