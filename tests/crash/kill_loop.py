#!/usr/bin/env python3
"""Kills a real broker again and again, and looks whether it kept its word.

    kill_loop.py [--build DIR] [--kills N] [--seed S] [--directory DIR]

Idempotent producers (acks=1 and acks=all) write to topics with tiny segments, page-cache and fsync, one of them with
retention by size; a reader follows; topics come and go. At random moments the broker gets SIGKILL, now and then
SIGTERM; after each restart everything is compared with what was sent, acknowledged and seen (history.py). The same
seed gives the same choices, but not the same timing. Ends with a line of figures; exit code 0 only if nothing was
violated. Standard library only.
"""

import argparse
import os
import random
import shutil
import sys
import tempfile
import threading
import time

from broker import Broker
from history import Partition, Topics, Violation
from kafka_wire import Connection
from producer import Producer

HERE = os.path.dirname(os.path.abspath(__file__))
SETTINGS = {
    "log.flush.dirty.ms": 60,
    "log.flush.offset.checkpoint.interval.ms": 90,
    "replica.high.watermark.checkpoint.interval.ms": 90,
    "log.retention.check.interval.ms": 150,
    "log.segment.delete.delay.ms": 100,
    "log.dir.min.free.bytes": 0,
    "auto.create.topics.enable": "false",
}
TINY = {"segment.bytes": 16384, "index.interval.bytes": 512}
TOPICS = {
    "cached": (3, TINY),
    "flushed": (2, {**TINY, "durability": "fsync"}),
    "retained": (1, {**TINY, "retention.bytes": 200000, "file.delete.delay.ms": 50}),
}
DEPTH = 60  # batches that are read again after each restart; all of them now and then


def partitions_of(topics):
    return [
        Partition(name, index, configs.get("durability") == "fsync", "retention.bytes" in configs)
        for name, (count, configs) in topics.items()
        for index in range(count)
    ]


class TailReader(threading.Thread):
    """Follows all partitions while the broker lives."""

    def __init__(self, partitions, may_fail):
        super().__init__(daemon=True)
        self.partitions, self.may_fail = partitions, may_fail
        self.broker = None
        self.error = None
        self.lock = threading.Lock()  # held while it reads
        self.is_over = False

    def run(self):
        while not self.is_over:
            with self.lock:
                if self.broker and not self.error:
                    self.read_once()
            time.sleep(0.01)

    def read_once(self):
        try:
            connection = Connection(self.broker.port)
            for partition in self.partitions:
                partition.follow_start(connection)
                partition.catch_up(connection, partition.seen_end, self.may_fail)
            connection.close()
        except OSError:
            pass
        except (Violation, AssertionError) as e:
            self.error = e

    def rest(self):
        with self.lock:
            self.broker = None
        if self.error:
            raise self.error

    def end(self):
        self.is_over = True
        self.join()


