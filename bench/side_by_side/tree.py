"""The processes of one run: started, accounted for, and all gone afterwards.

The tree lives in a cgroup v2 of its own where one can be made; its CPU time is then the
cgroup's. Elsewhere it is what wait4(2) says of every process reaped. The runner is the
subreaper, so nothing escapes either way.
"""

import ctypes
import errno
import os
import signal
import time
from pathlib import Path

PR_SET_CHILD_SUBREAPER = 36
HARNESS = ("bench-source", "bench-sink", "bash", "sh")  # not counted as the system's memory


def become_subreaper():
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def cgroup_parent():
    """The directory in which this process may make a cgroup v2 and put children, or None."""
    try:
        own = next(line[3:].strip() for line in open("/proc/self/cgroup")
                   if line.startswith("0::"))
        mount = next(fields[1] for fields in map(str.split, open("/proc/mounts"))
                     if fields[2] == "cgroup2")
    except (OSError, StopIteration):
        return None
    parent = Path(mount) / own.lstrip("/")
    trial = parent / f"pipedup-bench-{os.getpid()}-trial"
    try:
        trial.mkdir()
    except OSError:
        return None
    try:
        procs = os.open(trial / "cgroup.procs", os.O_WRONLY)
        pid = os.fork()
        if pid == 0:
            try:
                os.write(procs, b"0")
                os._exit(0)
            except OSError:
                os._exit(1)
        _, status = os.waitpid(pid, 0)
        os.close(procs)
        return parent if status == 0 and (trial / "cpu.stat").exists() else None
    except OSError:
        return None
    finally:
        trial.rmdir()


def read_text(path):
    try:
        with open(path, "rb") as file:
            return file.read().decode(errors="replace")
    except OSError:
        return ""  # the process is gone


