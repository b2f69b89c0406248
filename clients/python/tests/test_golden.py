"""Every file of tests/golden, against the codec; and what it must refuse."""

import json
import pathlib
import random
import unittest

from pipedup import compression, control, header

GOLDEN = pathlib.Path(__file__).resolve().parents[3] / "tests" / "golden"
SESSION = 0x1F2E3D4C5B6A7988
ANSWERS = {
    "done", "done_gone", "done_wrong_session", "error", "let_go", "refused", "stats", "streams", "welcome",
}  # fmt: skip
FRAMES = {
    # name: topic, kind, codec, flags, position, length, records, before, exit status, payload's file
    "frame_data": (b"demo", 1, 0, 3, 1000, 14, 3, 120, 0, "payload_data"),
    "frame_unchecked": (b"demo", 1, 0, 7, 1000, 14, 3, 120, 0, "payload_data"),
    "frame_replay": (b"", 1, 0, 3, 1004, 10, 2, 121, 0, "payload_replay"),
    "frame_zstd": (b"demo", 1, 1, 3, 1014, 64, 64, 123, 0, "payload_zstd"),
    "frame_head": (b"demo", 2, 0, 0, 1078, 0, 0, 187, 0, None),
    "frame_end": (b"demo", 3, 0, 0, 1078, 0, 0, 187, 3, None),
}
BAD = {"bad_check": "check", "bad_version": "version", "bad_length": "length"}


def octets(name: str) -> bytes:
    lines = (GOLDEN / f"{name}.hex").read_text().splitlines()
    return bytes.fromhex(" ".join(line.split("#")[0] for line in lines))


class GoldenFrames(unittest.TestCase):
    def test_no_file_is_left_out(self) -> None:
        names = {path.stem for path in GOLDEN.glob("*.hex") if not path.stem.startswith("payload_")}
        self.assertEqual(names, set(FRAMES) | set(BAD))

    def test_frames_are_read_and_written_as_they_are(self) -> None:
        for name, want in FRAMES.items():
            with self.subTest(name):
                topic, kind, codec, flags, position, length, records, before, status, payload = want
                raw = octets(name)
                got_topic, got = header.split_first_frame(raw)
                self.assertEqual(got_topic, topic)
                self.assertEqual(got.session, SESSION)
                self.assertEqual(
                    (got.kind, got.codec, got.flags, got.position, got.length, got.records),
                    (kind, codec, flags, position, length, records),
                )
                self.assertEqual((got.records_before, got.exit_status), (before, status))
                body = octets(payload) if payload else b""
                header.check_payload(got, body)
                built = header.build_header(
                    kind, SESSION, position, codec=codec, flags=flags, length=length, records=records,
                    records_before=before, time=got.time, exit_status=status,
                    checksum=0 if kind != 1 or flags & 4 else header.checksum(body),
                )  # fmt: skip
                self.assertEqual(topic + b"\0" + built, raw)

    def test_the_compressed_payload_decodes(self) -> None:
        if not compression.codecs():
            self.skipTest("no zstandard")
        self.assertEqual(compression.decode(octets("payload_zstd"), 64), b"\n" * 64)
        for length in (0, 63, 65):
            with self.assertRaises(header.BadMessage):
                compression.decode(octets("payload_zstd"), length)
        for broken in (b"", octets("payload_zstd")[:-1], octets("payload_zstd") * 2, b"\x50" * 10):
            with self.assertRaises(header.BadMessage):
                compression.decode(broken, 64)

    def test_bad_frames_are_refused_with_the_first_error(self) -> None:
        for name, error in BAD.items():
            with self.subTest(name), self.assertRaises(header.BadMessage) as caught:
                header.split_first_frame(octets(name))
            self.assertEqual(caught.exception.error, error)

    def test_any_flipped_bit_and_any_cut_is_noticed(self) -> None:
        raw = octets("frame_replay")
        for at in range(len(raw)):
            for bit in range(8):
                broken = bytearray(raw)
                broken[at] ^= 1 << bit
                with self.assertRaises(header.BadMessage):
                    topic, _ = header.split_first_frame(bytes(broken))
                    if topic:  # the separator itself was hit
                        raise header.BadMessage("topic")
            with self.assertRaises(header.BadMessage):
                header.split_first_frame(raw[:at])
        with self.assertRaises(header.BadMessage):
            header.split_first_frame(raw + b"x")

    def test_a_payload_that_does_not_fit_is_refused(self) -> None:
        _, head = header.split_first_frame(octets("frame_data"))
        body = octets("payload_data")
        for broken in (body[:-1], body + b"x", b"O" + body[1:]):
            with self.assertRaises(header.BadMessage):
                header.check_payload(head, broken)
        _, unchecked = header.split_first_frame(octets("frame_unchecked"))
        header.check_payload(unchecked, b"O" + body[1:])
        _, end = header.split_first_frame(octets("frame_end"))
        with self.assertRaises(header.BadMessage):
            header.check_payload(end, b"x")

    def test_a_block_may_not_end_beyond_the_last_position(self) -> None:
        header.parse_header(header.build_header(1, 1, 2**64 - 2, length=1))
        with self.assertRaises(header.BadMessage):
            header.parse_header(header.build_header(1, 1, 2**64 - 1, length=1))
        with self.assertRaisesRegex(header.BadMessage, "session"):
            header.parse_header(header.build_header(1, 0, 0))


