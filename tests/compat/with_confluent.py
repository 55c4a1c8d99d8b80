"""Debian's python3-confluent-kafka (librdkafka): producer, consumer, admin."""

import threading
import time

import confluent_kafka as ck
from confluent_kafka import admin as ck_admin

from harness import eventually

CODECS = ["none", "gzip", "snappy", "lz4", "zstd"]


def make_producer(broker, **conf):
    return ck.Producer({"bootstrap.servers": broker.address, **conf})


def make_consumer(broker, *places, **conf):
    """Reads from (topic, partition, offset) on, without a group."""
    consumer = ck.Consumer(
        {
            "bootstrap.servers": broker.address,
            "group.id": "unused",
            "enable.auto.commit": False,
            "check.crcs": True,
            "fetch.wait.max.ms": 50,
            **conf,
        }
    )
    if places:
        consumer.assign([ck.TopicPartition(*place) for place in places])
    return consumer


def make_admin(broker):
    return ck_admin.AdminClient({"bootstrap.servers": broker.address})


def create(broker, topic, partitions=1, **config):
    new = ck_admin.NewTopic(topic, partitions, 1, config={k.replace("_", "."): v for k, v in config.items()})
    client = make_admin(broker)  # kept until there is a result
    client.create_topics([new])[topic].result(10)


def fails_with(code, future):
    try:
        future.result(10)
    except ck.KafkaException as e:
        assert e.args[0].code() == code, e
        return e.args[0].str()
    raise AssertionError("it was not refused")


def produce_one(broker, topic, value, **kwargs):
    """The error of one record, or None."""
    conf = kwargs.pop("conf", {})
    errors = []
    producer = make_producer(broker, **conf)
    producer.produce(topic, value, partition=0, on_delivery=lambda err, _: errors.append(err), **kwargs)
    assert producer.flush(20) == 0
    return errors[0]


def produce(broker, topic, count, **conf):
    failures = []
    producer = make_producer(broker, **conf)
    for i in range(count):
        producer.produce(
            topic,
            key=f"k{i}",
            value=f"v{i}",
            partition=0,
            headers={"n": str(i)},
            on_delivery=lambda err, _: failures.append(err) if err else None,
        )
        producer.poll(0)
    assert producer.flush(30) == 0
    assert not failures, failures[:3]


def take(consumer, count):
    got = []
    while len(got) < count:
        batch = consumer.consume(count - len(got), timeout=10)
        assert batch, f"{len(got)} of {count} records"
        for m in batch:
            assert m.error() is None, m.error()
        got += batch
    return got


def consume(broker, topic, count, **conf):
    consumer = make_consumer(broker, (topic, 0, 0), **conf)
    got = take(consumer, count)
    consumer.close()
    return got


def test_every_codec_round_trips(broker):
    for codec in CODECS:
        topic = f"ck-{codec}"
        produce(broker, topic, 1000, **{"compression.type": codec, "linger.ms": 100})
        got = consume(broker, topic, 1000)
        assert [m.value() for m in got] == [b"v%d" % i for i in range(1000)], codec
        assert got[7].headers() == [("n", b"7")] and got[7].key() == b"k7"
        assert codec in broker.codecs_on_disk(topic), codec


def test_a_topics_codec_replaces_the_producers(broker):
    for wanted in ["gzip", "snappy", "lz4", "zstd"]:
        for sent in CODECS:
            topic = f"ck-{sent}-to-{wanted}"
            create(broker, topic, compression_type=wanted)
            produce(broker, topic, 300, **{"compression.type": sent, "linger.ms": 100})
            assert [m.value() for m in consume(broker, topic, 300)] == [b"v%d" % i for i in range(300)]
            assert set(broker.codecs_on_disk(topic)) == {wanted}, (topic, broker.codecs_on_disk(topic))
    create(broker, "ck-lz4-to-none", compression_type="uncompressed")
    produce(broker, "ck-lz4-to-none", 300, **{"compression.type": "lz4", "linger.ms": 100})
    assert len(consume(broker, "ck-lz4-to-none", 300)) == 300
    assert set(broker.codecs_on_disk("ck-lz4-to-none")) == {"none"}


def test_idempotent_and_acks_all(broker):
    produce(broker, "ck-idem", 3000, **{"enable.idempotence": True, "acks": "all"})
    assert len(consume(broker, "ck-idem", 3000)) == 3000


def test_every_kind_of_acks(broker):
    for acks in ["0", "1", "all"]:
        produce(broker, f"ck-acks-{acks}", 200, acks=acks)
        assert len(consume(broker, f"ck-acks-{acks}", 200)) == 200


