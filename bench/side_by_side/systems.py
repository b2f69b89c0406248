"""How each system is put between one source and N sinks.

A system is a function that starts everything but the source, whose stream comes from `job.stdin`.
"""

import os
import pwd
import re
import shlex
import shutil
import socket
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

from .tree import read_text

READY_S = 10
MULTICAST_GROUP = "239.255.77.1"  # of those that stay within a site; here they stay on loopback
OUR_CLIENTS = ("broker-pub", "broker-sub")


@dataclass
class Job:
    """What a system gets: where the stream comes from, and the sinks' command lines."""
    tree: object
    programs: Path  # directory of the built programs
    scratch: Path  # for sockets and fifos
    stdin: int  # read end of the source's pipe
    sinks: list
    notes: list = field(default_factory=list)
    ends: bool = True  # by itself after the end of the stream
    daemons: list = field(default_factory=list)  # pids; stopped after the sinks
    over_time: bool = False  # told to stop while it still delivered

    @property
    def n(self):
        return len(self.sinks)

    def pipe_into_sinks(self, receivers):
        """receivers[i] | sinks[i]"""
        for receiver, sink in zip(receivers, self.sinks):
            read_end, write_end = os.pipe()
            self.tree.spawn(Path(receiver[0]).name, receiver, stdout=write_end)
            self.tree.spawn("bench-sink", sink, stdin=read_end)
            os.close(read_end)
            os.close(write_end)

    def hub(self, argv):
        self.tree.spawn(Path(argv[0]).name, argv, stdin=self.stdin)

    def daemon(self, argv, port):
        """Starts a server and waits until it listens on the port."""
        name = Path(argv[0]).name
        self.daemons.append(self.tree.spawn(name, argv))
        wait_until(lambda: tcp_sockets(port, "0A"), f"{name} to listen")


def free_ports(count, kind=socket.SOCK_STREAM):
    """`count` ports of the loopback, neighbours, that are free now."""
    for _ in range(1000):
        bound = []
        try:
            first = socket.socket(type=kind)
            bound.append(first)
            first.bind(("127.0.0.1", 0))
            port = first.getsockname()[1]
            for offset in range(1, count):
                bound.append(socket.socket(type=kind))
                bound[-1].bind(("127.0.0.1", port + offset))
            return port
        except (OSError, OverflowError):
            continue
        finally:
            for each in bound:
                each.close()
    raise RuntimeError("no free ports")


def sockets(tables, port, state):
    found = 0
    for table in tables:
        for line in read_text(f"/proc/net/{table}").splitlines()[1:]:
            fields = line.split()
            found += fields[1].endswith(f":{port:04X}") and fields[3] == state
    return found


def tcp_sockets(port, state):
    """How many sockets of this machine have the local port in the state ("0A" listening, "01"
    established)."""
    return sockets(("tcp", "tcp6"), port, state)


def udp_sockets(port):
    return sockets(("udp",), port, "07")


def wait_until(condition, what):
    deadline = time.monotonic() + READY_S
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {READY_S} s for {what}")
        time.sleep(0.01)


def shell_sinks(job):
    return ["exec " + shlex.join(sink) for sink in job.sinks]


def tee_script(commands):
    """For bash: stdin to each of the commands."""
    *others, last = commands
    return " ".join(["exec tee"] + [f">({other})" for other in others]) + f" | {last}"


def start_tee(job):
    job.hub(["bash", "-c", tee_script(shell_sinks(job))])


def start_pee(job):
    job.hub(["pee", *shell_sinks(job)])


def start_ncat_listen(job):
    job.ends = False
    port = free_ports(1)
    job.hub(["ncat", "-l", "-k", "127.0.0.1", str(port)])
    wait_until(lambda: tcp_sockets(port, "0A"), "ncat to listen")
    job.pipe_into_sinks([["ncat", "--recv-only", "127.0.0.1", str(port)]] * job.n)
    wait_until(lambda: tcp_sockets(port, "01") == job.n, "ncat's clients")


def start_ncat_broker(job):
    job.ends = False
    port = free_ports(1)
    job.tree.spawn("ncat", ["ncat", "-l", "--broker", "127.0.0.1", str(port)])
    wait_until(lambda: tcp_sockets(port, "0A"), "ncat to listen")
    job.pipe_into_sinks([["ncat", "--recv-only", "127.0.0.1", str(port)]] * job.n)
    job.hub(["ncat", "--send-only", "127.0.0.1", str(port)])
    wait_until(lambda: tcp_sockets(port, "01") == job.n + 1, "ncat's clients")


