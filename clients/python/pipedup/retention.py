"""What a publisher keeps of its stream: blocks in memory, oldest dropped first.

Pure. Also the cutting of what a program writes into blocks.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from typing import Callable, List, NamedTuple, Optional

from . import header as h
from .reader import DELIMITERS

BLOCK_BYTES = 256 << 10
MAX_BLOCKS = 1 << 18  # small blocks cost more than their bytes
_HOLD_BYTES = 64 << 10

Pack = Callable[[h.Buffer], Optional[bytes]]


class Stored(NamedTuple):
    """A block as it is published: bytes [position, end) of the stream."""

    position: int
    end: int
    data: bytes
    flags: int
    records: int
    records_before: int
    time: int
    packed: Optional[bytes]

    def frames(self, session: int, topic: bytes, with_zstd: bool) -> List[bytes]:
        """The two frames of its message, compressed if it is kept so and `with_zstd`."""
        packed = self.packed if with_zstd else None
        payload = self.data if packed is None else packed
        head = h.build_header(
            h.DATA, session, self.position,
            codec=h.CODEC_NONE if packed is None else h.CODEC_ZSTD,
            flags=self.flags, length=len(self.data), records=self.records,
            records_before=self.records_before, time=self.time, checksum=h.checksum(payload),
        )  # fmt: skip
        return [topic + b"\0" + head, payload]


class Retention:
    """The last `most_bytes` of a session, in at most MAX_BLOCKS blocks. For one thread."""

    def __init__(self, records: str, most_bytes: int, pack: Optional[Pack] = None) -> None:
        self.head = 0
        self.records_total = 0
        self.last_time = 0
        self._delimiter = DELIMITERS.get(records, b"")
        self._most_bytes = most_bytes
        self._pack = pack
        self._blocks: List[Stored] = []
        # For searching; all four lists are cut at `_first` now and then, as each cut moves them.
        self._positions: List[int] = []
        self._befores: List[int] = []
        self._times: List[int] = []
        self._first = 0
        self._at_record = True

    @property
    def tail(self) -> int:
        """Position of the oldest byte that is kept; the head if none is."""
        return self._positions[self._first] if self._first < len(self._positions) else self.head

    def append(self, data: bytes, now: int) -> Stored:
        """Keep the next block, 1 byte to 1 MiB, and drop what that makes too old."""
        delimiter = self._delimiter
        count = data.count(delimiter) if delimiter else 0
        ends = bool(delimiter) and data.endswith(delimiter)
        flags = (h.BEGINS_RECORD if self._at_record else 0) | (h.ENDS_RECORD if ends else 0)
        self.last_time = max(self.last_time, now)
        block = Stored(
            self.head, self.head + len(data), data, flags if delimiter else 0, count,
            self.records_total, self.last_time, self._pack(data) if self._pack else None,
        )  # fmt: skip
        self._blocks.append(block)
        self._positions.append(block.position)
        self._befores.append(block.records_before)
        self._times.append(block.time)
        self.head = block.end
        self.records_total += count
        self._at_record = ends
        self._drop()
        return block

    def _drop(self) -> None:
        first, blocks = self._first, self._blocks
        while first < len(blocks) - 1 and (
            self.head - blocks[first].end >= self._most_bytes or len(blocks) - first > MAX_BLOCKS
        ):
            first += 1
        if first > 64 and first > len(blocks) // 2:
            for each in (blocks, self._positions, self._befores, self._times):
                del each[:first]  # type: ignore[attr-defined]
            first = 0
        else:
            # What is dropped is let go of now, whenever the lists are cut.
            for index in range(self._first, first):
                blocks[index] = _NOTHING
        self._first = first

    def read(self, position: int, most_bytes: int) -> Optional[Stored]:
        """A block that begins at `position`, of at most `most_bytes` and BLOCK_BYTES. It may be a
        part of one that was published, or several joined. None outside of [tail, head)."""
        if not self.tail <= position < self.head or most_bytes <= 0:
            return None
        index = bisect_right(self._positions, position, self._first) - 1
        block = self._blocks[index]
        most = min(most_bytes, BLOCK_BYTES)
        skip = position - block.position
        if skip == 0 and len(block.data) <= most and block.end - position >= most // 2:
            return block
        parts = [block.data[skip : skip + most]]
        size = len(parts[0])
        for each in self._blocks[index + 1 : index + 1 + 1024]:
            if size + len(each.data) > most or size >= most // 2:
                break
            parts.append(each.data)
            size += len(each.data)
        data = b"".join(parts)
        return self._cut(block, skip, data)

    def _cut(self, block: Stored, skip: int, data: bytes) -> Stored:
        delimiter, before, flags, count = self._delimiter, block.records_before, 0, 0
        if delimiter:
            count = data.count(delimiter)
            if skip == 0:
                flags = block.flags & h.BEGINS_RECORD
            else:
                before += block.data.count(delimiter, 0, skip)
                flags = h.BEGINS_RECORD if block.data[skip - 1 : skip] == delimiter else 0
            flags |= h.ENDS_RECORD if data.endswith(delimiter) else 0
        position = block.position + skip
        return Stored(position, position + len(data), data, flags, count, before, block.time, None)

    def last(self, count: int) -> int:
        """First byte of the `count`th finished record from the end, the tail if fewer are kept."""
        ends_before = self.records_total - count  # as many delimiters stand before it
        if ends_before <= 0:
            return 0 if self.tail == 0 else self.tail
        index = bisect_left(self._befores, ends_before, self._first) - 1
        if index < self._first:
            return self.tail
        block = self._blocks[index]
        rest = block.data.split(self._delimiter, ends_before - block.records_before)[-1]
        return block.end - len(rest)

    def since(self, time: int) -> int:
        """The first block that was published at `time` or later, the head if there is none."""
        index = bisect_left(self._times, time, self._first)
        return self._positions[index] if index < len(self._positions) else self.head


_NOTHING = Stored(0, 0, b"", 0, 0, 0, 0, None)


class Cutter:
    """Cuts what is written into blocks of at most BLOCK_BYTES, where records end if it can.

    A record that has not ended is held back for more, up to 64 KiB, until it is asked for.
    """

    def __init__(self, records: str) -> None:
        self._delimiter = DELIMITERS.get(records)
        self._held = b""

    @property
    def holds(self) -> bool:
        return bool(self._held)

    def cut(self, data: bytes) -> List[bytes]:
        """The blocks that `data` completes."""
        if self._held:
            data = self._held + data
            self._held = b""
        found: List[bytes] = []
        at = 0
        while at < len(data):
            end = min(at + BLOCK_BYTES, len(data))
            if self._delimiter is not None:
                cut = data.rfind(self._delimiter, at, end)
                if cut >= 0:
                    end = cut + 1
                elif end - at < _HOLD_BYTES:
                    self._held = data[at:]
                    break
            found.append(data if at == 0 and end == len(data) else data[at:end])
            at = end
        return found

    def rest(self) -> List[bytes]:
        """What is held, as a list of one or none."""
        found = [self._held] if self._held else []
        self._held = b""
        return found
