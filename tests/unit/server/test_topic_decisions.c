/* Creating, growing and deleting topics: what is refused and why, and the records of what is not.
 */
#include "base/env.h"
#include "decision_fixture.h"
#include "handlers/topic_decisions.h"

struct test {
    struct decision_fixture *f;
    int64_t pending;
};

static struct topic_decision decision(struct test *t)
{
    return (struct topic_decision){t->f->image,  t->f->settings, random_real(),
                                   &t->f->arena, &t->f->change,  &t->pending};
}

static struct verdict create(struct test *t, const struct topic_spec *spec)
{
    struct topic_decision d = decision(t);
    struct topic_created made;
    return topic_create_decide(&d, spec, &made);
}

static struct topic_spec spec_of(const char *name, int32_t partitions, int16_t factor)
{
    return (struct topic_spec){
        .name = view_str(name), .partitions = partitions, .replication_factor = factor};
}

static struct verdict create_simple(struct test *t, const char *name, int32_t partitions,
                                    int16_t factor)
{
    struct topic_spec spec = spec_of(name, partitions, factor);
    return create(t, &spec);
}

static const struct partition_record *partition_at(const struct test *t, int32_t index)
{
    for (const struct change_record *r = t->f->change.first; r; r = r->next) {
        const struct partition_record *p = r->data;
        if (r->type == RECORD_ID_PARTITION_RECORD && p->partition_id == index) return p;
    }
    fail_msg("no record of partition %d", index);
    return NULL;
}

/* ---- names ---- */

static void name__good__is_allowed(void **state)
{
    struct test t = {*state, 0};
    char longest[TOPIC_NAME_MAX + 1];
    memset(longest, 'x', TOPIC_NAME_MAX);
    longest[TOPIC_NAME_MAX] = 0;
    const char *const names[] = {"a", "...", "A-b_c.D9", "__own", longest};
    for (size_t i = 0; i < COUNT_OF(names); i++)
        assert_allowed(topic_name_judge(view_str(names[i]), &t.f->arena));
}

static void name__bad__is_refused_with_the_reason(void **state)
{
    struct test t = {*state, 0};
    char long_name[TOPIC_NAME_MAX + 2];
    memset(long_name, 'x', TOPIC_NAME_MAX + 1);
    long_name[TOPIC_NAME_MAX + 1] = 0;
    const struct {
        const char *name, *word;
    } cases[] = {{"", "empty"},    {".", "'.'"},     {"..", "'..'"},
                 {"a b", "'a b'"}, {"a/b", "'a/b'"}, {"\x01", "invalid"},
                 {"é", "invalid"}, {"a:b", "'a:b'"}, {long_name, "250"}};
    for (size_t i = 0; i < COUNT_OF(cases); i++)
        assert_refused(topic_name_judge(view_str(cases[i].name), &t.f->arena),
                       KAFKA_ERR_INVALID_TOPIC_EXCEPTION, cases[i].word);
}

static void name__with_a_zero_inside__is_refused(void **state)
{
    struct test t = {*state, 0};
    assert_int_equal(topic_name_judge(view_of("a\0b", 3), &t.f->arena).code,
                     KAFKA_ERR_INVALID_TOPIC_EXCEPTION);
}

/* ---- create ---- */

static void create__with_counts__spreads_over_the_unfenced(void **state)
{
    struct test t = {*state, 0};
    struct topic_spec spec = spec_of("new", 4, 2);
    struct topic_decision d = decision(&t);
    struct topic_created made;
    assert_allowed(topic_create_decide(&d, &spec, &made));
    assert_int_equal(made.partitions, 4);
    assert_int_equal(made.replication_factor, 2);
    assert_false(uuid_is_zero(made.id));
    assert_int_equal(t.f->change.count, 5);
    assert_int_equal(t.f->change.first->type, RECORD_ID_TOPIC_RECORD);
    for (int32_t i = 0; i < 4; i++) {
        const struct partition_record *p = partition_at(&t, i);
        assert_true(uuid_eq(p->topic_id, made.id));
        assert_int_equal(p->replicas_count, 2);
        assert_int_equal(p->isr_count, 2);
        assert_int_equal(p->leader, p->replicas[0]);
        assert_int_equal(p->leader, 1 + i % 2);               /* each begins with the next broker */
        assert_int_equal(p->replicas[0] + p->replicas[1], 3); /* never the fenced one */
    }
    assert_int_equal(t.pending, 4);
}

