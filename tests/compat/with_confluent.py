"""Debian's python3-confluent-kafka (librdkafka): producer, consumer, admin."""
import confluent_kafka as ck
from confluent_kafka import admin as ck_admin


def produce(broker, topic, count, **conf):
    failures = []
    producer = ck.Producer({"bootstrap.servers": broker.address, **conf})
    for i in range(count):
        producer.produce(topic, key=f"k{i}", value=f"v{i}", partition=0, headers={"n": str(i)},
                         on_delivery=lambda err, _: failures.append(err) if err else None)
        producer.poll(0)
    assert producer.flush(30) == 0
    assert not failures, failures[:3]


def consume(broker, topic, count, **conf):
    consumer = ck.Consumer({"bootstrap.servers": broker.address, "group.id": "unused", "enable.auto.commit": False, "check.crcs": True, **conf})
    consumer.assign([ck.TopicPartition(topic, 0, 0)])
    got = []
    while len(got) < count:
        batch = consumer.consume(500, timeout=10)
        assert batch, f"{len(got)} of {count} records"
        for m in batch:
            assert m.error() is None, m.error()
        got += batch
    consumer.close()
    return got


def test_every_codec_round_trips(broker):
    for codec in ["none", "gzip", "snappy", "lz4", "zstd"]:
        topic = f"ck-{codec}"
        produce(broker, topic, 1000, **{"compression.type": codec, "linger.ms": 20})
        got = consume(broker, topic, 1000)
        assert [m.value() for m in got] == [b"v%d" % i for i in range(1000)], codec
        assert got[7].headers() == [("n", b"7")] and got[7].key() == b"k7"
        assert codec in broker.codecs_on_disk(topic), codec


def test_idempotent_and_acks_all(broker):
    produce(broker, "ck-idem", 3000, **{"enable.idempotence": True, "acks": "all"})
    assert len(consume(broker, "ck-idem", 3000)) == 3000


def test_admin_creates_describes_alters_and_deletes(broker):
    client = ck_admin.AdminClient({"bootstrap.servers": broker.address})
    new = ck_admin.NewTopic("ck-admin", 3, 1, config={"retention.ms": "12345"})
    client.create_topics([new])["ck-admin"].result(10)
    resource = ck_admin.ConfigResource(ck_admin.ConfigResource.Type.TOPIC, "ck-admin")
    config = client.describe_configs([resource])[resource].result(10)
    assert config["retention.ms"].value == "12345" and not config["retention.ms"].is_default
    assert config["segment.bytes"].value == "1073741824"
    client.alter_configs([ck_admin.ConfigResource(ck_admin.ConfigResource.Type.TOPIC, "ck-admin", set_config={"retention.ms": "777"})])
    client.create_partitions([ck_admin.NewPartitions("ck-admin", 5)])["ck-admin"].result(10)
    assert len(client.list_topics("ck-admin", timeout=10).topics["ck-admin"].partitions) == 5
    try:
        client.create_topics([new])["ck-admin"].result(10)
        raise AssertionError("created twice")
    except ck.KafkaException as e:
        assert e.args[0].code() == ck.KafkaError.TOPIC_ALREADY_EXISTS, e
    client.delete_topics(["ck-admin"])["ck-admin"].result(10)
    assert "ck-admin" not in client.list_topics(timeout=10).topics


def test_watermarks_and_offsets_for_times(broker):
    produce(broker, "ck-marks", 50)
    consumer = ck.Consumer({"bootstrap.servers": broker.address, "group.id": "unused"})
    assert consumer.get_watermark_offsets(ck.TopicPartition("ck-marks", 0), timeout=10) == (0, 50)
    far = consumer.offsets_for_times([ck.TopicPartition("ck-marks", 0, 4102444800000)], timeout=10)
    assert far[0].offset == -1, far
    near = consumer.offsets_for_times([ck.TopicPartition("ck-marks", 0, 1)], timeout=10)
    assert near[0].offset == 0, near
    consumer.close()


def test_a_record_over_the_limit_is_refused(broker):
    errors = []
    producer = ck.Producer({"bootstrap.servers": broker.address, "message.max.bytes": 5000000})
    producer.produce("ck-large", b"x" * 2000000, on_delivery=lambda err, _: errors.append(err))
    assert producer.flush(20) == 0
    assert errors[0] is not None and errors[0].code() == ck.KafkaError.MSG_SIZE_TOO_LARGE, errors