class Tree:
    count = 0

    def __init__(self, parent, scratch, memory_dir, log):
        """parent: from cgroup_parent(). scratch: where commands run. memory_dir: a tmpfs
        directory handed to them as XDG_RUNTIME_DIR, whose files count as memory."""
        Tree.count += 1
        self.cgroup = parent and parent / f"pipedup-bench-{os.getpid()}-{Tree.count}"
        self.procs_fd = None
        if self.cgroup:
            self.cgroup.mkdir()
            self.procs_fd = os.open(self.cgroup / "cgroup.procs", os.O_WRONLY | os.O_CLOEXEC)
        self.scratch, self.memory_dir, self.log = scratch, memory_dir, log
        self.running = {}  # pid -> name, of the processes started here
        self.ended = []  # (name, status)
        self.reaped_cpu = 0.0
        self.cpu_by_name = {}  # seconds, of those in `ended`
        self.max_rss_kib = 0
        self.peak = {"system": 0, "rss_sum": 0, "files": 0}  # bytes
        self.peak_by_process = {}  # command name -> {"RssAnon": bytes, ...}, its largest process
        self.own_command = read_text("/proc/self/cmdline")

    def spawn(self, name, argv, stdin=None, stdout=None):
        """Starts argv with the given descriptors (default /dev/null) and returns its pid."""
        argv = [str(word) for word in argv]
        pid = os.fork()
        if pid == 0:
            try:
                if self.procs_fd is not None:
                    os.write(self.procs_fd, b"0")
                null = os.open("/dev/null", os.O_RDWR)
                os.dup2(null if stdin is None else stdin, 0)
                os.dup2(null if stdout is None else stdout, 1)
                os.dup2(self.log.fileno(), 2)
                for number in (signal.SIGPIPE, signal.SIGINT, signal.SIGTERM):
                    signal.signal(number, signal.SIG_DFL)
                os.chdir(self.scratch)
                os.environ["XDG_RUNTIME_DIR"] = str(self.memory_dir)
                os.execvp(argv[0], argv)
            except OSError as error:
                os.write(2, f"{argv[0]}: {error}\n".encode())
            finally:
                os._exit(127)
        self.running[pid] = name
        return pid

    def pids(self):
        if self.cgroup:
            return [int(pid) for pid in read_text(self.cgroup / "cgroup.procs").split()]
        children = {}
        for entry in os.listdir("/proc"):
            if entry.isdigit():
                stat = read_text(f"/proc/{entry}/stat").rpartition(")")[2].split()
                if len(stat) > 1:
                    children.setdefault(int(stat[1]), []).append(int(entry))
        found, todo = [], [os.getpid()]
        while todo:
            below = children.get(todo.pop(), [])
            found += below
            todo += below
        return found

    def find(self, word):
        """The pid of the one process that has exactly this word on its command line."""
        for pid in self.pids():
            words = read_text(f"/proc/{pid}/cmdline").split("\0")
            if word in words and not words[0].endswith("sh"):
                return pid
        return None

    def reap(self):
        while True:
            try:
                pid, status, usage = os.wait4(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            self.reaped_cpu += usage.ru_utime + usage.ru_stime
            self.max_rss_kib = max(self.max_rss_kib, usage.ru_maxrss)
            name = self.running.pop(pid, None)
            if name:
                self.ended.append((name, os.waitstatus_to_exitcode(status)))
                self.cpu_by_name[name] = (self.cpu_by_name.get(name, 0.0) + usage.ru_utime +
                                          usage.ru_stime)

    def sample(self):
        """Takes one sample of everybody's memory."""
        sums = {"system": 0, "rss_sum": 0}
        for pid in self.pids():
            fields = dict(line.split(":", 1) for line in
                          read_text(f"/proc/{pid}/status").splitlines() if ":" in line)
            name = fields.get("Name", "").strip()
            if "RssAnon" not in fields or read_text(f"/proc/{pid}/cmdline") == self.own_command:
                continue  # gone, or not yet the program it will be
            memory = {key: int(fields[key].split()[0]) * 1024
                      for key in ("RssAnon", "RssShmem", "RssFile")}
            sums["rss_sum"] += sum(memory.values())
            if name not in HARNESS:
                sums["system"] += memory["RssAnon"]
            peak = self.peak_by_process.setdefault(name, dict.fromkeys(memory, 0))
            for key, value in memory.items():
                peak[key] = max(peak[key], value)
        sums["files"] = self.memory_files()
        sums["system"] += sums["files"]
        for key, value in sums.items():
            self.peak[key] = max(self.peak[key], value)

    def memory_files(self):
        total = 0
        for directory, _, names in os.walk(self.memory_dir):
            for name in names:
                try:
                    total += os.lstat(os.path.join(directory, name)).st_blocks * 512
                except OSError:
                    pass  # dropped meanwhile
        return total

    def finish(self, grace_s):
        """Waits for what still runs, kills what does not end, and returns the names killed."""
        deadline = time.monotonic() + grace_s
        while self.pids() and time.monotonic() < deadline:
            self.reap()
            time.sleep(0.01)
        self.reap()
        killed = sorted({read_text(f"/proc/{pid}/comm").strip() for pid in self.pids()} - {""})
        deadline = time.monotonic() + 10
        while self.pids() and time.monotonic() < deadline:
            for pid in self.pids():
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass
            time.sleep(0.01)
            self.reap()
        self.reap()
        return killed

    def cpu_seconds(self):
        if not self.cgroup:
            return self.reaped_cpu
        for line in read_text(self.cgroup / "cpu.stat").splitlines():
            if line.startswith("usage_usec"):
                return int(line.split()[1]) / 1e6
        return 0.0

    def close(self):
        self.finish(0)
        if self.cgroup:
            os.close(self.procs_fd)
            self.remove_cgroup()
            self.cgroup = None

    def remove_cgroup(self):
        """A process whose first thread has ended is not listed any more, but its other threads
        may still be on their way out."""
        deadline = time.monotonic() + 10
        while True:
            try:
                self.cgroup.rmdir()
                return
            except OSError as error:
                if error.errno != errno.EBUSY or time.monotonic() > deadline:
                    raise
            time.sleep(0.01)
            self.reap()
