"""Publishing a stream from a Python program."""

from __future__ import annotations

import logging
import operator
import os
import secrets
import threading
import time
from collections import deque
from typing import Any, Deque, Dict, Iterable, List, Optional, Tuple, Union

import zmq

from . import compression, net
from . import header as h
from .control import one_of, stream_name
from .receiver import PAUSE, Log
from .retention import Cutter, Retention
from .server import Server
from .zap import Handler

_log = logging.getLogger("pipedup")
_HEARTBEAT = 0.5
_JOINING_BEAT = 0.02
_PENDING_BYTES = 16 << 20
_TURN_BYTES = 1 << 20  # what is published before requests are looked at again
_TRACKED_BYTES = 8 << 10  # smaller payloads are copied, and cost a connection half a MiB at most
_UNSENT_BLOCKS = 256
_UNSENT_BYTES = 64 << 20  # beside what is retained
_REQUESTS_A_TURN = 256
_RETRY = 0.002  # a full queue of a connection is looked at again after this long


def _to_logging(event: str, text: str) -> None:
    _log.info("%s: %s", event, text)


class Publisher:
    """Publishes what is written to it as one session of `stream`.

        with Publisher("web1") as pub:
            for line in source:
                pub.write(line)

    bind             data endpoint, or several; the control endpoint of each is bound as well
    records          `lines`, `nul` or `raw`: what blocks are cut behind; no byte is changed
    retain_bytes     kept in memory for readers that join late or are slow (at most 262,144 blocks)
    max_delay        seconds after which an unfinished record is published
    compress         None, or a level of zstd, 1 to 19
    keys, allowed    CURVE: our secret key, and the public keys that are let in, with their names
    insecure         allow `bind` beyond this machine without keys
    max_subscribers  the next one is refused
    log              called with a word and a sentence, in the thread of the sockets

    write() never waits for a subscriber: one that is slow lags, reads from what is retained, and is
    told what it lost when it falls further behind. It does wait while more than 16 MiB were written
    that this process has not sent yet.

    Threads: a thread of this object owns the sockets. All methods may be called from any thread.
    Does not survive a fork. Raises ValueError for what makes no sense, zmq.ZMQError if it cannot bind.
    """

    def __init__(
        self,
        stream: str = "default",
        bind: Union[str, Iterable[str]] = net.DEFAULT_ENDPOINT,
        *,
        records: str = "lines",
        retain_bytes: int = 64 << 20,
        max_delay: float = 0.1,
        compress: Optional[int] = None,
        keys: Optional[net.Keys] = None,
        allowed: Optional[Dict[bytes, str]] = None,
        insecure: bool = False,
        max_subscribers: int = 1000,
        linger: float = 30.0,
        log: Log = _to_logging,
    ) -> None:
        stream_name(stream)
        one_of("lines", "nul", "raw")(records)
        given = (bind,) if isinstance(bind, str) else tuple(bind)
        self.endpoints = tuple(net.full_endpoint(each) for each in given)
        if (keys is None) != (allowed is None):
            raise ValueError("keys and a list of those who are allowed need each other")
        if keys is None and not insecure:
            for each in self.endpoints:
                if not net.is_local(each):
                    raise ValueError(f"{each}: beyond this machine takes keys, or insecure=True")
        self.session = 1 + secrets.randbelow((1 << 64) - 1)
        self.linger = linger
        self._topic = stream.encode()
        self._keys, self._log, self._max_delay = keys, log, max_delay
        self._kept = Retention(records, retain_bytes, compression.encoder(compress) if compress else None)
        self._cutter = Cutter(records)
        self._zstd = bool(compress)
        self._server = Server(
            stream, self.session, records, self._kept, codec="zstd" if compress else "none",
            most_members=max_subscribers, heartbeat_ms=int(_HEARTBEAT * 1000), clock=time.time_ns,
        )  # fmt: skip

        self._changed = threading.Condition()
        self._pending: Deque[bytes] = deque()
        self._pending_bytes = 0
        self._woken = False
        self._flush = False
        self._exit_status = 0
        self._closing = self._aborting = self._done = False
        self._linger_until = 0.0
        self._begun = 0
        self._head = 0
        self._unconfirmed: List[str] = []
        self._new_allowed: Optional[Dict[bytes, str]] = None
        self._failure: Optional[BaseException] = None

        self._poller = zmq.Poller()
        self._unsent: Deque[Tuple[Any, int, int]] = deque()  # tracker, bytes, end
        self._held_since = 0.0
        self._beat_at = 0.0
        self._expire_at = 0.0
        self._context: "zmq.Context[Any]" = zmq.Context()
        self._wake_in, self._wake_out = os.pipe()
        os.set_blocking(self._wake_in, False)
        os.set_blocking(self._wake_out, False)
        self._zap = Handler(self._context, allowed)
        try:
            self._data, self._control = net.bind_pair(self._context, self.endpoints, keys)
        except BaseException:
            self._zap.socket.close()
            self._context.term()
            self._close_pipe()
            raise
        self._thread = threading.Thread(target=self._run, name="pipedup-publisher", daemon=True)
        self._thread.start()

    # What the program does

    def write(self, data: Union[bytes, bytearray, memoryview]) -> None:
        """Publish `data`, of any size. It is copied unless it is a bytes. What has no delimiter at
        its end waits for more, for at most `max_delay`."""
        piece = data if type(data) is bytes else bytes(data)
        if not piece:
            return
        with self._changed:
            self._check_open()
            while self._pending_bytes >= _PENDING_BYTES:
                self._changed.wait()
                self._check_open()
            self._pending.append(piece)
            self._pending_bytes += len(piece)
            if self._woken:
                return
            self._woken = True
            self._wake()

    def flush(self) -> None:
        """Publish what was written, an unfinished record included, without waiting for more."""
        with self._changed:
            self._flush = True
            self._wake()

    def wait_for_subscribers(self, count: int, timeout: Optional[float] = None) -> bool:
        """Wait until `count` subscribers have joined and know where they begin: what is written
        after this, they get. False if `timeout` seconds have passed first."""
        with self._changed:
            return self._changed.wait_for(lambda: self._begun >= count or self._done, timeout) and (
                self._begun >= count
            )

    def allow(self, allowed: Dict[bytes, str]) -> None:
        """Another list of keys. Who is no longer in it is cut off; all connections are made anew."""
        with self._changed:
            if self._keys is None:
                raise ValueError("a publisher without keys has no list")
            self._new_allowed = dict(allowed)
            self._wake()

    @property
    def head(self) -> int:
        """Position behind the last byte that was published."""
        return self._head

    @property
    def has_room(self) -> bool:
        """Whether write() would return at once."""
        return self._pending_bytes < _PENDING_BYTES

    @property
    def subscribers(self) -> int:
        """Subscribers that have joined and know where they begin."""
        return self._begun

    def close(self, exit_status: Optional[int] = 0, linger: Optional[float] = None) -> bool:
        """End the stream with the producer's `exit_status` (None: not known), and leave when all have confirmed that.

        Waits for them for at most `linger` seconds. True if all have, or nobody was there;
        otherwise `unconfirmed` says who has not. More than once does no harm. Raises TypeError for an
        `exit_status` or a `linger` that is no number, and the publisher stays open.
        """
        known = h.EXIT_STATUS_UNKNOWN if exit_status is None else operator.index(exit_status)
        until = time.monotonic() + (self.linger if linger is None else linger)
        with self._changed:
            if not self._closing:
                self._closing = True
                self._exit_status = known & 0xFFFFFFFF
                self._linger_until = until
        return self._finish()

    def abort(self) -> None:
        """Stop without an end of the stream: to subscribers this publisher has vanished."""
        self._aborting = True
        self._finish()

    @property
    def unconfirmed(self) -> List[str]:
        """Who did not confirm the end, after close()."""
        return self._unconfirmed

    def _finish(self) -> bool:
        with self._changed:
            self._wake()
        self._thread.join()
        with self._changed:
            self._close_pipe()
        if self._failure is not None:
            failure, self._failure = self._failure, None
            raise failure
        return not self._unconfirmed

    def _check_open(self) -> None:
        if self._failure is not None:
            raise RuntimeError(f"the publisher has failed: {self._failure}") from self._failure
        if self._closing or self._done or self._aborting:
            raise ValueError("the publisher is closed")

    def __enter__(self) -> "Publisher":
        return self

    def __exit__(self, kind: Optional[type], *_: object) -> None:
        self.close(0 if kind is None else 1)

    def _wake(self) -> None:
        """With _changed held: the descriptor may be another file's once it is closed."""
        if self._wake_out >= 0:
            try:
                os.write(self._wake_out, b"\0")
            except BlockingIOError:
                pass  # it is awake already

    def _close_pipe(self) -> None:
        if self._wake_in >= 0:
            os.close(self._wake_in)
            os.close(self._wake_out)
            self._wake_in = self._wake_out = -1

    # What the thread does

    def _run(self) -> None:
        try:
            self._loop()
        except BaseException as error:
            self._failure = error
        finally:
            for socket in (self._data, self._control, self._zap.socket):
                socket.close(0 if self._aborting else None)
            self._context.term()
            with self._changed:
                self._done = True
                self._changed.notify_all()

    def _loop(self) -> None:
        poller = self._poller
        for source in (self._wake_in, self._zap.socket, self._control):
            poller.register(source, zmq.POLLIN)
        busy = False
        while not self._aborting:
            now = time.monotonic()
            wait = 0.0 if busy else max(0.0, self._next_time(now) - now)
            ready = dict(poller.poll(int(wait * 1000) + (0 if busy else 1)))
            if self._wake_in in ready:
                self._drain_wake()
            self._zap.answer()
            if self._new_allowed is not None:
                self._change_keys()
            before, now = now, time.monotonic()
            if now - before > wait + PAUSE:
                self._server.on_pause(now)
            busy = self._publish_pending(now)
            self._guard_memory()
            busy = self._serve_requests(now) or busy
            busy = self._serve_ranges() or busy
            self._beat(now)
            if now >= self._expire_at:
                self._expire_at = now + 0.25
                if not busy:
                    self._server.expire(now)
            self._tell()
            if self._server.ended is not None and not busy:
                self._unconfirmed = self._server.unconfirmed()
                if not self._unconfirmed or now >= self._linger_until:
                    return

    def _next_time(self, now: float) -> float:
        times = [self._beat_at, self._expire_at]
        if self._server.somebody_joins(now):
            times.append(now + _JOINING_BEAT)
        if self._cutter.holds:
            times.append(self._held_since + self._max_delay)
        if self._server.has_ranges():
            times.append(now + _RETRY)
        return min(times)

    def _drain_wake(self) -> None:
        try:
            while len(os.read(self._wake_in, 4096)) == 4096:
                pass
        except BlockingIOError:
            pass

    def _publish_pending(self, now: float) -> bool:
        """Publish what was written, up to a turn's worth. True if there is more."""
        pieces: List[bytes] = []
        size = 0
        with self._changed:
            while self._pending and size < _TURN_BYTES:
                pieces.append(self._pending.popleft())
                size += len(pieces[-1])
            more = bool(self._pending)
            self._woken = more
            self._pending_bytes -= size
            flush, closing = self._flush and not more, self._closing and not more
            if flush:
                self._flush = False
            if pieces:
                self._changed.notify_all()
        if pieces:
            held = self._cutter.holds
            self._publish(self._cutter.cut(pieces[0] if len(pieces) == 1 else b"".join(pieces)))
            if self._cutter.holds and not held:
                self._held_since = now
        if self._cutter.holds and (flush or closing or now >= self._held_since + self._max_delay):
            self._publish(self._cutter.rest())
        if closing and self._server.ended is None:
            self._end()
        return more

    def _publish(self, blocks: List[bytes]) -> None:
        topic, session, socket = self._topic, self.session, self._data
        for data in blocks:
            block = self._kept.append(data, time.time_ns())
            first, payload = block.frames(session, topic, self._zstd)
            socket.getsockopt(zmq.EVENTS)  # else slots that were freed are noticed late
            socket.send(first, zmq.NOBLOCK | zmq.SNDMORE)
            if len(payload) < _TRACKED_BYTES:
                socket.send(payload, zmq.NOBLOCK)
            else:
                sent = socket.send(payload, zmq.NOBLOCK, copy=False, track=True)
                self._unsent.append((sent, len(payload), block.end))
            counters = self._server.counters
            counters["blocks_published"] += 1
            counters["bytes_published"] += len(data)
        self._head = self._kept.head

    def _guard_memory(self) -> None:
        """Let go of what stopped peers hold, when it is too much: each may have a queue of other old
        blocks, which PUB cannot drop for one of them. All connect again, and go on by position."""
        unsent, tail = self._unsent, self._kept.tail
        while unsent and unsent[0][0].done:
            unsent.popleft()
        if len(unsent) < _UNSENT_BLOCKS:
            return  # not worth counting
        still = [each for each in unsent if not each[0].done]
        unsent.clear()
        unsent.extend(still)
        if sum(size for _, size, end in still if end <= tail) > _UNSENT_BYTES:
            self._log("memory", "stopped subscribers hold too much: all connections are made anew")
            self._server.counters["socket_remakes"] += 1
            self._remake()

    def _end(self) -> None:
        kept = self._kept
        head = h.build_header(
            h.END, self.session, kept.head, records_before=kept.records_total,
            time=max(time.time_ns(), kept.last_time), exit_status=self._exit_status,
        )  # fmt: skip
        self._server.ended = (kept.head, head)
        self._beat_at = 0.0

    def _beat(self, now: float) -> None:
        """A head, or after the last byte the end, when it is time."""
        joining = self._server.somebody_joins(now)
        if now < (self._beat_at - _HEARTBEAT + _JOINING_BEAT if joining else self._beat_at):
            return
        self._beat_at = now + _HEARTBEAT
        if self._server.ended is not None:
            head = self._server.ended[1]
        else:
            kept = self._kept
            kept.last_time = max(time.time_ns(), kept.last_time)
            head = h.build_header(
                h.HEAD, self.session, kept.head, records_before=kept.records_total, time=kept.last_time
            )
        self._data.send_multipart([self._topic + b"\0" + head, b""], zmq.NOBLOCK)

    def _serve_requests(self, now: float) -> bool:
        for _ in range(_REQUESTS_A_TURN):
            try:
                frames = self._control.recv_multipart(zmq.NOBLOCK, copy=False)
            except zmq.Again:
                break
            if len(frames) == 2:
                last = frames[1]
                self._server.on_request(
                    frames[0].bytes, last.bytes, _metadata(last, "User-Id"),
                    _metadata(last, "Peer-Address"), now,
                )  # fmt: skip
            for connection, answer in self._server.answers:
                self._send(connection, answer)
            self._server.answers.clear()
        else:
            return True
        return False

    def _serve_ranges(self) -> bool:
        """One message to each that waits for one. True if all of them could take it."""
        sent_all = False
        for connection, frames, member in self._server.next_answers():
            if self._send(connection, frames):
                self._server.sent(member, frames)
                sent_all = True
        return sent_all

    def _send(self, connection: bytes, frames: List[bytes]) -> bool:
        try:
            self._control.send_multipart([connection, *frames], zmq.NOBLOCK)
            return True
        except zmq.Again:
            return False  # its queue is full: ranges wait, everything else is asked for again
        except zmq.ZMQError as error:
            if error.errno != zmq.EHOSTUNREACH:
                raise
            self._server.connection_lost(connection)
            return False

    def _change_keys(self) -> None:
        with self._changed:
            allowed, self._new_allowed = self._new_allowed, None
        if allowed is None or self._zap.allowed is None:
            return
        gone = set(self._zap.allowed.values()) - set(allowed.values())
        self._zap.allowed = allowed
        self._server.drop_keys(list(gone))
        self._remake()

    def _remake(self) -> None:
        # One connection cannot be closed by itself: all are. Subscribers come back by themselves.
        self._poller.unregister(self._control)
        self._data.close(0)
        self._control.close(0)
        self._unsent.clear()
        by = time.monotonic() + 5
        while True:
            try:
                self._data, self._control = net.bind_pair(self._context, self.endpoints, self._keys)
                self._poller.register(self._control, zmq.POLLIN)
                return
            except zmq.ZMQError:
                # The I/O thread closes what was bound a moment later.
                if time.monotonic() > by:
                    raise
                time.sleep(0.01)

    def _tell(self) -> None:
        begun = self._server.begun()
        if begun != self._begun:
            with self._changed:
                self._begun = begun
                self._changed.notify_all()
        for event, text in self._server.events:
            self._log(event, text)
        self._server.events.clear()


def _metadata(frame: Any, name: str) -> str:
    try:
        return str(frame.get(name))[:256]
    except zmq.ZMQError:
        return ""


