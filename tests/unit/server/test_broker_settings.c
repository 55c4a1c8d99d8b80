/* The broker's settings: the table itself, where values come from, what is refused and how it is
 * said, listeners, the dynamic overlay, --print-config. */
#include "broker_settings.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>
#include <jansson.h>

#include "base/check.h"
#include "base/diag.h"
#include "base/os.h"
#include "lib/temp_dir.h"
#include "metadata/change.h"
#include "protocol/messages.h"

struct test {
    struct broker_settings *settings;
    struct buf errors;
    struct temp_dir dir;
    char file[160];
};

static int setup(void **state)
{
    struct test *t = calloc(1, sizeof(*t));
    t->settings = broker_settings_new();
    temp_dir_make(&t->dir);
    snprintf(t->file, sizeof(t->file), "%s/server.properties", t->dir.path);
    *state = t;
    return 0;
}

static int teardown(void **state)
{
    struct test *t = *state;
    broker_settings_unref(t->settings);
    buf_release(&t->errors);
    temp_dir_remove(&t->dir);
    free(t);
    diag_set_sink(NULL, NULL);
    return 0;
}

static const char *errors_of(struct test *t) { return t->errors.len ? (char *)t->errors.data : ""; }

static err_t set(struct test *t, const char *pair)
{
    return broker_settings_set(t->settings, "--set", pair, &t->errors);
}

static err_t finish(struct test *t) { return broker_settings_finish(t->settings, &t->errors); }

static err_t read_text(struct test *t, const char *text)
{
    assert_int_equal(os_replace_file(os_real(), t->file, text, strlen(text)), OK);
    return broker_settings_read_file(t->settings, os_real(), t->file, &t->errors);
}

static void must(struct test *t, err_t err)
{
    if (err != OK) fail_msg("%s: %s", err_name(err), errors_of(t));
}

static void has_error(struct test *t, err_t err, const char *text)
{
    assert_int_equal(err, ERR_INVALID);
    if (!strstr(errors_of(t), text)) fail_msg("\"%s\" is not in \"%s\"", text, errors_of(t));
}

/* ---- the table ---- */

static void table__names__are_in_order_and_defaults_allowed(void **state)
{
    (void)state;
    for (size_t i = 0; i < broker_setting_table.count; i++) {
        const struct setting *s = &broker_setting_table.settings[i];
        if (i > 0 && strcmp(s[-1].name, s->name) >= 0) fail_msg("%s is out of order", s->name);
        char message[600] = "";
        if (s->default_value &&
            setting_check(s, view_str(s->default_value), message, sizeof(message)) != OK) {
            fail_msg("%s", message);
        }
        bool may_be_null = s->flags & SETTING_NULLABLE || s->type == SETTING_PASSWORD;
        if (!s->default_value && !may_be_null) fail_msg("%s has no default", s->name);
        if (strlen(s->meaning) < 5) fail_msg("%s has no meaning", s->name);
    }
}

/* What a topic falls back to exists, and has the same type and default, in the topic's unit. */
static void table__topic_synonyms__exist_with_the_same_default(void **state)
{
    struct test *t = *state;
    must(t, finish(t));
    struct broker_defaults defaults = broker_settings_defaults(t->settings);
    for (size_t i = 0; i < topic_setting_table.count; i++) {
        const struct setting *s = &topic_setting_table.settings[i];
        if (!s->synonym) continue;
        const struct setting *b = setting_find(&broker_setting_table, view_str(s->synonym));
        if (!b) fail_msg("%s is missing", s->synonym);
        assert_int_equal(b->type, s->type);
        struct setting_info info;
        topic_setting_describe(NULL, view_str("t"), &defaults, i, &info);
        assert_string_equal(info.value, s->default_value);
        assert_int_equal(info.source, SOURCE_DEFAULT);
    }
}

