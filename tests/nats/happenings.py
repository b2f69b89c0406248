"""What may happen to a cluster and to those who use it. The equation holds at each subscriber."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import threading
import time
from pathlib import Path

from cluster import CLIENTS, Cluster, cut_off, heal, wait_until
from drivers import Process
from nkeys import USER, Key, operator_mode, write_nkey
from oracle import Account, check_equation

KILLS = 10
MIB = 1 << 20


def lines(label: str, first: int, count: int) -> bytes:
    return b"".join(
        f"{label} {first + i:08d} {'x' * ((first + i) % 61)}\n".encode() for i in range(count)
    )


class Stage:
    """A cluster, and what reads and writes a stream of it."""

    def __init__(self, programs: Path, directory: Path, name: str):
        self.programs = programs
        self.directory = directory
        self.name = name
        self.cluster = Cluster(directory)
        self.url = self.cluster.url(name)
        self.processes: list[Process] = []
        self.data = f"ipc://{directory}/data"
        self.longest_pause_s = 0.0
        self.produced = b""

    def run(self, words: list, name: str, stdin=None) -> Process:
        home = self.directory / name
        home.mkdir()
        process = Process(
            [str(self.programs / words[0]), *map(str, words[1:]), "--log-format", "json", "-v"],
            self.directory, name, {"XDG_RUNTIME_DIR": str(home)}, stdin=stdin,
        )
        self.processes.append(process)
        return process

    def publish(self, name: str = "pub", *options, endpoint: str | None = None) -> Process:
        process = self.run(
            ["pipedup-pub", "--bind", endpoint or self.data, "--journal", self.url, *options], name,
            stdin=subprocess.PIPE,
        )
        wait_until(lambda: process.events("listening"), f"{name} listens")
        return process

    def subscribe(self, name: str, *words) -> Process:
        return self.run(["pipedup-sub", *words, "--from", "start", "--no-attach", "--give-up", 0], name)

    def three_subscribers(self) -> list[Process]:
        """Of the cluster; of both the publisher and the cluster; of a relay that reads the cluster."""
        relayed = f"ipc://{self.directory}/relayed"
        relay = self.run(
            ["pipedup-relay", "--from", self.url, "--bind", relayed, "--give-up", 0,
             "--retain", "1GiB"], "relay")
        found = [
            self.subscribe("of-cluster", self.url),
            self.subscribe("of-both", self.data, self.url),
            self.subscribe("of-relay", relayed),
        ]
        wait_until(lambda: relay.events("listening"), "the relay listens")
        return found

    def produce(self, publisher: Process, during, rate: int = 4 * MIB) -> None:
        """Writes lines while `during` runs."""
        stop = threading.Event()

        def write() -> None:
            first = 0
            while not stop.is_set():
                part = lines("line", first, 400)
                first += 400
                publisher.process.stdin.write(part)
                publisher.process.stdin.flush()
                self.produced += part
                time.sleep(len(part) / rate)

        writer = threading.Thread(target=write)
        writer.start()
        try:
            during()
        finally:
            stop.set()
            writer.join()

    def watch_pauses(self, subscriber: Process, stop: threading.Event) -> threading.Thread:
        def watch() -> None:
            size, since = -1, time.monotonic()
            while not stop.is_set():
                now = subscriber.out.stat().st_size
                if now != size:
                    if size > 0:
                        self.longest_pause_s = max(self.longest_pause_s, time.monotonic() - since)
                    size, since = now, time.monotonic()
                time.sleep(0.01)

        thread = threading.Thread(target=watch)
        thread.start()
        return thread

    def end(self, publisher: Process, subscribers: list[Process], lossless: bool = True) -> None:
        publisher.process.stdin.close()
        status = publisher.wait()
        if status != 0:
            raise AssertionError(f"publisher: status {status}")
        for subscriber in subscribers:
            check(subscriber, self.produced, lossless)

    def top(self, publisher: str) -> dict:
        """What pipedup-top says of the stream of `publisher`, and of the cluster in it."""
        shown = subprocess.run([self.programs / "pipedup-top", publisher, "--once", "--json"],
                               capture_output=True, text=True, timeout=60)
        streams = [stream for endpoint in json.loads(shown.stdout)["endpoints"] for stream in endpoint["streams"]]
        if len(streams) != 1:
            raise AssertionError(f"{streams}: {shown.stderr}")
        rows = [row for row in streams[0]["subscribers"] if row["name"] == self.url]
        return {**streams[0], "cluster": rows[0] if rows else {}}

    def clean_up(self) -> None:
        for process in self.processes:
            process.kill()
        self.cluster.end()


def check(subscriber: Process, produced: bytes, lossless: bool) -> None:
    status = subscriber.wait()
    gaps = [(gap["from"], gap["to"]) for gap in subscriber.events("gap")]
    wrong = check_equation(produced, Account(subscriber.output(), gaps))
    if wrong or status != (3 if gaps else 0):
        raise AssertionError(f"{subscriber.name}: status {status}, gaps {gaps}: {wrong}")
    if lossless and gaps:
        raise AssertionError(f"{subscriber.name}: gaps {gaps}")


def joined(ranges: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """The same bytes, without ranges that touch."""
    found: list[tuple[int, int]] = []
    for begin, end in sorted(ranges):
        if found and begin <= found[-1][1]:
            found[-1] = (found[-1][0], max(end, found[-1][1]))
        else:
            found.append((begin, end))
    return found


def has(subscriber: Process, text: bytes) -> bool:
    return subscriber.output().endswith(text)


# ---- what happens ----


def leaders_die(stage: Stage) -> None:
    """The stream's leader is killed by SIGKILL again and again, under load."""
    publisher = stage.publish()
    subscribers = stage.three_subscribers()
    stop = threading.Event()
    watcher = stage.watch_pauses(subscribers[0], stop)

    def kill_leaders() -> None:
        for _ in range(KILLS):
            wait_until(lambda: stage.cluster.whole(stage.name), "the cluster is whole")
            leader = stage.cluster.leader(stage.name)
            stage.cluster.kill(leader)
            wait_until(lambda: stage.cluster.leader(stage.name) not in ("", leader), "another leader")
            time.sleep(0.5)
            stage.cluster.start(leader)

    try:
        stage.produce(publisher, kill_leaders)
    finally:
        stop.set()
        watcher.join()
    stage.end(publisher, subscribers)


