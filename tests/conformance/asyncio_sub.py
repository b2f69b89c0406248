"""A subscriber made of pipedup.aio, with those options of pipedup-sub that the scenarios give."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import sys

from pipedup import aio, net
from pipedup.cli import duration
from pipedup.control import session_text
from pipedup.items import Block, Gap, Refused, Unreachable


def say(event: str, **more: object) -> None:
    print(json.dumps({"event": event, **more}), file=sys.stderr, flush=True)


async def copy(subscriber: aio.Subscriber) -> int:
    """Writes the stream to stdout and says its gaps; the exit status of pipedup-sub."""
    lost = False
    async for item in subscriber:
        if isinstance(item, Block):
            data = memoryview(item.data)
            while data:
                data = data[os.write(1, data) :]
        elif isinstance(item, Gap):
            lost = True
            session = session_text(item.session)
            say("gap", session=session, bytes=item.bytes, **{"from": item.position, "to": item.end})
    return 3 if lost else 0


async def run(told: argparse.Namespace) -> int:
    keys = None
    if told.curve_secret:
        keys = net.Keys(net.read_key(told.curve_secret, secret=True), net.read_key(told.server_key))
    start = told.start if told.start in ("now", "start") else int(told.start)
    async with aio.Subscriber(
        told.endpoint, start=start, cursor=told.cursor, follow=told.follow, give_up=told.give_up, keys=keys
    ) as subscriber:
        task = asyncio.ensure_future(copy(subscriber))
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
        try:
            return await task
        except asyncio.CancelledError:
            return 128 + signal.SIGTERM
        except (Unreachable, Refused) as error:
            say("failed", message=str(error))
            return 5 if isinstance(error, Refused) else 4


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("endpoint")
    parser.add_argument("--from", dest="start", default="now")
    parser.add_argument("--give-up", type=duration, default=30.0)
    parser.add_argument("--follow", action="store_true")
    parser.add_argument("--cursor")
    parser.add_argument("--server-key")
    parser.add_argument("--curve-secret")
    parser.add_argument("--log-format", choices=["json"])  # as which it says everything
    return asyncio.run(run(parser.parse_args()))


if __name__ == "__main__":
    sys.exit(main())