static void finish__no_setting_at_all__is_a_good_single_broker(void **state)
{
    struct test *t = *state;
    must(t, finish(t));
    const struct broker_settings *s = t->settings;
    assert_int_equal(s->node_id, 1);
    assert_int_equal(s->log_dir_count, 1);
    assert_string_equal(s->log_dirs[0], "./stele-data");
    assert_ptr_equal(s->metadata_log_dir, s->log_dirs[0]);
    assert_int_equal(s->listener_count, 1);
    assert_string_equal(s->listeners[0].name, "PLAINTEXT");
    assert_string_equal(s->listeners[0].host, "127.0.0.1");
    assert_int_equal(s->listeners[0].port, 9092);
    assert_string_equal(s->advertised[0].host, "127.0.0.1");
    assert_string_equal(s->inter_broker_listener, "PLAINTEXT");
    assert_true(s->auto_create_topics_enable && s->delete_topic_enable);
    assert_int_equal(s->num_partitions, 1);
    assert_int_equal(s->message_max_bytes, 1048588);
    assert_int_equal(s->socket_request_max_bytes, 104857600);
    assert_int_equal(s->durability, DURABILITY_PAGE_CACHE);
    assert_int_equal(s->group_initial_rebalance_delay_ms, 0);
    assert_int_equal(s->offsets_retention_ms, INT64_C(10080) * 60000);
    assert_int_equal(s->diag_level, DIAG_INFO);
    assert_null(s->rack);
    assert_null(s->cluster_id);
}

static void replicas__default__is_at_most_one_a_broker(void **state)
{
    struct test *t = *state;
    must(t, set(t, "offsets.topic.replication.factor=3"));
    must(t, finish(t));
    const char *name = "default.replication.factor";
    assert_int_equal(broker_settings_replicas(t->settings, name, 1), 1);
    assert_int_equal(broker_settings_replicas(t->settings, name, 2), 2);
    assert_int_equal(broker_settings_replicas(t->settings, name, 9), 3);
    assert_int_equal(broker_settings_replicas(t->settings, name, 0), 1);
    name = "offsets.topic.replication.factor";
    assert_int_equal(broker_settings_replicas(t->settings, name, 1), 3);
}

/* ---- where values come from ---- */

static void precedence__command_over_file_over_default(void **state)
{
    struct test *t = *state;
    must(t, set(t, "num.partitions=5"));
    must(t, read_text(t, "num.partitions=4\nfetch.max.bytes=2048\n"));
    must(t, finish(t));
    assert_int_equal(t->settings->num_partitions, 5);
    assert_int_equal(t->settings->fetch_max_bytes, 2048);
    assert_int_equal(broker_settings_source(t->settings, "num.partitions"), SOURCE_STATIC_BROKER);
    assert_int_equal(broker_settings_source(t->settings, "node.id"), SOURCE_DEFAULT);
    assert_string_equal(broker_settings_get_at(t->settings, "num.partitions", SOURCE_STATIC_BROKER),
                        "5");
    assert_string_equal(broker_settings_get_at(t->settings, "num.partitions", SOURCE_DEFAULT), "1");
    assert_null(broker_settings_get(t->settings, "no.such.thing"));
}

static void set__same_name_twice__the_later_holds(void **state)
{
    struct test *t = *state;
    must(t, set(t, "num.partitions=5"));
    must(t, set(t, " num.partitions = 6 "));
    must(t, finish(t));
    assert_int_equal(t->settings->num_partitions, 6);
}

static void set__bad_pairs__are_refused_with_name_value_and_bounds(void **state)
{
    static const char *const bad[][2] = {
        {"num.partitions", "--set: \"num.partitions\" is not of the form KEY=VALUE"},
        {"num.partitons=1", "--set: Unknown setting \"num.partitons\"; did you mean "
                            "num.partitions?"},
        {"num.partitions=many", "Invalid value \"many\" for num.partitions: allowed is a whole "
                                "number of at least 1"},
        {"num.partitions=0", "Invalid value \"0\" for num.partitions"},
        {"delete.topic.enable=ja", "Invalid value \"ja\" for delete.topic.enable: allowed is true "
                                   "or false"},
        {"compression.type=brotli", "Invalid value \"brotli\" for compression.type: allowed is one "
                                    "of uncompressed, zstd, lz4, snappy, gzip, producer"},
        {"log.durability=never", "allowed is one of page-cache, fsync"},
        {"authorizer.class.name=org.example.A", "authorizer.class.name: allowed is only the empty"},
        {"remote.log.storage.system.enable=true", "allowed is one of false"},
        {"log.segment.bytes=100", "log.segment.bytes: allowed is a whole number of at least 16384"},
        {"zookeeper.connect=localhost", "zookeeper.connect\": there is no ZooKeeper"},
        {"max.connections.per.ip.overrides=ten", "allowed is a comma-separated list of "
                                                 "address:count"},
        {"=1", "Unknown setting \"\""},
    };
    struct test *t = *state;
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        buf_clear(&t->errors);
        has_error(t, set(t, bad[i][0]), bad[i][1]);
    }
    must(t, finish(t)); /* nothing of it got in */
    assert_int_equal(t->settings->num_partitions, 1);
}

