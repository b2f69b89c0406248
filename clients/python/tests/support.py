"""What the tests share: the oracle, programs that are started and always ended, places to meet."""

from __future__ import annotations

import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import unittest
from typing import Any, Callable, Iterable, List, Optional

from pipedup import Block, End, Gap, Item, NewSession

ROOT = pathlib.Path(__file__).resolve().parents[1]
BIN = os.environ.get("PIPEDUP_BIN", "")
PATIENCE = 30.0  # bounds every wait; nothing is expected to take nearly as long


class Oracle:
    """Knows every byte of a session. Delivered and reported lost must be all of it, nothing twice."""

    def __init__(self, produced: bytes) -> None:
        self.produced = produced
        self.at: Optional[int] = None
        self.lost = 0
        self.delivered = 0
        self.end: Optional[End] = None

    def take(self, item: Item) -> None:
        assert self.end is None, f"{item} behind the end"
        if isinstance(item, NewSession):
            assert self.at is None, "a session twice"
            self.at = item.position
            return
        assert item.position == self.at, f"{item}, but we are at {self.at}"
        self.at = item.end
        if isinstance(item, Gap):
            assert item.end > item.position
            self.lost += item.bytes
        elif isinstance(item, Block):
            assert len(bytes(item)) == len(item) > 0
            assert bytes(item) == self.produced[item.position : item.end], f"{item}: wrong bytes"
            self.delivered += len(item)
        elif isinstance(item, End):
            assert item.end == len(self.produced), f"the end at {item.end} of {len(self.produced)}"
            self.end = item

    def take_all(self, items: Iterable[Item]) -> "Oracle":
        for item in items:
            self.take(item)
        return self


def lines(count: int, first: int = 0) -> bytes:
    return b"".join(b"line %d of a stream\n" % number for number in range(first, first + count))


class Program:
    """A program under test. Its stderr is read by a thread; stdout too unless `stdout` is given."""

    def __init__(self, *arguments: str, stdin: Any = subprocess.PIPE, stdout: Any = None, **env: str):
        self.process = subprocess.Popen(
            arguments, stdin=stdin, stdout=stdout or subprocess.PIPE, stderr=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": str(ROOT), **env},
        )  # fmt: skip
        self.out = b""
        self.err: List[str] = []
        self._heard = threading.Condition()
        self._threads = [threading.Thread(target=self._read_err, daemon=True)]
        if stdout is None:
            self._threads.append(threading.Thread(target=self._read_out, daemon=True))
        for thread in self._threads:
            thread.start()

    def _read_err(self) -> None:
        assert self.process.stderr
        for line in self.process.stderr:
            with self._heard:
                self.err.append(line.decode(errors="replace"))
                self._heard.notify_all()

    def _read_out(self) -> None:
        assert self.process.stdout
        for piece in iter(lambda: self.process.stdout.read1(1 << 20), b""):  # type: ignore[union-attr]
            with self._heard:
                self.out += piece
                self._heard.notify_all()

    def wait_for(self, what: Callable[["Program"], Any]) -> None:
        with self._heard:
            if not self._heard.wait_for(lambda: what(self), PATIENCE):
                raise AssertionError(f"waited in vain; stderr: {self.err}, {len(self.out)} bytes out")

    def says(self, text: str) -> None:
        self.wait_for(lambda self: any(text in line for line in self.err))

    def write(self, data: bytes) -> None:
        assert self.process.stdin
        self.process.stdin.write(data)
        self.process.stdin.flush()

    def close_stdin(self) -> None:
        assert self.process.stdin
        self.process.stdin.close()

    def signal(self, number: int) -> None:
        self.process.send_signal(number)

    def status(self) -> int:
        found = self.process.wait(PATIENCE)
        for thread in self._threads:
            thread.join(PATIENCE)
        return found

    def stop(self) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
            self.process.kill()
            self.process.wait(PATIENCE)
        for thread in self._threads:
            thread.join(PATIENCE)
        for stream in (self.process.stdin, self.process.stdout, self.process.stderr):
            if stream:
                try:
                    stream.close()
                except BrokenPipeError:
                    pass


class Case(unittest.TestCase):
    """A test with a directory of its own and an ipc endpoint in it; its programs are ended."""

    def setUp(self) -> None:
        self.place = tempfile.mkdtemp(prefix="pipedup-")
        self.endpoint = f"ipc://{self.place}/s"
        self.addCleanup(shutil.rmtree, self.place, True)

    def program(self, *arguments: str, **more: Any) -> Program:
        program = Program(*arguments, XDG_RUNTIME_DIR=self.place, **more)
        self.addCleanup(program.stop)
        return program

    def real_pub(self, *arguments: str, **more: Any) -> Program:
        self.need_programs()
        return self.program(
            os.path.join(BIN, "pipedup-pub"), "-b", self.endpoint, "--log-format", "json", *arguments, **more
        )

    def real_sub(self, *arguments: str, **more: Any) -> Program:
        self.need_programs()
        return self.program(
            os.path.join(BIN, "pipedup-sub"), self.endpoint, "--no-attach", *arguments, **more
        )

    def shim(self, which: str, *arguments: str, **more: Any) -> Program:
        return self.program(
            sys.executable, "-m", f"pipedup.{which}", *arguments, "--log-format", "json", **more
        )

    def need_programs(self) -> None:
        if not BIN:
            self.skipTest("PIPEDUP_BIN does not name the directory of pipedup-pub")

    def until(self, what: Callable[[], Any]) -> None:
        """Wait for something that nobody tells of."""
        by = time.monotonic() + PATIENCE
        while not what():
            if time.monotonic() > by:
                raise AssertionError("waited in vain")
            time.sleep(0.005)
