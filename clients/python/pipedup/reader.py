"""How a stream is read (PROTOCOL.md, sections 4 to 7), as a pure state machine.

Events go in by method: what the sockets received, what the consumer took, the time. What is to be
done comes out in three lists that the caller empties: `actions` for the sockets, `items` for the
consumer, `notes` for people. There is no socket, thread or clock in here; `now` is any clock in
seconds that does not run backwards.

The modes: a reader that is near the head is subscribed to blocks (`live`) and takes them as they
come. One that is behind, or whose queue is full, is not, and asks for ranges with credit: never more
than the queue has room for. Heads and ends are subscribed to always, and tell that the link lives.

It is longer than others here because a decision on one message needs all of this state: where we
are, what was asked for and what is kept decide together what becomes of a block.
"""

from __future__ import annotations

import random
from typing import Callable, List, Optional, Tuple

from . import control
from .control import MAX_READ_BYTES, From, Read, Status, Welcome
from .header import BEGINS_RECORD, DATA, EXIT_STATUS_UNKNOWN, HEAD, Header
from .items import Block, End, Gap, Item, NewSession, PipedupError, Refused, Unreachable
from .orders import Action, Listen, Live, Options, Remake
from .ranges import ITEM_BYTES, READS_AT_A_TIME, Payload, Reads, Stash

DELIMITERS = {"lines": b"\n", "nul": b"\0"}
SMALLEST_READ = 1 << 20  # less room than this is not worth a read, unless it is all that is missing
HELLO_INTERVAL = 2.0  # between two that are not answered
HELLO_AGAIN = 0.25  # between two that are



