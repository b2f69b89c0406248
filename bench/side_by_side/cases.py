"""The cases: what is run, in which order, and what the table shows of it."""

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median

from .many import many
from .once import Plan, run_once
from .systems import lookup

DEFAULT_SYSTEMS = {
    "bulk": "tee,pee,ncat,mbuffer,bare-tcp,bare-ipc,bare-tcp-tuned,bare-ipc-tuned,pipedup-tcp,"
            "pipedup-ipc,pipedup-tcp-nochecksum,pipedup-ipc-nochecksum",
    "stalled": "tee,pee,bare-tcp-drop,pipedup-tcp-drop,pipedup-tcp-drop-retain512MiB",
    "latency": "tee,bare-tcp,bare-ipc,pipedup-tcp,pipedup-ipc",
    "lines": "tee,bare-tcp,bare-ipc,pipedup-tcp,pipedup-ipc",
    "many": "",
}
# What --systems peers stands for. mosquitto is there where it can keep up: at full speed it takes
# minutes for what the others do in seconds.
PEERS = {
    "bulk": "tee,pee,py-copy,ncat,ncat-broker,mbuffer,mbuffer-local,socat,socat-multicast,redis,"
            "redis-unlimited,nats",
    "stalled": "tee,pee,py-copy,ncat-broker,mbuffer,socat,socat-multicast,redis,redis-unlimited,"
               "nats",
    "latency": "tee,pee,py-copy,ncat,ncat-broker,socat,socat-multicast,redis,nats,mosquitto",
    "lines": "tee,pee,py-copy,ncat,ncat-broker,mbuffer,mbuffer-local,socat,redis,redis-lines,nats,"
             "nats-lines",
    "many": "",
}
DEFAULT_N = {"bulk": "1,2,4,8", "stalled": "4", "latency": "1,8", "lines": "4",
             "many": "8,64,250,1000"}


def expected(programs, source_options):
    """Bytes and checksum of what the source will write, found before the clock runs."""
    with tempfile.TemporaryDirectory(prefix="pipedup-bench-") as directory:
        report = Path(directory) / "report"
        subprocess.run([programs / "bench-source", "--dry-run", "--report", report,
                        *source_options], check=True, timeout=600)
        return json.loads(report.read_text())


def names_of(case, words):
    """The systems that --systems means, each once: names, and "default" and "peers" for lists."""
    lists = {"default": DEFAULT_SYSTEMS[case], "peers": PEERS[case]}
    names = [name for word in words.split(",") for name in lists.get(word, word).split(",")]
    return [name for name in dict.fromkeys(names) if name]


def say(text):
    print(text, file=sys.stderr, flush=True)


class Runner:
    def __init__(self, args, cgroup):
        self.args, self.cgroup = args, cgroup
        self.programs = Path(args.build).resolve() / "bin"
        self.say = say
        self.results = []  # one dict a run
        self.absent = {}  # system -> why
        self.starts = {}
        for name in args.systems:
            self.starts[name], why = lookup(name, self.programs)
            if why:
                self.absent[name] = why

    def rounds(self, plan, n, **tags):
        """Every system once a round, beginning with another one each time."""
        names = [name for name in self.args.systems if name not in self.absent]
        for turn in range(self.args.runs):
            shift = turn % len(names) if names else 0
            for name in names[shift:] + names[:shift]:
                figures = run_once(self.starts[name], plan, n, self.programs, self.cgroup)
                self.results.append({"system": name, "n": n, "round": turn, **tags, **figures})
                notes = "; ".join(figures["notes"])
                say(f"  N={n} round {turn + 1}/{self.args.runs} {name}: {figures['verdict']}"
                    f"{', %.0f MB/s' % figures['mb_per_s'] if 'mb_per_s' in figures else ''}"
                    f"{' (' + notes + ')' if notes else ''}")

    def medians(self, key, name, n, **tags):
        values = [result[key] for result in self._runs(name, n, tags)
                  if result.get(key) is not None]
        return median(values) if values else None

    def worst(self, key, name, n, **tags):
        values = [result[key] for result in self._runs(name, n, tags)
                  if result.get(key) is not None]
        return max(values) if values else None

    def verdict(self, name, n, **tags):
        """The worst of the runs, with how many were like it."""
        runs = self._runs(name, n, tags)
        bad = [result for result in runs if result["verdict"] != "identical"]
        if not bad:
            return "identical"
        shown = max(bad, key=lambda result: result["lost_bytes"] or 0)["verdict"]
        return shown if len(runs) == 1 else f"{shown} ({len(bad)} of {len(runs)} runs)"

    def _runs(self, name, n, tags):
        return [result for result in self.results if result["system"] == name and result["n"] == n
                and all(result[key] == value for key, value in tags.items())]

    def skipped_line(self):
        return (f"skipped, not installed: {len(self.absent)} of {len(self.args.systems)} systems "
                f"({', '.join(self.absent)})")

    def absent_rows(self, columns):
        return [[name, why] + [""] * (columns - 2) for name, why in self.absent.items()]


def number(value, digits=0, suffix=""):
    return "-" if value is None else f"{value:.{digits}f}{suffix}"


