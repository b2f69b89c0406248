"""What docs/clients.md shows: each tap is taken from there and run, and the rest is compiled."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from drivers import PYTHON, Offer, Places, Process, Publisher
from scenarios import expect, lines

ENDPOINT = "tcp://127.0.0.1:5590"


def program(language: str, document: str, endpoint: str, directory: Path, places: Places) -> list[str]:
    """The command line of the document's tap in that language."""
    source = next(
        text for text in re.findall(rf"```{language}\n(.*?)```", document, re.S) if ENDPOINT in text
    ).replace(ENDPOINT, endpoint)
    if language == "python":
        (directory / "tap.py").write_text(source)
        return [PYTHON, str(directory / "tap.py")]
    if language == "js":
        # Packages are looked for from where the program is.
        file = places.clients / "node" / f"tap-{directory.name}.mjs"
        file.write_text(source)
        return ["node", str(file)]
    (directory / "tap.c").write_text(source)
    subprocess.run(
        ["gcc", "-Wall", "-Wextra", "-Werror", "-o", directory / "tap", directory / "tap.c", "-lzmq"],
        check=True,
    )
    return [str(directory / "tap")]


def run(language: str, document: str, places: Places) -> None:
    """What it writes is what was published, from some block on to the end."""
    directory = Path(tempfile.mkdtemp(prefix="pdc-", dir="/tmp"))
    started: list = []
    try:
        endpoint = f"ipc://{directory}/data"
        publisher = Publisher.start(
            "pipedup-pub", places, directory, endpoint, Offer(), "pub", started
        )
        tap = Process(program(language, document, endpoint, directory, places), directory, "tap", {})
        started.append(tap)
        produced = b""
        for i in range(2000):
            line = f"{i} ".encode() + lines("tick", 1)
            publisher.write(line)
            produced += line
            if tap.output():
                break
            time.sleep(0.02)
        publisher.close()
        expect("exit status of the tap", 0, tap.wait())
        if not tap.output() or not produced.endswith(tap.output()):
            raise AssertionError(f"{tap.output()!r} is no end of {produced!r}")
    finally:
        for one in started:
            one.kill()
        shutil.rmtree(directory, ignore_errors=True)
        for file in (places.clients / "node").glob(f"tap-{directory.name}.mjs"):
            file.unlink()


def compile_cpp(document: str, places: Places) -> None:
    """Both examples in C++, in a function."""
    blocks = re.findall(r"```cpp\n(.*?)```", document, re.S)
    expect("examples in C++", 2, len(blocks))
    for block in blocks:
        lines_of = block.splitlines()
        includes = [line for line in lines_of if line.startswith("#include")]
        body = [line for line in lines_of if not line.startswith("#include")]
        source = "\n".join(
            includes
            + ["void Parse(std::span<const std::byte>);", "void Count(std::uint64_t);", "int main() {"]
            + body
            + ["}", ""]
        )
        subprocess.run(
            ["g++", "-std=c++20", "-fsyntax-only", "-Wall", "-Wextra", "-Wpedantic", "-Werror"]
            + ["-x", "c++", "-I", str(places.examples.parent / "prefix" / "include"), "-"],
            input=source.encode(),
            check=True,
        )


def run_all(document: Path, places: Places) -> list[str]:
    """Names of those that failed."""
    failed = []
    try:
        compile_cpp(document.read_text(), places)
        print("passed examples in C++", flush=True)
    except Exception as error:
        print(f"FAILED examples in C++\n{error}", flush=True)
        failed.append("C++")
    for language in ("python", "js", "c"):
        try:
            run(language, document.read_text(), places)
            print(f"passed plain SUB in {language}", flush=True)
        except Exception as error:  # whatever it is, it is this one's
            print(f"FAILED plain SUB in {language}\n{error}", flush=True, file=sys.stdout)
            failed.append(language)
    return failed