class Reader:
    """Reads one stream of one publisher. For one thread.

    `finished` says that the sockets may be closed and nothing more will come; `failure` then has
    the reason if it is not the end of the stream.
    """

    def __init__(self, options: Options, now: float, jitter: Callable[[], float] = random.random):
        self.options = options
        self.actions: List[Action] = []
        self.items: List[Item] = []
        self.notes: List[Tuple[str, str]] = []
        self.finished = False
        self.failure: Optional[PipedupError] = None
        self.bad_messages = 0

        self.session: Optional[int] = None
        self.position: Optional[int] = None  # P: the next byte that is wanted
        self.begun = False  # a NewSession was given for `session`
        self.ended = False  # an End was given for `session`
        self.known = 0  # published up to here, as far as we were told by anybody
        self._shown = 0  # the same, as told by the data socket since we are subscribed to blocks
        self._seeking = False  # P is not the first byte of a record yet
        self._end: Optional[Tuple[int, int]] = None
        self._began = 0  # where `session` began for us
        self._began_weight = 0  # of the NewSession
        self._end_weight = 0  # of the End
        self._previous: Optional[int] = None
        self._gave_data = False  # of `session`
        self._stream = options.stream or ""
        self._records = "raw"

        self._welcome: Optional[Welcome] = None  # on this connection
        self._is_member = False
        self._live = False
        self._caught_up = False  # live, and nothing is missing
        self._heard_data = False
        self._stash = Stash()

        self._reads = Reads()
        self._end_asked = False
        self._started: Optional[int] = None  # of the publisher of `session`

        self._weight = 0  # of all items given
        self._lost = 0
        self._taken_weight = 0
        self._taken = 0
        self._taken_session: Optional[int] = None
        self._taken_lost = 0
        self._end_taken = False
        self._told: Optional[Status] = None
        self._told_at = 0.0

        self._jitter = jitter
        self._remakes = 0
        self._last_heard = now
        self._last_data = now
        self._dead_at = 0.0
        self._said_hello = 0.0
        self._want_hello = False
        self._leave_by: Optional[float] = None
        self._leave_ping: Optional[int] = None
        self._connected(now)

    # What the sockets received

    def on_block(
        self, header: Header, data: Payload, now: float, on_data_socket: bool
    ) -> None:
        """A sound block message: header and decoded payload."""
        self._last_heard = now
        if on_data_socket:
            self._last_data = now
            self._remakes = 0
            self._heard_data = True
        if self._welcome is None:
            return
        if header.session != self.session:
            self._want_hello = True
        elif header.kind == DATA:
            self._on_data(header, data, on_data_socket)
        else:
            self._published(header.position, on_data_socket)
            if header.kind == HEAD:
                self._goes_on(header.position)
            elif self._end is None or header.position >= self._end[0]:
                self._goes_on(header.position)
                self._end = (header.position, header.exit_status)
            self._settle()

    def on_bad_message(self, error: str, now: float) -> None:
        """A message that was dropped. What it held shows as a gap later."""
        self._last_heard = now
        self.bad_messages += 1
        if self.bad_messages == 1 or error.startswith("version"):
            self.notes.append(("bad-message", f"dropped a bad message: {error}"))

    def on_control(self, raw: bytes, now: float) -> None:
        """A frame of the control socket that stood alone."""
        try:
            message = control.parse_answer(raw)
        except control.UnknownOp:
            return
        except control.Malformed as error:
            self.on_bad_message(str(error), now)
            return
        self._last_heard = now
        if isinstance(message, Welcome):
            self._on_welcome(message, now)
        elif isinstance(message, control.Done):
            self._on_done(message, now)
        elif isinstance(message, control.Error):
            self._on_error(message, now)
        elif isinstance(message, control.Refused):
            self._fail(Refused(message.code, message.reason))
        elif isinstance(message, control.LetGo):
            self.notes.append(("let-go", f"the publisher no longer waits for us: {message.reason!r}"))

    # What the consumer did

    def on_taken(self, item: Item) -> None:
        """The consumer is done with `item` and all before it."""
        self._taken_weight = item._weight
        # Positions of what came before the session was begun with anew say nothing.
        self._taken_session = item.session if item._weight >= self._began_weight else None
        self._taken = item.end
        self._taken_lost = item._lost
        self._end_taken = self.ended and item._weight >= self._end_weight

    def leave(self, now: float, patience: float = 1.0) -> None:
        """Begin to leave: tell how far we came, and make sure that it was heard (section 6.2)."""
        if self._leave_by is not None or self.finished:
            return
        self._leave_by = now + patience
        if self._welcome is None:
            self.actions.append(control.Bye())
            self.finished = True
        else:
            self._ping_and_wait(now)

    # The time

    def on_pause(self, now: float) -> None:
        """This process was stopped for a while: nobody is to be called silent because of that."""
        self._last_heard = self._last_data = now
        self._dead_at = now + self._patience()

    def tick(self, now: float) -> None:
        """To be called after each batch of events, and when `deadline` has come."""
        if self.finished:
            return
        if self._leave_by is not None:
            if now >= self._leave_by:
                self._left()
            else:
                self._say_hello_if_due(now)
            return
        if self._end_taken and not self.options.follow:
            self.leave(now)
            return
        if self.options.give_up and now - self._last_heard >= self.options.give_up:
            self._give_up()
            return
        if now >= self._dead_at:
            # _dead_at is moved here only: a message costs no arithmetic.
            self._dead_at = self._last_data + self._patience()
            if now >= self._dead_at:
                self.notes.append(("waiting", "the publisher has fallen silent: connecting anew"))
                self._remakes += 1
                self.actions.append(Remake())
                self._connected(now)
        self._say_hello_if_due(now)
        if self._welcome is None:
            return
        self._reads.expire(now)
        self._ask(now)
        self._tell(now)

    def deadline(self, now: float) -> float:
        """When tick is to be called at the latest."""
        if self._leave_by is not None:
            return min(self._leave_by, self._hello_due())
        times = [self._dead_at, self._hello_due()]
        if self._is_member and self.position is not None:
            times.append(self._told_at + self._tell_every(self._moved()))
        if self.options.give_up:
            times.append(self._last_heard + self.options.give_up)
        times.extend(self._reads.deadlines(now))
        return min(times)

    def wake_weight(self) -> float:
        """Weight of items at which a consumer that has taken them should wake the thread."""
        wake = float("inf")
        if self._welcome is not None:
            if not self._caught_up and self.known > (self.position or 0):
                wake = self._weight - self.options.queue_bytes // 2
            if self._welcome.window:
                wake = min(wake, self._taken_weight + self._welcome.window / 8)
        return wake

    # Connection and membership

    def _connected(self, now: float) -> None:
        """The control socket is new: what the last one had is void."""
        self._welcome = None
        self._is_member = False
        self._live = self._caught_up = self._heard_data = False
        self._reads.clear()
        self._stash.clear()
        self._last_data = now
        self._said_hello = now - HELLO_INTERVAL
        self._want_hello = False
        self._dead_at = now + self._patience()

    def _patience(self) -> float:
        beat = self._welcome.heartbeat_ms / 1000 if self._welcome else 0.5
        often = min(1 + self._remakes / 2, 4.0)
        return max(self.options.dead_after, 4 * beat) * often * (1 + self._jitter() / 4)

    def _say_hello_if_due(self, now: float) -> None:
        """Say hello if there is cause, and that was not just done: the welcome decides what there is."""
        if now < self._hello_due():
            return
        self._want_hello = False
        self._said_hello = now
        told = self.options
        self.actions.append(
            control.Hello(
                v=control.PROTOCOL_VERSION, id=told.id, stream=told.stream or self._stream or None,
                name=told.name, host=told.host, pid=told.pid, role=told.role, codecs=told.codecs,
            )
        )  # fmt: skip

    def _hello_due(self) -> float:
        if self._welcome is None or (not self._is_member and not self._want_hello):
            return self._said_hello + HELLO_INTERVAL
        return self._said_hello + HELLO_AGAIN if self._want_hello else float("inf")

    def _on_welcome(self, welcome: Welcome, now: float) -> None:
        if welcome.v != control.PROTOCOL_VERSION:
            text = f"version {welcome.v} there, {control.PROTOCOL_VERSION} here"
            self._fail(Refused("version", text))
            return
        new_connection = self._welcome is None
        self._welcome = welcome
        self._is_member = True
        self._stream = welcome.stream
        self._told = None
        if new_connection:
            self._last_data = now
            self._dead_at = now + self._patience()
            self.actions.append(Listen(welcome.data, welcome.stream))
        if self._leave_by is not None:
            self._ping_and_wait(now)
            return
        if self.session != welcome.session:
            self._reads.clear()
            self._stash.clear()
            if self._live:
                self._go_live(False)
            self._enter_session(welcome)
        elif welcome.started != self._started:
            self._started_again(welcome)
        if self.finished:
            return
        self._started = welcome.started
        published = max(welcome.head, welcome.reached or 0)
        self.known = max(self.known, published)
        self._end_asked = False
        if self._end is not None and published > self._end[0]:
            self._undo_end()
        self._settle()

    def _on_error(self, error: control.Error, now: float) -> None:
        if error.code == "unknown-member":
            if self._leave_by is not None and not self._end_taken:
                self._left()
            elif self._welcome is not None:
                self._reads.clear()
                self._is_member = False
                self._want_hello = True
        elif error.code == "no-records" and self.position is None and self._welcome is not None:
            self._reads.clear()
            self._begin_at(self._welcome.head)
        elif error.code == "bad-request":
            self._fail(Refused(error.code, error.reason))  # asking again would not make it better
        elif error.code != "too-many-reads":
            self.notes.append(("error", f"the publisher answered {error.code}: {error.reason!r}"))

    def _fail(self, failure: PipedupError) -> None:
        self.failure = failure
        self.finished = True

    def _give_up(self) -> None:
        self._lose_known("the publisher has vanished")
        what = "vanished before the end of the stream" if self.session is not None else "was not reached"
        if self.ended:
            what = "has not come back since the stream ended"
        self._fail(Unreachable(f"the publisher {what}: not heard for {self.options.give_up:g} s"))

    # Leaving

    def _ping_and_wait(self, now: float) -> None:
        # The ping goes first: a publisher that only waits for our status closes when it has it.
        self._leave_ping = self._reads.next_request()
        self.actions.append(Read(self._leave_ping, self.session or 0, 0, 0))
        self._tell(now, at_once=True)

    def _left(self) -> None:
        self.actions.append(control.Bye())
        self.finished = True

    # Sessions (section 4.2)

    def _enter_session(self, welcome: Welcome) -> None:
        old, position, first = self.session, self.position, self.session is None
        past = {each["session"]: each["end"] for each in welcome.past}
        if first and self.options.cursor is not None:
            old, position = self.options.cursor
            self.ended = self.options.cursor_ended
            self.known = position
        begun = self.begun or (first and old is not None)
        if begun and position is not None and old is not None:
            if old == welcome.session:
                self._start_session(welcome, position, None)
                return
            if old in past:
                end = past[old]
                self._lose(old, max(position, end), self.known, "the publisher's machine lost it")
                self._start_session(welcome, min(position, end), old)
                return
            if not self.ended:
                if first:
                    self._give(Gap(old, position, position, "the session of the cursor is gone"))
                else:
                    self._lose_known("the publisher began a new session")
                    if not self.options.follow:
                        text = "the publisher vanished: it has begun a new session"
                        self._fail(Unreachable(text))
                        return
        if not first:
            self._start_session(welcome, 0, old if begun else None)
            return
        self._start_session(welcome, None, old)
        start = self.options.start
        if isinstance(start, int):
            self._begin_at(start)
        elif start == "now" and (welcome.head == 0 or welcome.records == "raw"):
            self._begin_at(welcome.head)
        elif start == "start" and welcome.tail == 0:
            self._begin_at(0)

    def _started_again(self, welcome: Welcome) -> None:
        """Another publisher has the session that is read: it goes on with a journal."""
        if not (self.ended and welcome.ended):
            self._undo_end()
        reached = max(welcome.head, welcome.reached or 0)
        position = self.position
        if self.ended or position is None or position <= reached:
            return
        # What we have read beyond was lost by it, and those positions will be other bytes.
        self._reads.clear()
        self._stash.clear()
        if self._live:
            self._go_live(False)
        if self.begun:
            self._lose(welcome.session, position, self.known, "the publisher's machine lost it")
            self._start_session(welcome, reached, welcome.session)
        else:
            self.position, self.known, self._end = reached, 0, None

    def _goes_on(self, published: int) -> None:
        """What is told to have been published may be beyond what was said to be the end."""
        if self._end is not None and published > self._end[0]:
            self._undo_end()
            self._want_hello = True  # it is another publisher, most likely

    def _undo_end(self) -> None:
        """The end that was heard was not the last word."""
        if not self.ended:
            self._end = None
        elif self.options.follow:
            self._end = None
            self.ended = self._end_taken = False

    def _start_session(self, welcome: Welcome, position: Optional[int], previous: Optional[int]) -> None:
        self.session = welcome.session
        self._records = welcome.records
        self._previous = previous
        self.known = 0
        self.ended = self.begun = self._seeking = self._end_taken = self._gave_data = False
        self._end = None
        self.position = None
        if position is not None:
            self._begin_at(position)

    def _begin_at(self, position: int) -> None:
        """`position` is where this session begins for the consumer."""
        assert self.session is not None
        self.position = self._began = position
        self._seeking = False
        self.begun = True
        self._give(
            NewSession(self._stream, self.session, position, self._records, self._previous)
        )
        self._began_weight = self._weight
        self._taken_session = None

    def _start_from(self) -> From:
        """`from` of the read that finds where to begin."""
        assert self._welcome is not None
        if self.options.since_ago is not None:
            ago = int(self.options.since_ago * 1e9)
            return control.Since(max(0, self._welcome.now - ago))
        start = self.options.start
        if start == "now":
            return control.Last(0)
        if start == "start":
            return control.Since(0)
        assert not isinstance(start, str)
        return start

    # Positions (section 4.1)

    def _on_data(
        self, header: Header, data: Payload, on_data_socket: bool
    ) -> None:
        begin, end = header.position, header.position + header.length
        position = self.position
        if self._end is not None:
            self._goes_on(end)
        if self.ended:
            return
        if position is None:
            if on_data_socket:
                self._published(end, True)
                return
            position = self.position = begin
            self._seeking = self._records != "raw"
        elif begin == position and self._caught_up and not self._stash:
            # The way of nearly all blocks.
            if self._weight - self._taken_weight < self.options.queue_bytes:
                self._shown = end
                if end > self.known:
                    self.known = end
                if begin != end:
                    self._deliver(header, data, position)
                return
        self._published(end, on_data_socket)
        if end <= position:
            self._settle()
            return
        queued, most = self._weight - self._taken_weight, self.options.queue_bytes
        if on_data_socket and (queued >= most or not self._live):
            if self._live:
                self._go_live(False)
            return
        if queued >= 2 * most:
            return  # nobody asked for this much
        if begin > position:
            self._keep(header, data)
            return
        self._deliver(header, data, position)
        self._settle()

    def _published(self, position: int, on_data_socket: bool) -> None:
        self.known = max(self.known, position)
        if on_data_socket and self._live:
            self._shown = max(self._shown, position)

    def _deliver(self, header: Header, data: Payload, position: int) -> None:
        """Give what of the block lies behind `position`, which is in it."""
        begin, end = header.position, header.position + header.length
        if self._seeking:
            start = self._first_record(header, data, position)
            if start is None:
                self.position = end
                return
            self._begin_at(start)
            position = start
        if position != begin:
            data = memoryview(data)[position - begin :]
        self.position = end
        if position != end:
            self._gave_data = True
            block = Block(header.session, position, end, data, header.time)
            self._weight += end - position + ITEM_BYTES
            block._weight = self._weight
            block._lost = self._lost
            self.items.append(block)

    def _first_record(
        self, header: Header, data: Payload, position: int
    ) -> Optional[int]:
        """First byte of a record from `position` on in this block, or its end (section 4.4)."""
        skip = position - header.position
        if skip == 0 and header.flags & BEGINS_RECORD:
            return position
        delimiter = DELIMITERS[self._records]
        found = bytes(data).find(delimiter, max(skip - 1, 0))
        return None if found < 0 else header.position + found + 1

    def _keep(self, header: Header, data: Payload) -> None:
        """Keep a block that is ahead, for when the range before it has come."""
        if self._stash.keep(header, data):
            self._caught_up = False
        else:
            # Far behind. Catch up first; what is dropped here is asked for.
            self._stash.clear()
            if self._live:
                self._go_live(False)

    def _settle(self) -> None:
        """P or what is known has moved: see what follows from it."""
        position = self.position
        while self._stash and position is not None and self._stash.begin <= position:
            header, data = self._stash.take()
            if header.position + header.length > position:
                self._deliver(header, data, position)
                position = self.position
                assert position is not None
        if position is None:
            return
        if self._live and not self._stash and self._heard_data:
            self._caught_up = 0 < self._shown <= position or self._shown == position == self.known
        if self._end is None or self.ended:
            return
        end, status = self._end
        if position > end and not self._gave_data:
            position = self.position = end  # it was told to begin beyond the end
        if position == end:
            if self._seeking:
                self._begin_at(end)
            self.ended = True
            known = None if status == EXIT_STATUS_UNKNOWN else status
            assert self.session is not None
            self._give(End(self._stream, self.session, end, known))
            self._end_weight = self._weight
        elif position > end:
            self.on_bad_message("an end of stream before what was read", self._last_heard)
            self._end = None

    def _give(self, item: Item) -> None:
        self._weight += ITEM_BYTES
        item._weight = self._weight
        item._lost = self._lost
        self.items.append(item)

    def _lose(self, session: int, begin: int, end: int, reason: str) -> None:
        if end > begin:
            self._lost += end - begin
            self._give(Gap(session, begin, end, reason))

    def _lose_known(self, reason: str) -> None:
        """What is known to have been published of this session and was not given is lost."""
        if self.session is not None and self.position is not None and self.begun:
            self._lose(self.session, self.position, self.known, reason)
            self.position = max(self.position, self.known)

    def _skip_to(self, position: int, reason: str) -> None:
        """[P, position) is no longer to be had, except for what we keep of it."""
        assert self.session is not None and self.position is not None
        if self._stash:
            position = min(position, self._stash.begin)
        if not self._seeking:
            self._lose(self.session, self.position, position, reason)
        self.position = position

    # Ranges (section 7)

    def _go_live(self, on: bool) -> None:
        self._live = on
        self._caught_up = False
        self._shown = 0
        if not on:
            self._stash.clear()
        self.actions.append(Live(on))

    def _ask(self, now: float) -> None:
        """Ask for what is missing, as far as there is room for it."""
        if self.ended or not self._is_member or self.session is None or now < self._reads.hold_until:
            return
        position = self.position
        if position is None:
            if not self._reads:
                self._read(self._start_from(), SMALLEST_READ, now)
            return
        asked = max(self._reads.asked_until(position), position)
        queued = self._weight - self._taken_weight
        room = self.options.queue_bytes - queued - self._reads.bytes
        if not self._live and self.known - asked <= MAX_READ_BYTES:
            if queued <= self.options.queue_bytes // 4:
                self._go_live(True)
        target = self._shown if self._caught_up else self.known
        if self._stash:
            target = min(target, self._stash.begin)
        smallest = min(SMALLEST_READ, self.options.queue_bytes // 4)
        while asked < target and len(self._reads.outstanding) < READS_AT_A_TIME:
            size = min(MAX_READ_BYTES, target - asked, room)
            if size < min(smallest, target - asked):
                return
            self._read(asked, size, now)
            asked += size
            room -= size
        if not self._reads and position == self.known and self._end is None and self._told_ended:
            if not self._end_asked:
                self._end_asked = True
                self._read(position, SMALLEST_READ, now)

    @property
    def _told_ended(self) -> bool:
        return self._welcome is not None and self._welcome.ended

    def _read(self, begin: From, size: int, now: float) -> None:
        assert self.session is not None
        self.actions.append(self._reads.ask(self.session, begin, size, now))

    def _on_done(self, done: control.Done, now: float) -> None:
        if done.request == self._leave_ping:
            self._left()
            return
        read = self._reads.answered(done.request)
        if self._welcome is None:
            return
        if done.outcome == "wrong-session" or done.session != self.session:
            self._want_hello = True
            return
        self.known = max(self.known, done.head)
        self._goes_on(done.head)
        if read is None:
            return
        if self.position is None:
            self._found_start(done)
        elif read.begin != self.position:
            self._reads.bore_fruit()
        elif done.outcome == "gone" and done.tail > self.position:
            # Only here is it exact: nothing of the answer was used or dropped. Else it is asked again.
            self._reads.bore_fruit()
            self._skip_to(done.tail, done.reason or "retention has passed it")
        elif self.position < self.known:
            # A range was answered, and not a byte of it was good.
            if self._reads.came_to_nothing(now) and self._stash:
                self._reads.bore_fruit()
                self._skip_to(self._stash.begin, "it came damaged each time")
        self._settle()

    def _found_start(self, done: control.Done) -> None:
        """The read that was to find where to begin brought no block."""
        where = done.tail if done.outcome == "gone" else done.next
        since = self.options.since_ago is not None or isinstance(self.options.start, control.Since)
        if self._records == "raw" or (done.outcome == "ok" and not since):
            self._begin_at(where)
        else:
            self.position = where
            self._seeking = True

    # Status (section 6.3)

    def _moved(self) -> bool:
        return self._told is not None and self._told.position != self._confirmed()

    def _confirmed(self) -> int:
        if self._taken_session == self.session:
            return self._taken
        if self.begun:
            return self._began
        return self.position or 0

    def _mode(self) -> str:
        if self._end_taken:
            return "ended"
        if not self._heard_data:
            return "joining"
        return "live" if self._caught_up else "catch-up"

    def _tell_every(self, moved: bool) -> float:
        # While a read is not answered it is told more often than it has to be: if the connection was
        # lost and made anew meanwhile, the answer says so.
        return 0.25 if moved else 0.5 if self._reads else 2.0

    def _tell(self, now: float, at_once: bool = False) -> None:
        """Send a status if one is due."""
        if self._welcome is None or not self._is_member or self.session is None:
            return
        if self.position is None:
            return  # what it reads keeps it a member
        status = Status(self.session, self._confirmed(), self._mode(), self._taken_lost)
        told = self._told
        if told is not None and not at_once and told.mode == status.mode:
            moved = status.position - told.position
            window = self._welcome.window
            if not (window and moved >= window / 8):
                if now - self._told_at < self._tell_every(moved != 0):
                    return
        self._told = status
        self._told_at = now
        self.actions.append(status)
