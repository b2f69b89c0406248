"""What counts as taken: for a cursor, whatever way a loop is left."""

from __future__ import annotations

import asyncio
import os
import threading
import unittest
from typing import Any, List
from unittest import mock

from pipedup import (
    Block, End, Gap, Item, Last, NewSession, Publisher, Refused, Since, Subscriber, aio, cursor, publisher,
)  # fmt: skip
from pipedup.records import Steps

from .support import PATIENCE, Case, lines

PRODUCED = lines(1000)
RECORDS = PRODUCED.splitlines(True)


def quiet(*_: object) -> None:
    pass


class Failed(Exception):
    """Of a consumer."""


class WithACursor(Case):
    def setUp(self) -> None:
        super().setUp()
        self.path = os.path.join(self.place, "cursor")
        self.pub = Publisher("demo", self.endpoint, log=quiet)
        self.addCleanup(self.pub.abort)
        self.pub.write(PRODUCED)
        self.until(lambda: self.pub.head == len(PRODUCED))

    def subscriber(self, **options: Any) -> Subscriber:
        sub = Subscriber(self.endpoint, start=0, cursor=self.path, log=quiet, **options)
        self.addCleanup(sub.close)
        return sub

    def saved(self) -> int:
        found = cursor.load(self.path)
        assert found is not None
        return found.position

    def behind(self, count: int) -> int:
        return sum(map(len, RECORDS[:count]))

    def next_record(self) -> Any:
        with self.subscriber() as sub:
            return next(sub.records())

    def test_records_kept_in_a_variable_are_not_lost_by_close(self) -> None:
        sub = self.subscriber()
        records = sub.records()
        self.assertEqual([next(records) for _ in range(3)], RECORDS[:3])
        sub.close()
        self.assertEqual(self.saved(), self.behind(2))
        self.assertEqual(sub.position, self.behind(3))
        self.assertEqual(self.next_record(), RECORDS[2])

    def test_the_same_with_asyncio(self) -> None:
        async def read() -> None:
            sub = aio.Subscriber(self.endpoint, start=0, cursor=self.path, log=quiet)
            records = sub.records()
            async for record in records:
                if record == RECORDS[2]:
                    break
            await sub.close()
            self.assertEqual(self.saved(), self.behind(2))
            await records.aclose()  # type: ignore[attr-defined]

        asyncio.run(asyncio.wait_for(read(), PATIENCE))
        self.assertEqual(self.next_record(), RECORDS[2])

    def test_take_says_that_the_one_in_hand_was_dealt_with(self) -> None:
        with self.subscriber() as sub:
            for record in sub.records():
                if record == RECORDS[2]:
                    sub.take()
                    break
        self.assertEqual(self.next_record(), RECORDS[3])

    def test_take_says_so_with_asyncio(self) -> None:
        async def read() -> None:
            async with aio.Subscriber(self.endpoint, start=0, cursor=self.path, log=quiet) as sub:
                async for record in sub.records():
                    if record == RECORDS[2]:
                        sub.take()
                        break

        asyncio.run(asyncio.wait_for(read(), PATIENCE))
        self.assertEqual(self.next_record(), RECORDS[3])

    def test_a_record_whose_consumer_fails_comes_again(self) -> None:
        with self.assertRaises(Failed), self.subscriber() as sub:
            for record in sub.records():
                if record == RECORDS[700]:
                    raise Failed
        self.assertEqual(self.next_record(), RECORDS[700])

    def test_an_item_whose_consumer_fails_comes_again(self) -> None:
        with self.assertRaises(Failed), self.subscriber() as sub:
            for item in sub:
                if isinstance(item, Block):
                    raise Failed
        self.assertEqual(self.saved(), 0)
        with self.subscriber() as sub:
            begin, block = next(sub), next(sub)
        self.assertEqual((begin.position, block.position, len(bytes(block))), (0, 0, block.end))

    def test_an_item_whose_asyncio_consumer_fails_comes_again(self) -> None:
        async def read() -> None:
            async with aio.Subscriber(self.endpoint, start=0, cursor=self.path, log=quiet) as sub:
                async for item in sub:
                    if isinstance(item, Block):
                        raise Failed

        with self.assertRaises(Failed):
            asyncio.run(asyncio.wait_for(read(), PATIENCE))
        self.assertEqual(self.saved(), 0)

    def test_an_item_before_the_one_in_hand_is_taken(self) -> None:
        with self.subscriber() as sub:
            next(sub)
            first = next(sub)
            self.pub.write(b"more\n")
            while sub.position != len(PRODUCED) + 5:
                before = sub.position
                sub.get(PATIENCE)
        self.assertGreaterEqual(before or 0, first.end)
        self.assertEqual(self.saved(), before)

    def test_save_cursor_takes_the_one_in_hand(self) -> None:
        sub = self.subscriber()
        records = sub.records()
        next(records)
        sub.save_cursor()
        self.assertEqual(self.saved(), self.behind(1))
        sub.close()
        self.assertEqual(self.saved(), self.behind(1))

    def test_the_last_bytes_without_a_delimiter_come_again_when_their_consumer_fails(self) -> None:
        self.pub.write(b"last")
        closing = threading.Thread(target=self.pub.close, daemon=True)
        with self.assertRaises(Failed), self.subscriber() as sub:
            self.assertTrue(self.pub.wait_for_subscribers(1, PATIENCE))
            closing.start()
            for record in sub.records():
                if record == b"last":
                    raise Failed
        found = cursor.load(self.path)
        assert found is not None
        self.assertEqual((found.position, found.ended), (len(PRODUCED), False))
        closing.join(PATIENCE)

    def test_one_that_was_asked_for_after_close_takes_the_one_before(self) -> None:
        sub = self.subscriber()
        next(sub)
        block = next(sub)
        sub.close()
        self.assertEqual(self.saved(), 0)
        self.assertIsNone(sub.get())
        self.assertEqual(self.saved(), block.end)

    def test_records_are_gone_on_with_where_a_loop_was_left(self) -> None:
        sub = self.subscriber()
        got: List[Any] = []
        while len(got) < 30:
            for record in sub.records():
                got.append(record)
                if len(got) % 3 == 0:
                    break
        self.assertEqual(got, RECORDS[:30])

    def test_items_after_records_begin_with_what_was_not_given(self) -> None:
        sub = self.subscriber()
        records = sub.records()
        next(records)
        got = RECORDS[0]
        while len(got) < len(PRODUCED):
            item = sub.get(PATIENCE)
            assert isinstance(item, Block)
            self.assertEqual(item.position, len(got))
            got += bytes(item)
        self.assertEqual(got, PRODUCED)


