"""Near duplicates beside datasketch, on the same text in one process:

    python benchmarks/curate.py --data DATA

DATA is a folder with dedup/ (articles_1000.train: an id and a text a line; articles_1000.truth: pairs of ids). Both
make a signature of 112 places over five words in a row, find pairs by bands and keep those whose signatures agree in
0.8 of their places. Prints medians of the speeds and of the ratio, and what each found of the pairs.
"""

from __future__ import annotations

import argparse
import re
import statistics
import time
from collections.abc import Sequence
from pathlib import Path

from pipelines.curate import near

THRESHOLD = 0.8

Pairs = set[tuple[str, str]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--rounds", type=int, default=9, help="each measures both, one after the other")
    options = parser.parse_args()
    folder = options.data / "dedup"
    lines = (folder / "articles_1000.train").read_text(encoding="utf-8").splitlines()
    ids, texts = zip(*(line.split(" ", 1) for line in lines), strict=True)
    truth = {ordered(*line.split()) for line in (folder / "articles_1000.truth").read_text().splitlines()}
    size = sum(len(text.encode()) for text in texts) / 1e6
    speeds: dict[str, list[float]] = {"datasketch": [], "ours": []}
    found: dict[str, Pairs] = {}
    for _ in range(options.rounds):
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