def a_server_is_cut_off(stage: Stage) -> None:
    """The leader is cut off from all others, and from us, and comes back."""
    publisher = stage.publish()
    subscribers = stage.three_subscribers()
    stop = threading.Event()
    watcher = stage.watch_pauses(subscribers[0], stop)

    def cut() -> None:
        wait_until(lambda: stage.cluster.whole(stage.name), "the cluster is whole")
        leader = stage.cluster.leader(stage.name)
        cut_off(leader)
        try:
            time.sleep(20)
        finally:
            heal(leader)
        wait_until(lambda: stage.cluster.whole(stage.name), "the cluster is whole again")

    try:
        stage.produce(publisher, cut, rate=MIB)
    finally:
        stop.set()
        watcher.join()
    stage.end(publisher, subscribers)


def the_quorum_is_lost(stage: Stage) -> None:
    """Two servers of three are gone for a while: what is published meanwhile is kept here."""
    publisher = stage.publish("pub", "--retain", "256MiB")
    subscribers = stage.three_subscribers()

    def lose() -> None:
        wait_until(lambda: stage.cluster.whole(stage.name), "the cluster is whole")
        gone = stage.cluster.hosts[:2]
        for host in gone:
            stage.cluster.kill(host)
        wait_until(lambda: publisher.events("cluster-away"), "the publisher says that it is away")
        time.sleep(2)
        for host in gone:
            stage.cluster.start(host)
        wait_until(lambda: publisher.events("cluster"), "the publisher says that it is back")

    stage.produce(publisher, lose)
    stage.end(publisher, subscribers)


