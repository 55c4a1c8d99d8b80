/* Every code has its own name; errno values find the code a caller would act on. */
#include "cmocka_base.h"

#include <errno.h>
#include <signal.h>

#include "base/err.h"

static void err_name__every_code__own_name(void **state)
{
    (void)state;
    for (int a = 0; a < ERR__COUNT; a++) {
        assert_true(strlen(err_name((err_t)a)) > 1);
        for (int b = 0; b < a; b++) assert_string_not_equal(err_name((err_t)a), err_name((err_t)b));
    }
}

static void name_of(void *arg) { (void)err_name(*(err_t *)arg); }

static void err_name__no_code__stops(void **state)
{
    (void)state;
    err_t wrong = ERR__COUNT;
    assert_int_equal(signal_that_ends(name_of, &wrong), SIGABRT);
}

static void err_from_errno__known_values__categories(void **state)
{
    (void)state;
    static const struct {
        int errnum;
        err_t err;
    } cases[] = {{0, OK},
                 {ENOMEM, ERR_NOMEM},
                 {ENOSPC, ERR_NOSPACE},
                 {EDQUOT, ERR_NOSPACE},
                 {EACCES, ERR_PERM},
                 {EROFS, ERR_PERM},
                 {ENOENT, ERR_NOT_FOUND},
                 {EEXIST, ERR_EXISTS},
                 {EADDRINUSE, ERR_BUSY},
                 {EAGAIN, ERR_AGAIN},
                 {ECONNRESET, ERR_CLOSED},
                 {EMFILE, ERR_LIMIT},
                 {EINVAL, ERR_INVALID},
                 {EIO, ERR_IO},
                 {123456, ERR_IO}};
    for (size_t i = 0; i < COUNT_OF(cases); i++)
        assert_err(err_from_errno(cases[i].errnum), cases[i].err);
}

static err_t try_it(err_t first, int *reached)
{
    TRY(first);
    *reached = 1;
    return ERR_CLOSED;
}

static void try__error__returns_it_at_once(void **state)
{
    (void)state;
    int reached = 0;
    assert_err(try_it(ERR_IO, &reached), ERR_IO);
    assert_int_equal(reached, 0);
    assert_err(try_it(OK, &reached), ERR_CLOSED);
    assert_int_equal(reached, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(err_name__every_code__own_name),
        cmocka_unit_test(err_name__no_code__stops),
        cmocka_unit_test(err_from_errno__known_values__categories),
        cmocka_unit_test(try__error__returns_it_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