static void create__with_defaults__takes_those_of_the_settings(void **state)
{
    struct test t = {*state, 0};
    struct topic_spec spec = spec_of("new", -1, -1);
    struct topic_decision d = decision(&t);
    struct topic_created made;
    assert_allowed(topic_create_decide(&d, &spec, &made));
    assert_int_equal(made.partitions, t.f->settings->num_partitions);
    assert_int_equal(made.replication_factor, 2); /* nobody set it: as many as can take replicas */
}

static void create__judged_only__adds_nothing(void **state)
{
    struct test t = {*state, 0};
    struct topic_spec spec = spec_of("new", 3, 1);
    struct topic_decision d = decision(&t);
    struct topic_created made;
    d.change = NULL;
    assert_allowed(topic_create_decide(&d, &spec, &made));
    assert_int_equal(made.partitions, 3);
    assert_int_equal(t.pending, 3);
    assert_int_equal(t.f->change.count, 0);
}

static void create__impossible_counts__are_refused_and_add_nothing(void **state)
{
    struct test t = {*state, 0};
    const enum kafka_error partitions = KAFKA_ERR_INVALID_PARTITIONS,
                           factor = KAFKA_ERR_INVALID_REPLICATION_FACTOR,
                           policy = KAFKA_ERR_POLICY_VIOLATION;
    assert_refused(create_simple(&t, "new", 0, 1), partitions, "0");
    assert_refused(create_simple(&t, "new", -5, 1), partitions, "-5");
    assert_refused(create_simple(&t, "new", 10001, 1), policy, "10001");
    assert_refused(create_simple(&t, "new", INT32_MAX, 1), policy, "2147483647");
    assert_refused(create_simple(&t, "new", 1, 0), factor, "0");
    assert_refused(create_simple(&t, "new", 1, -2), factor, "-2");
    assert_refused(create_simple(&t, "new", 1, 3), factor, "3"); /* one of three is fenced */
    assert_int_equal(t.f->change.count, 0);
    assert_int_equal(t.pending, 0);
}

static void create__together_too_many__is_refused(void **state)
{
    struct test t = {*state, 9990};
    assert_refused(create_simple(&t, "new", 11, 1), KAFKA_ERR_POLICY_VIOLATION, "10001");
    assert_allowed(create_simple(&t, "new", 10, 1));
    assert_int_equal(t.pending, 10000);
}

static void create__over_what_the_broker_holds__is_refused(void **state)
{
    struct test t = {*state, 0};
    struct change change;
    change_init(&change);
    fixture_topic(&change, "big", (struct uuid){{9}}, 19000);
    fixture_apply(t.f, &change);
    change_release(&change);
    assert_refused(create_simple(&t, "new", 998, 1), KAFKA_ERR_INVALID_PARTITIONS, "20001");
    assert_allowed(create_simple(&t, "new", 997, 1));
}

static void create__existing_or_colliding_name__is_refused(void **state)
{
    struct test t = {*state, 0};
    assert_refused(create_simple(&t, "orders", 1, 1), KAFKA_ERR_TOPIC_ALREADY_EXISTS, "orders");
    assert_refused(create_simple(&t, "dotted_name", 1, 1), KAFKA_ERR_INVALID_TOPIC_EXCEPTION,
                   "dotted.name");
    assert_allowed(create_simple(&t, "two_words", 1, 1));
    /* Also with one of the same change. */
    assert_refused(create_simple(&t, "two.words", 1, 1), KAFKA_ERR_INVALID_TOPIC_EXCEPTION,
                   "two_words");
}

