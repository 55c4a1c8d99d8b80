/* Orders and tries by themselves: random changes on copies, in step with sorted arrays. */
#include "lib/rng.h"
#include "test.h"
#include "trie.h"

enum { RANGE = 2000 };

struct number {
    struct item item;
    uint8_t key[2];
    int value;
};

static int alive;
static const struct item_kind number_kind;

static struct item *number_new(uint16_t key, int value)
{
    struct number *n = must_calloc(1, sizeof(*n));
    be16_put(n->key, key);
    n->value = value;
    n->item.kind = &number_kind;
    n->item.key = view_of(n->key, sizeof(n->key));
    atomic_init(&n->item.refs, 1);
    alive++;
    return &n->item;
}

static struct number *number_of(struct item *item)
{
    return CONTAINER_OF(item, struct number, item);
}

static struct item *number_copy(const struct item *item)
{
    const struct number *n = CONTAINER_OF(item, const struct number, item);
    return number_new(be16_get(n->key), n->value);
}

static void number_free(struct item *item)
{
    alive--;
    free(number_of(item));
}

static const struct item_kind number_kind = {number_copy, number_free};
static struct view number_key(const struct item *item) { return item->key; }

/* An order, a trie over it, and what should be in both. */
struct set {
    struct order order;
    struct trie trie;
    int values[RANGE]; /* 0: not there */
};

static struct set set_copy(const struct set *from)
{
    struct set to = *from;
    to.order = order_copy(&from->order);
    to.trie = trie_copy(&from->trie);
    return to;
}

static void set_release(struct set *set)
{
    trie_release(&set->trie);
    order_release(&set->order);
}

static void set_step(struct set *set, struct rng *rng)
{
    uint16_t key = (uint16_t)rng_below(rng, RANGE);
    uint8_t bytes[2];
    be16_put(bytes, key);
    struct view view = view_of(bytes, sizeof(bytes));
    int value = 1 + (int)rng_below(rng, 1000);
    if (rng_chance(rng, 400)) {
        trie_remove(&set->trie, number_key, view);
        assert_true(order_remove(&set->order, view) == (set->values[key] != 0));
        set->values[key] = 0;
    } else if (set->values[key] && rng_chance(rng, 500)) {
        struct item *own = order_own(&set->order, view);
        number_of(own)->value = value;
        trie_put(&set->trie, number_key, own);
        set->values[key] = value;
    } else {
        struct item *item = number_new(key, value);
        trie_put(&set->trie, number_key, item);
        order_put(&set->order, item);
        set->values[key] = value;
    }
}

static void set_check(const struct set *set)
{
    size_t at = 0;
    for (int key = 0; key < RANGE; key++) {
        uint8_t bytes[2];
        be16_put(bytes, (uint16_t)key);
        struct view view = view_of(bytes, sizeof(bytes));
        struct item *item = order_find(&set->order, view);
        assert_ptr_equal(trie_find(&set->trie, number_key, view), item);
        assert_int_equal(item ? number_of(item)->value : 0, set->values[key]);
        if (item) assert_ptr_equal(order_at(&set->order, at++), item);
    }
    assert_int_equal(order_count(&set->order), at);
}

static void order__random_changes_on_copies__agree_with_arrays(void **state)
{
    (void)state;
    enum { SETS = 6, ROUNDS = 400 };
    struct set *sets = calloc(SETS, sizeof(*sets));
    struct rng rng = {7};
    for (int round = 0; round < ROUNDS; round++) {
        size_t from = rng_below(&rng, SETS), to = rng_below(&rng, SETS);
        if (from != to) {
            set_release(&sets[to]);
            sets[to] = set_copy(&sets[from]);
        }
        for (int i = 0; i < 50; i++) set_step(&sets[to], &rng);
        if (round % 20 == 0) {
            for (int i = 0; i < SETS; i++) set_check(&sets[i]);
        }
    }
    for (int i = 0; i < SETS; i++) {
        set_check(&sets[i]);
        set_release(&sets[i]);
    }
    assert_int_equal(alive, 0);
    free(sets);
}

static void order__rising_and_falling__fills_and_empties(void **state)
{
    (void)state;
    struct set *set = calloc(1, sizeof(*set));
    for (int pass = 0; pass < 2; pass++) {
        for (int i = 0; i < RANGE; i++) {
            uint16_t key = (uint16_t)(pass ? RANGE - 1 - i : i);
            struct item *item = number_new(key, 1 + i);
            trie_put(&set->trie, number_key, item);
            order_put(&set->order, item);
            set->values[key] = 1 + i;
        }
        set_check(set);
        for (int i = 0; i < RANGE; i++) {
            uint8_t bytes[2];
            be16_put(bytes, (uint16_t)i);
            trie_remove(&set->trie, number_key, view_of(bytes, 2));
            assert_true(order_remove(&set->order, view_of(bytes, 2)));
            set->values[i] = 0;
        }
        set_check(set);
        assert_int_equal(alive, 0);
    }
    set_release(set);
    free(set);
}

static void order__own_of_a_shared_item__is_a_copy(void **state)
{
    (void)state;
    struct order order = {0};
    order_put(&order, number_new(5, 50));
    struct item *first = order_at(&order, 0);
    assert_ptr_equal(order_own(&order, first->key), first);
    struct order copy = order_copy(&order);
    struct item *own = order_own(&copy, first->key);
    assert_ptr_not_equal(own, first);
    number_of(own)->value = 51;
    assert_int_equal(number_of(order_at(&order, 0))->value, 50);
    order_release(&order);
    assert_int_equal(alive, 1);
    assert_ptr_equal(order_own(&copy, own->key), own);
    order_release(&copy);
    assert_int_equal(alive, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(order__random_changes_on_copies__agree_with_arrays),
        cmocka_unit_test(order__rising_and_falling__fills_and_empties),
        cmocka_unit_test(order__own_of_a_shared_item__is_a_copy),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
