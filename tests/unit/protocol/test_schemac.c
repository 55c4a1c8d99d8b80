/* schemac as its user sees it: good schemas make code, bad ones are refused with file and line. */
#include "wire.h"

#include <stdio.h>
#include <sys/wait.h>

#include "lib/temp_dir.h"

struct fixture {
    struct temp_dir dir;
    char output[4096]; /* what schemac said, both streams */
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    assert_non_null(f);
    temp_dir_make(&f->dir);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    temp_dir_remove(&f->dir);
    free(f);
    return 0;
}

/* Runs schemac on one schema; returns its exit code. */
static int run(struct fixture *f, const char *schema)
{
    char path[256], command[1024];
    snprintf(path, sizeof(path), "%s/x.schema", f->dir.path);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(schema, file);
    fclose(file);
    snprintf(command, sizeof(command), "'%s' '%s' '%s' 2>&1", SCHEMAC, f->dir.path, path);
    FILE *pipe = popen(command, "r");
    assert_non_null(pipe);
    size_t len = fread(f->output, 1, sizeof(f->output) - 1, pipe);
    f->output[len] = '\0';
    int status = pclose(pipe);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static void assert_refused(void **state, const char *schema, int line, const char *message)
{
    struct fixture *f = *state;
    char expected[512];
    assert_int_equal(run(f, schema), 1);
    snprintf(expected, sizeof(expected), "%s/x.schema:%d: error: ", f->dir.path, line);
    assert_ptr_equal(strstr(f->output, expected), f->output);
    if (!strstr(f->output, message)) fail_msg("said: %s", f->output);
}

static void assert_generated(struct fixture *f, const char *name, const char *text)
{
    char path[256], content[16384];
    snprintf(path, sizeof(path), "%s/%s", f->dir.path, name);
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    size_t len = fread(content, 1, sizeof(content) - 1, file);
    content[len] = '\0';
    fclose(file);
    if (!strstr(content, text)) fail_msg("no '%s' in %s:\n%s", text, name, content);
}

#define REQUEST  "api 7 try_it\nrequest 0-3 flexible 2\n"
#define RESPONSE "response 0-3 flexible 2\n    error_code  int16  0+\n"

static void schemac__good_schema__writes_structs_and_tables(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(run(f, "# a comment\n" REQUEST "    names   []string  0+  null 1+\n"
                            "    one     thing     1+   # another\n"
                            "        id   int64  1+  default -1\n"
                            "        tip  uuid   2+  tag 0  ignorable\n"
                            "    more    []thing   3\n" RESPONSE),
                     0);
    assert_string_equal(f->output, "");
    assert_generated(f, "messages.h", "API_TRY_IT = 7,");
    assert_generated(f, "messages.h", "struct try_it_request_thing one;");
    assert_generated(f, "messages.h", "struct try_it_request_thing *more;");
    assert_generated(f, "messages.h", "int32_t more_count;");
    assert_generated(f, "messages.c", "{\"names\", 0xf, 0xe, 0x0, 0, ");
    assert_generated(f, "messages.c", "{\"more\", 0x8, 0x0, 0x0, 0, ");
    assert_generated(f, "messages.c", "{.id = -1}");
    assert_generated(f, "messages.c", "{7, 0, 3, \"TryIt\", \"try_it\", ");
}

static void schemac__records__have_sets_and_ids(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(run(f, "record fruit 3-4 apple 3-4 flexible none\n    size  int8  3+\n"
                            "record fruit 9 pear 0 flexible 0\n"),
                     0);
    assert_generated(f, "messages.h", "RECORD_SET_FRUIT,");
    assert_generated(f, "messages.h", "RECORD_ID_PEAR = 9,");
    assert_generated(f, "messages.c", "{RECORD_SET_FRUIT, 3, 4, &apple_message},");
}

static void schemac__bad_lines__refused(void **state)
{
    assert_refused(state, "", 0, "no api and no record");
    assert_refused(state, "apo 1 x\n", 1, "'apo' is neither");
    assert_refused(state, "api x y\n", 1, "not a number");
    assert_refused(state, "api 40000 y\n", 1, "not a number");
    assert_refused(state, "api 1 CamelCase\n", 1, "not a name in snake_case");
    assert_refused(state, "request 0 flexible 0\n", 1, "needs an 'api' line");
    assert_refused(state, "api 1 x\nrequest 0\n", 2, "'flexible N'");
    assert_refused(state, "api 1 x\nrequest 3-1 flexible 0\n", 2, "is empty");
    assert_refused(state, "api 1 x\nrequest 0-40 flexible 0\n", 2, "beyond 31");
    assert_refused(state, "api 1 x\nrequest 0-1 flexible 2\n", 2, "beyond the last version");
}

static void schemac__bad_fields__refused(void **state)
{
    assert_refused(state, REQUEST "    x\n", 3, "type is missing");
    assert_refused(state, REQUEST "    x  int8\n", 3, "versions is missing");
    assert_refused(state, REQUEST "    x  int8  a\n", 3, "not a number");
    assert_refused(state, REQUEST "    x  int8  0..2\n", 3, "is not a range");
    assert_refused(state, REQUEST "    x  int8  4+\n", 3, "is empty");
    assert_refused(state, REQUEST "    x  int8  7-9\n", 3, "in no version");
    assert_refused(state, REQUEST "    x  int8  0+  often\n", 3, "'often' is neither");
    assert_refused(state, REQUEST "   x  int8  0+\n", 3, "indentation of 3");
    assert_refused(state, REQUEST "\tx  int8  0+\n", 3, "tabs");
    assert_refused(state, REQUEST "    x  int8  0+\n        y  int8  0+\n", 4, "nothing is open");
    assert_refused(state, REQUEST "    x  int8  0+  default 128\n" RESPONSE, 3, "does not fit");
    assert_refused(state, REQUEST "    x  int8  0+  default 1x\n" RESPONSE, 3, "does not fit");
    assert_refused(state, REQUEST "    x  bool  0+  default 1\n" RESPONSE, 3, "true or false");
    assert_refused(state, REQUEST "    x  int8  0+  default null\n" RESPONSE, 3, "never null");
    assert_refused(state, REQUEST "    x  int8  0+  null\n" RESPONSE, 3, "cannot be null");
    assert_refused(state, REQUEST "    x  string  2+  null 0-1\n" RESPONSE, 3, "in no version");
    assert_refused(state, REQUEST "    int  int8  0+\n" RESPONSE, 3, "word of C");
    assert_refused(state, REQUEST "    x  int8  0+\n    x  int8  0+\n" RESPONSE, 4, "second field");
}

static void schemac__bad_structs_and_tags__refused(void **state)
{
    assert_refused(state, REQUEST "    x  thing  0+\n" RESPONSE, 2, "has no fields");
    assert_refused(state, REQUEST "    x  thing  0+  null\n        y  int8  0+\n" RESPONSE, 3,
                   "needs 'default null'");
    assert_refused(state, REQUEST "    x  thing  0+\n        y  []thing  0+\n" RESPONSE, 4,
                   "contains itself");
    assert_refused(state, REQUEST "    x  int8  1+  tag 0\n" RESPONSE, 3,
                   "not all of its versions");
    assert_refused(state, REQUEST "    x  int8  2+  tag 1\n    y  int8  2+  tag 1\n" RESPONSE, 4,
                   "does not follow");
    assert_refused(state, REQUEST "    x  records  2+  tag 0\n" RESPONSE, 3, "nor tagged");
    assert_refused(state, REQUEST "    x  thing  2+  tag 0\n        y  records  2+\n" RESPONSE, 4,
                   "below a tagged field");
}

static void schemac__sides_that_disagree__refused(void **state)
{
    assert_refused(state, REQUEST, 1, "lacks its request or response");
    assert_refused(state, REQUEST "response 0-4 flexible 2\n", 3, "versions differ");
    assert_refused(state, REQUEST "response 0-3 flexible 1\n", 3, "flexible versions differ");
    assert_refused(state, REQUEST REQUEST, 4, "second message");
    assert_refused(state,
                   REQUEST RESPONSE "api 7 other\nrequest 0 flexible 0\n"
                                    "response 0 flexible 0\n",
                   1, "second api with key 7");
    assert_refused(state, REQUEST RESPONSE "record s 1 try_it_request 0 flexible 0\n", 5,
                   "second message");
}

static void schemac__missing_file_or_arguments__refused(void **state)
{
    struct fixture *f = *state;
    char command[1024];
    snprintf(command, sizeof(command), "'%s' '%s' '%s/none.schema' 2>/dev/null", SCHEMAC,
             f->dir.path, f->dir.path);
    assert_int_equal(WEXITSTATUS(system(command)), 1);
    snprintf(command, sizeof(command), "'%s' 2>/dev/null", SCHEMAC);
    assert_int_equal(WEXITSTATUS(system(command)), 2);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(schemac__good_schema__writes_structs_and_tables),
        TEST(schemac__records__have_sets_and_ids),
        TEST(schemac__bad_lines__refused),
        TEST(schemac__bad_fields__refused),
        TEST(schemac__bad_structs_and_tags__refused),
        TEST(schemac__sides_that_disagree__refused),
        TEST(schemac__missing_file_or_arguments__refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
