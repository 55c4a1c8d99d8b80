#include "wire.h"

#include "protocol/kafka_error.h"

static void name__numbers_of_the_protocol__match(void **state)
{
    (void)state;
    assert_string_equal(kafka_error_name(-1), "UNKNOWN_SERVER_ERROR");
    assert_string_equal(kafka_error_name(0), "NONE");
    assert_string_equal(kafka_error_name(6), "NOT_LEADER_OR_FOLLOWER");
    assert_string_equal(kafka_error_name(35), "UNSUPPORTED_VERSION");
    assert_string_equal(kafka_error_name(56), "KAFKA_STORAGE_ERROR");
    assert_string_equal(kafka_error_name(87), "INVALID_RECORD");
    assert_string_equal(kafka_error_name(100), "UNKNOWN_TOPIC_ID");
    assert_string_equal(kafka_error_name(119), "INVALID_REGISTRATION");
    assert_string_equal(kafka_error_name(129), "REBOOTSTRAP_REQUIRED");
    assert_int_equal(KAFKA_ERR_NONE, 0);
    assert_int_equal(KAFKA_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER, 45);
    assert_int_equal(KAFKA_ERR_LAST, 135);
}

static void name__every_code__has_a_name_and_a_text_of_its_own(void **state)
{
    (void)state;
    for (int16_t a = -1; a <= KAFKA_ERR_LAST; a++) {
        assert_true(strlen(kafka_error_name(a)) > 3);
        assert_true(strlen(kafka_error_text(a)) > 7);
        for (int16_t b = -1; b < a; b++) {
            assert_string_not_equal(kafka_error_name(a), kafka_error_name(b));
            assert_string_not_equal(kafka_error_text(a), kafka_error_text(b));
        }
    }
}

static void name__outside_of_the_table__is_unknown(void **state)
{
    (void)state;
    static const int16_t OUTSIDE[] = {-2, INT16_MIN, KAFKA_ERR_LAST + 1, INT16_MAX};
    for (size_t i = 0; i < sizeof(OUTSIDE) / sizeof(OUTSIDE[0]); i++) {
        assert_string_equal(kafka_error_name(OUTSIDE[i]), "UNKNOWN_ERROR_CODE");
        assert_non_null(kafka_error_text(OUTSIDE[i]));
        assert_false(kafka_error_is_retriable(OUTSIDE[i]));
    }
}

static void is_retriable__what_clients_retry__and_what_not(void **state)
{
    (void)state;
    static const int16_t YES[] = {2, 3, 5, 6, 7, 9, 13, 14, 15, 16, 19, 20, 41, 56, 74, 75, 78, 88};
    static const int16_t NO[] = {0, 1, 4, 10, 17, 21, 25, 29, 35, 36, 42, 45, 47, 82, 87, 90, 129};
    for (size_t i = 0; i < sizeof(YES) / sizeof(YES[0]); i++)
        assert_true(kafka_error_is_retriable(YES[i]));
    for (size_t i = 0; i < sizeof(NO) / sizeof(NO[0]); i++)
        assert_false(kafka_error_is_retriable(NO[i]));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(name__numbers_of_the_protocol__match),
        cmocka_unit_test(name__every_code__has_a_name_and_a_text_of_its_own),
        cmocka_unit_test(name__outside_of_the_table__is_unknown),
        cmocka_unit_test(is_retriable__what_clients_retry__and_what_not),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