MBUFFER = ["mbuffer", "-q", "-s", "256k", "-m", "16M"]


def start_mbuffer(job):
    port = free_ports(job.n)
    ports = range(port, port + job.n)
    job.pipe_into_sinks([[*MBUFFER, "-4", "-I", str(each)] for each in ports])
    for each in ports:
        wait_until(lambda: tcp_sockets(each, "0A"), "mbuffer to listen")
    targets = [word for each in ports for word in ("-O", f"127.0.0.1:{each}")]
    job.hub([*MBUFFER, "-4", *targets])


def start_mbuffer_local(job):
    targets = []
    for i, sink in enumerate(job.sinks):
        fifo = job.scratch / f"fifo{i}"
        os.mkfifo(fifo)
        job.tree.spawn("bench-sink", ["sh", "-c", f"exec {shlex.join(sink)} < {fifo}"])
        targets += ["-f", "-o", str(fifo)]  # -f: the fifo exists
    job.hub([*MBUFFER, *targets])


def start_bare(job, transport, modifiers):
    endpoint = (f"tcp://127.0.0.1:{free_ports(1)}" if transport == "tcp"
                else f"ipc://{job.scratch}/s")
    flags = [f"--{modifier}" for modifier in modifiers]
    job.hub([job.programs / "bare-zmq-pub", "--bind", endpoint, "--wait-subs", str(job.n), *flags])
    job.pipe_into_sinks([[str(job.programs / "bare-zmq-sub"), "--connect", endpoint, *flags]] *
                        job.n)


def knows(program, option):
    """Whether the program's --help names the option."""
    try:
        shown = subprocess.run([program, "--help"], capture_output=True, text=True, timeout=10)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return re.search(re.escape(option) + r"\b", shown.stdout + shown.stderr) is not None


def make_keys(job):
    """A key pair for the publisher and one for all subscribers: the files of the secret keys."""
    prefixes = [job.scratch / "pub", job.scratch / "sub"]
    for prefix in prefixes:
        subprocess.run([job.programs / "pipedup-keygen", "-o", prefix], check=True, timeout=10,
                       stdout=subprocess.DEVNULL)
    return [prefix.with_suffix(".secret") for prefix in prefixes]


def add_relays(job, count, transport, endpoint, policy):
    """`count` relays in a row behind the publisher; returns where the last one is read. Each has
    the stream before the next one asks for it: then nobody waits to ask again."""
    for i in range(count):
        parent, endpoint = endpoint, (f"ipc://{job.scratch}/r{i}" if transport == "ipc"
                                      else f"tcp://127.0.0.1:{free_ports(2)}")
        job.tree.spawn("pipedup-relay", [job.programs / "pipedup-relay", "-v", "--from", parent,
                                         "--bind", endpoint, *policy])
        wait_until(lambda: f"from {parent} on {endpoint}" in read_text(job.scratch / "log"),
                   "a relay to have the stream")
    return endpoint


def start_pipedup(job, transport, modifiers):
    relays = next((int(each[5:]) for each in modifiers if each.startswith("relay")), 0)
    endpoint = (f"ipc://{job.scratch}/s" if transport == "ipc"
                else f"tcp://127.0.0.1:{free_ports(2)}")  # data, and control behind it
    publisher = [job.programs / "pipedup-pub", "--bind", endpoint, "--wait-subs",
                 str(1 if relays else job.n)]
    policy = [] if "drop" in modifiers else ["--slow", "wait"]
    publisher += policy
    for modifier in modifiers:
        if modifier == "nochecksum":
            publisher.append("--no-checksum")
        elif modifier == "journal":
            publisher += ["--journal", job.scratch / "journal"]
        elif modifier.startswith("fsync"):
            publisher += ["--fsync", modifier.removeprefix("fsync")]
        elif modifier.startswith("zstd"):
            level = modifier.removeprefix("zstd")
            publisher += ["--compress", f"zstd:{level}" if level else "zstd"]
        elif modifier.startswith("retain"):
            publisher += ["--retain", modifier.removeprefix("retain")]
    subscriber = [str(job.programs / "pipedup-sub"), "--stats", "--log-format", "json"]
    if "curve" in modifiers:
        secrets = make_keys(job)
        publisher += ["--curve-secret", secrets[0], "--allow-keys", job.scratch / "sub.pub"]
        subscriber += ["--curve-secret", str(secrets[1]), "--server-key",
                       str(job.scratch / "pub.pub")]
    if transport != "attached" and knows(subscriber[0], "--no-attach"):
        subscriber.append("--no-attach")
    job.hub(publisher)
    if relays:
        endpoint = add_relays(job, relays, transport, endpoint, policy)
        subscriber += ["--from", "start"]
    job.pipe_into_sinks([[*subscriber, endpoint]] * job.n)


