"""The reader's state machine, without sockets: by hand, and against the publisher's at random.

Over 500 lines: many cases on one machine and its fake surroundings.
"""

from __future__ import annotations

import random
import unittest
from collections import deque
from typing import Any, Deque, List, Tuple

from pipedup import control
from pipedup import header as h
from pipedup.items import Block, End, Gap, Item, NewSession, Refused, Unreachable
from pipedup.orders import Listen, Live, Options, Remake
from pipedup.reader import Reader
from pipedup.retention import Cutter, Retention
from pipedup.server import Server

from .support import Oracle

SESSION = 0xA5


class Fake:
    """A reader, what it did, and short words for what happens to it."""

    def __init__(self, **options: Any) -> None:
        self.now = 100.0
        self.reader = Reader(Options(id="aa", **options), self.now, lambda: 0.0)
        self.items: List[Item] = []
        self.step()

    def step(self, seconds: float = 0.0) -> List[Any]:
        """Actions that follow, at a time that is `seconds` later."""
        self.now += seconds
        self.reader.tick(self.now)
        actions = list(self.reader.actions)
        self.reader.actions.clear()
        self.items += self.reader.items
        self.reader.items.clear()
        return actions

    def hear(self, message: control.Message) -> List[Any]:
        self.reader.on_control(control.encode(message), self.now)
        return self.step()

    def welcome(self, head: int = 0, tail: int = 0, session: int = SESSION, **more: Any) -> List[Any]:
        more.setdefault("records", "lines")
        return self.hear(control.Welcome(1, "demo", session, tail, head, **more))

    def block(
        self, position: int, data: bytes, on_data: bool = True, flags: int = 1, session: int = SESSION
    ) -> List[Any]:
        raw = h.build_header(h.DATA, session, position, length=len(data), flags=flags)
        self.reader.on_block(h.parse_header(raw), data, self.now, on_data)
        return self.step()

    def head(self, position: int, kind: int = h.HEAD, session: int = SESSION) -> List[Any]:
        raw = h.build_header(kind, session, position, exit_status=3 if kind == h.END else 0)
        self.reader.on_block(h.parse_header(raw), b"", self.now, True)
        return self.step()

    def done(self, request: int, position: int, head: int, outcome: str = "ok", tail: int = 0) -> List[Any]:
        return self.hear(control.Done(request, outcome, SESSION, position, tail, head))

    def take_all(self) -> List[Any]:
        self.reader.on_taken(self.items[-1])
        return self.step()

    def live_at(self, head: int) -> None:
        """Begin at `head`, live."""
        self.welcome(head=head)
        self.head(head)


def reads(actions: List[Any]) -> List[Tuple[Any, int]]:
    return [(each.from_, each.max) for each in actions if isinstance(each, control.Read)]


class Joining(unittest.TestCase):
    def test_says_hello_until_it_is_answered_then_listens(self) -> None:
        fake = Fake(stream="demo", give_up=0.0)
        again = fake.step(2.0)
        self.assertEqual([type(each) for each in again], [control.Hello])
        actions = fake.welcome()
        self.assertEqual(actions[0], Listen("", "demo"))
        self.assertIn(Live(True), actions)
        status = [each for each in actions if isinstance(each, control.Status)]
        self.assertEqual([(each.position, each.mode) for each in status], [(0, "joining")])

    def test_now_begins_behind_the_last_finished_record(self) -> None:
        fake = Fake()
        actions = fake.welcome(head=100)
        self.assertEqual(reads(actions), [(control.Last(0), 1 << 20)])
        actions += fake.step(1.0)
        self.assertFalse([each for each in actions if isinstance(each, control.Status)], "no position yet")
        fake.block(90, b"unfinished", on_data=False, flags=1)
        self.assertEqual([(type(i), i.position) for i in fake.items], [(NewSession, 90), (Block, 90)])

    def test_a_start_in_the_middle_of_a_record_is_moved_to_the_next(self) -> None:
        fake = Fake(start="start")
        fake.welcome(head=100, tail=50)
        fake.block(50, b"cut", on_data=False, flags=0)
        fake.block(53, b" off\nwhole\n", on_data=False, flags=0)
        self.assertEqual([(type(i), i.position) for i in fake.items], [(NewSession, 58), (Block, 58)])
        self.assertEqual(fake.reader._lost, 0)

    def test_a_start_beyond_the_end_is_the_end(self) -> None:
        fake = Fake(start=999)
        fake.welcome(head=10, ended=True)
        fake.head(10, h.END)
        self.assertIsInstance(fake.items[-1], End)

    def test_is_refused(self) -> None:
        fake = Fake()
        fake.hear(control.Refused("stream", "there is 'x'"))
        self.assertIsInstance(fake.reader.failure, Refused)
        self.assertTrue(fake.reader.finished)

    def test_another_version_is_refused_with_both_named(self) -> None:
        fake = Fake()
        fake.reader.on_control(b'{"op":"welcome","v":2}', fake.now)
        self.assertIn("version 2 there, 1 here", str(fake.reader.failure))


