"""What is done with each command of the README. See run."""

import json
import os
import pathlib
import re
import signal
import subprocess

LOG = pathlib.Path("/var/log/nginx/access.log")
# Folders that a scenario sees empty, and nobody else sees changed.
PRIVATE_FOLDERS = ["/var/log", "/var/lib", "/run", "/dev/shm", "/usr/local"]


def live_subscribers(answer):
    """Of the JSON that pipedup-top prints: how many receive what is published."""
    streams = [stream for line in answer.splitlines() for endpoint in json.loads(line)["endpoints"]
               for stream in endpoint.get("streams", [])]
    return sum(row["mode"] in ("live", "attached") for stream in streams
               for row in stream["subscribers"])


class WebServer:
    """A real nginx, whose log grows by what is asked of it."""

    def __init__(self, session):
        self.session = session
        LOG.parent.mkdir(parents=True, exist_ok=True)
        LOG.touch()
        conf = session.folder / "nginx.conf"
        conf.write_text(
            "daemon off; error_log stderr; pid nginx.pid;\n"
            "events {}\nhttp { access_log /var/log/nginx/access.log;\n"
            "client_body_temp_path t1; proxy_temp_path t2; fastcgi_temp_path t3;\n"
            "uwsgi_temp_path t4; scgi_temp_path t5;\n"
            "server { listen 127.0.0.1:8080; location /ok { return 200 ok; }\n"
            "location /broken { return 500 broken; } location /none { return 404; } } }\n")
        self.server = session.background(f"exec nginx -p {session.folder} -c {conf}")
        session.listening(8080)

    def get(self, path, count=1):
        """`path` may have curl's ranges: /ok?[1-100]."""
        for _ in range(count):
            subprocess.run(["curl", "-sS", "-o", "/dev/null", f"http://127.0.0.1:8080{path}"],
                           check=True)


def thirty_seconds(s):
    web = WebServer(s)
    web.get("/ok?[1-600]")
    s.start("tail -n +1 -F /var/log/nginx/access.log | pipedup-pub")
    s.listening()
    grep = s.start("pipedup-sub | grep --line-buffered ' 500 '")
    s.joined(1)
    late = s.start("pipedup-sub --last 500 --count 1000 | "
                   "awk '{ n[$9]++ } END { for (s in n) print s, n[s] }'")
    s.joined(2)
    web.get("/broken")
    s.until_out(grep, "/broken")
    web.get("/ok?[1-499]")
    s.ended(late)
    assert sorted(late.out.read_text().splitlines()) == ["200 999", "500 1"], late.out.read_text()


def web_server_log(s):
    web = WebServer(s)
    publisher = s.start("varnishncsa | pipedup-pub -s web1 -b '*:5590' --insecure "
                        "--journal /var/lib/pipedup-web1 --retain 10GiB")
    s.listening()
    grep = s.start("pipedup-sub web1.example.org | grep --line-buffered ' 500 '")
    copy_command = "pipedup-sub -F --cursor web1.cursor web1.example.org >> web1.log"
    copy = s.start(copy_command)
    s.joined(2)
    web.get("/ok", 10)
    web.get("/broken")
    s.until_out(grep, "/broken")
    s.until_in("web1.log", "/broken")
    s.stop(copy, signal.SIGKILL)
    web.get("/ok?meanwhile")
    copy = s.start(copy_command)
    s.until_in("web1.log", "meanwhile")
    web.get("/ok?last")
    s.until_in("web1.log", "last")
    assert (s.folder / "web1.log").read_text() == LOG.read_text(), "not the same bytes"
    s.stop(publisher, signal.SIGKILL)


def system_journal(s):
    s.start("journalctl -f -o json | pipedup-pub -s journal")
    s.listening()
    reader = s.start("pipedup-sub -s journal | jq --unbuffered -r "
                     "'select(.PRIORITY <= \"3\") | .MESSAGE'")
    s.until_out(reader, "entry ")
    assert all(int(line.split()[1]) % 2 == 0 for line in reader.out.read_text().splitlines())