class AfterTheEnd(Case):
    def publisher(self) -> Publisher:
        pub = Publisher("demo", self.endpoint, log=quiet)
        self.addCleanup(pub.abort)
        return pub

    def test_why_it_failed_is_said_as_often_as_one_asks(self) -> None:
        self.publisher()
        sub = Subscriber(self.endpoint, "another", log=quiet)
        self.addCleanup(sub.close)
        for _ in range(3):
            with self.assertRaises(Refused):
                sub.get(PATIENCE)
        sub.close()
        with self.assertRaises(Refused):
            next(sub.records())

    def test_nothing_that_waits_is_given_after_close(self) -> None:
        pub = self.publisher()
        pub.write(PRODUCED)
        sub = Subscriber(self.endpoint, start=0, log=quiet)
        next(sub)
        self.until(lambda: sub._items)
        sub.close()
        self.assertIsNone(sub.get())
        self.assertEqual(list(sub), [])

    def test_records_of_a_block_that_was_left_are_not_given_after_close(self) -> None:
        pub = self.publisher()
        pub.write(PRODUCED)
        sub = Subscriber(self.endpoint, start=0, log=quiet)
        next(sub.records())
        sub.close()
        self.assertEqual(list(sub.records()), [])

    def test_close_ends_an_asyncio_iteration(self) -> None:
        self.publisher()

        async def read() -> None:
            sub = aio.Subscriber(self.endpoint, start=0, log=quiet)
            self.assertIsInstance(await sub.get(), NewSession)
            waiting = asyncio.ensure_future(sub.get())
            await asyncio.sleep(0)  # it waits now
            await sub.close()
            self.assertIsNone(await waiting)

        asyncio.run(asyncio.wait_for(read(), PATIENCE))