def ratio(value, base):
    return None if value is None or not base else value / base


def bulk(runner):
    """Full speed: throughput, CPU, memory."""
    args = runner.args
    size = ["--bytes", str(args.bytes)]
    if args.case == "lines":
        size += ["--write", "line"]
    plan = Plan([*size, "--no-checksum"], [], expected=expected(runner.programs, size),
                limit_s=args.timeout)
    for n in args.n:
        runner.rounds(plan, n)
    by_line = args.case == "lines"
    header = ["system", "N", "1000 lines/s" if by_line else "MB/s", "x tee", "CPU s/GiB", "x tee's",
              "peak MB", "longest write ms", "wire MB", "lost"]
    rows = []
    speed = "lines_per_s" if by_line else "mb_per_s"
    for n in args.n:
        tee = [runner.medians(key, "tee", n) for key in (speed, "cpu_s_per_gib")]
        for name in args.systems:
            if name in runner.absent:
                continue
            rate, cpu = (runner.medians(key, name, n) for key in (speed, "cpu_s_per_gib"))
            rows.append([name, str(n), number(rate and rate / (1000 if by_line else 1)),
                         number(ratio(rate, tee[0]), 2), number(cpu, 2),
                         number(ratio(cpu, tee[1]), 2),
                         number(runner.worst("peak_mb", name, n)),
                         number(runner.worst("longest_write_ms", name, n), 1),
                         number(runner.medians("wire_mb", name, n), 1),
                         runner.verdict(name, n)])
    return header, rows + runner.absent_rows(len(header)), []


def stalled(runner):
    """One of N consumers stopped for a while, at a moderate rate."""
    args = runner.args
    total = args.rate * args.seconds
    size = ["--bytes", str(total)]
    plan = Plan([*size, "--rate", str(args.rate), "--no-checksum"], [],
                expected=expected(runner.programs, size),
                limit_s=args.seconds + args.stop_for + args.timeout,
                stop_at_s=args.stop_at, stop_for_s=args.stop_for)
    for n in args.n:
        runner.rounds(plan, n)
    for result in runner.results:
        if "longest_gap_ms" in result:
            result["others_longest_gap_ms"] = max(result["longest_gap_ms"][1:], default=None)
            result["stopped_lost"] = result["lost_per_sink"][0]
            result["others_lost"] = sum(result["lost_per_sink"][1:])
    header = ["system", "N", "longest write ms", "others' longest gap ms", "stopped one lost",
              "others lost", "peak MB", "in all"]
    rows, below = [], []
    for n in args.n:
        for name in args.systems:
            if name in runner.absent:
                continue
            worst = lambda key: runner.worst(key, name, n)
            rows.append([name, str(n), number(worst("longest_write_ms"), 1),
                         number(worst("others_longest_gap_ms"), 1), number(worst("stopped_lost")),
                         number(worst("others_lost")), number(worst("peak_mb")),
                         runner.verdict(name, n)])
            below += memory_lines(runner, name, n)
    below.insert(0, "Largest process of each name, MB (private + shared memory files mapped):")
    return header, rows + runner.absent_rows(len(header)), below


def memory_lines(runner, name, n):
    peaks = {}
    for result in runner.results:
        if result["system"] == name and result["n"] == n:
            for process, peak in result["peak_by_process_mb"].items():
                if not process.startswith("bench-"):
                    old = peaks.get(process, (0, 0))
                    peaks[process] = (max(old[0], peak["RssAnon"]), max(old[1], peak["RssShmem"]))
    shown = ", ".join(f"{process} {anon:.1f} + {shmem:.1f}"
                      for process, (anon, shmem) in sorted(peaks.items()))
    return [f"  {name} N={n}: {shown}"]


def latency(runner):
    """From write(2) at the source to read(2) at a sink, one line per write."""
    args = runner.args
    for rate in args.lines_per_second:
        plan = Plan(["--lines", str(rate * args.seconds), "--stamp",
                     "--lines-per-second", str(rate)], ["--stamp"], latencies=True,
                    limit_s=args.seconds + args.timeout)
        for n in args.n:
            runner.rounds(plan, n, lines_per_second=rate)
    header = ["system", "lines/s", "N", "p50 us", "p99 us", "p50 x bare", "p99 x bare", "lost"]
    rows = []
    for rate in args.lines_per_second:
        for n in args.n:
            figure = lambda key, name: runner.medians(key, name, n, lines_per_second=rate)
            for name in args.systems:
                if name in runner.absent:
                    continue
                p50, p99 = figure("p50_us", name), figure("p99_us", name)
                rows.append([name, str(rate), str(n), number(p50), number(p99),
                             number(ratio(p50, figure("p50_us", "bare-tcp")), 2),
                             number(ratio(p99, figure("p99_us", "bare-tcp")), 2),
                             runner.verdict(name, n, lines_per_second=rate)])
    return header, rows + runner.absent_rows(len(header)), ["bare: bare-tcp"]


CASES = {"bulk": bulk, "lines": bulk, "stalled": stalled, "latency": latency, "many": many}
