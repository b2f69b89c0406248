"""What a reader is told to do, and what it tells whoever has the sockets to do."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import List, Optional, Tuple, Union

from .control import From, Message

Start = Union[str, From]  # "now", "start", a position, Last or Since


@dataclass
class Options:
    """What a reader was told. Times in seconds; 0 is never."""

    id: str
    stream: Optional[str] = None
    start: Start = "now"
    since_ago: Optional[float] = None
    cursor: Optional[Tuple[int, int]] = None
    cursor_ended: bool = False
    follow: bool = False
    name: str = ""
    host: str = ""
    pid: int = 0
    role: str = "sub"
    codecs: List[str] = field(default_factory=list)
    dead_after: float = 3.0
    give_up: float = 30.0
    queue_bytes: int = 16 << 20


@dataclass
class Listen:
    """Make the data socket: `endpoint` ("" is the one we know), heads and ends of `stream`."""

    endpoint: str
    stream: str


@dataclass
class Live:
    """Subscribe to the blocks of the stream, or no longer."""

    on: bool


@dataclass
class Remake:
    """Close both sockets and make the control socket anew."""


Action = Union[Message, Listen, Live, Remake]
