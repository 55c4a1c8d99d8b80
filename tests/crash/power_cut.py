#!/usr/bin/env python3
"""Takes the power from a real broker's disk, again and again.

    power_cut.py [--build DIR] [--cuts N] [--seed S]

The broker's directory is an ext4 of its own on a loop device; a cut is ext4's shutdown call without a flush of the
journal: what was not synced is gone, as when a machine loses power. Then the file system is mounted anew, the boot id
in the directory is made that of another boot, and the broker starts. On fsync topics everything that was acknowledged
or seen is there; a page-cache topic may have lost its end, as a whole; topics that were created or deleted are so.

Needs root and a free loop device: without them it says so and exits with 77. Mount and device are given back however
it ends. Standard library only.
"""

import argparse
import fcntl
import os
import random
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import time
import uuid

from broker import Broker
from history import Violation
from kafka_wire import Connection
from kill_loop import HERE, SETTINGS, Loop
from producer import Producer

EXT4_SHUTDOWN = 0x8004587D
NO_LOG_FLUSH = 2
SKIPPED = 77
IMAGE_BYTES = 768 << 20


class Skip(Exception):
    pass


def command(*argv):
    r = subprocess.run(argv, capture_output=True, text=True)
    if r.returncode:
        raise OSError(f"{' '.join(argv)}: {r.stderr.strip()}")
    return r.stdout.strip()


class Disk:
    """An ext4 that can be cut off. Used in a `with`."""

    def __init__(self):
        self.root = self.device = None
        self.is_mounted = False

    def __enter__(self):
        if os.geteuid() != 0:
            raise Skip("power_cut: needs root, to mount a file system")
        for tool in ("losetup", "mkfs.ext4", "mount", "umount"):
            if not shutil.which(tool, path=os.environ.get("PATH", "") + ":/sbin:/usr/sbin"):
                raise Skip(f"power_cut: {tool} is not installed")
        self.root = tempfile.mkdtemp(prefix="stele-power.")
        self.mount_point = os.path.join(self.root, "mnt")
        os.mkdir(self.mount_point)
        image = os.path.join(self.root, "image")
        with open(image, "wb") as f:
            f.truncate(IMAGE_BYTES)
        try:
            command("mkfs.ext4", "-q", "-F", image)
            self.device = command("losetup", "-f", "--show", image)
            self.mount()
        except OSError as e:
            self.__exit__()
            raise Skip(f"power_cut: no file system on a loop device here: {e}")
        return self

    def __exit__(self, *_):
        if self.is_mounted and subprocess.run(["umount", self.mount_point], capture_output=True).returncode:
            subprocess.run(["umount", "-l", self.mount_point], capture_output=True)
        if self.device:
            subprocess.run(["losetup", "-d", self.device], capture_output=True)
        if self.root:
            shutil.rmtree(self.root, ignore_errors=True)

    def mount(self):
        command("mount", "-t", "ext4", self.device, self.mount_point)
        self.is_mounted = True

    def cut(self):
        fd = os.open(self.mount_point, os.O_RDONLY)
        fcntl.ioctl(fd, EXT4_SHUTDOWN, struct.pack("I", NO_LOG_FLUSH))
        os.close(fd)

    def come_back(self):
        command("umount", self.mount_point)
        self.is_mounted = False
        self.mount()


class PowerLoop(Loop):
    """Those who write to page-cache topics begin anew after each cut."""

    def __init__(self, broker, seed):
        super().__init__(broker, seed, may_fail=True)
        safe = [p for p in self.partitions if p.is_fsync]
        unsafe = [p for p in self.partitions if not p.is_fsync]
        self.safe = [Producer(safe, (1, -1)[i % 2], seed + i) for i in range(3)]
        self.unsafe = [Producer(unsafe, (1, -1)[i % 2], seed + 10 + i) for i in range(2)]
        self.producers = self.safe + self.unsafe

    def allow_loss(self):
        connection = Connection(self.broker.port)
        for partition in self.partitions:
            partition.allow_loss(connection)
        connection.close()
        for producer in self.unsafe:
            producer.begin_anew()


def be_another_boot(data):
    path = os.path.join(data, "boot-id")
    if os.path.exists(path):
        with open(path, "w") as f:
            f.write(str(uuid.uuid4()) + "\n")


def run(loop, disk, cuts):
    def cut(broker):
        disk.cut()
        time.sleep(loop.random.choice((0, 0, 0.02, 0.2)) * loop.random.random())
        broker.kill()

    loop.begin()
    for i in range(1, cuts + 1):
        loop.live(loop.random.choice((0.05, 0.2, 0.5)) * loop.random.random() * 2, cut)
        disk.come_back()
        be_another_boot(loop.broker.data)
        loop.broker.start()
        loop.allow_loss()
        loop.check(everything=i % 20 == 0 or i == cuts)
        loop.broker.check_said(False)
    safe = sum(p.acked_records for p in loop.partitions if p.is_fsync)
    lost = sum(p.lost_records for p in loop.partitions)
    print(
        f"{loop.figures()}; {cuts} power cuts, {safe} records acknowledged on fsync topics and none lost, "
        f"{lost} lost on page-cache topics"
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", default=os.path.join(HERE, "..", "..", "build"))
    parser.add_argument("--cuts", type=int, default=15)
    parser.add_argument("--seed", type=int, default=None)
    args = parser.parse_args()
    seed = random.randrange(10**6) if args.seed is None else args.seed
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: sys.exit(1))
    try:
        with Disk() as disk:
            broker = Broker(
                os.path.join(os.path.abspath(args.build), "bin", "steled"),
                os.path.join(disk.mount_point, "data"),
                os.path.join(disk.root, "stderr"),
                SETTINGS,
            )
            loop = PowerLoop(broker, seed)
            try:
                run(loop, disk, args.cuts)
            except Violation as e:
                print(f"VIOLATION seed={seed} life={loop.lives}: {e}\n{broker.said()[-3000:]}", file=sys.stderr)
                return 1
            finally:
                broker.close()
            loop.end()
    except Skip as e:
        print(f"SKIPPED {e}")
        return SKIPPED
    return 0


if __name__ == "__main__":
    sys.exit(main())
