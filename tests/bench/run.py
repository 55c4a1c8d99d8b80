#!/usr/bin/env python3
"""Sets the broker beside the machine's floor, in alternating rounds, and prints ratios.

    run.py [--build DIR] [--rounds N] [--only produce,consume,...] [--smoke] [--json]

Every round runs the baseline and the broker one after the other in fresh directories; a figure is the median of
the rounds' ratios, with the smallest and the largest beside it. CPU seconds per gigabyte and ratios hold on a noisy
machine, wall-clock rates do not. Runs are short (250 MB), so that they stay in memory that was touched before.
Standard library only.
"""

import argparse
import json
import os
import re
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Server:
    """A program that prints `ready` and serves on a port, with a directory of its own."""

    def __init__(self, argv, directory, wait_line="ready"):
        self.directory = directory
        self.started = time.monotonic()
        self.log = open(os.path.join(directory, "stderr"), "w+")
        self.process = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=self.log, text=True)
        self.ready_line = self.process.stdout.readline().strip()
        if not self.ready_line.startswith(wait_line):
            self.log.seek(0)
            sys.exit(f"{argv[0]} did not start: {self.log.read()}")
        self.ready_s = time.monotonic() - self.started

    @property
    def pid(self):
        return self.process.pid

    def status(self, key):
        with open(f"/proc/{self.pid}/status") as f:
            return int(re.search(rf"^{key}:\s+(\d+)", f.read(), re.M).group(1))

    def switches_and_cpu(self):
        """Context switches and CPU nanoseconds of all threads: both stand still in an idle broker."""
        switches = cpu = 0
        for task in os.listdir(f"/proc/{self.pid}/task"):
            with open(f"/proc/{self.pid}/task/{task}/status") as f:
                switches += sum(int(n) for n in re.findall(r"ctxt_switches:\s+(\d+)", f.read()))
            with open(f"/proc/{self.pid}/task/{task}/schedstat") as f:
                cpu += int(f.read().split()[0])
        return switches, cpu

    def stop(self, how=signal.SIGTERM):
        if self.process.poll() is None:
            self.process.send_signal(how)
        self.process.wait(timeout=120)
        self.log.close()


