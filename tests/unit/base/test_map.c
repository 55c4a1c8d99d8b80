/* Against a model that is too simple to be wrong, and the promises about order. */
#include "cmocka_base.h"

#include "base/map.h"
#include "lib/rng.h"

static int values[2000];

static void map_get__empty__null(void **state)
{
    (void)state;
    struct map m = {0};
    size_t i = 0;
    assert_null(map_get(&m, view_str("a")));
    assert_null(map_remove(&m, view_str("a")));
    assert_null(map_next(&m, &i));
    map_release(&m);
}

static void map_put__new_and_again__replaced(void **state)
{
    (void)state;
    struct map m = {0};
    void *old = &m;
    assert_ok(map_put(&m, view_str("a"), &values[1], &old));
    assert_null(old);
    assert_ok(map_put(&m, view_str("a"), &values[2], &old));
    assert_ptr_equal(old, &values[1]);
    assert_ok(map_put(&m, view_str("a"), &values[3], NULL));
    assert_ptr_equal(map_get(&m, view_str("a")), &values[3]);
    assert_int_equal(m.count, 1);
    map_release(&m);
}

static void map_put__key_bytes__copied(void **state)
{
    (void)state;
    struct map m = {0};
    char key[] = "key";
    assert_ok(map_put(&m, view_str(key), &values[1], NULL));
    memset(key, 'x', 3);
    assert_ptr_equal(map_get(&m, view_str("key")), &values[1]);
    assert_null(map_get(&m, view_str(key)));
    map_release(&m);
}

static void map_put__empty_and_binary_keys__distinct(void **state)
{
    (void)state;
    struct map m = {0};
    assert_ok(map_put(&m, view_of(NULL, 0), &values[1], NULL));
    assert_ok(map_put(&m, view_of("\0", 1), &values[2], NULL));
    assert_ok(map_put(&m, view_of("\0\0", 2), &values[3], NULL));
    assert_ptr_equal(map_get(&m, view_str("")), &values[1]);
    assert_ptr_equal(map_get(&m, view_of("\0", 1)), &values[2]);
    assert_ptr_equal(map_get(&m, view_of("\0\0", 2)), &values[3]);
    map_release(&m);
}

static void map_next__nothing_removed__insertion_order(void **state)
{
    (void)state;
    struct map m = {0};
    char key[32];
    for (int i = 0; i < 2000; i++) {
        snprintf(key, sizeof key, "topic-%d", i);
        assert_ok(map_put(&m, view_str(key), &values[i], NULL));
    }
    size_t at = 0;
    int seen = 0;
    for (const struct map_entry *e; (e = map_next(&m, &at)); seen++) {
        snprintf(key, sizeof key, "topic-%d", seen);
        assert_true(view_eq(e->key, view_str(key)));
        assert_ptr_equal(e->value, &values[seen]);
    }
    assert_int_equal(seen, 2000);
    map_release(&m);
}

static void map_remove__then_put__found_again(void **state)
{
    (void)state;
    struct map m = {0};
    assert_ok(map_put(&m, view_str("a"), &values[1], NULL));
    assert_ok(map_put(&m, view_str("b"), &values[2], NULL));
    assert_ptr_equal(map_remove(&m, view_str("a")), &values[1]);
    assert_null(map_get(&m, view_str("a")));
    assert_null(map_remove(&m, view_str("a")));
    assert_ptr_equal(map_get(&m, view_str("b")), &values[2]);
    assert_ok(map_put(&m, view_str("a"), &values[3], NULL));
    assert_ptr_equal(map_get(&m, view_str("a")), &values[3]);
    assert_int_equal(m.count, 2);
    map_release(&m);
}

/* Coming and going for ever must not make it grow for ever. */
static void map__put_and_remove_many__stays_small(void **state)
{
    (void)state;
    struct map m = {0};
    char key[32];
    for (int i = 0; i < 100000; i++) {
        snprintf(key, sizeof key, "c%d", i);
        assert_ok(map_put(&m, view_str(key), &values[0], NULL));
        assert_ptr_equal(map_remove(&m, view_str(key)), &values[0]);
    }
    assert_int_equal(m.count, 0);
    assert_true(m.cap <= 64);
    map_release(&m);
}

static void map__random_operations__as_the_model(void **state)
{
    (void)state;
    enum { KEYS = 300 };
    void *model[KEYS] = {0};
    struct map m = {0};
    struct rng rng = {11};
    size_t live = 0;
    char key[8];
    for (int step = 0; step < 200000; step++) {
        size_t k = (size_t)rng_below(&rng, KEYS);
        snprintf(key, sizeof key, "%zu", k);
        if (rng_chance(&rng, 450)) {
            assert_ptr_equal(map_remove(&m, view_str(key)), model[k]);
            live -= model[k] != NULL;
            model[k] = NULL;
        } else if (rng_chance(&rng, 800)) {
            void *old, *value = &values[rng_below(&rng, 2000)];
            assert_ok(map_put(&m, view_str(key), value, &old));
            assert_ptr_equal(old, model[k]);
            live += model[k] == NULL;
            model[k] = value;
        }
        assert_ptr_equal(map_get(&m, view_str(key)), model[k]);
        assert_int_equal(m.count, live);
    }
    size_t at = 0, seen = 0;
    for (const struct map_entry *e; (e = map_next(&m, &at)); seen++) {
        snprintf(key, sizeof key, "%.*s", (int)e->key.len, (const char *)e->key.data);
        assert_ptr_equal(e->value, model[strtoul(key, NULL, 10)]);
    }
    assert_int_equal(seen, live);
    map_release(&m);
}

static void fill_and_thin(struct map *m)
{
    struct rng rng = {5};
    char key[32];
    for (int i = 0; i < 5000; i++) {
        snprintf(key, sizeof key, "%d", (int)rng_below(&rng, 900));
        if (rng_chance(&rng, 400))
            (void)map_remove(m, view_str(key));
        else
            assert_ok(map_put(m, view_str(key), &values[i % 2000], NULL));
    }
}

static void map_next__same_history__same_order(void **state)
{
    (void)state;
    struct map a = {0}, b = {0};
    fill_and_thin(&a);
    free(malloc(12345)); /* addresses differ */
    fill_and_thin(&b);
    size_t at_a = 0, at_b = 0;
    const struct map_entry *x, *y;
    do {
        x = map_next(&a, &at_a);
        y = map_next(&b, &at_b);
        assert_true(!x == !y);
        if (x) assert_true(view_eq(x->key, y->key) && x->value == y->value);
    } while (x);
    map_release(&a);
    map_release(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(map_get__empty__null),
        cmocka_unit_test(map_put__new_and_again__replaced),
        cmocka_unit_test(map_put__key_bytes__copied),
        cmocka_unit_test(map_put__empty_and_binary_keys__distinct),
        cmocka_unit_test(map_next__nothing_removed__insertion_order),
        cmocka_unit_test(map_remove__then_put__found_again),
        cmocka_unit_test(map__put_and_remove_many__stays_small),
        cmocka_unit_test(map__random_operations__as_the_model),
        cmocka_unit_test(map_next__same_history__same_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
