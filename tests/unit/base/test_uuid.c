/* Text and bytes of ids, as Kafka writes them. */
#include "cmocka_base.h"

#include "base/env.h"
#include "base/uuid.h"
#include "lib/rng.h"

static const char *text_of(struct uuid uuid)
{
    static char text[UUID_TEXT_LEN + 1];
    uuid_format(uuid, text);
    return text;
}

static void uuid_format__known_ids__kafkas_text(void **state)
{
    (void)state;
    struct uuid one = {{0}}, ones;
    one.bytes[15] = 1;
    memset(ones.bytes, 0xff, 16);
    assert_string_equal(text_of((struct uuid){{0}}), "AAAAAAAAAAAAAAAAAAAAAA");
    assert_string_equal(text_of(one), "AAAAAAAAAAAAAAAAAAAAAQ"); /* the metadata topic's */
    assert_string_equal(text_of(ones), "_____________________w");
}

static void uuid_parse__formatted__the_same(void **state)
{
    (void)state;
    struct rng rng = {1};
    for (int i = 0; i < 1000; i++) {
        struct uuid u, back;
        for (int b = 0; b < 16; b++) u.bytes[b] = (uint8_t)rng_next(&rng);
        assert_ok(uuid_parse(view_str(text_of(u)), &back));
        assert_true(uuid_eq(u, back));
    }
}

static void uuid_parse__malformed__invalid(void **state)
{
    (void)state;
    struct uuid u;
    assert_err(uuid_parse(view_str(""), &u), ERR_INVALID);
    assert_err(uuid_parse(view_str("AAAAAAAAAAAAAAAAAAAAA"), &u), ERR_INVALID);
    assert_err(uuid_parse(view_str("AAAAAAAAAAAAAAAAAAAAAAA"), &u), ERR_INVALID);
    assert_err(uuid_parse(view_str("AAAAAAAAAA+AAAAAAAAAAA"), &u), ERR_INVALID);
    assert_err(uuid_parse(view_str("AAAAAAAAAAAAAAAAAAAA=="), &u), ERR_INVALID);
    assert_err(uuid_parse(view_of("AAAAAAAAAA\0AAAAAAAAAAA", 22), &u), ERR_INVALID);
    assert_err(uuid_parse(view_str("AAAAAAAAAAAAAAAAAAAAAB"), &u), ERR_INVALID); /* unused bits */
}

static void uuid_random__many__version_4_and_distinct(void **state)
{
    (void)state;
    struct uuid last = {{0}};
    for (int i = 0; i < 5000; i++) {
        struct uuid u = uuid_random(random_real());
        assert_int_equal(u.bytes[6] >> 4, 4);
        assert_int_equal(u.bytes[8] >> 6, 2);
        assert_true(text_of(u)[0] != '-');
        assert_false(uuid_eq(u, last) || uuid_is_zero(u));
        last = u;
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(uuid_format__known_ids__kafkas_text),
        cmocka_unit_test(uuid_parse__formatted__the_same),
        cmocka_unit_test(uuid_parse__malformed__invalid),
        cmocka_unit_test(uuid_random__many__version_4_and_distinct),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
