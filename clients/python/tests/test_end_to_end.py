"""Subscriber and Publisher, each with the other and with the real programs (PIPEDUP_BIN).

Over 500 lines: one oracle for all of them, and each case is a few lines.
"""

from __future__ import annotations

import asyncio
import os
import random
import signal
import socket
import stat
import threading
import unittest
from typing import Any, List

from pipedup import (
    Block, End, Gap, Keys, Last, NewSession, Publisher, Refused, Subscriber, Unreachable, aio, cursor,
)  # fmt: skip

from .support import BIN, PATIENCE, Case, Oracle, lines

AWKWARD = b"\n\nNUL\0in\0here\r\n\r\rCR\n" + bytes(range(256)) * 9 + b"\n" + b"last without newline"
HUGE = b"h" * (5 << 20) + b"\n" + b"small\n" + b"H" * (5 << 20)


def quiet(*_: object) -> None:
    pass


class FromRealPublisher(Case):
    def setUp(self) -> None:
        super().setUp()
        self.need_programs()

    def subscriber(self, **options: Any) -> Subscriber:
        options.setdefault("start", "start")
        sub = Subscriber(self.endpoint, log=quiet, **options)
        self.addCleanup(sub.close)
        return sub

    def test_every_kind_of_stream_arrives_byte_for_byte(self) -> None:
        for records in ("lines", "nul", "raw"):
            for produced in (b"", b"\n", b"x", AWKWARD, HUGE, lines(100000)):
                with self.subTest(f"{records} {len(produced)}"):
                    pub = self.real_pub("--wait-subs", "1", "--records", records)
                    sub = self.subscriber()
                    threading.Thread(target=self.feed, args=(pub, produced), daemon=True).start()
                    oracle = Oracle(produced).take_all(sub)
                    self.assertEqual((oracle.lost, oracle.delivered), (0, len(produced)))
                    self.assertEqual(pub.status(), 0)

    def feed(self, pub: Any, produced: bytes) -> None:
        pub.write(produced)
        pub.close_stdin()

    def test_records_are_the_bytes_with_their_delimiters(self) -> None:
        pub = self.real_pub("--wait-subs", "1")
        sub = self.subscriber()
        threading.Thread(target=self.feed, args=(pub, AWKWARD + HUGE), daemon=True).start()
        records = list(sub.records())
        want = (AWKWARD + HUGE).split(b"\n")
        self.assertEqual(records, [each + b"\n" for each in want[:-1]] + [want[-1]])
        self.assertEqual(pub.status(), 0)

    def test_joining_late_from_the_start_or_with_the_last_records(self) -> None:
        produced = lines(50000)
        pub = self.real_pub()
        pub.write(produced)
        early = self.subscriber()
        oracle = Oracle(produced + b"more\n")
        while oracle.at != len(produced):
            oracle.take(early.get(PATIENCE))  # type: ignore[arg-type]
        late, last, at = self.subscriber(), self.subscriber(start=Last(3)), self.subscriber(start=10)
        found: List[List[Any]] = []
        for sub in (late, last, at):
            found.append([next(sub)])
        pub.write(b"more\n")
        pub.close_stdin()
        for sub, items in zip((late, last, at), found):
            items.extend(sub)
        oracle.take_all(early)
        self.assertEqual(Oracle(produced + b"more\n").take_all(found[0]).lost, 0)
        tail = b"".join(bytes(each) for each in found[1] if isinstance(each, Block))
        self.assertEqual(tail, lines(3, 49997) + b"more\n")
        self.assertEqual(found[2][0].position, 10)
        Oracle(produced + b"more\n").take_all(found[2])
        self.assertEqual(pub.status(), 0)

    def test_now_begins_at_a_record(self) -> None:
        pub = self.real_pub()
        pub.write(b"before\nunfinished")
        first = self.subscriber()
        while first.position != 17:
            first.get(PATIENCE)
        sub = self.subscriber(start="now")
        begin = sub.get(PATIENCE)
        assert isinstance(begin, NewSession)
        self.assertEqual(begin.position, 7)
        pub.write(b" and finished\n")
        pub.close_stdin()
        self.assertEqual(list(sub.records()), [b"unfinished and finished\n"])

    def test_a_slow_reader_is_told_exactly_what_it_lost(self) -> None:
        produced = lines(1000000)  # 20 MB, of which 1 MiB is kept
        pub = self.real_pub("--retain", "1MiB", "--wait-subs", "1")
        sub = self.subscriber(queue_bytes=2 << 20)
        oracle = Oracle(produced)
        feeder = threading.Thread(target=self.feed, args=(pub, produced), daemon=True)
        feeder.start()
        oracle.take(sub.get(PATIENCE))  # type: ignore[arg-type]
        feeder.join(PATIENCE)  # all was published while we took nothing
        self.assertFalse(feeder.is_alive())
        oracle.take_all(sub)
        self.assertGreater(oracle.lost, 0)
        self.assertEqual(oracle.lost, sub.lost_bytes)
        self.assertEqual(oracle.lost + oracle.delivered, len(produced))

    def test_a_slow_reader_stays_a_member_and_loses_nothing_that_is_kept(self) -> None:
        produced = os.urandom(24 << 20)
        pub = self.real_pub("--wait-subs", "1", "--records", "raw")
        sub = self.subscriber(queue_bytes=2 << 20)
        feeder = threading.Thread(target=self.feed, args=(pub, produced), daemon=True)
        feeder.start()
        oracle = Oracle(produced)
        oracle.take(sub.get(PATIENCE))  # type: ignore[arg-type]
        feeder.join(PATIENCE)
        queued = sum(len(each) for each in list(sub._items) if isinstance(each, Block))
        self.assertLess(queued, 5 << 20)
        oracle.take_all(sub)
        self.assertEqual(oracle.lost, 0)
        self.assertEqual(pub.status(), 0)

    def test_a_publisher_that_is_stopped_for_longer_than_dead_after_is_waited_for(self) -> None:
        pub = self.real_pub("--wait-subs", "1")
        said: List[str] = []
        sub = Subscriber(self.endpoint, start="start", dead_after=0.5, log=lambda e, m: said.append(e))
        self.addCleanup(sub.close)
        pub.write(b"one\n")
        while sub.position != 4:
            sub.get(PATIENCE)
        pub.signal(signal.SIGSTOP)
        self.until(lambda: "waiting" in said)
        pub.signal(signal.SIGCONT)
        pub.write(b"two\n")
        pub.close_stdin()
        self.assertEqual(list(sub.records()), [b"two\n"])
        self.assertEqual(pub.status(), 0)

    def test_follow_goes_through_a_kill_and_a_restart_with_a_journal(self) -> None:
        produced = lines(20000)
        journal = os.path.join(self.place, "journal")
        sub = self.subscriber(follow=True, dead_after=0.5)
        oracle = Oracle(produced)
        done = 0
        for turn in range(4):
            pub = self.real_pub("--journal", journal)
            part = produced[len(produced) * turn // 4 : len(produced) * (turn + 1) // 4]
            pub.write(part)
            done += len(part)
            while oracle.at != done:
                item = sub.get(PATIENCE)
                assert item is not None
                if not isinstance(item, End):
                    oracle.take(item)
            pub.signal(signal.SIGKILL)
            pub.status()
        self.assertEqual(oracle.lost, 0)

    def test_follow_goes_on_with_the_next_session_and_reports_the_rest_of_the_old(self) -> None:
        sub = self.subscriber(follow=True, dead_after=0.5)
        for turn in range(3):
            pub = self.real_pub()
            pub.write(b"turn %d\n" % turn)
            begin = sub.get(PATIENCE)
            while not isinstance(begin, NewSession):
                begin = sub.get(PATIENCE)
            block = sub.get(PATIENCE)
            self.assertEqual(bytes(block), b"turn %d\n" % turn)  # type: ignore[arg-type]
            pub.signal(signal.SIGKILL)
            pub.status()

    def test_a_publisher_that_is_killed_is_no_end(self) -> None:
        pub = self.real_pub()
        pub.write(b"one\n")
        sub = self.subscriber(give_up=1.0, dead_after=0.5)
        while sub.position != 4:
            sub.get(PATIENCE)
        pub.signal(signal.SIGKILL)
        pub.status()
        with self.assertRaises(Unreachable):
            sub.get(PATIENCE)

    def test_a_wrong_stream_is_refused(self) -> None:
        pub = self.real_pub("-s", "right")
        sub = self.subscriber(stream="wrong")
        with self.assertRaises(Refused) as caught:
            sub.get(PATIENCE)
        self.assertEqual(caught.exception.code, "stream")
        pub.close_stdin()

    def test_a_cursor_goes_on_at_the_very_byte(self) -> None:
        produced = lines(30000)
        path = os.path.join(self.place, "cursor")
        pub = self.real_pub()
        pub.write(produced)
        got: List[bytes] = []
        size = 0
        while size < len(produced):
            with self.subscriber(cursor=path) as sub:
                for number, record in enumerate(sub.records()):
                    assert isinstance(record, bytes)
                    got.append(record)
                    size += len(record)
                    if number == 4999 or size == len(produced):
                        sub.take()
                        break
            saved = cursor.load(path)
            assert saved is not None
        self.assertEqual(b"".join(got), produced)
        self.assertEqual(saved.position, len(produced))
        pub.close_stdin()

    def test_compressed_blocks_are_read(self) -> None:
        produced = lines(200000)
        pub = self.real_pub("--compress", "zstd", "--wait-subs", "1")
        sub = self.subscriber()
        threading.Thread(target=self.feed, args=(pub, produced), daemon=True).start()
        self.assertEqual(Oracle(produced).take_all(sub).lost, 0)

    def test_keys(self) -> None:
        server, ours = self.key_pair("server"), self.key_pair("ours")
        pub = self.real_pub(
            "--curve-secret", f"{self.place}/server.secret", "--allow-keys", f"{self.place}/ours.pub"
        )
        pub.write(b"secret\n")
        sub = self.subscriber(keys=Keys(ours.secret, server.public))
        while sub.position != 7:
            sub.get(PATIENCE)
        other = self.subscriber(keys=Keys(self.key_pair("other").secret, server.public), give_up=1.0)
        with self.assertRaises(Unreachable):
            other.get(PATIENCE)
        pub.close_stdin()
        self.assertIsInstance(list(sub)[-1], End)

    def key_pair(self, name: str) -> Keys:
        from pipedup import net

        made = self.program(os.path.join(BIN, "pipedup-keygen"), "-o", os.path.join(self.place, name))
        self.assertEqual(made.status(), 0)
        return Keys(net.read_key(f"{self.place}/{name}.secret", secret=True))

    def test_through_a_relay_that_is_killed_and_started_again(self) -> None:
        produced = lines(30000)
        relayed = f"ipc://{self.place}/r"
        pub = self.real_pub("--wait-subs", "1")
        relay = self.program(os.path.join(BIN, "pipedup-relay"), "--from", self.endpoint, "-b", relayed)
        sub = Subscriber(relayed, start=0, dead_after=0.5, follow=True, log=quiet)
        self.addCleanup(sub.close)
        oracle = Oracle(produced)
        half = len(produced) // 2
        pub.write(produced[:half])
        while oracle.at != half:
            oracle.take(sub.get(PATIENCE))  # type: ignore[arg-type]
        relay.signal(signal.SIGKILL)
        relay.status()
        pub.write(produced[half:])
        pub.close_stdin()
        relay = self.program(os.path.join(BIN, "pipedup-relay"), "--from", self.endpoint, "-b", relayed)
        while oracle.end is None:
            oracle.take(sub.get(PATIENCE))  # type: ignore[arg-type]
        self.assertEqual(oracle.lost, 0)
        sub.close()

    def test_a_relay_passes_a_publisher_of_ours_on(self) -> None:
        relayed = f"ipc://{self.place}/r"
        with Publisher("demo", self.endpoint, log=quiet) as ours:
            relay = self.program(os.path.join(BIN, "pipedup-relay"), "--from", self.endpoint, "-b", relayed)
            sub = Subscriber(relayed, log=quiet, start=0)
            self.addCleanup(sub.close)
            next(sub)
            ours.write(HUGE)
        oracle = Oracle(HUGE)
        oracle.at = 0
        self.assertEqual(oracle.take_all(sub).delivered, len(HUGE))
        self.assertEqual(relay.status(), 0)

    def test_asyncio(self) -> None:
        produced = lines(50000)
        pub = self.real_pub("--wait-subs", "1")

        async def read() -> None:
            async with aio.Subscriber(self.endpoint, start="start", log=quiet) as sub:
                threading.Thread(target=self.feed, args=(pub, produced), daemon=True).start()
                got = [record async for record in sub.records()]
            self.assertEqual(b"".join(got), produced)  # type: ignore[arg-type]

        asyncio.run(asyncio.wait_for(read(), PATIENCE))
        self.assertEqual(pub.status(), 0)

    def test_the_program_writes_the_stream_and_says_what_happens(self) -> None:
        pub = self.real_pub("--wait-subs", "1")
        sub = self.shim("sub", self.endpoint, "--from", "start")
        self.feed(pub, AWKWARD)
        self.assertEqual(sub.status(), 0)
        self.assertEqual(sub.out, AWKWARD)
        self.assertTrue(any('"event": "begin"' in line for line in sub.err))
        self.assertTrue(any('"event": "end"' in line for line in sub.err))

    def test_the_program_stops_after_a_count_and_goes_on_with_its_cursor(self) -> None:
        pub = self.real_pub()
        pub.write(lines(100))
        out, path = b"", os.path.join(self.place, "cursor")
        for _ in range(10):
            sub = self.shim("sub", self.endpoint, "--from", "start", "--count", "10", "--cursor", path)
            self.assertEqual(sub.status(), 0)
            out += sub.out
        self.assertEqual(out, lines(100))
        pub.close_stdin()

    def test_the_program_is_killed_and_repeats_at_most_one_write(self) -> None:
        produced = lines(200000)
        path = os.path.join(self.place, "cursor")
        pub = self.real_pub()
        pub.write(produced)
        got = 0
        while got < len(produced):
            sub = self.shim("sub", self.endpoint, "--from", "start", "--cursor", path)
            sub.wait_for(lambda sub: len(sub.out) > 500000 or b"%d of" % 199999 in sub.out[-40:])
            sub.signal(signal.SIGKILL)
            sub.status()
            begin = produced.index(sub.out[: sub.out.index(b"\n", 100)])
            self.assertLessEqual(begin, got)
            self.assertGreaterEqual(begin, got - (64 << 10))
            self.assertTrue(produced.startswith(sub.out, begin))
            got = begin + len(sub.out)
        pub.close_stdin()

    def test_the_program_leaves_when_its_reader_has(self) -> None:
        pub = self.real_pub()
        reading, writing = os.pipe()
        sub = self.shim("sub", self.endpoint, "--from", "start", stdout=writing)
        os.close(writing)
        pub.write(b"one\n")
        self.assertEqual(os.read(reading, 10), b"one\n")
        os.close(reading)
        self.assertEqual(sub.status(), 141)
        pub.close_stdin()

    def test_statuses_of_the_program(self) -> None:
        pub = self.real_pub("-s", "one")
        self.assertEqual(self.shim("sub", self.endpoint, "-s", "two").status(), 5)
        self.assertEqual(self.shim("sub", self.endpoint, "--timeout", "300ms").status(), 124)
        self.assertEqual(self.shim("sub", f"{self.endpoint}x", "--give-up", "300ms").status(), 4)
        self.assertEqual(self.shim("sub", "--from", "yesterday").status(), 2)
        stopped = self.shim("sub", self.endpoint)
        stopped.says('"begin"')
        stopped.signal(signal.SIGTERM)
        self.assertEqual(stopped.status(), 128 + signal.SIGTERM)
        pub.close_stdin()


class ToRealSubscriber(Case):
    def publisher(self, **options: Any) -> Publisher:
        pub = Publisher("demo", self.endpoint, log=quiet, **options)
        self.addCleanup(pub.abort)
        return pub

    def test_every_kind_of_stream_arrives_byte_for_byte(self) -> None:
        for records in ("lines", "nul", "raw"):
            for produced in (b"", b"\n", b"x", AWKWARD, HUGE, lines(100000)):
                with self.subTest(f"{records} {len(produced)}"):
                    with self.publisher(records=records) as pub:
                        sub = self.real_sub("--from", "start")
                        self.assertTrue(pub.wait_for_subscribers(1, PATIENCE))
                        pub.write(produced)
                    self.assertEqual(pub.unconfirmed, [])
                    self.assertEqual((sub.status(), sub.err), (0, []))
                    self.assertTrue(sub.out == produced)

    def test_joining_late(self) -> None:
        with self.publisher() as pub:
            pub.write(lines(50000))
            self.until(lambda: pub.head == len(lines(50000)))
            subs = [
                self.real_sub("--from", "start"), self.real_sub("--last", "3"), self.real_sub("--from", "-1h"),
                self.real_sub(),
            ]  # fmt: skip
            self.assertTrue(pub.wait_for_subscribers(4, PATIENCE))
            pub.write(b"more\n")
        self.assertEqual([sub.status() for sub in subs], [0] * 4)
        self.assertEqual(subs[0].out, lines(50000) + b"more\n")
        self.assertEqual(subs[1].out, lines(3, 49997) + b"more\n")
        self.assertEqual(subs[2].out, lines(50000) + b"more\n")
        self.assertEqual(subs[3].out, b"more\n")

    def test_what_retention_has_passed_is_a_gap(self) -> None:
        produced = lines(100000)
        with self.publisher(retain_bytes=64 << 10) as pub:
            pub.write(produced)
            self.until(lambda: pub.head == len(produced))
            sub = self.real_sub("--from", "0")
            self.assertTrue(pub.wait_for_subscribers(1, PATIENCE))
        self.assertEqual(sub.status(), 3)
        self.assertTrue(produced.endswith(sub.out) and len(sub.out) >= 64 << 10)

    def test_a_stopped_subscriber_does_not_hold_the_program_and_catches_up(self) -> None:
        produced = lines(1000000)
        pub = self.publisher()
        sub = self.real_sub("--from", "start")
        self.assertTrue(pub.wait_for_subscribers(1, PATIENCE))
        sub.signal(signal.SIGSTOP)
        for at in range(0, len(produced), 1 << 20):
            pub.write(produced[at : at + (1 << 20)])
        self.until(lambda: pub.head == len(produced))
        sub.signal(signal.SIGCONT)
        self.assertTrue(pub.close(0, PATIENCE))
        self.assertEqual(sub.status(), 0)
        self.assertTrue(sub.out == produced)

    def test_one_that_does_not_confirm_the_end_is_named(self) -> None:
        pub = self.publisher()
        sub = self.real_sub("--from", "start", "--name", "sleepy")
        self.assertTrue(pub.wait_for_subscribers(1, PATIENCE))
        sub.signal(signal.SIGSTOP)
        pub.write(b"x\n")
        self.assertFalse(pub.close(0, 0.3))
        self.assertEqual(pub.unconfirmed, ["'sleepy'"])

    def test_compressed(self) -> None:
        produced = lines(200000)
        with self.publisher(compress=1) as pub:
            early = self.real_sub("--from", "start")
            self.assertTrue(pub.wait_for_subscribers(1, PATIENCE))
            pub.write(produced)
            self.until(lambda: pub.head == len(produced))
            late = self.real_sub("--from", "start")
            self.assertTrue(pub.wait_for_subscribers(2, PATIENCE))
        for sub in (early, late):
            self.assertEqual(sub.status(), 0)
            self.assertTrue(sub.out == produced)

    def test_keys_and_one_that_is_removed(self) -> None:
        from pipedup import net
        from pipedup.zap import read_allowed

        self.need_programs()
        for name in ("server", "a", "b"):
            path = os.path.join(self.place, name)
            self.assertEqual(self.program(os.path.join(BIN, "pipedup-keygen"), "-o", path).status(), 0)
        place = self.place
        allowed = {**read_allowed(f"{place}/a.pub"), **read_allowed(f"{place}/b.pub")}
        keys = Keys(net.read_key(f"{place}/server.secret", secret=True))
        pub = self.publisher(keys=keys, allowed=allowed)
        subs = [
            self.real_sub("--from", "start", "--server-key", f"{place}/server.pub",
                          "--curve-secret", f"{place}/{name}.secret", "--give-up", "3s")
            for name in ("a", "b")
        ]  # fmt: skip
        self.assertTrue(pub.wait_for_subscribers(2, PATIENCE))
        pub.write(b"for both\n")
        for sub in subs:
            sub.wait_for(lambda sub: sub.out == b"for both\n")
        pub.allow(read_allowed(f"{place}/a.pub"))
        self.until(lambda: pub.subscribers == 1)
        pub.write(b"for one\n")
        subs[0].wait_for(lambda sub: sub.out == b"for both\nfor one\n")
        self.assertTrue(pub.close(0, PATIENCE))
        self.assertEqual([sub.status() for sub in subs], [0, 4])
        self.assertEqual(subs[1].out, b"for both\n")

    def test_top_understands_the_statistics(self) -> None:
        pub = self.publisher()
        self.real_sub("--name", "me")
        self.assertTrue(pub.wait_for_subscribers(1, PATIENCE))
        top = self.program(os.path.join(BIN, "pipedup-top"), "--once", "--json", self.endpoint)
        self.assertEqual(top.status(), 0)
        self.assertIn(b'"me"', top.out)

    def test_a_kill_of_the_program_and_a_new_one_are_followed(self) -> None:
        sub = self.real_sub("-F", "--from", "start", "--dead-after", "500ms")
        for turn in range(3):
            pub = self.shim("pub", "-b", self.endpoint)
            pub.says("listening")
            pub.write(b"turn %d\n" % turn)
            want = b"".join(b"turn %d\n" % each for each in range(turn + 1))
            sub.wait_for(lambda sub: sub.out == want)
            pub.signal(signal.SIGKILL)
            pub.status()

    def test_the_program_publishes_and_waits(self) -> None:
        pub = self.shim("pub", "-b", self.endpoint, "--wait-subs", "2")
        pub.says("listening")
        subs = [self.real_sub("--from", "start"), self.shim("sub", self.endpoint, "--from", "start")]
        pub.write(AWKWARD)
        pub.close_stdin()
        self.assertEqual([pub.status(), subs[0].status(), subs[1].status()], [0, 0, 0])
        self.assertEqual([sub.out for sub in subs], [AWKWARD, AWKWARD])


class WithEachOther(Case):
    """Needs no other program."""

    def publisher(self, **options: Any) -> Publisher:
        pub = Publisher("demo", self.endpoint, log=quiet, **options)
        self.addCleanup(pub.abort)
        return pub

    def subscriber(self, **options: Any) -> Subscriber:
        sub = Subscriber(self.endpoint, log=quiet, **options)
        self.addCleanup(sub.close)
        return sub

    def test_the_equation(self) -> None:
        for seed in range(5):
            rng = random.Random(seed)
            produced = lines(rng.randrange(200000)) + rng.choice((b"", b"open"))
            with self.subTest(seed), self.publisher(retain_bytes=rng.choice((1 << 20, 64 << 20))) as pub:
                sub = self.subscriber(start=0, queue_bytes=2 << 20)
                oracle = Oracle(produced)
                reader = threading.Thread(target=oracle.take_all, args=(sub,), daemon=True)
                reader.start()
                self.assertTrue(pub.wait_for_subscribers(1, PATIENCE))
                at = 0
                while at < len(produced):
                    size = rng.choice((1, 1000, 300000))
                    pub.write(produced[at : at + size])
                    at += size
                self.assertTrue(pub.close(0, PATIENCE))
                reader.join(PATIENCE)
                self.assertIsNotNone(oracle.end)
                self.assertEqual(oracle.lost + oracle.delivered, len(produced))

    def test_the_exit_status_comes_with_the_end(self) -> None:
        for status in (0, 3, None):
            pub = self.publisher()
            sub = self.subscriber()
            self.assertTrue(pub.wait_for_subscribers(1, PATIENCE))
            closer = threading.Thread(target=pub.close, args=(status,))
            closer.start()
            end = list(sub)[-1]
            assert isinstance(end, End)
            self.assertEqual(end.exit_status, status)
            closer.join(PATIENCE)

    def test_one_that_is_busy_between_two_items_stays_a_member(self) -> None:
        pub = self.publisher()
        sub = self.subscriber(start=0)
        next(sub)
        server = pub._server
        self.assertTrue(pub.wait_for_subscribers(1, PATIENCE))
        heard = {next(iter(server.members.values())).heard}
        self.until(lambda: heard.add(next(iter(server.members.values())).heard) or len(heard) > 2)

    def test_close_ends_an_iteration_in_another_thread(self) -> None:
        self.publisher()
        sub = self.subscriber(start=0)
        next(sub)
        reader = threading.Thread(target=list, args=(sub,))
        reader.start()
        sub.close()
        reader.join(PATIENCE)
        self.assertFalse(reader.is_alive())

    def test_one_who_cannot_read_the_blocks_or_has_no_room_is_refused(self) -> None:
        from pipedup import compression
        from unittest import mock

        self.publisher(compress=1, max_subscribers=1)
        with mock.patch.object(compression, "codecs", lambda: []):
            with self.assertRaises(Refused) as caught:
                self.subscriber().get(PATIENCE)
        self.assertEqual(caught.exception.code, "codec")
        self.subscriber().get(PATIENCE)
        with self.assertRaises(Refused) as caught:
            self.subscriber().get(PATIENCE)
        self.assertEqual(caught.exception.code, "full")

    def test_other_protocols_are_sent_nothing(self) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        pub = Publisher("demo", f"tcp://127.0.0.1:{port}", log=quiet)
        self.addCleanup(pub.abort)
        with socket.create_connection(("127.0.0.1", port), PATIENCE) as http:
            http.sendall(b"GET / HTTP/1.0\r\n\r\n\x01\x00demo")
            for _ in range(50):
                pub.write(b"for your eyes only\n")
            http.settimeout(PATIENCE)
            heard = b""
            while True:
                try:
                    piece = http.recv(4096)
                except ConnectionError:
                    break
                if not piece:
                    break
                heard += piece
            self.assertNotIn(b"eyes", heard)

    def test_nothing_is_bound_beyond_this_machine_without_keys(self) -> None:
        with self.assertRaises(ValueError):
            Publisher("demo", "tcp://*:5590")

    def test_asyncio_in_both_directions(self) -> None:
        async def both() -> None:
            async with aio.Publisher("demo", self.endpoint, log=quiet) as pub:
                async with aio.Subscriber(self.endpoint, log=quiet) as sub:
                    assert await pub.wait_for_subscribers(1, PATIENCE)

                    async def write() -> None:
                        for number in range(1000):
                            await pub.write(b"%d\n" % number)
                        await pub.close()

                    writing = asyncio.ensure_future(write())
                    kinds = [type(item) async for item in sub]
                    await writing
            assert kinds[0] is NewSession and kinds[-1] is End, kinds

        asyncio.run(asyncio.wait_for(both(), PATIENCE))

    def test_a_secret_that_others_can_read_is_refused(self) -> None:
        path = os.path.join(self.place, "secret")
        with open(path, "w") as file:
            file.write("# a key\n" + "0" * 40 + "\n")
        os.chmod(path, stat.S_IRUSR | stat.S_IWUSR | stat.S_IRGRP)
        failed = self.shim("sub", self.endpoint, "--curve-secret", path, "--server-key", path)
        self.assertEqual(failed.status(), 1)


if __name__ == "__main__":
    unittest.main()
