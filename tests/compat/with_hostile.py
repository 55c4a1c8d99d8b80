"""What bad input gets: raw sockets against a live broker, and starts that have to be refused.

Every case looks at the exact answer, at the operator's line, at the memory, and at somebody else's connection.
"""
import contextlib
import gzip
import os
import re
import resource
import shutil
import socket
import struct
import subprocess
import tempfile
import threading
import time
import zlib

import wire as w
from harness import Broker, eventually
from wire import Closed, Wire, array, batch, i8, i16, i32, i64, record, request, text, uvarint

MIB = 1 << 20
MAX_FRAME = 8 * MIB  # of the broker under attack
ADMISSION = 32 * MIB

CORRUPT, TOO_LARGE, INVALID_TOPIC, INVALID_TIMESTAMP, UNSUPPORTED_VERSION, TOPIC_EXISTS = 2, 10, 17, 32, 35, 36
INVALID_PARTITIONS, INVALID_REPLICATION_FACTOR, INVALID_CONFIG, INVALID_REQUEST = 37, 38, 40, 42
POLICY_VIOLATION, OUT_OF_ORDER, DUPLICATE_SEQUENCE, INVALID_EPOCH, STORAGE_ERROR, UNSUPPORTED_CODEC, INVALID_RECORD = (
    44,
    45,
    46,
    47,
    56,
    76,
    87,
)
UNKNOWN_TOPIC, INVALID_ACKS, INVALID_TXN, TRANSACTIONS = 3, 21, 48, 53


# ---- tools ----


class Lines:
    """What the broker says from here on."""

    def __init__(self, broker):
        self.path = f"{broker.dir}/stderr"
        self.start = os.path.getsize(self.path)

    def all(self):
        with open(self.path) as f:
            f.seek(self.start)
            return f.read().splitlines()

    def one_with(self, *words):
        """Exactly one new line, and it names all of the words."""

        def found():
            return [line for line in self.all() if all(str(word) in line for word in words)]

        eventually(found, f"a line with {words}; there is {self.all()[-3:]}", 5)
        lines = self.all()
        assert len(lines) == 1, lines
        return lines[0]


def memory(broker, what):
    with open(f"/proc/{broker.process.pid}/status") as f:
        return int(re.search(rf"^{what}:\s+(\d+) kB", f.read(), re.M).group(1)) * 1024


@contextlib.contextmanager
def bounded_memory(broker, limit, what="it"):
    """The peak in between is at most `limit` over what was resident before."""
    with open(f"/proc/{broker.process.pid}/clear_refs", "w") as f:
        f.write("5")  # the peak begins anew
    before = memory(broker, "VmRSS")
    yield
    grown = memory(broker, "VmHWM") - before
    assert grown <= limit, f"{what}: {grown / MIB:.1f} MiB more than before, {limit / MIB:.0f} allowed"


@contextlib.contextmanager
def bystander(broker, worst_s=1.0):
    """Somebody else, who asks for metadata all the time and never waits for long."""
    stop, worst, failures = threading.Event(), [0.0], []

    def run():
        try:
            with Wire(broker) as c:
                while not stop.is_set():
                    begun = time.monotonic()
                    c.call(3, 1, i32(0))
                    worst[0] = max(worst[0], time.monotonic() - begun)
                    time.sleep(0.005)
        except Exception as e:
            failures.append(e)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
    assert not failures, failures
    assert worst[0] <= worst_s, f"somebody else waited for {worst[0]:.2f} s"


ATTACKED = []


def attacked(_):
    """A broker of its own with tight bounds; made once, closed by the last test."""
    if not ATTACKED:
        ATTACKED.append(
            Broker(
                os.path.dirname(_.bin),
                f"socket.request.max.bytes={MAX_FRAME}",
                f"queued.max.request.bytes={ADMISSION}",
                "queued.max.requests=100",
            )
        )
        with Wire(ATTACKED[0]) as c:
            w.create_topics(c, [("warm", 1, 1)])
            w.produce(c, "warm", {0: batch([record(0)])})
    return ATTACKED[0]


def refused(broker, frame, *words):
    """The frame closes its connection, with one line that names the peer."""
    lines = Lines(broker)
    with Wire(broker, timeout=5) as c:
        try:
            c.send(frame)
        except Closed:
            pass
        assert c.is_closed(), "still open"
        return lines.one_with(c.peer, *words)


def compact_string(s):
    return uvarint(len(s) + 1) + s.encode()


def answers(broker):
    with contextlib.suppress(OSError, Closed), Wire(broker, timeout=2) as c:
        return w.api_versions(c)


