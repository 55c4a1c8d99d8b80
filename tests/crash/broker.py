"""A real steled in a directory that outlives it."""

import os
import re
import signal
import socket
import subprocess
import time

from history import Violation

# A death between a topic's deletion and that of its directories leaves them behind, and every start says so.
HARMLESS = "partition directories that the metadata does not know are left alone"


class Broker:
    def __init__(self, program, data, log_path, settings):
        self.program, self.data, self.log_path = program, data, log_path
        self.settings = settings
        self.process = None
        self.log_from = 0
        self.starts = 0
        self.slowest_start_s = 0.0
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            self.port = s.getsockname()[1]

    def start(self):
        argv = [self.program, "--data", self.data, "--listen", f"127.0.0.1:{self.port}"]
        for key, value in self.settings.items():
            argv += ["--set", f"{key}={value}"]
        begun = time.monotonic()
        self.log_from = os.path.getsize(self.log_path) if os.path.exists(self.log_path) else 0
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=log, text=True)
        line = self.process.stdout.readline()
        if not line.startswith("ready"):
            self.process.wait()
            raise Violation(f"does not start: {line!r} {self.said()[-2000:]}")
        self.starts += 1
        self.slowest_start_s = max(self.slowest_start_s, time.monotonic() - begun)

    def said(self):
        """Diagnostics since the last start."""
        with open(self.log_path, errors="replace") as log:
            log.seek(self.log_from)
            return log.read()

    def check_said(self, is_after_clean_stop):
        """Nothing that a death of the process explains is an error, and a clean stop leaves nothing to warn of."""
        bad = "ERROR|FATAL" + ("|WARN" if is_after_clean_stop else "")
        for line in self.said().splitlines():
            if re.search(rf"\b(?:{bad})\b", line) and not re.search(HARMLESS, line):
                raise Violation(f"the broker complains: {line}")

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.reap()

    def reap(self):
        self.process.wait()
        self.process.stdout.close()

    def stop(self):
        begun = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        try:
            code = self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.kill()
            raise Violation("SIGTERM: still running after 10 s")
        self.process.stdout.close()
        if code != 0:
            raise Violation(f"SIGTERM: exit code {code}: {self.said()[-1000:]}")
        if not os.path.exists(os.path.join(self.data, ".kafka_cleanshutdown")):
            raise Violation("SIGTERM: no mark of a clean stop")
        return time.monotonic() - begun

    def is_running(self):
        return self.process is not None and self.process.poll() is None

    def close(self):
        if self.is_running():
            self.kill()
