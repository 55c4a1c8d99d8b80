/* Values against types, bounds and choices; names that are nearly right. */
#include "metadata/settings.h"
#include "test.h"

static const char *const colours[] = {"red", "green", "blue", NULL};
static const char *const nothing[] = {"", NULL};
static const struct setting settings[] = {
    {.name = "a.bool", .type = SETTING_BOOL, .default_value = "true"},
    {.name = "a.colour", .type = SETTING_STRING, .choices = colours},
    {.name = "a.double", .type = SETTING_DOUBLE, .min = 0, .max = 1},
    {.name = "a.list", .type = SETTING_LIST, .choices = colours},
    {.name = "a.long", .type = SETTING_LONG, .min = -1, .max = (double)INT64_MAX},
    {.name = "a.password", .type = SETTING_PASSWORD},
    {.name = "a.plugin", .type = SETTING_STRING, .choices = nothing},
    {.name = "a.port", .type = SETTING_INT, .min = 1, .max = 65535},
    {.name = "an.int", .type = SETTING_INT},
};
static const struct setting_table table = {settings, COUNT_OF(settings)};

static err_t check(const char *name, const char *value, char *message)
{
    const struct setting *setting = setting_find(&table, view_str(name));
    assert_non_null(setting);
    return setting_check(setting, view_str(value), message, 300);
}

static void find__each_name__is_there(void **state)
{
    (void)state;
    for (size_t i = 0; i < table.count; i++) {
        assert_ptr_equal(setting_find(&table, view_str(settings[i].name)), &settings[i]);
    }
    static const char *const unknown[] = {"", "a", "a.boo", "a.booll", "zzz", "a.c"};
    for (size_t i = 0; i < COUNT_OF(unknown); i++) {
        assert_null(setting_find(&table, view_str(unknown[i])));
    }
    assert_null(setting_find(&table, view_of(NULL, 0)));
}

static void nearest__typing_error__is_seen(void **state)
{
    (void)state;
    assert_string_equal(setting_nearest(&table, view_str("a.colors")), "a.colour");
    assert_string_equal(setting_nearest(&table, view_str("an.imt")), "an.int");
    assert_null(setting_nearest(&table, view_str("zookeeper.connect")));
    char longest[5000];
    memset(longest, 'a', sizeof(longest));
    assert_null(setting_nearest(&table, view_of(longest, sizeof(longest))));
}

static void check__good_values__are_taken(void **state)
{
    (void)state;
    static const char *const good[][2] = {
        {"a.bool", "true"},
        {"a.bool", "FALSE"},
        {"a.bool", " true "},
        {"a.colour", "red"},
        {"a.colour", " blue"},
        {"a.double", "0.5"},
        {"a.double", "1"},
        {"a.double", "1e-3"},
        {"a.list", "red,green"},
        {"a.list", " red , blue"},
        {"a.list", ""},
        {"a.long", "-1"},
        {"a.long", "9223372036854775807"},
        {"a.password", "any, thing"},
        {"a.plugin", ""},
        {"a.port", "1"},
        {"a.port", "65535"},
        {"an.int", "-2147483648"},
        {"an.int", "2147483647"},
        {"an.int", "+7"},
    };
    for (size_t i = 0; i < COUNT_OF(good); i++) {
        char message[300] = "";
        if (check(good[i][0], good[i][1], message) != OK) fail_msg("%s", message);
    }
}

static void check__bad_values__are_refused_with_name_value_and_bounds(void **state)
{
    (void)state;
    static const struct {
        const char *name, *value, *allowed;
    } bad[] = {
        {"a.bool", "yes", "true or false"},
        {"a.bool", "", "true or false"},
        {"a.colour", "pink", "one of red, green, blue"},
        {"a.colour", "Red", "one of red, green, blue"},
        {"a.double", "1.5", "a number from 0 to 1"},
        {"a.double", "nan", "a number from 0 to 1"},
        {"a.double", "0x1", "a number from 0 to 1"},
        {"a.list", "red,pink", "a comma-separated list of red, green, blue"},
        {"a.long", "-2", "a whole number of at least -1"},
        {"a.long", "9223372036854775808", "a whole number of at least -1"},
        {"a.long", "1 2", "a whole number of at least -1"},
        {"a.long", "ten", "a whole number of at least -1"},
        {"a.plugin", "org.example.Thing", "only the empty one"},
        {"a.port", "0", "a whole number from 1 to 65535"},
        {"a.port", "65536", "a whole number from 1 to 65535"},
        {"a.port", "80.0", "a whole number from 1 to 65535"},
        {"an.int", "2147483648", "a whole number"},
        {"an.int", "", "a whole number"},
    };
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        char message[300] = "", want[300];
        assert_err(check(bad[i].name, bad[i].value, message), ERR_INVALID);
        snprintf(want, sizeof(want), "Invalid value \"%s\" for %s: allowed is %s", bad[i].value,
                 bad[i].name, bad[i].allowed);
        assert_string_equal(message, want);
    }
}

static void check__value_with_zero_byte__is_no_number(void **state)
{
    (void)state;
    assert_err(setting_check(&settings[7], view_of("1\0002", 3), NULL, 0), ERR_INVALID);
}

static void refusal__long_or_odd_value__is_cut_and_masked(void **state)
{
    (void)state;
    char value[300], message[500];
    memset(value, 'x', sizeof(value));
    value[0] = '\033';
    assert_err(setting_check(&settings[0], view_of(value, sizeof(value)), message, sizeof(message)),
               ERR_INVALID);
    assert_non_null(strstr(message, "\"?xxx"));
    assert_non_null(strstr(message, "xxx...\" for a.bool"));
    assert_true(strlen(message) < 200);
}

static void unknown__near_name__is_offered(void **state)
{
    (void)state;
    char message[300];
    setting_unknown(&table, view_str("a.prt"), message, sizeof(message));
    assert_string_equal(message, "Unknown setting \"a.prt\"; did you mean a.port?");
    setting_unknown(&table, view_str("what on earth"), message, sizeof(message));
    assert_string_equal(message, "Unknown setting \"what on earth\"");
}

static void parse__checked_values__come_out(void **state)
{
    (void)state;
    assert_true(setting_parse_bool("TRUE"));
    assert_false(setting_parse_bool("false"));
    assert_int_equal(setting_parse_long(" -12 "), -12);
    assert_true(setting_parse_double("0.25") == 0.25);
    assert_true(setting_list_has("compact, delete", "delete"));
    assert_false(setting_list_has("compact,deleted", "delete"));
    assert_false(setting_list_has("", ""));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(find__each_name__is_there),
        cmocka_unit_test(nearest__typing_error__is_seen),
        cmocka_unit_test(check__good_values__are_taken),
        cmocka_unit_test(check__bad_values__are_refused_with_name_value_and_bounds),
        cmocka_unit_test(check__value_with_zero_byte__is_no_number),
        cmocka_unit_test(refusal__long_or_odd_value__is_cut_and_masked),
        cmocka_unit_test(unknown__near_name__is_offered),
        cmocka_unit_test(parse__checked_values__come_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
