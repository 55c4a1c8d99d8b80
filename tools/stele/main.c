/* stele - the command line: a table of sub-commands, and help for each. */
#include <argp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/version.h"
#include "command.h"
#include "nearest.h"

static const struct command *const commands[] = {
    &command_topic,      &command_config,        &command_broker_api,    &command_log_dump,
    &command_log_verify, &command_index_inspect, &command_index_rebuild,
};

static void print_usage(FILE *to)
{
    fputs("stele - look at and work with a Stele or Kafka broker, and with its log files\n\n"
          "usage: stele COMMAND [ARGUMENTS]\n"
          "       stele help COMMAND      examples for a command\n"
          "       stele COMMAND --help    its options\n"
          "       stele --version\n\ncommands:\n",
          to);
    for (size_t i = 0; i < COUNT_OF(commands); i++)
        fprintf(to, "  %-14s %s\n", commands[i]->name, commands[i]->summary);
    fputs(
        "\nThe broker is named by -b HOST:PORT or the environment's STELE_BOOTSTRAP (default "
        "127.0.0.1:9092).\n"
        "Data goes to stdout, talk to stderr. Every command takes --format text|json.\n"
        "Exit codes: 0 done; 1 the answer is bad (damage found, request refused); 2 wrong usage;\n"
        "3 broker or file not reachable; 4 an error while working.\n",
        to);
}

static const struct command *find(const char *name)
{
    for (size_t i = 0; i < COUNT_OF(commands); i++)
        if (strcmp(commands[i]->name, name) == 0) return commands[i];
    return NULL;
}

static int unknown(const char *name)
{
    const char *names[COUNT_OF(commands)];
    for (size_t i = 0; i < COUNT_OF(commands); i++) names[i] = commands[i]->name;
    const char *near = nearest(name, names, COUNT_OF(commands));
    fprintf(stderr, "stele: there is no command '%s'%s%s%s ('stele help' lists them)\n", name,
            near ? ", did you mean '" : "", near ? near : "", near ? "'?" : "");
    return EXIT_USAGE;
}

static int help(const char *name)
{
    if (!name) {
        print_usage(stdout);
        return EXIT_OK;
    }
    const struct command *c = find(name);
    if (!c) return unknown(name);
    printf("stele %s - %s\n\nexamples:\n%s\nAll options: stele %s --help\n", c->name, c->summary,
           c->examples, c->name);
    return EXIT_OK;
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        print_usage(stderr);
        return EXIT_USAGE;
    }
    if (strcmp(argv[1], "help") == 0) return help(argc > 2 ? argv[2] : NULL);
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) return help(NULL);
    if (strcmp(argv[1], "--version") == 0) {
        printf("stele %s\n", STELE_VERSION);
        return EXIT_OK;
    }
    const struct command *c = find(argv[1]);
    if (!c) return unknown(argv[1]);
    char name[64];
    argp_err_exit_status = EXIT_USAGE;
    snprintf(name, sizeof name, "stele %s", c->name);
    argv[1] = name;
    int code = c->run(argc - 1, argv + 1);
    if (fflush(stdout) != 0 || ferror(stdout)) {
        perror("stele: stdout");
        return code ? code : EXIT_BROKEN;
    }
    return code;
}