def more_is_lost_than_is_kept(stage: Stage) -> None:
    """The quorum is gone for longer than --retain lasts: each byte that is lost is told."""
    publisher = stage.publish("pub", "--retain", "4MiB")
    subscriber = stage.subscribe("of-cluster", stage.url)
    wait_until(lambda: stage.cluster.whole(stage.name), "the cluster is whole")
    stage.produced = lines("before", 0, 1000)
    publisher.process.stdin.write(stage.produced)
    publisher.process.stdin.flush()
    wait_until(lambda: has(subscriber, stage.produced[-100:]), "all of it is there")
    for host in stage.cluster.hosts[:2]:
        stage.cluster.kill(host)
    many = lines("meanwhile", 0, 600_000)
    publisher.process.stdin.write(many)
    publisher.process.stdin.flush()
    for host in stage.cluster.hosts[:2]:
        stage.cluster.start(host)
    wait_until(lambda: publisher.events("cluster-gap"), "the publisher says what is lost")
    stage.produced += many
    publisher.process.stdin.close()
    publisher.wait()
    check(subscriber, stage.produced, lossless=False)
    if not subscriber.events("gap"):
        raise AssertionError("nothing was lost, so nothing was tried")


def the_producer_waits(stage: Stage) -> None:
    """With --slow wait it does, while the cluster is away, and nothing is lost."""
    publisher = stage.publish("pub", "--retain", "4MiB", "--slow", "wait")
    subscriber = stage.subscribe("of-cluster", stage.url)
    wait_until(lambda: stage.cluster.whole(stage.name), "the cluster is whole")
    for host in stage.cluster.hosts[:2]:
        stage.cluster.kill(host)
    stage.produced = lines("meanwhile", 0, 300_000)
    writer = threading.Thread(target=lambda: publisher.process.stdin.write(stage.produced))
    writer.start()
    time.sleep(3)
    if not writer.is_alive():
        raise AssertionError("it did not wait")
    for host in stage.cluster.hosts[:2]:
        stage.cluster.start(host)
    writer.join()
    stage.end(publisher, [subscriber])


