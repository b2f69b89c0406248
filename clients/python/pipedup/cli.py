"""What the two programs share: how durations and sizes are written, and what goes to stderr."""

from __future__ import annotations

import argparse
import datetime
import json
import re
import signal
import sys
from typing import Any, Optional

_UNITS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400}
_SIZES = {
    "": 1, "B": 1, "KB": 1000, "MB": 1000**2, "GB": 1000**3, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30,
    "K": 1 << 10, "M": 1 << 20, "G": 1 << 30,
}  # fmt: skip


def duration(text: str) -> float:
    """250ms, 5s, 2m, 1h, 1d, or 0, in seconds."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)", text)
    if text == "0":
        return 0.0
    if not found:
        raise argparse.ArgumentTypeError(f"'{text}' is no duration: say it like 250ms, 5s or 2m")
    return float(found[1]) * _UNITS[found[2]]


def size(text: str) -> int:
    """64KiB, 1MB, 100 or the like, in bytes."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([A-Za-z]*)", text)
    if not found or found[2] not in _SIZES:
        raise argparse.ArgumentTypeError(f"'{text}' is no size: say it like 64MiB or 1GB")
    return int(float(found[1]) * _SIZES[found[2]])


def printable(text: str) -> str:
    """Text that may come from a peer, without what could steer a terminal."""
    return "".join(each if each.isprintable() else ascii(each)[1:-1] for each in text)


class Report:
    """Writes what happens to stderr, as text or as one JSON object a line. From any thread."""

    def __init__(self, program: str, form: str) -> None:
        self._program, self._json = program, form == "json"

    def __call__(self, event: str, message: str, level: str = "info", **more: Any) -> None:
        if self._json:
            now = datetime.datetime.now(datetime.timezone.utc).isoformat()
            line = json.dumps(
                {"time": now, "level": level, "program": self._program, "event": event,
                 "message": message, **more}
            )  # fmt: skip
        elif level == "debug":
            return
        else:
            mark = "" if level == "info" else f"{level}: "
            line = f"{self._program}: {mark}{printable(message)}"
        try:
            sys.stderr.write(line + "\n")
            sys.stderr.flush()
        except (OSError, ValueError):
            pass  # nobody reads it


class Stopped(Exception):
    """A signal asked for an end. `status` is the exit status."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


class Signals:
    """Notes SIGINT, SIGTERM and SIGHUP, and a time limit (status 124), for check() to raise.

    A handler does not raise at once, because then nobody would know how much of a write that was
    interrupted had been written: it raises a moment later, when that write is still stuck.
    """

    def __init__(self, time_limit: float = 0.0) -> None:
        self._status: Optional[int] = None
        self._passed = False
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGALRM):
            signal.signal(number, self._on_signal)
        if time_limit:
            signal.setitimer(signal.ITIMER_REAL, time_limit)

    def check(self) -> None:
        if self._status is not None:
            self._passed = True
            raise Stopped(self._status)

    def ignore(self) -> None:
        """From now on nothing is raised, and no timer ends the program."""
        self._passed = True
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, signal.SIG_IGN)

    def _on_signal(self, number: int, _: object) -> None:
        if self._status is None:
            self._status = 124 if number == signal.SIGALRM else 128 + number
            signal.setitimer(signal.ITIMER_REAL, 0.05, 0.05)
        elif not self._passed:
            self.check()
