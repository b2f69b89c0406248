"""What every client has to do with every publisher, each with the oracle."""

from __future__ import annotations

import itertools
import random
import signal
import socket
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from drivers import Keys, Offer, Places, Publisher, Subscriber, Wish, go_on, stop
from oracle import Account, check_equation

MIB = 1 << 20
RETAINED = 64 * MIB
LEAST_RETAINED = MIB

ports = itertools.count(23000 + 2 * random.randrange(2000), 2)


@dataclass
class Pair:
    """A client and a publisher, and what they have for one scenario."""

    client: str
    publisher: str
    places: Places
    directory: Path

    def __post_init__(self) -> None:
        self.endpoint = f"ipc://{self.directory}/data"
        self.started: list = []

    def publish(self, offer: Offer | None = None, name: str = "pub") -> Publisher:
        return Publisher.start(
            self.publisher,
            self.places,
            self.directory,
            self.endpoint,
            offer or Offer(),
            name,
            self.started,
        )

    def subscribe(self, wish: Wish | None = None, name: str = "sub") -> Subscriber:
        made = Subscriber(
            self.client, self.places, self.directory, self.endpoint, wish or Wish(), name
        )
        self.started.append(made)
        return made

    def clean_up(self) -> None:
        for one in self.started:
            one.kill()


def expect(what: str, wanted, got) -> None:
    if wanted != got:
        raise AssertionError(f"{what}: {got!r} in place of {wanted!r}")


def lines(label: str, count: int, bytes_each: int = 100) -> bytes:
    """Numbered lines, no two alike."""
    return b"".join(
        f"{label} {i:010d} ".encode().ljust(bytes_each - 1, b".") + b"\n" for i in range(count)
    )


def any_bytes(seed: int, count: int) -> bytes:
    return random.Random(seed).randbytes(count)


def expect_end(publisher: Publisher, subscriber: Subscriber, produced: bytes, status: int = 0) -> None:
    """Both end as they should, and the equation holds."""
    expect("exit status of the subscriber", status, subscriber.wait())
    # A relay that was passed by retention itself has lost what it then tells its readers.
    statuses = publisher.wait()
    wanted = [3 if process.events("gap") else 0 for process in publisher.processes]
    expect("exit status of the publisher", wanted, statuses)
    account = Account(subscriber.output(), subscriber.gaps())
    expect("the equation", "", check_equation(produced, account))


# ---- the scenarios ----


def late_join(pair: Pair) -> None:
    """One that comes late reads what is kept; one that begins now, whole records from there on."""
    early, late = lines("early", 20000), lines("late", 2000)
    publisher = pair.publish()
    publisher.write(early)
    everything = pair.subscribe()
    everything.wait_for(early[-100:])
    now = pair.subscribe(Wish(start="now"), "now")
    # It has nothing of what was there before, so it is seen to read when something new comes.
    ticks = b""
    while not now.output() and len(ticks) < 200000:
        line = lines("tick", 1)
        publisher.write(line)
        ticks += line
        time.sleep(0.02)
    publisher.write(late)
    publisher.close()
    expect_end(publisher, everything, early + ticks + late)
    expect("exit status of the one that begins now", 0, now.wait())
    produced = early + ticks + late
    begin = len(produced) - len(now.output())
    if begin == 0 or produced[begin - 1 : begin] != b"\n":
        raise AssertionError(f"it begins at {begin}, inside a record")
    expect("what it has", produced[begin:], now.output())


def gap_with_recovery(pair: Pair) -> None:
    """One that stands still for a while misses live blocks, and gets them from the journal."""
    produced = lines("first", 10)
    publisher = pair.publish()
    subscriber = pair.subscribe()
    publisher.write(produced)
    subscriber.wait_for(produced)
    # Far more lines than a queue holds blocks, so something is missed where most lines are a
    # block: on a busy machine they have to come slower for that.
    for attempt in range(5):
        many = lines(f"many {attempt}", 1500, 2048)
        stop(subscriber)
        for at in range(0, len(many), 2048):
            publisher.write(many[at : at + 2048])
            time.sleep(0.0005 * 2**attempt)
        go_on(subscriber)
        subscriber.wait_for(many[-2048:])
        produced += many
        if missed_something(pair, subscriber):
            break
    else:
        raise AssertionError("nothing was missed")
    publisher.close()
    expect_end(publisher, subscriber, produced)