def test_nulls_empties_and_headers(broker):
    producer = make_producer(broker)
    pairs = [(None, b"v"), (b"k", None), (None, None), (b"", b""), (b"\x00\xff", b"\x00" * 10)]
    headers = [("same", b"1"), ("same", b"2"), ("null", None), ("empty", b"")]
    for key, value in pairs:
        producer.produce("ck-nulls", key=key, value=value, partition=0, headers=headers)
    assert producer.flush(20) == 0
    got = consume(broker, "ck-nulls", 5)
    assert [(m.key(), m.value()) for m in got] == pairs
    assert got[0].headers() == headers, got[0].headers()


def test_many_partitions(broker):
    create(broker, "ck-many", 60)
    producer = make_producer(broker, **{"linger.ms": 20})
    for i in range(12000):
        producer.produce("ck-many", key=b"k%d" % (i % 977), value=b"%d" % i)
        producer.poll(0)
    assert producer.flush(30) == 0
    consumer = make_consumer(broker, *[("ck-many", p, 0) for p in range(60)])
    got = take(consumer, 12000)
    consumer.close()
    assert sorted(int(m.value()) for m in got) == list(range(12000))
    last, home = {}, {}
    for m in got:
        assert home.setdefault(m.key(), m.partition()) == m.partition()
        assert last.get(m.key(), -1) < int(m.value()), "order within a key"
        last[m.key()] = int(m.value())


def test_seek_pause_and_resume(broker):
    create(broker, "ck-seek", 2)
    producer = make_producer(broker)
    for i in range(500):
        producer.produce("ck-seek", b"%d" % i, partition=i % 2)
    assert producer.flush(20) == 0
    consumer = make_consumer(broker, ("ck-seek", 0, 0), ("ck-seek", 1, 0))
    take(consumer, 500)
    consumer.seek(ck.TopicPartition("ck-seek", 1, 200))
    assert [int(m.value()) for m in take(consumer, 3)] == [401, 403, 405]
    consumer.pause([ck.TopicPartition("ck-seek", 0), ck.TopicPartition("ck-seek", 1)])
    producer.produce("ck-seek", b"paused", partition=0)
    assert producer.flush(20) == 0
    assert consumer.poll(1) is None
    consumer.resume([ck.TopicPartition("ck-seek", 0)])
    assert take(consumer, 1)[0].value() == b"paused"
    consumer.close()


def test_the_end_of_a_partition_is_told(broker):
    produce(broker, "ck-eof", 3)
    consumer = make_consumer(broker, ("ck-eof", 0, 1), **{"enable.partition.eof": True})
    got = [consumer.poll(10) for _ in range(3)]
    assert [m.error().code() if m.error() else m.value() for m in got] == [b"v1", b"v2", ck.KafkaError._PARTITION_EOF]
    consumer.close()


def test_an_offset_out_of_range(broker):
    produce(broker, "ck-range", 10)
    for reset, first in [("earliest", 0), ("latest", None), ("error", ck.KafkaError._AUTO_OFFSET_RESET)]:
        consumer = make_consumer(broker, ("ck-range", 0, 5000), **{"auto.offset.reset": reset})
        m = consumer.poll(2 if first is None else 10)
        if first is None:
            assert m is None, m.value()
        elif m.error():
            assert m.error().code() == first, m.error()
        else:
            assert m.offset() == first
        consumer.close()


def test_large_records(broker):
    create(broker, "ck-large", max_message_bytes="12000000")
    sizes = [1, 100000, 5000000, 1000000, 10000000]
    for size in sizes:
        assert produce_one(broker, "ck-large", b"x" * size, conf={"message.max.bytes": 12000000}) is None
    assert [len(m.value()) for m in consume(broker, "ck-large", len(sizes))] == sizes


def test_a_record_over_the_limit_is_refused(broker):
    error = produce_one(broker, "ck-over", b"x" * 2000000, conf={"message.max.bytes": 5000000})
    assert error is not None and error.code() == ck.KafkaError.MSG_SIZE_TOO_LARGE, error


def test_records_that_a_topic_does_not_allow(broker):
    create(broker, "ck-compacted", cleanup_policy="compact")
    assert produce_one(broker, "ck-compacted", b"v", key=b"k") is None
    error = produce_one(broker, "ck-compacted", b"no key")
    assert error.code() == ck.KafkaError.INVALID_RECORD, error
    create(broker, "ck-punctual", message_timestamp_after_max_ms="1000", message_timestamp_before_max_ms="1000")
    now = int(time.time() * 1000)
    assert produce_one(broker, "ck-punctual", b"v", timestamp=now) is None
    for wrong in (now - 60000, now + 60000):
        error = produce_one(broker, "ck-punctual", b"v", timestamp=wrong)
        assert error.code() == ck.KafkaError.INVALID_TIMESTAMP, error


