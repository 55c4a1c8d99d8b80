"""The command line as a person types it: transcripts in tests/golden/cli, each against a broker of its own.

Standard error is marked with "! ", what differs from run to run has a name. UPDATE_GOLDEN=1 writes them anew: look at
the difference before it is committed.
"""
import glob
import json
import os
import re
import shlex
import socket
import subprocess
import threading

from harness import HERE, Broker

TRANSCRIPTS = os.path.join(HERE, "..", "golden", "cli")


class Impostor:
    """Something on a port that is no broker: answers each connection with the same bytes, or never."""

    def __init__(self, answer):
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.address = "127.0.0.1:%d" % self.socket.getsockname()[1]
        self.answer = answer
        self.held = []
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        while True:
            try:
                c, _ = self.socket.accept()
            except OSError:
                return
            if self.answer is None:
                self.held.append(c)
                continue
            c.recv(1000)
            c.sendall(self.answer)
            c.close()

    def close(self):
        self.socket.close()
        for c in self.held:
            c.close()


def places(broker):
    """What transcripts call by a name."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        closed = "127.0.0.1:%d" % s.getsockname()[1]
    impostors = {
        "HTTP": Impostor(b"HTTP/1.1 400 Bad Request\r\n\r\n"),
        "TLS": Impostor(bytes.fromhex("15030300020228")),
        "HANGUP": Impostor(b""),
        "NOISE": Impostor(b"\0\0\0\x08abcdefgh"),
        "SILENT": Impostor(None),
    }
    return impostors, {"BROKER": broker.address, "CLOSED": closed, **{name: i.address for name, i in impostors.items()}}


def play(broker, line, names):
    args = [
        re.sub("|".join(names), lambda m: names[m.group()], arg) if arg.isupper() or "," in arg else arg
        for arg in shlex.split(line)
    ]
    env = {**os.environ, "STELE_BOOTSTRAP": broker.address, "LC_ALL": "C.UTF-8", "ARGP_HELP_FMT": "rmargin=79"}
    r = subprocess.run([f"{broker.bin}/{args[0]}", *args[1:]], capture_output=True, text=True, env=env, timeout=60)
    if "json" in args and r.stdout:
        json.loads(r.stdout)
    text = (
        r.stdout
        + "".join(f"! {said}".rstrip() + "\n" for said in r.stderr.splitlines())
        + (f"(exit {r.returncode})\n" if r.returncode else "")
    )
    for name, address in names.items():
        text = text.replace(address, name)
    text = text.replace(broker.dir, "DIR")
    text = re.sub(r"\bid [A-Za-z0-9_-]{22}(?![A-Za-z0-9_-])", "id ID", text)
    return re.sub(r'"id": "[A-Za-z0-9_-]{22}"', '"id": "ID"', text)


def check(bin_parent, path):
    broker = Broker(bin_parent)
    impostors, names = places(broker)
    try:
        with open(path) as f:
            wanted = f.read()
        got = "".join(
            f"{line}\n{play(broker, line[2:], names)}" for line in wanted.splitlines() if line.startswith("$ ")
        )
    finally:
        for i in impostors.values():
            i.close()
        broker.close()
    if os.environ.get("UPDATE_GOLDEN"):
        with open(path, "w") as f:
            f.write(got)
        return
    for n, (a, b) in enumerate(zip(wanted.splitlines() + ["(the end)"], got.splitlines() + ["(the end)"]), 1):
        assert a == b, f"{os.path.basename(path)}:{n}\n  expected: {a}\n  printed:  {b}"


def add(path):
    name = "test_" + os.path.basename(path)[: -len(".txt")]
    globals()[name] = lambda broker: check(os.path.dirname(broker.bin), path)


for each in sorted(glob.glob(f"{TRANSCRIPTS}/*.txt")):
    add(each)


def test_there_are_transcripts(_):
    assert len(glob.glob(f"{TRANSCRIPTS}/*.txt")) >= 6
