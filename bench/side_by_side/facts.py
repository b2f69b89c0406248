"""What a figure is worth nothing without: the machine, and the versions of what was run."""

import datetime
import os
import platform
import re
import shutil
import subprocess

TOOLS = {  # name -> command that prints a version, else the Debian package that has it
    "tee": ["tee", "--version"],
    "bash": ["bash", "--version"],
    "ncat": ["ncat", "--version"],
    "mbuffer": ["mbuffer", "--version"],
    "pee": "moreutils",
    "socat": "socat",
    "mosquitto": "mosquitto",
    "redis-server": "redis-server",
    "nats-server": "nats-server",
}


def _first_line(command):
    try:
        shown = subprocess.run(command, capture_output=True, text=True, timeout=10)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return next((line for line in (shown.stdout + shown.stderr).splitlines() if line.strip()), "")


def _version(name, how):
    if shutil.which(name) is None:
        return "not installed"
    if isinstance(how, str):
        return _first_line(["dpkg-query", "-W", "-f=${Version}", how]) or "unknown"
    found = re.search(r"\d[\w.+~-]*\d", _first_line(how))
    return found.group() if found else "unknown"


def gather(programs, cpu_source):
    cpu = next((line.partition(":")[2].strip() for line in open("/proc/cpuinfo")
                if line.startswith("model name")), platform.machine())
    memory_kib = int(open("/proc/meminfo").readline().split()[1])
    versions = {name: _version(name, how) for name, how in TOOLS.items()}
    zmq = _first_line([programs / "bare-zmq-pub", "--version"])
    versions["libzmq"] = zmq.removeprefix("libzmq ") or "not built"
    pipedup = re.search(r"\d[\w.+~-]*", _first_line([programs / "pipedup-pub", "--version"]))
    versions["pipedup"] = pipedup.group() if pipedup else "not built"
    return {
        "date": datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d %H:%M UTC"),
        "cores": len(os.sched_getaffinity(0)), "cpu": cpu,
        "memory_gib": round(memory_kib / 1024 / 1024, 1),
        "kernel": platform.release(), "load_before": os.getloadavg()[0],
        "cpu_time_from": cpu_source, "versions": versions,
    }


def line(facts):
    versions = ", ".join(f"{name} {version}" for name, version in facts["versions"].items())
    return (f"{facts['date']}, {facts['cores']} cores ({facts['cpu']}), {facts['memory_gib']} GiB, "
            f"kernel {facts['kernel']}, load {facts['load_before']:.2f}, CPU time from "
            f"{facts['cpu_time_from']}; {versions}")
