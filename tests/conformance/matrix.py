"""Runs every scenario for every client and publisher. See run."""

from __future__ import annotations

import argparse
import concurrent.futures
import os
import shutil
import sys
import tempfile
import time
import traceback
from pathlib import Path

import plain_sub
from drivers import PUBLISHERS, SUBSCRIBERS, Places
from scenarios import SCENARIOS, Pair


def run_one(case, places: Places, keep: Path | None) -> str:
    """"" if it passed, else what did not hold, and what the programs said."""
    client, publisher, scenario = case
    directory = Path(tempfile.mkdtemp(prefix="pdc-", dir="/tmp"))  # short: ipc paths are limited
    pair = Pair(client, publisher, places, directory)
    try:
        scenario(pair)
        return ""
    except Exception:  # whatever it is, it is this case's
        text = traceback.format_exc(limit=-2)
        for file in sorted(directory.glob("*.err")):
            said = file.read_text(errors="replace")[-1500:]
            if said:
                text += f"--- {file.name}\n{said}"
        if keep:
            shutil.copytree(directory, keep / directory.name, ignore=shutil.ignore_patterns("data*"))
        return text
    finally:
        pair.clean_up()
        shutil.rmtree(directory, ignore_errors=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--programs", type=Path, required=True)
    parser.add_argument("--examples", type=Path, required=True)
    parser.add_argument("--clients", type=Path, required=True)
    parser.add_argument("--client", action="append", choices=SUBSCRIBERS)
    parser.add_argument("--publisher", action="append", choices=PUBLISHERS)
    parser.add_argument("--scenario", action="append", choices=[s.__name__ for s in SCENARIOS])
    parser.add_argument("--document", type=Path, help="with plain SUBs, which are run as well")
    parser.add_argument("--jobs", type=int, default=(os.cpu_count() or 1) * 3)
    parser.add_argument("--keep", type=Path, help="where files of failed cases are copied to")
    options = parser.parse_args()
    places = Places(options.programs, options.examples, options.clients)
    cases = [
        (client, publisher, scenario)
        for scenario in SCENARIOS
        if not options.scenario or scenario.__name__ in options.scenario
        for client in options.client or SUBSCRIBERS
        for publisher in options.publisher or PUBLISHERS
    ]
    began = time.monotonic()
    failed = []
    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        runs = [(case, pool.submit(run_one, case, places, options.keep)) for case in cases]
        for (client, publisher, scenario), run in runs:
            name = f"{scenario.__name__}: {client} from {publisher}"
            wrong = run.result()
            print(f"{'FAILED' if wrong else 'passed'} {name}", flush=True)
            if wrong:
                failed.append(name)
                print(wrong, flush=True)
    if options.document:
        failed += [f"{options.document.name}: {name}" for name in plain_sub.run_all(options.document, places)]
    for scenario in SCENARIOS:
        bad = [name for name in failed if name.startswith(scenario.__name__ + ":")]
        print(f"{scenario.__name__:24}{'ok' if not bad else f'{len(bad)} failed'}")
    count = len(cases) + (4 if options.document else 0)
    print(f"{count} cases in {time.monotonic() - began:.0f} s")
    print(f"{count - len(failed)} passed, {len(failed)} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
