"""Blocks to records, many at a time."""

from __future__ import annotations

import operator
from typing import Iterator, List, Optional, Tuple, Union

from .items import Block, Gap, Item, NewSession
from .reader import DELIMITERS


class Splitter:
    """Cuts the blocks of one stream into records, each with its delimiter.

    A record that comes in pieces is held until it is whole, up to `most_bytes`; a longer one comes in
    pieces of about that size. For one thread.
    """

    def __init__(self, records: str, most_bytes: int) -> None:
        self._delimiter: Optional[bytes] = DELIMITERS.get(records)
        self.most_bytes = most_bytes
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
            if self._held_bytes >= self.most_bytes:
                found.extend(self.rest())
        return found

    def rest(self) -> List[bytes]:
        """What is held, as a list of one or none: at a gap, or at the end of the stream."""
        found = [b"".join(self._held)] if self._held else []
        self._held.clear()
        self._held_bytes = 0
        return found


class _Cut:
    """An item as records, a gap standing for itself. `begin` is where the first of them begins."""

    __slots__ = ("item", "found", "left", "begin", "done", "_known")

    def __init__(self, item: Item, found: List[Union[bytes, Gap]], begin: int) -> None:
        self.item, self.found, self.begin = item, found, begin
        self.left = iter(found)
        self.done = 0  # so many are known to be taken
        self._known = (0, begin)

    @property
    def given(self) -> int:
        return len(self.found) - operator.length_hint(self.left)

    def behind(self, count: int) -> int:
        """Position behind the first `count`."""
        known, position = self._known
        if known > count:
            known, position = 0, self.begin
        for each in self.found[known:count]:
            position += len(each) if isinstance(each, bytes) else each.bytes
        self._known = (count, position)
        return position


class Steps:
    """The records of one item after the other, and how far the consumer came in them.

    A record is given when `left` gives it, and taken when `left` gives the next one, or by take(). For
    one thread, but for `taken`, which any may look at.
    """

    def __init__(self, records: str, most_bytes: int) -> None:
        self._splitter = Splitter(records, most_bytes)
        self._cut: Optional[_Cut] = None
        self.left: Iterator[Union[bytes, Gap]] = iter(())
        """What is to be given of the item that was cut last."""

    @property
    def most_bytes(self) -> int:
        return self._splitter.most_bytes

    @most_bytes.setter
    def most_bytes(self, most_bytes: int) -> None:
        self._splitter.most_bytes = most_bytes

    @property
    def item(self) -> Optional[Item]:
        """That which was cut last."""
        return self._cut.item if self._cut else None

    @property
    def position(self) -> int:
        """Behind what was given last; there has to be an item."""
        assert self._cut is not None
        return self._cut.behind(self._cut.given)

    @property
    def taken(self) -> Optional[Tuple[Item, int]]:
        """The item, and behind what was taken of it; None if nothing was."""
        cut = self._cut
        if cut is None:
            return None
        count = max(cut.done, cut.given - 1)
        return (cut.item, cut.behind(count)) if count else None

    @property
    def all_given(self) -> bool:
        return operator.length_hint(self.left) == 0

    @property
    def holds(self) -> bool:
        """Whether leave() would give something."""
        cut = self._cut
        if cut is None:
            return False
        if isinstance(cut.item, Block):
            return self._splitter.held_bytes > 0 or not self.all_given
        return not self.all_given or (bool(cut.found) and cut.found[-1] is not cut.item)

    def cut(self, item: Item) -> None:
        """What ends in `item` is in `left` from now on."""
        found: List[Union[bytes, Gap]] = []
        begin = item.position - self._splitter.held_bytes
        if isinstance(item, Block):
            found = self._splitter.records(item)  # type: ignore[assignment]
        else:
            found += self._splitter.rest()
            if isinstance(item, Gap):
                found.append(item)
            elif isinstance(item, NewSession):
                self._splitter = Splitter(item.records, self.most_bytes)
        cut = _Cut(item, found, begin)
        self.left = cut.left
        self._cut = cut

    def take(self) -> Optional[Tuple[Item, int]]:
        """All that was given is taken, and the item with it if that was all of it. As `taken`."""
        cut = self._cut
        if cut is None or (cut.found and not cut.given):
            return None
        if isinstance(cut.item, Block) and self.all_given:
            # Without going through all of them, and they can be freed.
            position = cut.item.end - self._splitter.held_bytes
            self._cut = _Cut(cut.item, [], position)
            return cut.item, position
        cut.done = cut.given
        return cut.item, cut.behind(cut.done)

    def leave(self) -> Optional[Item]:
        """What is not given yet, as an item, if there is any. Nothing more is given here."""
        cut, holds = self._cut, self.holds
        if cut is None or not holds:
            return None
        if not isinstance(cut.item, Block):
            return cut.item
        whole = cut.item
        data = b"".join([each for each in cut.left if isinstance(each, bytes)] + self._splitter.rest())
        rest = Block(whole.session, whole.end - len(data), whole.end, data, whole.time)
        rest._weight, rest._lost = whole._weight, whole._lost
        return rest
