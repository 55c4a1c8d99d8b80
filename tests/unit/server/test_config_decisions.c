/* Altering settings: one at a time or all at once, lists, what is refused, and the records. */
#include "decision_fixture.h"
#include "handlers/config_decisions.h"

enum { CHANGES_MAX = 1000 };

static const char *effective(void *arg, int resource_type, struct view resource, const char *name)
{
    (void)resource_type;
    (void)resource;
    return strcmp(name, "cleanup.policy") == 0 ? arg : NULL;
}

static struct verdict alter(struct decision_fixture *f, int type, const char *resource,
                            const struct config_change *changes, int32_t count, bool replaces_all)
{
    struct config_decision d = {f->image, &f->arena, &f->change, effective, "delete", 1};
    return config_alter_decide(&d, type, view_str(resource), changes, count, replaces_all);
}

static struct config_change change_of(const char *name, const char *value,
                                      enum config_operation operation)
{
    return (struct config_change){view_str(name), value ? view_str(value) : (struct view){0},
                                  operation};
}

static struct verdict alter_one(struct decision_fixture *f, const char *name, const char *value,
                                enum config_operation operation)
{
    struct config_change change = change_of(name, value, operation);
    return alter(f, CONFIG_TOPIC, "orders", &change, 1, false);
}

/* The value of the newest record of a name; NULL with data NULL: a deletion. */
static struct view recorded(const struct decision_fixture *f, const char *name, bool *found)
{
    struct view value = {0};
    *found = false;
    for (const struct change_record *r = f->change.first; r; r = r->next) {
        const struct config_record *config = r->data;
        assert_int_equal(r->type, RECORD_ID_CONFIG_RECORD);
        if (!view_eq(config->name, view_str(name))) continue;
        value = config->value;
        *found = true;
    }
    return value;
}

static void assert_recorded(const struct decision_fixture *f, const char *name, const char *value)
{
    bool found;
    struct view got = recorded(f, name, &found);
    assert_true(found);
    if (!value) {
        assert_null(got.data);
        return;
    }
    assert_true(view_eq(got, view_str(value)));
}

/* ---- resources ---- */

static void resource__unknown__is_refused(void **state)
{
    struct decision_fixture *f = *state;
    assert_refused(config_resource_judge(f->image, &f->arena, CONFIG_TOPIC, view_str("nope")),
                   KAFKA_ERR_UNKNOWN_TOPIC_OR_PARTITION, "nope");
    assert_refused(config_resource_judge(f->image, &f->arena, CONFIG_BROKER, view_str("9")),
                   KAFKA_ERR_INVALID_REQUEST, "'9'");
    assert_refused(config_resource_judge(f->image, &f->arena, CONFIG_BROKER, view_str("1x")),
                   KAFKA_ERR_INVALID_REQUEST, "1x");
    assert_refused(config_resource_judge(f->image, &f->arena, CONFIG_BROKER, view_str("01")),
                   KAFKA_ERR_INVALID_REQUEST, "01");
    assert_refused(config_resource_judge(f->image, &f->arena, CONFIG_BROKER, view_str("-1")),
                   KAFKA_ERR_INVALID_REQUEST, "-1");
    assert_refused(config_resource_judge(f->image, &f->arena, 8, view_str("1")),
                   KAFKA_ERR_INVALID_REQUEST, "type 8");
}

static void resource__known__is_allowed(void **state)
{
    struct decision_fixture *f = *state;
    assert_allowed(config_resource_judge(f->image, &f->arena, CONFIG_TOPIC, view_str("orders")));
    assert_allowed(config_resource_judge(f->image, &f->arena, CONFIG_BROKER, view_str("2")));
    assert_allowed(config_resource_judge(f->image, &f->arena, CONFIG_BROKER, view_str("")));
}

static void resource__with_a_number_that_overflows__is_refused(void **state)
{
    struct decision_fixture *f = *state;
    /* 2^32 + 1 is not broker 1. */
    assert_refused(
        config_resource_judge(f->image, &f->arena, CONFIG_BROKER, view_str("4294967297")),
        KAFKA_ERR_INVALID_REQUEST, "4294967297");
}

/* ---- incremental ---- */

static void set__good__is_one_record(void **state)
{
    struct decision_fixture *f = *state;
    assert_allowed(alter_one(f, "retention.ms", "9", CONFIG_SET));
    assert_int_equal(f->change.count, 1);
    assert_recorded(f, "retention.ms", "9");
}

