"""What a reader has asked for and what it keeps meanwhile (PROTOCOL.md, section 7). Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Dict, List, Optional, Tuple, Union

from .control import From, Read
from .header import Header

READS_AT_A_TIME = 2
STASH_BYTES = 8 << 20
ITEM_BYTES = 512  # what a block weighs beside its data
FIRST_WAIT, LONGEST_WAIT = 2.0, 30.0
TRIES = 5

Payload = Union[bytes, memoryview]


@dataclass
class Outstanding:
    """A read that is not answered yet; `begin` is None where it is to find where to begin."""

    begin: Optional[int]
    max: int
    deadline: float


class Reads:
    """The reads that are waited for, each for a while that grows with every one that is in vain."""

    def __init__(self) -> None:
        self.outstanding: Dict[int, Outstanding] = {}
        self.hold_until = 0.0
        """Nothing is to be asked for before this time."""
        self._request = 0
        self._wait = FIRST_WAIT
        self._fruitless = 0

    def __bool__(self) -> bool:
        return bool(self.outstanding)

    @property
    def bytes(self) -> int:
        """What may come of them at most."""
        return sum(each.max for each in self.outstanding.values())

    def asked_until(self, position: int) -> int:
        """Position up to which there is nothing more to be asked for, `position` at least."""
        return max(
            (each.begin + each.max for each in self.outstanding.values() if each.begin is not None),
            default=position,
        )

    def next_request(self) -> int:
        self._request += 1
        return self._request

    def ask(self, session: int, begin: From, size: int, now: float) -> Read:
        """A new read, waited for from now on."""
        request = self.next_request()
        place = begin if isinstance(begin, int) else None
        self.outstanding[request] = Outstanding(place, size, now + self._wait)
        return Read(request, session, begin, size)

    def answered(self, request: int) -> Optional[Outstanding]:
        """The read that a done is about, None if it is not waited for."""
        read = self.outstanding.pop(request, None)
        if read is not None:
            self._wait = FIRST_WAIT
        return read

    def bore_fruit(self) -> None:
        self._fruitless = 0

    def came_to_nothing(self, now: float) -> bool:
        """Not a byte of an answer was good: ask later, and later each time. True if it was so often
        that there is no hope."""
        self._fruitless += 1
        self.hold_until = now + 0.05 * 2 ** min(self._fruitless, 5)
        return self._fruitless >= TRIES

    def expire(self, now: float) -> None:
        """No longer wait for those that were not answered in time."""
        for request, read in list(self.outstanding.items()):
            if now >= read.deadline:
                del self.outstanding[request]
                self._wait = min(self._wait * 2, LONGEST_WAIT)

    def clear(self) -> None:
        self.outstanding.clear()

    def deadlines(self, now: float) -> List[float]:
        times = [read.deadline for read in self.outstanding.values()]
        if self.hold_until > now:
            times.append(self.hold_until)
        return times


class Stash:
    """Blocks that are ahead of the reader, up to STASH_BYTES, kept while the range before is read."""

    def __init__(self) -> None:
        self._blocks: List[Tuple[Header, Payload]] = []
        self._bytes = 0

    def __bool__(self) -> bool:
        return bool(self._blocks)

    @property
    def begin(self) -> int:
        """Position of the first block; there has to be one."""
        return self._blocks[0][0].position

    def keep(self, header: Header, data: Payload) -> bool:
        """False if there is no room for it."""
        if self._bytes + header.length > STASH_BYTES:
            return False
        self._blocks.append((header, data))
        self._bytes += header.length + ITEM_BYTES
        if len(self._blocks) > 1 and header.position < self._blocks[-2][0].position:
            self._blocks.sort(key=lambda each: each[0].position)
        return True

    def take(self) -> Tuple[Header, Payload]:
        """The first block, which is no longer kept."""
        header, data = self._blocks.pop(0)
        self._bytes -= header.length + ITEM_BYTES
        return header, data

    def clear(self) -> None:
        self._blocks.clear()
        self._bytes = 0
