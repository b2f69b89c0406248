"""Who may connect to a publisher: the ZAP handler (RFC 27 of ZeroMQ; PROTOCOL.md, section 10)."""

from __future__ import annotations

from typing import Any, Dict, List, Optional

import zmq
from zmq.utils import z85

from .net import ZAP_DOMAIN, check_key

_ENDPOINT = "inproc://zeromq.zap.01"


def read_allowed(path: str) -> Dict[bytes, str]:
    """A list of public keys, "KEY NAME" a line; # begins a comment. The name is the key where there
    is none. Raises OSError, or ValueError with the line."""
    found: Dict[bytes, str] = {}
    with open(path, encoding="utf-8", errors="replace") as file:
        for number, line in enumerate(file, 1):
            text = line.strip()
            if not text or text.startswith("#"):
                continue
            key, _, name = text.partition(" ")
            name = name.split(" #")[0].strip()
            found[check_key(key, f"{path}:{number}")] = name[:128] or key
    return found


class Handler:
    """Answers libzmq's questions. `allowed` is None where there are no keys: everybody may come.

    For the thread that calls answer(); has to be made before the sockets that it guards are bound.
    """

    def __init__(self, context: "zmq.Context[Any]", allowed: Optional[Dict[bytes, str]]) -> None:
        self.allowed = allowed
        self.socket: "zmq.Socket[Any]" = context.socket(zmq.REP)
        self.socket.setsockopt(zmq.LINGER, 0)
        self.socket.bind(_ENDPOINT)

    def answer(self) -> None:
        """Answer what is there; does not wait."""
        for _ in range(256):
            try:
                question = self.socket.recv_multipart(zmq.NOBLOCK)
            except zmq.Again:
                return
            self.socket.send_multipart(self._decide(question))

    def _decide(self, question: List[bytes]) -> List[bytes]:
        if len(question) < 6:
            return [b"1.0", b"", b"400", b"malformed", b"", b""]
        version, number, domain, _, _, mechanism = question[:6]
        name: Optional[str] = None
        if version == b"1.0" and domain == ZAP_DOMAIN:
            if self.allowed is None:
                name = "" if mechanism == b"NULL" else None
            elif mechanism == b"CURVE" and len(question) == 7 and len(question[6]) == 32:
                key: bytes = z85.encode(question[6])  # type: ignore[no-untyped-call]
                name = self.allowed.get(key)
        if name is None:
            return [b"1.0", number, b"400", b"not allowed", b"", b""]
        return [b"1.0", number, b"200", b"OK", name.encode(), b""]
