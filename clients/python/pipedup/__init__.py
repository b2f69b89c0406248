"""One program's output, live, in many programs' input: the client of pipedup in Python.

    from pipedup import Subscriber

    with Subscriber("web1.example.org", start="start") as sub:
        for record in sub.records():
            ...

Subscriber reads a stream, Publisher publishes one, pipedup.aio has the variant for asyncio.
"""

from .control import Last, Since
from .items import Block, End, Gap, Item, NewSession, PipedupError, Refused, Unreachable
from .net import Keys
from .publisher import Publisher
from .subscriber import Subscriber

__all__ = [
    "Block", "End", "Gap", "Item", "Keys", "Last", "NewSession", "PipedupError",
    "Publisher", "Refused", "Since", "Subscriber", "Unreachable",
]  # fmt: skip
__version__ = "1.0.0"
