/* stele topic: its command line, and the verbs that change something: create, alter, delete.
 *
 * A person gets a sentence for each topic, what was refused on stderr; JSON has one object for
 * each, refused or not.
 */
#include "topic.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/uuid.h"
#include "nearest.h"
#include "output.h"
#include "protocol/codec.h"
#include "protocol/kafka_error.h"

#define TEXT(v) (int)(v).len, (const char *)(v).data

enum { KEY_IF_EXISTS = 0x200, KEY_IF_NOT_EXISTS, KEY_VALIDATE, KEY_INTERNAL };

/* ---- verbs and their options ---- */

enum topic_flag {
    FLAG_PARTITIONS = 1 << 0,
    FLAG_REPLICATION = 1 << 1,
    FLAG_CONFIG = 1 << 2,
    FLAG_IF_EXISTS = 1 << 3,
    FLAG_IF_NOT_EXISTS = 1 << 4,
    FLAG_VALIDATE = 1 << 5,
    FLAG_INTERNAL = 1 << 6,
};

static const char *const flag_names[] = {"--partitions", "--replication-factor", "--config",
                                         "--if-exists",  "--if-not-exists",      "--validate-only",
                                         "--internal"};

static const struct verb {
    const char *name;
    int (*run)(struct topic_session *session);
    unsigned flags;
    bool needs_names;
} verbs[] = {
    {"create", topic_create,
     FLAG_PARTITIONS | FLAG_REPLICATION | FLAG_CONFIG | FLAG_IF_NOT_EXISTS | FLAG_VALIDATE, true},
    {"list", topic_list, FLAG_INTERNAL, false},
    {"describe", topic_describe, FLAG_IF_EXISTS | FLAG_INTERNAL, false},
    {"alter", topic_alter, FLAG_PARTITIONS | FLAG_VALIDATE, true},
    {"delete", topic_delete, FLAG_IF_EXISTS, true},
};

/* ---- the command line ---- */

static void parse_number(const char *what, const char *arg, int max, struct argp_state *state,
                         int *out)
{
    long long n;
    if (!parse_long(arg, 1, max, &n))
        argp_error(state, "%s is a number from 1 to %d, not '%s'", what, max, arg);
    *out = (int)n;
}

static void parse_config(char *arg, struct argp_state *state, struct topic_options *o)
{
    const char *equals = strchr(arg, '=');
    if (!equals || equals == arg) argp_error(state, "--config takes KEY=VALUE, not '%s'", arg);
    if (o->config_count == TOPIC_CONFIGS_MAX)
        argp_error(state, "at most %d --config", TOPIC_CONFIGS_MAX);
    o->configs[o->config_count++] = arg;
}

