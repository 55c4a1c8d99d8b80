"""What was sent, what was acknowledged, what was seen; and what must follow from it.

For every partition, at any time and over all lives of the broker:
  1. offsets follow each other without a gap or an overlap, from the log's start to its high watermark;
  2. a batch that was once seen at an offset stays there until retention or a power cut takes it;
  3. every batch is one that was sent, byte for byte, and each producer's batches stand once and in order;
  4. what was acknowledged is below the high watermark, at the offset that the acknowledgement named;
  5. the high watermark does not go back.
A power cut may take the end of a page-cache partition, as a whole, and nothing else.
"""

import threading

from kafka_wire import batches_of

OFFSET_OUT_OF_RANGE = 1
UNAVAILABLE = {6, 56}  # not leader, storage error: on a disk that fails
EARLIEST, LATEST = -2, -1


class Violation(Exception):
    pass


class Partition:
    def __init__(self, topic, index, is_fsync, is_retained):
        self.topic, self.index = topic, index
        self.is_fsync, self.is_retained = is_fsync, is_retained
        self.lock = threading.Lock()
        self.sent = {}  # key -> (fingerprint, count)
        self.acked = {}  # key -> offset, until it was seen
        self.early = {}  # key -> offset, of what was seen before its acknowledgement
        self.seen = []  # of FetchedBatch, by offset, without a gap
        self.next_sequence = {}  # producer id -> what its next batch in the log has to begin with
        self.has_missed = False  # batches that nobody saw before retention took them
        self.start = 0  # of the log
        self.high_watermark = 0
        self.acked_batches = self.acked_records = self.lost_records = 0

    def __str__(self):
        return f"{self.topic}-{self.index}"

    def fail(self, what):
        raise Violation(f"{self}: {what}")

    @property
    def seen_end(self):
        return self.seen[-1].end_offset if self.seen else self.start

    def note_sent(self, batch):
        with self.lock:
            self.sent[batch.key] = (batch.fingerprint, batch.count)

    def note_acked(self, batch, offset):
        with self.lock:
            self.acked_batches += 1
            self.acked_records += batch.count
            if batch.key in self.acked:
                self.fail(f"{batch.key} was acknowledged twice")
            known = self.early.pop(batch.key, None)
            if known is None:
                self.acked[batch.key] = offset
            elif offset >= 0 and known != offset:
                self.fail(f"{batch.key} stands at {known}, acknowledged at {offset}")

    # ---- reading ----

    def note_high_watermark(self, high_watermark):
        if high_watermark < self.high_watermark:
            self.fail(f"high watermark went back from {self.high_watermark} to {high_watermark}")
        self.high_watermark = high_watermark

    def check_old(self, batch, position):
        known = self.seen[position]
        if batch.key != known.key or batch.base_offset != known.base_offset or batch.fingerprint != known.fingerprint:
            self.fail(f"at {known.base_offset} stood {known.key}, now {batch.key} stands at {batch.base_offset}")

    def check_new(self, batch):
        if batch.base_offset != self.seen_end:
            self.fail(f"{batch.key} stands at {batch.base_offset}, where {self.seen_end} was due")
        if self.sent.get(batch.key) != (batch.fingerprint, batch.count):
            self.fail(f"at {batch.base_offset} stands {batch.key}, which was never sent like that")
        wanted = self.next_sequence.get(batch.producer_id, batch.sequence if self.has_missed else 0)
        if batch.sequence != wanted:
            self.fail(
                f"producer {batch.producer_id} goes on with {batch.sequence} at {batch.base_offset}, not {wanted}"
            )
        self.next_sequence[batch.producer_id] = batch.sequence + batch.count
        offset = self.acked.pop(batch.key, None)
        if offset is None:
            self.early[batch.key] = batch.base_offset
        elif offset >= 0 and offset != batch.base_offset:
            self.fail(f"{batch.key} was acknowledged at {offset} and stands at {batch.base_offset}")
        self.seen.append(batch)

    def position_of(self, offset):
        """In `seen`; the list is in order."""
        low, high = 0, len(self.seen)
        while low < high:
            middle = (low + high) // 2
            if self.seen[middle].end_offset <= offset:
                low = middle + 1
            else:
                high = middle
        return low

    def take(self, records, offset):
        """Whole batches as fetched from `offset`; the offset behind them."""
        position = self.position_of(offset)
        for batch in batches_of(records):
            if position < len(self.seen):
                self.check_old(batch, position)
            else:
                self.check_new(batch)
            position += 1
            offset = batch.end_offset
        return offset

    def follow_start(self, connection):
        """Retention has gone on: forgets what is gone."""
        start = connection.list_offset(self.topic, self.index, EARLIEST)
        with self.lock:
            if start < self.start:
                self.fail(f"start went back from {self.start} to {start}")
            if start and not self.is_retained:
                self.fail(f"start moved to {start} without a reason")
            if start > self.seen_end:
                # Dropped before anybody looked.
                self.acked = {k: offset for k, offset in self.acked.items() if not 0 <= offset < start}
                self.seen.clear()
                self.next_sequence = {}
                self.has_missed = True
            self.start = start
            del self.seen[: self.position_of(start)]

    def catch_up(self, connection, from_offset, may_fail=False):
        """Reads on to the high watermark and checks; returns where that is. A log that has failed shows less."""
        offset = max(from_offset, self.start)
        while True:
            error, high_watermark, records = connection.fetch(self.topic, self.index, offset)
            if error == OFFSET_OUT_OF_RANGE and self.is_retained:
                self.follow_start(connection)
                offset = max(offset, self.start)
                continue
            if error in UNAVAILABLE:
                raise OSError(f"{self}: fetch at {offset}: error {error}")
            with self.lock:
                if error:
                    self.fail(f"fetch at {offset}: error {error}")
                self.note_high_watermark(high_watermark)
                before, offset = offset, self.take(records, offset)
                if offset > high_watermark:
                    self.fail(f"what lies before {offset} is served, the high watermark is {high_watermark}")
                if offset >= high_watermark:
                    return offset
                if offset == before and may_fail:
                    raise OSError(f"{self}: nothing to read at {offset}")
                if offset == before:
                    self.fail(f"nothing to read at {offset}, below the high watermark {high_watermark}")

    # ---- after the broker's death ----

    def check_after_restart(self, connection, depth):
        """Reads the last `depth` batches again (all: None) and what is new; the producers rest."""
        self.follow_start(connection)
        position = 0 if depth is None else max(len(self.seen) - depth, 0)
        from_offset = self.seen[position].base_offset if position < len(self.seen) else self.seen_end
        self.catch_up(connection, from_offset)
        latest = connection.list_offset(self.topic, self.index, LATEST)
        if latest != self.high_watermark:
            self.fail(f"latest offset {latest}, high watermark {self.high_watermark}")
        for key, offset in self.acked.items():
            if offset < 0 or offset >= self.start:
                self.fail(f"{key} was acknowledged at {offset} and is not there; high watermark {latest}")
        self.acked.clear()

    def allow_loss(self, connection):
        """After a power cut: a page-cache partition may have lost its end."""
        if self.is_fsync:
            return
        end = connection.list_offset(self.topic, self.index, LATEST)
        kept = self.position_of(end)
        if kept < len(self.seen) and self.seen[kept].base_offset < end:
            self.fail(f"ends at {end}, inside of the batch at {self.seen[kept].base_offset}")
        self.lost_records += sum(b.count for b in self.seen[kept:])
        self.lost_records += sum(self.sent[key][1] for key in self.acked)
        self.high_watermark = min(self.high_watermark, end)
        del self.seen[kept:]
        self.acked = {key: offset for key, offset in self.acked.items() if 0 <= offset < end}
        self.lost_records -= sum(self.sent[key][1] for key in self.acked)
        self.early = {key: offset for key, offset in self.early.items() if offset < end}
        self.next_sequence = {}
        self.has_missed = self.start > 0
        for batch in self.seen:
            self.next_sequence[batch.producer_id] = batch.sequence + batch.count


class Topics:
    """Topics that come and go: what was acknowledged is so, as a whole."""

    def __init__(self):
        self.expected = {}  # name -> partitions
        self.unknown = {}  # asked for, not answered: may or may not be (name -> partitions; None: a deletion)

    def check(self, found):
        for name, partitions in self.unknown.items():
            if partitions is None and name not in found:
                self.expected.pop(name, None)
            if partitions is not None and name in found:
                self.expected[name] = partitions
        self.unknown = {}
        if found != self.expected:
            raise Violation(f"topics: expected {sorted(self.expected.items())}, found {sorted(found.items())}")
