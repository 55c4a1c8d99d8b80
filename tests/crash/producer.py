"""An idempotent producer that never gives up: what was not acknowledged is sent again, in order, in the next life."""

import random
import threading
import time

from history import Violation
from kafka_wire import Batch, Connection

IN_FLIGHT = 5
RETRIABLE = {5, 6, 7, 56}  # leader not available, not leader, timed out, storage error
DUPLICATE_SEQUENCE = 46


class Producer(threading.Thread):
    def __init__(self, partitions, acks, seed):
        super().__init__(daemon=True)
        self.partitions, self.acks = partitions, acks
        self.random = random.Random(seed)
        self.producer_id = None
        self.next_sequence = {}
        self.pending = {p: [] for p in partitions}  # sent or to be sent, not acknowledged, in order
        self.error = None
        self.broker = None  # of this life; None: rest
        self.wake = threading.Condition()
        self.is_resting = True
        self.is_over = False
        self.resent = 0

    # ---- called by the loop ----

    def work(self, broker):
        with self.wake:
            self.broker, self.is_resting = broker, False
            self.wake.notify_all()

    def rest(self):
        """Returns when nothing is sent any more."""
        with self.wake:
            self.broker = None
            while not self.is_resting:
                self.wake.wait()
        if self.error:
            raise self.error

    def end(self):
        with self.wake:
            self.is_over = True
            self.wake.notify_all()
        self.join()

    def begin_anew(self):
        """After a loss that is allowed: another producer id, nothing to send again."""
        self.producer_id = None
        self.next_sequence = {}
        self.pending = {p: [] for p in self.partitions}

    # ---- the thread ----

    def run(self):
        while True:
            with self.wake:
                while not self.is_over and self.is_resting:
                    self.wake.wait()
                if self.is_over:
                    return
            try:
                while self.broker and not self.error:
                    self.one_connection()
            finally:
                with self.wake:
                    self.is_resting = True
                    self.wake.notify_all()

    def one_connection(self):
        connection = None
        try:
            connection = Connection(self.broker.port)
            if self.producer_id is None:
                self.producer_id = connection.init_producer_id()
            self.send_for_a_while(connection)
        except (OSError, AttributeError) as e:  # the broker is dead, or has just been taken away
            if isinstance(e, AttributeError) and self.broker:
                raise
            time.sleep(0.005)
        except (Violation, AssertionError) as e:
            self.error = e if isinstance(e, Violation) else Violation(str(e))
        finally:
            if connection:
                connection.close()

    def make(self, partition):
        sequence = self.next_sequence.get(partition, 0)
        count = self.random.randint(1, 8)
        size = self.random.choice((0, 10, 100, 900))
        values = [f"{self.producer_id}:{partition}:{sequence + i}".encode() + b"." * size for i in range(count)]
        batch = Batch(self.producer_id, sequence, values, int(time.time() * 1000))
        self.next_sequence[partition] = sequence + count
        partition.note_sent(batch)
        return batch

    def next_request(self, sent):
        """The first batch that is not under way for some partitions: an old one, or a new one."""
        request = []
        for partition in self.random.sample(self.partitions, self.random.randint(1, min(3, len(self.partitions)))):
            pending = self.pending[partition]
            if sent[partition] == len(pending):
                pending.append(self.make(partition))
            elif not sent[partition]:
                self.resent += 1
            request.append((partition, pending[sent[partition]]))
            sent[partition] += 1
        return request

    def send_for_a_while(self, connection):
        sent = {p: 0 for p in self.partitions}  # of pending, on this connection
        under_way = []
        while self.broker:
            while len(under_way) < IN_FLIGHT:
                request = self.next_request(sent)
                under_way.append(request)
                connection.send_produce(self.acks, [(p.topic, p.index, b) for p, b in request])
            if not self.take_answer(connection.receive_produce(), under_way.pop(0), sent):
                return
        for request in under_way:
            if not self.take_answer(connection.receive_produce(), request, sent):
                return

    def take_answer(self, answers, request, sent):
        """False: something has to be sent again."""
        is_good = True
        results = {(topic, index): (error, offset) for topic, index, error, offset in answers}
        for partition, batch in request:
            error, offset = results[partition.topic, partition.index]
            if error in RETRIABLE:
                is_good = False
                continue
            if error not in (0, DUPLICATE_SEQUENCE):
                raise Violation(f"{partition}: batch {batch.key} is refused: error {error}")
            # One that failed before it would have made this one fail, too.
            if self.pending[partition][0] is not batch:
                raise Violation(f"{partition}: {batch.key} is acknowledged before {self.pending[partition][0].key}")
            self.pending[partition].pop(0)
            sent[partition] -= 1
            partition.note_acked(batch, -1 if error else offset)
        return is_good