def missed_something(pair: Pair, subscriber: Subscriber) -> bool:
    """Whether it went back from LIVE; true of those that do not say in which mode they are."""
    if pair.client != "pipedup-sub":
        return True
    modes = [event["message"] for event in subscriber.events("mode")]
    return "mode: catch-up" in modes[modes.index("mode: live") :]


def gap_beyond_retention(pair: Pair) -> None:
    """What retention has passed is lost, and every byte of it is told."""
    first = lines("first", 10)
    many = lines("many", 6000, 4096)
    publisher = pair.publish(Offer(retain=LEAST_RETAINED))
    subscriber = pair.subscribe()
    publisher.write(first)
    subscriber.wait_for(first)
    stop(subscriber)
    publisher.write(many)
    publisher.wait_until_published(len(first + many))
    go_on(subscriber)
    publisher.close()
    expect_end(publisher, subscriber, first + many, 3)
    if not subscriber.gaps():
        raise AssertionError("nothing was lost, so nothing was tried")


def restart(pair: Pair) -> None:
    """A publisher that is killed has vanished; the next one's session is read as well."""
    first, more, second = lines("first", 10000), lines("more", 20000), lines("second", 30000)
    publisher = pair.publish()
    subscriber = pair.subscribe(Wish(follow=True, give_up_s=0))
    publisher.write(first)
    subscriber.wait_for(first[-100:])
    publisher.write(more)  # some of it leaves the publisher, or nothing
    publisher.kill()
    again = pair.publish(name="again")
    again.write(second)
    subscriber.wait_for(second[-100:])
    again.close()
    expect("exit status of the publisher", [0] * len(again.processes), again.wait())
    subscriber.signal(signal.SIGTERM)
    subscriber.wait()
    output = subscriber.output()
    cut = output.index(second[:100])
    sessions = list(dict.fromkeys(gap["session"] for gap in subscriber.events("gap")))
    if len(sessions) > 1:
        raise AssertionError(f"gaps in {sessions}: the second session lost nothing")
    # Whether the last bytes of the first session left the publisher nobody knows; what did not
    # come is at its end, in a gap or unheard of.
    gaps = [gap for gap in subscriber.gaps() if gap[0] < cut]
    expect("the first session", "", check_equation(first + more, Account(output[:cut], gaps), False))
    expect("what it had before", first, output[: len(first)])
    expect("the second session", "", check_equation(second, Account(output[cut:])))


def end_of_stream(pair: Pair) -> None:
    """Over tcp: the end comes at once, and is confirmed; bytes behind the last record count."""
    while True:
        port = next(ports)
        with socket.socket() as one, socket.socket() as other:
            try:
                one.bind(("127.0.0.1", port))
                other.bind(("127.0.0.1", port + 1))
                break
            except OSError:
                continue
    pair.endpoint = f"tcp://127.0.0.1:{port}"
    produced = lines("line", 1000) + b"not a whole line"
    publisher = pair.publish(Offer(linger_s=600))
    subscriber = pair.subscribe()
    publisher.wait_for_joined()
    publisher.write(produced)
    publisher.close()
    expect_end(publisher, subscriber, produced)


def empty_stream(pair: Pair) -> None:
    """Nothing was published, and that is an end as well."""
    publisher = pair.publish()
    subscriber = pair.subscribe()
    publisher.wait_for_joined()  # who is not there yet is not waited for
    publisher.close()
    expect("exit status of the subscriber", 0, subscriber.wait())
    expect("what it has", b"", subscriber.output())
    publisher.wait()


def huge_records(pair: Pair) -> None:
    """Records longer than a block, with every byte in them."""
    produced = b"".join(
        [
            any_bytes(1, 5 * MIB).replace(b"\n", b"\0") + b"\n",
            b"\n" * 1000,
            b"\r\n\0\0\xff\xfe\n",
            any_bytes(2, 3 * MIB).replace(b"\n", b"\r") + b"\n",
            any_bytes(3, 2 * MIB),
        ]
    )
    publisher = pair.publish()
    subscriber = pair.subscribe()
    publisher.wait_for_joined()
    publisher.write(produced)
    publisher.close()
    expect_end(publisher, subscriber, produced)


