/* See run_stele.h. */
#include "run_stele.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include <jansson.h>

#include "base/buf.h"
#include "base/check.h"

static char *read_all(const char *path)
{
    FILE *file = fopen(path, "r");
    struct buf text = {0};
    char piece[4096];
    size_t n;
    if (!file) return NULL;
    while ((n = fread(piece, 1, sizeof piece, file)) > 0) CHECK(buf_append(&text, piece, n) == OK);
    CHECK(buf_append(&text, "", 1) == OK);
    fclose(file);
    return (char *)text.data;
}

struct output run_script(const char *dir, const char *script)
{
    char command[4096], out[256], err[256];
    struct output output;
    snprintf(out, sizeof out, "%s/.stdout-%d", dir, (int)getpid());
    snprintf(err, sizeof err, "%s/.stderr-%d", dir, (int)getpid());
    int len = snprintf(command, sizeof command, "cd '%s' && STELE='%s' && { %s\n} >'%s' 2>'%s' <&-",
                       dir, STELE, script, out, err);
    CHECK(len < (int)sizeof command);
    int status = system(command);
    output.code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    output.text = read_all(out);
    output.talk = read_all(err);
    CHECK(output.text && output.talk);
    unlink(out);
    unlink(err);
    return output;
}

struct output run_stele(const char *dir, const char *arguments)
{
    char script[2048];
    CHECK(snprintf(script, sizeof script, "\"$STELE\" %s", arguments) < (int)sizeof script);
    return run_script(dir, script);
}

void output_release(struct output *output)
{
    free(output->text);
    free(output->talk);
}

static void write_golden(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");
    CHECK(file && fputs(text, file) >= 0 && fclose(file) == 0);
}

void assert_golden(const char *dir, const char *arguments, int code, const char *golden)
{
    char path[1024];
    struct output output = run_stele(dir, arguments);
    snprintf(path, sizeof path, "%s/%s", GOLDEN_TOOLS, golden);
    if (getenv("STELE_GOLDEN_UPDATE")) write_golden(path, output.text);
    char *expected = read_all(path);
    if (!expected) fail_msg("%s is missing", path);
    if (strcmp(expected, output.text) != 0)
        fail_msg("stele %s: not as in %s:\n%s%s", arguments, golden, output.text, output.talk);
    if (output.code != code)
        fail_msg("stele %s: exit code %d\n%s%s", arguments, output.code, output.text, output.talk);
    free(expected);
    output_release(&output);
}

void assert_json_lines(const char *text)
{
    while (*text) {
        const char *end = strchr(text, '\n');
        json_error_t error;
        assert_non_null(end);
        json_t *json = json_loadb(text, (size_t)(end - text), JSON_ALLOW_NUL, &error);
        if (!json_is_object(json)) fail_msg("%s in: %.*s", error.text, (int)(end - text), text);
        json_decref(json);
        text = end + 1;
    }
}
