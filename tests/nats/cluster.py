"""Three NATS servers of a cluster, each with an address and a store of its own on loopback."""

from __future__ import annotations

import json
import signal
import subprocess
import time
import urllib.request
from pathlib import Path

PATIENCE_S = 120
CLIENTS, ROUTES, MONITORING = 4222, 6222, 8222


def wait_until(is_true, what: str, patience_s: float = PATIENCE_S) -> None:
    """Asks until it is. Raises AssertionError when the patience is over."""
    deadline = time.monotonic() + patience_s
    while not is_true():
        if time.monotonic() > deadline:
            raise AssertionError(f"never came: {what}")
        time.sleep(0.01)


class Cluster:
    """To be used in a network namespace of its own: the addresses are always the same."""

    hosts = ("127.0.1.1", "127.0.1.2", "127.0.1.3")

    def __init__(self, directory: Path, extra: str = ""):
        self.directory = directory
        self.extra = extra
        self.processes: dict[str, subprocess.Popen] = {}

    def url(self, name: str) -> str:
        return f"nats://{','.join(self.hosts)}/{name}"

    def start(self, host: str) -> None:
        routes = ", ".join(f'"nats://{one}:{ROUTES}"' for one in self.hosts)
        config = self.directory / f"{host}.conf"
        config.write_text(
            f"server_name: {host}\nlisten: {host}:{CLIENTS}\nhttp: {host}:{MONITORING}\n"
            f'jetstream {{ store_dir: "{self.directory}/{host}" }}\n'
            f"cluster {{ name: test, listen: {host}:{ROUTES}, routes: [{routes}] }}\n{self.extra}\n"
        )
        with open(self.directory / f"{host}.log", "ab") as log:
            self.processes[host] = subprocess.Popen(
                ["nats-server", "-c", str(config)], stdout=log, stderr=log
            )

    def start_all(self) -> None:
        for host in self.hosts:
            self.start(host)
        wait_until(lambda: self.meta_leader() != "", "the cluster has a leader")

    def ask(self, host: str, path: str) -> dict:
        try:
            with urllib.request.urlopen(f"http://{host}:{MONITORING}/{path}", timeout=2) as answer:
                return json.load(answer)
        except (OSError, ValueError):
            return {}

    def running(self) -> list[str]:
        return [host for host, process in self.processes.items() if process.poll() is None]

    def meta_leader(self) -> str:
        for host in self.running():
            leader = self.ask(host, "jsz").get("meta_cluster", {}).get("leader", "")
            if leader:
                return leader
        return ""

    def stream(self, host: str, name: str) -> dict:
        answer = self.ask(host, "jsz?streams=true&config=true")
        for account in answer.get("account_details", []):
            for stream in account.get("stream_detail", []):
                if stream["name"] == name:
                    return stream
        return {}

    def leader(self, name: str) -> str:
        """Of the stream, as most servers that run see it; "" while there is none."""
        seen = [self.stream(host, name).get("cluster", {}).get("leader", "") for host in self.running()]
        named = [one for one in seen if one]
        return max(named, key=named.count) if named else ""

    def whole(self, name: str) -> bool:
        """All servers run, and each has all of the stream."""
        if len(self.running()) < len(self.hosts):
            return False
        leader = self.leader(name)
        if not leader:
            return False
        replicas = self.stream(leader, name).get("cluster", {}).get("replicas", [])
        return len(replicas) == 2 and all(
            one.get("current") and not one.get("offline") and not one.get("lag") for one in replicas
        )

    def kill(self, host: str) -> None:
        self.processes[host].kill()
        self.processes[host].wait()

    def stop(self, host: str) -> None:
        self.processes[host].send_signal(signal.SIGSTOP)

    def go_on(self, host: str) -> None:
        self.processes[host].send_signal(signal.SIGCONT)

    def end(self) -> None:
        for process in self.processes.values():
            if process.poll() is None:
                process.kill()
            process.wait()


def cut_off(host: str) -> None:
    """Nothing comes from `host`, or to it."""
    for way in ("-s", "-d"):
        subprocess.run(["iptables", "-w", "-A", "INPUT", way, host, "-j", "DROP"], check=True)


def heal(host: str) -> None:
    for way in ("-s", "-d"):
        subprocess.run(["iptables", "-w", "-D", "INPUT", way, host, "-j", "DROP"], check=True)