static void create__bad_settings__are_refused(void **state)
{
    struct test t = {*state, 0};
    const struct {
        const char *name, *value, *word;
    } cases[] = {{"retention.mss", "5", "retention.ms"},
                 {"retention.ms", "soon", "soon"},
                 {"retention.ms", NULL, "null"},
                 {"cleanup.policy", "burn", "burn"}};
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct topic_setting setting = {
            view_str(cases[i].name), cases[i].value ? view_str(cases[i].value) : (struct view){0}};
        struct topic_spec spec = spec_of("new", 1, 1);
        spec.settings = &setting;
        spec.setting_count = 1;
        assert_refused(create(&t, &spec), KAFKA_ERR_INVALID_CONFIG, cases[i].word);
    }
    assert_int_equal(t.f->change.count, 0);
}

static void create__good_settings__become_records(void **state)
{
    struct test t = {*state, 0};
    struct topic_setting setting = {view_str("retention.ms"), view_str("77")};
    struct topic_spec spec = spec_of("new", 1, 1);
    spec.settings = &setting;
    spec.setting_count = 1;
    assert_allowed(create(&t, &spec));
    const struct change_record *r = t.f->change.first->next;
    assert_int_equal(r->type, RECORD_ID_CONFIG_RECORD);
    const struct config_record *config = r->data;
    assert_int_equal(config->resource_type, CONFIG_TOPIC);
    assert_true(view_eq(config->resource_name, view_str("new")));
    assert_true(view_eq(config->value, view_str("77")));
    fixture_apply(t.f, &t.f->change); /* the image takes it */
    assert_string_equal(
        image_config(t.f->image, CONFIG_TOPIC, view_str("new"), view_str("retention.ms")), "77");
}

/* ---- explicit assignments ---- */

static struct verdict create_assigned(struct test *t, const struct topic_assignment *list,
                                      int32_t count)
{
    struct topic_spec spec = spec_of("new", -1, -1);
    spec.assignments = list;
    spec.assignment_count = count;
    return create(t, &spec);
}

static void assignment__in_any_order__is_taken_as_it_is(void **state)
{
    struct test t = {*state, 0};
    const int32_t ab[] = {1, 2}, ba[] = {2, 1};
    const struct topic_assignment list[] = {{1, ba, 2}, {0, ab, 2}};
    assert_allowed(create_assigned(&t, list, 2));
    assert_int_equal(partition_at(&t, 0)->leader, 1);
    assert_int_equal(partition_at(&t, 1)->leader, 2);
    assert_int_equal(t.pending, 2);
}

static void assignment__impossible__is_refused(void **state)
{
    struct test t = {*state, 0};
    const enum kafka_error bad = KAFKA_ERR_INVALID_REPLICA_ASSIGNMENT;
    const int32_t one[] = {1}, two[] = {1, 2}, twice[] = {1, 1}, unknown[] = {8};
    const struct topic_assignment none[] = {{0, one, 0}}, gap[] = {{0, one, 1}, {2, one, 1}},
                                  same[] = {{0, one, 1}, {0, one, 1}},
                                  uneven[] = {{0, one, 1}, {1, two, 2}},
                                  doubled[] = {{0, twice, 2}}, absent[] = {{0, unknown, 1}};
    assert_refused(create_assigned(&t, none, 1), bad, "no broker");
    assert_refused(create_assigned(&t, gap, 2), bad, "lacks partition 1");
    assert_refused(create_assigned(&t, same, 2), bad, "lacks partition 1");
    assert_refused(create_assigned(&t, uneven, 2), bad, "2 replicas");
    assert_refused(create_assigned(&t, doubled, 1), bad, "twice");
    assert_refused(create_assigned(&t, absent, 1), bad, "broker 8");
    struct topic_spec both = spec_of("new", 2, 1);
    both.assignments = gap;
    both.assignment_count = 2;
    assert_refused(create(&t, &both), KAFKA_ERR_INVALID_REQUEST, "-1");
    assert_int_equal(t.f->change.count, 0);
}

static void assignment__of_too_many__is_refused(void **state)
{
    struct test t = {*state, 9999};
    const int32_t one[] = {1};
    const struct topic_assignment list[] = {{0, one, 1}, {1, one, 1}};
    assert_refused(create_assigned(&t, list, 2), KAFKA_ERR_POLICY_VIOLATION, "10001");
}

/* ---- grow ---- */

static struct verdict grow(struct test *t, int32_t count, const struct topic_assignment *list,
                           int32_t list_count)
{
    struct topic_decision d = decision(t);
    return topic_grow_decide(&d, image_topic(t->f->image, view_str("orders")), count, list,
                             list_count);
}