def test_append_time(broker):
    create(broker, "ck-append-time", message_timestamp_type="LogAppendTime")
    before = int(time.time() * 1000) - 1
    assert produce_one(broker, "ck-append-time", b"v", timestamp=1000) is None
    kind, stamp = consume(broker, "ck-append-time", 1)[0].timestamp()
    assert kind == ck.TIMESTAMP_LOG_APPEND_TIME and before <= stamp <= int(time.time() * 1000) + 1, stamp


def test_too_few_replicas(broker):
    create(broker, "ck-insync", min_insync_replicas="2")
    assert produce_one(broker, "ck-insync", b"v", conf={"acks": "1"}) is None
    error = produce_one(broker, "ck-insync", b"v", conf={"acks": "all", "message.timeout.ms": 2000})
    assert error.code() in (ck.KafkaError._MSG_TIMED_OUT, ck.KafkaError.NOT_ENOUGH_REPLICAS), error
    assert len(consume(broker, "ck-insync", 1)) == 1


def test_an_fsync_topic(broker):
    create(broker, "ck-fsync", durability="fsync")
    produce(broker, "ck-fsync", 500, acks="all")
    assert len(consume(broker, "ck-fsync", 500)) == 500


def test_watermarks_and_offsets_for_times(broker):
    produce(broker, "ck-marks", 50)
    consumer = make_consumer(broker)
    assert consumer.get_watermark_offsets(ck.TopicPartition("ck-marks", 0), timeout=10) == (0, 50)
    far = consumer.offsets_for_times([ck.TopicPartition("ck-marks", 0, 4102444800000)], timeout=10)
    assert far[0].offset == -1, far
    near = consumer.offsets_for_times([ck.TopicPartition("ck-marks", 0, 1)], timeout=10)
    assert near[0].offset == 0, near
    consumer.close()


def test_times_are_exact_to_the_record(broker):
    base = int(time.time() * 1000) - 1000000
    for codec in CODECS:
        topic = f"ck-times-{codec}"
        producer = make_producer(broker, **{"compression.type": codec, "linger.ms": 200})
        for i in range(1000):
            producer.produce(topic, b"v%d" % i, partition=0, timestamp=base + 10 * i)
        assert producer.flush(20) == 0
        consumer = make_consumer(broker)
        for delta, offset in [(0, 0), (4321, 433), (4320, 432), (9990, 999), (9991, -1)]:
            found = consumer.offsets_for_times([ck.TopicPartition(topic, 0, base + delta)], timeout=10)[0]
            assert found.offset == offset and found.error is None, (codec, delta, found)
        consumer.close()


def test_a_transactional_producer_is_refused_at_once(broker):
    producer = make_producer(broker, **{"transactional.id": "tx"})
    begun = time.monotonic()
    try:
        producer.init_transactions(10)
    except ck.KafkaException as e:
        assert e.args[0].code() == ck.KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED and e.args[0].fatal(), e
    else:
        raise AssertionError("there are no transactions")
    assert time.monotonic() - begun < 5


def test_a_group_asks_again_and_hurts_nobody(broker):
    produce(broker, "ck-group", 5)
    member = ck.Consumer(
        {"bootstrap.servers": broker.address, "group.id": "some-group", "auto.offset.reset": "earliest"}
    )
    member.subscribe(["ck-group"])
    until = time.monotonic() + 2
    while time.monotonic() < until:
        m = member.poll(0.2)
        assert m is None or m.error().retriable(), m.error()
    assert len(consume(broker, "ck-group", 5)) == 5
    begun = time.monotonic()
    member.close()
    assert time.monotonic() - begun < 5


def test_admin_creates_describes_alters_and_deletes(broker):
    client = make_admin(broker)
    new = ck_admin.NewTopic("ck-admin", 3, 1, config={"retention.ms": "12345"})
    client.create_topics([new])["ck-admin"].result(10)
    resource = ck_admin.ConfigResource(ck_admin.ConfigResource.Type.TOPIC, "ck-admin")
    config = client.describe_configs([resource])[resource].result(10)
    assert config["retention.ms"].value == "12345" and not config["retention.ms"].is_default
    assert config["segment.bytes"].value == "1073741824" and config["segment.bytes"].is_default
    change = ck_admin.ConfigResource(
        ck_admin.ConfigResource.Type.TOPIC, "ck-admin", set_config={"retention.bytes": "777"}
    )
    client.alter_configs([change])[change].result(10)
    config = client.describe_configs([resource])[resource].result(10)
    assert config["retention.bytes"].value == "777", "set"
    assert config["retention.ms"].value == "604800000", "AlterConfigs replaces everything"
    client.create_partitions([ck_admin.NewPartitions("ck-admin", 5)])["ck-admin"].result(10)
    assert len(client.list_topics("ck-admin", timeout=10).topics["ck-admin"].partitions) == 5
    fails_with(ck.KafkaError.TOPIC_ALREADY_EXISTS, client.create_topics([new])["ck-admin"])
    client.delete_topics(["ck-admin"])["ck-admin"].result(10)
    assert "ck-admin" not in client.list_topics(timeout=10).topics
    fails_with(ck.KafkaError.UNKNOWN_TOPIC_OR_PART, client.delete_topics(["ck-admin"])["ck-admin"])


