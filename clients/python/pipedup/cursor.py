"""How far a stream was taken, in a small text file.

    pipedup cursor 1
    SESSION POSITION STREAM
    id HEX                      the subscriber's, which is the same in later runs (section 6.2)
    ended                       only after the end of that session

It is replaced in one step, so that a reader that is killed finds the old one or the new one.
"""

from __future__ import annotations

import os
import re
from typing import NamedTuple, Optional

_FORM = re.compile(
    r"pipedup cursor 1\n([0-9a-f]{16}) (\d{1,20}) ([A-Za-z0-9._-]{1,128})\n"
    r"(?:id ([0-9a-f]{1,64})\n)?(ended\n)?"
)


class Cursor(NamedTuple):
    session: int
    position: int
    stream: str
    ended: bool = False
    id: str = ""


def load(path: str) -> Optional[Cursor]:
    """The cursor in `path`, None if there is no file. Raises ValueError if it is damaged, OSError."""
    try:
        with open(path, encoding="ascii", errors="replace") as file:
            text = file.read(4096)
    except FileNotFoundError:
        return None
    found = _FORM.fullmatch(text)
    if not found or int(found[2]) >= 1 << 64 or int(found[1], 16) == 0:
        raise ValueError(f"{path}: not a cursor")
    return Cursor(int(found[1], 16), int(found[2]), found[3], found[5] is not None, found[4] or "")


def save(path: str, cursor: Cursor, safe: bool = False) -> None:
    """Replace the file. With `safe` it also survives a crash of the machine. Raises OSError."""
    text = f"pipedup cursor 1\n{cursor.session:016x} {cursor.position} {cursor.stream}\n"
    if cursor.id:
        text += f"id {cursor.id}\n"
    if cursor.ended:
        text += "ended\n"
    new = f"{path}.{os.getpid()}.new"
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o666)
    try:
        os.write(descriptor, text.encode())
        if safe:
            os.fsync(descriptor)
    finally:
        os.close(descriptor)
    os.replace(new, path)
