#!/usr/bin/python3
"""Stock clients against a real broker.

    run.py [--build DIR] [--case WORD] [--only kcat,confluent,kafka_python,kafkajs,cli,hostile]

One broker for all; each client works in topics of its own. Ends with a line `N passed, N failed`.
Debian's python3 runs it, because Debian's client modules belong to it.
"""
import argparse
import importlib
import os
import re
import shutil
import subprocess
import sys

from harness import HERE, Broker, Runner


def run_kafkajs(runner, broker):
    if not os.path.isdir(os.path.join(HERE, "node_modules", "kafkajs")):
        runner.run("kafkajs is installed", lambda: (_ for _ in ()).throw(AssertionError("run 'make deps-compat'")))
        return
    r = subprocess.run(
        [shutil.which("node") or "node", os.path.join(HERE, "with_kafkajs.js"), broker.address],
        capture_output=True,
        text=True,
        timeout=300,
    )
    print(r.stdout, end="")
    counts = re.search(r"^kafkajs: (\d+) ok, (\d+) failed$", r.stdout, re.M)
    runner.passed += int(counts.group(1)) if counts else 0
    runner.failed += int(counts.group(2)) if counts else 1
    if not counts:
        print(r.stderr[-2000:])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", default=os.path.join(HERE, "..", "..", "build"))
    parser.add_argument("--only", default="kcat,confluent,kafka_python,kafkajs,cli,hostile")
    parser.add_argument("--case", default="", help="only cases with this in their name")
    args = parser.parse_args()
    runner = Runner()
    broker = Broker(os.path.abspath(args.build))
    try:
        for client in args.only.split(","):
            if client == "kafkajs":
                run_kafkajs(runner, broker)
                continue
            try:
                module = importlib.import_module(f"with_{client}")
            except ImportError as e:
                runner.run(f"{client} is installed", lambda e=e: (_ for _ in ()).throw(e))
                continue
            runner.run_module(module, broker, args.case)
    finally:
        if runner.failed:
            print(broker.diagnostics())
        broker.close()
    return runner.finish()


if __name__ == "__main__":
    sys.exit(main())
