"""Debian's kcat (librdkafka 2.0.2)."""

import json
import subprocess
import time

from harness import eventually

CODECS = ["none", "gzip", "snappy", "lz4", "zstd"]


def kcat(broker, *args, data=None, code=0):
    r = subprocess.run(["kcat", "-b", broker.address, *args], input=data, capture_output=True, timeout=60)
    assert r.returncode == code, f"kcat {args}: {r.returncode} {r.stderr[-500:]}"
    return r.stdout


def consume(broker, topic, *args):
    # Without a short wait the last fetch, which finds nothing, takes half a second.
    return kcat(broker, "-C", "-t", topic, "-e", "-q", "-X", "fetch.wait.max.ms=20", *args)


def test_metadata_lists_broker_and_topics(broker):
    kcat(broker, "-P", "-t", "kcat-meta", "-p", "0", data=b"x\n")
    meta = json.loads(kcat(broker, "-L", "-J"))
    assert [b["name"] for b in meta["brokers"]] == [broker.address], meta["brokers"]
    assert meta["controllerid"] == meta["brokers"][0]["id"], meta
    topic = [t for t in meta["topics"] if t["topic"] == "kcat-meta"]
    assert topic == [
        {
            "topic": "kcat-meta",
            "partitions": [{"partition": 0, "leader": 1, "replicas": [{"id": 1}], "isrs": [{"id": 1}]}],
        }
    ], topic


def test_each_codec_arrives_and_is_stored_as_sent(broker):
    lines = b"".join(b"line %d of a text that compresses well well well well\n" % i for i in range(2000))
    for codec in CODECS:
        topic = f"kcat-{codec}"
        # Alone in a batch, the first line would not get shorter and would be sent as it is.
        kcat(broker, "-P", "-t", topic, "-p", "0", "-z", codec, "-X", "linger.ms=300", data=lines)
        assert consume(broker, topic, "-o", "beginning", "-X", "check.crcs=true") == lines, codec
        assert set(broker.codecs_on_disk(topic)) == {codec}, (codec, broker.codecs_on_disk(topic)[:3])


def test_keys_headers_and_null_values(broker):
    headers = ["-H", "a=1", "-H", "b=two", "-H", "empty="]
    lines = b"k1:v1\nk2:\n:v3\n"
    kcat(broker, "-P", "-t", "kcat-kv", "-p", "0", "-K", ":", "-Z", *headers, data=lines)
    records = [json.loads(line) for line in consume(broker, "kcat-kv", "-o", "beginning", "-J").splitlines()]
    assert [(r["key"], r["payload"]) for r in records] == [("k1", "v1"), ("k2", None), (None, "v3")], records
    assert records[0]["headers"] == ["a", "1", "b", "two", "empty", ""], records[0]


def test_offsets_by_time_and_relative(broker):
    kcat(broker, "-P", "-t", "kcat-time", "-p", "0", data=b"".join(b"%d\n" % i for i in range(100)))
    first = json.loads(kcat(broker, "-C", "-t", "kcat-time", "-o", "beginning", "-c", "1", "-q", "-J"))
    found = kcat(broker, "-Q", "-t", f"kcat-time:0:{first['ts']}")
    assert b"offset 0" in found, found
    assert b"offset 100" in kcat(broker, "-Q", "-t", "kcat-time:0:-1")
    assert consume(broker, "kcat-time", "-p", "0", "-o", "-3") == b"97\n98\n99\n"
    assert kcat(broker, "-C", "-t", "kcat-time", "-p", "0", "-o", "50", "-c", "2", "-q") == b"50\n51\n"
    assert consume(broker, "kcat-time", "-p", "0", "-o", f"s@{first['ts']}").startswith(b"0\n")
    assert consume(broker, "kcat-time", "-p", "0", "-o", "end") == b""