# ---- frames ----


def test_unknown_apis_and_versions(broker):
    broker = attacked(broker)
    with bystander(broker):
        for key, version, word in [
            (999, 0, "unknown API"),
            (-1, 0, "unknown API"),
            (11, 5, "unknown API"),
            (3, 99, "unknown version"),
            (3, -1, "unknown version"),
            (1, 3, "unknown version"),
            (32767, 32767, "unknown API"),
        ]:
            refused(broker, request(key, version, i32(0)), f"key={key}", f"version={version}", word)


def test_api_versions_of_the_future(broker):
    broker = attacked(broker)
    with Wire(broker) as c:
        for version in (5, 99, 32767):
            r = c.call(18, version, b"\x99" * 40)
            assert r.i16() == UNSUPPORTED_VERSION
            assert (r.i32(), r.i16(), r.i16(), r.i16()) == (1, 18, 0, 4)
            r.done()
        assert w.api_versions(c)[18] == (0, 4), "the connection goes on"
        assert w.api_versions(c)[0][0] == 0, "Produce is offered from 0"


def test_a_bad_software_name(broker):
    with Wire(attacked(broker)) as c:
        r = c.call(18, 3, compact_string("-bad name-") + compact_string("1") + b"\0", flexible=True)
        assert r.i16() == INVALID_REQUEST


