/* A page that cannot be read becomes an error inside the guard and stays deadly outside. */
#include "cmocka_base.h"

#include <signal.h>

#include "base/guard.h"
#include "base/os.h"
#include "lib/temp_dir.h"

enum { PAGE_BYTES = 4096 };

/* A mapping of two pages whose file was cut to nothing: any load from it fails. */
struct cut_mapping {
    struct temp_dir dir;
    int fd;
    const volatile uint8_t *bytes;
};

static int make(void **state)
{
    static struct cut_mapping m;
    const struct os *os = os_real();
    char path[256];
    int err;
    temp_dir_make(&m.dir);
    snprintf(path, sizeof path, "%s/file", m.dir.path);
    m.fd = os->open(os, path, OS_WRITE | OS_CREATE);
    CHECK(m.fd >= 0 && os->truncate(os, m.fd, 2 * PAGE_BYTES) == 0);
    m.bytes = os->map(os, m.fd, 2 * PAGE_BYTES, &err);
    CHECK(m.bytes && os->truncate(os, m.fd, 0) == 0);
    *state = &m;
    return 0;
}

static int unmake(void **state)
{
    struct cut_mapping *m = *state;
    os_real()->unmap(os_real(), (void *)m->bytes, 2 * PAGE_BYTES);
    os_real()->close(os_real(), m->fd);
    temp_dir_remove(&m->dir);
    return 0;
}

static err_t touch(void *arg)
{
    const struct cut_mapping *m = arg;
    return m->bytes[PAGE_BYTES] == 1 ? OK : ERR_INVALID;
}

static err_t touch_inside_twice(void *arg)
{
    if (guard_run(touch, arg) != ERR_IO) return ERR_INVALID;
    return touch(arg); /* the outer guard has to be in place again */
}

static err_t give(void *arg) { return *(err_t *)arg; }

/* cmocka puts handlers of its own around each test. So every case runs in a child, which installs
 * the guard anew and in which a CHECK is the assertion. */

static void pass_results_on(void *arg)
{
    (void)arg;
    err_t err = OK;
    CHECK(guard_run(give, &err) == OK);
    err = ERR_RANGE;
    CHECK(guard_run(give, &err) == ERR_RANGE);
}

static void guard_run__no_fault__result_passed_on(void **state)
{
    assert_int_equal(signal_that_ends(pass_results_on, *state), 0);
}

static void touch_thrice(void *arg)
{
    for (int i = 0; i < 3; i++) CHECK(guard_run(touch, arg) == ERR_IO);
}

static void guard_run__fault__error_again_and_again(void **state)
{
    assert_int_equal(signal_that_ends(touch_thrice, *state), 0);
}

static void touch_nested(void *arg) { CHECK(guard_run(touch_inside_twice, arg) == ERR_IO); }

static void guard_run__nested_fault__outer_still_guards(void **state)
{
    assert_int_equal(signal_that_ends(touch_nested, *state), 0);
}

static void touch_unguarded(void *arg)
{
    if (guard_run(touch, arg) == ERR_IO) (void)touch(arg);
}

/* By SIGBUS, or by a sanitizer's report. */
static void guard__fault_outside__ends_the_process(void **state)
{
    signal(SIGBUS, SIG_DFL);
    int end = signal_that_ends(touch_unguarded, *state);
    assert_true(end == SIGBUS || end == ENDED_BY_SANITIZER);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(guard_run__no_fault__result_passed_on),
        cmocka_unit_test_setup_teardown(guard_run__fault__error_again_and_again, make, unmake),
        cmocka_unit_test_setup_teardown(guard_run__nested_fault__outer_still_guards, make, unmake),
        cmocka_unit_test_setup_teardown(guard__fault_outside__ends_the_process, make, unmake),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