def start_pipedup_tee(job, modifiers):
    options = []
    for modifier in modifiers:
        options += ["--slow", "drop"] if modifier == "drop" else ["--buffer", modifier[6:]]
    job.hub([job.programs / "pipedup-tee", "--no-stdout", *options, *shell_sinks(job)])


def start_py_copy(job):
    script = Path(__file__).with_name("pipe_copy.py")
    job.hub([sys.executable, script, *shell_sinks(job)])


def start_socat(job):
    port = free_ports(job.n)
    servers = [f"exec socat -u - TCP4-LISTEN:{port + i},bind=127.0.0.1" for i in range(job.n)]
    job.hub(["bash", "-c", tee_script(servers)])
    for i in range(job.n):
        wait_until(lambda: tcp_sockets(port + i, "0A"), "socat to listen")
    job.pipe_into_sinks([["socat", "-u", f"TCP4:127.0.0.1:{port + i}", "-"]
                         for i in range(job.n)])


def start_socat_multicast(job):
    job.ends = False
    port = free_ports(1, socket.SOCK_DGRAM)
    job.pipe_into_sinks([["socat", "-u", f"UDP4-RECV:{port},reuseaddr,"
                          f"ip-add-membership={MULTICAST_GROUP}:127.0.0.1", "-"]] * job.n)
    wait_until(lambda: udp_sockets(port) == job.n, "socat's receivers")
    job.hub(["socat", "-u", "-", f"UDP4-DATAGRAM:{MULTICAST_GROUP}:{port},"
             "ip-multicast-if=127.0.0.1,ip-multicast-ttl=0"])


def start_mosquitto(job, modifiers):
    job.ends = False
    port = free_ports(1)
    log = job.scratch / "mosquitto.log"
    config = job.scratch / "mosquitto.conf"
    config.write_text(f"listener {port} 127.0.0.1\nallow_anonymous true\npersistence false\n"
                      f"user {pwd.getpwuid(os.geteuid()).pw_name}\n"  # root would not stay root
                      f"log_dest file {log}\nlog_type subscribe\n")
    job.daemon(["mosquitto", "-c", config], port)
    client = ["-h", "127.0.0.1", "-p", str(port), "-t", "s",
              "-q", "1" if "qos1" in modifiers else "0"]
    job.pipe_into_sinks([["mosquitto_sub", *client]] * job.n)
    wait_until(lambda: len(read_text(log).splitlines()) >= job.n, "mosquitto's subscribers")
    job.hub(["mosquitto_pub", *client, "-l"])


def start_redis(job, modifiers):
    port = free_ports(1)
    limit = (["--client-output-buffer-limit", "pubsub 0 0 0"] if "unlimited" in modifiers else [])
    job.daemon(["redis-server", "--bind", "127.0.0.1", "--port", str(port), "--dir", job.scratch,
                "--save", "", "--appendonly", "no", *limit], port)
    start_broker_clients(job, "redis", port, modifiers)


def start_nats(job, modifiers):
    port = free_ports(1)
    job.daemon(["nats-server", "--addr", "127.0.0.1", "--port", str(port),
                "--log", job.scratch / "nats.log"], port)
    start_broker_clients(job, "nats", port, modifiers)


def start_broker_clients(job, dialect, port, modifiers):
    options = ["--dialect", dialect, "--port", str(port)]
    ready = [job.scratch / f"ready{i}" for i in range(job.n)]
    job.pipe_into_sinks([[str(job.programs / "broker-sub"), *options, "--ready", str(file)]
                         for file in ready])
    wait_until(lambda: all(file.exists() for file in ready), f"{dialect}'s subscribers")
    job.hub([job.programs / "broker-pub", *options, *(["--lines"] if "lines" in modifiers else [])])


