/* Addresses as text, and the count of connections for each host. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include <arpa/inet.h>

#include "address.h"
#include "base/check.h"

static union address v4(const char *host, int port)
{
    union address address = {.v4 = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)}};
    assert_int_equal(inet_pton(AF_INET, host, &address.v4.sin_addr), 1);
    return address;
}

static union address v6(const char *host, int port)
{
    union address address = {.v6 = {.sin6_family = AF_INET6, .sin6_port = htons((uint16_t)port)}};
    assert_int_equal(inet_pton(AF_INET6, host, &address.v6.sin6_addr), 1);
    return address;
}

static void assert_text(union address address, const char *expected)
{
    char text[ADDRESS_TEXT_MAX];
    address_text(&address, text);
    assert_string_equal(text, expected);
}

static void text__of_each_family__is_what_people_write(void **state)
{
    (void)state;
    assert_text(v4("127.0.0.1", 9092), "127.0.0.1:9092");
    assert_text(v6("::1", 9092), "[::1]:9092");
    assert_text(v6("::ffff:10.1.2.3", 80), "10.1.2.3:80");
    assert_text(v6("2001:db8:1111:2222:3333:4444:5555:6666", 65535),
                "[2001:db8:1111:2222:3333:4444:5555:6666]:65535");
    assert_text((union address){0}, "?:0");
}

static void counts__up_to_the_maximum__then_refuse(void **state)
{
    (void)state;
    struct address_counts counts;
    address_counts_init(&counts, 2);
    union address a = v4("10.0.0.1", 1), same = v6("::ffff:10.0.0.1", 2), b = v4("10.0.0.2", 1);
    assert_int_equal(address_counts_add(&counts, &a), OK);
    assert_int_equal(address_counts_add(&counts, &same), OK); /* the same host */
    assert_int_equal(address_counts_add(&counts, &a), ERR_LIMIT);
    assert_int_equal(address_counts_add(&counts, &b), OK);
    address_counts_remove(&counts, &same);
    assert_int_equal(address_counts_add(&counts, &a), OK);
    address_counts_remove(&counts, &a);
    address_counts_remove(&counts, &a);
    assert_int_equal(counts.counts.count, 1); /* a host without connections costs nothing */
    address_counts_release(&counts);
}

static void counts__without_a_maximum__are_not_kept(void **state)
{
    (void)state;
    struct address_counts counts;
    address_counts_init(&counts, 0);
    union address a = v4("10.0.0.1", 1);
    for (int i = 0; i < 100; i++) assert_int_equal(address_counts_add(&counts, &a), OK);
    address_counts_remove(&counts, &a);
    assert_int_equal(counts.counts.count, 0);
    address_counts_release(&counts);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text__of_each_family__is_what_people_write),
        cmocka_unit_test(counts__up_to_the_maximum__then_refuse),
        cmocka_unit_test(counts__without_a_maximum__are_not_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
