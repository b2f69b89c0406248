"""The block header and the first frame of a block message (PROTOCOL.md, sections 2 and 3).

Pure: bytes in, values out. Nothing here opens, waits for, or keeps anything.
"""

from __future__ import annotations

import struct
from typing import NamedTuple, Tuple, Union

import xxhash

Buffer = Union[bytes, bytearray, memoryview]

HEADER_BYTES = 64
MAX_BLOCK_BYTES = 1 << 20
MAX_TOPIC_BYTES = 128
MAX_POSITION = (1 << 64) - 1

DATA, HEAD, END = 1, 2, 3
CODEC_NONE, CODEC_ZSTD = 0, 1
BEGINS_RECORD, ENDS_RECORD, UNCHECKED = 1, 2, 4

EXIT_STATUS_UNKNOWN = 0xFFFFFFFF
MAGIC = b"PDU"
VERSION = 0x31

_LAYOUT = struct.Struct("<3sBBBHQQIIQqQII")
_CHECK = struct.Struct("<I")
_CHECKED_BYTES = HEADER_BYTES - _CHECK.size


class BadMessage(ValueError):
    """A message that must be counted and dropped (section 4.3).

    `error` is one word: `truncated`, `magic`, `version`, `check`, `kind`, `codec`, `length` or
    `session` for the header, in the order in which it is checked; `frames` or `topic` for the form of the
    message; `payload`, `checksum` or `zstd` for its payload.
    """

    def __init__(self, error: str, detail: str = "") -> None:
        super().__init__(f"{error}: {detail}" if detail else error)
        self.error = error


class Header(NamedTuple):
    """A block header, with the fields in the order in which they are on the wire."""

    magic: bytes
    version: int
    kind: int
    codec: int
    flags: int
    session: int
    position: int
    length: int
    records: int
    records_before: int
    time: int
    checksum: int
    exit_status: int
    check: int

    @property
    def end(self) -> int:
        """Position behind the last byte of the block."""
        return self.position + self.length


def parse_header(frame: Buffer, at: int = 0) -> Header:
    """The header that begins at offset `at` of `frame`; what follows it is not looked at.

    Raises BadMessage with the first check of section 3.2 that fails. `truncated` is the only one
    that more bytes may mend.
    """
    if len(frame) - at < HEADER_BYTES:
        raise BadMessage("truncated", f"{len(frame) - at} bytes")
    header = Header._make(_LAYOUT.unpack_from(frame, at))
    if header.magic != MAGIC:
        raise BadMessage("magic")
    if header.version != VERSION:
        raise BadMessage("version", f"theirs is {chr(header.version)!r}, ours '1'")
    checked = memoryview(frame)[at : at + _CHECKED_BYTES]
    if xxhash.xxh3_64_intdigest(checked) & 0xFFFFFFFF != header.check:
        raise BadMessage("check")
    if header.kind not in (DATA, HEAD, END):
        raise BadMessage("kind", str(header.kind))
    if header.codec not in (CODEC_NONE, CODEC_ZSTD):
        raise BadMessage("codec", str(header.codec))
    most = MAX_BLOCK_BYTES if header.kind == DATA else 0
    if header.length > most or header.position > MAX_POSITION - header.length:
        raise BadMessage("length", str(header.length))
    if header.session == 0:
        raise BadMessage("session")
    return header


def build_header(
    kind: int,
    session: int,
    position: int,
    *,
    codec: int = CODEC_NONE,
    flags: int = 0,
    length: int = 0,
    records: int = 0,
    records_before: int = 0,
    time: int = 0,
    checksum: int = 0,
    exit_status: int = 0,
) -> bytes:
    """The 64 bytes of a header. The caller answers for the values; only their sizes are checked
    (struct.error)."""
    raw = bytearray(
        _LAYOUT.pack(
            MAGIC, VERSION, kind, codec, flags, session, position, length, records,
            records_before, time, checksum, exit_status, 0,
        )
    )  # fmt: skip
    check = xxhash.xxh3_64_intdigest(memoryview(raw)[:_CHECKED_BYTES]) & 0xFFFFFFFF
    _CHECK.pack_into(raw, _CHECKED_BYTES, check)
    return bytes(raw)


def split_first_frame(frame: bytes) -> Tuple[bytes, Header]:
    """Topic and header of a first frame, which must hold nothing else.

    Raises BadMessage: `topic` if there is none or it is too long, else as parse_header.
    """
    zero = frame.find(0, 0, MAX_TOPIC_BYTES + 1)
    if zero < 0:
        raise BadMessage("topic")
    header = parse_header(frame, zero + 1)
    if len(frame) != zero + 1 + HEADER_BYTES:
        raise BadMessage("topic", "bytes behind the header")
    return frame[:zero], header


def checksum(payload: Buffer) -> int:
    """XXH3-64 of a payload frame as it is sent."""
    value: int = xxhash.xxh3_64_intdigest(payload)
    return value


def check_payload(header: Header, payload: Buffer) -> None:
    """Raises BadMessage unless `payload` has a size that `header` allows and, unless it is
    unchecked, the right checksum. Does not decode it."""
    size = len(payload)
    if header.codec == CODEC_ZSTD and header.kind == DATA:
        if size > header.length:
            raise BadMessage("payload", f"{size} bytes for {header.length}")
    elif size != header.length:
        raise BadMessage("payload", f"{size} bytes for {header.length}")
    if header.kind == DATA and not header.flags & UNCHECKED:
        if xxhash.xxh3_64_intdigest(payload) != header.checksum:
            raise BadMessage("checksum")
