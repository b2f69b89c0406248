"""Clients and publishers as programs, each with its own way to be told the same."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path

PYTHON = "/usr/bin/python3"  # Debian's, which its packages are for
PATIENCE_S = 60.0  # how long something may take that a working program does at once


@dataclass(frozen=True)
class Places:
    """Where the programs are."""

    programs: Path  # of the build
    examples: Path  # clients/cpp, built
    clients: Path  # the sources of clients/


@dataclass
class Keys:
    """Files that pipedup-keygen has made."""

    server: Path
    server_secret: Path
    secret: Path
    allowed: Path


@dataclass
class Wish:
    """What a subscriber is told."""

    start: str = "start"
    follow: bool = False
    give_up_s: int = 30
    keys: Keys | None = None
    cursor: Path | None = None


@dataclass
class Offer:
    """What a publisher is told."""

    stream: str = "demo"
    retain: int = 64 << 20
    compress: bool = False
    keys: Keys | None = None
    linger_s: int = 60
    records: str = "lines"


class Process:
    """One program of ours, its output in files."""

    def __init__(self, words: list[str], directory: Path, name: str, env: dict[str, str], stdin=None):
        self.name = name
        self.out = directory / f"{name}.out"
        self.err = directory / f"{name}.err"
        with open(self.out, "wb") as out, open(self.err, "wb") as err:
            self.process = subprocess.Popen(
                words, stdin=stdin, stdout=out, stderr=err, env={**os.environ, **env}
            )

    def output(self) -> bytes:
        return self.out.read_bytes()

    def events(self, name: str) -> list[dict]:
        found = []
        for line in self.err.read_bytes().splitlines():
            try:
                event = json.loads(line)
            except ValueError:
                continue
            if isinstance(event, dict) and event.get("event") == name:
                found.append(event)
        return found

    def signal(self, number: int) -> None:
        self.process.send_signal(number)

    def wait(self) -> int:
        """Its exit status, 128 + N after signal N. Raises subprocess.TimeoutExpired."""
        status = self.process.wait(timeout=PATIENCE_S)
        return 128 - status if status < 0 else status

    def kill(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        if self.process.stdin is not None:
            try:
                self.process.stdin.close()
            except BrokenPipeError:
                pass


def wait_until(is_true, what: str) -> None:
    """Asks until it is. Raises AssertionError when the patience is over."""
    deadline = time.monotonic() + PATIENCE_S
    while not is_true():
        if time.monotonic() > deadline:
            raise AssertionError(f"never came: {what}")
        time.sleep(0.005)


def python_words(places: Places, module: str) -> tuple[list[str], dict[str, str]]:
    env = {"PYTHONPATH": str(places.clients / "python"), "PYTHONDONTWRITEBYTECODE": "1"}
    return [PYTHON, "-m", module], env


# ---- subscribers ----


def like_pipedup_sub(endpoint: str, wish: Wish) -> list[str]:
    words = [endpoint, "--from", wish.start, "--give-up", f"{wish.give_up_s}s"]
    words += ["--log-format", "json"]
    if wish.follow:
        words.append("--follow")
    if wish.keys:
        words += ["--server-key", str(wish.keys.server), "--curve-secret", str(wish.keys.secret)]
    if wish.cursor:
        words += ["--cursor", str(wish.cursor)]
    return words


def like_the_example(endpoint: str, wish: Wish) -> list[str]:
    words = [endpoint, "--from", wish.start, "--give-up", str(wish.give_up_s), "--no-attach"]
    if wish.follow:
        words.append("--follow")
    if wish.keys:
        words += ["--server-key", str(wish.keys.server), "--curve-secret", str(wish.keys.secret)]
    if wish.cursor:
        words += ["--resume", str(wish.cursor)]
    return words


def subscriber_words(kind: str, places: Places, endpoint: str, wish: Wish):
    """The command line of a subscriber, and its environment."""
    if kind == "pipedup-sub":
        return [str(places.programs / kind), "-v", "--no-attach"] + like_pipedup_sub(endpoint, wish), {}
    if kind == "cpp":
        return [str(places.examples / "subscribe")] + like_the_example(endpoint, wish), {}
    if kind == "python":
        words, env = python_words(places, "pipedup.sub")
        return words + like_pipedup_sub(endpoint, wish), env
    if kind == "asyncio":
        _, env = python_words(places, "")
        shim = Path(__file__).with_name("asyncio_sub.py")
        return [PYTHON, str(shim)] + like_pipedup_sub(endpoint, wish), env
    shim = places.clients / "node" / "bin" / "pipedup-sub.mjs"
    return ["node", str(shim)] + like_pipedup_sub(endpoint, wish), {}


SUBSCRIBERS = ["pipedup-sub", "cpp", "python", "asyncio", "node"]


class Subscriber(Process):
    def __init__(self, kind, places: Places, directory: Path, endpoint: str, wish: Wish, name="sub"):
        words, env = subscriber_words(kind, places, endpoint, wish)
        super().__init__(words, directory, name, env, stdin=subprocess.DEVNULL)

    def gaps(self, session: str | None = None) -> list[tuple[int, int]]:
        return [
            (gap["from"], gap["to"])
            for gap in self.events("gap")
            if session is None or gap["session"] == session
        ]

    def wait_for(self, text: bytes) -> None:
        def is_there() -> bool:
            if self.process.poll() is not None and text not in self.output():
                raise AssertionError(f"ended with {self.process.poll()} before {text[-40:]!r} came")
            return text in self.output()

        wait_until(is_there, f"{text[-40:]!r}")


# ---- publishers ----


def like_pipedup_pub(endpoint: str, offer: Offer) -> list[str]:
    words = ["--stream", offer.stream, "--bind", endpoint, "--retain", str(offer.retain)]
    words += ["--linger", f"{offer.linger_s}s", "--log-format", "json", "--records", offer.records]
    if offer.compress:
        words += ["--compress", "zstd"]
    if offer.keys:
        words += ["--curve-secret", str(offer.keys.server_secret)]
        words += ["--allow-keys", str(offer.keys.allowed)]
    return words


def like_the_publishing_example(endpoint: str, offer: Offer) -> list[str]:
    words = [endpoint, "--stream", offer.stream, "--retain", str(offer.retain)]
    words += ["--linger", str(offer.linger_s), "--records", offer.records]
    if offer.compress:
        words += ["--zstd", "1"]
    if offer.keys:
        words += ["--curve-secret", str(offer.keys.server_secret)]
        words += ["--allow-keys", str(offer.keys.allowed)]
    return words


def publisher_words(kind: str, places: Places, endpoint: str, offer: Offer):
    if kind == "cpp":
        words = like_the_publishing_example(endpoint, offer)
        return [str(places.examples / "publish")] + words, {}
    if kind == "python":
        words, env = python_words(places, "pipedup.pub")
        return words + like_pipedup_pub(endpoint, offer), env
    return [str(places.programs / "pipedup-pub"), "-v"] + like_pipedup_pub(endpoint, offer), {}


PUBLISHERS = ["pipedup-pub", "relay", "cpp", "python"]


@dataclass
class Publisher:
    """A publisher, and the relay in front of it where the kind is `relay`."""

    places: Places
    endpoint: str
    processes: list[Process] = field(default_factory=list)

    @staticmethod
    def start(
        kind: str, places: Places, directory: Path, endpoint: str, offer: Offer, name: str, started: list
    ) -> Publisher:
        """`started` has it also when it never listens, which raises AssertionError."""
        bound = f"ipc://{directory}/origin" if kind == "relay" else endpoint
        words, env = publisher_words(kind, places, bound, Offer(**{**vars(offer), "keys": None})
                                     if kind == "relay" else offer)
        origin = Process(words, directory, name, env, stdin=subprocess.PIPE)
        publisher = Publisher(places, endpoint, [origin])
        started.append(publisher)
        publisher.wait_until_listening(origin)
        if kind == "relay":
            words = [str(places.programs / "pipedup-relay"), "--from", bound, "--bind", endpoint]
            words += ["--retain", str(offer.retain), "--linger", f"{offer.linger_s}s"]
            words += ["--log-format", "json", "-v"]
            if offer.keys:
                words += ["--curve-secret", str(offer.keys.server_secret)]
                words += ["--allow-keys", str(offer.keys.allowed)]
            relay = Process(words, directory, name + "-relay", {}, stdin=subprocess.DEVNULL)
            publisher.processes.append(relay)
            publisher.wait_until_listening(relay)
        return publisher

    @staticmethod
    def wait_until_listening(process: Process) -> None:
        def is_listening() -> bool:
            if process.process.poll() is not None:
                raise AssertionError(f"publisher: {process.err.read_text()}")
            return bool(process.events("listening"))

        wait_until(is_listening, f"{process.name} listens")

    def wait_for_joined(self) -> None:
        """Somebody has joined, also the relay if there is one: all say so, in their words."""
        for process in self.processes:
            wait_until(lambda: "joined" in process.err.read_text(), f"joined {process.name}")

    def write(self, data: bytes) -> None:
        stdin = self.processes[0].process.stdin
        stdin.write(data)
        stdin.flush()

    def wait_until_published(self, position: int) -> None:
        """All up to there has been: what of it nobody read is behind the retention."""
        words = [str(self.places.programs / "pipedup-top"), "--once", "--json", self.endpoint]

        def is_published() -> bool:
            shown = json.loads(subprocess.run(words, capture_output=True, check=True).stdout)
            return shown["endpoints"][0]["streams"][0]["head"] >= position

        wait_until(is_published, f"published up to {position}")

    def close(self) -> None:
        self.processes[0].process.stdin.close()

    def wait(self) -> list[int]:
        return [process.wait() for process in self.processes]

    def kill(self) -> None:
        for process in reversed(self.processes):
            process.kill()


def stop(process: Process) -> None:
    process.signal(signal.SIGSTOP)


def go_on(process: Process) -> None:
    process.signal(signal.SIGCONT)

