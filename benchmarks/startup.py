"""How long `zoo --help` takes, beside what it cannot do without.

Unusual here: the best of several runs, because everything that disturbs a start only adds to it. The runs of
all commands are interleaved, so that a busy moment of the machine hits each of them. Goal: under 0.5 s.

    python benchmarks/startup.py [--runs 15] [--json]
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path

GOAL_SECONDS = 0.5
ZOO = str(Path(sys.executable).with_name("zoo"))
COMMANDS = {
    "python -c pass": [sys.executable, "-c", "pass"],
    'python -c "import typer"': [sys.executable, "-c", "import typer"],
    "import zoo": [sys.executable, "-c", "import zoo"],
    "zoo --help": [ZOO, "--help"],
}


def seconds(command: list[str]) -> float:
    """Wall-clock seconds of one run of a command that must succeed."""
    start = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - start


def measure(runs: int) -> dict[str, list[float]]:
    """Seconds of each command, `runs` times each, after one run that warms the file cache."""
    times: dict[str, list[float]] = {name: [] for name in COMMANDS}
    for turn in range(runs + 1):
        for name, command in COMMANDS.items():
            elapsed = seconds(command)
            if turn:
                times[name].append(elapsed)
    return times


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=15)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    times = measure(arguments.runs)
    best = {name: min(values) for name, values in times.items()}
    if arguments.json:
        print(json.dumps({"runs": arguments.runs, "best_seconds": best, "load": os.getloadavg()[0]}))
    else:
        print(f"{'':28}{'best':>9}{'median':>9}   of {arguments.runs} runs, load {os.getloadavg()[0]:.1f}")
        for name, values in times.items():
            median = sorted(values)[len(values) // 2]
            print(f"{name:28}{best[name] * 1000:6.0f} ms{median * 1000:6.0f} ms")
        print(f"goal: zoo --help under {GOAL_SECONDS * 1000:.0f} ms")
    return 0 if best["zoo --help"] < GOAL_SECONDS else 1


if __name__ == "__main__":
    sys.exit(main())