static void finish__what_does_not_fit_together__is_refused(void **state)
{
    static const char *const bad[][3] = {
        {"broker.id=5", "node.id=6", "broker.id: node.id is 6"},
        {"log.dirs= , ", NULL, "log.dirs: allowed is at least one directory"},
        {"log.dirs=a,b,a", NULL, "\"a\" is in it twice"},
        {"metadata.log.dir=c", "log.dirs=a,b", "\"c\" for metadata.log.dir"},
        {"queued.max.request.bytes=1000", NULL, "queued.max.request.bytes: allowed is -1"},
        {"group.min.session.timeout.ms=10", "group.max.session.timeout.ms=9", "at most group.max"},
        {"cluster.id=", NULL, "cluster.id: allowed is a text of 1 to 63"},
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        void *fresh;
        setup(&fresh);
        struct test *t = fresh;
        must(t, set(t, bad[i][0]));
        if (bad[i][1]) must(t, set(t, bad[i][1]));
        has_error(t, finish(t), bad[i][2]);
        teardown(&fresh);
    }
}

static void finish__several_problems__are_all_told(void **state)
{
    struct test *t = *state;
    must(t, set(t, "log.dirs=a,a"));
    must(t, set(t, "listeners=nonsense"));
    has_error(t, finish(t), "log.dirs");
    has_error(t, ERR_INVALID, "listeners");
}

static void finish__older_names__stand_for_the_newer(void **state)
{
    struct test *t = *state;
    must(t, set(t, "broker.id=5"));
    must(t, set(t, "log.dir=/data/a"));
    must(t, set(t, "socket.request.max.bytes=300000000"));
    must(t, finish(t));
    assert_int_equal(t->settings->node_id, 5);
    assert_string_equal(t->settings->log_dirs[0], "/data/a");
    /* admission follows, as nobody set it */
    assert_int_equal(t->settings->queued_max_request_bytes, 300000000);
}

/* ---- files ---- */

static void file__every_form_of_a_line__is_read(void **state)
{
    struct test *t = *state;
    must(t, read_text(t, "# comment\n"
                         "! another = 1\n"
                         "\n"
                         "num.partitions = 7\n"
                         "broker.rack:north\\ west\n"
                         "   fetch.max.bytes   4096\r\n"
                         "log.dirs=/a,\\\n"
                         "         /b,\\\r\n"
                         "\t/c\n"
                         "cluster.id=\\u0041B\\u00e4\\\\\n"
                         "super.users=\n"
                         "min.insync.replicas=1\r"
                         "min.insync.replicas=2"));
    must(t, finish(t));
    assert_int_equal(t->settings->num_partitions, 7);
    assert_string_equal(t->settings->rack, "north west");
    assert_int_equal(t->settings->fetch_max_bytes, 4096);
    assert_int_equal(t->settings->log_dir_count, 3);
    assert_string_equal(t->settings->log_dirs[1], "/b");
    assert_string_equal(t->settings->log_dirs[2], "/c");
    assert_string_equal(t->settings->cluster_id, "AB\xc3\xa4\\");
    assert_string_equal(broker_settings_get(t->settings, "super.users"), "");
    assert_string_equal(broker_settings_get(t->settings, "min.insync.replicas"), "2");
}

