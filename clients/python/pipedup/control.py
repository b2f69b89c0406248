"""Control messages (PROTOCOL.md, sections 6 to 8): JSON to values and back, each member checked.

Pure. A message is a dataclass; what a member may be stands beside it, so that parsing and the table
in the protocol read alike. Members that are not known are ignored, those of the wrong type or out of
range raise Malformed.
"""

from __future__ import annotations

import json
import re
from dataclasses import MISSING, dataclass, field, fields
from typing import Any, Callable, ClassVar, Dict, List, Optional, Tuple, Type, TypeVar, Union

PROTOCOL_VERSION = 1
MAX_REQUEST_BYTES = 8 << 10
MAX_ANSWER_BYTES = 1 << 20
MAX_DEPTH = 16
MAX_READ_BYTES = 4 << 20
U64_MAX = (1 << 64) - 1
REQUIRED: Any = object()

_STREAM_NAME = re.compile(r"[A-Za-z0-9._-]{1,128}")
_SESSION = re.compile(r"(?!0{16})[0-9a-f]{16}")
_ID = re.compile(r"[0-9a-fA-F]{1,64}")


class Malformed(ValueError):
    """The message is not what section 6.1 allows; a request is answered `bad-request`."""


class UnknownOp(ValueError):
    """A sound message whose `op` is not known; a request is answered `unknown-op`."""


Check = Callable[[Any], Any]


def integer(least: int, most: int) -> Check:
    """An integer in [least, most]. 1.0, 1e3 and true are none."""

    def check(value: Any) -> int:
        if type(value) is not int or not least <= value <= most:
            raise Malformed("not an integer in range")
        return value

    return check


def text(most_bytes: int, least_bytes: int = 0) -> Check:
    def check(value: Any) -> str:
        if not isinstance(value, str):
            raise Malformed("not a text")
        try:
            size = len(value.encode())
        except UnicodeEncodeError:
            raise Malformed("not Unicode") from None
        if not least_bytes <= size <= most_bytes:
            raise Malformed("text of a wrong size")
        return value

    return check


def matching(pattern: "re.Pattern[str]") -> Check:
    def check(value: Any) -> str:
        if not isinstance(value, str) or not pattern.fullmatch(value):
            raise Malformed("text of a wrong form")
        return value

    return check


def one_of(*words: str) -> Check:
    def check(value: Any) -> str:
        if not isinstance(value, str) or value not in words:
            raise Malformed("none of the words")
        return value

    return check


def list_of(item: Check, most: int) -> Check:
    def check(value: Any) -> List[Any]:
        if not isinstance(value, list) or len(value) > most:
            raise Malformed("not a list, or too long")
        return [item(each) for each in value]

    return check


def boolean(value: Any) -> bool:
    if not isinstance(value, bool):
        raise Malformed("not a boolean")
    return value


def session_number(value: Any) -> int:
    """16 hex digits, as the number that they are."""
    return int(matching(_SESSION)(value), 16)


def members(checks: Dict[str, Tuple[Check, Any]]) -> Check:
    """An object; each name with its check and its default, REQUIRED if it has to be there."""

    def check(value: Any) -> Dict[str, Any]:
        if not isinstance(value, dict):
            raise Malformed("not an object")
        found: Dict[str, Any] = {}
        for name, (each, default) in checks.items():
            given = value.get(name)
            if given is None:
                if default is REQUIRED:
                    raise Malformed(f"no {name}")
                found[name] = default
            else:
                found[name] = each(given)
        return found

    return check


u64 = integer(0, U64_MAX)
i64 = integer(-(1 << 63), (1 << 63) - 1)
not_negative = integer(0, (1 << 63) - 1)
stream_name = matching(_STREAM_NAME)
any_text = text(MAX_ANSWER_BYTES)
role = one_of("sub", "tap", "relay", "top")
mode = one_of("joining", "catch-up", "live", "attached", "ended")


@dataclass(frozen=True)
class Last:
    """The first byte of the `count`th record from the end."""

    count: int


@dataclass(frozen=True)
class Since:
    """The first block that was published at `time` (nanoseconds) or later."""

    time: int


From = Union[int, Last, Since]


def where(value: Any) -> From:
    if isinstance(value, dict):
        if len([name for name in ("last", "since") if value.get(name) is not None]) != 1:
            raise Malformed("neither last nor since")
        return Last(u64(value["last"])) if value.get("last") is not None else Since(u64(value["since"]))
    return integer(0, U64_MAX)(value)  # type: ignore[no-any-return]


def counters(value: Any) -> Dict[str, int]:
    if not isinstance(value, dict):
        raise Malformed("not an object")
    return {any_text(name): u64(each) for name, each in value.items()}


