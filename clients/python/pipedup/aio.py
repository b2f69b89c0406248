"""The same for asyncio: `async for` over items or records, and a publisher that is awaited.

Thin: the sockets are in the threads of Subscriber and Publisher; nothing here blocks the loop.

    async with aio.Subscriber("web1.example.org") as sub:
        async for record in sub.records():
            ...
"""

from __future__ import annotations

import asyncio
from typing import Any, AsyncIterator, Optional, Union

from . import publisher as _publisher
from . import subscriber as _subscriber
from .items import Gap, Item


class _Threaded(_subscriber.Subscriber):
    """A Subscriber whose consumer is a loop: it is told of items rather than waiting for them."""

    def ready(self) -> bool:
        """Whether _next() would return at once."""
        return self._closed or bool(self._items) or self._receiver.done

    def holds_records(self) -> bool:
        """Whether get() would return at once whatever is ready."""
        return self._steps is not None and self._steps.holds

    def tell(self, loop: asyncio.AbstractEventLoop, more: asyncio.Event) -> None:
        """Set `more` in `loop` after new items, and at the end."""

        def notify() -> None:
            try:
                loop.call_soon_threadsafe(more.set)
            except RuntimeError:
                pass  # the loop is closed: nobody reads

        self._receiver.notify = notify
        notify()


class Subscriber:
    """As pipedup.Subscriber, with the same arguments, for one task of the loop it is first used in."""

    def __init__(self, *args: Any, **options: Any) -> None:
        self._sub = _Threaded(*args, **options)
        self._more: Optional[asyncio.Event] = None

    @property
    def sync(self) -> _subscriber.Subscriber:
        """For stream, session, position, lost_bytes, gaps and the like; not for iterating."""
        return self._sub

    def __aiter__(self) -> AsyncIterator[Item]:
        return self

    async def __anext__(self) -> Item:
        item = await self.get()
        if item is None:
            raise StopAsyncIteration
        return item

    async def get(self) -> Optional[Item]:
        """The next item; takes the one before. None at the end, and after close()."""
        self._sub.take()
        if not self._sub.holds_records():
            await self._wait()
        return self._sub.get()

    async def _wait(self) -> None:
        """Wait for an item, without which the Subscriber would block."""
        if self._sub.ready():
            return
        self._sub._save()
        if self._more is None:
            self._more = asyncio.Event()
            self._sub.tell(asyncio.get_running_loop(), self._more)
        while True:
            self._more.clear()
            if self._sub.ready():
                return
            await self._more.wait()

    async def records(self, most_bytes: int = 64 << 20) -> AsyncIterator[Union[bytes, Gap]]:
        """As Subscriber.records()."""
        steps = self._sub._begin_records(most_bytes)
        while True:
            for record in steps.left if not self._sub._closed else ():
                yield record
            self._sub.take()
            await self._wait()
            item = self._sub._next()
            if item is None:
                return
            self._sub._give_records(steps, item)

    def take(self) -> None:
        """As Subscriber.take()."""
        self._sub.take()

    async def close(self) -> None:
        """As Subscriber.close()."""
        await asyncio.get_running_loop().run_in_executor(None, self._sub.close)

    async def __aenter__(self) -> "Subscriber":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()


class Publisher:
    """As pipedup.Publisher, with the same arguments. write() is short; close() is awaited."""

    def __init__(self, *args: Any, **options: Any) -> None:
        self.sync = _publisher.Publisher(*args, **options)

    async def write(self, data: Union[bytes, bytearray, memoryview]) -> None:
        """Publish `data`. Waits, off the loop, only for this process to send what was written."""
        if self.sync.has_room:
            self.sync.write(data)
        else:
            await asyncio.get_running_loop().run_in_executor(None, self.sync.write, data)

    async def wait_for_subscribers(self, count: int, timeout: Optional[float] = None) -> bool:
        return await asyncio.get_running_loop().run_in_executor(
            None, self.sync.wait_for_subscribers, count, timeout
        )

    async def close(self, exit_status: Optional[int] = 0, linger: Optional[float] = None) -> bool:
        return await asyncio.get_running_loop().run_in_executor(
            None, self.sync.close, exit_status, linger
        )

    async def __aenter__(self) -> "Publisher":
        return self

    async def __aexit__(self, kind: Optional[type], *_: object) -> None:
        await self.close(0 if kind is None else 1)
