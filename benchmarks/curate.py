"""Near duplicates beside datasketch, on the same text in one process:

    python benchmarks/curate.py --data DATA

DATA is a folder with dedup/ (articles_1000.train: an id and a text a line; articles_1000.truth: pairs of ids). Both
make a signature of 112 places over five words in a row, find pairs by bands and keep those whose signatures agree in
0.8 of their places. Prints speeds, the ratio, and what each found of the pairs.
"""

from __future__ import annotations

import argparse
import re
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from pipelines.curate import near

THRESHOLD = 0.8

Pairs = set[tuple[str, str]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--repeat", type=int, default=3, help="the fastest of so many runs of each counts")
    options = parser.parse_args()
    folder = options.data / "dedup"
    lines = (folder / "articles_1000.train").read_text(encoding="utf-8").splitlines()
    ids, texts = zip(*(line.split(" ", 1) for line in lines), strict=True)
    truth = {ordered(*line.split()) for line in (folder / "articles_1000.truth").read_text().splitlines()}
    size = sum(len(text.encode()) for text in texts) / 1e6
    speeds = {}
    for name, find in (("datasketch", by_datasketch), ("ours", ours)):
        seconds, found = fastest(find, ids, texts, options.repeat)
        speeds[name] = size / seconds
        right = len(found & truth)
        print(f"{name:11} {speeds[name]:7.2f} MB/s, {right} of {len(truth)} pairs, {len(found - truth)} false")
    print(f"ratio {speeds['ours'] / speeds['datasketch']:.1f}")


def fastest(
    find: Callable[[Sequence[str], Sequence[str]], Pairs], ids: Sequence[str], texts: Sequence[str], repeat: int
) -> tuple[float, Pairs]:
    seconds = []
    found: Pairs = set()
    for _ in range(repeat):
        start = time.perf_counter()
        found = find(ids, texts)
        seconds.append(time.perf_counter() - start)
    return min(seconds), found


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
