"""The small parts: retention, cutting, records, cursors, endpoints."""

from __future__ import annotations

import argparse
import os
import random
import tempfile
import unittest

from pipedup import Block, cursor, net
from pipedup import header as h
from pipedup.cli import duration, printable, size
from pipedup.records import Splitter
from pipedup.retention import BLOCK_BYTES, Cutter, Retention


class Retaining(unittest.TestCase):
    def filled(self, rng: random.Random, most: int, records: str = "lines") -> "tuple[Retention, bytes]":
        kept, data, cutter = Retention(records, most), b"", Cutter(records)
        for number in range(rng.randrange(300)):
            piece = rng.choice((b"\n", b"ab\n", b"x" * 70000, b"0123456789" * rng.randrange(50) + b"\n"))
            for block in cutter.cut(piece):
                kept.append(block, number)
                data += block
        return kept, data

    def test_any_range_is_read_with_the_right_header(self) -> None:
        for seed in range(20):
            rng = random.Random(seed)
            kept, data = self.filled(rng, rng.choice((1000, 100000, 1 << 30)))
            self.assertEqual(kept.head, len(data))
            for _ in range(50):
                position, most = rng.randrange(len(data) + 10), rng.choice((1, 100, 1 << 20))
                block = kept.read(position, most)
                if not kept.tail <= position < kept.head:
                    self.assertIsNone(block)
                    continue
                assert block is not None
                part = data[position : block.end]
                self.assertEqual((block.position, block.data), (position, part))
                self.assertTrue(0 < len(part) <= min(most, BLOCK_BYTES))
                self.assertEqual(block.records, part.count(b"\n"))
                self.assertEqual(block.records_before, data[:position].count(b"\n"))
                begins = position == 0 or data[position - 1 : position] == b"\n"
                self.assertEqual(block.flags, begins | 2 * part.endswith(b"\n"))

    def test_the_last_records_are_found(self) -> None:
        for seed in range(20):
            rng = random.Random(seed)
            kept, data = self.filled(rng, rng.choice((1000, 100000, 1 << 30)))
            ends = [at + 1 for at in range(len(data)) if data[at] == 10]
            for count in (0, 1, 2, 10, len(ends), len(ends) + 1, 1 << 64):
                want = ([0] + ends)[-count - 1] if count <= len(ends) else 0
                self.assertEqual(kept.last(count), max(want, kept.tail), (seed, count))

    def test_since_finds_the_first_block_that_late(self) -> None:
        kept = Retention("lines", 1 << 20)
        for time in (10, 20, 20, 15, 30):  # the clock was set back once
            kept.append(b"x\n", time)
        self.assertEqual([kept.since(t) for t in (0, 10, 11, 20, 21, 30, 31)], [0, 0, 2, 2, 8, 8, 10])

    def test_no_more_is_kept_than_was_told_and_a_block(self) -> None:
        kept = Retention("raw", 1000)
        for _ in range(1000):
            kept.append(b"x" * 100, 0)
        self.assertEqual(kept.head - kept.tail, 1000)
        self.assertLess(len(kept._blocks), 200)


