"""python3 -m pipedup.sub: write a stream that is published to stdout.

Exit status: 0 end of stream, nothing lost; 1 failure; 2 usage; 3 data was lost; 4 publisher not
reached, or vanished before the end; 5 refused; 124 --timeout; 128+N signal N; 141 the reader of stdout
left.
"""

from __future__ import annotations

import argparse
import os
import select
import sys
from typing import List, Optional, Union

from . import net
from .cli import Report, Signals, Stopped, duration
from .control import Last, session_text
from .items import Block, End, Gap, Item, NewSession, Refused, Unreachable
from .reader import DELIMITERS
from .subscriber import Subscriber

_PROGRAM = "pipedup-sub.py"
_SLICE = 64 << 10  # of a write with a cursor: no more than this may come twice after a kill
_GAP, _VANISHED, _REFUSED, _PIPE = 3, 4, 5, 141


class _Done(Exception):
    """All that was asked for is written."""


class Writer:
    """Writes items to a descriptor, and says what happens. `position` of what was written goes to
    the subscriber, and so to its cursor."""

    def __init__(
        self, sub: Subscriber, report: Report, signals: Signals, *,
        count: Optional[int], strict: bool, has_cursor: bool, descriptor: int = 1,
    ) -> None:  # fmt: skip
        self._sub, self._report, self._signals = sub, report, signals
        self._left, self._strict, self._has_cursor = count, strict, has_cursor
        self._out = descriptor
        self._delimiter: Optional[bytes] = None
        self.lost = False
        self.ended = False

    def take(self, item: Item) -> None:
        """Raises _Done after the last record that was asked for, or a gap with --strict;
        BrokenPipeError when the reader of stdout has left."""
        if isinstance(item, Block):
            self._write(item)
        elif isinstance(item, Gap):
            self._on_gap(item)
        elif isinstance(item, NewSession):
            self._on_session(item)
        elif isinstance(item, End):
            self.ended = True
            self._report(
                "end", f"the stream ended at {item.position}", "debug", stream=item.stream,
                session=session_text(item.session), position=item.position, exit_status=item.exit_status,
            )  # fmt: skip
        if self._has_cursor:
            self._sub.save_cursor()

    def _on_session(self, item: NewSession) -> None:
        self.ended = False
        self._delimiter = DELIMITERS.get(item.records)
        if item.previous is not None:
            self._report("session", "a new session has begun", "warning")
        self._report(
            "begin", f"reading '{item.stream}' from {item.position}", "debug", stream=item.stream,
            session=session_text(item.session), position=item.position,
        )  # fmt: skip

    def _on_gap(self, item: Gap) -> None:
        self.lost = True
        self._report(
            "gap", f"lost {item.bytes} bytes, {item.position} to {item.end}: {item.reason}", "warning",
            stream=self._sub.stream or "", session=session_text(item.session), bytes=item.bytes,
            reason=item.reason, **{"from": item.position, "to": item.end},
        )  # fmt: skip
        if self._strict:
            self._sub.take()
            raise _Done

    def _write(self, block: Block) -> None:
        data = memoryview(block.data)
        if self._left is not None:
            data = self._up_to_count(block, data)
        written, step = 0, _SLICE if self._has_cursor else len(data)
        self._sub.took_until(block.position)
        while written < len(data):
            self._signals.check()
            try:
                written += os.write(self._out, data[written : written + step])
            except BlockingIOError:
                select.select([], [self._out], [], 0.25)
                continue
            self._sub.took_until(block.position + written)
            if self._has_cursor and written < len(data):
                self._sub.save_cursor()
        if self._left == 0:
            raise _Done

    def _up_to_count(self, block: Block, data: memoryview) -> memoryview:
        assert self._left is not None
        if self._delimiter is None:
            return data
        raw = bytes(block)
        here = raw.count(self._delimiter)
        if here < self._left:
            self._left -= here
            return data
        rest = raw.split(self._delimiter, self._left)[-1]
        self._left = 0
        return data[: len(data) - len(rest)]

    def reader_has_left(self) -> bool:
        poll = select.poll()
        poll.register(self._out, 0)
        return any(events & select.POLLERR for _, events in poll.poll(0))


