"""Reading a stream: the blocking interface."""

from __future__ import annotations

import logging
import math
import os
import secrets
import socket as _socket
import threading
import time
from typing import Any, Callable, Dict, Iterator, List, Optional, Tuple, Union

from . import compression, cursor as cursors, net
from .control import Last, Since, stream_name, text, u64
from .items import Block, End, Gap, Item, NewSession
from .orders import Options, Start
from .receiver import Log, Receiver
from .records import Steps

_log = logging.getLogger("pipedup")
_CURSOR_INTERVAL = 0.1


def _to_logging(event: str, text: str) -> None:
    _log.warning("%s: %s", event, text)


def _check(stream: Optional[str], start: Start, options: Dict[str, Any]) -> None:
    """Raises ValueError for what a publisher would not understand, or nobody can mean."""
    checks: List[Tuple[str, Any, Callable[[Any], object]]] = [("name", options["name"], text(256))]
    if stream is not None:
        checks.append(("stream", stream, stream_name))
    if isinstance(start, Last):
        checks.append(("start: Last", start.count, u64))
    elif isinstance(start, Since):
        checks.append(("start: Since", start.time, u64))
    elif not isinstance(start, str):
        checks.append(("start", start, u64))
    elif start not in ("now", "start"):
        raise ValueError(f"start: {start!r} is neither 'now' nor 'start'")
    for what, value, check in checks:
        try:
            check(value)
        except ValueError as error:
            raise ValueError(f"{what}: {value!r}: {error}") from None
    if options["role"] not in ("sub", "tap"):
        raise ValueError(f"role: {options['role']!r} is neither 'sub' nor 'tap'")
    for what in ("since_ago", "give_up", "dead_after", "queue_bytes"):
        value = options[what]
        if value is None and what == "since_ago":
            continue
        if not isinstance(value, (int, float)) or not (0 <= value and math.isfinite(value)):
            raise ValueError(f"{what}: {value!r} is not a number, or negative")


def reader_options(
    stream: Optional[str],
    start: Start,
    cursor: Optional[str],
    options: Dict[str, Any],
    log: Log,
) -> Tuple[Options, Optional[cursors.Cursor]]:
    """The Options for a Reader, and the cursor that was found. Raises ValueError."""
    _check(stream, start, options)
    found: Optional[cursors.Cursor] = None
    if cursor is not None:
        try:
            found = cursors.load(cursor)
        except ValueError as error:
            log("cursor", f"{error}: beginning as without it")
    told = Options(
        id=secrets.token_hex(16), stream=stream, start=start, host=_socket.gethostname()[:64],
        pid=os.getpid(), codecs=compression.codecs(), **options,
    )  # fmt: skip
    if found is not None and stream not in (None, found.stream):
        log("cursor", f"{cursor}: of the stream '{found.stream}': beginning as without it")
    elif found is not None:
        told.cursor = (found.session, found.position)
        told.cursor_ended = found.ended
        told.stream = found.stream
        told.id = found.id or told.id
    return told, found


