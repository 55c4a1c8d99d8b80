"""As much of Kafka's protocol as a producer and a checker need, over a plain socket.

Batches are built once and sent as often as needed; what a fetch brings is cut into batches and never decoded further:
the bytes that a producer sent are the bytes that have to come back.
"""

import socket
import struct
import zlib

PRODUCE, FETCH, LIST_OFFSETS, METADATA, CREATE_TOPICS, DELETE_TOPICS, INIT_PRODUCER_ID = 0, 1, 2, 3, 19, 20, 22
HEADER_SIZE = 61  # of a batch; its checksum covers what follows byte 21
SUMMED_FROM = 21

TABLE = []
for n in range(256):
    for _ in range(8):
        n = n >> 1 ^ (0x82F63B78 if n & 1 else 0)
    TABLE.append(n)


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc = TABLE[(crc ^ byte) & 0xFF] ^ crc >> 8
    return crc ^ 0xFFFFFFFF


def text(s):
    return struct.pack(">h", len(s)) + s.encode()


def varint(n):
    n = n << 1 ^ n >> 63
    out = bytearray()
    while n > 127:
        out.append(n & 127 | 128)
        n >>= 7
    out.append(n)
    return bytes(out)


class Batch:
    """One batch of one producer for one partition: the same bytes at every attempt."""

    __slots__ = ("producer_id", "sequence", "count", "data", "fingerprint")

    def __init__(self, producer_id, sequence, values, timestamp):
        records = []
        for i, value in enumerate(values):
            body = b"\0" + varint(0) + varint(i) + varint(-1) + varint(len(value)) + value + varint(0)
            records.append(varint(len(body)) + body)
        self.producer_id, self.sequence, self.count = producer_id, sequence, len(values)
        head = struct.pack(">hiqqqhii", 0, self.count - 1, timestamp, timestamp, producer_id, 0, sequence, self.count)
        summed = head + b"".join(records)
        self.data = struct.pack(">qiibI", 0, 9 + len(summed), -1, 2, crc32c(summed)) + summed
        self.fingerprint = zlib.crc32(summed)

    @property
    def key(self):
        return self.producer_id, self.sequence


class FetchedBatch:
    __slots__ = ("base_offset", "count", "producer_id", "sequence", "fingerprint")

    def __init__(self, data):
        self.base_offset = struct.unpack_from(">q", data, 0)[0]
        self.producer_id = struct.unpack_from(">q", data, 43)[0]
        self.sequence, self.count = struct.unpack_from(">ii", data, 53)
        self.fingerprint = zlib.crc32(data[SUMMED_FROM:])

    @property
    def key(self):
        return self.producer_id, self.sequence

    @property
    def end_offset(self):
        return self.base_offset + self.count


def batches_of(records):
    """Whole batches; the last may be cut off."""
    at = 0
    while at + HEADER_SIZE <= len(records):
        size = struct.unpack_from(">i", records, at + 8)[0] + 12
        if at + size > len(records):
            break
        yield FetchedBatch(records[at : at + size])
        at += size


class Reader:
    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, fmt):
        values = struct.unpack_from(">" + fmt, self.data, self.at)
        self.at += struct.calcsize(">" + fmt)
        return values[0] if len(values) == 1 else values

    def bytes(self, length):
        self.at += max(length, 0)
        return self.data[self.at - max(length, 0) : self.at]

    def text(self):
        return self.bytes(self.take("h")).decode()


