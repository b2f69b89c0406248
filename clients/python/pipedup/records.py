"""Blocks to records, many at a time."""

from __future__ import annotations

from typing import List, Optional

from .items import Block
from .reader import DELIMITERS


class Splitter:
    """Cuts the blocks of one stream into records, each with its delimiter.

    A record that comes in pieces is held until it is whole, up to `most_bytes`; a longer one comes in
    pieces of about that size. For one thread.
    """

    def __init__(self, records: str, most_bytes: int) -> None:
        self._delimiter: Optional[bytes] = DELIMITERS.get(records)
        self._most_bytes = most_bytes
        self._held: List[bytes] = []
        self._held_bytes = 0

    @property
    def held_bytes(self) -> int:
        """Bytes of a record that has not ended yet."""
        return self._held_bytes

    def records(self, block: Block) -> List[bytes]:
        """The records that end in the next block. Of a raw stream, the block."""
        data = bytes(block)
        delimiter = self._delimiter
        if delimiter is None:
            return [data]
        if delimiter == b"\n" and b"\r" not in data:
            found = data.splitlines(True)  # it would also cut at a CR
        else:
            found = [each + delimiter for each in data.split(delimiter)]
            last = found.pop()[:-1]
            if last:
                found.append(last)
        tail = b"" if found[-1].endswith(delimiter) else found.pop()
        if self._held and found:
            self._held.append(found[0])
            found[0] = b"".join(self._held)
            self._held.clear()
            self._held_bytes = 0
        if tail:
            self._held.append(tail)
            self._held_bytes += len(tail)
            if self._held_bytes >= self._most_bytes:
                found.extend(self.rest())
        return found

    def rest(self) -> List[bytes]:
        """What is held, as a list of one or none: at a gap, or at the end of the stream."""
        found = [b"".join(self._held)] if self._held else []
        self._held.clear()
        self._held_bytes = 0
        return found