def bulk_copy(s):
    (s.folder / "dump.sql").write_bytes(os.urandom(1 << 20) + b"\nend\n")
    publisher = s.start("pipedup-pub --slow wait --wait-subs 2 < dump.sql")
    s.listening()
    one = s.start("pipedup-sub --from start > copy.sql && echo complete")
    two = s.start("pipedup-sub --from start --exec 'gzip > dump.sql.gz' && echo complete")
    for process in (one, two, publisher):
        s.ended(process)
    s.until_out(one, "complete")
    s.until_out(two, "complete")
    s.background("gzip -d dump.sql.gz -c | cmp - dump.sql && cmp copy.sql dump.sql && echo same")
    s.until_out(s.running[-1], "same")


def curl_tap(s):
    web = WebServer(s)
    s.start("tail -F /var/log/nginx/access.log | pipedup-pub --http :5592")
    s.listening(5592)
    tap = s.start("curl -sN localhost:5592/stream | grep --line-buffered ' 404 '")

    def seen():
        web.get("/none")
        return " 404 " in tap.out.read_text()
    s.until("the tap", seen)
    metrics = s.run("curl -s localhost:5592/metrics | grep pipedup_")
    assert re.search(r"^pipedup_\w+_total\S* \d+", metrics, re.M), metrics


def local_programs(s):
    s.background("pipedup-pub --wait-subs 1 -- seq 500 1500")
    s.listening()
    readers = s.start("pipedup-sub --exec 'grep 500 > errors' --exec 'gzip > all.gz' "
                      "--restart on-failure")
    s.ended(readers)
    assert (s.folder / "errors").read_text().split() == ["500", "1500"]
    (s.folder / "Makefile").write_text("all:\n\t@for i in 1 2 3; do echo warning $$i; done\n")
    said = s.run("make 2>&1 | pipedup-tee 'grep -c warning > count' 'gzip > log.gz'")
    assert said.count("warning") == 3, said
    assert (s.folder / "count").read_text().strip() == "3"


def who_is_slow(s):
    s.background("(seq 10; sleep 1000) | pipedup-pub")
    s.listening()
    slow = s.background("pipedup-sub --name slowpoke > /dev/null")
    s.joined(1)
    # On a terminal it stays; without one it ends, or is ended, after it has shown its table.
    live = s.start("pipedup-top")
    s.until_out(live, "slowpoke")
    s.stop(live)
    assert "slowpoke" in s.run("pipedup-top --once --json")
    said = s.run("pipedup-top --check --max-lag 10MiB || echo somebody is behind")
    assert "behind" not in said, said
    s.stop(slow)


def install(s):
    s.run("cmake --install build/release", cwd=s.root)
    assert s.run_aside("/usr/local/bin/pipedup-pub --version").startswith("pipedup-pub ")
    s.run("cd build/release && cpack", cwd=s.root)
    assert list((s.root / "build/release").glob("pipedup_*.deb"))


ALL = {
    "thirty_seconds": thirty_seconds,
    "web_server_log": web_server_log,
    "system_journal": system_journal,
    "bulk_copy": bulk_copy,
    "curl_tap": curl_tap,
    "local_programs": local_programs,
    "who_is_slow": who_is_slow,
    "install": install,
}
# Commands that other tests run: where, and by which words.
ELSEWHERE = {
    "docker build -t pipedup -f docker/Dockerfile .": ("tests/docker/image.sh", "docker build "),
    "docker-compose -f docker/tap/docker-compose.yml up -d":
        ("tests/docker/cases/tap.sh", "docker-compose -f docker/tap/docker-compose.yml up -d"),
    "docker-compose -f docker/tap/docker-compose.yml run --rm -T tap | grep --line-buffered /":
        ("tests/docker/cases/tap.sh",
         "docker-compose -f docker/tap/docker-compose.yml run --rm -T tap | grep --line-buffered /"),
    "apt-get install ./pipedup_*.deb && man pipedup":
        ("tests/package/inside", "apt_install ./pipedup_*.deb"),
    "systemctl enable --now pipedup-pub@web1":
        ("tests/package/booted", "systemctl start \"${services[@]}\""),
}
