"""Kafka's wire format by hand: what no client library would send."""

import socket
import struct

CASTAGNOLI = []
for n in range(256):
    for _ in range(8):
        n = n >> 1 ^ (0x82F63B78 if n & 1 else 0)
    CASTAGNOLI.append(n)


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc = CASTAGNOLI[(crc ^ byte) & 0xFF] ^ crc >> 8
    return crc ^ 0xFFFFFFFF


def i8(n):
    return struct.pack(">b", n)


def i16(n):
    return struct.pack(">h", n)


def i32(n):
    return struct.pack(">i", n)


def i64(n):
    return struct.pack(">q", n)


def text(s):
    return i16(-1) if s is None else i16(len(s.encode())) + s.encode()


def blob(data):
    return i32(-1) if data is None else i32(len(data)) + data


def array(items):
    return i32(len(items)) + b"".join(items)


def uvarint(n):
    out = b""
    while n >= 0x80:
        out += bytes([n & 0x7F | 0x80])
        n >>= 7
    return out + bytes([n])


def varint(n):
    return uvarint((n << 1 ^ n >> 63) & 0xFFFFFFFFFFFFFFFF)


def request(key, version, body, flexible=False, correlation=1, tags=b"\0"):
    """With its length in front."""
    head = i16(key) + i16(version) + i32(correlation) + text("hostile") + (tags if flexible else b"")
    return blob(head + body)


def record(delta, key=b"k", value=b"v", time_delta=0, offset_delta=None):
    def field(data):
        return varint(-1) if data is None else varint(len(data)) + data

    deltas = varint(time_delta) + varint(delta if offset_delta is None else offset_delta)
    body = b"\0" + deltas + field(key) + field(value) + varint(0)
    return varint(len(body)) + body


# What the CRC of a batch covers, besides its records.
COVERED = "attributes last_delta base_time max_time producer_id producer_epoch sequence count".split()


def batch(records, compressed=None, **changes):
    """A record batch; `changes` replace fields of the header, and the CRC is right unless it is one of them."""
    f = {
        "base_offset": 0,
        "leader_epoch": -1,
        "magic": 2,
        "attributes": 0,
        "last_delta": len(records) - 1,
        "base_time": 1000,
        "max_time": 1000,
        "producer_id": -1,
        "producer_epoch": -1,
        "sequence": -1,
        "count": len(records),
        **changes,
    }
    payload = b"".join(records) if compressed is None else compressed
    covered = struct.pack(">hiqqqhii", *(f[name] for name in COVERED)) + payload
    crc = f.get("crc", crc32c(covered))
    length = f.get("length", len(covered) + 9)
    return struct.pack(">qiibI", f["base_offset"], length, f["leader_epoch"], f["magic"], crc) + covered


class Reader:
    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, n):
        assert self.at + n <= len(self.data), "the reply ends too early"
        self.at += n
        return self.data[self.at - n : self.at]

    def i8(self):
        return struct.unpack(">b", self.take(1))[0]

    def i16(self):
        return struct.unpack(">h", self.take(2))[0]

    def i32(self):
        return struct.unpack(">i", self.take(4))[0]

    def i64(self):
        return struct.unpack(">q", self.take(8))[0]

    def text(self):
        n = self.i16()
        return None if n < 0 else self.take(n).decode()

    def done(self):
        assert self.at == len(self.data), f"{len(self.data) - self.at} bytes too many in the reply"


class Closed(Exception):
    pass


