/* Every error of ours has a Kafka error, and the newer ones have stand-ins. */
#include "fixture.h"

static void kafka_error_of__every_error__is_known(void **state)
{
    (void)state;
    assert_int_equal(kafka_error_of(OK), KAFKA_ERR_NONE);
    for (int err = OK + 1; err < ERR__COUNT; err++) {
        enum kafka_error error = kafka_error_of((err_t)err);
        if (error == KAFKA_ERR_NONE || error == KAFKA_ERR_UNKNOWN_SERVER_ERROR)
            fail_msg("\"%s\" has no Kafka error", err_name((err_t)err));
    }
}

static void kafka_error_of__what_producers_see__is_exact(void **state)
{
    (void)state;
    const struct {
        err_t err;
        int code;
    } wanted[] = {
        {ERR_CORRUPT, 2},         {ERR_NOT_LEADER, 6},   {ERR_TOO_LARGE, 10},
        {ERR_TIMESTAMP, 32},      {ERR_UNSUPPORTED, 43}, {ERR_SEQUENCE, 45},
        {ERR_PRODUCER_EPOCH, 47}, {ERR_FAILED, 56},      {ERR_IO, 56},
        {ERR_NOSPACE, 56},        {ERR_DAMAGED, 56},     {ERR_STALE_EPOCH, 74},
        {ERR_UNKNOWN_EPOCH, 75},  {ERR_INVALID, 87},     {ERR_NO_KEY, 87},
        {ERR_RANGE, 1},           {ERR_NOT_FOUND, 3},    {ERR_TIMEOUT, 7},
    };
    for (size_t i = 0; i < COUNT_OF(wanted); i++)
        assert_int_equal(kafka_error_of(wanted[i].err), wanted[i].code);
}

static void kafka_error_for__old_version__gets_an_old_error(void **state)
{
    (void)state;
    assert_int_equal(kafka_error_for(API_FETCH, 5, KAFKA_ERR_KAFKA_STORAGE_ERROR), 6);
    assert_int_equal(kafka_error_for(API_FETCH, 6, KAFKA_ERR_KAFKA_STORAGE_ERROR), 56);
    assert_int_equal(kafka_error_for(API_PRODUCE, 3, KAFKA_ERR_KAFKA_STORAGE_ERROR), 6);
    assert_int_equal(kafka_error_for(API_METADATA, 1, KAFKA_ERR_LISTENER_NOT_FOUND), 5);
    assert_int_equal(kafka_error_for(API_FETCH, 4, KAFKA_ERR_OFFSET_OUT_OF_RANGE), 1);
    assert_int_equal(kafka_error_for(API_FETCH, 4, KAFKA_ERR_NONE), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(kafka_error_of__every_error__is_known),
        cmocka_unit_test(kafka_error_of__what_producers_see__is_exact),
        cmocka_unit_test(kafka_error_for__old_version__gets_an_old_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
