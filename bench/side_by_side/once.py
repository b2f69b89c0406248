"""One run of one system: start it, feed it, watch it, and gather what source and sinks say."""

import json
import os
import shutil
import signal
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

from .systems import Job
from .tree import Tree, read_text

SAMPLE_S = 0.05
SETTLE_S = 0.5  # between the start of a system and the source's first write
GRACE_S = 10  # for a system to leave after its sinks have
IDLE_AT_END_S = 3  # without a byte, after which a system that has no end of stream is done
GIB = 1 << 30


@dataclass
class Plan:
    """What is run."""
    source: list  # options of bench-source
    sink: list  # options of bench-sink
    expected: dict = None  # bytes and xxh3, when known before the run
    limit_s: float = 300  # for the whole run
    idle_s: float = 15  # without a byte at any sink, the run counts as stuck
    stop_at_s: float = 0  # the first sink gets SIGSTOP after that long ...
    stop_for_s: float = 0  # ... and SIGCONT after that much more; 0: it does not
    latencies: bool = False


@dataclass
class Watch:
    """The state of a run that is going on."""
    sink_pids: dict = field(default_factory=dict)
    progress: tuple = ()
    progress_at: float = 0
    cpu_s: float = 0  # when the sinks last got something


def load(path):
    try:
        return json.loads(Path(path).read_text())
    except (OSError, ValueError):
        return None


def run_once(start, plan, n, programs, cgroup):
    """Returns the figures of one run as a dict."""
    scratch = Path(tempfile.mkdtemp(prefix="pipedup-bench-"))
    memory = Path(tempfile.mkdtemp(prefix="pipedup-bench-",
                                   dir="/dev/shm" if os.path.isdir("/dev/shm") else None))
    log = open(scratch / "log", "ab")
    tree = Tree(cgroup, scratch, memory, log)
    try:
        return _run(start, plan, n, programs, scratch, tree)
    finally:
        tree.close()
        log.close()
        shutil.rmtree(scratch, ignore_errors=True)
        shutil.rmtree(memory, ignore_errors=True)


def _run(start, plan, n, programs, scratch, tree):
    reports = [str(scratch / f"sink{i}.json") for i in range(n)]
    source_report = str(scratch / "source.json")
    sinks = [[str(programs / "bench-sink"), "--report", report, *plan.sink,
              *(["--latencies", report + ".ns"] if plan.latencies else [])] for report in reports]
    read_end, write_end = os.pipe()
    job = Job(tree, programs, scratch, read_end, sinks)
    try:
        start(job)
        time.sleep(SETTLE_S)
        tree.spawn("bench-source",
                   [programs / "bench-source", "--report", source_report, *plan.source],
                   stdout=write_end)
    except TimeoutError as error:
        job.notes.append(str(error))
    finally:
        os.close(read_end)
        os.close(write_end)

    cpu_s = None
    if not job.notes:
        cpu_s = _watch(tree, plan, job, reports, source_report)
    early = [name for name, status in tree.ended if status != 0 and name != "bench-sink"]
    stopped = {tree.running[pid] for pid in job.daemons if pid in tree.running}
    for pid in job.daemons:
        if pid in tree.running:
            _signal(pid, signal.SIGTERM)
    killed = tree.finish(GRACE_S if job.ends and not job.notes else 0)
    if killed and job.ends:
        job.notes.append("had to be killed: " + ", ".join(killed))
    for name, status in tree.ended:
        expected_end = name == "bench-sink" or name in stopped or not job.ends
        if status != 0 and (not expected_end or name in early):
            job.notes.append(f"{name} ended with {status}")
    if job.notes:
        said = read_text(scratch / "log").strip().splitlines()[-3:]
        job.notes += [f"stderr: {line}" for line in said]
    if cpu_s is None or not tree.cgroup:  # wait4 knows only what has ended
        cpu_s = tree.cpu_seconds()
    return _figures(tree, plan, cpu_s, load(source_report), reports, job)


def _watch(tree, plan, job, reports, source_report):
    """Until all sinks have reported, or the run is stuck or over its time. Returns the CPU time
    at the last progress of a run that had no end, else None."""
    begun = time.monotonic()
    watch = Watch(progress_at=begun)
    stopped = None  # pid
    stop_done = plan.stop_for_s == 0
    while not all(os.path.exists(report) for report in reports):
        now = time.monotonic()
        tree.reap()
        tree.sample()
        if not stop_done and stopped is None and now - begun >= plan.stop_at_s:
            stopped = tree.find(reports[0])
            if stopped:
                os.kill(stopped, signal.SIGSTOP)
        if stopped and now - begun >= plan.stop_at_s + plan.stop_for_s:
            os.kill(stopped, signal.SIGCONT)
            stopped, stop_done = None, True
        if not stopped and _stuck(tree, plan, job, watch, reports, source_report, now - begun):
            job.over_time = now - begun > plan.limit_s
            if job.over_time:
                job.notes.append("over its time: sinks were told to stop")
            elif job.ends:
                job.notes.append("no end of stream: sinks were told to stop")
            for pid in watch.sink_pids.values():
                _signal(pid, signal.SIGTERM)
            source = tree.find(source_report)
            if source:
                _signal(source, signal.SIGTERM)
            deadline = time.monotonic() + 5
            while (time.monotonic() < deadline and
                   not all(os.path.exists(report) for report in reports)):
                tree.reap()
                time.sleep(0.01)
            return watch.cpu_s
        time.sleep(SAMPLE_S)
    return None


