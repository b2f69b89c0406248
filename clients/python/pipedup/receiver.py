"""The thread that owns a subscriber's sockets and carries out what its reader decides.

It never waits for the consumer, so that statuses go on however long that one takes: what the
consumer has not taken is in `items`, whose size the reader bounds. Over to the consumer go whole
batches, with one wake-up each.
"""

from __future__ import annotations

import os
import threading
import time
from collections import deque
from typing import Any, Callable, Deque, List, Optional, Tuple, Union

import zmq

from . import compression, net
from .control import Message, encode
from .header import (
    CODEC_ZSTD,
    DATA,
    END,
    HEAD,
    MAGIC,
    VERSION,
    BadMessage,
    Header,
    check_payload,
    split_first_frame,
)
from .items import Item
from .orders import Listen, Live, Options, Remake
from .reader import Reader

# Smaller payloads are copied: libzmq has many of them in one buffer, which a view would hold.
_VIEW_BYTES = 32 << 10
_BATCH_BYTES = 4 << 20
_BATCH_MESSAGES = 512
_CONTROL_BYTES = 1 << 20

PAUSE = 1.0  # a poll that took so much longer than it was to: we were stopped

Log = Callable[[str, str], None]


class Receiver(threading.Thread):
    """Runs from start() until the stream has ended for it, it failed, or stop() was called.

    The consumer pops `items`, sets `taken` to the last item that it is done with, and calls wake()
    when that has reached `wake_weight`. `notify` is called from this thread after new items, and
    when `done` has become true; `failure` then says why, None after an end or a stop.
    """

    def __init__(
        self,
        endpoint: str,
        options: Options,
        keys: Optional[net.Keys],
        notify: Callable[[], None],
        log: Log,
    ) -> None:
        super().__init__(name="pipedup-receiver", daemon=True)
        self.items: Deque[Item] = deque()
        self.taken: Optional[Item] = None
        self.wake_weight = float("inf")
        self.done = False
        self.failure: Optional[BaseException] = None
        self.notify = notify
        self._log = log
        self._endpoint = endpoint
        self._keys = keys
        self._stopping = False
        self._context: "zmq.Context[Any]" = zmq.Context()
        self._wake_in, self._wake_out = os.pipe()
        os.set_blocking(self._wake_in, False)
        os.set_blocking(self._wake_out, False)
        self._poller = zmq.Poller()
        self._poller.register(self._wake_in, zmq.POLLIN)
        self._data: Optional["zmq.Socket[Any]"] = None
        self._topic = b""
        self._control = self._new_control()
        self.reader = Reader(options, time.monotonic())

    def wake(self) -> None:
        """Make the thread look at `taken`. From any thread; never waits."""
        try:
            os.write(self._wake_out, b"\0")
        except (BlockingIOError, OSError):
            pass  # it is awake already, or gone

    def stop(self, wait: float) -> None:
        """Leave the publisher in good order; waits for the thread for at most `wait` seconds."""
        self._stopping = True
        self.wake()
        if self.is_alive() and threading.current_thread() is not self:
            self.join(wait)

    def run(self) -> None:
        try:
            self._loop()
            self.failure = self.reader.failure
        except BaseException as error:  # to be raised where the consumer is
            self.failure = error
        finally:
            for socket in (self._data, self._control):
                if socket is not None:
                    socket.close()
            self._context.term()
            self.done = True
            self.notify()

    def close_descriptors(self) -> None:
        """After the thread has ended."""
        if self._wake_in >= 0:
            os.close(self._wake_in)
            os.close(self._wake_out)
            self._wake_in = self._wake_out = -1

    def _loop(self) -> None:
        reader = self.reader
        seen: Optional[Item] = None
        more = False
        while True:
            now = time.monotonic()
            reader.tick(now)
            self._carry_out()
            if reader.finished:
                return
            self.wake_weight = reader.wake_weight()
            wait = 0 if more else max(0, int((reader.deadline(now) - now) * 1000) + 1)
            before, wait = now, min(wait, 10000)
            ready = dict(self._poller.poll(wait))
            if self._wake_in in ready:
                self._drain_wake()
            now = time.monotonic()
            if now - before > wait / 1000 + PAUSE:
                reader.on_pause(now)
            more = False
            if self._control in ready:
                more = self._receive_control(now)
            if self._data is not None and self._data in ready:
                more = self._receive_data(self._data, now) or more
            taken = self.taken
            if taken is not None and taken is not seen:
                seen = taken
                reader.on_taken(taken)
            if self._stopping:
                reader.leave(now)

    def _carry_out(self) -> None:
        reader = self.reader
        if reader.items:
            self.items.extend(reader.items)
            reader.items.clear()
            self.notify()
        for action in reader.actions:
            if isinstance(action, Message):
                self._send(action)
            elif isinstance(action, Listen):
                self._listen(action)
            elif isinstance(action, Live):
                if self._data is not None:
                    self._data.setsockopt(zmq.SUBSCRIBE if action.on else zmq.UNSUBSCRIBE, self._topic)
            elif isinstance(action, Remake):
                self._close(self._data)
                self._data = None
                self._close(self._control)
                self._control = self._new_control()
        reader.actions.clear()
        for event, text in reader.notes:
            self._log(event, text)
        reader.notes.clear()

    # Sockets

    def _new_control(self) -> "zmq.Socket[Any]":
        socket = net.dealer_socket(self._context, self._endpoint, self._keys)
        self._poller.register(socket, zmq.POLLIN)
        return socket

    def _listen(self, listen: Listen) -> None:
        self._close(self._data)
        endpoint = self._endpoint
        if listen.endpoint:
            try:
                endpoint = net.full_endpoint(listen.endpoint)
            except ValueError as error:
                self._log("bad-message", f"the publisher names no endpoint, but {error}")
        self._topic = listen.stream.encode() + b"\0"
        self._data = net.sub_socket(self._context, endpoint, self._keys)
        for kind in (HEAD, END):
            prefix = self._topic + MAGIC + bytes((VERSION, kind))
            self._data.setsockopt(zmq.SUBSCRIBE, prefix)
        self._poller.register(self._data, zmq.POLLIN)

    def _close(self, socket: Optional["zmq.Socket[Any]"]) -> None:
        if socket is not None:
            self._poller.unregister(socket)
            socket.close(0)

    def _send(self, message: Message) -> None:
        try:
            self._control.send(encode(message), zmq.NOBLOCK)
        except zmq.Again:
            pass  # whatever it was is sent again when its time has come

    def _drain_wake(self) -> None:
        try:
            while len(os.read(self._wake_in, 4096)) == 4096:
                pass
        except BlockingIOError:
            pass

    # Messages

    def _receive_data(self, socket: "zmq.Socket[Any]", now: float) -> bool:
        """Take what is there, up to a batch. True if there may be more."""
        on_block = self.reader.on_block
        room = _BATCH_BYTES
        for _ in range(_BATCH_MESSAGES):
            try:
                first = socket.recv(zmq.NOBLOCK)
            except zmq.Again:
                return False
            found = self._block(socket, first, self._topic, now)
            if found is not None:
                on_block(found[0], found[1], now, True)
                room -= found[0].length
                if room < 0:
                    break
        return True

    def _receive_control(self, now: float) -> bool:
        room = _BATCH_BYTES
        for _ in range(_BATCH_MESSAGES):
            try:
                first = self._control.recv(zmq.NOBLOCK)
            except zmq.Again:
                return False
            if not self._control.getsockopt(zmq.RCVMORE):
                self.reader.on_control(first, now)
                continue
            found = self._block(self._control, first, b"\0", now)
            if found is not None:
                self.reader.on_block(found[0], found[1], now, False)
                room -= found[0].length
                if room < 0:
                    break
        return True

    def _block(
        self, socket: "zmq.Socket[Any]", first: bytes, topic: bytes, now: float
    ) -> Optional[Tuple[Header, Union[bytes, memoryview]]]:
        """The rest of a block message whose first frame is `first`; None if it is bad."""
        header: Optional[Header] = None
        error = ""
        try:
            got, header = split_first_frame(first)
            if len(got) + 1 != len(topic) or not topic.startswith(got):
                error = "topic"
        except BadMessage as bad:
            error = str(bad)
        rest: List[Any] = []
        as_view = header is not None and header.length >= _VIEW_BYTES
        while socket.getsockopt(zmq.RCVMORE):
            rest.append(socket.recv(zmq.NOBLOCK, copy=not as_view))
        if len(rest) != 1:
            error = error or "frames"
        if header is None or error:
            self.reader.on_bad_message(error, now)
            return None
        payload: Union[bytes, memoryview] = rest[0].buffer if as_view else rest[0]
        try:
            check_payload(header, payload)
            if header.codec == CODEC_ZSTD and header.kind == DATA:
                payload = compression.decode(payload, header.length)
        except BadMessage as bad:
            self.reader.on_bad_message(str(bad), now)
            return None
        return header, payload