class Arguments(Case):
    def test_what_makes_no_sense_is_a_value_error(self) -> None:
        wrong: List[Any] = [
            {"start": -5}, {"start": 1.5}, {"start": True}, {"start": 1 << 64}, {"start": "yesterday"},
            {"start": Last(-1)}, {"start": Since(-1)}, {"start": Last(1.5)}, {"role": "boss"}, {"role": 7},  # type: ignore[arg-type]
            {"stream": "a b"}, {"stream": ""}, {"name": "x" * 257}, {"since_ago": -1.0},
            {"give_up": -1.0}, {"dead_after": float("nan")}, {"queue_bytes": "much"},
        ]  # fmt: skip
        for each in wrong:
            with self.subTest(each), self.assertRaises(ValueError):
                Subscriber(self.endpoint, log=quiet, **each).close()
        Subscriber(self.endpoint, log=quiet, start=(1 << 64) - 1, role="tap", name="é" * 128).close()

    def test_a_publisher_stays_open_when_close_is_told_nonsense(self) -> None:
        pub = Publisher("demo", self.endpoint, log=quiet)
        self.addCleanup(pub.abort)
        sub = Subscriber(self.endpoint, log=quiet)
        self.addCleanup(sub.close)
        self.assertTrue(pub.wait_for_subscribers(1, PATIENCE))
        for wrong in ({"exit_status": "x"}, {"linger": "x"}):
            with self.assertRaises(TypeError):
                pub.close(**wrong)  # type: ignore[arg-type]
        pub.write(b"still here\n")
        closing = threading.Thread(target=pub.close, args=(3,))
        closing.start()
        end = list(sub)[-1]
        assert isinstance(end, End)
        self.assertEqual((end.end, end.exit_status), (11, 3))
        closing.join(PATIENCE)

    def test_nothing_is_written_to_a_descriptor_that_is_closed_meanwhile(self) -> None:
        pub = Publisher("demo", self.endpoint, log=quiet)
        self.addCleanup(pub.abort)
        free: List[str] = []

        def look(what: str) -> None:
            if pub._changed.acquire(blocking=False):
                pub._changed.release()
                free.append(what)

        def watched(what: str, call: Any) -> Any:
            def instead(descriptor: int, *more: Any) -> Any:
                if descriptor == pub._wake_out:
                    other = threading.Thread(target=look, args=(what,))
                    other.start()
                    other.join()
                return call(descriptor, *more)

            return instead

        with mock.patch.object(publisher.os, "write", watched("write", os.write)):
            with mock.patch.object(publisher.os, "close", watched("close", os.close)):
                pub.write(b"x\n")
                pub.flush()
                pub.close()
        self.assertEqual(free, [])


class StepByStep(unittest.TestCase):
    def setUp(self) -> None:
        self.steps = Steps("lines", 1 << 20)

    def cut(self, item: Item) -> List[Any]:
        self.steps.cut(item)
        return list(self.steps.left)

    def block(self, position: int, data: bytes) -> Block:
        return Block(7, position, position + len(data), data, 0)

    def test_what_is_held_is_not_taken(self) -> None:
        self.assertEqual(self.cut(self.block(10, b"a\nb\nhalf")), [b"a\n", b"b\n"])
        self.assertEqual((self.steps.position, self.steps.taken[1]), (14, 12))  # type: ignore[index]
        self.assertEqual(self.steps.take()[1], 14)  # type: ignore[index]
        self.assertEqual(self.cut(self.block(18, b" more")), [])
        self.assertEqual(self.steps.take()[1], 14)  # type: ignore[index]
        self.assertEqual(self.cut(self.block(23, b"\nc\n")), [b"half more\n", b"c\n"])
        self.assertEqual((self.steps.position, self.steps.taken[1]), (26, 24))  # type: ignore[index]

    def test_a_gap_is_taken_behind_the_rest_that_it_cut_off(self) -> None:
        self.cut(self.block(0, b"a\nhalf"))
        gap = Gap(7, 6, 20, "")
        self.steps.cut(gap)
        self.assertEqual((next(self.steps.left), self.steps.position), (b"half", 6))
        self.assertIsNone(self.steps.taken)
        self.assertEqual((next(self.steps.left), self.steps.position), (gap, 20))
        self.assertEqual(self.steps.taken, (gap, 6))

    def test_what_is_left_is_an_item(self) -> None:
        self.cut(self.block(0, b"a\nha"))
        self.steps.cut(self.block(4, b"lf\nb\nc"))
        next(self.steps.left)
        left = self.steps.leave()
        assert isinstance(left, Block)
        self.assertEqual((left.position, bytes(left)), (7, b"b\nc"))
        self.steps = Steps("lines", 1 << 20)
        self.cut(self.block(0, b"half"))
        begin = NewSession("demo", 8, 0, "lines", 7)
        self.assertEqual(self.cut(begin), [b"half"])
        self.assertIs(self.steps.leave(), begin)


if __name__ == "__main__":
    unittest.main()
