"""Debian's kcat (librdkafka 2.0.2)."""
import json
import subprocess

CODECS = ["none", "gzip", "snappy", "lz4", "zstd"]


def kcat(broker, *args, data=None, code=0):
    r = subprocess.run(["kcat", "-b", broker.address, *args], input=data, capture_output=True, timeout=60)
    assert r.returncode == code, f"kcat {args}: {r.returncode} {r.stderr[-500:]}"
    return r.stdout


def test_metadata_lists_broker_and_topics(broker):
    kcat(broker, "-P", "-t", "kcat-meta", "-p", "0", data=b"x\n")
    meta = json.loads(kcat(broker, "-L", "-J"))
    assert [b["name"] for b in meta["brokers"]] == [broker.address], meta["brokers"]
    assert "kcat-meta" in [t["topic"] for t in meta["topics"]]


def test_each_codec_arrives_and_is_stored_as_sent(broker):
    lines = b"".join(b"line %d of a text that compresses well well well well\n" % i for i in range(2000))
    for codec in CODECS:
        topic = f"kcat-{codec}"
        # Alone in a batch, the first line would not get shorter and would be sent as it is.
        kcat(broker, "-P", "-t", topic, "-p", "0", "-z", codec, "-X", "linger.ms=300", data=lines)
        assert kcat(broker, "-C", "-t", topic, "-p", "0", "-o", "beginning", "-e", "-q", "-X", "check.crcs=true") == lines, codec
        assert set(broker.codecs_on_disk(topic)) == {codec}, (codec, broker.codecs_on_disk(topic)[:3])


def test_keys_headers_and_null_values(broker):
    kcat(broker, "-P", "-t", "kcat-kv", "-p", "0", "-K", ":", "-Z", "-H", "a=1", "-H", "b=two", data=b"k1:v1\nk2:\n")
    out = kcat(broker, "-C", "-t", "kcat-kv", "-o", "beginning", "-e", "-q", "-J").splitlines()
    records = [json.loads(line) for line in out]
    assert [(r["key"], r["payload"]) for r in records] == [("k1", "v1"), ("k2", None)], records
    assert records[0]["headers"] == ["a", "1", "b", "two"], records[0]


def test_offsets_by_time_and_relative(broker):
    kcat(broker, "-P", "-t", "kcat-time", "-p", "0", data=b"".join(b"%d\n" % i for i in range(100)))
    first = json.loads(kcat(broker, "-C", "-t", "kcat-time", "-o", "beginning", "-c", "1", "-q", "-J"))
    found = kcat(broker, "-Q", "-t", f"kcat-time:0:{first['ts']}")
    assert b"offset 0" in found, found
    assert kcat(broker, "-C", "-t", "kcat-time", "-p", "0", "-o", "-3", "-e", "-q") == b"97\n98\n99\n"
    assert kcat(broker, "-C", "-t", "kcat-time", "-p", "0", "-o", "50", "-c", "2", "-q") == b"50\n51\n"


def test_idempotent_producer(broker):
    data = b"".join(b"%d\n" % i for i in range(5000))
    kcat(broker, "-P", "-t", "kcat-idem", "-p", "0", "-X", "enable.idempotence=true", data=data)
    assert kcat(broker, "-C", "-t", "kcat-idem", "-o", "beginning", "-e", "-q") == data


def test_lines_survive_a_kill(broker):
    data = b"".join(b"%d\n" % i for i in range(20000))
    kcat(broker, "-P", "-t", "kcat-kill", "-p", "0", "-z", "lz4", data=data)
    broker.kill()
    broker.start()
    assert kcat(broker, "-C", "-t", "kcat-kill", "-o", "beginning", "-e", "-q") == data


def test_unknown_partition_is_refused(broker):
    kcat(broker, "-P", "-t", "kcat-one", "-p", "0", data=b"x\n")
    r = subprocess.run(["kcat", "-b", broker.address, "-P", "-t", "kcat-one", "-p", "77", "-X", "message.timeout.ms=3000"],
                       input=b"x\n", capture_output=True, timeout=60)
    assert b"nknown partition" in r.stderr or b"Unknown topic" in r.stderr, r.stderr
