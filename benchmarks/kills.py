"""SIGKILL at random moments of builds and erasures: after the rerun all is as if nothing had happened.

Unusual here: a reader opens and verifies the latest dataset version all the while, because what is whole in the end may
have been half for a moment. Of three kills one hits a build, one a build of incremental data, one an erasure.

    python benchmarks/kills.py [--kills 30] [--seed 0] [--json]
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tests.support.kills import SCRIPTS, Killing
from tests.support.mlflow_template import build_template


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=30)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    wrong: list[str] = []
    hits = dict.fromkeys(SCRIPTS, 0)
    with tempfile.TemporaryDirectory(prefix="kills-") as folder:
        killing = Killing(Path(folder), build_template(Path(folder) / "mlflow"), options.seed)
        tried = 0
        while sum(hits.values()) < options.kills and tried < 3 * options.kills:
            what = list(SCRIPTS)[tried % len(SCRIPTS)]
            tried += 1
            hit, found = killing.kill_once(what)
            hits[what] += hit
            wrong += [f"{what} {tried}: {line}" for line in found]
            print(
                f"{tried}: {what} {'killed' if hit else 'ended before'}, {len(found)} wrong",
                file=sys.stderr,
                flush=True,
            )
        seconds = {what: round(killing.calm(what)[0], 2) for what in hits}
    result = {"kills": hits, "undisturbed_seconds": seconds, "wrong": wrong}
    if options.json:
        print(json.dumps(result))
    else:
        builds = f"{hits['build']} builds, {hits['extend']} builds of incremental data"
        print(f"{builds} and {hits['erase']} erasures were killed; {len(wrong)} differences")
        for line in wrong:
            print(line)
    sys.exit(1 if wrong or sum(hits.values()) < options.kills else 0)


if __name__ == "__main__":
    main()