static void set__bad__is_refused_and_adds_nothing(void **state)
{
    struct decision_fixture *f = *state;
    const enum kafka_error bad = KAFKA_ERR_INVALID_CONFIG;
    assert_refused(alter_one(f, "retention.mss", "9", CONFIG_SET), bad, "retention.ms");
    assert_refused(alter_one(f, "retention.ms", "soon", CONFIG_SET), bad, "soon");
    assert_refused(alter_one(f, "retention.ms", NULL, CONFIG_SET), bad, "null");
    assert_refused(alter_one(f, "no.such", NULL, CONFIG_DELETE), bad, "no.such");
    assert_int_equal(f->change.count, 0);
}

static void set__one_bad_among_good__adds_nothing(void **state)
{
    struct decision_fixture *f = *state;
    struct config_change changes[] = {change_of("retention.ms", "9", CONFIG_SET),
                                      change_of("segment.ms", "x", CONFIG_SET)};
    assert_refused(alter(f, CONFIG_TOPIC, "orders", changes, 2, false), KAFKA_ERR_INVALID_CONFIG,
                   "segment.ms");
    assert_int_equal(f->change.count, 0);
}

static void set__the_same_name_twice__is_refused(void **state)
{
    struct decision_fixture *f = *state;
    struct config_change changes[] = {change_of("retention.ms", "9", CONFIG_SET),
                                      change_of("retention.ms", NULL, CONFIG_DELETE)};
    assert_refused(alter(f, CONFIG_TOPIC, "orders", changes, 2, false), KAFKA_ERR_INVALID_REQUEST,
                   "retention.ms");
}

static void delete__with_a_value__ignores_it(void **state)
{
    struct decision_fixture *f = *state;
    assert_allowed(alter_one(f, "retention.ms", "not looked at", CONFIG_DELETE));
    assert_recorded(f, "retention.ms", NULL);
}

static void alter__too_many__is_refused(void **state)
{
    struct decision_fixture *f = *state;
    struct config_change *changes = calloc(CHANGES_MAX + 1, sizeof *changes);
    assert_refused(alter(f, CONFIG_TOPIC, "orders", changes, CHANGES_MAX + 1, false),
                   KAFKA_ERR_INVALID_REQUEST, "1001");
    free(changes);
}

static void alter__judged_only__adds_nothing(void **state)
{
    struct decision_fixture *f = *state;
    struct config_decision d = {f->image, &f->arena, NULL, effective, "delete", 1};
    struct config_change change = change_of("retention.ms", "9", CONFIG_SET);
    assert_allowed(config_alter_decide(&d, CONFIG_TOPIC, view_str("orders"), &change, 1, false));
    assert_allowed(config_alter_decide(&d, CONFIG_TOPIC, view_str("orders"), &change, 1, true));
    assert_int_equal(f->change.count, 0);
}

static void alter__leaves_the_callers_changes_alone(void **state)
{
    struct decision_fixture *f = *state;
    struct config_change change = change_of("cleanup.policy", "compact", CONFIG_APPEND);
    assert_allowed(alter(f, CONFIG_TOPIC, "orders", &change, 1, false));
    assert_int_equal(change.operation, CONFIG_APPEND);
    assert_true(view_eq(change.value, view_str("compact")));
}

/* ---- lists ---- */

static void append__to_a_list__keeps_what_is_there(void **state)
{
    struct decision_fixture *f = *state;
    assert_allowed(alter_one(f, "cleanup.policy", "compact", CONFIG_APPEND));
    assert_recorded(f, "cleanup.policy", "delete,compact");
}

static void append__of_what_is_there__repeats_nothing(void **state)
{
    struct decision_fixture *f = *state;
    assert_allowed(alter_one(f, "cleanup.policy", "delete,,compact,delete", CONFIG_APPEND));
    assert_recorded(f, "cleanup.policy", "delete,compact");
}

static void subtract__from_a_list__leaves_the_others(void **state)
{
    struct decision_fixture *f = *state;
    struct config_decision d = {f->image, &f->arena, &f->change, effective, "delete,compact", 1};
    struct config_change change = change_of("cleanup.policy", "delete", CONFIG_SUBTRACT);
    assert_allowed(config_alter_decide(&d, CONFIG_TOPIC, view_str("orders"), &change, 1, false));
    assert_recorded(f, "cleanup.policy", "compact");
}

