/* stele config describe|alter: settings of topics and brokers. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "nearest.h"
#include "options.h"
#include "output.h"
#include "protocol/codec.h"
#include "protocol/kafka_error.h"
#include "topic.h"

enum { CHANGES_MAX = 64, RESOURCE_TEXT_MAX = 300 };
enum { RESOURCE_TOPIC = 2, RESOURCE_BROKER = 4, SOURCE_DEFAULT = 5 };
enum { KEY_SET = 0x200, KEY_DELETE, KEY_APPEND, KEY_SUBTRACT, KEY_ALL, KEY_VALIDATE };
enum { OPERATION_SET, OPERATION_DELETE, OPERATION_APPEND, OPERATION_SUBTRACT };

struct config_change {
    int operation;
    const char *text; /* KEY=VALUE, or KEY */
};

struct config_options {
    struct common_options common;
    const char *verb;
    const char *topic, *broker;
    bool all, validate_only;
    struct config_change changes[CHANGES_MAX];
    int change_count;
};

static void add_change(struct config_options *o, int operation, const char *arg,
                       struct argp_state *state)
{
    const char *equals = strchr(arg, '=');
    if (operation != OPERATION_DELETE && (!equals || equals == arg))
        argp_error(state, "KEY=VALUE is needed, not '%s'", arg);
    if (operation == OPERATION_DELETE && equals)
        argp_error(state, "--delete takes a KEY alone, not '%s'", arg);
    if (o->change_count == CHANGES_MAX) argp_error(state, "at most %d changes", CHANGES_MAX);
    o->changes[o->change_count++] = (struct config_change){operation, arg};
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct config_options *o = state->input;
    switch (key) {
    case ARGP_KEY_INIT: state->child_inputs[0] = &o->common; return 0;
    case 't': o->topic = arg; return 0;
    case 'n': o->broker = arg; return 0;
    case KEY_ALL: o->all = true; return 0;
    case KEY_VALIDATE: o->validate_only = true; return 0;
    case KEY_SET: add_change(o, OPERATION_SET, arg, state); return 0;
    case KEY_DELETE: add_change(o, OPERATION_DELETE, arg, state); return 0;
    case KEY_APPEND: add_change(o, OPERATION_APPEND, arg, state); return 0;
    case KEY_SUBTRACT: add_change(o, OPERATION_SUBTRACT, arg, state); return 0;
    case ARGP_KEY_ARG:
        if (o->verb)
            argp_error(state, "'%s' is not expected; a topic is named by --topic %s", arg, arg);
        o->verb = arg;
        return 0;
    default: return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp_option options[] = {
    {"topic", 't', "TOPIC", 0, "The topic whose settings are meant", 0},
    {"broker", 'n', "NODE", 0, "The broker (a node id), or 'all' for the default of all brokers",
     0},
    {"all", KEY_ALL, NULL, 0, "describe: also settings at their default", 0},
    {"set", KEY_SET, "KEY=VALUE", 0, "alter: set; may be repeated", 0},
    {"delete", KEY_DELETE, "KEY", 0, "alter: back to the default", 0},
    {"append", KEY_APPEND, "KEY=WORDS", 0, "alter: add to a list", 0},
    {"subtract", KEY_SUBTRACT, "KEY=WORDS", 0, "alter: take out of a list", 0},
    {"validate-only", KEY_VALIDATE, NULL, 0, "alter: say whether it would work, change nothing", 0},
    {0},
};

static int8_t resource_type(const struct config_options *o)
{
    return o->topic ? RESOURCE_TOPIC : RESOURCE_BROKER;
}
static struct view resource_name(const struct config_options *o)
{
    if (o->topic) return view_str(o->topic);
    return view_str(strcmp(o->broker, "all") == 0 ? "" : o->broker);
}

/* "topic orders", "broker 1", "all brokers". */
static const char *resource_text(const struct config_options *o, char text[RESOURCE_TEXT_MAX])
{
    if (!o->topic && strcmp(o->broker, "all") == 0) return "all brokers";
    snprintf(text, RESOURCE_TEXT_MAX, "%s %s", o->topic ? "topic" : "broker",
             o->topic ? o->topic : o->broker);
    return text;
}

static int complain_refused(const struct config_options *o, struct link *link, struct arena *arena,
                            int16_t error, struct view message)
{
    char text[RESOURCE_TEXT_MAX];
    if (error == KAFKA_ERR_UNKNOWN_TOPIC_OR_PARTITION && o->topic) {
        topic_complain_unknown(link, arena, view_str(o->topic));
        return EXIT_FOUND;
    }
    if (!message.data) message = view_str(kafka_error_text(error));
    return complain(EXIT_FOUND, "%s: %.*s (%s)", resource_text(o, text), (int)message.len,
                    (const char *)message.data, kafka_error_name(error));
}

/* ---- describe ---- */

static const char *source_name(int8_t source)
{
    static const char *const names[] = {"unknown",     "topic",  "this broker",
                                        "all brokers", "static", "default"};
    return names[source >= 1 && source <= 5 ? source : 0];
}

static void print_settings(const struct config_options *o,
                           const struct describe_configs_response_result *r)
{
    static const struct column columns[] = {{"SETTING", COLUMN_TEXT},
                                            {"VALUE", COLUMN_TEXT},
                                            {"SOURCE", COLUMN_TEXT},
                                            {"MEANING", COLUMN_TEXT},
                                            {"READ-ONLY", COLUMN_BOOL}};
    bool is_json = o->common.format == FORMAT_JSON;
    struct output *out = output_new(o->common.format, columns,
                                    (int)COUNT_OF(columns) - (is_json ? 0 : 1));
    for (int32_t i = 0; i < r->configs_count; i++) {
        const struct describe_configs_response_config *c = &r->configs[i];
        if (!o->all && c->config_source == SOURCE_DEFAULT) continue;
        output_text(out, c->name);
        output_text(out, c->value);
        output_string(out, source_name(c->config_source));
        output_text(out, c->documentation);
        if (is_json) output_bool(out, c->read_only);
    }
    char text[RESOURCE_TEXT_MAX];
    if (output_is_empty(out) && !is_json)
        complain(EXIT_OK, "%s: nothing is set%s", resource_text(o, text),
                 resource_name(o).len && !o->all ? "; --all shows the defaults" : "");
    output_finish(out);
}

static int describe(const struct config_options *o, struct link *link, struct arena *arena)
{
    struct describe_configs_request request;
    struct describe_configs_response response;
    struct describe_configs_request_resource resource;
    CODEC_DEFAULT(describe_configs_request, &request);
    CODEC_DEFAULT(describe_configs_request_resource, &resource);
    resource.resource_type = resource_type(o);
    resource.resource_name = resource_name(o);
    resource.configuration_keys_count = -1;
    request.resources = &resource;
    request.resources_count = 1;
    request.include_documentation = link_version(link, API_DESCRIBE_CONFIGS) >= 3;
    if (link_call(link, API_DESCRIBE_CONFIGS, &request, arena, &response) != OK)
        return complain_call(link, "config describe");
    if (response.results_count != 1)
        return complain(EXIT_BROKEN, "%s answered for %d resources", link_address(link),
                        response.results_count);
    const struct describe_configs_response_result *r = response.results;
    if (r->error_code) return complain_refused(o, link, arena, r->error_code, r->error_message);
    print_settings(o, r);
    return EXIT_OK;
}

/* ---- alter ---- */

static void fill_change(const struct config_change *change,
                        struct incremental_alter_configs_request_config *out)
{
    const char *equals = strchr(change->text, '=');
    bool has_value = change->operation != OPERATION_DELETE;
    CODEC_DEFAULT(incremental_alter_configs_request_config, out);
    out->name = has_value ? view_of(change->text, (size_t)(equals - change->text))
                          : view_str(change->text);
    out->value = has_value ? view_str(equals + 1) : (struct view){0};
    out->config_operation = (int8_t)change->operation;
}

static void print_altered(const struct config_options *o,
                          const struct incremental_alter_configs_response_resource *r)
{
    static const struct column columns[] = {
        {"RESOURCE", COLUMN_TEXT}, {"RESULT", COLUMN_TEXT}, {"MESSAGE", COLUMN_TEXT}};
    char text[RESOURCE_TEXT_MAX];
    if (o->common.format == FORMAT_TEXT) {
        printf("%s %s: %d setting%s\n", o->validate_only ? "would alter" : "altered",
               resource_text(o, text), o->change_count, o->change_count == 1 ? "" : "s");
        return;
    }
    struct output *out = output_new(FORMAT_JSON, columns, COUNT_OF(columns));
    output_text(out, r->resource_name.len ? r->resource_name : view_str("all"));
    output_string(out, r->error_code ? kafka_error_name(r->error_code) : "ok");
    output_text(out, r->error_message);
    output_finish(out);
}

static int alter(const struct config_options *o, struct link *link, struct arena *arena)
{
    struct incremental_alter_configs_request request;
    struct incremental_alter_configs_response response;
    struct incremental_alter_configs_request_resource resource;
    struct incremental_alter_configs_request_config configs[CHANGES_MAX];
    CODEC_DEFAULT(incremental_alter_configs_request, &request);
    CODEC_DEFAULT(incremental_alter_configs_request_resource, &resource);
    for (int i = 0; i < o->change_count; i++) fill_change(&o->changes[i], &configs[i]);
    resource.resource_type = resource_type(o);
    resource.resource_name = resource_name(o);
    resource.configs = configs;
    resource.configs_count = o->change_count;
    request.resources = &resource;
    request.resources_count = 1;
    request.validate_only = o->validate_only;
    if (link_call(link, API_INCREMENTAL_ALTER_CONFIGS, &request, arena, &response) != OK)
        return complain_call(link, "config alter");
    if (response.responses_count != 1)
        return complain(EXIT_BROKEN, "%s answered for %d resources", link_address(link),
                        response.responses_count);
    const struct incremental_alter_configs_response_resource *r = response.responses;
    if (r->error_code && o->common.format == FORMAT_TEXT)
        return complain_refused(o, link, arena, r->error_code, r->error_message);
    print_altered(o, r);
    return r->error_code ? EXIT_FOUND : EXIT_OK;
}

/* ---- the command ---- */

static bool check_usage(const struct config_options *o)
{
    static const char *const verbs[] = {"describe", "alter"};
    bool is_alter = o->verb && strcmp(o->verb, "alter") == 0;
    if (!o->verb || (!is_alter && strcmp(o->verb, "describe") != 0)) {
        const char *near = o->verb ? nearest(o->verb, verbs, COUNT_OF(verbs)) : NULL;
        if (near)
            complain(EXIT_USAGE, "there is no 'config %s', did you mean 'config %s'?", o->verb,
                     near);
        else
            complain(EXIT_USAGE,
                     "config is followed by describe or alter; see 'stele help config'");
    } else if (!o->topic == !o->broker) {
        complain(EXIT_USAGE, "config %s needs --topic TOPIC or --broker NODE, one of them",
                 o->verb);
    } else if (is_alter && o->change_count == 0) {
        complain(EXIT_USAGE, "config alter needs --set, --delete, --append or --subtract");
    } else if (!is_alter && (o->change_count || o->validate_only)) {
        complain(EXIT_USAGE, "config describe changes nothing; did you mean 'config alter'?");
    } else {
        return true;
    }
    return false;
}

static int run(int argc, char **argv)
{
    static const struct argp_child children[] = {{&common_argp, 0, NULL, 0}, {0}};
    static const struct argp argp = {options,
                                     parse,
                                     "describe|alter --topic TOPIC|--broker NODE",
                                     "Shows and changes settings of topics and brokers.",
                                     children,
                                     NULL,
                                     NULL};
    static struct config_options o;
    common_options_init(&o.common);
    argp_parse(&argp, argc, argv, 0, NULL, &o);
    if (!check_usage(&o)) return EXIT_USAGE;
    struct link *link = common_link(&o.common);
    if (!link) return EXIT_UNREACHABLE;
    struct arena arena = {0};
    bool is_alter = strcmp(o.verb, "alter") == 0;
    int code = is_alter ? alter(&o, link, &arena) : describe(&o, link, &arena);
    arena_release(&arena);
    link_close(link);
    return code;
}

const struct command command_config = {
    .name = "config",
    .summary = "show and change settings of topics and brokers",
    .examples =
        "  stele config describe --topic orders\n"
        "  stele config describe --broker 1 --all\n"
        "  stele config alter --topic orders --set retention.ms=3600000 --delete segment.bytes\n"
        "  stele config alter --topic orders --append cleanup.policy=compact\n"
        "  stele config alter --broker all --set log.retention.ms=86400000\n",
    .run = run,
};
