#!/usr/bin/env python3
"""The checker itself: whatever a broker could do wrong is found."""

import struct
import sys
import unittest

from history import Partition, Topics, Violation
from kafka_wire import Batch, batches_of, crc32c

VALUES = [b"one", b"two"]


class FakeConnection:
    """Answers as a broker with these batches would."""

    def __init__(self, stored, start=0):
        self.records = b""
        self.start, self.end = start, start
        for batch in stored:
            self.records += struct.pack(">q", self.end) + batch.data[8:]
            self.end += batch.count
        self.high_watermark = self.end

    def fetch(self, topic, partition, offset):
        if offset < self.start:
            return 1, self.high_watermark, b""
        out = b""
        at = 0
        for batch in batches_of(self.records):
            size = struct.unpack_from(">i", self.records, at + 8)[0] + 12
            if batch.end_offset > offset:
                out += self.records[at : at + size]
            at += size
        return 0, self.high_watermark, out

    def list_offset(self, topic, partition, timestamp):
        return self.start if timestamp == -2 else self.high_watermark


class HistoryTest(unittest.TestCase):
    def setUp(self):
        self.partition = Partition("t", 0, is_fsync=False, is_retained=False)
        self.batches = [Batch(7, 2 * i, VALUES, 1000 + i) for i in range(5)]
        for batch in self.batches:
            self.partition.note_sent(batch)

    def ack(self, *indexes):
        for i in indexes:
            self.partition.note_acked(self.batches[i], 2 * i)

    def check(self, stored, **options):
        self.partition.check_after_restart(FakeConnection(stored, **options), None)

    def refuses(self, what, stored, **options):
        with self.assertRaisesRegex(Violation, what):
            self.check(stored, **options)

    def test_crc32c__known_value(self):
        self.assertEqual(crc32c(b"123456789"), 0xE3069283)

    def test_all_there__passes(self):
        self.ack(0, 1, 2, 3, 4)
        self.check(self.batches)
        self.check(self.batches)

    def test_more_than_acknowledged__passes(self):
        self.ack(0, 1)
        self.check(self.batches[:3])
        self.partition.note_acked(self.batches[2], 4)

    def test_acknowledged_end_lost__found(self):
        self.ack(0, 1, 2)
        self.refuses("acknowledged at 4 and is not there", self.batches[:2])

    def test_seen_end_lost__found(self):
        self.check(self.batches[:3])
        self.refuses("high watermark went back", self.batches[:2])

    def test_middle_lost__found(self):
        self.refuses("goes on with 4 at 2", [self.batches[0], self.batches[2]])

    def test_duplicate__found(self):
        self.refuses("goes on with 0 at 2", [self.batches[0], self.batches[0]])

    def test_out_of_order__found(self):
        self.refuses("goes on with 2 at 0", [self.batches[1], self.batches[0]])

    def test_other_offset_than_acknowledged__found(self):
        self.partition.note_acked(self.batches[0], 2)
        self.refuses("acknowledged at 2 and stands at 0", self.batches)

    def test_other_offset_than_seen__found(self):
        self.check(self.batches[:2])
        with self.assertRaisesRegex(Violation, "stands at 2, acknowledged at 3"):
            self.partition.note_acked(self.batches[1], 3)

    def test_other_batch_than_before__found(self):
        other = Batch(8, 0, VALUES, 1000)
        self.partition.note_sent(other)
        self.check(self.batches[:2])
        self.refuses("at 0 stood", [other, self.batches[1]])

    def test_changed_bytes__found(self):
        changed = Batch(7, 0, VALUES, 1000)
        changed.data = changed.data[:-2] + b"x" + changed.data[-1:]
        self.refuses("never sent like that", [changed])

    def test_never_sent__found(self):
        self.refuses("never sent like that", [Batch(9, 0, VALUES, 1000)])

    def test_high_watermark_below_the_end__found(self):
        self.ack(0, 1)
        connection = FakeConnection(self.batches[:2])
        connection.high_watermark = 2
        with self.assertRaisesRegex(Violation, "is served"):
            self.partition.check_after_restart(connection, None)

    def test_start_moved_without_retention__found(self):
        self.refuses("start moved", self.batches[1:], start=2)

    def test_power_cut__takes_the_end_of_a_page_cache_partition_only(self):
        self.ack(0, 1, 2)
        self.check(self.batches[:3])
        self.ack(3)
        connection = FakeConnection(self.batches[:2])
        self.partition.allow_loss(connection)
        self.assertEqual(self.partition.lost_records, 4)
        self.partition.check_after_restart(connection, None)

    def test_power_cut__fsync_partition_may_lose_nothing(self):
        self.partition.is_fsync = True
        self.ack(0, 1, 2)
        connection = FakeConnection(self.batches[:2])
        self.partition.allow_loss(connection)
        with self.assertRaises(Violation):
            self.partition.check_after_restart(connection, None)

    def test_topics__lost_and_resurrected__found(self):
        topics = Topics()
        topics.expected = {"a": 1}
        topics.unknown = {"b": 2}
        topics.check({"a": 1, "b": 2})
        for found in ({"a": 1}, {"a": 1, "b": 1}, {"a": 1, "b": 2, "c": 1}):
            with self.assertRaises(Violation):
                topics.check(found)


if __name__ == "__main__":
    sys.exit(unittest.main())
