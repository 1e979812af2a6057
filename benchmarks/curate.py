"""Curation: near duplicates beside datasketch, and a build after a change beside a full one.

    python benchmarks/curate.py --data DATA [--part near | rebuild]

near: both make a signature of 112 places over five words in a row of the articles in DATA/dedup (articles_1000.train:
an id and a text a line; articles_1000.truth: pairs of ids), on the same text in one process, find pairs by bands and
keep those whose signatures agree in 0.8 of their places. Prints medians of the speeds and of the ratio, and what each
found of the pairs.

rebuild: `zoo data build` of all of DATA/tax through language, quality, near duplicates and personal data with names,
from nothing; then after one record of a hundred has got another sentence. Each is a process of its own. Prints both
times and the ratio.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import yaml

from pipelines.curate import near

THRESHOLD = 0.8

Pairs = set[tuple[str, str]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--part", choices=["near", "rebuild"], help="both if absent")
    parser.add_argument("--rounds", type=int, default=9, help="of near: each measures both, one after the other")
    options = parser.parse_args()
    if options.part != "rebuild":
        near_duplicates(options.data / "dedup", options.rounds)
    if options.part != "near":
        rebuild(options.data / "tax")


def near_duplicates(folder: Path, rounds: int) -> None:
    lines = (folder / "articles_1000.train").read_text(encoding="utf-8").splitlines()
    ids, texts = zip(*(line.split(" ", 1) for line in lines), strict=True)
    truth = {ordered(*line.split()) for line in (folder / "articles_1000.truth").read_text().splitlines()}
    size = sum(len(text.encode()) for text in texts) / 1e6
    speeds: dict[str, list[float]] = {"datasketch": [], "ours": []}
    found: dict[str, Pairs] = {}
    for _ in range(rounds):
        for name, find in (("datasketch", by_datasketch), ("ours", ours)):
            start = time.perf_counter()
            found[name] = find(ids, texts)
            speeds[name].append(size / (time.perf_counter() - start))
    for name, of_rounds in speeds.items():
        right = len(found[name] & truth)
        speed = f"{statistics.median(of_rounds):.2f} MB/s"
        print(f"{name:11} {speed:>11}, {right} of {len(truth)} pairs, {len(found[name] - truth)} false")
    ratios = sorted(ours / theirs for theirs, ours in zip(*speeds.values(), strict=True))
    print(f"ratio {statistics.median(ratios):.1f} ({ratios[0]:.1f} to {ratios[-1]:.1f} in {len(ratios)} rounds)")


def rebuild(folder: Path) -> None:
    with tempfile.TemporaryDirectory() as name:
        home = Path(name)
        domain = {"owner": "o", "readers": ["r"], "purposes": ["assist"], "may_derive_from": ["tax"]}
        write_yaml(home / "zoo.yaml", {"domains": {"tax": domain | {"pii": {"default": "pseudonymize"}}}})
        curate = {"language": ["en"], "quality": "gopher", "dedup": {"near": THRESHOLD}}
        source = {"path": "data.jsonl", "text": "{section}\n{text}", "id": "id"}
        write_yaml(home / "pipelines" / "tax.yaml", {"domain": "tax", "sources": [source], "curate": curate})
        lines = [line for path in sorted(folder.glob("*.jsonl")) for line in path.read_text("utf-8").splitlines()]
        rows = [json.loads(line) for line in lines]
        full = seconds_of_build(home, rows)
        print(f"{len(rows):,} records, {sum(map(len, lines)) / 1e6:.1f} MB, all steps: {full / 60:.2f} minutes")
        for row in rows[::100]:
            row["text"] += " This sentence was added."
        again = seconds_of_build(home, rows)
        print(f"after a change of {len(rows[::100])} records: {again:.1f} s, {again / full:.1%} of a full build")


def write_yaml(path: Path, content: object) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text(yaml.safe_dump(content))


def seconds_of_build(home: Path, rows: Sequence[object]) -> float:
    (home / "data.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    start = time.perf_counter()
    command = [sys.executable, "-m", "zoo", "data", "build", "tax"]
    subprocess.run(command, env=os.environ | {"ZOO_HOME": str(home)}, stdout=subprocess.DEVNULL, check=True)
    return time.perf_counter() - start


def ordered(one: str, other: str) -> tuple[str, str]:
    return (one, other) if one < other else (other, one)


def ours(ids: Sequence[str], texts: Sequence[str]) -> Pairs:
    leaders = near.clusters(near.signatures(texts), THRESHOLD)
    return {ordered(ids[leader], ids[place]) for place, leader in enumerate(leaders) if leader != place}


def by_datasketch(ids: Sequence[str], texts: Sequence[str]) -> Pairs:
    from datasketch import MinHash, MinHashLSH

    rows = near.rows_of_bands(THRESHOLD)
    lsh = MinHashLSH(num_perm=near.PERMUTATIONS, params=(near.PERMUTATIONS // rows, rows))
    found: Pairs = set()
    signed = {}
    for name, text in zip(ids, texts, strict=True):
        words = re.findall(r"\w+", text.casefold())
        signature = MinHash(num_perm=near.PERMUTATIONS)
        signature.update_batch([" ".join(words[start : start + 5]).encode() for start in range(len(words) - 4)])
        found |= {
            ordered(name, other) for other in lsh.query(signature) if signature.jaccard(signed[other]) >= THRESHOLD
        }
        lsh.insert(name, signature)
        signed[name] = signature
    return found


if __name__ == "__main__":
    main()
