"""A real broker for the compatibility runs, and a runner that counts.

Each client's file has functions named test_*; each gets the broker. A client that is not installed is a
failure: a run that tests nothing must not look green.
"""
import atexit
import ctypes
import os
import re
import resource
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import traceback

LIBC = ctypes.CDLL(None)
HERE = os.path.dirname(os.path.abspath(__file__))


class Broker:
    def __init__(self, build, *settings, descriptors=None):
        self.bin = os.path.join(build, "bin")
        self.descriptors = descriptors  # a limit on open files
        self.dir = tempfile.mkdtemp(prefix="stele-compat.")
        atexit.register(self.abandon)
        self.settings = settings
        self.process = None
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            self.port = s.getsockname()[1]
        self.start()

    @property
    def address(self):
        return f"127.0.0.1:{self.port}"

    def prepare(self):
        """In the child: it may not outlive the run, however that ends."""
        LIBC.prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG
        if self.descriptors:
            resource.setrlimit(resource.RLIMIT_NOFILE, (self.descriptors, self.descriptors))

    def start(self):
        argv = [f"{self.bin}/steled", "--data", f"{self.dir}/data", "--listen", self.address]
        for setting in self.settings:
            argv += ["--set", setting]
        self.log = open(f"{self.dir}/stderr", "a+")
        self.process = subprocess.Popen(
            argv, stdout=subprocess.PIPE, stderr=self.log, text=True, preexec_fn=self.prepare
        )
        line = self.process.stdout.readline()
        if not line.startswith("ready"):
            raise RuntimeError(f"no ready line: {line!r} {self.diagnostics()}")

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(timeout=30)
        assert code == 0, f"clean stop gave {code}"

    def close(self):
        if self.process.poll() is None:
            self.stop()
        self.log.close()
        shutil.rmtree(self.dir)

    def abandon(self):
        """What a case that failed left behind."""
        if self.process and self.process.poll() is None:
            self.kill()
        shutil.rmtree(self.dir, ignore_errors=True)

    def diagnostics(self):
        with open(f"{self.dir}/stderr") as f:
            return f.read()[-2000:]

    def stele(self, *args, check=True):
        env = dict(os.environ, STELE_BOOTSTRAP=self.address)
        r = subprocess.run([f"{self.bin}/stele", *args], capture_output=True, text=True, env=env, timeout=60)
        if check and r.returncode != 0:
            raise AssertionError(f"stele {' '.join(args)}: {r.returncode} {r.stderr}")
        return r.stdout

    def codecs_on_disk(self, topic, partition=0):
        """The codec of every batch, as the log holds it."""
        out = self.stele("log-dump", "--format", "json", f"{self.dir}/data/{topic}-{partition}")
        return re.findall(r'"codec": ?"(\w+)"', out)


class Runner:
    def __init__(self):
        self.passed = self.failed = 0

    def run(self, name, fn, *args):
        begun = time.monotonic()
        try:
            fn(*args)
        except Exception:
            self.failed += 1
            print(f"FAIL {name}", flush=True)
            traceback.print_exc(limit=-4, file=sys.stdout)
            return
        self.passed += 1
        print(f"ok   {name} ({time.monotonic() - begun:.1f} s)", flush=True)

    def run_module(self, module, broker, only=""):
        for name in [n for n in vars(module) if n.startswith("test_") and only in n]:
            self.run(f"{module.__name__}.{name[5:]}", getattr(module, name), broker)

    def finish(self):
        print(f"{self.passed} passed, {self.failed} failed", flush=True)
        return 1 if self.failed or not self.passed else 0


def eventually(condition, what, seconds=10):
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        value = condition()
        if value:
            return value
        time.sleep(0.05)
    raise AssertionError(f"never came true: {what}")
