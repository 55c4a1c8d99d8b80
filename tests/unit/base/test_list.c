/* Rings of links: order, removal inside loops, splicing. */
#include "cmocka_base.h"

#include "base/list.h"

struct item {
    struct list link;
    char name;
};

static const char *names_of(const struct list *head)
{
    static char names[32];
    size_t n = 0;
    LIST_EACH (at, head) names[n++] = CONTAINER_OF(at, struct item, link)->name;
    names[n] = 0;
    return names;
}

static void fill(struct list *head, struct item *items, const char *names)
{
    list_init(head);
    for (size_t i = 0; names[i]; i++) {
        items[i].name = names[i];
        list_push_back(head, &items[i].link);
    }
}

static void list_push_back__several__in_order(void **state)
{
    (void)state;
    struct list head;
    struct item items[3];
    fill(&head, items, "");
    assert_true(list_is_empty(&head));
    fill(&head, items, "abc");
    assert_false(list_is_empty(&head));
    assert_string_equal(names_of(&head), "abc");
}

static void list_insert_before__middle__between(void **state)
{
    (void)state;
    struct list head;
    struct item items[3], x = {.name = 'x'};
    fill(&head, items, "abc");
    list_insert_before(&items[1].link, &x.link);
    assert_string_equal(names_of(&head), "axbc");
}

static void list_remove__any_place__gone_and_reusable(void **state)
{
    (void)state;
    struct list head;
    struct item items[3];
    fill(&head, items, "abc");
    list_remove(&items[1].link);
    assert_string_equal(names_of(&head), "ac");
    list_remove(&items[1].link); /* a single link is its own ring */
    list_remove(&items[0].link);
    list_remove(&items[2].link);
    assert_true(list_is_empty(&head));
    list_push_back(&head, &items[1].link);
    assert_string_equal(names_of(&head), "b");
}

static void list_each_safe__removing_all__visits_all(void **state)
{
    (void)state;
    struct list head;
    struct item items[5];
    int visited = 0;
    fill(&head, items, "abcde");
    LIST_EACH_SAFE (at, &head) {
        list_remove(at);
        visited++;
    }
    assert_int_equal(visited, 5);
    assert_true(list_is_empty(&head));
}

static void list_splice_back__two_lists__joined(void **state)
{
    (void)state;
    struct list first, second;
    struct item a[2], b[3];
    fill(&first, a, "ab");
    fill(&second, b, "cde");
    list_splice_back(&first, &second);
    assert_string_equal(names_of(&first), "abcde");
    assert_true(list_is_empty(&second));
    list_splice_back(&first, &second);
    assert_string_equal(names_of(&first), "abcde");
    list_splice_back(&second, &first);
    assert_string_equal(names_of(&second), "abcde");
    assert_true(list_is_empty(&first));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(list_push_back__several__in_order),
        cmocka_unit_test(list_insert_before__middle__between),
        cmocka_unit_test(list_remove__any_place__gone_and_reusable),
        cmocka_unit_test(list_each_safe__removing_all__visits_all),
        cmocka_unit_test(list_splice_back__two_lists__joined),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