class Positions(unittest.TestCase):
    def test_duplicates_and_overlaps_are_cut_by_position(self) -> None:
        fake = Fake(start=0)
        fake.live_at(0)
        fake.block(0, b"abc\n")
        fake.block(0, b"abc\n")
        fake.block(2, b"c\ndef\n")
        self.assertEqual(b"".join(bytes(i) for i in fake.items if isinstance(i, Block)), b"abc\ndef\n")

    def test_a_hole_is_read_and_what_follows_is_kept(self) -> None:
        fake = Fake(start=0)
        fake.live_at(0)
        actions = fake.block(4, b"def\n")
        self.assertEqual(reads(actions), [(0, 4)])
        fake.block(0, b"abc\n", on_data=False)
        self.assertEqual([i.position for i in fake.items if isinstance(i, Block)], [0, 4])

    def test_a_head_beyond_us_is_a_hole(self) -> None:
        fake = Fake(start=0)
        fake.live_at(0)
        self.assertEqual(reads(fake.head(7)), [(0, 7)])

    def test_what_is_gone_is_a_gap_with_the_reason(self) -> None:
        fake = Fake(start=0)
        fake.welcome(head=100, tail=60)
        fake.done(1, 0, 100, "gone", 60)
        gap = fake.items[-1]
        assert isinstance(gap, Gap)
        self.assertEqual((gap.position, gap.end, gap.reason), (0, 60, "retention has passed it"))

    def test_what_is_kept_of_a_range_that_is_gone_is_not_lost(self) -> None:
        fake = Fake(start=0)
        fake.live_at(0)
        request = [a for a in fake.block(4, b"def\n") if isinstance(a, control.Read)][0].request
        fake.done(request, 0, 100, "gone", 60)
        self.assertEqual([(i.position, i.end) for i in fake.items], [(0, 0), (0, 4), (4, 8)])

    def test_a_range_that_comes_damaged_each_time_is_a_gap_in_the_end(self) -> None:
        fake = Fake(start=0, dead_after=3600.0, give_up=0.0)
        fake.live_at(0)
        request = [a for a in fake.block(4, b"def\n") if isinstance(a, control.Read)][0].request
        for _ in range(20):
            fake.reader.on_bad_message("checksum", fake.now)
            fake.done(request, 4, 8)
            again = [a for a in fake.step(2.0) if isinstance(a, control.Read)]
            if not again:
                break
            request = again[0].request
        self.assertEqual([type(i) for i in fake.items[-2:]], [Gap, Block])

    def test_an_end_before_what_was_read_is_a_bad_message(self) -> None:
        fake = Fake(start=0)
        fake.live_at(0)
        fake.block(0, b"abc\n")
        fake.head(2, h.END)
        self.assertEqual(fake.reader.bad_messages, 1)
        fake.head(4, h.END)
        self.assertIsInstance(fake.items[-1], End)

    def test_a_slow_consumer_makes_it_unsubscribe_and_read_at_its_pace(self) -> None:
        fake = Fake(start=0, queue_bytes=4 << 20)
        fake.live_at(0)
        actions: List[Any] = []
        position = 0
        while Live(False) not in actions:
            actions = fake.block(position, b"x" * (1 << 20))
            position += 1 << 20
        self.assertLess(position, 7 << 20)
        self.assertEqual(reads(fake.head(position)), [])
        self.assertLess(fake.reader.wake_weight(), float("inf"))
        taken = fake.take_all()
        self.assertIn(Live(True), taken)
        self.assertEqual(reads(taken), [(4 << 20, position - (4 << 20))])


    def test_blocks_that_nobody_asked_for_do_not_fill_the_memory(self) -> None:
        fake = Fake(start=0, queue_bytes=4 << 20)
        fake.welcome()
        for number in range(100):
            fake.block(number << 20, b"x" * (1 << 20), on_data=False)
        self.assertLess(sum(len(i) for i in fake.items if isinstance(i, Block)), 10 << 20)


