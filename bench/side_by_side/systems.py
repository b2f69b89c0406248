"""How each system is put between one source and N sinks.

A system is a function that starts everything but the source, whose stream comes from `job.stdin`.
"""

import os
import re
import shlex
import shutil
import socket
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path

READY_S = 10


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


def free_ports(count):
    """`count` TCP ports of the loopback, neighbours, that are free now."""
    for _ in range(1000):
        bound = []
        try:
            first = socket.socket()
            bound.append(first)
            first.bind(("127.0.0.1", 0))
            port = first.getsockname()[1]
            for offset in range(1, count):
                bound.append(socket.socket())
                bound[-1].bind(("127.0.0.1", port + offset))
            return port
        except (OSError, OverflowError):
            continue
        finally:
            for each in bound:
                each.close()
    raise RuntimeError("no free ports")


def tcp_sockets(port, state):
    """How many sockets of this machine have the local port in the state ("0A" listening, "01"
    established)."""
    found = 0
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        try:
            lines = open(table).read().splitlines()[1:]
        except OSError:
            continue
        for line in lines:
            fields = line.split()
            found += fields[1].endswith(f":{port:04X}") and fields[3] == state
    return found


def wait_until(condition, what):
    deadline = time.monotonic() + READY_S
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {READY_S} s for {what}")
        time.sleep(0.01)


def shell_sinks(job):
    return ["exec " + shlex.join(sink) for sink in job.sinks]


def start_tee(job):
    *others, last = shell_sinks(job)
    script = " ".join(["exec tee"] + [f">({other})" for other in others]) + f" | {last}"
    job.hub(["bash", "-c", script])


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


def start_pipedup(job, transport, modifiers):
    endpoint = (f"ipc://{job.scratch}/s" if transport == "ipc"
                else f"tcp://127.0.0.1:{free_ports(2)}")  # data, and control behind it
    publisher = [job.programs / "pipedup-pub", "--bind", endpoint, "--wait-subs", str(job.n)]
    publisher += [] if "drop" in modifiers else ["--slow", "wait"]
    for modifier in modifiers:
        if modifier == "nochecksum":
            publisher.append("--no-checksum")
        elif modifier.startswith("retain"):
            publisher += ["--retain", modifier.removeprefix("retain")]
    subscriber = [str(job.programs / "pipedup-sub")]
    if transport != "attached" and knows(subscriber[0], "--no-attach"):
        subscriber.append("--no-attach")
    job.hub(publisher)
    job.pipe_into_sinks([[*subscriber, endpoint]] * job.n)


def start_pipedup_tee(job):
    job.hub([job.programs / "pipedup-tee", "--no-stdout", *shell_sinks(job)])


PLAIN = {
    # name: (start, what has to be on PATH)
    "tee": (start_tee, ("bash", "tee")),
    "pee": (start_pee, ("pee",)),
    "ncat": (start_ncat_listen, ("ncat",)),
    "ncat-broker": (start_ncat_broker, ("ncat",)),
    "mbuffer": (start_mbuffer, ("mbuffer",)),
    "mbuffer-local": (start_mbuffer_local, ("mbuffer",)),
}
NAMES = """tee pee ncat (-lk) ncat-broker mbuffer (network) mbuffer-local
bare-tcp bare-ipc, each with -tuned (malloc keeps freed memory) or -drop (PUB as it comes)
pipedup-tcp pipedup-ipc pipedup-attached, each with -nochecksum, -drop (the default policy; without
it the publisher waits) or -retainSIZE; pipedup-tee"""


def lookup(name, programs):
    """(start, None), or (None, why there is none). Raises ValueError for an unknown name."""
    if name in PLAIN:
        start, tools = PLAIN[name]
        missing = [tool for tool in tools if shutil.which(tool) is None]
    else:
        family, _, rest = name.partition("-")
        transport, *modifiers = rest.split("-")
        if name == "pipedup-tee":
            start, missing = start_pipedup_tee, ["pipedup-tee"]
        elif (family == "bare" and transport in ("tcp", "ipc") and
              set(modifiers) <= {"tuned", "drop"}):
            start = lambda job: start_bare(job, transport, modifiers)
            missing = ["bare-zmq-pub", "bare-zmq-sub"]
        elif (family == "pipedup" and transport in ("tcp", "ipc", "attached") and
              all(re.fullmatch(r"nochecksum|drop|retain\d+[KMG]iB", each) for each in modifiers)):
            start = lambda job: start_pipedup(job, transport, modifiers)
            missing = ["pipedup-pub", "pipedup-sub"]
        else:
            raise ValueError(f"no system '{name}'; there are:\n{NAMES}")
        missing = [program for program in missing if not os.access(programs / program, os.X_OK)]
        if not missing and transport == "attached" and not knows(programs / "pipedup-sub",
                                                                 "--no-attach"):
            missing = ["attached mode"]
    return (None, f"not installed: {', '.join(missing)}") if missing else (start, None)
