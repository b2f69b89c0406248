"""The control server of a publisher (PROTOCOL.md, sections 6 to 8 and 10.1), without sockets.

Requests go in with the name of the connection that they came over, answers come out in `answers`.
Ranges are served a block at a time, by turns, as the caller asks for them.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import Callable, Deque, Dict, Iterator, List, Optional, Tuple

from . import control
from . import header as h
from .control import Done, Error, Hello, Message, Read, Refused, Status
from .retention import Retention

MEMBER_SECONDS = 10.0
JOINING_SECONDS = 2.0
READS_A_MEMBER = 4
_MOST_ROWS = 200  # of statistics: 5 KiB each at most, escaped, and all of them 1 MiB
_TOKENS = 10000.0
_TOKENS_A_SECOND = {True: 5000.0, False: 2000.0}  # of a member, of all others together


@dataclass
class _Range:
    request: int
    next: int
    left: int


class _Tokens:
    """A bucket of 10,000 that fills again."""

    def __init__(self, a_second: float, now: float) -> None:
        self._left, self._a_second, self._at = _TOKENS, a_second, now

    def take(self, count: float, now: float) -> bool:
        self._left = min(_TOKENS, self._left + (now - self._at) * self._a_second)
        self._at = now
        if self._left < count:
            return False
        self._left -= count
        return True


@dataclass
class Member:
    """A subscriber that was let in."""

    id: str
    connection: bytes
    key: str
    address: str
    hello: Hello
    heard: float
    since: float
    row: str
    tokens: _Tokens
    position: int = 0
    lost: int = 0
    mode: str = "joining"
    has_begun: bool = False
    confirmed_end: bool = False
    ranges: Deque[_Range] = field(default_factory=deque)


class Server:
    """Members and their requests. For one thread; `now` is any clock in seconds, `clock` the time of
    day in nanoseconds.

    `answers` is for the caller to send and empty: the connection and the frames of each. `events`
    likewise, a word and a sentence each.
    """

    def __init__(
        self, stream: str, session: int, records: str, kept: Retention, *,
        codec: str, most_members: int, heartbeat_ms: int, clock: Callable[[], int],
    ) -> None:  # fmt: skip
        self.answers: List[Tuple[bytes, List[bytes]]] = []
        self.events: List[Tuple[str, str]] = []
        self.members: Dict[str, Member] = {}
        self.ended: Optional[Tuple[int, bytes]] = None  # position and header of the end
        self.counters = {
            "blocks_published": 0, "bytes_published": 0, "replayed_bytes": 0, "bad_requests": 0,
            "hellos_refused": 0, "requests_ignored": 0, "reads_refused": 0, "members_lost": 0,
            "socket_remakes": 0,
        }  # fmt: skip
        self._stream, self._session, self._records = stream, session, records
        self._kept, self._codec, self._most_members = kept, codec, most_members
        self._heartbeat_ms, self._clock, self._started = heartbeat_ms, clock, clock()
        self._by_connection: Dict[bytes, Member] = {}
        self._left_behind: Deque[bytes] = deque(maxlen=1024)  # connections whose member moved on
        self._strangers: Optional[_Tokens] = None
        self._turn = 0
        self._rows = 0

    # Requests

    def on_request(self, connection: bytes, raw: bytes, key: str, address: str, now: float) -> None:
        """A frame that stood alone. `key` is the name of the key that its peer was let in with."""
        member = self._by_connection.get(connection)
        if member is not None and member.key != key:
            return
        try:
            request: Optional[Message] = control.parse_request(raw)
            refusal = Error("", "")
        except control.UnknownOp as error:
            request, refusal = None, Error("unknown-op", f"no op {str(error)[:64]!r} here")
        except control.Malformed as error:
            request, refusal = None, Error("bad-request", str(error)[:200])
        if not self._may_ask(member, request, now):
            self.counters["requests_ignored"] += 1
            return
        if request is None:
            self.counters["bad_requests"] += 1
            self._answer(connection, refusal)
            return
        if member is not None:
            member.heard = now
        if isinstance(request, Hello):
            self._on_hello(connection, member, request, key, address, now)
        elif isinstance(request, control.ListRequest):
            self._on_list(connection, request)
        elif isinstance(request, control.StatsRequest):
            self._on_stats(connection, request, now)
        elif isinstance(request, control.Bye):
            if member is not None:
                self._remove(member, "left")
        elif member is None:
            about = request.request if isinstance(request, Read) else None
            self._answer(connection, Error("unknown-member", "say hello first", about))
        elif isinstance(request, Status):
            self._on_status(member, request)
        elif isinstance(request, Read):
            self._on_read(member, request)

    def _may_ask(self, member: Optional[Member], request: Optional[Message], now: float) -> bool:
        if member is not None:
            dear = isinstance(request, (Hello, control.StatsRequest))
            return member.tokens.take(50 if request is None else 500 if dear else 1, now)
        if self._strangers is None:
            self._strangers = _Tokens(_TOKENS_A_SECOND[False], now)
        rows = len(self.members) if isinstance(request, control.StatsRequest) else 0
        return self._strangers.take(1 + rows, now)

    def _on_hello(
        self, connection: bytes, member: Optional[Member], hello: Hello, key: str, address: str, now: float
    ) -> None:  # fmt: skip
        if hello.v != control.PROTOCOL_VERSION:
            text = f"version {hello.v} there, {control.PROTOCOL_VERSION} here"
            self._refuse(connection, "version", text)
            return
        if connection in self._left_behind:
            return  # it was held up on the way
        if hello.stream not in (None, self._stream):
            self._refuse(connection, "stream", f"no stream '{hello.stream}' here: there is '{self._stream}'")
            return
        if self._codec not in ("none", *hello.codecs):
            self._refuse(connection, "codec", f"the blocks are {self._codec}, which you do not read")
            return
        if member is not None and member.id != hello.id:
            self._remove(member, "left")
        known = self.members.get(hello.id)
        if known is not None and known.key != key:
            self._refuse(connection, "auth", "this id belongs to another key")
            return
        if known is None:
            if len(self.members) >= self._most_members:
                self._refuse(connection, "full", f"{len(self.members)} subscribers are here already")
                return
            self._rows += 1
            known = Member(
                hello.id, connection, key, address, hello, now, now, f"{self._rows:x}",
                _Tokens(_TOKENS_A_SECOND[True], now), position=self._kept.tail,
            )  # fmt: skip
            self.members[hello.id] = known
            self.events.append(("joined", f"{self._who(known)} has joined"))
        elif known.connection != connection:
            self._by_connection.pop(known.connection, None)
            self._left_behind.append(known.connection)
            known.ranges.clear()
            known.connection, known.address, known.since, known.mode = connection, address, now, "joining"
        known.hello, known.heard = hello, now
        self._by_connection[connection] = known
        self._answer(connection, self._welcome(now))

    def _refuse(self, connection: bytes, code: str, reason: str) -> None:
        self.counters["hellos_refused"] += 1
        self._answer(connection, Refused(code, reason))

    def _welcome(self, now: float) -> Message:
        kept = self._kept
        return control.Welcome(
            v=control.PROTOCOL_VERSION, stream=self._stream, session=self._session, tail=kept.tail,
            head=kept.head, records=self._records, codec=self._codec, started=self._started,
            now=self._clock(), ended=self.ended is not None, heartbeat_ms=self._heartbeat_ms,
        )  # fmt: skip

    def _on_status(self, member: Member, status: Status) -> None:
        if status.session != self._session:
            return
        member.position, member.lost, member.mode = status.position, status.lost, status.mode
        member.has_begun = member.has_begun or status.mode != "joining"
        if status.mode == "ended" and self.ended and status.position == self.ended[0]:
            member.confirmed_end = True

    def _on_list(self, connection: bytes, request: control.ListRequest) -> None:
        ours = {"stream": self._stream, "session": self._session, "ended": self.ended is not None}
        shown = request.after is None or self._stream.encode() > request.after.encode()
        self._answer(connection, control.Streams([ours] if shown else []))

    def _on_stats(self, connection: bytes, request: control.StatsRequest, now: float) -> None:
        if request.stream not in (None, self._stream):
            self._answer(connection, Error("unknown-stream", f"there is '{self._stream}'"))
            return
        head = self._kept.head
        rows = sorted(self.members.values(), key=lambda each: each.position)[:_MOST_ROWS]
        self._answer(
            connection,
            control.Stats(
                stream=self._stream, session=self._session, tail=self._kept.tail, head=head,
                counters=dict(self.counters), subscribers_total=len(self.members),
                subscribers=[self._row(each, head) for each in rows],
            ),
        )  # fmt: skip

    def _row(self, member: Member, head: int) -> Dict[str, object]:
        lag = max(0, head - member.position)
        seconds = 0.0
        if lag:
            block = self._kept.read(max(member.position, self._kept.tail), 1)
            seconds = max(0, self._clock() - block.time) / 1e9 if block else 0.0
        hello = member.hello
        return {
            "id": member.row, "name": hello.name, "host": hello.host, "address": member.address,
            "key": member.key, "pid": hello.pid, "role": hello.role, "mode": member.mode,
            "position": member.position, "lag_bytes": lag, "lag_seconds": seconds, "lost": member.lost,
            "holds": False,
        }  # fmt: skip

    def _answer(self, connection: bytes, message: Message) -> None:
        self.answers.append((connection, [control.encode(message)]))

    # Ranges

    def _on_read(self, member: Member, read: Read) -> None:
        if read.session != self._session or read.max == 0:
            outcome = "ok" if read.session == self._session else "wrong-session"
            self._answer(member.connection, self._done(read.request, outcome, self._kept.tail))
            return
        if len(member.ranges) >= READS_A_MEMBER:
            self.counters["reads_refused"] += 1
            self._answer(member.connection, Error("too-many-reads", f"{READS_A_MEMBER} at a time", read.request))
            return
        if isinstance(read.from_, control.Last):
            if self._records == "raw":
                self._answer(member.connection, Error("no-records", "the stream is raw", read.request))
                return
            begin = self._kept.last(read.from_.count)
        elif isinstance(read.from_, control.Since):
            begin = self._kept.since(read.from_.time)
        else:
            begin = min(read.from_, self._kept.head)
        member.ranges.append(_Range(read.request, begin, read.max))

    def _done(self, request: int, outcome: str, next_position: int) -> Message:
        kept = self._kept
        return Done(
            request, outcome, self._session, next_position, kept.tail, kept.head, self.ended is not None
        )

    def has_ranges(self) -> bool:
        """Whether anybody waits for an answer to a read."""
        return any(member.ranges for member in self.members.values())

    def next_answers(self) -> Iterator[Tuple[bytes, List[bytes], Member]]:
        """The next message of each member that waits for one, each round beginning with another.

        One that was sent is told by sent(); others come again in the next round.
        """
        waiting = [member for member in self.members.values() if member.ranges]
        if not waiting:
            return
        self._turn += 1
        start = self._turn % len(waiting)
        for member in waiting[start:] + waiting[:start]:
            yield member.connection, self._next_frames(member), member

    def _next_frames(self, member: Member) -> List[bytes]:
        asked = member.ranges[0]
        block = self._kept.read(asked.next, asked.left)
        if block is not None:
            return block.frames(self._session, b"", self._codec in member.hello.codecs)
        if asked.next < self._kept.tail:
            return [control.encode(self._done(asked.request, "gone", asked.next))]
        if asked.left and self.ended is not None and asked.next == self.ended[0]:
            return [b"\0" + self.ended[1], b""]
        return [control.encode(self._done(asked.request, "ok", asked.next))]

    def sent(self, member: Member, frames: List[bytes]) -> None:
        """`frames`, which came from next_answers, went into the queue of the member's connection."""
        if not member.ranges:
            return
        asked = member.ranges[0]
        if len(frames) == 1:
            member.ranges.popleft()
            return
        head = h.parse_header(frames[0], 1)
        if head.kind == h.END:
            asked.left = 0
        else:
            asked.next += head.length
            asked.left -= head.length
            self.counters["replayed_bytes"] += head.length

    # Membership

    def connection_lost(self, connection: bytes) -> None:
        """The connection is gone: nothing can be sent to it. Its member may come back."""
        member = self._by_connection.pop(connection, None)
        if member is not None:
            member.ranges.clear()

    def expire(self, now: float) -> None:
        """Forget members that were not heard for 10 s. To be called after requests were read."""
        for member in list(self.members.values()):
            if now - member.heard >= MEMBER_SECONDS:
                self.counters["members_lost"] += 1
                self._remove(member, "was not heard for 10 s")

    def on_pause(self, now: float) -> None:
        """This process was stopped for a while: what members sent meanwhile is still on its way."""
        for member in self.members.values():
            member.heard = now

    def drop_keys(self, names: List[str]) -> None:
        """Members with these keys are members no more."""
        for member in list(self.members.values()):
            if member.key in names:
                self._remove(member, "has lost its key")

    def _remove(self, member: Member, why: str) -> None:
        self.members.pop(member.id, None)
        if self._by_connection.get(member.connection) is member:
            del self._by_connection[member.connection]
        self.events.append(("left", f"{self._who(member)} {why}"))

    def _who(self, member: Member) -> str:
        name = member.key or member.hello.name or f"{member.hello.host}/{member.hello.pid}"
        return ascii(name)

    def somebody_joins(self, now: float) -> bool:
        """Whether a member waits for its subscription to take hold."""
        return any(
            member.mode == "joining" and now - member.since < JOINING_SECONDS
            for member in self.members.values()
        )

    def begun(self) -> int:
        """Members that know where they begin, and are there to read."""
        return sum(m.has_begun and m.hello.role != "top" for m in self.members.values())

    def unconfirmed(self) -> List[str]:
        """Members that have not confirmed the end, as text for people."""
        return [
            self._who(member)
            for member in self.members.values()
            if not member.confirmed_end and member.hello.role != "top"
        ]