def _number(value: Any) -> float:
    if type(value) not in (int, float) or not 0 <= value < float("inf"):
        raise Malformed("not a number, or negative")
    try:
        return float(value)
    except OverflowError:
        raise Malformed("not a number that a float holds") from None


def _m(check: Check, default: Any = REQUIRED) -> Any:
    """A member of a message. One without a default has to be there."""
    if isinstance(default, list):
        return field(default_factory=list, metadata={"check": check})
    if default is REQUIRED:
        return field(metadata={"check": check})
    return field(default=default, metadata={"check": check})


@dataclass(frozen=True)
class Message:
    OP: ClassVar[str] = ""


@dataclass(frozen=True)
class Hello(Message):
    OP = "hello"
    v: int = _m(integer(1, (1 << 31) - 1))
    id: str = _m(matching(_ID))
    stream: Optional[str] = _m(stream_name, None)
    name: str = _m(text(256), "")
    host: str = _m(text(256), "")
    pid: int = _m(not_negative, 0)
    role: str = _m(role, "sub")
    codecs: List[str] = _m(list_of(text(64, 1), 16), [])


@dataclass(frozen=True)
class Bye(Message):
    OP = "bye"


@dataclass(frozen=True)
class Status(Message):
    OP = "status"
    session: int = _m(session_number)
    position: int = _m(u64)
    mode: str = _m(mode)
    lost: int = _m(u64, 0)


@dataclass(frozen=True)
class Read(Message):
    OP = "read"
    request: int = _m(u64)
    session: int = _m(session_number)
    from_: From = _m(where)
    max: int = _m(integer(0, MAX_READ_BYTES))


@dataclass(frozen=True)
class StatsRequest(Message):
    OP = "stats"
    stream: Optional[str] = _m(stream_name, None)


@dataclass(frozen=True)
class ListRequest(Message):
    OP = "list"
    after: Optional[str] = _m(stream_name, None)


@dataclass(frozen=True)
class Welcome(Message):
    OP = "welcome"
    v: int = _m(integer(1, (1 << 31) - 1))
    stream: str = _m(stream_name)
    session: int = _m(session_number)
    tail: int = _m(u64)
    head: int = _m(u64)
    records: str = _m(one_of("lines", "nul", "raw"))
    codec: str = _m(text(64, 1), "none")
    data: str = _m(text(1024), "")
    journal: str = _m(text(4096), "")
    started: int = _m(i64, 0)
    now: int = _m(i64, 0)
    ended: bool = _m(boolean, False)
    past: List[Dict[str, int]] = _m(
        list_of(members({"session": (session_number, REQUIRED), "end": (u64, REQUIRED)}), 16), []
    )
    path: List[str] = _m(list_of(matching(_ID), 256), [])
    reached: Optional[int] = _m(u64, None)
    heartbeat_ms: int = _m(integer(1, 3600000), 500)
    window: int = _m(u64, 0)


@dataclass(frozen=True)
class Refused(Message):
    OP = "refused"
    code: str = _m(text(64, 1))
    reason: str = _m(any_text, "")


@dataclass(frozen=True)
class LetGo(Message):
    OP = "let-go"
    reason: str = _m(any_text, "")


@dataclass(frozen=True)
class Done(Message):
    OP = "done"
    request: int = _m(u64)
    outcome: str = _m(one_of("ok", "gone", "wrong-session"))
    session: int = _m(session_number)
    next: int = _m(u64)
    tail: int = _m(u64)
    head: int = _m(u64)
    ended: bool = _m(boolean, False)
    reason: str = _m(text(256), "")


@dataclass(frozen=True)
class Error(Message):
    OP = "error"
    code: str = _m(text(64, 1))
    reason: str = _m(any_text, "")
    request: Optional[int] = _m(u64, None)


_ROW = members(
    {
        "id": (matching(_ID), REQUIRED), "name": (text(256), ""), "host": (text(256), ""),
        "address": (text(1024), ""), "key": (text(256), ""), "pid": (not_negative, 0),
        "role": (role, "sub"), "mode": (mode, REQUIRED), "position": (u64, REQUIRED),
        "lag_bytes": (u64, REQUIRED), "lag_seconds": (_number, REQUIRED), "lost": (u64, REQUIRED),
        "holds": (boolean, False),
    }
)  # fmt: skip


@dataclass(frozen=True)
class Stats(Message):
    OP = "stats"
    stream: str = _m(stream_name)
    session: int = _m(session_number)
    tail: int = _m(u64)
    head: int = _m(u64)
    counters: Dict[str, int] = _m(counters)
    subscribers_total: Optional[int] = _m(u64, None)
    subscribers: List[Dict[str, Any]] = _m(list_of(_ROW, MAX_ANSWER_BYTES), [])