class Sessions(unittest.TestCase):
    def read_some(self, **options: Any) -> Fake:
        fake = Fake(start=0, **options)
        fake.live_at(0)
        fake.block(0, b"abc\n")
        fake.head(10)
        return fake

    def test_another_session_is_asked_about_and_the_rest_of_the_old_is_lost(self) -> None:
        fake = self.read_some(follow=True, give_up=0.0)
        fake.block(0, b"new\n", session=7)
        hello = fake.step(0.3)
        self.assertEqual([type(a) for a in hello if isinstance(a, control.Hello)], [control.Hello])
        fake.welcome(head=4, session=7)
        gap, begin = fake.items[-2:]
        self.assertEqual((gap.session, gap.position, gap.end), (SESSION, 4, 10))
        self.assertEqual((begin.session, begin.position), (7, 0))

    def test_without_follow_that_is_the_end_but_no_end_of_stream(self) -> None:
        fake = self.read_some()
        fake.welcome(head=4, session=7)
        self.assertIsInstance(fake.reader.failure, Unreachable)
        self.assertIsInstance(fake.items[-1], Gap)

    def test_a_session_that_goes_on_is_read_on_at_our_position(self) -> None:
        fake = self.read_some()
        fake.welcome(head=20, session=7, past=[{"session": SESSION, "end": 8}])
        gap, begin = fake.items[-2:]
        self.assertEqual((gap.session, gap.position, gap.end), (SESSION, 8, 10))
        self.assertEqual((begin.session, begin.position), (7, 4))

    def test_or_at_its_end_if_we_stand_beyond(self) -> None:
        fake = self.read_some()
        fake.welcome(head=20, session=7, past=[{"session": SESSION, "end": 2}])
        gap, begin = fake.items[-2:]
        self.assertEqual((gap.session, gap.position, gap.end), (SESSION, 4, 10))
        self.assertEqual((begin.session, begin.position), (7, 2))

    def test_a_session_that_ended_and_goes_on_is_followed(self) -> None:
        fake = Fake(start=0, follow=True, give_up=0.0)
        fake.live_at(0)
        fake.head(0, h.END)
        self.assertIsInstance(fake.items[-1], End)
        fake.take_all()
        fake.welcome(head=0, started=1)
        self.assertFalse(fake.reader.ended)
        fake.block(0, b"more\n")
        self.assertIsInstance(fake.items[-1], Block)

    def ended_at(self, position: int, **options: Any) -> Fake:
        fake = Fake(start=0, follow=True, give_up=0.0, **options)
        fake.welcome(head=0, started=1)
        fake.head(0)
        fake.block(0, b"x" * (position - 1) + b"\n")
        fake.head(position, h.END)
        self.assertIsInstance(fake.items[-1], End)
        return fake

    def test_a_welcome_that_is_older_than_the_end_does_not_undo_it(self) -> None:
        fake = self.ended_at(5)
        fake.welcome(head=3, started=1)
        fake.welcome(head=5, started=1)
        self.assertTrue(fake.reader.ended)
        fake.head(5, h.END)
        self.assertEqual([type(i) for i in fake.items], [NewSession, Block, End])

    def test_nor_one_of_an_end_that_is_not_reached_yet(self) -> None:
        fake = Fake(start=0)
        fake.welcome(head=10, started=1)
        fake.head(10, h.END)
        fake.welcome(head=7, started=1)
        fake.block(0, b"123456789\n", on_data=False)
        self.assertIsInstance(fake.items[-1], End)

    def test_a_welcome_of_another_start_undoes_an_end_unless_it_has_ended_as_well(self) -> None:
        fake = self.ended_at(5)
        fake.welcome(head=5, started=2, ended=True)
        self.assertTrue(fake.reader.ended)
        fake.welcome(head=5, started=3)
        self.assertFalse(fake.reader.ended)

    def test_whatever_tells_of_more_than_the_end_undoes_it(self) -> None:
        for tell in (
            lambda fake: fake.head(9),
            lambda fake: fake.block(5, b"abc\n"),
            lambda fake: fake.head(9, h.END),
            lambda fake: fake.done(1, 0, 9),
            lambda fake: fake.welcome(head=9, started=1, ended=True),
            lambda fake: fake.welcome(head=5, reached=9, started=1),
        ):
            fake = self.ended_at(5)
            tell(fake)
            self.assertFalse(fake.reader.ended)
            fake.block(5, b"abc\n", on_data=False)
            fake.head(9, h.END)
            self.assertEqual([type(i) for i in fake.items], [NewSession, Block, End, Block, End])

    def test_an_end_that_is_taken_after_it_was_undone_is_not_confirmed(self) -> None:
        fake = self.ended_at(5)
        end = fake.items[-1]
        fake.welcome(head=5, started=2)
        fake.reader.on_taken(end)
        statuses = [a for a in fake.step(2.1) if isinstance(a, control.Status)]
        self.assertTrue(statuses)
        self.assertNotIn("ended", [a.mode for a in statuses])

    def test_a_publisher_that_has_lost_what_was_read_is_read_on_where_it_is(self) -> None:
        for follow in (False, True):
            fake = Fake(start=0, follow=follow, dead_after=3600.0, give_up=0.0)
            fake.welcome(head=0, started=1)
            fake.head(0)
            fake.block(0, b"abc\ndef\n")
            block = fake.items[-1]
            fake.head(10)
            fake.welcome(head=4, started=1)
            self.assertIs(fake.items[-1], block)  # an old answer: it waits at 8
            fake.welcome(head=4, started=2)
            gap, begin = fake.items[-2:]
            self.assertEqual((type(gap), gap.position, gap.end), (Gap, 8, 10))
            self.assertEqual((type(begin), begin.session, begin.position), (NewSession, SESSION, 4))
            fake.reader.on_taken(block)
            statuses = [a for a in fake.step(3.0) if isinstance(a, control.Status)]
            self.assertEqual({a.position for a in statuses}, {4})
            fake.block(4, b"new\n", on_data=False)
            self.assertEqual(bytes(fake.items[-1]), b"new\n")
            fake.take_all()
            statuses = [a for a in fake.step(3.0) if isinstance(a, control.Status)]
            self.assertEqual({a.position for a in statuses}, {8})

    def test_but_not_if_it_will_get_there_again(self) -> None:
        fake = Fake(start=0)
        fake.welcome(head=0, started=1)
        fake.head(0)
        fake.block(0, b"abc\ndef\n")
        fake.welcome(head=4, reached=8, started=2)
        self.assertIsInstance(fake.items[-1], Block)
        self.assertEqual(fake.reader.position, 8)

    def test_a_cursor_of_a_session_that_is_gone_is_said(self) -> None:
        fake = Fake(cursor=(9, 50))
        fake.welcome(head=0)
        self.assertEqual([type(i) for i in fake.items], [Gap, NewSession])
        fake = Fake(cursor=(9, 50), cursor_ended=True)
        fake.welcome(head=0)
        self.assertEqual([type(i) for i in fake.items], [NewSession])
        fake = Fake(cursor=(SESSION, 50))
        fake.welcome(head=60)
        self.assertEqual([(type(i), i.position) for i in fake.items], [(NewSession, 50)])


