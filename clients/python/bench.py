#!/usr/bin/env python3
"""Measures what one subscriber of this client takes from a real pipedup-pub, over tcp on this machine.

    PIPEDUP_BIN=build/release/bin clients/python/bench.py [--bytes N] [--line N] [--profile]

Two figures: MB/s through blocks, and MB/s and records a second through records(). The publisher
is told to wait for the subscriber (--slow wait), so that nothing is lost; the source is one file that
is repeated, so that it is not the limit.
"""

import argparse
import cProfile
import os
import pathlib
import pstats
import socket
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

from pipedup import Block, Gap, Subscriber  # noqa: E402

SOURCE = """
import os, sys
size, line = int(sys.argv[1]), int(sys.argv[2])
piece = (b"x" * (line - 1) + b"\\n") * ((1 << 20) // line)
while size > 0:
    part = piece[:size]
    size -= len(part)
    while part:
        part = part[os.write(1, part):]
"""


def two_free_ports() -> int:
    while True:
        with socket.socket() as one, socket.socket() as two:
            one.bind(("127.0.0.1", 0))
            port = one.getsockname()[1]
            try:
                two.bind(("127.0.0.1", port + 1))
                return port
            except (OSError, OverflowError):
                continue


def blocks(sub: Subscriber) -> int:
    return sum(len(item) for item in sub if isinstance(item, Block))


def records(sub: Subscriber) -> int:
    count = 0
    for record in sub.records():
        if record.__class__ is Gap:
            continue
        count += 1
    return count


def run(bin_dir: str, size: int, line: int, what) -> None:
    endpoint = f"tcp://127.0.0.1:{two_free_ports()}"
    with tempfile.TemporaryDirectory() as place:
        source = subprocess.Popen(
            [sys.executable, "-c", SOURCE, str(size), str(line)], stdout=subprocess.PIPE
        )
        publisher = subprocess.Popen(
            [os.path.join(bin_dir, "pipedup-pub"), "-b", endpoint, "--slow", "wait", "--wait-subs", "1"],
            stdin=source.stdout, env={**os.environ, "XDG_RUNTIME_DIR": place},
        )  # fmt: skip
        try:
            started = time.monotonic()
            cpu = time.process_time()
            with Subscriber(endpoint, start="start", give_up=10) as sub:
                next(sub)
                count = what(sub)
            took = time.monotonic() - started
            cpu = time.process_time() - cpu
            lost = f", LOST {sub.lost_bytes}" if sub.lost_bytes else ""
            rate = f", {count / took / 1e6:.2f} M records/s" if what is records else ""
            print(
                f"{what.__name__:8} {size / took / 1e6:7.0f} MB/s{rate},"
                f" {cpu / (size / (1 << 30)):.2f} CPU s/GiB{lost}"
            )
        finally:
            for process in (publisher, source):
                process.terminate()
                process.wait(10)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bytes", type=int, default=1 << 30)
    parser.add_argument("--line", type=int, default=100, help="bytes of a record")
    parser.add_argument("--profile", action="store_true", help="of the thread of the sockets")
    told = parser.parse_args()
    bin_dir = os.environ.get("PIPEDUP_BIN")
    if not bin_dir:
        sys.exit("bench.py: PIPEDUP_BIN has to name the directory of pipedup-pub")
    if told.profile:
        from pipedup.receiver import Receiver

        profile, plain = cProfile.Profile(), Receiver._loop
        Receiver._loop = lambda self: profile.runcall(plain, self)  # type: ignore[method-assign]
    run(bin_dir, told.bytes, told.line, blocks)
    run(bin_dir, told.bytes, told.line, records)
    if told.profile:
        pstats.Stats(profile).sort_stats("tottime").print_stats(15)


if __name__ == "__main__":
    main()
