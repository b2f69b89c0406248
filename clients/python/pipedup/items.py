"""What a reader is given, in order: blocks, gaps, the sessions that they belong to, the end."""

from __future__ import annotations

from typing import Optional, Union

from .control import session_text


class Item:
    """One step of a stream. `session` and `end` say where the reader stands once it is taken.

    `_weight` and `_lost` are sums over all items up to this one, for whoever queues them.
    """

    __slots__ = ("session", "position", "end", "_weight", "_lost")

    def __init__(self, session: int, position: int, end: int) -> None:
        self.session = session
        self.position = position
        self.end = end
        self._weight = 0
        self._lost = 0

    def __repr__(self) -> str:
        where = f"{session_text(self.session)} [{self.position}, {self.end})"
        return f"<{type(self).__name__} {where}>"


class Block(Item):
    """Bytes of the stream, [`position`, `end`) of `session`.

    `data` is a bytes or a read-only memoryview of what the socket received; it stays valid for as
    long as it is held. `time` is that of publishing, in nanoseconds since the epoch.
    """

    __slots__ = ("data", "time")

    def __init__(
        self, session: int, position: int, end: int, data: Union[bytes, memoryview], time: int
    ) -> None:
        self.session = session
        self.position = position
        self.end = end
        self.data = data
        self.time = time
        self._weight = 0
        self._lost = 0

    def __bytes__(self) -> bytes:
        return self.data if isinstance(self.data, bytes) else self.data.tobytes()

    def __len__(self) -> int:
        return self.end - self.position


class Gap(Item):
    """[`position`, `end`) of `session` was published and is lost to this reader.

    With `end` equal to `position` it is not known how much: all that is known is that the session
    went on and is gone.
    """

    __slots__ = ("reason",)

    def __init__(self, session: int, position: int, end: int, reason: str) -> None:
        super().__init__(session, position, end)
        self.reason = reason

    @property
    def bytes(self) -> int:
        return self.end - self.position


class NewSession(Item):
    """What follows belongs to `session` of `stream`, from `position` on. The first one also comes so.

    `records` is `lines`, `nul` or `raw`; `previous` the session that was read before it, if any.
    """

    __slots__ = ("stream", "records", "previous")

    def __init__(
        self, stream: str, session: int, position: int, records: str, previous: Optional[int]
    ) -> None:
        super().__init__(session, position, position)
        self.stream = stream
        self.records = records
        self.previous = previous


class End(Item):
    """The stream has ended at `position`, and everything before it was given or reported lost.

    `exit_status` is the producer's, None if it is not known.
    """

    __slots__ = ("stream", "exit_status")

    def __init__(self, stream: str, session: int, position: int, exit_status: Optional[int]) -> None:
        super().__init__(session, position, position)
        self.stream = stream
        self.exit_status = exit_status


class PipedupError(Exception):
    """Reading or publishing cannot go on."""


class Refused(PipedupError):
    """The publisher does not want this subscriber. `code` is its word for why (section 6.2)."""

    def __init__(self, code: str, reason: str) -> None:
        super().__init__(f"refused: {code}: {reason!r}" if reason else f"refused: {code}")
        self.code = code
        self.reason = reason


class Unreachable(PipedupError):
    """The publisher was not reached, or vanished before the end of the stream."""