class GoldenControl(unittest.TestCase):
    def test_each_message_survives_reading_and_writing(self) -> None:
        for path in sorted(GOLDEN.glob("*.json")):
            with self.subTest(path.stem):
                raw = path.read_bytes()
                parse = control.parse_answer if path.stem in ANSWERS else control.parse_request
                message = parse(raw)
                self.assertEqual(parse(control.encode(message)), message)
                told = json.loads(control.encode(message))
                for name, value in json.loads(raw).items():
                    if name in told:
                        self.assertEqual(told[name], value)
                    else:
                        self.assertIn(value, ("", 0, 500, False, "none", "sub"))

    def test_integers_are_exact(self) -> None:
        ping = control.parse_request((GOLDEN / "read_ping.json").read_bytes())
        assert isinstance(ping, control.Read)
        self.assertEqual((ping.request, ping.session, ping.from_, ping.max), (2**64 - 1, SESSION, 1014, 0))
        for number in ("9007199254740993", str(2**64 - 1)):
            raw = '{"op":"status","session":"%016x","position":%s,"mode":"live"}' % (1, number)
            status = control.parse_request(raw.encode())
            assert isinstance(status, control.Status)
            self.assertEqual(str(status.position), number)

    def test_an_error_may_tell_the_request(self) -> None:
        about = control.Error("no-records", "", 2**64 - 1)
        self.assertEqual(control.parse_answer(control.encode(about)), about)
        self.assertIsNone(control.parse_answer(b'{"op":"error","code":"x"}').request)  # type: ignore[attr-defined]

    def test_wrong_members_are_malformed(self) -> None:
        good = '"op":"status","session":"00000000000000a5","position":1,"mode":"live"'
        control.parse_request(("{%s}" % good).encode())
        control.parse_request(('{%s,"lost":null,"new":[1,{}]}' % good).encode())
        for old, new in (
            (":1,", ":-1,"), (":1,", ":1.0,"), (":1,", ":1e3,"), (":1,", ":true,"), (":1,", ':"1",'),
            (":1,", ":18446744073709551616,"), (":1,", ":null,"), (":1,", ":NaN,"),
            ("a5", "A5"), ("00a5", "a5"), ("00a5", "0000a5"), ("a5", "00"), ("live", "Live"), ("live", "dead"),
            ('"mode"', '"position":2,"mode"'), ('"mode":"live"', '"mode":["live"]'),
            ('"op":"status",', ""), ('"mode":"live"', '"mode":"live","x":' + "[" * 16 + "]" * 16),
        ):  # fmt: skip
            with self.subTest(new), self.assertRaises(control.Malformed):
                control.parse_request(("{%s}" % good.replace(old, new)).encode())
        for raw in (
            b"", b"[]", b"{", b"\xff", b"{}", b'{"op":1}', b'"op"', b"[" * 8000, b"\xef\xbb\xbf{}",
            b'{"op":"bye"}\0', b'{"op":"bye","a":"\0"}', '{"op":"bye"}'.encode("utf-16"),
            b'{"op":"bye","a":"' + b"x" * 8192 + b'"}',
        ):  # fmt: skip
            with self.subTest(raw[:20]), self.assertRaises(control.Malformed):
                control.parse_request(raw)
        with self.assertRaises(control.UnknownOp):
            control.parse_request(b'{"op":"sing"}')

    def test_text_is_measured_in_bytes_of_utf8(self) -> None:
        hello = '{"op":"hello","v":1,"id":"aa","name":"%s"}'
        control.parse_request((hello % ("\u00e4" * 128)).encode())
        for name in ("\u00e4" * 129, "\\ud800"):
            with self.assertRaises(control.Malformed):
                control.parse_request((hello % name).encode())

    def test_of_another_version_nothing_else_is_read(self) -> None:
        hello = control.parse_request(b'{"op":"hello","v":2,"id":[]}')
        assert isinstance(hello, control.Hello)
        self.assertEqual(hello.v, 2)
        welcome = control.parse_answer(b'{"op":"welcome","v":7}')
        assert isinstance(welcome, control.Welcome)
        self.assertEqual(welcome.v, 7)
        with self.assertRaises(control.Malformed):
            control.parse_request(b'{"op":"hello","v":1,"id":[]}')

    def test_a_tail_beyond_the_head_is_malformed(self) -> None:
        raw = (GOLDEN / "done_gone.json").read_bytes()
        with self.assertRaises(control.Malformed):
            control.parse_answer(raw.replace(b"70000", b"900001"))
        control.parse_answer(raw.replace(b"70000", b"900001").replace(b"gone", b"wrong-session"))

    def test_nothing_else_is_raised_whatever_comes(self) -> None:
        rng = random.Random(1)
        good = [path.read_bytes() for path in sorted(GOLDEN.glob("*.json"))]
        pieces = [b"{", b"}", b"[", b"null", b"-1", b"1e9999", b"9" * 30, b'"', b",", b'"op":', b"\\ud800", b"\xff"]
        for _ in range(20000):
            raw = bytearray(rng.choice(good))
            for _ in range(rng.randrange(1, 4)):
                at = rng.randrange(len(raw))
                raw[at : at + rng.randrange(4)] = rng.choice((*pieces, bytes([rng.randrange(256)])))
            for parse in (control.parse_request, control.parse_answer):
                try:
                    control.encode(parse(bytes(raw)))
                except (control.Malformed, control.UnknownOp):
                    pass


if __name__ == "__main__":
    unittest.main()