static void parse_flag(int key, char *arg, struct argp_state *state, struct topic_options *o)
{
    switch (key) {
    case 'p':
        o->given |= FLAG_PARTITIONS;
        parse_number("--partitions", arg, 1000000, state, &o->partitions);
        break;
    case 'r':
        o->given |= FLAG_REPLICATION;
        parse_number("--replication-factor", arg, INT16_MAX, state, &o->replication);
        break;
    case 'c':
        o->given |= FLAG_CONFIG;
        parse_config(arg, state, o);
        break;
    case KEY_IF_EXISTS:
        o->given |= FLAG_IF_EXISTS;
        o->if_exists = true;
        break;
    case KEY_IF_NOT_EXISTS:
        o->given |= FLAG_IF_NOT_EXISTS;
        o->if_not_exists = true;
        break;
    case KEY_VALIDATE:
        o->given |= FLAG_VALIDATE;
        o->validate_only = true;
        break;
    default:
        o->given |= FLAG_INTERNAL;
        o->with_internal = true;
        break;
    }
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
    struct topic_options *o = state->input;
    switch (key) {
    case ARGP_KEY_INIT: state->child_inputs[0] = &o->common; return 0;
    case 'p':
    case 'r':
    case 'c':
    case KEY_IF_EXISTS:
    case KEY_IF_NOT_EXISTS:
    case KEY_VALIDATE:
    case KEY_INTERNAL: parse_flag(key, arg, state, o); return 0;
    case ARGP_KEY_ARG:
        if (o->word_count > TOPIC_NAMES_MAX)
            argp_error(state, "at most %d topics", TOPIC_NAMES_MAX);
        o->words[o->word_count++] = arg;
        return 0;
    default: return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp_option options[] = {
    {"partitions", 'p', "N", 0,
     "create: how many (default: the broker's num.partitions); alter: how many in all", 0},
    {"replication-factor", 'r', "N", 0,
     "create: replicas of each partition (default: the broker's)", 0},
    {"config", 'c', "KEY=VALUE", 0, "create: a setting of the topic; may be repeated", 0},
    {"if-not-exists", KEY_IF_NOT_EXISTS, NULL, 0, "create: an existing topic is no error", 0},
    {"if-exists", KEY_IF_EXISTS, NULL, 0, "delete, describe: a missing topic is no error", 0},
    {"validate-only", KEY_VALIDATE, NULL, 0,
     "create, alter: say whether it would work, change nothing", 0},
    {"internal", KEY_INTERNAL, NULL, 0, "list, describe: internal topics too", 0},
    {0},
};

static const struct verb *find_verb(const struct topic_options *o)
{
    const char *names[COUNT_OF(verbs)];
    const char *word = o->word_count ? o->words[0] : NULL;
    for (size_t i = 0; i < COUNT_OF(verbs); i++) {
        names[i] = verbs[i].name;
        if (word && strcmp(word, names[i]) == 0) return &verbs[i];
    }
    const char *near = word ? nearest(word, names, COUNT_OF(verbs)) : NULL;
    if (near)
        complain(EXIT_USAGE, "there is no 'topic %s', did you mean 'topic %s'?", word, near);
    else
        complain(EXIT_USAGE, "topic is followed by create, list, describe, alter or delete%s%s%s",
                 word ? ", not '" : "", word ? word : "", word ? "'" : "; see 'stele help topic'");
    return NULL;
}

static bool check_usage(const struct topic_options *o, const struct verb *verb)
{
    for (size_t i = 0; i < COUNT_OF(flag_names); i++) {
        if (!(o->given & ~verb->flags & 1u << i)) continue;
        complain(EXIT_USAGE, "topic %s does not take %s", verb->name, flag_names[i]);
        return false;
    }
    if (verb->needs_names && o->name_count == 0) {
        complain(EXIT_USAGE, "topic %s: which topic?", verb->name);
        return false;
    }
    if (verb->run == topic_alter && o->partitions < 0) {
        complain(EXIT_USAGE, "topic alter needs --partitions N; settings are altered with "
                             "'stele config alter --topic TOPIC --set KEY=VALUE'");
        return false;
    }
    return true;
}

/* ---- outcomes ---- */

struct outcome {
    struct view name;
    int16_t error;
    struct view message; /* of the broker; data NULL: none */
    bool is_ignored;     /* an error that was expected */
};

/* Reports what was refused; true: it was done, and the caller says so. */
static bool report(const struct outcome *o, int *code)
{
    struct view said = o->message;
    if (o->error == KAFKA_ERR_NONE) return true;
    if (!said.data) said = view_str(kafka_error_text(o->error));
    if (o->is_ignored) {
        printf("%.*s: nothing to do: %.*s\n", TEXT(o->name), TEXT(said));
        return false;
    }
    bool is_named = memmem(said.data, said.len, o->name.data, o->name.len) != NULL;
    *code = complain(EXIT_FOUND, "%.*s%s%.*s (%s)", is_named ? 0 : (int)o->name.len,
                     (const char *)o->name.data, is_named ? "" : ": ", TEXT(said),
                     kafka_error_name(o->error));
    return false;
}

/* The first cells of a row. */
static void add_outcome(struct output *out, const struct outcome *o, int *code)
{
    output_text(out, o->name);
    output_string(out, o->error ? kafka_error_name(o->error) : "ok");
    output_text(out, o->message);
    if (o->error && !o->is_ignored) *code = EXIT_FOUND;
}

static const struct column outcome_columns[] = {
    {"TOPIC", COLUMN_TEXT},        {"RESULT", COLUMN_TEXT},        {"MESSAGE", COLUMN_TEXT},
    {"PARTITIONS", COLUMN_NUMBER}, {"REPLICATION", COLUMN_NUMBER}, {"ID", COLUMN_TEXT}};

/* NULL: for people; then sentences are printed. */
static struct output *outcomes_begin(const struct topic_session *s, int columns)
{
    if (s->options->common.format == FORMAT_TEXT) return NULL;
    return output_new(FORMAT_JSON, outcome_columns, columns);
}

static void outcomes_end(struct output *out)
{
    if (out) output_finish(out);
}

void *topic_need(void *p)
{
    if (!p) exit(complain(EXIT_BROKEN, "out of memory"));
    return p;
}

/* ---- create ---- */

static void fill_create(struct topic_session *s, struct create_topics_request *request)
{
    const struct topic_options *o = s->options;
    CODEC_DEFAULT(create_topics_request, request);
    request->timeout_ms = o->common.timeout_ms;
    request->validate_only = o->validate_only;
    request->topics = topic_need(
        CODEC_NEW(&s->arena, create_topics_request_topic, (size_t)o->name_count));
    request->topics_count = o->name_count;
    struct create_topics_request_config *configs = topic_need(
        CODEC_NEW(&s->arena, create_topics_request_config, (size_t)o->config_count));
    for (int i = 0; i < o->config_count; i++) {
        const char *equals = strchr(o->configs[i], '=');
        configs[i].name = view_of(o->configs[i], (size_t)(equals - o->configs[i]));
        configs[i].value = view_str(equals + 1);
    }
    for (int i = 0; i < o->name_count; i++) {
        request->topics[i].name = view_str(o->names[i]);
        request->topics[i].num_partitions = o->partitions;
        request->topics[i].replication_factor = (int16_t)o->replication;
        request->topics[i].configs = configs;
        request->topics[i].configs_count = o->config_count;
    }
}

/* Brokers of before version 5 do not say. */
static void output_count(struct output *out, int32_t n)
{
    if (n > 0)
        output_number(out, n);
    else
        output_string(out, NULL);
}

static void say_created(const struct topic_session *s, const struct create_topics_response_topic *t,
                        const char *id)
{
    bool is_only_judged = s->options->validate_only;
    printf("%s %.*s", is_only_judged ? "would create" : "created", TEXT(t->name));
    if (t->num_partitions > 0)
        printf(": %" PRId32 " partition%s, replication factor %d", t->num_partitions,
               t->num_partitions == 1 ? "" : "s", t->replication_factor);
    if (!uuid_is_zero(t->topic_id)) printf(", id %s", id);
    putchar('\n');
}

int topic_create(struct topic_session *s)
{
    struct create_topics_request request;
    struct create_topics_response response;
    int code = EXIT_OK;
    fill_create(s, &request);
    if (link_call(s->link, API_CREATE_TOPICS, &request, &s->arena, &response) != OK)
        return complain_call(s->link, "topic create");
    struct output *out = outcomes_begin(s, 6);
    for (int32_t i = 0; i < response.topics_count; i++) {
        const struct create_topics_response_topic *t = &response.topics[i];
        char id[UUID_TEXT_LEN + 1];
        uuid_format(t->topic_id, id);
        bool is_ignored = s->options->if_not_exists &&
                          t->error_code == KAFKA_ERR_TOPIC_ALREADY_EXISTS;
        struct outcome o = {t->name, t->error_code, t->error_message, is_ignored};
        if (!out) {
            if (report(&o, &code)) say_created(s, t, id);
            continue;
        }
        add_outcome(out, &o, &code);
        output_count(out, t->num_partitions);
        output_count(out, t->replication_factor);
        output_string(out, uuid_is_zero(t->topic_id) ? NULL : id);
    }
    outcomes_end(out);
    return code;
}

/* ---- alter, delete ---- */

static struct view own(struct topic_session *s, struct view v)
{
    if (!v.data) return v;
    return view_of(topic_need(arena_strndup(&s->arena, v.data, v.len)), v.len);
}

/* Prints what became of each topic; `done` is what to say of a success, with the name put in. The
 * outcomes are copies: whoever asks for the topics that there are loses the answer before. */
static int report_all(struct topic_session *s, struct outcome *all, int32_t count,
                      const char *const done[2])
{
    int code = EXIT_OK;
    struct output *out = outcomes_begin(s, 3);
    for (int32_t i = 0; i < count; i++) {
        struct outcome *o = &all[i];
        bool is_unknown = o->error == KAFKA_ERR_UNKNOWN_TOPIC_OR_PARTITION && !o->is_ignored;
        if (out) {
            add_outcome(out, o, &code);
        } else if (is_unknown) {
            topic_complain_unknown(s->link, &s->arena, o->name);
            code = EXIT_FOUND;
        } else if (report(o, &code)) {
            printf("%s%.*s%s\n", done[0], TEXT(o->name), done[1]);
        }
    }
    outcomes_end(out);
    return code;
}

int topic_alter(struct topic_session *s)
{
    const struct topic_options *o = s->options;
    struct create_partitions_request request;
    struct create_partitions_response response;
    CODEC_DEFAULT(create_partitions_request, &request);
    request.timeout_ms = o->common.timeout_ms;
    request.validate_only = o->validate_only;
    request.topics = topic_need(
        CODEC_NEW(&s->arena, create_partitions_request_topic, (size_t)o->name_count));
    request.topics_count = o->name_count;
    for (int i = 0; i < o->name_count; i++) {
        request.topics[i].name = view_str(o->names[i]);
        request.topics[i].count = o->partitions;
        request.topics[i].assignments_count = -1;
    }
    if (link_call(s->link, API_CREATE_PARTITIONS, &request, &s->arena, &response) != OK)
        return complain_call(s->link, "topic alter");
    int32_t count = response.results_count;
    struct outcome *all = topic_need(arena_calloc(&s->arena, (size_t)MAX(count, 0), sizeof *all));
    for (int32_t i = 0; i < count; i++)
        all[i] = (struct outcome){own(s, response.results[i].name), response.results[i].error_code,
                                  own(s, response.results[i].error_message), false};
    char has[64];
    snprintf(has, sizeof has, " %s %d partitions", o->validate_only ? "may have" : "has",
             o->partitions);
    return report_all(s, all, count, (const char *const[]){"", has});
}

static void fill_delete(struct topic_session *s, struct delete_topics_request *request)
{
    const struct topic_options *o = s->options;
    size_t count = (size_t)o->name_count;
    CODEC_DEFAULT(delete_topics_request, request);
    request->timeout_ms = o->common.timeout_ms;
    if (link_version(s->link, API_DELETE_TOPICS) >= 6) {
        request->topics = topic_need(CODEC_NEW(&s->arena, delete_topics_request_topic, count));
        request->topics_count = o->name_count;
        for (size_t i = 0; i < count; i++) request->topics[i].name = view_str(o->names[i]);
        return;
    }
    request->topic_names = topic_need(arena_calloc(&s->arena, count, sizeof *request->topic_names));
    request->topic_names_count = o->name_count;
    for (size_t i = 0; i < count; i++) request->topic_names[i] = view_str(o->names[i]);
}

int topic_delete(struct topic_session *s)
{
    struct delete_topics_request request;
    struct delete_topics_response response;
    fill_delete(s, &request);
    if (link_call(s->link, API_DELETE_TOPICS, &request, &s->arena, &response) != OK)
        return complain_call(s->link, "topic delete");
    int32_t count = response.responses_count;
    struct outcome *all = topic_need(arena_calloc(&s->arena, (size_t)MAX(count, 0), sizeof *all));
    for (int32_t i = 0; i < count; i++) {
        const struct delete_topics_response_result *r = &response.responses[i];
        bool is_ignored = s->options->if_exists &&
                          r->error_code == KAFKA_ERR_UNKNOWN_TOPIC_OR_PARTITION;
        all[i] = (struct outcome){own(s, r->name), r->error_code, own(s, r->error_message),
                                  is_ignored};
    }
    return report_all(s, all, count, (const char *const[]){"deleted ", ""});
}

/* ---- the command ---- */

static int run(int argc, char **argv)
{
    static const struct argp_child children[] = {{&common_argp, 0, NULL, 0}, {0}};
    static const struct argp argp = {options,
                                     parse,
                                     "create|list|describe|alter|delete [TOPIC...]",
                                     "Creates, lists, describes, grows and deletes topics.",
                                     children,
                                     NULL,
                                     NULL};
    static struct topic_options o = {.partitions = -1, .replication = -1};
    common_options_init(&o.common);
    argp_parse(&argp, argc, argv, 0, NULL, &o);
    const struct verb *verb = find_verb(&o);
    if (!verb) return EXIT_USAGE;
    o.names = o.words + 1;
    o.name_count = o.word_count - 1;
    if (!check_usage(&o, verb)) return EXIT_USAGE;
    struct topic_session s = {.options = &o, .link = common_link(&o.common)};
    if (!s.link) return EXIT_UNREACHABLE;
    int code = verb->run(&s);
    arena_release(&s.arena);
    link_close(s.link);
    return code;
}

const struct command command_topic = {
    .name = "topic",
    .summary = "create, list, describe, grow and delete topics",
    .examples = "  stele topic create orders --partitions 6\n"
                "  stele topic create audit --config durability=fsync --config retention.ms=-1\n"
                "  stele topic list\n"
                "  stele topic describe orders --format json\n"
                "  stele topic alter orders --partitions 12\n"
                "  stele topic delete orders\n",
    .run = run,
};