class Cutting(unittest.TestCase):
    def test_no_byte_is_changed_and_records_are_kept_together(self) -> None:
        for seed in range(15):
            rng = random.Random(seed)
            for records, delimiter in (("lines", b"\n"), ("nul", b"\0"), ("raw", b"")):
                cutter, put, got = Cutter(records), b"", []
                for _ in range(rng.randrange(20)):
                    piece = rng.choice((b"a\n", b"b\0c", b"d" * 300000, b"e" * 999 + b"\n", b"\n" * 600000))
                    put += piece
                    got += cutter.cut(piece)
                held = cutter.holds
                got += cutter.rest()
                self.assertEqual(b"".join(got), put)
                for block in got[:-1] if held else got:
                    self.assertTrue(0 < len(block) <= BLOCK_BYTES)
                    self.assertTrue(len(block) >= 64 << 10 or block.endswith(delimiter))

    def test_records_are_cut_anywhere_and_put_together(self) -> None:
        for seed in range(200):
            rng = random.Random(seed)
            data = b"".join(rng.choice((b"\n", b"\r", b"\r\n", b"\0", b"abc", b"d" * 50)) for _ in range(99))
            for records, delimiter in (("lines", b"\n"), ("nul", b"\0")):
                splitter, got, at = Splitter(records, 1 << 20), [], 0
                while at < len(data):
                    end = min(at + rng.randrange(1, 60), len(data))
                    got += splitter.records(Block(1, at, end, data[at:end], 0))
                    at = end
                got += splitter.rest()
                want = [each + delimiter for each in data.split(delimiter)]
                want[-1] = want[-1][:-1]
                self.assertEqual(got, [each for each in want if each])

    def test_a_record_without_end_is_bounded(self) -> None:
        splitter = Splitter("lines", 1000)
        got = [splitter.records(Block(1, 0, 400, b"x" * 400, 0)) for _ in range(6)]
        self.assertEqual([len(each[0]) if each else 0 for each in got], [0, 0, 1200, 0, 0, 1200])


class Cursors(unittest.TestCase):
    def test_what_is_saved_is_loaded(self) -> None:
        with tempfile.TemporaryDirectory() as place:
            path = os.path.join(place, "c")
            self.assertIsNone(cursor.load(path))
            for ended in (False, True):
                saved = cursor.Cursor(0xA5, (1 << 64) - 1, "web.1", ended, "ab12")
                cursor.save(path, saved, safe=ended)
                self.assertEqual(cursor.load(path), saved)
            self.assertEqual(os.listdir(place), ["c"])

    def test_a_damaged_one_is_said(self) -> None:
        with tempfile.TemporaryDirectory() as place:
            path = os.path.join(place, "c")
            good = "pipedup cursor 1\n00000000000000a5 10 s\n"
            for bad in ("", "x", good[:-1], good + "x", good.replace("10", "1" * 20 + "0"), good.replace("a5", "00")):
                with open(path, "w") as file:
                    file.write(bad)
                with self.assertRaises(ValueError):
                    cursor.load(path)


class Words(unittest.TestCase):
    def test_endpoints(self) -> None:
        for given, data, control in (
            ("tcp://h:1", "tcp://h:1", "tcp://h:2"), ("h", "tcp://h:5590", "tcp://h:5591"),
            (":7", "tcp://127.0.0.1:7", "tcp://127.0.0.1:8"), ("[::1]", "tcp://[::1]:5590", "tcp://[::1]:5591"),
            ("[::1]:9", "tcp://[::1]:9", "tcp://[::1]:10"), ("ipc:///a", "ipc:///a", "ipc:///a.ctl"),
        ):  # fmt: skip
            self.assertEqual(net.full_endpoint(given), data)
            self.assertEqual(net.control_endpoint(data), control)
        for bad in ("", "tcp://", "h:65535", "h:0", "h:x", "udp://h:1", "ipc://"):
            with self.assertRaises(ValueError):
                net.full_endpoint(bad)
        local = [net.is_local(each) for each in ("tcp://127.0.0.1:1", "tcp://[::1]:1", "ipc://x", "tcp://*:1")]
        self.assertEqual(local, [True, True, True, False])

    def test_durations_and_sizes(self) -> None:
        self.assertEqual([duration(each) for each in ("250ms", "5s", "2m", "0")], [0.25, 5, 120, 0])
        self.assertEqual([size(each) for each in ("64KiB", "1MB", "7")], [65536, 1000000, 7])
        for bad in ("", "5", "5 s", "-5s", "5x"):
            with self.assertRaises(argparse.ArgumentTypeError):
                duration(bad)
        for bad in ("", "x", "5kg", "-1"):
            with self.assertRaises(argparse.ArgumentTypeError):
                size(bad)

    def test_text_of_peers_does_not_steer_a_terminal(self) -> None:
        self.assertEqual(printable("a\x1b[31m\u00e9\n"), "a\\x1b[31m\u00e9\\n")
        self.assertEqual(h.EXIT_STATUS_UNKNOWN, 2**32 - 1)


if __name__ == "__main__":
    unittest.main()
