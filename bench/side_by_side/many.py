"""One publisher and very many subscribers, which are one process: what they cost the publisher."""

import os
import shutil
import tempfile
import time
from pathlib import Path
from statistics import median

from .once import GIB, load
from .systems import free_ports, tcp_sockets, wait_until
from .tree import Tree, read_text

JOIN_S = 60
END_S = 60  # after the source's last write
SAMPLE_S = 0.05
TICKS = 100  # a second, in /proc/PID/stat


def cpu_seconds(pid):
    """Of a process that runs, user and system."""
    fields = read_text(f"/proc/{pid}/stat").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS if len(fields) > 12 else None


def socket_memory_mb():
    """What the kernel holds for all TCP sockets of the machine, both ends."""
    for line in read_text("/proc/net/sockstat").splitlines():
        words = line.split()
        if words and words[0] == "TCP:" and "mem" in words:
            return int(words[words.index("mem") + 1]) * 4096 / 1e6
    return 0.0


def run_many(options, source, n, programs, timeout_s, subscribers):
    """Publisher with `options`, bench-source with `source`, n subscribers of the program
    `subscribers`: the figures."""
    scratch = Path(tempfile.mkdtemp(prefix="pipedup-bench-"))
    memory = Path(tempfile.mkdtemp(prefix="pipedup-bench-", dir="/dev/shm"))
    log = open(scratch / "log", "ab")
    tree = Tree(None, scratch, memory, log)
    try:
        return _run(tree, options, source, n, programs, scratch, timeout_s, subscribers)
    finally:
        tree.close()
        log.close()
        shutil.rmtree(scratch, ignore_errors=True)
        shutil.rmtree(memory, ignore_errors=True)


def _run(tree, options, source, n, programs, scratch, timeout_s, subscribers):
    endpoint = f"tcp://127.0.0.1:{free_ports(2)}"
    read_end, write_end = os.pipe()
    publisher = tree.spawn("pipedup-pub", [programs / "pipedup-pub", "--bind", endpoint, "--max-subs",
                                           str(max(n, 1000)), *options], stdin=read_end)
    os.close(read_end)
    ready, swarm_report, source_report = (scratch / name for name in
                                          ("ready", "swarm.json", "source.json"))
    begun = time.monotonic()
    if subscribers == "bench-swarm-light":  # waits for nobody
        wait_until(lambda: tcp_sockets(int(endpoint.rpartition(":")[2]), "0A"), "the publisher")
    swarm = tree.spawn(subscribers, [programs / subscribers, "--connect", endpoint,
                                     "--subscribers", str(n), "--ready", ready, "--report",
                                     swarm_report, "--timeout", f"{int(timeout_s)}s"])
    figures = {"n": n, "notes": []}
    peak = {"rss_mb": 0.0, "private_mb": 0.0, "descriptors": 0, "socket_mb": 0.0}
    sockets_before = socket_memory_mb()

    def wait(done, limit_s):
        """Samples until done(). False: the time was over."""
        deadline = time.monotonic() + limit_s
        while not done():
            if time.monotonic() > deadline:
                return False
            tree.reap()
            fields = dict(line.split(":", 1) for line in
                          read_text(f"/proc/{publisher}/status").splitlines() if ":" in line)
            if "RssAnon" in fields:
                kib = {key: int(fields[key].split()[0]) for key in
                       ("RssAnon", "RssShmem", "RssFile")}
                peak["private_mb"] = max(peak["private_mb"], kib["RssAnon"] * 1024 / 1e6)
                peak["rss_mb"] = max(peak["rss_mb"], sum(kib.values()) * 1024 / 1e6)
                try:
                    peak["descriptors"] = max(peak["descriptors"],
                                              len(os.listdir(f"/proc/{publisher}/fd")))
                except OSError:
                    pass
            peak["socket_mb"] = max(peak["socket_mb"], socket_memory_mb() - sockets_before)
            time.sleep(SAMPLE_S)
        return True

    joined = wait(lambda: ready.exists() or swarm not in tree.running, JOIN_S) and ready.exists()
    figures["join_s"] = time.monotonic() - begun
    joining_cpu_s = cpu_seconds(publisher) or 0.0
    idle_mb = peak["private_mb"]
    if joined:
        tree.spawn("bench-source", [programs / "bench-source", "--report", source_report, "--no-checksum",
                                    *source], stdout=write_end)
    else:
        figures["notes"].append(f"not all had joined after {JOIN_S} s")
    os.close(write_end)
    if joined and not wait(lambda: publisher not in tree.running and swarm not in tree.running,
                           timeout_s):
        figures["notes"].append("over its time")
    tree.finish(1)
    made, got = load(source_report), load(swarm_report)
    for name, status in tree.ended:
        if status != 0:
            figures["notes"].append(f"{name} ended with {status}")
    said = read_text(scratch / "log").strip().splitlines()
    said.sort(key=lambda line: "did not confirm" in line)  # the most and the least telling
    figures["notes"] += [f"stderr: {line}" for line in said[:3]]
    cpu_s = tree.cpu_by_name.get("pipedup-pub", 0.0)
    figures |= {**peak, "joined_private_mb": idle_mb, "joining_cpu_s": joining_cpu_s,
                "publisher_cpu_s": cpu_s - joining_cpu_s, "source": made, "swarm": got}
    if not made or not got or not got["bytes"]:
        return {**figures, "verdict": "FAILED"}
    complete = (got["complete"] == got["sound"] == n and
                got["bytes"] == n * made["bytes"] and got["lost_bytes"] == 0)
    missing = n * made["bytes"] - got["bytes"]
    seconds = max(1e-9, (got["last_ns"] - made["first_write_ns"]) / 1e9)
    return {
        **figures,
        "verdict": "all complete" if complete else
                   f"{got['complete']} of {n} complete, {missing} bytes missing, "
                   f"{got['lost_bytes']} of them reported",
        "seconds": seconds, "lines_per_s": made["lines"] / seconds,
        "delivered_gib": got["bytes"] / GIB,
        "cpu_s_per_gib": (cpu_s - joining_cpu_s) / (got["bytes"] / GIB),
        "swarm_cpu_s_per_gib": got["cpu_s"] / (got["bytes"] / GIB),
        "longest_gap_ms": got["longest_gap_ms"],
    }


