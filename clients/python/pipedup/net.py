"""Endpoints, keys and sockets: every option of a socket is set here.

Why each is as it is: libzmq's own heartbeats may abort the process, so there are ours (section 5);
receiving has no high-water mark because sockets are read promptly and what is asked for is bounded;
the largest message is bounded because sizes are claims of a peer.
"""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from typing import Any, Dict, Optional, Tuple

import zmq
from zmq.utils import z85

from .header import MAX_BLOCK_BYTES

DEFAULT_ENDPOINT = "tcp://127.0.0.1:5590"
DEFAULT_PORT = 5590
ZAP_DOMAIN = b"pipedup"
_READER_FRAME_BYTES = MAX_BLOCK_BYTES + 4096
# Messages of at most 256 KiB that wait for one peer.
PUB_WAITING = 64
ROUTER_WAITING = 8
_LEAVE_MS = 500  # how long a closed socket still tries to send


@dataclass(frozen=True)
class Keys:
    """CURVE keys as Z85, 40 characters each. `server` is the publisher's public key, for a subscriber."""

    secret: bytes
    server: Optional[bytes] = None

    @property
    def public(self) -> bytes:
        return bytes(zmq.curve_public(self.secret))


def check_key(text: str, where: str) -> bytes:
    """A key of 40 characters of Z85. Raises ValueError with `where`, never with the key."""
    raw = text.encode("ascii", "replace")
    try:
        if len(raw) != 40 or len(z85.decode(raw)) != 32:  # type: ignore[no-untyped-call]
            raise ValueError
    except Exception:
        raise ValueError(f"{where}: not a key of 40 characters") from None
    return raw


def read_key(path: str, secret: bool = False) -> bytes:
    """The key in a file: its last line that is no comment; of several words, the first.

    A secret that others can read is refused. Raises OSError or ValueError.
    """
    with open(path, encoding="utf-8", errors="replace") as file:
        mode = os.fstat(file.fileno()).st_mode
        if secret and mode & (stat.S_IRWXG | stat.S_IRWXO):
            raise ValueError(f"{path}: others can read it (chmod 600)")
        lines = [line.strip() for line in file.read(1 << 16).splitlines()]
    words = [line.split()[0] for line in lines if line and not line.startswith("#")]
    if not words:
        raise ValueError(f"{path}: no key in it")
    return check_key(words[-1], path)


def full_endpoint(text: str) -> str:
    """HOST, HOST:PORT, :PORT, tcp://... or ipc://PATH, as tcp://HOST:PORT or ipc://PATH.

    Raises ValueError for what has no control endpoint.
    """
    if text.startswith("ipc://"):
        if len(text) == 6:
            raise ValueError(f"{text!r}: no path")
        return text
    rest = text[6:] if text.startswith("tcp://") else text
    if "://" in rest or not rest:
        raise ValueError(f"{text!r}: neither tcp nor ipc")
    bare_ipv6 = rest.startswith("[") and rest.endswith("]")
    host, colon, port = (rest, "", "") if bare_ipv6 else rest.rpartition(":")
    if not colon and not bare_ipv6:
        host, port = rest, ""
    try:
        number = int(port) if colon else DEFAULT_PORT
    except ValueError:
        number = 0
    if not 1 <= number <= 65534:
        raise ValueError(f"{text!r}: the port has to be 1 to 65534, as the next one is used too")
    return f"tcp://{host or '127.0.0.1'}:{number}"


def control_endpoint(data: str) -> str:
    """The control endpoint that belongs to a full data endpoint (section 1)."""
    if data.startswith("ipc://"):
        return data + ".ctl"
    host, _, port = data.rpartition(":")
    return f"{host}:{int(port) + 1}"


def is_local(endpoint: str) -> bool:
    """Whether only this machine can reach what is bound there."""
    if endpoint.startswith("ipc://"):
        return True
    host = endpoint[6:].rpartition(":")[0].strip("[]")
    return host in ("localhost", "::1") or host.startswith("127.")


