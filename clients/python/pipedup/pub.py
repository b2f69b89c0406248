"""python3 -m pipedup.pub: publish stdin.

Exit status: 0 everything published and confirmed, or nobody was there; 1 failure; 2 usage; 3 a
subscriber did not confirm the end within --linger; 128+N signal N, which is no end of the stream.
"""

from __future__ import annotations

import argparse
import os
import select
import sys
from typing import List, Optional

import zmq

from . import net
from .cli import Report, Signals, Stopped, duration, size
from .control import Malformed, stream_name
from .publisher import Publisher
from .zap import read_allowed

_PROGRAM = "pipedup-pub.py"
_READ_BYTES = 256 << 10
_UNCONFIRMED = 3


def _name(text: str) -> str:
    try:
        return str(stream_name(text))
    except Malformed:
        raise argparse.ArgumentTypeError("1 to 128 letters, digits, '.', '_' or '-'") from None


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python3 -m pipedup.pub", description="Publish stdin.")
    add = parser.add_argument
    add("-s", "--stream", type=_name, default="default", metavar="NAME")
    add("-b", "--bind", action="append", metavar="ENDPOINT", help=f"default: {net.DEFAULT_ENDPOINT}")
    add("--records", choices=("lines", "nul", "raw"), default="lines")
    add("--retain", type=size, default=64 << 20, metavar="SIZE", help="kept for late and slow readers")
    add("--wait-subs", type=int, default=0, metavar="N", help="read nothing before N have joined")
    add("--linger", type=duration, default=30.0, metavar="DUR", help="how long to wait at the end")
    add("--compress", choices=("none", "zstd"), default="none")
    add("--curve-secret", metavar="FILE", help="our secret key")
    add("--allow-keys", metavar="FILE", help="public keys that are let in, KEY NAME a line")
    add("--insecure", action="store_true", help="allow --bind beyond this machine without keys")
    add("--log-format", choices=("text", "json"), default="text")
    return parser


def main(arguments: Optional[List[str]] = None) -> int:
    parser = _parser()
    told = parser.parse_args(arguments)
    report = Report(_PROGRAM, told.log_format)
    if bool(told.curve_secret) != bool(told.allow_keys):
        parser.error("--curve-secret and --allow-keys need each other")
    signals = Signals()
    bind = told.bind or [net.DEFAULT_ENDPOINT]
    try:
        for each in bind:
            net.full_endpoint(each)
    except ValueError as error:
        parser.error(str(error))
    try:
        keys = net.Keys(net.read_key(told.curve_secret, secret=True)) if told.curve_secret else None
        allowed = read_allowed(told.allow_keys) if told.allow_keys else None
        pub = Publisher(
            told.stream, bind, records=told.records, retain_bytes=told.retain,
            compress=1 if told.compress == "zstd" else None, keys=keys, allowed=allowed,
            insecure=told.insecure, linger=told.linger, log=report,
        )  # fmt: skip
    except (OSError, ValueError, RuntimeError, zmq.ZMQError) as error:
        report("failure", str(error), "error")
        return 1
    for endpoint in pub.endpoints:
        report("listening", f"publishing '{told.stream}' at {endpoint}", endpoint=endpoint)
    try:
        return _run(pub, told.wait_subs, report, signals)
    except Stopped as stopped:
        pub.abort()
        return stopped.status
    except Exception as error:
        report("failure", f"{type(error).__name__}: {error}", "error")
        pub.abort()
        return 1
    finally:
        signals.ignore()


def _run(pub: Publisher, wait_subs: int, report: Report, signals: Signals) -> int:
    while wait_subs and not pub.wait_for_subscribers(wait_subs, 0.25):
        signals.check()
    poll = select.poll()
    poll.register(0, select.POLLIN)
    while True:
        signals.check()
        if not poll.poll(250):
            continue
        data = os.read(0, _READ_BYTES)
        if not data:
            break
        pub.write(data)
    if pub.close(None):
        return 0
    report("unconfirmed", f"the end was not confirmed by {', '.join(pub.unconfirmed)}", "warning")
    return _UNCONFIRMED


if __name__ == "__main__":
    sys.exit(main())
