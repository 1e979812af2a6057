"""Memory of a build, all processes together, for a generated corpus and for one twice as big:

    python benchmarks/memory.py --megabytes 400 800 [--characters 200] --folder FOLDER

Each corpus goes through repair, language, quality, exact and near duplicates and the search for personal data that has
a fixed form; names are kept, since a model of language would take hours here. Every 0.2 s the proportional set sizes
(PSS: a page that n processes share counts as 1 / n in each) of the building process and all below it are added up.
Prints the highest sum of each stage and the curve; FOLDER/curve-400.csv has every point.
"""

from __future__ import annotations

import argparse
import csv
import json
import random
import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import psutil
import yaml

SECONDS = 0.2
ROWS_SHOWN = 24
CHARACTERS = 2_000
CHARACTERS_A_SENTENCE = 111
NAMES_KEPT = dict.fromkeys(("PERSON", "LOCATION", "ORGANIZATION", "NRP", "DATE_TIME"), "keep")
PIPELINE = {
    "domain": "tax",
    "sources": [{"path": "data/*.jsonl", "id": "id"}],
    "curate": {
        "language": ["en"],
        "quality": {"sets": ["gopher"], "limits": {"gopher_words": [5, None]}},  # short records are to stay
        "dedup": {"near": 0.8},
    },
}
DOMAIN = {"owner": "o", "readers": ["r"], "purposes": ["assist"], "may_derive_from": ["tax"]}

WORD = re.compile(r"\w+")
SHORT = WORD.findall("the of and to in that is for with as on by this be at from or not have it are was which an")
LONG = WORD.findall(
    """
    account amount annual answer benefit business calendar charge child claim company contract control cost
    credit customer date decision deduction dependent document dollar election employee estate evidence exchange
    expense family federal final general gross household income individual interest investment letter limit
    local loss member method month notice number office order partner payment penalty period person plan portion
    power price property provision public purpose question reason receipt record refund relation report request
    resident result return rule salary sale schedule section service share single source spouse state statement
    support surplus table taxable term total transfer treatment trust value wage water week work worker year
    young
    """
)


@dataclass(frozen=True)
class Point:
    """Seconds since the start, what the build was doing, and bytes."""

    seconds: float
    stage: str
    bytes: int


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--folder", type=Path, required=True, help="for the corpora and the curves; of about 8 times their size"
    )
    parser.add_argument("--megabytes", type=int, nargs="+", default=[400, 800])
    parser.add_argument("--characters", type=int, default=CHARACTERS, help="of a record, about")
    parser.add_argument("--types", nargs="+", help="of personal data to look for; all that have a fixed form if absent")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--build", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.build:
        build(options.folder, options.processes)
        return
    peaks = {}
    for megabytes in options.megabytes:
        home = options.folder / f"corpus-{megabytes}"
        make_workspace(home, megabytes, options.characters, options.types)
        points = measured(home, options.processes)
        write_curve(options.folder / f"curve-{megabytes}.csv", points)
        peaks[megabytes] = show(megabytes, points)
    for (small, low), (big, high) in pairwise(sorted(peaks.items())):
        print(f"\npeak of {big} MB beside that of {small} MB: {high / low:.2f}")


def make_workspace(home: Path, megabytes: int, characters: int, types: list[str] | None) -> None:
    pii = (
        {"default": "pseudonymize"} | NAMES_KEPT
        if types is None
        else {"default": "keep"} | dict.fromkeys(types, "mask")
    )
    for name, content in (
        ("zoo.yaml", {"domains": {"tax": DOMAIN | {"pii": pii}}}),
        ("pipelines/generated.yaml", PIPELINE),
    ):
        path = home / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(yaml.safe_dump(content))
    (home / "data").mkdir(exist_ok=True)
    with (home / "data" / "records.jsonl").open("w", encoding="utf-8") as file:
        for number, text in enumerate(texts(megabytes * 1_000_000, characters)):
            file.write(json.dumps({"id": f"record-{number}", "text": text}) + "\n")


def texts(size: int, characters: int) -> Iterator[str]:
    """Of about so many characters: of a hundred, two are equal to another one and three differ from one in a word."""
    draw = random.Random(1)
    sentences = [sentence(draw) for _ in range(20_000)]
    number = max(1, round(characters / CHARACTERS_A_SENTENCE))
    earlier = [""]
    written = 0
    while written < size:
        chance = draw.random()
        if chance < 0.02:
            text = draw.choice(earlier)
        elif chance < 0.05:
            text = draw.choice(earlier).replace(" the ", " another ", 1)
        else:
            text = " ".join(draw.choices(sentences, k=number) + personal_data(draw))
        if len(earlier) < 10_000:
            earlier.append(text)
        written += len(text)
        yield text


def sentence(draw: random.Random) -> str:
    words = [draw.choice(SHORT if draw.random() < 0.45 else LONG) for _ in range(draw.randint(12, 24))]
    return " ".join(words).capitalize() + "."


def personal_data(draw: random.Random) -> list[str]:
    digits = draw.randint(1000, 9999)
    kinds = (
        f"Write to user{digits}@example.org.",
        f"Call 212-555-{digits}.",
        f"The SSN is 219-{10 + digits % 80}-{digits}.",
    )
    return [draw.choice(kinds)] if draw.random() < 0.2 else []


def build(home: Path, processes: int) -> None:
    """In the measured process: says on standard output what it does."""
    import pipelines
    from zoo.workspace import Workspace

    workspace = Workspace.load(home)
    pipelines.build(
        workspace.pipeline("generated"),
        policy=workspace.policy,
        keys=workspace.keys,
        storage=workspace.storage,
        processes=processes,
        report=lambda stage, done, total: print(stage, flush=True),
    )


def measured(home: Path, processes: int) -> list[Point]:
    command = [sys.executable, __file__, "--build", "--folder", str(home), "--processes", str(processes)]
    child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    stage = ["start"]
    output = child.stdout
    assert output is not None
    reader = threading.Thread(target=lambda: [stage.append(line.strip()) for line in output], daemon=True)
    reader.start()
    start = time.monotonic()
    points = []
    while child.poll() is None:
        points.append(Point(time.monotonic() - start, stage[-1], pss_of_tree(child.pid)))
        time.sleep(SECONDS)
    if child.returncode:
        raise SystemExit(child.returncode)
    return points


def pss_of_tree(process: int) -> int:
    try:
        root = psutil.Process(process)
        return sum(pss(one.pid) for one in [root, *root.children(recursive=True)])
    except psutil.NoSuchProcess:
        return 0


def pss(process: int) -> int:
    """Bytes; 0 for a process that has just ended."""
    try:
        lines = Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:"))


def write_curve(path: Path, points: list[Point]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file)
        table.writerow(["seconds", "stage", "bytes"])
        table.writerows([f"{point.seconds:.1f}", point.stage, point.bytes] for point in points)


def show(megabytes: int, points: list[Point]) -> int:
    """Prints the curve. Returns its highest point."""
    peak = max(point.bytes for point in points)
    print(f"\n{megabytes} MB of text: {points[-1].seconds:,.0f} s, peak {peak / 1e6:,.0f} MB")
    for stage in dict.fromkeys(point.stage for point in points):
        highest = max(point.bytes for point in points if point.stage == stage)
        print(f"  {stage:24} {highest / 1e6:7,.0f} MB")
    for point in points[:: max(1, len(points) // ROWS_SHOWN)]:
        print(f"  {point.seconds:9,.0f} s {point.bytes / 1e6:7,.0f} MB {'#' * round(40 * point.bytes / peak)}")
    return peak


if __name__ == "__main__":
    main()