def compressed(pair: Pair) -> None:
    """Blocks that are compressed, and such that do not shrink, live and from the journal."""
    early = lines("early", 20000) + any_bytes(4, MIB) + b"\n"
    late = lines("late", 20000) + any_bytes(5, MIB) + b"\n"
    publisher = pair.publish(Offer(compress=True))
    publisher.write(early)
    subscriber = pair.subscribe()
    subscriber.wait_for(early[-100:])
    publisher.write(late)
    publisher.close()
    expect_end(publisher, subscriber, early + late)


def make_keys(pair: Pair) -> tuple[Keys, Keys]:
    """Keys of somebody who is let in, and of somebody who is not."""

    def make(name: str) -> Path:
        path = pair.directory / name
        subprocess.run(
            [pair.places.programs / "pipedup-keygen", "-o", path], check=True, capture_output=True
        )
        return path

    server, friend, stranger = make("server"), make("friend"), make("stranger")
    allowed = pair.directory / "allowed"
    allowed.write_text((pair.directory / "friend.pub").read_text())

    def keys(of: Path) -> Keys:
        return Keys(
            Path(f"{server}.pub"), Path(f"{server}.secret"), Path(f"{of}.secret"), allowed
        )

    return keys(friend), keys(stranger)


def curve(pair: Pair) -> None:
    """With keys everything arrives, and nobody else gets a byte."""
    friend, stranger = make_keys(pair)
    produced = lines("secret", 20000)
    publisher = pair.publish(Offer(keys=friend))
    refused = pair.subscribe(Wish(keys=stranger, give_up_s=2), "refused")
    plain = pair.subscribe(Wish(give_up_s=2), "plain")
    subscriber = pair.subscribe(Wish(keys=friend))
    publisher.write(produced)
    subscriber.wait_for(produced[-100:])
    for outsider in (refused, plain):
        expect("exit status of one that is not let in", True, outsider.wait() in (4, 5))
        expect("what it has", b"", outsider.output())
    publisher.close()
    expect_end(publisher, subscriber, produced)


def resume(pair: Pair) -> None:
    """One that is stopped goes on where it was, without a byte missing or twice."""
    first, second = lines("first", 200000), lines("second", 20000)
    cursor = pair.directory / "cursor"
    publisher = pair.publish()
    publisher.write(first)
    one = pair.subscribe(Wish(cursor=cursor), "one")
    one.wait_for(first[:100])  # wherever it is by now
    one.signal(signal.SIGTERM)
    one.wait()
    publisher.write(second)
    other = pair.subscribe(Wish(cursor=cursor), "other")
    other.wait_for(second[-100:])
    publisher.close()
    expect("exit status of the subscriber", 0, other.wait())
    expect("exit status of the publisher", [0] * len(publisher.processes), publisher.wait())
    account = Account(one.output() + other.output(), one.gaps() + other.gaps())
    expect("the equation", "", check_equation(first + second, account))


def resume_after_loss(pair: Pair) -> None:
    """One that comes back for a session that is gone is told so, and reads the next one."""
    first, second = lines("first", 20000), lines("second", 20000)
    cursor = pair.directory / "cursor"
    publisher = pair.publish()
    publisher.write(first)
    one = pair.subscribe(Wish(cursor=cursor), "one")
    one.wait_for(first[-100:])
    one.signal(signal.SIGTERM)
    one.wait()
    publisher.kill()
    again = pair.publish(name="again")
    again.write(second)
    other = pair.subscribe(Wish(cursor=cursor), "other")
    other.wait_for(second[-100:])
    again.close()
    expect("exit status of the subscriber", 3, other.wait())
    expect("the second session", second, other.output())
    expect("exit status of the publisher", [0] * len(again.processes), again.wait())


SCENARIOS = [
    late_join,
    gap_with_recovery,
    gap_beyond_retention,
    restart,
    end_of_stream,
    empty_stream,
    huge_records,
    compressed,
    curve,
    resume,
    resume_after_loss,
]