_STREAM = members(
    {"stream": (stream_name, REQUIRED), "session": (session_number, REQUIRED), "ended": (boolean, False)}
)


@dataclass(frozen=True)
class Streams(Message):
    OP = "streams"
    streams: List[Dict[str, Any]] = _m(list_of(_STREAM, MAX_ANSWER_BYTES))
    more: bool = _m(boolean, False)


def _by_op(*kinds: Type[Message]) -> Dict[str, Type[Message]]:
    return {kind.OP: kind for kind in kinds}


_REQUESTS = _by_op(Hello, Bye, Status, Read, StatsRequest, ListRequest)
_ANSWERS = _by_op(Welcome, Refused, LetGo, Done, Error, Stats, Streams)


def _unique(pairs: List[Tuple[str, Any]]) -> Dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise Malformed("a name twice")
    return found


def _constant(name: str) -> Any:
    raise Malformed(name)


def _depth(value: Any) -> int:
    if isinstance(value, dict):
        return 1 + max(map(_depth, value.values()), default=0)
    if isinstance(value, list):
        return 1 + max(map(_depth, value), default=0)
    return 0


def parse_json(raw: bytes, most_bytes: int) -> Dict[str, Any]:
    """The object that a control message is, with its `op`. Raises Malformed."""
    if len(raw) > most_bytes:
        raise Malformed("too long")
    try:
        value = json.loads(
            raw.decode(), object_pairs_hook=_unique, parse_constant=_constant
        )
        deep = _depth(value) > MAX_DEPTH
    except (UnicodeDecodeError, RecursionError, ValueError) as error:
        raise Malformed(str(error)) from None
    if deep or not isinstance(value, dict) or not isinstance(value.get("op"), str):
        raise Malformed("not an object with an op, or too deep")
    return value


AMessage = TypeVar("AMessage", bound=Message)


def _read(kind: Type[AMessage], value: Dict[str, Any]) -> AMessage:
    found: Dict[str, Any] = {}
    for each in fields(kind):
        given = value.get(each.name.rstrip("_"))
        if given is not None:
            found[each.name] = each.metadata["check"](given)
        elif each.default is MISSING and each.default_factory is MISSING:
            raise Malformed(f"{kind.OP} without {each.name}")
    return kind(**found)


def parse_request(raw: bytes) -> Message:
    """A message from a subscriber. Raises Malformed or UnknownOp.

    Of a hello of another version only `v` is read: the other members are empty.
    """
    value = parse_json(raw, MAX_REQUEST_BYTES)
    kind = _REQUESTS.get(value["op"])
    if kind is None:
        raise UnknownOp(value["op"])
    if kind is Hello and _other_version(value):
        return Hello(v=value["v"], id="")
    return _read(kind, value)


def parse_answer(raw: bytes) -> Message:
    """A message from a publisher. Raises Malformed or UnknownOp.

    Of a welcome of another version only `v` is read: the other members are empty.
    """
    value = parse_json(raw, MAX_ANSWER_BYTES)
    kind = _ANSWERS.get(value["op"])
    if kind is None:
        raise UnknownOp(value["op"])
    if kind is Welcome and _other_version(value):
        return Welcome(v=value["v"], stream="", session=0, tail=0, head=0, records="raw")
    message = _read(kind, value)
    if isinstance(message, (Welcome, Stats)) and message.tail > message.head:
        raise Malformed("tail beyond head")
    if isinstance(message, Done) and message.outcome != "wrong-session":
        if message.tail > message.head:
            raise Malformed("tail beyond head")
    return message


def _other_version(value: Dict[str, Any]) -> bool:
    given = value.get("v")
    return type(given) is int and 1 <= given < 1 << 31 and given != PROTOCOL_VERSION


def session_text(number: int) -> str:
    """A session as it is written: 16 lower-case hex digits."""
    return f"{number:016x}"


def _plain(value: Any, name: str) -> Any:
    if name == "session":
        return session_text(value)
    if isinstance(value, Last):
        return {"last": value.count}
    if isinstance(value, Since):
        return {"since": value.time}
    if isinstance(value, dict):
        return {key: _plain(each, key) for key, each in value.items() if each is not None}
    if isinstance(value, list):
        return [_plain(each, "") for each in value]
    return value


def encode(message: Message) -> bytes:
    """The frame of a message. Members that have their default are left out."""
    found: Dict[str, Any] = {"op": message.OP}
    for each in fields(message):
        value = getattr(message, each.name)
        if value is None or (each.default is not MISSING and value == each.default):
            continue
        if each.default_factory is not MISSING and not value:
            continue
        found[each.name.rstrip("_")] = _plain(value, each.name)
    return json.dumps(found, ensure_ascii=False, separators=(",", ":")).encode()