static void file__bad_lines__are_all_named_with_their_place(void **state)
{
    struct test *t = *state;
    err_t err = read_text(t, "num.partitions=7\n\nnum.partitons=8\nlog.dirs=a,\\\nb\n"
                             "fetch.max.bytes=1\nbroker.rack=\\u12\n");
    has_error(t, err, "server.properties:3: Unknown setting \"num.partitons\"");
    has_error(t, err, "server.properties:6: Invalid value \"1\" for fetch.max.bytes");
    has_error(t, err, "server.properties:7: \\u takes four hexadecimal digits");
}

static void file__zero_byte_in_value__is_refused(void **state)
{
    struct test *t = *state;
    static const char text[] = "broker.rack=a\0b\n";
    assert_int_equal(os_replace_file(os_real(), t->file, text, sizeof(text) - 1), OK);
    has_error(t, broker_settings_read_file(t->settings, os_real(), t->file, &t->errors),
              "zero byte");
}

static void file__missing__is_said_with_its_name(void **state)
{
    struct test *t = *state;
    err_t err = broker_settings_read_file(t->settings, os_real(), t->file, &t->errors);
    assert_int_equal(err, ERR_NOT_FOUND);
    assert_non_null(strstr(errors_of(t), "server.properties: cannot be read"));
}

/* The settings of a single Kafka node in one process, as its users write them. */
static void file__of_a_kafka_node__works_as_it_is(void **state)
{
    struct test *t = *state;
    must(t, read_text(t, "process.roles=broker,controller\nnode.id=1\n"
                         "controller.quorum.voters=1@localhost:9093\n"
                         "listeners=PLAINTEXT://:9092,CONTROLLER://:9093\n"
                         "inter.broker.listener.name=PLAINTEXT\n"
                         "advertised.listeners=PLAINTEXT://localhost:9092,"
                         "CONTROLLER://localhost:9093\n"
                         "controller.listener.names=CONTROLLER\n"
                         "listener.security.protocol.map=CONTROLLER:PLAINTEXT,"
                         "PLAINTEXT:PLAINTEXT,SSL:SSL,SASL_PLAINTEXT:SASL_PLAINTEXT,"
                         "SASL_SSL:SASL_SSL\n"
                         "num.network.threads=3\nnum.io.threads=8\n"
                         "socket.send.buffer.bytes=102400\nsocket.request.max.bytes=104857600\n"
                         "log.dirs=/tmp/kraft-combined-logs\nnum.partitions=1\n"
                         "offsets.topic.replication.factor=1\n"
                         "transaction.state.log.min.isr=1\nlog.retention.hours=168\n"
                         "log.segment.bytes=1073741824\n"));
    must(t, finish(t));
    assert_int_equal(t->settings->listener_count, 1);
    assert_string_equal(t->settings->listeners[0].host, "");
    assert_string_equal(t->settings->advertised[0].host, "localhost");
    assert_int_equal(t->settings->advertised[0].port, 9092);
    assert_int_equal(t->settings->network_threads, 3);
}

/* ---- listeners ---- */

static void listeners__several_forms__are_parsed(void **state)
{
    struct test *t = *state;
    must(t,
         set(t, "listeners=plaintext://0.0.0.0:0, INSIDE://[::1]:9094,OUT_2://example.org:65535"));
    must(t, set(t, "listener.security.protocol.map=PLAINTEXT:PLAINTEXT,inside:PLAINTEXT,"
                   "OUT_2:PLAINTEXT"));
    must(t, set(t, "advertised.listeners=OUT_2://public.example.org:443"));
    must(t, set(t, "inter.broker.listener.name=INSIDE"));
    must(t, finish(t));
    const struct broker_settings *s = t->settings;
    assert_int_equal(s->listener_count, 3);
    assert_string_equal(s->listeners[0].name, "PLAINTEXT");
    assert_string_equal(s->listeners[0].host, "0.0.0.0");
    assert_int_equal(s->listeners[0].port, 0);
    assert_string_equal(s->listeners[1].host, "::1");
    assert_int_equal(s->listeners[1].port, 9094);
    assert_string_equal(s->advertised[0].host, ""); /* the address that the client reached */
    assert_string_equal(s->advertised[1].host, "::1");
    assert_int_equal(s->advertised[1].port, 0); /* the port that was bound */
    assert_string_equal(s->advertised[2].host, "public.example.org");
    assert_int_equal(s->advertised[2].port, 443);
    assert_string_equal(s->inter_broker_listener, "INSIDE");
}

