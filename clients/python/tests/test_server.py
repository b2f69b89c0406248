"""The control server, without sockets."""

from __future__ import annotations

import json
import random
import unittest
from typing import Any, Dict, List

from pipedup import control
from pipedup import header as h
from pipedup.retention import Retention
from pipedup.server import Server

SESSION = 0xA5


class Fake:
    def __init__(self, records: str = "lines", most_members: int = 9, **options: Any) -> None:
        self.kept = Retention(records, 1 << 20)
        options.setdefault("codec", "none")
        self.server = Server("demo", SESSION, records, self.kept, most_members=most_members,
                             heartbeat_ms=500, clock=lambda: 7, **options)  # fmt: skip
        self.now = 0.0

    def ask(self, request: Any, connection: bytes = b"c", key: str = "") -> List[Any]:
        raw = request if isinstance(request, bytes) else control.encode(request)
        self.server.on_request(connection, raw, key, "", self.now)
        answers = [frames for _, frames in self.server.answers]
        self.server.answers.clear()
        return [control.parse_answer(frames[0]) for frames in answers]

    def hello(self, connection: bytes = b"c", id: str = "aa", key: str = "", **more: Any) -> Any:
        found = self.ask(control.Hello(1, id, **more), connection, key)
        return found[0] if found else None

    def read(self, begin: Any, most: int = 1 << 20, request: int = 1) -> List[Any]:
        """Headers of the blocks of the answer, and the done."""
        found: List[Any] = self.ask(control.Read(request, SESSION, begin, most))
        while not found or not isinstance(found[-1], (control.Done, control.Error)):
            for _, frames, member in self.server.next_answers():
                self.server.sent(member, frames)
                one = len(frames) == 1
                found.append(control.parse_answer(frames[0]) if one else h.parse_header(frames[0], 1))
        return found


class Members(unittest.TestCase):
    def test_only_members_may_read_and_tell(self) -> None:
        fake = Fake()
        for request in (control.Status(SESSION, 0, "live"), control.Read(1, SESSION, 0, 1)):
            self.assertEqual([each.code for each in fake.ask(request)], ["unknown-member"])
        self.assertIsInstance(fake.hello(), control.Welcome)
        self.assertEqual(fake.ask(control.Status(SESSION, 0, "live")), [])
        self.assertEqual(fake.ask(control.Bye()), [])
        self.assertEqual(fake.server.members, {})

    def test_one_that_is_not_heard_for_10_s_is_forgotten(self) -> None:
        fake = Fake()
        fake.hello()
        fake.now = 9.9
        fake.server.expire(fake.now)
        self.assertEqual(len(fake.server.members), 1)
        fake.now = 10.1
        fake.server.expire(fake.now)
        self.assertEqual(fake.server.members, {})

    def test_the_same_id_from_another_connection_takes_its_place(self) -> None:
        fake = Fake()
        fake.hello(b"one")
        self.assertIsInstance(fake.hello(b"two"), control.Welcome)
        self.assertEqual(len(fake.server.members), 1)
        self.assertIsNone(fake.hello(b"one"))  # held up on the way
        self.assertEqual(fake.ask(control.Status(SESSION, 0, "live"), b"one")[0].code, "unknown-member")

    def test_but_not_with_another_key(self) -> None:
        fake = Fake()
        fake.hello(b"one", key="alice")
        self.assertEqual(fake.hello(b"two", key="bob").code, "auth")
        self.assertEqual(fake.ask(control.Bye(), b"one", "bob"), [])
        self.assertEqual(len(fake.server.members), 1)

    def test_refusals(self) -> None:
        fake = Fake(most_members=1, codec="zstd")
        self.assertEqual(fake.hello(stream="dmeo").code, "stream")
        self.assertEqual(fake.hello().code, "codec")
        self.assertEqual(fake.ask(b'{"op":"hello","v":2}')[0].code, "version")
        self.assertIsInstance(fake.hello(codecs=["lz4", "zstd"]), control.Welcome)
        self.assertEqual(fake.hello(b"d", "bb", codecs=["zstd"]).code, "full")

    def test_the_end_is_waited_for_until_all_but_top_have_confirmed(self) -> None:
        fake = Fake()
        fake.hello(b"one", "aa")
        fake.hello(b"two", "bb", role="top")
        fake.server.ended = (0, h.build_header(h.END, SESSION, 0))
        self.assertEqual(len(fake.server.unconfirmed()), 1)
        fake.ask(control.Status(SESSION, 0, "ended"), b"one")
        self.assertEqual(fake.server.unconfirmed(), [])