def _start(text: str) -> Union[str, int, float]:
    if text in ("now", "start"):
        return text
    if text.startswith("-"):
        return duration(text[1:])
    try:
        position = int(text)
    except ValueError:
        position = -1
    if not 0 <= position < 1 << 64:
        raise argparse.ArgumentTypeError(f"'{text}' is none of now, start, a position, -DURATION")
    return position


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("at least 1")
    return number


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python3 -m pipedup.sub", description="Write a stream that is published to stdout."
    )
    add = parser.add_argument
    add("endpoint", nargs="?", default=net.DEFAULT_ENDPOINT, help="HOST, HOST:PORT, tcp://... or ipc://PATH")
    add("-s", "--stream", metavar="NAME", help="default: the one there is")
    add("--from", dest="start", type=_start, default="now", metavar="now|start|POS|-DUR")
    add("-n", "--last", type=int, metavar="N", help="begin with the last N records")
    add("--cursor", metavar="FILE", help="go on where the last run stopped writing")
    add("-F", "--follow", action="store_true", help="stay through ends and restarts")
    add("--strict", action="store_true", help="stop at the first gap")
    add("--count", type=_positive, metavar="N", help="stop after N records")
    add("--timeout", type=duration, default=0.0, metavar="DUR")
    add("--give-up", type=duration, metavar="DUR", help="default 30s, with -F never (0)")
    add("--dead-after", type=duration, default=3.0, metavar="DUR")
    add("--tap", action="store_true", help="never make a producer wait")
    add("--name", default="", help="what operators see")
    add("--server-key", metavar="FILE", help="the publisher's public key")
    add("--curve-secret", metavar="FILE", help="our secret key")
    add("--log-format", choices=("text", "json"), default="text")
    return parser


def _duration_values(arguments: List[str]) -> List[str]:
    """--from -5m is an option and its value, which argparse takes for two options."""
    found: List[str] = []
    for each in arguments:
        if found and found[-1] == "--from" and each.startswith("-"):
            found[-1] = f"--from={each}"
        else:
            found.append(each)
    return found


def main(arguments: Optional[List[str]] = None) -> int:
    parser = _parser()
    told = parser.parse_args(_duration_values(sys.argv[1:] if arguments is None else arguments))
    report = Report(_PROGRAM, told.log_format)
    if bool(told.server_key) != bool(told.curve_secret):
        parser.error("--server-key and --curve-secret need each other")
    start = Last(told.last) if told.last is not None else told.start
    since_ago = start if isinstance(start, float) else None
    signals = Signals(told.timeout)
    try:
        keys = None
        if told.curve_secret:
            keys = net.Keys(net.read_key(told.curve_secret, secret=True), net.read_key(told.server_key))
        try:
            net.full_endpoint(told.endpoint)
        except ValueError as error:
            parser.error(str(error))
        sub = Subscriber(
            told.endpoint, told.stream, "now" if since_ago is not None else start, since_ago=since_ago,
            cursor=told.cursor, follow=told.follow, name=told.name, role="tap" if told.tap else "sub",
            give_up=told.give_up, dead_after=told.dead_after, keys=keys, log=report,
        )  # fmt: skip
    except (OSError, ValueError) as error:
        report("failure", str(error), "error")
        return 1
    writer = Writer(sub, report, signals, count=told.count, strict=told.strict,
                    has_cursor=told.cursor is not None)  # fmt: skip
    try:
        status = _run(sub, writer, report, signals)
    finally:
        signals.ignore()
        sub.close()
    return status


def _run(sub: Subscriber, writer: Writer, report: Report, signals: Signals) -> int:
    """The exit status, decided in this one place."""
    try:
        while True:
            signals.check()
            try:
                item = sub.get(0.25)
            except TimeoutError:
                if writer.reader_has_left():
                    return _PIPE
                continue
            if item is None:
                return _GAP if writer.lost else 0
            writer.take(item)
    except _Done:
        return _GAP if writer.lost else 0
    except Stopped as stopped:
        return stopped.status
    except BrokenPipeError:
        return _PIPE
    except Refused as refused:
        report("refused", str(refused), "error")
        return _REFUSED
    except Unreachable as error:
        report("unreachable", str(error), "error")
        return _VANISHED
    except Exception as error:
        report("failure", f"{type(error).__name__}: {error}", "error")
        return 1


if __name__ == "__main__":
    sys.exit(main())