class Links(unittest.TestCase):
    def test_silence_makes_both_sockets_anew_and_goes_on_from_the_position(self) -> None:
        fake = Fake(start=0)
        fake.live_at(0)
        fake.block(0, b"abc\n")
        actions = fake.step(3.1)
        self.assertIn(Remake(), actions)
        self.assertTrue(any(isinstance(each, control.Hello) for each in actions))
        self.assertEqual(reads(fake.welcome(head=8)), [(4, 4)])

    def test_gives_up_and_says_what_is_lost(self) -> None:
        fake = Fake(start=0, give_up=5.0)
        fake.live_at(0)
        fake.head(6)
        fake.step(5.1)
        self.assertIsInstance(fake.reader.failure, Unreachable)
        self.assertIsInstance(fake.items[-1], Gap)

    def test_time_in_which_we_were_stopped_does_not_count(self) -> None:
        fake = Fake(start=0)
        fake.live_at(0)
        fake.now += 100
        fake.reader.on_pause(fake.now)
        self.assertNotIn(Remake(), fake.step(1.0))
        self.assertIsNone(fake.reader.failure)
        self.assertIn(Remake(), fake.step(2.5))

    def test_a_read_that_is_not_answered_is_asked_again_after_longer_each_time(self) -> None:
        fake = Fake(start=0, dead_after=3600.0, give_up=0.0)
        fake.welcome(head=10)
        at = []
        for _ in range(200):
            if reads(fake.step(0.5)):
                at.append(fake.now)
        waits = [later - sooner for sooner, later in zip(at, at[1:])]
        self.assertGreaterEqual(waits[0], 3.9)
        self.assertGreaterEqual(waits[-1], 29.9)

    def test_a_publisher_that_does_not_know_us_is_greeted_again(self) -> None:
        fake = Fake(start=0)
        fake.live_at(0)
        fake.step(0.3)
        actions = fake.hear(control.Error("unknown-member"))
        self.assertEqual([type(a) for a in actions], [control.Hello])
        self.assertEqual(fake.head(7), [])  # nothing is asked for until we are a member
        self.assertEqual([type(a) for a in fake.step(2.0)], [control.Hello])
        self.assertEqual(reads(fake.welcome(head=7)), [(0, 7)])

    def test_statuses_are_sent_at_the_right_times(self) -> None:
        fake = Fake(start=0, dead_after=3600.0)
        fake.live_at(0)
        sent = lambda actions: [a.position for a in actions if isinstance(a, control.Status)]  # noqa: E731
        self.assertEqual(sent(fake.step(1.9)), [])
        self.assertEqual(sent(fake.step(0.2)), [0])
        fake.block(0, b"abc\n")
        self.assertEqual(sent(fake.take_all()), [])
        self.assertEqual(sent(fake.step(0.26)), [4])

    def test_with_a_window_each_eighth_of_it_is_told_at_once(self) -> None:
        fake = Fake(start=0)
        fake.welcome(window=80)
        fake.head(0)
        fake.block(0, b"123456789\n")
        self.assertTrue(any(isinstance(a, control.Status) and a.position == 10 for a in fake.take_all()))

    def test_the_end_is_confirmed_when_it_is_taken_and_the_bye_made_sure(self) -> None:
        fake = Fake(start=0)
        fake.live_at(0)
        fake.block(0, b"abc\n")
        fake.head(4, h.END)
        self.assertFalse(any(isinstance(a, control.Status) and a.mode == "ended" for a in fake.step()))
        ping, status = fake.take_all()
        self.assertEqual((ping.max, status.mode, status.position), (0, "ended", 4))
        hello = fake.hear(control.Error("unknown-member"))
        self.assertIsInstance(fake.step(0.3)[0] if not hello else hello[0], control.Hello)
        ping, status = [a for a in fake.welcome(head=4, ended=True) if not isinstance(a, Listen)]
        self.assertEqual((ping.max, status.mode, status.position), (0, "ended", 4))
        bye = fake.done(ping.request, 0, 4)
        self.assertEqual(bye, [control.Bye()])
        self.assertTrue(fake.reader.finished)

    def test_a_request_that_is_not_understood_is_not_repeated(self) -> None:
        fake = Fake()
        fake.hear(control.Error("bad-request", "no such role"))
        self.assertIsInstance(fake.reader.failure, Refused)

    def test_patience_at_the_end_is_short(self) -> None:
        fake = Fake(start=0)
        fake.live_at(0)
        fake.reader.leave(fake.now, 1.0)
        fake.step()
        self.assertEqual(fake.step(1.0), [control.Bye()])