PLAIN = {
    # name: (start, what has to be on PATH)
    "tee": (start_tee, ("bash", "tee")),
    "pee": (start_pee, ("pee",)),
    "py-copy": (start_py_copy, ()),
    "ncat": (start_ncat_listen, ("ncat",)),
    "ncat-broker": (start_ncat_broker, ("ncat",)),
    "mbuffer": (start_mbuffer, ("mbuffer",)),
    "mbuffer-local": (start_mbuffer_local, ("mbuffer",)),
    "socat": (start_socat, ("bash", "tee", "socat")),
    "socat-multicast": (start_socat_multicast, ("socat",)),
}
BROKERS = {
    # name: (start, what has to be on PATH, programs of ours, modifiers)
    "mosquitto": (start_mosquitto, ("mosquitto", "mosquitto_pub", "mosquitto_sub"), (), {"qos1"}),
    "redis": (start_redis, ("redis-server",), OUR_CLIENTS, {"unlimited", "lines"}),
    "nats": (start_nats, ("nats-server",), OUR_CLIENTS, {"lines"}),
}
PACKAGES = {  # of Debian, where it is not named like the program
    "tee": "coreutils", "pee": "moreutils",
    "mosquitto_pub": "mosquitto-clients", "mosquitto_sub": "mosquitto-clients",
}
NAMES = """tee pee py-copy ncat (-lk) ncat-broker mbuffer (network) mbuffer-local
socat (TCP behind tee) socat-multicast
mosquitto, also with -qos1
redis, nats, each also with -lines (one message per line, not 64 KiB); redis-unlimited (no limit to
what the server keeps for a subscriber), also with -lines
bare-tcp bare-ipc, each with -tuned (malloc keeps freed memory) or -drop (PUB as it comes)
pipedup-tcp pipedup-ipc pipedup-attached, each with -nochecksum, -drop (the default policy; without
it the publisher waits), -curve (encrypted, with keys of the run's own), -zstd or -zstdLEVEL
(compressed on the wire), -retainSIZE or -journal (on disk: in $TMPDIR; with -fsyncnever or
-fsyncalways), -relayN (N relays in a row between, not with -curve); pipedup-tee, also with -drop or
-bufferSIZE"""


def missing_tools(tools):
    """What to say of those that are not on PATH, with the package that has them."""
    missing = [tool for tool in tools if shutil.which(tool) is None]
    packages = sorted({PACKAGES.get(tool, tool) for tool in missing})
    return f"{', '.join(missing)} (apt-get install {' '.join(packages)})" if missing else ""


def missing_programs(names, programs):
    return ", ".join(name for name in names if not os.access(programs / name, os.X_OK))


def lookup(name, programs):
    """(start, None), or (None, why there is none). Raises ValueError for an unknown name."""
    family, _, rest = name.partition("-")
    modifiers = rest.split("-") if rest else []
    if name in PLAIN:
        start, tools = PLAIN[name]
        missing = missing_tools(tools)
    elif family in BROKERS and set(modifiers) <= BROKERS[family][3]:
        start_broker, tools, ours, _ = BROKERS[family]
        start = lambda job: start_broker(job, modifiers)
        missing = missing_tools(tools) or missing_programs(ours, programs)
    else:
        start, missing = lookup_built(name, family, modifiers, programs)
    return (None, f"not installed: {missing}") if missing else (start, None)


def lookup_built(name, family, modifiers, programs):
    """The same for what is built here: (start, what is missing)."""
    transport, *modifiers = modifiers or [""]
    if family == "pipedup" and transport == "tee" and all(
            re.fullmatch(r"drop|buffer\d+[KMG]iB", each) for each in modifiers):
        return (lambda job: start_pipedup_tee(job, modifiers),
                missing_programs(["pipedup-tee"], programs))
    if family == "bare" and transport in ("tcp", "ipc") and set(modifiers) <= {"tuned", "drop"}:
        return (lambda job: start_bare(job, transport, modifiers),
                missing_programs(["bare-zmq-pub", "bare-zmq-sub"], programs))
    if (family == "pipedup" and transport in ("tcp", "ipc", "attached") and
            not ("curve" in modifiers and any(each.startswith("relay") for each in modifiers)) and
            all(re.fullmatch(r"relay[1-9]|nochecksum|drop|curve|zstd\d*|retain\d+[KMG]iB|journal|fsync(never|always)",
                             each) for each in modifiers)):
        missing = missing_programs(
            ["pipedup-pub", "pipedup-relay", "pipedup-sub"] + ["pipedup-keygen"] * ("curve" in modifiers), programs)
        if not missing and transport == "attached" and not knows(programs / "pipedup-sub",
                                                                 "--no-attach"):
            missing = "attached mode"
        return lambda job: start_pipedup(job, transport, modifiers), missing
    raise ValueError(f"no system '{name}'; there are:\n{NAMES}")