def a_publisher_is_killed(stage: Stage) -> None:
    """The next one goes on where the cluster's log ends, under another session."""
    first, second = lines("first", 0, 50_000), lines("second", 0, 50_000)
    publisher = stage.publish()
    subscribers = stage.three_subscribers()
    publisher.process.stdin.write(first)
    publisher.process.stdin.flush()
    wait_until(lambda: all(one.out.stat().st_size > len(first) // 2 for one in subscribers), "half")
    publisher.kill()
    again = stage.publish("again")
    again.process.stdin.write(second)
    again.process.stdin.close()
    again.wait()
    for subscriber in subscribers:
        subscriber.wait()
        output = subscriber.output()
        if not output.endswith(second) or subscriber.events("gap"):
            raise AssertionError(f"{subscriber.name}: gaps {subscriber.events('gap')}, "
                                 f"{len(output)} bytes, the second session is not whole")
        if output[: -len(second)] != first[: len(output) - len(second)]:
            raise AssertionError(f"{subscriber.name}: the first session is wrong")


def a_publisher_moves(stage: Stage) -> None:
    """It is stopped in order, and goes on elsewhere: the same session, and not a byte between."""
    publisher = stage.publish()
    subscribers = stage.three_subscribers()
    sessions = []
    for part in range(4):
        text = lines(f"part {part}", 0, 20_000)
        stage.produced += text
        publisher.process.stdin.write(text)
        publisher.process.stdin.flush()
        sessions += [event["session"] for event in publisher.events("listening")]
        if part == 3:
            break
        wait_until(lambda: has(subscribers[0], text[-100:]), "all of it is in the cluster")
        publisher.signal(signal.SIGTERM)
        publisher.wait()
        publisher = stage.publish(f"pub{part}")
    if len(set(sessions)) != 1:
        raise AssertionError(f"sessions {sessions}")
    stage.end(publisher, subscribers)


def two_publish(stage: Stage) -> None:
    """The one that came first writes nothing more to the log, says so, and goes on without it."""
    publisher = stage.publish()
    publisher.process.stdin.write(b"one\n")
    publisher.process.stdin.flush()
    subscriber = stage.subscribe("of-cluster", stage.url)
    wait_until(lambda: has(subscriber, b"one\n"), "the first line")
    other = stage.publish("other", endpoint=f"ipc://{stage.directory}/other-data")
    publisher.process.stdin.write(b"lost\n")
    publisher.process.stdin.flush()
    wait_until(lambda: publisher.events("cluster-fenced"), "it says that it is fenced")
    other.process.stdin.write(b"two\n")
    other.process.stdin.close()
    other.wait()
    subscriber.wait()
    if subscriber.output() != b"one\ntwo\n":
        raise AssertionError(subscriber.output())
    publisher.process.stdin.close()
    status = publisher.wait()
    if status != 3:
        raise AssertionError(f"the one that is fenced: status {status}")


def somebody_else_writes(stage: Stage) -> None:
    """Messages that are no blocks, in front, between and behind: each is passed over."""
    def write() -> None:
        with socket.create_connection((stage.cluster.hosts[0], CLIENTS), timeout=5) as peer:
            peer.sendall(b'CONNECT {"verbose":false}\r\nPUB pipedup.' + stage.name.encode()
                         + b" 7\r\ngarbage\r\nPING\r\n")
            while b"PONG" not in peer.recv(65536):
                pass

    publisher = stage.publish()

    def write_often() -> None:
        for _ in range(30):
            write()
            time.sleep(0.05)

    # Such a message may take the place of one that is under way, and let the next one in.
    stage.produce(publisher, write_often, rate=16 * MIB)
    wait_until(lambda: stage.top(stage.data)["cluster"]["lag_bytes"] == 0, "the cluster has what it will have")
    for part in range(3):
        write()
        text = lines(f"part {part}", 0, 20_000)
        stage.produced += text
        publisher.process.stdin.write(text)
        publisher.process.stdin.flush()
        time.sleep(0.3)
    subscribers = stage.three_subscribers()
    wait_until(lambda: has(subscribers[0], stage.produced[-100:]), "all of it is in the cluster")
    write()
    publisher.signal(signal.SIGTERM)
    publisher.wait()
    lacks = joined([(gap["from"], gap["to"]) for gap in publisher.events("cluster-gap")])
    write()
    publisher = stage.publish("again")
    stage.end(publisher, subscribers, lossless=False)
    for subscriber in subscribers:
        gaps = joined([(gap["from"], gap["to"]) for gap in subscriber.events("gap")])
        if gaps != ([] if subscriber.name == "of-both" else lacks):
            raise AssertionError(f"{subscriber.name}: gaps {gaps}, and the publisher said {lacks}")


def what_is_older_is_in_the_cluster(stage: Stage) -> None:
    """Who joins late at the publisher, or at a relay, gets what only the cluster keeps."""
    publisher = stage.publish("pub", "--retain", "1MiB")
    relayed = f"ipc://{stage.directory}/relayed"
    relay = stage.run(["pipedup-relay", "--from", stage.url, "--bind", relayed, "--retain", "1MiB",
                       "--give-up", 0], "relay")
    for part in range(10):
        text = lines(f"part {part}", 0, 40_000)
        stage.produced += text
        publisher.process.stdin.write(text)
        publisher.process.stdin.flush()
        wait_until(lambda: stage.top(stage.data)["cluster"]["position"] == len(stage.produced), "it is in the cluster")
    wait_until(lambda: relay.events("listening"), "the relay listens")
    first = stage.produced.index(b"\n", len(stage.produced) // 3) + 1
    late = [stage.subscribe("of-publisher", stage.data), stage.subscribe("of-relay", relayed)]
    part = [stage.run(["pipedup-sub", one, "--from", first, "--no-attach"], f"part-{i}")
            for i, one in enumerate((stage.data, relayed))]
    last = [stage.run(["pipedup-sub", one, "--last", 200_000, "--no-attach"], f"last-{i}")
            for i, one in enumerate((stage.data, relayed))]
    wait_until(lambda: all(has(one, stage.produced[-100:]) for one in late + part + last), "all have all")
    text = lines("more", 0, 1000)
    stage.produced += text
    publisher.process.stdin.write(text)
    stage.end(publisher, late)
    for one, wanted in [*((one, stage.produced[first:]) for one in part),
                        *((one, b"".join(stage.produced.splitlines(True)[200_000:])) for one in last)]:
        status = one.wait()
        if status != 0 or one.output() != wanted:
            raise AssertionError(f"{one.name}: status {status}, {len(one.output())} bytes, not {len(wanted)}")


def what_is_older_is_at_the_publisher_alone(stage: Stage) -> None:
    """The cluster has gone for good: a relay of both asks the publisher for what it does not keep."""
    publisher = stage.publish()
    relayed = f"ipc://{stage.directory}/relayed"
    relay = stage.run(["pipedup-relay", "--from", stage.url, "--from", stage.data, "--bind", relayed,
                       "--retain", "1MiB", "--give-up", 0], "relay")
    wait_until(lambda: relay.events("listening"), "the relay listens")
    stage.produced = lines("line", 0, 200_000)
    publisher.process.stdin.write(stage.produced)
    publisher.process.stdin.flush()
    early = stage.subscribe("early", relayed)
    wait_until(lambda: has(early, stage.produced[-100:]), "the relay has all")
    stage.cluster.end()
    late = stage.subscribe("late", relayed)
    wait_until(lambda: has(late, stage.produced[-100:]), "so has the late one")
    for one in (early, late):
        if one.output() != stage.produced or one.events("gap"):
            raise AssertionError(f"{one.name}: {len(one.output())} bytes, gaps {one.events('gap')}")


def top_shows_the_servers(stage: Stage) -> None:
    """Which one leads, and which is away; and that the cluster takes nothing."""
    publisher = stage.publish()

    def states() -> dict[str, str]:
        return {one["name"]: one["state"] for one in stage.top(stage.data)["cluster"].get("replicas", [])}

    wait_until(lambda: sorted(states().values()) == ["current", "current", "leader"], "three are there")
    leader = stage.cluster.leader(stage.name)
    if states()[leader] != "leader":
        raise AssertionError(f"{leader} leads, and not as in {states()}")
    follower = next(host for host in stage.cluster.hosts if host != leader)
    stage.cluster.kill(follower)
    wait_until(lambda: states().get(follower) == "away", f"{follower} is away")
    text = subprocess.run([stage.programs / "pipedup-top", stage.data, "--once"], capture_output=True, text=True,
                          timeout=60).stdout
    if f"{follower} away" not in text or f"{leader} leader" not in text:
        raise AssertionError(text)
    stage.cluster.kill(next(host for host in stage.cluster.running() if host != leader))
    publisher.process.stdin.write(b"a line\n")
    publisher.process.stdin.flush()
    wait_until(lambda: stage.top(stage.data)["cluster"]["mode"] == "joining", "nothing is taken")
    for host in set(stage.cluster.hosts) - set(stage.cluster.running()):
        stage.cluster.start(host)
    wait_until(lambda: stage.top(stage.data)["cluster"]["mode"] == "live", "it is taken again")
    publisher.process.stdin.close()
    if status := publisher.wait():
        raise AssertionError(f"publisher: status {status}")


def one_takes_over_from_a_busy_one(stage: Stage) -> None:
    """It cannot be kept out by one that writes all the time; a reader finds where they changed."""
    first = stage.publish()
    subscriber = stage.subscribe("of-cluster", stage.url)
    second = lines("second", 0, 50_000)

    def take_over() -> None:
        wait_until(lambda: subscriber.out.stat().st_size > MIB, "the first one writes")
        other = stage.publish("other", endpoint=f"ipc://{stage.directory}/other-data")
        wait_until(lambda: first.events("cluster-fenced"), "the first one is fenced")
        other.process.stdin.write(second)
        other.process.stdin.close()
        if status := other.wait():
            raise AssertionError(f"other: status {status}")

    stage.produce(first, take_over, rate=16 * MIB)
    first.process.stdin.close()
    if (status := first.wait()) != 3:
        raise AssertionError(f"the one that is fenced: status {status}")
    status = subscriber.wait()
    output = subscriber.output()
    gaps = [(gap["from"], gap["to"]) for gap in subscriber.events("gap")]
    # One block of the first one may have been refused, and the next one taken: that is told.
    lost = sum(end - begin for begin, end in gaps)
    before = len(output) - len(second)
    expected = stage.produced[:before + lost]
    for begin, end in reversed(gaps):
        expected = expected[:begin] + expected[end:]
    # Status 3: it cannot know that nothing was published behind what it has of the first one.
    if status != 3 or len(gaps) > 1 or output != expected + second:
        raise AssertionError(f"status {status}, {len(output)} bytes, gaps {gaps}")


def two_go_on_with_one_session(stage: Stage) -> None:
    """Both are started when it was left in order: one has the log in the end."""
    publisher = stage.publish()
    publisher.process.stdin.write(b"before\n")
    publisher.process.stdin.flush()
    subscriber = stage.subscribe("of-cluster", stage.url)
    wait_until(lambda: has(subscriber, b"before\n"), "the first line")
    publisher.signal(signal.SIGTERM)
    publisher.wait()
    texts = {name: lines(name, 0, 2000) for name in ("one", "two")}
    both = {name: stage.run(["pipedup-pub", "--bind", f"ipc://{stage.directory}/{name}-data", "--journal", stage.url],
                            name, stdin=subprocess.PIPE) for name in texts}
    wait_until(lambda: all(one.events("listening") for one in both.values()), "both listen")
    for name, one in both.items():
        one.process.stdin.write(texts[name])
        one.process.stdin.flush()
    wait_until(lambda: any(one.events("cluster-fenced") for one in both.values()), "one is fenced")
    for one in both.values():
        one.process.stdin.close()
    statuses = {name: one.wait() for name, one in both.items()}
    if sorted(statuses.values()) != [0, 3]:
        raise AssertionError(f"statuses {statuses}")
    winner = next(name for name, status in statuses.items() if status == 0)
    loser = next(name for name, status in statuses.items() if status == 3)
    status, output = subscriber.wait(), subscriber.output()
    head, tail = b"before\n", texts[winner]
    between = output[len(head): len(output) - len(tail)]
    if status not in (0, 3) or not output.startswith(head) or not output.endswith(tail) \
            or not texts[loser].startswith(between):
        raise AssertionError(f"status {status}, {len(output)} bytes")


def an_idle_log_says_where_it_ends(stage: Stage) -> None:
    """All of it expires, and the next publisher goes on where it ended."""
    age = ["--retain-age", "3s"]
    publisher = stage.publish("pub", *age)
    publisher.process.stdin.write(lines("expires", 0, 1000))
    publisher.process.stdin.flush()
    wait_until(lambda: stage.top(stage.data)["cluster"]["lag_bytes"] == 0, "it is in the cluster")
    head = stage.top(stage.data)["head"]
    leader = stage.cluster.leader(stage.name)
    wait_until(lambda: stage.cluster.stream(leader, stage.name)["state"]["first_seq"] > 2, "it has expired")
    time.sleep(4)
    publisher.signal(signal.SIGTERM)
    publisher.wait()
    again = stage.publish("again", "--retain-age", "5s")
    if not again.events("cluster-differs"):
        raise AssertionError("it does not say that the log keeps its own age")
    goes_on = stage.top(stage.data)["head"]
    if goes_on != head or again.events("listening")[0]["session"] != publisher.events("listening")[0]["session"]:
        raise AssertionError(f"it goes on at {goes_on}, not at {head}")
    again.process.stdin.close()
    again.wait()


def known_by_keys(stage: Stage) -> None:
    """A user's key, then credentials that an account has signed: nobody else reads or writes."""
    cluster, home = stage.cluster, stage.directory
    user, stranger = Key(home, "known-user", USER), Key(home, "stranger", USER)
    write_nkey(home / "user.nk", user)
    write_nkey(home / "stranger.nk", stranger)
    operator, creds = operator_mode(home)
    for i, (config, known, unknown) in enumerate([
        (f"authorization {{ users: [ {{ nkey: {user.public} }} ] }}\n",
         ["--nats-nkey", home / "user.nk"], ["--nats-nkey", home / "stranger.nk"]),
        (operator, ["--nats-creds", creds], ["--nats-nkey", home / "stranger.nk"]),
    ]):
        cluster.end()
        cluster.directory = home / f"cluster-{i}"
        cluster.directory.mkdir()
        cluster.extra = config
        cluster.start_all()
        publisher = stage.publish(f"pub-{i}", *known)
        subscriber = stage.subscribe(f"known-{i}", stage.url, *known)
        refused = stage.run(["pipedup-sub", stage.url, *unknown, "--give-up", "3s"], f"unknown-{i}")
        stage.produced = lines("secret", 0, 1000)
        publisher.process.stdin.write(stage.produced)
        stage.end(publisher, [subscriber])
        status = refused.wait()
        if status != 4 or refused.output():
            raise AssertionError(f"{refused.name}: status {status}, {len(refused.output())} bytes")


def it_is_away_at_the_start(stage: Stage) -> None:
    """A publisher says so and ends; a subscriber waits as long as it was told."""
    stage.cluster.end()
    publisher = stage.run(["pipedup-pub", "--bind", stage.data, "--journal", stage.url], "pub", stdin=subprocess.PIPE)
    subscriber = stage.run(["pipedup-sub", stage.url, "--give-up", "2s"], "sub")
    statuses = publisher.wait(), subscriber.wait()
    if statuses != (4, 4) or not publisher.events("failed"):
        raise AssertionError(f"statuses {statuses}: {publisher.err.read_text()}")


def only_known_users(stage: Stage) -> None:
    """TLS, and a user with a password: nobody else reads or writes."""
    cluster, home = stage.cluster, stage.directory
    names = ",".join(f"IP:{host}" for host in cluster.hosts)
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=test",
         "-addext", f"subjectAltName={names}", "-keyout", home / "key.pem", "-out", home / "cert.pem"],
        check=True, capture_output=True)
    cluster.end()
    cluster.extra = (f'tls {{ cert_file: "{home}/cert.pem", key_file: "{home}/key.pem" }}\n'
                     "authorization { user: u, password: secret }\n")
    cluster.start_all()
    (home / "password").write_text("secret\n")
    (home / "password").chmod(0o600)
    (home / "wrong").write_text("guess\n")
    (home / "wrong").chmod(0o600)
    shown = ["--nats-ca", home / "cert.pem", "--nats-user", "u", "--nats-password-file"]
    publisher = stage.publish("pub", *shown, home / "password")
    subscriber = stage.subscribe("known", stage.url, *shown, home / "password")
    stranger = stage.run(["pipedup-sub", stage.url, *shown, home / "wrong", "--give-up", "3s"], "stranger")
    plain = stage.run(["pipedup-sub", stage.url, "--give-up", "3s"], "plain")
    stage.produced = lines("secret", 0, 1000)
    publisher.process.stdin.write(stage.produced)
    stage.end(publisher, [subscriber])
    for one in (stranger, plain):
        status = one.wait()
        if status != 4 or one.output():
            raise AssertionError(f"{one.name}: status {status}, {len(one.output())} bytes")


SCENARIOS = [
    leaders_die,
    a_server_is_cut_off,
    the_quorum_is_lost,
    more_is_lost_than_is_kept,
    the_producer_waits,
    a_publisher_is_killed,
    a_publisher_moves,
    two_publish,
    somebody_else_writes,
    only_known_users,
    what_is_older_is_in_the_cluster,
    what_is_older_is_at_the_publisher_alone,
    top_shows_the_servers,
    one_takes_over_from_a_busy_one,
    two_go_on_with_one_session,
    an_idle_log_says_where_it_ends,
    known_by_keys,
    it_is_away_at_the_start,
]