class AtRandom(unittest.TestCase):
    """Reader against Server and Retention, over links that lose, hold up and break."""

    def run_one(self, seed: int) -> Oracle:
        rng = random.Random(seed)
        produced = b"".join(
            rng.choice((b"\n", b"a\n", b"\0\r\n", b"x" * rng.randrange(3000) + b"\n"))
            for _ in range(rng.randrange(1, 600))
        ) + rng.choice((b"", b"no newline"))
        records = rng.choice(("lines", "nul", "raw"))
        kept = Retention(records, rng.choice((1 << 10, 16 << 10, 1 << 30)))
        server = Server("s", SESSION, records, kept, codec="none", most_members=9, heartbeat_ms=500,
                        clock=lambda: 0)  # fmt: skip
        reader = Reader(
            Options(id="ab", start=0, give_up=0.0, queue_bytes=rng.choice((2 << 20, 8000))), 0.0, rng.random
        )
        cutter, oracle = Cutter(records), Oracle(produced)
        data_link: Deque[Tuple[h.Header, bytes]] = deque()
        control_link: Deque[List[bytes]] = deque()
        queue: Deque[Item] = deque()
        now, written, connection = 0.0, 0, b"c0"
        listening = live = False
        loss = rng.choice((0.0, 0.0, 0.05, 0.5))
        ended = False

        def publish(raw: bytes, payload: bytes) -> None:
            header = h.parse_header(raw)
            heard = live if header.kind == h.DATA else listening
            if heard and rng.random() >= loss:
                data_link.append((header, payload))

        for turn in range(200000):
            now += rng.choice((0.0, 0.001, 0.01, 0.05))
            if written < len(produced) and rng.random() < 0.5:
                size = rng.choice((1, 100, 5000))
                for piece in cutter.cut(produced[written : written + size]):
                    first, payload = kept.append(piece, 0).frames(SESSION, b"", False)
                    publish(first[1:], payload)
                written += size
            elif written >= len(produced) and not ended:
                ended = True
                for piece in cutter.rest():
                    kept.append(piece, 0)
                server.ended = (kept.head, h.build_header(h.END, SESSION, kept.head))
            if rng.random() < 0.1:
                publish(server.ended[1] if server.ended else h.build_header(h.HEAD, SESSION, kept.head), b"")
            for _, frames, member in server.next_answers():
                control_link.append(frames)
                server.sent(member, frames)
            for _, frames in server.answers:
                control_link.append(frames)
            server.answers.clear()
            for _ in range(rng.randrange(4)):
                if data_link and rng.random() < 0.8:
                    header, payload = data_link.popleft()
                    reader.on_block(header, payload, now, True)
            for _ in range(rng.randrange(4)):
                if control_link:
                    frames = control_link.popleft()
                    if len(frames) == 1:
                        reader.on_control(frames[0], now)
                    elif rng.random() < loss / 4:
                        reader.on_bad_message("checksum", now)
                    else:
                        reader.on_block(h.parse_header(frames[0], 1), frames[1], now, False)
            if queue and rng.random() < 0.4:
                item = queue.popleft()
                oracle.take(item)
                reader.on_taken(item)
            reader.tick(now)
            queue.extend(reader.items)
            reader.items.clear()
            for action in reader.actions:
                if isinstance(action, Listen):
                    listening, live = True, False
                elif isinstance(action, Live):
                    live = action.on
                elif isinstance(action, Remake):
                    listening = live = False
                    data_link.clear()
                    control_link.clear()
                    server.connection_lost(connection)
                    connection = b"c%d" % turn
                elif rng.random() >= loss / 10:
                    server.on_request(connection, control.encode(action), "", "", now)
            reader.actions.clear()
            if rng.random() < 0.001:
                server.connection_lost(connection)  # answers on the way are lost
                control_link.clear()
            if reader.finished:
                break
        self.assertIsNone(reader.failure, seed)
        oracle.take_all(queue)
        self.assertIsNotNone(oracle.end, f"seed {seed}: no end")
        self.assertEqual(oracle.delivered + oracle.lost, len(produced))
        return oracle

    def test_every_byte_is_delivered_or_reported_lost(self) -> None:
        lost = sum(self.run_one(seed).lost for seed in range(150))
        self.assertGreater(lost, 0)  # else this has tested nothing


if __name__ == "__main__":
    unittest.main()