class Connection:
    """Requests leave in order, answers come in order. Every failure is an OSError."""

    def __init__(self, port, timeout=20):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.next_id = 0
        self.expected = []

    def close(self):
        self.socket.close()

    def send(self, key, version, body):
        self.next_id += 1
        self.expected.append(self.next_id)
        head = struct.pack(">hhi", key, version, self.next_id) + text("crash")
        self.socket.sendall(struct.pack(">i", len(head) + len(body)) + head + body)

    def exactly(self, length):
        parts = []
        while length:
            part = self.socket.recv(min(length, 1 << 20))
            if not part:
                raise ConnectionResetError("closed by the broker")
            parts.append(part)
            length -= len(part)
        return b"".join(parts)

    def receive(self):
        reader = Reader(self.exactly(struct.unpack(">i", self.exactly(4))[0]))
        wanted = self.expected.pop(0)
        found = reader.take("i")
        assert found == wanted, f"answer {found} where {wanted} was due"
        return reader

    def call(self, key, version, body):
        self.send(key, version, body)
        return self.receive()

    # ---- requests ----

    def init_producer_id(self):
        r = self.call(INIT_PRODUCER_ID, 1, struct.pack(">hi", -1, 60000))
        _, error, producer_id, epoch = r.take("ihqh")
        if error == 14:  # not ready, and on a failing disk it never will be
            raise OSError("InitProducerId: not now")
        assert error == 0 and epoch == 0, f"InitProducerId: error {error}"
        return producer_id

    def send_produce(self, acks, batches):
        """`batches`: (topic, partition, Batch)s, one for a partition."""
        topics = {}
        for topic, partition, batch in batches:
            topics.setdefault(topic, []).append(struct.pack(">ii", partition, len(batch.data)) + batch.data)
        body = struct.pack(">hhii", -1, acks, 30000, len(topics))
        for topic, parts in topics.items():
            body += text(topic) + struct.pack(">i", len(parts)) + b"".join(parts)
        self.send(PRODUCE, 7, body)

    def receive_produce(self):
        """(topic, partition, error, base offset)s."""
        r = self.receive()
        out = []
        for _ in range(r.take("i")):
            topic = r.text()
            for _ in range(r.take("i")):
                partition, error, base_offset, _, _ = r.take("ihqqq")
                out.append((topic, partition, error, base_offset))
        return out

    def fetch(self, topic, partition, offset, max_bytes=1 << 20):
        """(error, high watermark, records)."""
        body = struct.pack(">iiiib", -1, 0, 0, max_bytes, 0) + struct.pack(">i", 1) + text(topic)
        body += struct.pack(">iiqi", 1, partition, offset, max_bytes)
        r = self.call(FETCH, 4, body)
        r.take("ii")
        r.text()
        r.take("i")
        _, error, high_watermark, _, aborted = r.take("ihqqi")
        assert aborted <= 0
        return error, high_watermark, r.bytes(r.take("i"))

    def list_offset(self, topic, partition, timestamp):
        body = struct.pack(">ii", -1, 1) + text(topic) + struct.pack(">iiq", 1, partition, timestamp)
        r = self.call(LIST_OFFSETS, 1, body)
        r.take("i")
        r.text()
        _, _, error, _, offset = r.take("iihqq")
        assert error == 0, f"ListOffsets {topic}-{partition}: error {error}"
        return offset

    def create_topic(self, name, partitions, configs):
        body = struct.pack(">i", 1) + text(name) + struct.pack(">ihi", partitions, 1, 0)
        body += struct.pack(">i", len(configs)) + b"".join(text(k) + text(str(v)) for k, v in configs.items())
        r = self.call(CREATE_TOPICS, 2, body + struct.pack(">i?", 30000, False))
        r.take("ii")
        r.text()
        return r.take("h")

    def delete_topic(self, name):
        r = self.call(DELETE_TOPICS, 1, struct.pack(">i", 1) + text(name) + struct.pack(">i", 30000))
        r.take("ii")
        r.text()
        return r.take("h")

    def topics(self):
        """Name to number of partitions."""
        r = self.call(METADATA, 1, struct.pack(">i", -1))
        for _ in range(r.take("i")):
            r.take("i")
            r.text()
            r.take("i")
            r.bytes(r.take("h"))
        r.take("i")
        out = {}
        for _ in range(r.take("i")):
            error = r.take("h")
            name = r.text()
            r.take("b")
            partitions = r.take("i")
            for _ in range(partitions):
                r.take("hii")
                for _ in range(2):
                    r.take(f"{r.take('i')}i")
            if error == 0:
                out[name] = partitions
        return out
