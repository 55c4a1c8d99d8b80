#!/usr/bin/python3
"""Records what real clients send: one frame of every API and version, as a file of hex.

    capture.py [--build DIR] [--only kcat,confluent,kafka_python,kafkajs] [--also NAME=COMMAND] [--anew]

A broker is started that tells its clients the address of a proxy; the proxy passes everything on and keeps the first
request of each (client, API, version). Then the compatibility cases run as usual, or a program of one's own, with the
address as its last argument. Frames that are there already stay. The files land in frames/ and are
decoded and encoded again by test_golden in every test run.
"""

import argparse
import importlib
import os
import shlex
import socket
import subprocess
import sys
import threading

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "compat"))
import wire  # noqa: E402
from harness import Broker, Runner  # noqa: E402


class Proxy:
    def __init__(self, anew):
        self.anew = anew
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.target = None
        self.client = None
        self.offered = {}
        self.seen = set()
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            down, _ = self.listener.accept()
            try:
                up = socket.create_connection(("127.0.0.1", self.target))
            except OSError:  # the broker is being restarted
                down.close()
                continue
            threading.Thread(target=self.requests, args=(down, up, self.client), daemon=True).start()
            threading.Thread(target=self.responses, args=(up, down), daemon=True).start()

    @staticmethod
    def responses(source, to):
        try:
            while data := source.recv(1 << 16):
                to.sendall(data)
            to.shutdown(socket.SHUT_WR)
        except OSError:
            pass

    def requests(self, source, to, client):
        data = b""
        try:
            while piece := source.recv(1 << 16):
                to.sendall(piece)
                data += piece
                while len(data) >= 4 and len(data) >= 4 + int.from_bytes(data[:4], "big"):
                    size = int.from_bytes(data[:4], "big")
                    self.keep(client, data[4 : 4 + size])
                    data = data[4 + size :]
            to.shutdown(socket.SHUT_WR)
        except OSError:
            pass

    def keep(self, client, frame):
        key, version = int.from_bytes(frame[:2], "big"), int.from_bytes(frame[2:4], "big")
        if (client, key, version) in self.seen or len(frame) > 8192 or version > self.offered.get(key, -1):
            return  # seen before, large, or a version that the broker declines
        self.seen.add((client, key, version))
        path = os.path.join(HERE, "frames", f"{client}-{key:02d}-v{version}.hex")
        if os.path.exists(path) and not self.anew:
            return
        with open(path, "w") as f:
            text = frame.hex()
            f.write("\n".join(text[i : i + 96] for i in range(0, len(text), 96)) + "\n")


class Proxied:
    """The broker as the compatibility cases see it: only its address differs."""

    def __init__(self, broker, proxy):
        self.broker, self.address = broker, f"127.0.0.1:{proxy.port}"

    def __getattr__(self, name):
        return getattr(self.broker, name)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", default=os.path.join(HERE, "..", "..", "build"))
    parser.add_argument("--only", default="kcat,confluent,kafka_python,kafkajs")
    parser.add_argument("--also", default="", metavar="NAME=COMMAND")
    parser.add_argument("--anew", action="store_true")
    args = parser.parse_args()
    proxy, runner = Proxy(args.anew), Runner()
    broker = Broker(os.path.abspath(args.build), f"advertised.listeners=PLAINTEXT://127.0.0.1:{proxy.port}")
    proxy.target = broker.port
    with wire.Wire(broker) as c:
        proxy.offered = {key: highest for key, (_, highest) in wire.api_versions(c).items()}
    proxied = Proxied(broker, proxy)
    if args.also:
        proxy.client, command = args.also.split("=", 1)
        subprocess.run([*shlex.split(command), proxied.address], check=True, timeout=300)
    for client in [name for name in args.only.split(",") if name]:
        proxy.client = client.replace("_", "")
        if client == "kafkajs":
            subprocess.run(
                ["node", os.path.join(HERE, "..", "compat", "with_kafkajs.js"), proxied.address],
                check=False,
                timeout=300,
            )
        else:
            runner.run_module(importlib.import_module(f"with_{client}"), proxied)
    broker.close()
    print(f"{len(proxy.seen)} frames kept")


if __name__ == "__main__":
    main()