class Subscriber:
    """Reads a stream of the publisher at `endpoint`, from `start` on.

    An iterator over what comes, in order: NewSession first, then Block and Gap, and End once the
    stream has ended. The bytes of all blocks and the ranges of all gaps together are all the bytes of
    the stream from the beginning on, and none of them twice.

        with Subscriber("web1.example.org") as sub:
            for record in sub.records():
                ...

    endpoint     HOST, HOST:PORT, tcp://HOST:PORT or ipc://PATH of the data socket
    stream       None: the one there is
    start        "now", "start" (the oldest that is kept), a position, Last(n) records or
                 Since(nanoseconds); all but a position begin at the first byte of a record
    since_ago    in place of `start`: so many seconds ago, by the publisher's clock
    cursor       path of a file that keeps how far we came; while it is good, `start` does not count.
                 It is written at most every 0.1 s, when there is nothing to read, and by close().
    follow       stay through the end of a session and restarts of the publisher
    role         "tap": never make a producer wait
    give_up      seconds after which a publisher that is not heard is Unreachable; 0 is never, and
                 what counts if it is not given is 30, with follow never
    dead_after   seconds of silence after which both connections are made anew
    queue_bytes  what may wait here for the consumer. One that is slower than the stream is never
                 buffered for beyond this: it falls behind, and reads from the publisher's retention
                 at its own pace.
    keys         net.Keys with the publisher's public key: encrypt, and read from nobody else
    log          called with a word and a sentence for what people should know, in the thread of the
                 sockets; without it goes to logging, "pipedup"

    Taken: an item counts as taken, for statuses and the cursor, when the next one is asked for, and a
    record of records() as well. So one that was given last is not, when an exception or `break` leaves
    the loop: with a cursor it comes again in the next run. take() says that it was dealt with before
    that. NewSession and End, which have no bytes, count as taken when they are given.

    Threads: the sockets are in a thread of this object, so that the publisher hears of us however
    long the consumer is busy between two items. An object is for one consuming thread; close() may be
    called from another one, and ends its iteration. Does not survive a fork.

    Iterating raises Refused or Unreachable, after all items that came before, and again whenever one is
    asked for then; the constructor ValueError for what makes no sense, OSError for a cursor that cannot
    be read.
    """

    def __init__(
        self,
        endpoint: str = net.DEFAULT_ENDPOINT,
        stream: Optional[str] = None,
        start: Start = "now",
        *,
        since_ago: Optional[float] = None,
        cursor: Optional[str] = None,
        follow: bool = False,
        name: str = "",
        role: str = "sub",
        give_up: Optional[float] = None,
        dead_after: float = 3.0,
        queue_bytes: int = 16 << 20,
        keys: Optional[net.Keys] = None,
        log: Log = _to_logging,
    ) -> None:
        told, self._found = reader_options(
            stream, start, cursor,
            {
                "since_ago": since_ago, "follow": follow, "name": name, "role": role,
                "give_up": (0.0 if follow else 30.0) if give_up is None else give_up,
                "dead_after": dead_after, "queue_bytes": queue_bytes,
            },
            log,
        )  # fmt: skip
        told.queue_bytes = max(told.queue_bytes, 2 << 20)
        self._cursor_path = cursor
        self._id, self._asked = told.id, told.stream
        self._saving = threading.Lock()
        self._saved: Optional[cursors.Cursor] = self._found
        self._saved_safely = True
        self._saved_at = 0.0
        self._more = threading.Event()
        self._given: Optional[Item] = None  # the item that the consumer has now
        self._partial: Optional[int] = None  # position inside it, by took_until()
        self._taken: Optional[Tuple[Item, int]] = None  # an item, and the position in or behind it
        self._steps: Optional[Steps] = None  # if it is given as records
        self._session: Optional[NewSession] = None
        self._receiver = Receiver(net.full_endpoint(endpoint), told, keys, self._more.set, log)
        self._items = self._receiver.items
        self._closed = False
        self._failure: Optional[BaseException] = None  # was raised
        self.lost_bytes = 0
        """Bytes of all gaps given so far."""
        self.gaps = 0
        """Gaps given so far."""
        self._receiver.start()

    # Where we are

    @property
    def stream(self) -> Optional[str]:
        """Name of the stream; before the first NewSession that which was asked for, if any."""
        return self._session.stream if self._session else self._asked

    @property
    def records_kind(self) -> str:
        """`lines`, `nul` or `raw`; the latter before the first NewSession."""
        return self._session.records if self._session else "raw"

    @property
    def session(self) -> Optional[int]:
        return self._given.session if self._given else None

    @property
    def position(self) -> Optional[int]:
        """Position behind what was given last, item or record: where a new Subscriber would have to
        begin once that was dealt with."""
        if self._partial is not None:
            return self._partial
        if self._steps is not None and self._steps.item is self._given and self._given is not None:
            return self._steps.position
        return self._given.end if self._given else None

    @property
    def bad_messages(self) -> int:
        """Messages that were damaged and dropped. What they held was asked for again."""
        return self._receiver.reader.bad_messages

    # Items

    def __iter__(self) -> Iterator[Item]:
        return self

    def __next__(self) -> Item:
        item = self.get()
        if item is None:
            raise StopIteration
        return item

    def get(self, timeout: Optional[float] = None) -> Optional[Item]:
        """The next item; takes the one before. None at the end, and after close().

        Waits for it, with `timeout` at most so many seconds and then raises TimeoutError. After
        records(), what that has not given yet of a block comes as a block.
        """
        self.take()
        if self._steps is not None and not self._closed:
            left = self._steps.leave()
            self._steps = None
            if left is not None:
                self._given, self._partial = left, None
                return self._give_whole(left)
        item = self._next(timeout)
        return None if item is None else self._give_whole(item)

    def _give_whole(self, item: Item) -> Item:
        if type(item) is NewSession or type(item) is End:
            # The end is confirmed now, not at the next item, which a consumer may never ask for.
            self.take()
        return item

    def _next(self, timeout: Optional[float] = None) -> Optional[Item]:
        """The next item from the thread of the sockets."""
        self.take()
        item = self._pop(timeout)
        if item is None:
            return None
        self._given = item
        self._partial = None
        if isinstance(item, Gap):
            self.gaps += 1
            self.lost_bytes += item.bytes
        elif isinstance(item, NewSession):
            self._session = item
        return item

    def _pop(self, timeout: Optional[float]) -> Optional[Item]:
        items, receiver = self._items, self._receiver
        by: Optional[float] = None
        while True:
            if self._closed:
                if self._failure is not None:
                    raise self._failure.with_traceback(None)
                return None
            try:
                return items.popleft()
            except IndexError:
                pass
            if receiver.done and not items:
                self._failure = receiver.failure
                self.close()
                continue
            if self._cursor_path is not None:
                self._save()
            self._more.clear()
            if items or receiver.done or self._closed:
                continue
            if timeout is None:
                self._more.wait()
                continue
            now = time.monotonic()
            by = now + timeout if by is None else by
            if by <= now:
                raise TimeoutError("nothing came")
            self._more.wait(by - now)

    def take(self) -> None:
        """The consumer is done with the item or record that was given last. Asking for the next one says
        so too; this is for who will not ask for it."""
        item = self._given
        if item is None:
            return
        steps = self._steps
        if steps is None or steps.item is not item:
            self._taken = (item, item.end)
        else:
            self._taken = steps.take() or self._taken
            if not steps.all_given:
                return
        self._partial = None
        receiver = self._receiver
        receiver.taken = item
        if item._weight >= receiver.wake_weight or isinstance(item, End):
            receiver.wake_weight = float("inf")
            receiver.wake()
        if self._cursor_path is not None:
            if self._closed:
                self._save(safe=True)  # close() has not seen that it was taken
            elif time.monotonic() - self._saved_at >= _CURSOR_INTERVAL:
                self._save()

    # Records

    def records(self, most_bytes: int = 64 << 20) -> Iterator[Union[bytes, Gap]]:
        """The stream as records, each with its delimiter, and a Gap where bytes are lost.

        Where a gap cut a record, what there is of it stands before and behind the gap. Bytes behind
        the last delimiter come last. A record longer than `most_bytes` comes in pieces of about that
        size. Of a raw stream: blocks. A record counts as taken like an item: when the next one is asked
        for. One that was left in the middle is gone on with by the next call of records().
        """
        steps = self._begin_records(most_bytes)
        while True:
            if not self._closed:
                yield from steps.left
            item = self._next()
            if item is None:
                return
            self._give_records(steps, item)

    def _begin_records(self, most_bytes: int) -> Steps:
        if self._steps is None:
            self.take()
            self._steps = Steps(self.records_kind, most_bytes)
        self._steps.most_bytes = most_bytes
        return self._steps

    def _give_records(self, steps: Steps, item: Item) -> None:
        steps.cut(item)
        if steps.all_given:
            self._give_whole(item)

    # Cursor

    def took_until(self, position: int) -> None:
        """Only what stands before `position` was taken of the item that was given last. Counts for
        `position` and the cursor until the next one is asked for."""
        self._partial = position
        if self._given is not None:
            self._taken = (self._given, position)

    def save_cursor(self, safe: bool = False) -> None:
        """Write `position`, which includes the item or record that was given last, to the cursor's file:
        it counts as taken from now on.

        With `safe` it also survives a crash of the machine. Does nothing without a cursor. Raises
        OSError.
        """
        if self._partial is None:
            self.take()
        self._save(safe)

    def _save(self, safe: bool = False) -> None:
        """Write where that ends which was taken."""
        if self._cursor_path is None:
            return
        with self._saving:
            taken, steps = self._taken, self._steps
            if steps is not None and self._partial is None:
                taken = steps.taken or taken
            if taken is None or self._session is None:
                return
            item, here = taken
            now = cursors.Cursor(
                item.session, here, self._session.stream, isinstance(item, End), self._id
            )
            self._saved_at = time.monotonic()
            if now != self._saved or (safe and not self._saved_safely):
                cursors.save(self._cursor_path, now, safe)
                self._saved, self._saved_safely = now, safe

    # The end

    def close(self) -> None:
        """Leave: tells the publisher how far we came, and waits for that for at most 3 s.

        Items that were not given are dropped; a loop over records() comes to the end of its block. What was
        given last does not count as taken by this: with a cursor it comes again, unless take() or
        save_cursor() was called, or the next one is asked for after all. From any thread; more than once
        does no harm.
        """
        if self._closed:
            return
        self._closed = True
        self._more.set()
        try:
            self._receiver.notify()
            self._receiver.stop(3.0)
            if not self._receiver.is_alive():
                self._receiver.close_descriptors()
        finally:
            self._save(safe=True)

    def __enter__(self) -> "Subscriber":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __del__(self) -> None:
        receiver = getattr(self, "_receiver", None)
        if receiver is not None and not self._closed:
            receiver.stop(0)


__all__ = ["Subscriber", "Last", "Since"]