def test_admin_is_told_what_is_wrong(broker):
    client = make_admin(broker)
    refused = [
        (ck.KafkaError.TOPIC_EXCEPTION, ck_admin.NewTopic("ck/bad", 1, 1), "ck/bad"),
        (ck.KafkaError.TOPIC_EXCEPTION, ck_admin.NewTopic("x" * 250, 1, 1), "250"),
        (ck.KafkaError.INVALID_REPLICATION_FACTOR, ck_admin.NewTopic("ck-bad", 1, 2), "2"),
        (ck.KafkaError.POLICY_VIOLATION, ck_admin.NewTopic("ck-bad", 100000, 1), "100000"),
        (
            ck.KafkaError.INVALID_CONFIG,
            ck_admin.NewTopic("ck-bad", 1, 1, config={"retention.mss": "1"}),
            "retention.ms",
        ),
        (ck.KafkaError.INVALID_CONFIG, ck_admin.NewTopic("ck-bad", 1, 1, config={"retention.ms": "soon"}), "soon"),
    ]
    for code, new, word in refused:
        said = fails_with(code, client.create_topics([new])[new.topic])
        assert word in said, said
    client.create_topics([ck_admin.NewTopic("ck-only-judged", 1, 1)], validate_only=True)["ck-only-judged"].result(10)
    topics = client.list_topics(timeout=10).topics
    assert "ck-bad" not in topics and "ck-only-judged" not in topics
    create(broker, "ck-shrink", 3)
    fails_with(
        ck.KafkaError.INVALID_PARTITIONS,
        client.create_partitions([ck_admin.NewPartitions("ck-shrink", 2)])["ck-shrink"],
    )
    change = ck_admin.ConfigResource(
        ck_admin.ConfigResource.Type.TOPIC, "ck-shrink", set_config={"cleanup.policy": "burn"}
    )
    assert "burn" in fails_with(ck.KafkaError.INVALID_CONFIG, client.alter_configs([change])[change])


def test_admin_describes_the_broker(broker):
    client = make_admin(broker)
    cluster = client.list_topics(timeout=10)
    assert list(cluster.brokers) == [1] and cluster.controller_id == 1 and len(cluster.cluster_id) == 22
    resource = ck_admin.ConfigResource(ck_admin.ConfigResource.Type.BROKER, "1")
    config = client.describe_configs([resource])[resource].result(10)
    assert config["node.id"].value == "1" and config["node.id"].is_read_only
    assert config["num.network.threads"].value and config["log.retention.hours"].value


def test_a_topic_is_made_anew_under_a_living_producer(broker):
    create(broker, "ck-anew")
    producer = make_producer(broker, **{"topic.metadata.refresh.interval.ms": 300})
    errors = []

    def send(value):
        producer.produce("ck-anew", value, partition=0, on_delivery=lambda err, _: errors.append(err))
        assert producer.flush(20) == 0
        return errors.pop()

    assert send(b"old") is None
    client = make_admin(broker)
    client.delete_topics(["ck-anew"])["ck-anew"].result(10)
    create(broker, "ck-anew")
    eventually(lambda: send(b"new") is None, "the new topic takes records")
    assert consume(broker, "ck-anew", 1)[0].value() == b"new"


def test_partitions_are_added_under_a_living_producer(broker):
    create(broker, "ck-grow", 1)
    producer = make_producer(broker, **{"topic.metadata.refresh.interval.ms": 300})
    producer.produce("ck-grow", b"first", partition=0)
    assert producer.flush(20) == 0
    client = make_admin(broker)
    client.create_partitions([ck_admin.NewPartitions("ck-grow", 3)])["ck-grow"].result(10)

    def reaches_the_new_one():
        errors = []
        producer.produce("ck-grow", b"last", partition=2, on_delivery=lambda err, _: errors.append(err))
        producer.flush(20)
        return errors and errors[0] is None

    def tries():
        try:
            return reaches_the_new_one()
        except ck.KafkaException:
            return False

    eventually(tries, "the new partition takes records")


def test_producers_side_by_side(broker):
    create(broker, "ck-crowd")
    threads = [
        threading.Thread(target=produce, args=(broker, "ck-crowd", 500), kwargs={"enable.idempotence": True})
        for _ in range(8)
    ]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    got = consume(broker, "ck-crowd", 4000)
    assert [m.offset() for m in got] == list(range(4000))
    assert sorted(m.value() for m in got) == sorted([b"v%d" % i for i in range(500)] * 8)
