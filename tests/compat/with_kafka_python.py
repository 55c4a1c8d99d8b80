"""Debian's python3-kafka 2.0.2: no negotiation per API, two requests back to back on a new connection."""
import time

import kafka
from kafka import TopicPartition
from kafka.admin import ConfigResource, ConfigResourceType, KafkaAdminClient, NewPartitions, NewTopic
from kafka.errors import TopicAlreadyExistsError


def make_consumer(broker, topic):
    consumer = kafka.KafkaConsumer(bootstrap_servers=broker.address, consumer_timeout_ms=10000, enable_auto_commit=False)
    consumer.assign([TopicPartition(topic, 0)])
    consumer.seek_to_beginning()
    return consumer


def take(consumer, count):
    got = []
    for record in consumer:
        got.append(record)
        if len(got) == count:
            break
    assert len(got) == count, f"{len(got)} of {count} records"
    return got


def test_guesses_a_version(broker):
    client = kafka.KafkaClient(bootstrap_servers=broker.address)
    assert client.check_version() >= (2, 1), client.check_version()
    client.close()


def test_every_codec_round_trips(broker):
    # zstd needs a module that Debian's package does not bring; the others do.
    for codec in [None, "gzip", "snappy", "lz4"]:
        topic = f"kp-{codec}"
        try:
            producer = kafka.KafkaProducer(bootstrap_servers=broker.address, compression_type=codec, linger_ms=20)
        except AssertionError as e:
            assert "not found" in str(e), e  # the codec's Python module is not installed
            continue
        for i in range(500):
            producer.send(topic, key=b"k%d" % i, value=b"v%d" % i, partition=0, headers=[("n", b"%d" % i)])
        producer.flush(20)
        producer.close()
        got = take(make_consumer(broker, topic), 500)
        assert [r.value for r in got] == [b"v%d" % i for i in range(500)], codec
        assert got[3].key == b"k3" and got[3].headers == [("n", b"3")]


def test_null_values_and_acks(broker):
    for acks in (0, 1, "all"):
        producer = kafka.KafkaProducer(bootstrap_servers=broker.address, acks=acks)
        producer.send(f"kp-acks-{acks}", key=b"k", value=None, partition=0)
        producer.flush(20)
        producer.close()
        record = take(make_consumer(broker, f"kp-acks-{acks}"), 1)[0]
        assert (record.key, record.value) == (b"k", None)


def test_offsets_by_time(broker):
    producer = kafka.KafkaProducer(bootstrap_servers=broker.address)
    base = int(time.time() * 1000) - 100000
    for i in range(100):
        producer.send("kp-time", b"%d" % i, partition=0, timestamp_ms=base + i * 10)
    producer.flush(20)
    consumer = make_consumer(broker, "kp-time")
    tp = TopicPartition("kp-time", 0)
    assert consumer.beginning_offsets([tp])[tp] == 0
    assert consumer.end_offsets([tp])[tp] == 100
    found = consumer.offsets_for_times({tp: base + 425})[tp]
    assert (found.offset, found.timestamp) == (43, base + 430), found
    assert consumer.offsets_for_times({tp: base + 10000})[tp] is None


def test_admin(broker):
    admin = KafkaAdminClient(bootstrap_servers=broker.address)
    admin.create_topics([NewTopic("kp-admin", 2, 1, topic_configs={"cleanup.policy": "compact"})])
    try:
        admin.create_topics([NewTopic("kp-admin", 2, 1)])
        raise AssertionError("created twice")
    except TopicAlreadyExistsError:
        pass
    assert "kp-admin" in admin.list_topics()
    assert len(admin.describe_topics(["kp-admin"])[0]["partitions"]) == 2
    response = admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, "kp-admin")])[0]
    values = {entry[0]: entry[1] for entry in response.resources[0][4]}
    assert values["cleanup.policy"] == "compact", values
    admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, "kp-admin", configs={"retention.ms": "1000"})])
    admin.create_partitions({"kp-admin": NewPartitions(4)})
    assert len(admin.describe_topics(["kp-admin"])[0]["partitions"]) == 4
    admin.delete_topics(["kp-admin"])
    assert "kp-admin" not in admin.list_topics()
    admin.close()
