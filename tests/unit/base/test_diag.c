/* One event, one line, whole, in the promised shape. */
#include "cmocka_base.h"

#include <fcntl.h>
#include <regex.h>

#include "base/diag.h"

struct seen {
    char line[4096];
    enum diag_level level;
    int count;
};

static struct seen seen;

static void take(void *arg, enum diag_level level, const char *line)
{
    struct seen *into = arg;
    snprintf(into->line, sizeof into->line, "%s", line);
    into->level = level;
    into->count++;
}

static int start(void **state)
{
    (void)state;
    seen = (struct seen){0};
    diag_set_level(DIAG_INFO);
    diag_set_sink(take, &seen);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    diag_set_sink(NULL, NULL);
    diag_set_level(DIAG_INFO);
    return 0;
}

static void assert_matches(const char *line, const char *pattern)
{
    regex_t regex;
    assert_int_equal(regcomp(&regex, pattern, REG_EXTENDED | REG_NOSUB), 0);
    int result = regexec(&regex, line, 0, NULL, 0);
    regfree(&regex);
    if (result != 0) fail_msg("'%s' does not match '%s'", line, pattern);
}

#define TIME_PATTERN "^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\\.[0-9]{3}Z "

static void diag__event__line_of_the_promised_shape(void **state)
{
    (void)state;
    diag(DIAG_WARN, "log", "torn tail cut topic=%s bytes=%d", "orders", 812);
    assert_int_equal(seen.count, 1);
    assert_int_equal(seen.level, DIAG_WARN);
    assert_matches(seen.line, TIME_PATTERN "WARN  log: torn tail cut topic=orders bytes=812$");
}

static void diag__below_the_level__dropped(void **state)
{
    (void)state;
    diag(DIAG_DEBUG, "log", "detail");
    assert_int_equal(seen.count, 0);
    assert_false(diag_enabled(DIAG_DEBUG));
    diag_set_level(DIAG_DEBUG);
    assert_true(diag_enabled(DIAG_DEBUG));
    diag(DIAG_DEBUG, "log", "detail");
    assert_int_equal(seen.count, 1);
    diag_set_level(DIAG_ERROR);
    diag(DIAG_WARN, "log", "warning");
    assert_int_equal(seen.count, 1);
    diag(DIAG_ERROR, "log", "error");
    assert_int_equal(seen.count, 2);
}

static void diag__control_characters__stay_one_line(void **state)
{
    (void)state;
    diag(DIAG_INFO, "net", "client=%s", "a\nERROR forged\r\tline");
    assert_null(strpbrk(seen.line, "\n\r\t"));
    assert_matches(seen.line, "client=a ERROR forged  line$");
}

static void diag__too_long__cut_and_marked(void **state)
{
    (void)state;
    diag(DIAG_INFO, "net", "%5000d", 1);
    assert_int_equal(strlen(seen.line), 2047);
    assert_matches(seen.line, "\\.\\.\\.$");
}

static void diag__long_component__cut(void **state)
{
    (void)state;
    char name[4000];
    memset(name, 'n', sizeof name);
    name[sizeof name - 1] = 0;
    diag(DIAG_INFO, name, "text");
    assert_matches(seen.line, "INFO  n{64}: text$");
}

static void diag__without_a_sink__one_line_on_stderr(void **state)
{
    (void)state;
    int ends[2], saved = dup(STDERR_FILENO);
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    diag_set_sink(NULL, NULL);
    dup2(ends[1], STDERR_FILENO);
    diag(DIAG_ERROR, "os", "%4000d", 7);
    dup2(saved, STDERR_FILENO);
    char text[4096];
    ssize_t n = read(ends[0], text, sizeof text - 1);
    assert_int_equal(n, 2048);
    assert_int_equal(text[n - 1], '\n');
    text[n - 1] = 0;
    assert_matches(text, TIME_PATTERN "ERROR os: .*\\.\\.\\.$");
    close(ends[0]);
    close(ends[1]);
    close(saved);
}

static void diag_parse_level__names__only_the_four(void **state)
{
    (void)state;
    enum diag_level level = DIAG_ERROR;
    assert_true(diag_parse_level("debug", &level));
    assert_int_equal(level, DIAG_DEBUG);
    assert_true(diag_parse_level("info", &level));
    assert_int_equal(level, DIAG_INFO);
    assert_true(diag_parse_level("warn", &level));
    assert_int_equal(level, DIAG_WARN);
    assert_true(diag_parse_level("error", &level));
    assert_int_equal(level, DIAG_ERROR);
    assert_false(diag_parse_level("WARN", &level));
    assert_false(diag_parse_level("", &level));
    assert_int_equal(level, DIAG_ERROR);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(diag__event__line_of_the_promised_shape, start, stop),
        cmocka_unit_test_setup_teardown(diag__below_the_level__dropped, start, stop),
        cmocka_unit_test_setup_teardown(diag__control_characters__stay_one_line, start, stop),
        cmocka_unit_test_setup_teardown(diag__too_long__cut_and_marked, start, stop),
        cmocka_unit_test_setup_teardown(diag__long_component__cut, start, stop),
        cmocka_unit_test_setup_teardown(diag__without_a_sink__one_line_on_stderr, start, stop),
        cmocka_unit_test(diag_parse_level__names__only_the_four),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