class Loop:
    """The broker, those who use it, and what they know."""

    def __init__(self, broker, seed, producers=4, may_fail=False):
        self.broker = broker
        self.random = random.Random(seed)
        self.partitions = partitions_of(TOPICS)
        self.topics = Topics()
        self.producers = [Producer(self.partitions, (1, -1)[i % 2], seed + i) for i in range(producers)]
        self.reader = TailReader(self.partitions, may_fail)
        self.lives = 0

    def begin(self):
        self.broker.start()
        connection = Connection(self.broker.port)
        for name, (count, configs) in TOPICS.items():
            error = connection.create_topic(name, count, configs)
            assert error == 0, f"topic {name}: error {error}"
            self.topics.expected[name] = count
        connection.close()
        for thread in self.producers + [self.reader]:
            thread.start()

    def end(self):
        for producer in self.producers:
            producer.end()
        self.reader.end()

    def change_topics(self):
        """A topic or two more, or fewer; the broker may die meanwhile."""
        name = None
        try:
            connection = Connection(self.broker.port)
            for _ in range(self.random.randint(0, 3)):
                fleeting = [n for n in self.topics.expected if n not in TOPICS]
                if fleeting and self.random.random() < 0.5:
                    name, partitions = self.random.choice(fleeting), None
                else:
                    name, partitions = f"fleeting-{self.lives}-{self.random.randint(0, 10**9)}", self.random.randint(
                        1, 3
                    )
                self.topics.unknown[name] = partitions
                error = (
                    connection.delete_topic(name)
                    if partitions is None
                    else connection.create_topic(name, partitions, TINY)
                )
                if error == 56:  # a failing disk: may or may not be
                    return
                if error:
                    raise Violation(f"topic {name}: error {error}")
                del self.topics.unknown[name]
                if partitions is None:
                    del self.topics.expected[name]
                else:
                    self.topics.expected[name] = partitions
            connection.close()
        except OSError:
            pass

    def live(self, seconds, finish):
        """One life: work for a while, then finish(broker) ends it under load."""
        self.lives += 1
        self.reader.broker = self.broker
        for producer in self.producers:
            producer.work(self.broker)
        changes = threading.Thread(target=self.guarded, args=(self.change_topics,))
        self.failure = None
        changes.start()
        time.sleep(seconds)
        try:
            finish(self.broker)
        finally:
            changes.join()
        for producer in self.producers:
            producer.rest()
        self.reader.rest()
        if self.failure:
            raise self.failure

    def guarded(self, fn):
        try:
            fn()
        except (Violation, AssertionError) as e:
            self.failure = e

    def check(self, everything):
        try:
            connection = Connection(self.broker.port)
            self.topics.check(connection.topics())
            for partition in self.partitions:
                partition.check_after_restart(connection, None if everything else DEPTH)
            connection.close()
        except OSError as e:
            raise Violation(f"after a restart: {e}") from e

    def figures(self):
        total = lambda what: sum(getattr(p, what) for p in self.partitions)
        return (
            f"{self.lives} lives, {total('acked_records')} records acknowledged in {total('acked_batches')} batches, "
            f"{sum(p.resent for p in self.producers)} batches sent again, "
            f"slowest start {self.broker.slowest_start_s * 1000:.0f} ms"
        )


def run(loop, kills):
    """Every sixth end is a clean one. Returns how many there were."""
    stops, slowest_stop_s, is_clean = 0, 0.0, False

    def stop(broker):
        nonlocal slowest_stop_s
        slowest_stop_s = max(slowest_stop_s, broker.stop())

    loop.begin()
    killed = 0
    while killed < kills:
        is_clean = loop.random.random() < 1 / 6
        loop.live(
            loop.random.choice((0.05, 0.2, 0.5, 0.9)) * loop.random.random() * 2, stop if is_clean else Broker.kill
        )
        killed += not is_clean
        stops += is_clean
        loop.broker.start()
        loop.check(everything=killed % 20 == 0 or killed >= kills)
        loop.broker.check_said(is_clean)
    print(f"{loop.figures()}; {killed} times SIGKILL, {stops} times SIGTERM (slowest {slowest_stop_s * 1000:.0f} ms)")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", default=os.path.join(HERE, "..", "..", "build"))
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--directory", help="kept afterwards; a temporary one is removed if all is well")
    args = parser.parse_args()
    seed = random.randrange(10**6) if args.seed is None else args.seed
    directory = args.directory or tempfile.mkdtemp(prefix="stele-crash.")
    os.makedirs(directory, exist_ok=True)
    broker = Broker(
        os.path.join(os.path.abspath(args.build), "bin", "steled"),
        os.path.join(directory, "data"),
        os.path.join(directory, "stderr"),
        SETTINGS,
    )
    loop = Loop(broker, seed)
    try:
        run(loop, args.kills)
    except Violation as e:
        print(f"VIOLATION seed={seed} life={loop.lives} directory={directory}: {e}", file=sys.stderr)
        return 1
    finally:
        broker.close()
    loop.end()
    if not args.directory:
        shutil.rmtree(directory)
    return 0


if __name__ == "__main__":
    sys.exit(main())
