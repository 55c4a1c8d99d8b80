/* command - one sub-command of stele, as the table in main.c lists it.
 *
 * A command parses its own arguments (argp; options.h has the common ones), prints data on stdout
 * and talk on stderr, and returns an exit code of the list below, which `stele help` shows.
 */
#pragma once

enum exit_code {
    EXIT_OK = 0,
    EXIT_FOUND = 1,       /* it worked, and the answer is bad: damage found, a topic refused */
    EXIT_USAGE = 2,       /* the command line is wrong */
    EXIT_UNREACHABLE = 3, /* no broker, or no such file */
    EXIT_BROKEN = 4,      /* an error while working */
};

struct command {
    const char *name;                  /* "topic", "log-dump" */
    const char *summary;               /* one line */
    const char *examples;              /* several lines, two spaces in front of each */
    int (*run)(int argc, char **argv); /* argv[0] is "stele NAME" */
};

extern const struct command command_topic, command_config, command_broker_api;
extern const struct command command_log_dump, command_index_inspect, command_log_verify,
    command_index_rebuild;