class Ranges(unittest.TestCase):
    def filled(self) -> Fake:
        fake = Fake()
        for number in range(10):
            fake.kept.append(b"%d\n" % number * 100, number)
        fake.hello()
        return fake

    def test_a_range_from_a_position_from_the_last_and_since(self) -> None:
        fake = self.filled()
        block, done = fake.read(50)
        self.assertEqual((block.position, block.end, block.records_before, block.flags), (50, 2000, 25, 3))
        self.assertEqual((done.outcome, done.next, done.head, done.request), ("ok", 2000, 2000, 1))
        self.assertEqual(fake.read(control.Last(3))[0].position, 1994)
        self.assertEqual(fake.read(control.Since(4))[0].position, 800)
        self.assertEqual([each.next for each in fake.read(control.Last(0))], [2000])
        self.assertEqual([each.next for each in fake.read(5000)], [2000])
        self.assertEqual([each.end for each in fake.read(0, 7)[:-1]], [7])

    def test_a_ping_is_answered_at_once_also_while_ranges_wait(self) -> None:
        fake = self.filled()
        fake.ask(control.Read(1, SESSION, 0, 100))
        self.assertEqual([each.request for each in fake.ask(control.Read(2, SESSION, 0, 0))], [2])
        self.assertEqual(fake.ask(control.Read(3, 9, 0, 100))[0].outcome, "wrong-session")

    def test_four_reads_are_held_and_no_more(self) -> None:
        fake = self.filled()
        codes = [fake.ask(control.Read(number, SESSION, 0, 100)) for number in range(5)]
        self.assertEqual([len(each) for each in codes], [0, 0, 0, 0, 1])
        self.assertEqual((codes[4][0].code, codes[4][0].request), ("too-many-reads", 4))

    def test_what_retention_has_passed_is_gone(self) -> None:
        fake = self.filled()
        for _ in range(5):
            fake.kept.append(b"x" * (1 << 18), 0)
        (done,) = fake.read(0)
        self.assertEqual((done.outcome, done.tail), ("gone", fake.kept.tail))
        self.assertGreater(done.tail, 0)

    def test_the_end_comes_with_the_range_that_reaches_it(self) -> None:
        fake = self.filled()
        fake.server.ended = (2000, h.build_header(h.END, SESSION, 2000, exit_status=3))
        block, end, done = fake.read(1000)
        self.assertEqual((end.kind, end.position, end.exit_status, done.ended), (h.END, 2000, 3, True))
        self.assertEqual(len(fake.read(1000, 10)), 2)

    def test_a_raw_stream_has_no_last_records(self) -> None:
        fake = Fake("raw")
        fake.hello()
        (error,) = fake.read(control.Last(1))
        self.assertEqual((error.code, error.request), ("no-records", 1))


class Strangers(unittest.TestCase):
    def test_statistics_and_lists_need_no_membership(self) -> None:
        fake = Fake()
        fake.hello(b"one", name="me")
        (stats,) = fake.ask(control.StatsRequest(), b"two")
        self.assertEqual([(row["name"], row["mode"]) for row in stats.subscribers], [("me", "joining")])
        self.assertNotIn("aa", json.dumps(stats.subscribers))  # its id is nobody else's business
        (streams,) = fake.ask(control.ListRequest(), b"two")
        self.assertEqual(streams.streams, [{"stream": "demo", "session": SESSION, "ended": False}])
        self.assertEqual(fake.ask(control.ListRequest("demo"), b"two")[0].streams, [])
        self.assertEqual(fake.ask(control.StatsRequest("other"), b"two")[0].code, "unknown-stream")

    def test_nonsense_is_answered_with_an_error(self) -> None:
        fake = Fake()
        self.assertEqual(fake.ask(b"nonsense")[0].code, "bad-request")
        self.assertEqual(fake.ask(b'{"op":"sing"}')[0].code, "unknown-op")

    def test_a_flood_is_met_with_silence_and_members_are_not(self) -> None:
        fake = Fake()
        fake.hello(b"good")
        answers = sum(len(fake.ask(b"nonsense", b"bad")) for _ in range(20000))
        self.assertLessEqual(answers, 10000)
        self.assertEqual(len(fake.ask(control.Read(1, SESSION, 0, 0), b"good")), 1)

    def test_whatever_comes_does_no_harm(self) -> None:
        rng = random.Random(1)
        fake = Fake()
        for number in range(5000):
            message: Dict[str, Any] = {"op": rng.choice(("hello", "read", "status", "bye", "stats", "list"))}
            for name in ("v", "id", "request", "session", "from", "max", "position", "mode", "after", "role"):
                message[name] = rng.choice(
                    (1, 0, 2**64 - 1, -1, "aa", "live", "00000000000000a5", None, {"last": 2**64 - 1},
                     {"since": 0}, {"last": 1, "since": 1}, [], "sub", 4194304)
                )  # fmt: skip
            fake.now += 0.01
            fake.server.on_request(b"%d" % (number % 7), json.dumps(message).encode(), "", "", fake.now)
            for _, frames in fake.server.answers:
                control.parse_answer(frames[0])
            fake.server.answers.clear()
            for _, frames, member in list(fake.server.next_answers()):
                fake.server.sent(member, frames)


if __name__ == "__main__":
    unittest.main()