static void grow__to_more__adds_the_difference(void **state)
{
    struct test t = {*state, 0};
    assert_allowed(grow(&t, 5, NULL, -1));
    assert_int_equal(t.f->change.count, 3);
    assert_int_equal(t.pending, 3);
    for (int32_t i = 2; i < 5; i++) assert_int_equal(partition_at(&t, i)->replicas_count, 2);
    fixture_apply(t.f, &t.f->change);
    assert_int_equal(image_topic(t.f->image, view_str("orders"))->partition_count, 5);
}

static void grow__to_no_more__is_refused(void **state)
{
    struct test t = {*state, 0};
    const enum kafka_error bad = KAFKA_ERR_INVALID_PARTITIONS;
    assert_refused(grow(&t, 2, NULL, -1), bad, "already");
    assert_refused(grow(&t, 1, NULL, -1), bad, "fewer");
    assert_refused(grow(&t, 0, NULL, -1), bad, "fewer");
    assert_refused(grow(&t, INT32_MIN, NULL, -1), bad, "fewer");
    assert_refused(grow(&t, 10003, NULL, -1), KAFKA_ERR_POLICY_VIOLATION, "10001");
    assert_refused(grow(&t, INT32_MAX, NULL, -1), KAFKA_ERR_POLICY_VIOLATION, "2147483645");
    assert_int_equal(t.f->change.count, 0);
}

static void grow__with_an_assignment__has_to_fit(void **state)
{
    struct test t = {*state, 0};
    const int32_t ba[] = {2, 1}, one[] = {2};
    const struct topic_assignment good[] = {{2, ba, 2}}, thin[] = {{2, one, 1}};
    assert_refused(grow(&t, 4, good, 1), KAFKA_ERR_INVALID_REPLICA_ASSIGNMENT, "2 new");
    assert_refused(grow(&t, 3, thin, 1), KAFKA_ERR_INVALID_REPLICA_ASSIGNMENT, "1 replicas");
    assert_allowed(grow(&t, 3, good, 1));
    assert_int_equal(partition_at(&t, 2)->leader, 2);
}

/* ---- delete ---- */

static void delete__existing__is_one_record(void **state)
{
    struct test t = {*state, 0};
    struct topic_decision d = decision(&t);
    assert_allowed(topic_delete_decide(&d, image_topic(t.f->image, view_str("orders"))));
    assert_int_equal(t.f->change.count, 1);
    const struct remove_topic_record *r = t.f->change.first->data;
    assert_true(uuid_eq(r->topic_id, ORDERS));
}

static void delete__where_it_is_disabled__is_refused(void **state)
{
    struct test t = {*state, 0};
    t.f->settings->delete_topic_enable = false;
    struct topic_decision d = decision(&t);
    assert_refused(topic_delete_decide(&d, image_topic(t.f->image, view_str("orders"))),
                   KAFKA_ERR_TOPIC_DELETION_DISABLED, "delete.topic.enable");
    assert_int_equal(t.f->change.count, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_new, fixture_free)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(name__good__is_allowed),
        TEST(name__bad__is_refused_with_the_reason),
        TEST(name__with_a_zero_inside__is_refused),
        TEST(create__with_counts__spreads_over_the_unfenced),
        TEST(create__with_defaults__takes_those_of_the_settings),
        TEST(create__judged_only__adds_nothing),
        TEST(create__impossible_counts__are_refused_and_add_nothing),
        TEST(create__together_too_many__is_refused),
        TEST(create__over_what_the_broker_holds__is_refused),
        TEST(create__existing_or_colliding_name__is_refused),
        TEST(create__bad_settings__are_refused),
        TEST(create__good_settings__become_records),
        TEST(assignment__in_any_order__is_taken_as_it_is),
        TEST(assignment__impossible__is_refused),
        TEST(assignment__of_too_many__is_refused),
        TEST(grow__to_more__adds_the_difference),
        TEST(grow__to_no_more__is_refused),
        TEST(grow__with_an_assignment__has_to_fit),
        TEST(delete__existing__is_one_record),
        TEST(delete__where_it_is_disabled__is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