static void append__to_what_is_no_list__is_refused(void **state)
{
    struct decision_fixture *f = *state;
    assert_refused(alter_one(f, "retention.ms", "5", CONFIG_APPEND), KAFKA_ERR_INVALID_CONFIG,
                   "not a list");
    assert_refused(alter_one(f, "no.such", "5", CONFIG_SUBTRACT), KAFKA_ERR_INVALID_CONFIG,
                   "no.such");
    assert_refused(alter_one(f, "cleanup.policy", NULL, CONFIG_APPEND), KAFKA_ERR_INVALID_CONFIG,
                   "null");
    assert_refused(alter_one(f, "cleanup.policy", "burn", CONFIG_APPEND), KAFKA_ERR_INVALID_CONFIG,
                   "burn");
    assert_int_equal(f->change.count, 0);
}

/* ---- replacing everything ---- */

static void replace__all__removes_what_is_not_named(void **state)
{
    struct decision_fixture *f = *state;
    struct config_change change = change_of("retention.ms", "9", CONFIG_SET);
    assert_allowed(alter(f, CONFIG_TOPIC, "orders", &change, 1, true));
    assert_int_equal(f->change.count, 2);
    assert_recorded(f, "retention.ms", "9");
    assert_recorded(f, "segment.bytes", NULL);
    fixture_apply(f, &f->change);
    assert_null(
        image_config(f->image, CONFIG_TOPIC, view_str("orders"), view_str("segment.bytes")));
}

static void replace__with_nothing__removes_all(void **state)
{
    struct decision_fixture *f = *state;
    assert_allowed(alter(f, CONFIG_TOPIC, "orders", NULL, 0, true));
    assert_int_equal(f->change.count, 2);
    assert_recorded(f, "retention.ms", NULL);
    assert_recorded(f, "segment.bytes", NULL);
}

/* ---- brokers ---- */

static void broker__dynamic_setting__is_recorded(void **state)
{
    struct decision_fixture *f = *state;
    struct config_change change = change_of("message.max.bytes", "2000000", CONFIG_SET);
    assert_allowed(alter(f, CONFIG_BROKER, "", &change, 1, false));
    const struct config_record *r = f->change.first->data;
    assert_int_equal(r->resource_type, CONFIG_BROKER);
    assert_int_equal(r->resource_name.len, 0);
}

static void broker__static_or_wrong_setting__is_refused(void **state)
{
    struct decision_fixture *f = *state;
    struct config_change fixed = change_of("num.partitions", "3", CONFIG_SET),
                         wrong = change_of("message.max.bytes", "many", CONFIG_SET),
                         unknown = change_of("message.max.bites", "1", CONFIG_SET);
    assert_refused(alter(f, CONFIG_BROKER, "1", &fixed, 1, false), KAFKA_ERR_INVALID_CONFIG,
                   "num.partitions");
    assert_refused(alter(f, CONFIG_BROKER, "1", &wrong, 1, false), KAFKA_ERR_INVALID_CONFIG,
                   "many");
    assert_refused(alter(f, CONFIG_BROKER, "1", &unknown, 1, false), KAFKA_ERR_INVALID_CONFIG,
                   "message.max.bytes");
    assert_int_equal(f->change.count, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_new, fixture_free)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(resource__unknown__is_refused),
        TEST(resource__known__is_allowed),
        TEST(resource__with_a_number_that_overflows__is_refused),
        TEST(set__good__is_one_record),
        TEST(set__bad__is_refused_and_adds_nothing),
        TEST(set__one_bad_among_good__adds_nothing),
        TEST(set__the_same_name_twice__is_refused),
        TEST(delete__with_a_value__ignores_it),
        TEST(alter__too_many__is_refused),
        TEST(alter__judged_only__adds_nothing),
        TEST(alter__leaves_the_callers_changes_alone),
        TEST(append__to_a_list__keeps_what_is_there),
        TEST(append__of_what_is_there__repeats_nothing),
        TEST(subtract__from_a_list__leaves_the_others),
        TEST(append__to_what_is_no_list__is_refused),
        TEST(replace__all__removes_what_is_not_named),
        TEST(replace__with_nothing__removes_all),
        TEST(broker__dynamic_setting__is_recorded),
        TEST(broker__static_or_wrong_setting__is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