def test_a_waiting_consumer_gets_a_line_at_once(broker):
    kcat(broker, "-P", "-t", "kcat-tail", "-p", "0", data=b"old\n")
    reader = subprocess.Popen(
        ["kcat", "-b", broker.address, "-C", "-t", "kcat-tail", "-p", "0", "-o", "end", "-c", "1", "-q", "-u"],
        stdout=subprocess.PIPE,
    )
    time.sleep(1)  # by then it waits at the end
    kcat(broker, "-P", "-t", "kcat-tail", "-p", "0", data=b"new\n")
    assert reader.stdout.readline() == b"new\n"
    reader.wait(10)
    reader.stdout.close()


def test_idempotent_producer(broker):
    data = b"".join(b"%d\n" % i for i in range(5000))
    kcat(broker, "-P", "-t", "kcat-idem", "-p", "0", "-X", "enable.idempotence=true", data=data)
    assert consume(broker, "kcat-idem", "-o", "beginning") == data


def test_large_records(broker):
    line = b"x" * 900000 + b"\n"
    kcat(broker, "-P", "-t", "kcat-large", "-p", "0", data=line * 8)
    assert consume(broker, "kcat-large", "-o", "beginning") == line * 8
    # Records over the size of a fetch arrive nevertheless.
    assert consume(broker, "kcat-large", "-o", "beginning", "-X", "max.partition.fetch.bytes=1000") == line * 8


def test_lines_survive_a_kill(broker):
    data = b"".join(b"%d\n" % i for i in range(20000))
    kcat(broker, "-P", "-t", "kcat-kill", "-p", "0", "-z", "lz4", data=data)
    broker.kill()
    broker.start()
    assert consume(broker, "kcat-kill", "-o", "beginning") == data


def test_lines_survive_a_clean_stop(broker):
    data = b"".join(b"%d\n" % i for i in range(20000))
    kcat(broker, "-P", "-t", "kcat-stop", "-p", "0", data=data)
    broker.stop()
    broker.start()
    kcat(broker, "-P", "-t", "kcat-stop", "-p", "0", data=b"one more\n")
    assert consume(broker, "kcat-stop", "-o", "beginning") == data + b"one more\n"


def test_unknown_partition_is_refused(broker):
    kcat(broker, "-P", "-t", "kcat-one", "-p", "0", data=b"x\n")
    r = subprocess.run(
        ["kcat", "-b", broker.address, "-P", "-t", "kcat-one", "-p", "77", "-X", "message.timeout.ms=3000"],
        input=b"x\n",
        capture_output=True,
        timeout=60,
    )
    assert b"nknown partition" in r.stderr or b"Unknown topic" in r.stderr, r.stderr


def test_unknown_topic_is_not_made_by_reading(broker):
    r = subprocess.run(
        ["kcat", "-b", broker.address, "-C", "-t", "kcat-nowhere", "-e", "-q"], capture_output=True, timeout=60
    )
    assert r.returncode != 0 and b"Unknown topic" in r.stderr, r
    assert "kcat-nowhere" not in broker.stele("topic", "list")


def test_group_mode_asks_again_and_hurts_nobody(broker):
    kcat(broker, "-P", "-t", "kcat-group", "-p", "0", data=b"x\n")
    member = subprocess.Popen(
        ["kcat", "-b", broker.address, "-G", "some-group", "kcat-group", "-X", "debug=cgrp"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    time.sleep(2)
    assert member.poll() is None, "a member has to wait for its coordinator"
    assert consume(broker, "kcat-group", "-o", "beginning") == b"x\n"
    member.terminate()
    out, err = member.communicate(timeout=10)
    assert out == b"" and err.count(b"COORDINATOR_NOT_AVAILABLE") > 1, err[-500:]


def test_a_million_small_records(broker):
    data = b"".join(b"%d\n" % i for i in range(1000000))
    kcat(broker, "-P", "-t", "kcat-million", "-p", "0", "-z", "lz4", data=data)
    assert eventually(lambda: consume(broker, "kcat-million", "-o", "beginning"), "read") == data