def _socket(context: "zmq.Context[Any]", kind: int, options: Dict[int, Any]) -> "zmq.Socket[Any]":
    socket: "zmq.Socket[Any]" = context.socket(kind)
    options = {zmq.LINGER: 0, zmq.IPV6: 1, zmq.TCP_KEEPALIVE: 1, zmq.RCVHWM: 0, **options}
    for name, value in options.items():
        socket.setsockopt(name, value)
    return socket


def _connecting(keys: Optional[Keys]) -> Dict[int, Any]:
    options: Dict[int, Any] = {
        zmq.MAXMSGSIZE: _READER_FRAME_BYTES,
        zmq.RECONNECT_IVL: 100,
        zmq.RECONNECT_IVL_MAX: 2000,
        zmq.CONNECT_TIMEOUT: 5000,
        zmq.HANDSHAKE_IVL: 5000,
    }
    if keys is not None:
        if keys.server is None:
            raise ValueError("keys of a subscriber need the publisher's public key")
        options[zmq.CURVE_SERVERKEY] = keys.server
        options[zmq.CURVE_PUBLICKEY] = keys.public
        options[zmq.CURVE_SECRETKEY] = keys.secret
    return options


def sub_socket(context: "zmq.Context[Any]", endpoint: str, keys: Optional[Keys]) -> "zmq.Socket[Any]":
    """The reader's end of the data endpoint. The caller subscribes, and closes it."""
    socket = _socket(context, zmq.SUB, _connecting(keys))
    socket.connect(endpoint)
    return socket


def dealer_socket(
    context: "zmq.Context[Any]", endpoint: str, keys: Optional[Keys]
) -> "zmq.Socket[Any]":
    """The reader's end of the control endpoint that belongs to the data endpoint `endpoint`."""
    options = _connecting(keys)
    options[zmq.LINGER] = _LEAVE_MS
    socket = _socket(context, zmq.DEALER, options)
    socket.connect(control_endpoint(endpoint))
    return socket


def _binding(keys: Optional[Keys], most_bytes: int, waiting: int) -> Dict[int, Any]:
    # The ZAP domain makes libzmq ask the handler, without keys too: without it older peers, which a
    # plain HTTP request is taken for, are let in (section 10).
    options: Dict[int, Any] = {
        zmq.MAXMSGSIZE: most_bytes,
        zmq.SNDHWM: waiting,
        zmq.HANDSHAKE_IVL: 5000,
        zmq.BACKLOG: 1024,
        zmq.ZAP_DOMAIN: ZAP_DOMAIN,
    }
    if keys is not None:
        options[zmq.CURVE_SERVER] = 1
        options[zmq.CURVE_SECRETKEY] = keys.secret
    return options


def bind_pair(
    context: "zmq.Context[Any]", endpoints: Tuple[str, ...], keys: Optional[Keys]
) -> Tuple["zmq.Socket[Any]", "zmq.Socket[Any]"]:
    """PUB and ROUTER, bound to all data endpoints and their control endpoints. The caller closes
    them. Raises zmq.ZMQError with the endpoint that cannot be bound."""
    data = _socket(context, zmq.PUB, _binding(keys, 1 << 10, PUB_WAITING))
    control = _socket(context, zmq.ROUTER, _binding(keys, 8 << 10, ROUTER_WAITING))
    # Full queues are told (EAGAIN), not dropped in silence.
    control.setsockopt(zmq.ROUTER_MANDATORY, 1)
    control.setsockopt(zmq.LINGER, _LEAVE_MS)
    data.setsockopt(zmq.LINGER, _LEAVE_MS)
    try:
        for endpoint in endpoints:
            _bind(data, endpoint)
            _bind(control, control_endpoint(endpoint))
    except BaseException:
        data.close(0)
        control.close(0)
        raise
    return data, control




def _bind(socket: "zmq.Socket[Any]", endpoint: str) -> None:
    before = os.umask(0o077) if endpoint.startswith("ipc://") else None
    try:
        socket.bind(endpoint)
    except zmq.ZMQError as error:
        raise zmq.ZMQError(error.errno, f"{endpoint}: {error.strerror}") from None
    finally:
        if before is not None:
            os.umask(before)