def number(value, digits=0):
    return "-" if value is None else f"{value:.{digits}f}"


def many(runner):
    """Paced lines, and full speed, at each N; every N once a round."""
    args, say = runner.args, runner.say
    speeds = {f"{rate} lines/s": ["--lines", str(rate * args.seconds), "--lines-per-second",
                                  str(rate)] for rate in args.lines_per_second}
    if args.bytes:
        speeds["full speed"] = ["--bytes", str(args.bytes)]
    for turn in range(args.runs):
        for speed, source in speeds.items():
            for name, options in (("drop", []), ("wait", ["--slow", "wait"])):
                if name not in args.policies:
                    continue
                for n in args.n[turn % len(args.n):] + args.n[:turn % len(args.n)]:
                    # As many bytes through the sockets at each N, or nearly.
                    words = list(source)
                    if speed == "full speed":
                        words[1] = str(max(args.bytes // n, 8 << 20))
                    result = run_many(options, words, n, runner.programs, args.timeout,
                                      "bench-swarm-light" if args.light else "bench-swarm")
                    runner.results.append({"speed": speed, "policy": name, "round": turn,
                                           **result})
                    notes = "; ".join(result["notes"])
                    say(f"  {speed}, {name}, N={n}, round {turn + 1}/{args.runs}: "
                        f"{result['verdict']}{' (' + notes + ')' if notes else ''}")
    return table(runner, speeds)


def table(runner, speeds):
    header = ["speed", "policy", "N", "lines/s", "CPU s/GiB", "x N=%d" % runner.args.n[0],
              "swarm's", "RSS MB", "private MB", "longest gap ms", "caught up", "join s", "join CPU s", "in all"]
    rows = []
    for speed in speeds:
        for policy in runner.args.policies:
            first = None
            for n in runner.args.n:
                runs = [each for each in runner.results if each["speed"] == speed and
                        each["policy"] == policy and each["n"] == n]
                of = lambda key: (median([each[key] for each in runs if key in each])
                                  if any(key in each for each in runs) else None)
                worst = lambda key: max((each[key] for each in runs if key in each), default=None)
                cpu = of("cpu_s_per_gib")
                first = first or cpu
                bad = [each["verdict"] for each in runs if each["verdict"] != "all complete"]
                catch_ups = [each["swarm"]["catch_ups"] + each["swarm"]["live_gaps"]
                             for each in runs if each["swarm"]]
                rows.append([speed, policy, str(n), number(of("lines_per_s")), number(cpu, 2),
                             number(cpu / first if cpu and first else None, 2),
                             number(of("swarm_cpu_s_per_gib"), 2), number(worst("rss_mb")),
                             number(worst("private_mb")), number(worst("longest_gap_ms")),
                             number(max(catch_ups, default=None)),
                             number(of("join_s"), 1), number(of("joining_cpu_s"), 1),
                             bad[0] if bad else "all complete"])
    return header, rows, ["CPU: of the publisher alone, without the joining, per GiB delivered."]