def test_lengths_that_are_not_allowed(broker):
    broker = attacked(broker)
    with bystander(broker), bounded_memory(broker, 2 * MIB):
        for length in (MAX_FRAME + 1, 0x7FFFFFFF, -1, -2147483648):
            refused(broker, i32(length) + b"\0" * 100, f"bytes={length}")
        for length in (0, 1, 7):  # no header fits
            refused(broker, i32(length) + b"\0" * length, "malformed request header")
        refused(broker, b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", f"bytes={0x47455420}")
        refused(broker, bytes.fromhex("16030102000100"), "bytes=")  # TLS


def test_frames_that_end_in_the_middle(broker):
    broker = attacked(broker)
    whole = request(0, 8, w.produce_frame("warm", {0: batch([record(0)])}))
    with Wire(broker) as c:
        before = w.end_offset(c, "warm")
    with bystander(broker), bounded_memory(broker, 4 * MIB):
        for cut in range(0, len(whole), 3):
            with Wire(broker) as c:
                c.send(whole[:cut])
    # A frame that is whole but whose body is not.
    for cut in range(30, len(whole) - 5, 17):
        refused(broker, i32(cut) + whole[4 : 4 + cut], "malformed request")
    with Wire(broker) as c:
        assert w.end_offset(c, "warm") == before


def test_a_byte_at_a_time(broker):
    broker = attacked(broker)
    frames = (
        request(18, 0, b"", correlation=7)
        + request(3, 1, array([text("warm")]), correlation=8)
        + request(0, 8, w.produce_frame("warm", {0: batch([record(0)])}), correlation=9)
    )
    with bystander(broker), Wire(broker) as c:
        c.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for at in range(len(frames)):
            c.send(frames[at : at + 1])
            time.sleep(0.001)
        assert [c.receive()[0] for _ in range(3)] == [7, 8, 9]


def test_announced_but_never_sent(broker):
    """Buffers grow with what has come, not with what was announced."""
    broker = attacked(broker)
    with bystander(broker), bounded_memory(broker, 16 * MIB), contextlib.ExitStack() as stack:
        for _ in range(300):
            c = stack.enter_context(Wire(broker))
            c.send(i32(MAX_FRAME) + b"x" * 100)
        time.sleep(0.3)


def test_half_frames_stay_within_the_admission(broker):
    """60 connections would like to keep 7 MiB each; the budget is 32."""
    broker = attacked(broker)
    half = i32(MAX_FRAME) + b"x" * (7 * MIB)
    with bounded_memory(broker, ADMISSION + 64 * MIB), contextlib.ExitStack() as stack:
        threads = []
        for _ in range(60):
            c = stack.enter_context(Wire(broker, timeout=2))

            def push(c=c):
                with contextlib.suppress(socket.timeout, Closed, OSError):
                    c.send(half)

            threads.append(threading.Thread(target=push))
            threads[-1].start()
        for t in threads:
            t.join()
    with Wire(broker) as c:
        assert w.api_versions(c), "it goes on"


def test_array_bombs(broker):
    broker = attacked(broker)
    varint_max = uvarint(0xFFFFFFFF)
    with bystander(broker), bounded_memory(broker, 16 * MIB):
        for count in (0x7FFFFFFF, 1000001, 500, -2, -2147483648):
            refused(broker, request(3, 1, i32(count)), "api=Metadata", "version=1")
            refused(broker, request(0, 7, text(None) + i16(1) + i32(0) + i32(count)), "api=Produce")
            refused(
                broker,
                request(1, 4, i32(-1) + i32(0) + i32(0) + i32(0) + i8(0) + i32(1) + text("t") + i32(count)),
                "api=Fetch",
            )
            refused(broker, request(19, 4, i32(count)), "api=CreateTopics")
        refused(broker, request(3, 9, varint_max, flexible=True), "api=Metadata")
        refused(broker, request(3, 9, b"\xff" * 10, flexible=True), "api=Metadata")  # a varint without an end
        refused(
            broker,
            request(0, 9, uvarint(0) + i16(1) + i32(0) + uvarint(2) + compact_string("t") + varint_max, flexible=True),
            "api=Produce",
        )


def test_arrays_over_a_million(broker):
    broker = attacked(broker)
    with bystander(broker), bounded_memory(broker, ADMISSION + 64 * MIB):
        refused(broker, request(3, 1, i32(1000001) + b"\0\0" * 1000001), "too many elements")
        # Just as many are taken; all of them are the same, so they need no answer of their own.
        with Wire(broker, timeout=30) as c:
            c.call(3, 4, i32(1000000) + b"\0\0" * 1000000 + i8(0))


def test_many_unknown_topics_in_one_request(broker):
    broker = attacked(broker)
    names = array([text("no-%06d" % i) for i in range(300000)])
    with bounded_memory(broker, ADMISSION + 64 * MIB):
        with Wire(broker, timeout=60) as c:
            with contextlib.suppress(Closed):
                c.call(3, 4, names + i8(0))
    with Wire(broker) as c:
        assert w.api_versions(c)


def test_tag_bombs(broker):
    broker = attacked(broker)
    body = uvarint(0) + i8(0) + i8(0) + i8(0)  # Metadata 9: all topics, three flags
    with bystander(broker), bounded_memory(broker, 16 * MIB):
        tags = b"".join(uvarint(50 + i) + uvarint(0) for i in range(10001))
        refused(broker, request(3, 9, body + uvarint(10001) + tags, flexible=True), "too many elements")
        refused(broker, request(3, 9, body + uvarint(0xFFFFFFFF), flexible=True), "api=Metadata")
        refused(
            broker, request(3, 9, body + uvarint(1) + uvarint(0) + uvarint(0x7FFFFFFF), flexible=True), "api=Metadata"
        )
        refused(
            broker, request(3, 9, body + b"\0", flexible=True, tags=uvarint(10001) + tags), "malformed request header"
        )
        refused(
            broker, request(3, 9, body + b"\0", flexible=True, tags=uvarint(0xFFFFFFFF)), "malformed request header"
        )
        # Unknown tags in a bearable number are skipped.
        some = b"".join(uvarint(50 + i) + uvarint(3) + b"abc" for i in range(100))
        with Wire(broker) as c:
            c.call(3, 9, body + uvarint(100) + some, flexible=True)


def all_at_once(broker, count, frames, seconds=2):
    """`count` connections push what they can of the frames and read nothing."""
    stack = contextlib.ExitStack()

    def push(c):
        with contextlib.suppress(OSError, Closed):
            c.send(frames)

    with stack:
        threads = [
            threading.Thread(
                target=push, args=(stack.enter_context(Wire(broker, timeout=seconds, receive_buffer=4096)),)
            )
            for _ in range(count)
        ]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        time.sleep(0.5)


def test_heavy_requests_at_once(broker):
    broker = attacked(broker)
    names = array([text("no/%06d" % i) for i in range(200000)])
    topics = array([text("no/%06d" % i) + i32(1) + i16(1) + i32(0) + i32(0) for i in range(80000)])
    partitions = array([text("warm") + array([i32(p) + i64(-1) for p in range(100000)])])
    by_time = array([text("warm") + array([i32(p % 2) + i64(5) for p in range(100000)])])
    configs = array([i8(2) + text("warm") + i32(-1)] * 20000)
    for what, frame in [
        ("Metadata that creates", request(3, 4, names + i8(1))),
        ("CreateTopics", request(19, 4, topics + i32(1000) + i8(0))),
        ("ListOffsets", request(2, 1, i32(-1) + partitions)),
        ("ListOffsets by time", request(2, 1, i32(-1) + by_time)),
        ("DescribeConfigs", request(32, 1, configs + i8(1))),
    ]:
        with bounded_memory(broker, ADMISSION + 64 * MIB, what), bystander(broker, worst_s=10):
            all_at_once(broker, 30, frame)
        eventually(lambda: answers(broker), f"it goes on after {what}")


def test_replies_that_nobody_reads(broker):
    broker = attacked(broker)
    with Wire(broker, timeout=30) as c:
        made = w.create_topics(c, [(f"unread-{i:04d}", 3, 1) for i in range(1500)])
        assert not any(error for error, _ in made.values())
        all_topics = request(3, 1, i32(-1))
        c.call(3, 1, i32(-1))
        with bounded_memory(broker, ADMISSION + 64 * MIB, "Metadata"), bystander(broker, worst_s=30):
            all_at_once(broker, 50, all_topics * 500)
        r = c.call(20, 1, array([text(f"unread-{i:04d}") for i in range(1500)]) + i32(30000))
        assert r.i32() == 0 and r.i32() == 1500


def test_fetches_that_wait(broker):
    """Long polls of many partitions each: what waits is bounded, and the end of a connection ends it."""
    broker = attacked(broker)
    many = request(
        1,
        4,
        i32(-1)
        + i32(60000)
        + i32(1 << 20)
        + i32(1 << 20)
        + i8(0)
        + array([text("warm") + array([i32(0) + i64(1 << 40) + i32(1000)])]),
    )
    waits = request(
        1, 4, w.fetch_frame("warm", [0] * 20000, offset=0, wait_ms=60000, min_bytes=1 << 30, max_bytes=1 << 30)
    )
    with bounded_memory(broker, ADMISSION + 64 * MIB, "out of range"), bystander(broker, worst_s=3):
        all_at_once(broker, 100, many * 50)
    with bounded_memory(broker, ADMISSION + 64 * MIB, "many partitions"), bystander(broker, worst_s=3):
        all_at_once(broker, 100, waits)
    eventually(lambda: answers(broker), "it goes on")


# ---- batches ----

GOOD = [record(i) for i in range(3)]
BAD_BATCHES = [
    ("CRC", batch(GOOD, crc=0x12345678), CORRUPT),
    ("length over the bytes", batch(GOOD, length=500), INVALID_RECORD),
    ("length below a header", batch(GOOD, length=10), CORRUPT),
    ("negative length", batch(GOOD, length=-5), CORRUPT),
    ("magic 0", batch(GOOD, magic=0), INVALID_RECORD),
    ("magic 1", batch(GOOD, magic=1), INVALID_RECORD),
    ("magic 3", batch(GOOD, magic=3), CORRUPT),
    ("magic -1", batch(GOOD, magic=-1), CORRUPT),
    ("too few bytes", b"\0" * 20, INVALID_RECORD),
    ("no bytes", b"", INVALID_RECORD),
    ("null", None, INVALID_RECORD),
    ("two batches", batch(GOOD) * 2, INVALID_RECORD),
    ("a batch and a half", batch(GOOD) + batch(GOOD)[:30], INVALID_RECORD),
    ("count below the records", batch(GOOD, count=2, last_delta=1), INVALID_RECORD),
    ("count over the records", batch(GOOD, count=4, last_delta=3), INVALID_RECORD),
    ("count and last delta disagree", batch(GOOD, last_delta=7), INVALID_RECORD),
    ("no records", batch([]), INVALID_RECORD),
    ("negative count", batch(GOOD, count=-3, last_delta=-4), INVALID_RECORD),
    ("offset delta twice", batch([record(0), record(1, offset_delta=0)]), INVALID_RECORD),
    ("offset delta with a gap", batch([record(0), record(1, offset_delta=5)]), INVALID_RECORD),
    ("record longer than the batch", batch([record(0)[:-1] + b"\x7f"]), INVALID_RECORD),
    ("bytes behind the records", batch(GOOD + [b"\0\0"], count=3, last_delta=2), INVALID_RECORD),
    ("base offset", batch(GOOD, base_offset=-9), INVALID_RECORD),
    ("control batch", batch(GOOD, attributes=0x20), INVALID_RECORD),
    ("codec 7", batch(GOOD, attributes=7), UNSUPPORTED_CODEC),
    ("producer without a sequence", batch(GOOD, producer_id=5, producer_epoch=0), INVALID_RECORD),
    ("a transaction", batch(GOOD, attributes=0x10, producer_id=5, producer_epoch=0, sequence=0), INVALID_TXN),
    ("too large", batch([record(0, value=b"x" * 1100000)]), TOO_LARGE),
    ("append time of a client", batch(GOOD, attributes=8), INVALID_TIMESTAMP),
    ("a time of the future", batch(GOOD, base_time=4102444800000, max_time=4102444800000), INVALID_TIMESTAMP),
    ("a time of the future in a record", batch([record(0, time_delta=4102444800000)]), INVALID_TIMESTAMP),
]


def test_bad_batches_beside_good_ones(broker):
    broker = attacked(broker)
    with bystander(broker), Wire(broker) as c:
        w.create_topics(c, [("batches", 3, 1)])
        good = 0
        for what, bad, code in BAD_BATCHES:
            answers = w.produce(c, "batches", {0: batch(GOOD), 1: bad, 2: batch(GOOD)})
            good += 3
            assert answers[1][0] == code, f"{what}: {answers[1][0]}, not {code}"
            assert answers[0] == (0, good - 3) and answers[2] == (0, good - 3), (what, answers)
        assert w.end_offset(c, "batches", 1) == 0, "something was written"
        assert w.produce(c, "batches", {1: batch(GOOD)})[1] == (0, 0)


def test_what_a_topic_demands(broker):
    broker = attacked(broker)
    now = int(time.time() * 1000)
    with Wire(broker) as c:
        made = w.create_topics(
            c,
            [
                ("keyed", 2, 1, {"cleanup.policy": "compact"}),
                ("timely", 1, 1, {"message.timestamp.before.max.ms": "1000"}),
                ("small", 1, 1, {"max.message.bytes": "200"}),
                ("walked", 1, 1, {"validate.records": "true"}),
            ],
        )
        assert all(error == 0 for error, _ in made.values()), made
        keyless = record(1, key=None)
        gz = zlib.compressobj(wbits=31)
        squeezed = gz.compress(record(0) + keyless) + gz.flush()
        assert w.produce(c, "keyed", {0: batch([record(0), keyless]), 1: batch(GOOD)}) == {
            0: (INVALID_RECORD, -1),
            1: (0, 0),
        }
        assert (
            w.produce(c, "keyed", {0: batch([record(0), keyless], compressed=squeezed, attributes=1)})[0][0]
            == INVALID_RECORD
        )
        assert w.produce(c, "timely", {0: batch(GOOD)})[0][0] == INVALID_TIMESTAMP
        assert w.produce(c, "timely", {0: batch(GOOD, base_time=now, max_time=now)})[0] == (0, 0)
        assert w.produce(c, "small", {0: batch([record(0, value=b"x" * 200)])})[0][0] == TOO_LARGE
        for codec in (1, 2, 3, 4):
            assert (
                w.produce(c, "walked", {0: batch(GOOD, compressed=b"no such stream", attributes=codec)})[0][0]
                == INVALID_RECORD
            ), codec
        assert w.end_offset(c, "walked") == 0 and w.end_offset(c, "keyed", 0) == 0


def test_sequences(broker):
    broker = attacked(broker)
    with Wire(broker) as c:
        w.create_topics(c, [("sequences", 1, 1)])

        def send(sequence, epoch=0, count=3):
            return w.produce(
                c,
                "sequences",
                {0: batch([record(i) for i in range(count)], producer_id=77, producer_epoch=epoch, sequence=sequence)},
            )[0]

        assert send(0) == (0, 0)
        assert send(3) == (0, 3)
        assert send(3) == (0, 3), "a retry gets the offset of the first try"
        assert send(9)[0] == OUT_OF_ORDER
        assert send(0, epoch=1) == (0, 6)
        assert send(6, epoch=0)[0] == INVALID_EPOCH
        assert send(5, epoch=2)[0] == OUT_OF_ORDER, "a new epoch begins at 0"
        assert w.end_offset(c, "sequences") == 9


def test_produce_requests_as_a_whole(broker):
    broker = attacked(broker)
    with Wire(broker) as c:
        assert w.produce(c, "warm", {0: batch(GOOD)}, acks=5)[0][0] == INVALID_ACKS
        assert w.produce(c, "warm", {0: batch(GOOD)}, transactional_id="tx")[0][0] == TRANSACTIONS
        assert (
            w.produce(c, "warm", {9: batch(GOOD), -1: batch(GOOD), 0: batch(GOOD)}).items()
            >= {9: (UNKNOWN_TOPIC, -1), -1: (UNKNOWN_TOPIC, -1)}.items()
        )
        assert w.produce(c, "nowhere", {0: batch(GOOD)})[0][0] == UNKNOWN_TOPIC
        assert w.produce(c, "../../etc", {0: batch(GOOD)})[0][0] == UNKNOWN_TOPIC
    # acks=0 has no answer: an error closes the connection.
    with Wire(broker, timeout=5) as c:
        c.send(request(0, 8, w.produce_frame("warm", {77: batch(GOOD)}, acks=0)))
        assert c.is_closed()


def bomb(codec, size):
    """A stream of `size` zeros that is a record's value, more or less."""
    if codec == 1:
        out = zlib.compressobj(9, wbits=31)
        piece = b"\0" * MIB
        return b"".join([out.compress(piece) for _ in range(size // MIB)]) + out.flush()
    # zstd: a frame of blocks that repeat one byte (RLE), 128 KiB each.
    blocks = size // (128 << 10)
    return (
        bytes.fromhex("28b52ffd")
        + b"\xa0"
        + struct.pack("<I", size & 0xFFFFFFFF)
        + b"".join(struct.pack("<I", (128 << 10) << 3 | 1 << 1 | (i == blocks - 1))[:3] + b"\0" for i in range(blocks))
    )


def test_decompression_bombs(broker):
    broker = attacked(broker)
    with Wire(broker, timeout=60) as c:
        w.create_topics(
            c,
            [
                ("bombed", 2, 1, {"cleanup.policy": "compact"}),
                ("packed", 1, 1, {"compression.type": "lz4"}),
                ("open", 1, 1, {}),
            ],
        )
        for codec, size in [(1, 900 * MIB), (4, 1024 * MIB), (4, 3 * 1024 * MIB)]:
            bad = batch([record(0)], compressed=bomb(codec, size), attributes=codec)
            with bystander(broker, worst_s=3), bounded_memory(broker, ADMISSION + 64 * MIB):
                assert w.produce(c, "bombed", {0: bad, 1: batch(GOOD)})[0][0] in (INVALID_RECORD, TOO_LARGE), codec
                assert w.produce(c, "packed", {0: bad})[0][0] in (INVALID_RECORD, TOO_LARGE), codec
        assert w.end_offset(c, "bombed", 0) == 0 and w.end_offset(c, "packed") == 0
        # Where nobody walks them they are stored as they are, and a search by time meets them.
        bad = batch([record(0)], compressed=bomb(4, 1024 * MIB), attributes=4)
        assert w.produce(c, "open", {0: bad})[0][0] == 0
        with bystander(broker, worst_s=3), bounded_memory(broker, ADMISSION + 64 * MIB):
            c.call(2, 1, i32(-1) + array([text("open") + array([i32(0) + i64(500)])]))


# ---- admin ----


def test_topics_that_cannot_be(broker):
    broker = attacked(broker)
    refusals = [
        (("", 1, 1), INVALID_TOPIC, "empty"),
        ((".", 1, 1), INVALID_TOPIC, "'.'"),
        (("..", 1, 1), INVALID_TOPIC, "'..'"),
        (("a/b", 1, 1), INVALID_TOPIC, "a/b"),
        (("../up", 1, 1), INVALID_TOPIC, "../up"),
        (("über", 1, 1), INVALID_TOPIC, "über"),
        (("a b", 1, 1), INVALID_TOPIC, "a b"),
        (("x" * 250, 1, 1), INVALID_TOPIC, "250"),
        (("many", 2, 2), INVALID_REPLICATION_FACTOR, "2"),
        (("none", 2, 0), INVALID_REPLICATION_FACTOR, "0"),
        (("less", 2, -7), INVALID_REPLICATION_FACTOR, "-7"),
        (("zero", 0, 1), INVALID_PARTITIONS, "0"),
        (("minus", -5, 1), INVALID_PARTITIONS, "-5"),
        (("huge", 2147483647, 1), POLICY_VIOLATION, "2147483647"),
        (("ten", 10001, 1), POLICY_VIOLATION, "10001"),
        (("odd", 1, 1, {"no.such.setting": "1"}), INVALID_CONFIG, "no.such.setting"),
        (("typo", 1, 1, {"retention.mss": "1"}), INVALID_CONFIG, "retention.ms"),
        (("word", 1, 1, {"retention.ms": "soon"}), INVALID_CONFIG, "soon"),
        (("range", 1, 1, {"segment.bytes": "-4"}), INVALID_CONFIG, "-4"),
        (("choice", 1, 1, {"cleanup.policy": "burn"}), INVALID_CONFIG, "burn"),
        (("warm", 1, 1), TOPIC_EXISTS, "warm"),
    ]
    with bystander(broker), bounded_memory(broker, 8 * MIB), Wire(broker) as c:
        for topic, code, word in refusals:
            error, message = w.create_topics(
                c, [topic, (f"beside-{topic[1]}-{len(topic[0])}-{code}-{topic[0][:1].encode().hex()}", 1, 1)]
            )[topic[0]]
            assert error == code and word in message, (topic, error, message)
        error, message = w.create_topics(c, [("twice", 1, 1), ("twice", 3, 1), ("once", 1, 1)])["twice"]
        assert error == INVALID_REQUEST and "twice" in message, (error, message)
        assert w.end_offset(c, "once") == 0
        assert w.create_topics(c, [("dotted.name", 1, 1), ("plain", 1, 1)])["dotted.name"][0] == 0
        assert w.create_topics(c, [("dotted_name", 1, 1)])["dotted_name"][0] == INVALID_TOPIC, "the two collide"
        # Too many only together.
        answers = w.create_topics(c, [(f"sum-{i}", 6000, 1) for i in range(2)], validate_only=True)
        assert sorted(error for error, _ in answers.values()) == [0, POLICY_VIOLATION], answers


# ---- readers, connections ----


def fill(broker, topic, mib):
    with Wire(broker, timeout=30) as c:
        w.create_topics(c, [(topic, 1, 1)])
        piece = batch([record(0, value=os.urandom(1000000))])
        for _ in range(mib):
            assert w.produce(c, topic, {0: piece})[0][0] == 0


def test_slow_readers_with_big_fetches(broker):
    broker = attacked(broker)
    fill(broker, "big", 60)
    with bystander(broker), bounded_memory(broker, 32 * MIB), contextlib.ExitStack() as stack:
        readers = [stack.enter_context(Wire(broker, receive_buffer=4096)) for _ in range(40)]
        for c in readers:
            for n in range(20):  # 20 x 50 MiB each, of which nobody reads a byte
                with contextlib.suppress(BlockingIOError, socket.timeout):
                    c.socket.settimeout(0.2)
                    c.send(request(1, 4, w.fetch_frame("big", [0]), correlation=n))
        time.sleep(1)
        with Wire(broker, timeout=30) as c:
            assert w.fetch_bytes(c, "big") > 40 * MIB, "a quick reader gets its bytes"
    with Wire(broker) as c:
        assert w.api_versions(c)


def test_two_thousand_idle_connections(broker):
    broker = attacked(broker)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, max(soft, 8192)), hard))
    with bounded_memory(broker, 24 * MIB), contextlib.ExitStack() as stack:
        idle = [stack.enter_context(Wire(broker)) for _ in range(2000)]
        with bystander(broker):
            for c in idle[::100]:
                assert w.api_versions(c)
            time.sleep(0.3)
        with open(f"/proc/{broker.process.pid}/stat") as f:
            fields = f.read().rsplit(")", 1)[1].split()
        before = int(fields[11]) + int(fields[12])
        time.sleep(2)
        with open(f"/proc/{broker.process.pid}/stat") as f:
            fields = f.read().rsplit(")", 1)[1].split()
        assert int(fields[11]) + int(fields[12]) - before <= 2, "idle connections cost no CPU"


def test_descriptors_exhausted(broker):
    tight = Broker(os.path.dirname(broker.bin), descriptors=160)
    try:
        with Wire(tight) as first:
            w.create_topics(first, [("t", 1, 1)])
            with contextlib.ExitStack() as stack:
                for _ in range(300):
                    with contextlib.suppress(OSError):
                        stack.enter_context(Wire(tight, timeout=1))
                assert w.produce(first, "t", {0: batch(GOOD)})[0] == (0, 0), "who is in goes on"
            eventually(lambda: answers(tight), "it takes connections again")
        said = [line for line in tight.diagnostics().splitlines() if "INFO" not in line]
        assert 0 < len(said) < 20, said
    finally:
        tight.close()


def test_bounds_on_connections(broker):
    bounded = Broker(os.path.dirname(broker.bin), "max.connections=20")
    try:
        lines = Lines(bounded)
        with contextlib.ExitStack() as stack:
            held = [stack.enter_context(Wire(bounded)) for _ in range(20)]
            assert all(w.api_versions(c) for c in held)
            with Wire(bounded) as c:
                assert c.is_closed()
            lines.one_with("connection refused")
        eventually(lambda: answers(bounded), "there is room again")
    finally:
        bounded.close()


def test_idle_connections_are_closed(broker):
    short = Broker(os.path.dirname(broker.bin), "connections.max.idle.ms=500")
    try:
        with Wire(short, timeout=5) as c:
            w.api_versions(c)
            assert c.is_closed()
    finally:
        short.close()


# ---- starts that are refused ----


def starts(broker, *args, code=3, **kwargs):
    """The broker's last words of a start that fails."""
    r = subprocess.run([f"{broker.bin}/steled", *args], capture_output=True, text=True, timeout=20, **kwargs)
    assert r.returncode == code, (r.returncode, r.stdout, r.stderr)
    assert r.stdout == "", r.stdout
    lines = [line for line in r.stderr.splitlines() if " INFO " not in line]
    assert len(lines) == 1, lines
    return lines[0]


def test_second_broker_on_the_same_directory(broker):
    said = starts(broker, "--data", f"{broker.dir}/data", "--listen", "127.0.0.1:0")
    assert f"{broker.dir}/data" in said, said
    with Wire(broker) as c:
        assert w.api_versions(c)


def test_port_in_use(broker):
    with tempfile.TemporaryDirectory() as scratch:
        said = starts(broker, "--data", f"{scratch}/data", "--listen", broker.address)
        assert str(broker.port) in said and "in use" in said, said


def test_directory_of_another_cluster_or_node(broker):
    other = Broker(os.path.dirname(broker.bin))
    try:
        other.stop()
        data = f"{other.dir}/data"
        said = starts(broker, "--data", data, "--listen", "127.0.0.1:0", "--set", "cluster.id=AAAAAAAAAAAAAAAAAAAAAA")
        assert data in said and "AAAAAAAAAAAAAAAAAAAAAA" in said, said
        said = starts(broker, "--data", data, "--listen", "127.0.0.1:0", "--set", "node.id=9")
        assert data in said and "9" in said, said
        other.start()
    finally:
        other.close()


def test_no_permission(broker):
    scratch = tempfile.mkdtemp()
    try:
        locked = f"{scratch}/locked"
        os.mkdir(locked, 0o700)
        os.chmod(scratch, 0o755)
        nobody = {"user": 65534, "group": 65534, "extra_groups": []} if os.getuid() == 0 else {}
        if not nobody:
            os.chmod(locked, 0)
        # A copy: nobody may not be allowed to reach the build.
        shutil.copy(f"{broker.bin}/steled", scratch)
        os.chmod(f"{scratch}/steled", 0o755)

        class At:
            bin = scratch

        said = starts(At, "--data", f"{locked}/data", "--listen", "127.0.0.1:0", **nobody)
        assert locked in said and "ermi" in said, said
        said = starts(At, "--data", "/dev/null/data", "--listen", "127.0.0.1:0", **nobody)
        assert "/dev/null" in said, said
    finally:
        os.chmod(f"{scratch}/locked", 0o700)
        shutil.rmtree(scratch)


def test_settings_that_cannot_be(broker):
    for setting, word in [
        ("no.such=1", "no.such"),
        ("num.partitions=lots", "lots"),
        ("listeners=ftp://x:1", "FTP"),
        ("log.segment.bytes=-1", "log.segment.bytes"),
        ("nothing", "nothing"),
    ]:
        assert word in starts(broker, "--set", setting, code=2), setting
    said = starts(broker, "--set", "retention.ms=5", code=2)
    assert "log.retention.ms" in said, said


def test_no_room_on_the_disk(broker):
    full = Broker(os.path.dirname(broker.bin))
    try:
        with Wire(full) as c:
            w.create_topics(c, [("room", 1, 1)])
            assert w.produce(c, "room", {0: batch(GOOD)})[0] == (0, 0)
        full.stop()
        full.settings = (f"log.dir.min.free.bytes={1 << 60}",)
        full.start()
        with Wire(full) as c:
            assert w.produce(c, "room", {0: batch(GOOD)})[0][0] == STORAGE_ERROR
            assert w.fetch_bytes(c, "room") > 0, "reading goes on"
            assert w.end_offset(c, "room") == 3
        said = [line for line in full.diagnostics().splitlines() if "WARN" in line or "ERROR" in line]
        assert len(said) == 1 and "data" in said[0], said
        full.stop()
        full.settings = ()
        full.start()
        with Wire(full) as c:
            assert w.produce(c, "room", {0: batch(GOOD)})[0] == (0, 3)
    finally:
        full.close()


def test_the_attacked_broker_is_well(broker):
    """After everything: small, and stops cleanly."""
    broker = attacked(broker)
    assert memory(broker, "VmRSS") < 96 * MIB, memory(broker, "VmRSS")
    ATTACKED.pop().close()