static void listeners__wrong_ones__are_refused_with_what_is_allowed(void **state)
{
    static const char *const bad[][3] = {
        {"listeners=localhost:9092", NULL, "\"localhost:9092\" for listeners: allowed is NAME://"},
        {"listeners=PLAINTEXT://localhost", NULL, "allowed is NAME://host:port"},
        {"listeners=PLAINTEXT://localhost:65536", NULL, "allowed is NAME://host:port"},
        {"listeners=PLAINTEXT://localhost:-1", NULL, "allowed is NAME://host:port"},
        {"listeners=PLAINTEXT://::1:9092", NULL, "an IPv6 address in brackets"},
        {"listeners=PLAINTEXT://[]:9092", NULL, "allowed is NAME://host:port"},
        {"listeners=PLAIN TEXT://a:1", NULL, "allowed is NAME://host:port"},
        {"listeners=://a:1", NULL, "allowed is NAME://host:port"},
        {"listeners=PLAINTEXT://a:1,PLAINTEXT://b:2", NULL, "the name PLAINTEXT is in it twice"},
        {"listeners=", NULL, "at least one"},
        {"listeners=SSL://:9093", NULL, "SSL would speak SSL, which this broker does not offer"},
        {"listeners=SASL_SSL://:9093", NULL, "SASL_SSL would speak SASL_SSL"},
        {"listeners=INSIDE://:9093", NULL, "does not say what INSIDE speaks"},
        {"listener.security.protocol.map=PLAINTEXT:TLS", NULL, "\"PLAINTEXT:TLS\" for listener.s"},
        {"listener.security.protocol.map=PLAINTEXT", NULL, "allowed is NAME:PROTOCOL"},
        {"advertised.listeners=PLAINTEXT://0.0.0.0:9092", NULL, "no client can connect to that"},
        {"advertised.listeners=PLAINTEXT://[::]:9092", NULL, "no client can connect to that"},
        {"advertised.listeners=OTHER://a:9092", NULL, "listeners has no OTHER"},
        {"advertised.listeners=a", NULL, "\"a\" for advertised.listeners"},
        {"inter.broker.listener.name=X", NULL, "\"X\" for inter.broker.listener.name"},
        {"listeners=PLAINTEXT://:1,B://:1",
         "listener.security.protocol.map=PLAINTEXT:PLAINTEXT,"
         "B:PLAINTEXT",
         "PLAINTEXT and B have the same address"},
        {"listeners=CONTROLLER://:9093", "controller.listener.names=CONTROLLER",
         "not a controller"},
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        void *fresh;
        setup(&fresh);
        struct test *t = fresh;
        must(t, set(t, bad[i][0]));
        if (bad[i][1]) must(t, set(t, bad[i][1]));
        has_error(t, finish(t), bad[i][2]);
        teardown(&fresh);
    }
}

/* ---- dynamic values ---- */

static void put(struct change *change, const char *resource, const char *key, const char *value)
{
    struct config_record *r = change_add(change, RECORD_ID_CONFIG_RECORD);
    assert_non_null(r);
    r->resource_type = CONFIG_BROKER;
    r->resource_name = view_str(resource);
    r->name = view_str(key);
    r->value = view_str(value);
}

static void ignore(void *arg, enum diag_level level, const char *line)
{
    (void)level, (void)line;
    (*(int *)arg)++;
}

