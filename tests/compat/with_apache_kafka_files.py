"""A data directory that Apache Kafka 4.1 wrote and closed: the broker serves it, the tools find it sound.

tests/golden/apache-kafka-4.1.tar.gz holds the topics alpha (3 partitions; the lines 1 to 3000 five times, once with
each codec), beta (compacted, k1:v1 to k500:v500), __consumer_offsets, and the metadata log of its one node.
"""

import os
import shutil
import subprocess
import tarfile

from harness import HERE, Broker
from with_kcat import kcat

ARCHIVE = os.path.join(HERE, "..", "golden", "apache-kafka-4.1.tar.gz")


def unpack(directory):
    shutil.rmtree(directory, ignore_errors=True)
    with tarfile.open(ARCHIVE) as archive:
        archive.extractall(directory)


def adopt(broker):
    """A broker of its own on a fresh copy of the directory."""
    own = Broker(os.path.dirname(broker.bin))
    own.stop()
    unpack(f"{own.dir}/data")
    own.start()
    return own


def test_tools_find_the_files_sound(broker):
    directory = f"{broker.dir}/apache"
    unpack(directory)
    r = subprocess.run([f"{broker.bin}/stele", "log-verify", directory], capture_output=True, text=True, timeout=60)
    assert r.returncode == 0, r.stdout + r.stderr
    out = broker.stele(
        "log-dump", "--format", "json", f"{directory}/alpha-0", f"{directory}/alpha-1", f"{directory}/alpha-2"
    )
    for codec in ["none", "gzip", "snappy", "lz4", "zstd"]:
        assert f'"{codec}"' in out, codec


def test_topics_are_served_and_written_to(broker):
    own = adopt(broker)
    try:
        want = sorted(str(i) for _ in range(5) for i in range(1, 3001))
        got = kcat(own, "-C", "-t", "alpha", "-o", "beginning", "-e", "-q", "-X", "check.crcs=true").decode().split()
        assert sorted(got) == want, len(got)
        pairs = kcat(own, "-C", "-t", "beta", "-o", "beginning", "-e", "-q", "-K", ":").decode().split()
        assert pairs == [f"k{i}:v{i}" for i in range(1, 501)], len(pairs)
        assert "999999999" in own.stele("config", "describe", "--topic", "alpha")
        kcat(own, "-P", "-t", "alpha", "-p", "0", data=b"more\n")
        own.kill()
        own.start()
        assert len(kcat(own, "-C", "-t", "alpha", "-o", "beginning", "-e", "-q").split()) == 15001
    finally:
        own.close()
