"""Over links that break and send damage: a proxy between Subscriber and publisher, on tcp."""

from __future__ import annotations

import random
import select
import socket
import threading
import unittest
from typing import Any, List, Optional, Tuple

from pipedup import Publisher, Subscriber

from .support import PATIENCE, Case, Oracle, lines


def quiet(*_: object) -> None:
    pass


def two_free_ports() -> int:
    while True:
        with socket.socket() as one, socket.socket() as two:
            one.bind(("127.0.0.1", 0))
            port: int = one.getsockname()[1]
            try:
                two.bind(("127.0.0.1", port + 1))
                return port
            except (OSError, OverflowError):
                continue


class Proxy:
    """Passes both connections on, towards the reader only so many bytes each: then it closes the
    connection, sends nothing more, or sends wrong bytes and goes on. `faults` bounds how often."""

    def __init__(self, to: int, fault: str, faults: int, seed: int) -> None:
        self.port = two_free_ports()
        self.faults = faults
        self._fault, self._rng, self._to = fault, random.Random(seed), to
        self._lock = threading.Lock()
        self._over = threading.Event()
        self._listeners = [socket.create_server(("127.0.0.1", self.port + each)) for each in (0, 1)]
        self._threads = [
            threading.Thread(target=self._accept, args=(listener, to + offset), daemon=True)
            for offset, listener in enumerate(self._listeners)
        ]
        for thread in self._threads:
            thread.start()

    def close(self) -> None:
        self._over.set()
        for listener in self._listeners:
            listener.shutdown(socket.SHUT_RDWR)
            listener.close()
        for thread in self._threads:
            thread.join(PATIENCE)

    def _accept(self, listener: socket.socket, port: int) -> None:
        while True:
            try:
                near, _ = listener.accept()
            except OSError:
                return
            try:
                far = socket.create_connection(("127.0.0.1", port), PATIENCE)
            except OSError:
                near.close()
                continue
            thread = threading.Thread(target=self._pass_on, args=(near, far), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _next_fault(self) -> Optional[int]:
        with self._lock:
            return self._rng.randrange(1000, 400000) if self.faults > 0 else None

    def _take_fault(self) -> bool:
        with self._lock:
            self.faults -= 1
            return self.faults >= 0

    def _pass_on(self, near: socket.socket, far: socket.socket) -> None:
        left, silent = self._next_fault(), False
        try:
            while not self._over.is_set():
                for each in select.select([near, far], [], [], 0.05)[0]:
                    data = each.recv(65536)
                    if not data:
                        return
                    if each is near:
                        far.sendall(data)
                        continue
                    if left is not None:
                        left -= len(data)
                        if left < 0 and self._take_fault():
                            if self._fault == "close":
                                return
                            silent = silent or self._fault == "silence"
                            at = self._rng.randrange(len(data))
                            data = data[:at] + bytes((data[at] ^ 0x55,)) + data[at + 1 :]
                            left = self._next_fault()
                        elif left < 0:
                            left = None
                    if not silent:
                        near.sendall(data)
        except OSError:
            pass
        finally:
            near.close()
            far.close()


class OverABadLink(Case):
    def run_one(self, fault: str, real: bool, seed: int) -> None:
        produced = lines(300000)
        port = two_free_ports()
        proxy = Proxy(port, fault, 2 if fault == "silence" else 6, seed)
        self.addCleanup(proxy.close)
        self.endpoint = f"tcp://127.0.0.1:{port}"
        sub = Subscriber(f"tcp://127.0.0.1:{proxy.port}", start=0, dead_after=0.5, log=quiet, queue_bytes=2 << 20)
        self.addCleanup(sub.close)
        if real:
            program = self.real_pub("--wait-subs", "1")
            threading.Thread(target=self.feed, args=(program, produced), daemon=True).start()
        else:
            ours = Publisher("demo", self.endpoint, log=quiet)
            self.addCleanup(ours.abort)
            threading.Thread(target=self.feed_ours, args=(ours, produced), daemon=True).start()
        oracle = Oracle(produced).take_all(sub)
        self.assertIsNotNone(oracle.end)
        self.assertEqual((oracle.lost, oracle.delivered), (0, len(produced)))
        self.assertLess(proxy.faults, 3)

    def feed(self, program: Any, produced: bytes) -> None:
        program.write(produced)
        program.close_stdin()

    def feed_ours(self, ours: Publisher, produced: bytes) -> None:
        ours.wait_for_subscribers(1, PATIENCE)
        for at in range(0, len(produced), 100000):
            ours.write(produced[at : at + 100000])
        ours.close(0, PATIENCE)

    def run_all(self, fault: str) -> None:
        cases: List[Tuple[bool, int]] = [(False, 1), (True, 3)]
        for real, seed in cases:
            with self.subTest(real=real, seed=seed):
                self.run_one(fault, real, seed)

    def test_connections_that_break_lose_nothing(self) -> None:
        self.run_all("close")

    def test_connections_that_fall_silent_lose_nothing(self) -> None:
        self.run_all("silence")

    def test_damage_is_neither_delivered_nor_lost(self) -> None:
        self.run_all("damage")


if __name__ == "__main__":
    unittest.main()