static void overlay__node_over_default_over_static(void **state)
{
    struct test *t = *state;
    must(t, set(t, "message.max.bytes=1000"));
    must(t, set(t, "broker.rack=r"));
    must(t, finish(t));
    struct change change;
    change_init(&change);
    put(&change, "", "message.max.bytes", "2000");
    put(&change, "", "max.connections", "20");
    put(&change, "1", "message.max.bytes", "3000");
    put(&change, "2", "message.max.bytes", "4000");
    put(&change, "", "max.connections.per.ip", "a few");       /* not valid */
    put(&change, "", "num.partitions", "9");                   /* not dynamic */
    put(&change, "", "no.such.thing", "9");                    /* unknown */
    put(&change, "", "max.connections.per.ip.overrides", "x"); /* against the rule */
    struct image *empty = image_new_empty(), *image;
    must(t, image_apply(empty, &change, 5, &image));
    int complaints = 0;
    diag_set_sink(ignore, &complaints);
    struct broker_settings *over;
    must(t, broker_settings_overlay(t->settings, image, &over));
    assert_int_equal(complaints, 4);
    broker_settings_unref(t->settings); /* the overlay keeps what it needs */
    t->settings = over;
    image_unref(image);
    image_unref(empty);
    change_release(&change);
    assert_int_equal(over->message_max_bytes, 3000);
    assert_int_equal(over->max_connections, 20);
    assert_int_equal(over->max_connections_per_ip, INT32_MAX);
    assert_int_equal(over->num_partitions, 1);
    assert_string_equal(over->rack, "r");
    assert_int_equal(broker_settings_source(over, "message.max.bytes"), SOURCE_DYNAMIC_BROKER);
    assert_int_equal(broker_settings_source(over, "max.connections"),
                     SOURCE_DYNAMIC_DEFAULT_BROKER);
    struct setting_info info;
    size_t i = 0;
    while (strcmp(broker_setting_table.settings[i].name, "message.max.bytes") != 0) i++;
    broker_setting_describe(over, i, &info);
    assert_int_equal(info.synonym_count, 4);
    assert_string_equal(info.synonyms[0].value, "3000");
    assert_string_equal(info.synonyms[3].value, "1048588");
    assert_false(info.is_read_only || info.is_default);
}

static void overlay__on_an_overlay__forgets_the_older_values(void **state)
{
    struct test *t = *state;
    must(t, finish(t));
    struct change change;
    change_init(&change);
    put(&change, "1", "message.max.bytes", "3000");
    struct image *empty = image_new_empty(), *image;
    must(t, image_apply(empty, &change, 5, &image));
    struct broker_settings *first, *second;
    must(t, broker_settings_overlay(t->settings, image, &first));
    must(t, broker_settings_overlay(first, empty, &second));
    assert_int_equal(first->message_max_bytes, 3000);
    broker_settings_unref(first);
    assert_int_equal(second->message_max_bytes, 1048588);
    broker_settings_unref(second);
    image_unref(image);
    image_unref(empty);
    change_release(&change);
}

static void check_dynamic__what_may_change(void **state)
{
    (void)state;
    char message[600] = "";
    struct view null = {0};
#define CHECK_DYNAMIC(name, value) \
    broker_setting_check_dynamic(view_str(name), value, message, sizeof(message))
    assert_int_equal(CHECK_DYNAMIC("message.max.bytes", view_str("5")), OK);
    assert_int_equal(CHECK_DYNAMIC("message.max.bytes", null), OK);
    assert_int_equal(CHECK_DYNAMIC("message.max.bytes", view_str("-5")), ERR_INVALID);
    assert_non_null(strstr(message, "\"-5\" for message.max.bytes"));
    assert_int_equal(CHECK_DYNAMIC("log.dirs", view_str("x")), ERR_INVALID);
    assert_non_null(strstr(message, "log.dirs cannot be changed while the broker runs"));
    assert_int_equal(CHECK_DYNAMIC("message.max.byte", view_str("x")), ERR_NOT_FOUND);
    assert_non_null(strstr(message, "did you mean message.max.bytes?"));
}

static void describe__passwords__are_hidden(void **state)
{
    struct test *t = *state;
    must(t, set(t, "ssl.keystore.password=hunter2"));
    must(t, finish(t));
    for (size_t i = 0; i < broker_setting_table.count; i++) {
        struct setting_info info;
        broker_setting_describe(t->settings, i, &info);
        assert_true(info.is_sensitive == (info.setting->type == SETTING_PASSWORD));
        if (info.is_sensitive) assert_null(info.value);
        for (size_t k = 0; k < info.synonym_count && info.is_sensitive; k++) {
            assert_null(info.synonyms[k].value);
        }
    }
}

