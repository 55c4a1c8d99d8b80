/* topic - what the verbs of `stele topic` share: the parsed command line, the link, the memory. */
#pragma once

#include "base/arena.h"
#include "options.h"

enum { TOPIC_NAMES_MAX = 1000, TOPIC_CONFIGS_MAX = 64 };

struct topic_options {
    struct common_options common;
    const char *words[TOPIC_NAMES_MAX + 1]; /* the verb, then the topics */
    int word_count;
    const char *const *names; /* behind the verb */
    int name_count;
    int partitions;  /* -1: not said */
    int replication; /* -1: not said */
    const char *configs[TOPIC_CONFIGS_MAX];
    int config_count;
    bool if_exists, if_not_exists, validate_only, with_internal;
    unsigned given; /* bit of enum topic_flag for each option that was given */
};

struct topic_session {
    const struct topic_options *options;
    struct link *link;
    struct arena arena; /* everything that is asked and answered */
};

/* Each returns the exit code. */
int topic_create(struct topic_session *session);
int topic_list(struct topic_session *session);
int topic_describe(struct topic_session *session);
int topic_alter(struct topic_session *session);
int topic_delete(struct topic_session *session);

/* "stele: there is no topic 'x'; did you mean 'y'?" The list of topics is asked for. */
void topic_complain_unknown(struct link *link, struct arena *arena, struct view name);

/* Ends the program when there is no memory. */
void *topic_need(void *p);
