/* run_stele - runs the program in a directory and keeps what it says. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct output {
    int code;   /* exit code; 128 + signal */
    char *text; /* stdout; owned */
    char *talk; /* stderr; owned */
};

/* A script for sh, in which "$STELE" is the program. */
struct output run_script(const char *dir, const char *script);
/* `arguments` as a shell takes them. */
struct output run_stele(const char *dir, const char *arguments);
void output_release(struct output *output);

/* Runs, and compares stdout with the golden file and the exit code with `code`. */
void assert_golden(const char *dir, const char *arguments, int code, const char *golden);
/* Every line of stdout is a JSON object. */
void assert_json_lines(const char *text);