class Wire:
    """One connection."""

    def __init__(self, broker, timeout=10, receive_buffer=None):
        self.socket = socket.socket()
        if receive_buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.settimeout(timeout)
        self.socket.connect(("127.0.0.1", broker.port))
        self.peer = "%s:%d" % self.socket.getsockname()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def send(self, data):
        try:
            self.socket.sendall(data)
        except (BrokenPipeError, ConnectionResetError):
            raise Closed from None

    def receive(self):
        """The next response: its correlation id, and a reader behind it."""

        def exactly(n):
            data = b""
            while len(data) < n:
                try:
                    piece = self.socket.recv(min(n - len(data), 1 << 20))
                except ConnectionResetError:
                    raise Closed from None
                if not piece:
                    raise Closed
                data += piece
            return data

        r = Reader(exactly(struct.unpack(">i", exactly(4))[0]))
        return r.i32(), r

    def call(self, key, version, body, flexible=False):
        self.send(request(key, version, body, flexible))
        correlation, r = self.receive()
        assert correlation == 1, correlation
        return r

    def is_closed(self):
        """Closed by the broker, without an answer."""
        try:
            self.receive()
        except Closed:
            return True
        except socket.timeout:
            return False
        raise AssertionError("there was an answer")


def api_versions(wire):
    """{key: (min, max)}."""
    r = wire.call(18, 0, b"")
    assert r.i16() == 0
    offers = {}
    for _ in range(r.i32()):
        key, low, high = r.i16(), r.i16(), r.i16()
        offers[key] = (low, high)
    r.done()
    return offers


def create_topics(wire, topics, validate_only=False):
    """topics: (name, partitions, replication, {setting: value}).

    Returns {name: (error, message)}; of names given twice the last.
    """

    def one(name, partitions=1, replication=1, settings=None):
        configs = array([text(k) + text(v) for k, v in (settings or {}).items()])
        return text(name) + i32(partitions) + i16(replication) + i32(0) + configs

    r = wire.call(19, 4, array([one(*topic) for topic in topics]) + i32(30000) + i8(validate_only))
    r.i32()
    answers = {}
    for _ in range(r.i32()):
        name = r.text()
        answers[name] = (r.i16(), r.text())
    r.done()
    return answers


def produce_frame(topic, partitions, acks=1, version=8, transactional_id=None):
    """partitions: {index: records}."""
    parts = array([i32(p) + blob(data) for p, data in partitions.items()])
    return text(transactional_id) + i16(acks) + i32(10000) + array([text(topic) + parts])


def read_produced(r):
    answers = {}
    for _ in range(r.i32()):
        r.text()
        for _ in range(r.i32()):
            index, error, offset = r.i32(), r.i16(), r.i64()
            r.i64(), r.i64()
            for _ in range(r.i32()):
                r.i32(), r.text()
            r.text()
            answers[index] = (error, offset)
    r.i32()
    r.done()
    return answers


def produce(wire, topic, partitions, **kwargs):
    """{partition: (error, offset)}."""
    return read_produced(wire.call(0, 8, produce_frame(topic, partitions, **kwargs)))


def end_offset(wire, topic, partition=0):
    r = wire.call(2, 1, i32(-1) + array([text(topic) + array([i32(partition) + i64(-1)])]))
    assert (r.i32(), r.text(), r.i32(), r.i32()) == (1, topic, 1, partition)
    error = r.i16()
    r.i64()
    offset = r.i64()
    assert error == 0, error
    return offset


def fetch_frame(topic, partitions, offset=0, max_bytes=50 << 20, wait_ms=100, min_bytes=1):
    """Version 4."""
    head = i32(-1) + i32(wait_ms) + i32(min_bytes) + i32(max_bytes) + i8(0)
    parts = array([i32(p) + i64(offset) + i32(max_bytes) for p in partitions])
    return head + array([text(topic) + parts])


def fetch_bytes(wire, topic, partition=0, offset=0):
    """How many bytes of records come."""
    r = wire.call(1, 4, fetch_frame(topic, [partition], offset))
    r.i32()
    assert (r.i32(), r.text(), r.i32(), r.i32()) == (1, topic, 1, partition)
    error = r.i16()
    assert error == 0, error
    r.i64(), r.i64(), r.i32()
    n = r.i32()
    r.take(max(n, 0))
    r.done()
    return n