def _signal(pid, number):
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        pass


def _stuck(tree, plan, job, watch, reports, source_report, elapsed):
    for report in reports:
        if report not in watch.sink_pids:
            pid = tree.find(report)
            if pid:
                watch.sink_pids[report] = pid
    progress = tuple(read_text(f"/proc/{pid}/io").partition("\n")[0]
                     for pid in watch.sink_pids.values())
    now = time.monotonic()
    if progress != watch.progress:
        watch.progress, watch.progress_at, watch.cpu_s = progress, now, tree.cpu_seconds()
    at_end = os.path.exists(source_report) and not job.ends
    idle_s = IDLE_AT_END_S if at_end else plan.idle_s
    return now - watch.progress_at > idle_s + plan.stop_for_s or elapsed > plan.limit_s


def _wire_bytes(scratch):
    """What each subscriber of pipedup says it has received, as it was sent; [] of other systems."""
    said = [json.loads(line) for line in read_text(scratch / "log").splitlines()
            if line.startswith("{") and '"wire_bytes"' in line]
    return [each["wire_bytes"] for each in said]


def _figures(tree, plan, cpu_s, source, reports, job):
    sinks = [load(report) for report in reports]
    figures = {
        "cpu_s": cpu_s,
        "peak_mb": tree.peak["system"] / 1e6,
        "peak_rss_sum_mb": tree.peak["rss_sum"] / 1e6,
        "peak_memory_files_mb": tree.peak["files"] / 1e6,
        "max_rss_mb": tree.max_rss_kib * 1024 / 1e6,
        "peak_by_process_mb": {name: {key: value / 1e6 for key, value in peak.items()}
                               for name, peak in sorted(tree.peak_by_process.items())},
        "notes": job.notes, "source": source, "sinks": sinks,
    }
    if source is None or None in sinks or not source["bytes"]:
        return {**figures, "verdict": "FAILED", "lost_bytes": None}
    produced = source["bytes"]
    checksum = source.get("xxh3") or (plan.expected or {}).get("xxh3")
    lost = [max(0, produced - sink["bytes"]) for sink in sinks]  # more bytes than that: DIFFERS
    if source["ended"] != "complete":
        return {**figures, "verdict": f"STUCK at {produced}", "lost_bytes": sum(lost),
                "lost_per_sink": lost, "longest_write_ms": source["longest_write_ms"],
                "longest_gap_ms": [sink["longest_gap_ms"] for sink in sinks]}
    if any(lost):
        verdict = f"{'LATE' if job.over_time else 'LOST'} {sum(lost)}"
    elif any(sink["xxh3"] != checksum for sink in sinks):
        verdict = "DIFFERS"
    else:
        verdict = "identical"
    # The end of a run is the last sink's end of stream, or its last byte where none came.
    ends = [sink["end_ns"] if sink["ended"] == "end of stream" else sink["last_ns"]
            for sink in sinks]
    seconds = max(1e-9, (max(ends) - source["first_write_ns"]) / 1e9)
    if wire := _wire_bytes(job.scratch):
        figures["wire_mb"] = sum(wire) / len(wire) / 1e6
    if plan.latencies:
        figures.update(_latencies(reports))
    return {
        **figures, "verdict": verdict, "lost_bytes": sum(lost), "lost_per_sink": lost,
        "bytes": produced, "seconds": seconds, "mb_per_s": produced / seconds / 1e6,
        "lines_per_s": source["lines"] / seconds,
        "cpu_s_per_gib": figures["cpu_s"] / (produced / GIB),
        "longest_write_ms": source["longest_write_ms"],
        "longest_gap_ms": [sink["longest_gap_ms"] for sink in sinks],
    }


def _latencies(reports):
    """Percentiles over the lines of all sinks, without the first tenth (warming up)."""
    from array import array
    values = []
    for report in reports:
        data = array("I")
        try:
            data.frombytes(Path(report + ".ns").read_bytes())
        except OSError:
            continue
        values += data[len(data) // 10:]
    values.sort()
    at = lambda share: (values[min(len(values) - 1, int(share * len(values)))] / 1e3
                        if values else None)
    return {"p50_us": at(0.5), "p90_us": at(0.9), "p99_us": at(0.99), "max_us": at(1)}