class Bench:
    def __init__(self, args):
        self.bin = os.path.join(args.build, "bin")
        self.args = args
        self.root = tempfile.mkdtemp(prefix="stele-bench.")
        self.rows = []

    def directory(self):
        return tempfile.mkdtemp(dir=self.root)

    def floor(self, directory):
        port = free_port()
        server = Server([f"{self.bin}/bench_floor_broker", str(port), directory], directory)
        server.port = port
        return server

    def steled(self, directory, *settings, data=None, under=()):
        port = free_port()
        argv = [
            *under,
            f"{self.bin}/steled",
            "--data",
            data or os.path.join(directory, "data"),
            "--listen",
            f"127.0.0.1:{port}",
        ]
        for setting in settings:
            argv += ["--set", setting]
        server = Server(argv, directory)
        server.port = port
        return server

    def load(self, server, mode, *args):
        argv = [f"{self.bin}/bench_load", mode, "127.0.0.1", str(server.port), *map(str, args)]
        out = subprocess.run(argv, check=True, capture_output=True, text=True, timeout=600).stdout
        return {line.split()[0]: float(line.split()[1]) for line in out.splitlines()}

    def row(self, name, values, target, unit="x", detail=""):
        values = values if isinstance(values, list) else [values]
        row = {
            "figure": name,
            "median": statistics.median(values),
            "min": min(values),
            "max": max(values),
            "unit": unit,
            "rounds": len(values),
            "target": target,
            "detail": detail,
        }
        self.rows.append(row)
        if not self.args.json:
            spread = f"[{row['min']:.3g}-{row['max']:.3g}]" if len(values) > 1 else ""
            print(f"{name:58s} {row['median']:9.3g} {unit:5s} {spread:16s} target {target:10s} {detail}", flush=True)

    # ---- CPU per gigabyte, round trips ----

    def side(self, start, sizes, megabytes):
        """One server's figures: produce at each size, consume, round trip."""
        directory = self.directory()
        server = start(directory)
        figures = {}
        for size in sizes:
            topic = f"t{size}"
            self.load(server, "create", topic, 1)
            figures[f"produce {size}"] = self.load(server, "produce", topic, size, 1024, megabytes, 5, 1, server.pid)[
                "produce.broker"
            ]
        figures["consume"] = self.load(server, "consume", f"t{256 << 10}", 256 << 10, megabytes, server.pid)[
            "consume.broker"
        ]
        self.load(server, "create", "rtt", 1)
        self.load(server, "rtt", "rtt", 100, 500, 1)
        figures["rtt"] = self.load(server, "rtt", "rtt", 100, 3000, 1)["rtt.p50"]
        server.stop(signal.SIGKILL)
        shutil.rmtree(directory)
        return figures

    def data_path(self):
        sizes = [16 << 10, 256 << 10, 1 << 20]
        megabytes = 60 if self.args.smoke else 250
        floors, ours = [], []
        self.side(self.floor, sizes, megabytes)  # touches the memory; not counted
        for _ in range(self.args.rounds):
            floors.append(self.side(self.floor, sizes, megabytes))
            ours.append(self.side(self.steled, sizes, megabytes))
        names = {
            f"produce {16 << 10}": "produce, broker CPU, 16 KiB batches",
            f"produce {256 << 10}": "produce, broker CPU, 256 KiB batches",
            f"produce {1 << 20}": "produce, broker CPU, 1 MiB batches",
            "consume": "consume, broker CPU, 256 KiB pieces",
            "rtt": "produce round trip p50, 100 bytes, acks=1",
        }
        for key, name in names.items():
            unit = "us" if key == "rtt" else "s/GB"
            best = f"best of each {min(o[key] for o in ours):.3g} / {min(f[key] for f in floors):.3g} {unit}"
            self.row(name, [o[key] / f[key] for o, f in zip(ours, floors)], "<= 1.2", detail=best)

    def small_request(self):
        count = 20000 if self.args.smoke else 50000
        ratios, ours = [], []
        for _ in range(self.args.rounds):
            directory = self.directory()
            port = free_port()
            echo = Server([f"{self.bin}/bench_uv_echo", str(port)], directory)
            echo.port = port
            floor = self.load_echo(echo, count)
            echo.stop(signal.SIGKILL)
            broker = self.steled(directory)
            ours.append(self.load(broker, "echo", count, 1, broker.pid)["echo.broker"])
            broker.stop()
            ratios.append(ours[-1] / floor)
            shutil.rmtree(directory)
        self.row("ApiVersions, server CPU, against a libuv echo", ratios, "<= 1.5", detail=f"best {min(ours):.3g} us")

    def load_echo(self, server, count):
        return self.load(server, "echo", count, 1, server.pid)["echo.broker"]

    def instructions(self):
        """Instructions of one ApiVersions request: the difference of two runs under callgrind."""
        if not shutil.which("valgrind"):
            print("instructions: valgrind is not installed, skipped", file=sys.stderr)
            return

        def run(count):
            directory = self.directory()
            out = os.path.join(directory, "callgrind")
            server = self.steled(
                directory,
                "num.network.threads=1",
                under=("valgrind", "--tool=callgrind", f"--callgrind-out-file={out}"),
            )
            self.load(server, "echo", count, 1, 0)
            server.stop()
            with open(out) as f:
                total = int(re.search(r"^(?:totals|summary): (\d+)", f.read(), re.M).group(1))
            shutil.rmtree(directory)
            return total

        base, step = 500, 1000
        per_request = (run(base + step) - run(base)) / step
        recorded_file = os.path.join(HERE, "instructions.txt")
        recorded = float(open(recorded_file).read().split()[0]) if os.path.exists(recorded_file) else None
        detail = (
            f"recorded {recorded:.0f}, {100 * (per_request / recorded - 1):+.1f} %"
            if recorded
            else "nothing recorded yet"
        )
        self.row("ApiVersions, instructions a request (callgrind)", per_request, "+-1 %", unit="Ir", detail=detail)

    # ---- start, idle, many partitions ----

    def first_answer_ms(self, directory):
        """From the exec of the broker to its first ApiVersions response, seen by a client that keeps trying."""
        port = free_port()
        request = b"\x00\x00\x00\x0a\x00\x12\x00\x00\x00\x00\x00\x01\x00\x00"
        devnull = os.open(os.devnull, os.O_WRONLY)
        argv = [f"{self.bin}/steled", "--data", os.path.join(directory, "data"), "--listen", f"127.0.0.1:{port}"]
        begun = time.monotonic()
        pid = os.posix_spawn(
            argv[0],
            argv,
            os.environ,
            file_actions=[(os.POSIX_SPAWN_DUP2, devnull, 1), (os.POSIX_SPAWN_DUP2, devnull, 2)],
        )
        while True:
            try:
                with socket.create_connection(("127.0.0.1", port)) as s:
                    s.sendall(request)
                    s.recv(4)
                break
            except ConnectionError:
                time.sleep(0.0005)
        elapsed = (time.monotonic() - begun) * 1000
        os.kill(pid, signal.SIGTERM)
        os.waitpid(pid, 0)
        os.close(devnull)
        return elapsed

    def start(self):
        times = []
        for _ in range(max(5, self.args.rounds)):
            directory = self.directory()
            times.append(self.first_answer_ms(directory))
            shutil.rmtree(directory)
        directory = self.directory()
        server = self.steled(directory)
        self.load(server, "echo", 1, 1, 0)
        time.sleep(1.5)
        before = server.switches_and_cpu()
        time.sleep(3)
        after = server.switches_and_cpu()
        idle = (after[0] - before[0], (after[1] - before[1]) / 3e9 * 100, server.status("VmRSS") / 1024)
        server.stop()
        shutil.rmtree(directory)
        self.row("exec to first answered request, empty directory", times, "< 20", unit="ms")
        self.row("idle, context switches in 3 s", idle[0], "0", unit="")
        self.row("idle, CPU", idle[1], "0", unit="%")
        self.row("idle, resident", idle[2], "< 12", unit="MiB")

    def partitions(self):
        count = 1000 if self.args.smoke else 10000
        topics, directory = count // 100, self.directory()
        server = self.steled(directory)
        for t in range(topics):
            self.load(server, "create", f"p{t}", 100)
            self.load(server, "many", f"p{t}", 100, 100, 0.02, 100)
        resident, descriptors = server.status("VmRSS") / 1024, len(os.listdir(f"/proc/{server.pid}/fd"))
        with open(f"/proc/{server.pid}/maps") as f:
            mappings = sum(1 for _ in f)
        server.stop()
        server = self.steled(directory)
        restart = server.ready_s
        after = server.status("VmRSS") / 1024
        server.stop()
        shutil.rmtree(directory)
        self.row(
            f"{count} partitions with records, resident",
            max(resident, after),
            "< 200",
            unit="MiB",
            detail=f"{descriptors} descriptors, {mappings} mappings",
        )
        self.row(f"{count} partitions, clean restart to ready", restart, "< 2", unit="s")

    def crash_restart(self):
        gigabytes = 1 if self.args.smoke else 10
        directory = self.directory()
        server = self.steled(directory)
        topics = 4
        for t in range(topics):
            self.load(server, "create", f"c{t}", 1)
            self.load(server, "produce", f"c{t}", 256 << 10, 1024, gigabytes * 1000 // topics, 5, 1, 0)
        server.stop(signal.SIGKILL)
        server = self.steled(directory)
        restart, line = server.ready_s, server.ready_line
        server.stop()
        shutil.rmtree(directory)
        self.row(f"kill -9 with {gigabytes} GB of segments, restart to ready", restart, "< 1", unit="s", detail="")

    # ---- durability ----

    def fsync_floor(self):
        """Records a second with one fdatasync each: what a broker without group commit does."""
        directory = self.directory()
        fd = os.open(os.path.join(directory, "f"), os.O_RDWR | os.O_CREAT)
        block, begun, count = b"x" * 170, time.monotonic(), 0
        while time.monotonic() - begun < (1 if self.args.smoke else 3):
            os.pwrite(fd, block, count * len(block))
            os.fdatasync(fd)
            count += 1
        os.close(fd)
        shutil.rmtree(directory)
        return count / (time.monotonic() - begun)

    def durability(self):
        seconds = 1 if self.args.smoke else 3
        one, spread, absolute = [], [], []
        for _ in range(self.args.rounds):
            floor = self.fsync_floor()
            directory = self.directory()
            server = self.steled(directory)
            self.load(server, "create", "one", 1, "durability=fsync")
            self.load(server, "create", "many", 64, "durability=fsync")
            rate = self.load(server, "many", "one", 64, 1, seconds, 100)["many.rate"]
            one.append(rate / floor)
            spread.append(self.load(server, "many", "many", 64, 64, seconds, 100)["many.rate"] / floor)
            absolute.append(floor)
            server.stop()
            shutil.rmtree(directory)
        detail = f"floor {statistics.median(absolute):.0f} fdatasync/s"
        self.row("fsync topic, 64 producers, 1 partition, records/s", one, ">= 15", detail=detail)
        self.row("fsync topic, 64 producers, 64 partitions, records/s", spread, ">= 2.5", detail=detail)

    # ---- a tail consumer beside a scan ----

    def tail(self):
        gigabytes = 0.3 if self.args.smoke else 1.5
        ratios = []
        for _ in range(max(1, self.args.rounds // 2)):
            p99 = {}
            directory = self.directory()
            server = self.steled(directory)
            self.load(server, "create", "old", 1)
            self.load(server, "create", "new", 1)
            self.load(server, "produce", "old", 256 << 10, 1024, int(gigabytes * 1000), 5, 1, 0)
            os.sync()
            for kind in ("resident", "cold"):
                if kind == "cold":
                    self.evict(os.path.join(directory, "data", "old-0"))
                scan = subprocess.Popen(
                    [sys.executable, __file__, "--scan", str(server.port), "old", "100"], stdout=subprocess.DEVNULL
                )
                time.sleep(0.3)
                p99[kind] = self.load(server, "tail", "new", 1500 if self.args.smoke else 4000, 500)["tail.p99"]
                scan.kill()
                scan.wait()
            ratios.append(p99["cold"] / p99["resident"])
            server.stop()
            shutil.rmtree(directory)
        self.row("tail consumer p99, cold scan / resident scan (100 MB/s)", ratios, "<= 1.5")

    @staticmethod
    def evict(directory):
        for name in os.listdir(directory):
            fd = os.open(os.path.join(directory, name), os.O_RDONLY)
            os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
            os.close(fd)


def scan(port, topic, megabytes_per_second):
    """A consumer that reads a topic from the start, again and again, at a bounded rate."""
    name = topic.encode()
    s = socket.create_connection(("127.0.0.1", port))

    def exact(n):
        data = bytearray()
        while len(data) < n:
            piece = s.recv(min(n - len(data), 1 << 20))
            if not piece:
                sys.exit(0)
            data += piece
        return bytes(data)

    offset = 0
    while True:
        begun = time.monotonic()
        size = 1 << 20
        body = (
            b"\x00\x01\x00\x0b\x00\x00\x00\x01\x00\x05bench"
            + (-1).to_bytes(4, "big", signed=True)
            + (100).to_bytes(4, "big")
            + (1).to_bytes(4, "big")
            + size.to_bytes(4, "big")
            + b"\x00"
            + (0).to_bytes(4, "big")
            + (-1).to_bytes(4, "big", signed=True)
            + (1).to_bytes(4, "big")
            + len(name).to_bytes(2, "big")
            + name
            + (1).to_bytes(4, "big")
            + (0).to_bytes(4, "big")
            + (-1).to_bytes(4, "big", signed=True)
            + offset.to_bytes(8, "big")
            + (-1).to_bytes(8, "big", signed=True)
            + size.to_bytes(4, "big")
            + (0).to_bytes(4, "big")
            + b"\x00\x00"
        )
        s.sendall(len(body).to_bytes(4, "big") + body)
        data = exact(int.from_bytes(exact(4), "big"))
        at = 4 + 4 + 2 + 4 + 4 + 2 + len(name) + 4 + 4 + 2 + 24
        aborted = int.from_bytes(data[at : at + 4], "big", signed=True)
        at += 4 + 16 * max(aborted, 0) + 4 + 4
        before = offset
        while len(data) - at >= 61:
            length = 12 + int.from_bytes(data[at + 8 : at + 12], "big")
            if len(data) - at < length:
                break
            offset = int.from_bytes(data[at : at + 8], "big") + int.from_bytes(data[at + 23 : at + 27], "big") + 1
            at += length
        if offset == before:
            offset = 0
        time.sleep(max(0.0, size / (megabytes_per_second * 1e6) - (time.monotonic() - begun)))


def main():
    if len(sys.argv) > 1 and sys.argv[1] == "--scan":
        return scan(int(sys.argv[2]), sys.argv[3], float(sys.argv[4]))
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", default=os.path.join(HERE, "..", "..", "build"))
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--only", default="")
    parser.add_argument("--smoke", action="store_true", help="small and short: does every figure come out at all?")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    args.rounds = args.rounds or (1 if args.smoke else 5)
    bench = Bench(args)
    parts = {
        "data": bench.data_path,
        "small": bench.small_request,
        "instructions": bench.instructions,
        "start": bench.start,
        "partitions": bench.partitions,
        "crash": bench.crash_restart,
        "fsync": bench.durability,
        "tail": bench.tail,
    }
    wanted = args.only.split(",") if args.only else list(parts)
    unknown = [w for w in wanted if w not in parts]
    if unknown:
        parser.error(f"unknown figure {unknown[0]}; there are {', '.join(parts)}")
    try:
        for name in wanted:
            parts[name]()
    finally:
        shutil.rmtree(bench.root, ignore_errors=True)
    if args.json:
        json.dump(bench.rows, sys.stdout, indent=1)
        print()


if __name__ == "__main__":
    main()