/* ---- --print-config ---- */

static void print__text__is_a_file_that_says_the_same(void **state)
{
    struct test *t = *state;
    must(t, set(t, "num.partitions=7"));
    must(t, set(t, "broker.rack=a\\b"));
    must(t, set(t, "ssl.keystore.password=hunter2"));
    must(t, finish(t));
    struct buf out = {0};
    must(t, broker_settings_print(t->settings, false, &out));
    must(t, buf_append_u8(&out, 0));
    const char *text = (const char *)out.data;
    assert_non_null(strstr(text, "\nnum.partitions=7\n"));
    assert_non_null(strstr(text, "\n#node.id=1\n"));
    assert_non_null(strstr(text, "; default 1; source: --set\nnum.partitions=7\n"));
    assert_null(strstr(text, "hunter2"));
    broker_settings_unref(t->settings);
    t->settings = broker_settings_new();
    must(t, read_text(t, text));
    must(t, finish(t));
    assert_int_equal(t->settings->num_partitions, 7);
    assert_string_equal(t->settings->rack, "a\\b");
    assert_int_equal(broker_settings_source(t->settings, "node.id"), SOURCE_DEFAULT);
    buf_release(&out);
}

static void print__json__has_every_setting(void **state)
{
    struct test *t = *state;
    must(t, read_text(t, "broker.rack=\"quoted\"\nssl.keystore.password=hunter2\n"));
    must(t, finish(t));
    struct buf out = {0};
    must(t, broker_settings_print(t->settings, true, &out));
    json_error_t error;
    json_t *all = json_loadb((const char *)out.data, out.len, 0, &error);
    if (!all) fail_msg("%s", error.text);
    assert_int_equal(json_array_size(all), broker_setting_table.count);
    size_t seen = 0;
    for (size_t i = 0; i < json_array_size(all); i++) {
        const json_t *one = json_array_get(all, i);
        const char *name = json_string_value(json_object_get(one, "name"));
        assert_string_equal(name, broker_setting_table.settings[i].name);
        const char *value = json_string_value(json_object_get(one, "value"));
        const char *source = json_string_value(json_object_get(one, "source"));
        if (strcmp(name, "broker.rack") == 0) {
            assert_string_equal(value, "\"quoted\"");
            assert_non_null(strstr(source, "server.properties:1"));
            seen++;
        } else if (strcmp(name, "ssl.keystore.password") == 0) {
            assert_string_equal(value, "(hidden)");
            seen++;
        } else {
            assert_string_equal(source, "default");
        }
    }
    assert_int_equal(seen, 2);
    json_decref(all);
    buf_release(&out);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(table__names__are_in_order_and_defaults_allowed),
        TEST(table__topic_synonyms__exist_with_the_same_default),
        TEST(finish__no_setting_at_all__is_a_good_single_broker),
        TEST(replicas__default__is_at_most_one_a_broker),
        TEST(precedence__command_over_file_over_default),
        TEST(set__same_name_twice__the_later_holds),
        TEST(set__bad_pairs__are_refused_with_name_value_and_bounds),
        TEST(finish__what_does_not_fit_together__is_refused),
        TEST(finish__several_problems__are_all_told),
        TEST(finish__older_names__stand_for_the_newer),
        TEST(file__every_form_of_a_line__is_read),
        TEST(file__bad_lines__are_all_named_with_their_place),
        TEST(file__zero_byte_in_value__is_refused),
        TEST(file__missing__is_said_with_its_name),
        TEST(file__of_a_kafka_node__works_as_it_is),
        TEST(listeners__several_forms__are_parsed),
        TEST(listeners__wrong_ones__are_refused_with_what_is_allowed),
        TEST(overlay__node_over_default_over_static),
        TEST(overlay__on_an_overlay__forgets_the_older_values),
        TEST(check_dynamic__what_may_change),
        TEST(describe__passwords__are_hidden),
        TEST(print__text__is_a_file_that_says_the_same),
        TEST(print__json__has_every_setting),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
