"""Our filter of personal data beside Presidio's `BatchAnalyzerEngine`, on the same text in one process:

    python benchmarks/pii.py --data DATA

DATA is a folder with medical/medquad.jsonl (question and answer) and support/train.csv (short messages). Presidio has
its default recognizers and the spaCy model that we use, with the pipeline that comes with it; both look for all of
their types. The labelled text is written for this run (`pipelines.synthetic`); a span counts as found when half of its
characters are, by a finding of any type. The two alternate, the texts of a round are new ones, and BLAS has one thread.
Before the first round both read `--warm-up` bytes, since each keeps the words that it has met. Times are those of the
processor. Prints medians, and the ratio with its extremes.
"""

from __future__ import annotations

import argparse
import csv
import json
import logging
import os
import random
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

os.environ["OPENBLAS_NUM_THREADS"] = "1"  # before numpy is imported

from governance.pii import Detector, Finding, PiiReport, models
from governance.pii.evaluate import Labelled, read_labelled, report

Found = list[list[Finding]]
Find = Callable[[Sequence[str]], Found]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--rounds", type=int, default=5, help="each measures both, one after the other")
    parser.add_argument("--size", type=int, default=60_000, help="bytes of a round")
    parser.add_argument("--warm-up", type=int, default=200_000, help="bytes before the first round")
    options = parser.parse_args()
    sizes = [options.warm_up, *[options.size] * options.rounds]
    contestants = {"presidio": presidio(), "ours": Detector.create().find}
    for name, texts in {"medical": medical(options.data), "support": support(options.data)}.items():
        measure(name, rounds(texts, sizes), contestants)
    labelled = synthetic()
    of_rounds = rounds([row.text for row in labelled], sizes)
    found = measure("labelled", of_rounds, contestants)
    rows = {row.text: row for row in labelled}
    measured = [rows[text] for texts in of_rounds[1:] for text in texts]
    for contestant, findings in found.items():
        print_recall(contestant, report(measured, findings, 0.0))


def medical(data: Path) -> list[str]:
    lines = (data / "medical" / "medquad.jsonl").read_text(encoding="utf-8").splitlines()
    return [f"{row['question']}\n{row['answer']}" for row in map(json.loads, lines)]


def support(data: Path) -> list[str]:
    with (data / "support" / "train.csv").open(encoding="utf-8", newline="") as file:
        return [row["text"] for row in csv.DictReader(file)]


def synthetic() -> list[Labelled]:
    from pipelines.synthetic.corpus import write

    with tempfile.TemporaryDirectory() as folder:
        return [row for path in sorted(write(Path(folder))) for row in read_labelled(path)]


def rounds(texts: Sequence[str], sizes: Sequence[int]) -> list[list[str]]:
    """Different texts of about so many bytes for each round."""
    unique = list(dict.fromkeys(texts))
    shuffled = iter(random.Random(0).sample(unique, len(unique)))
    result = []
    for size in sizes:
        taken: list[str] = []
        while size > 0:
            taken.append(next(shuffled))
            size -= len(taken[-1].encode())
        result.append(taken)
    return result


def measure(name: str, of_rounds: Sequence[Sequence[str]], contestants: dict[str, Find]) -> dict[str, Found]:
    """Prints the speeds; returns what each found in the rounds that count."""
    seconds: dict[str, list[float]] = {contestant: [] for contestant in contestants}
    found: dict[str, Found] = {contestant: [] for contestant in contestants}
    for number, texts in enumerate(of_rounds):
        for contestant, find in contestants.items():
            start = time.process_time()
            findings = find(texts)
            if number:
                seconds[contestant].append(time.process_time() - start)
                found[contestant] += findings
    sizes = [sum(len(text.encode()) for text in texts) / 1e6 for texts in of_rounds[1:]]
    for contestant, of_contestant in seconds.items():
        speed = statistics.median(size / took for size, took in zip(sizes, of_contestant, strict=True))
        documents = statistics.median(
            len(texts) / took for texts, took in zip(of_rounds[1:], of_contestant, strict=True)
        )
        print(f"{name:9} {contestant:9} {speed:8.4f} MB/s {documents:9.1f} documents/s", flush=True)
    ratios = sorted(theirs / ours for theirs, ours in zip(seconds["presidio"], seconds["ours"], strict=True))
    print(f"{name:9} ratio {statistics.median(ratios):.1f} ({ratios[0]:.1f} to {ratios[-1]:.1f}, {len(ratios)} rounds)")
    return found


def presidio() -> Find:
    import spacy
    from presidio_analyzer import AnalyzerEngine, BatchAnalyzerEngine
    from presidio_analyzer.nlp_engine import SpacyNlpEngine

    logging.disable(logging.ERROR)  # entities that it does not map; a list of suffixes that it would download

    class Loaded(SpacyNlpEngine):
        def __init__(self) -> None:
            super().__init__(models=[{"lang_code": "en", "model_name": "loaded"}])
            self.nlp: Any = {"en": spacy.load(models.find_model().path)}

        def load(self) -> None:
            """The model is loaded already."""

    engine = BatchAnalyzerEngine(AnalyzerEngine(nlp_engine=Loaded(), supported_languages=["en"]))

    def find(texts: Sequence[str]) -> Found:
        results = engine.analyze_iterator(texts, language="en", batch_size=64)
        return [[Finding(r.start, r.end, r.entity_type, r.score) for r in of_text] for of_text in results]

    return find


def print_recall(contestant: str, measured: PiiReport) -> None:
    print(
        f"labelled  {contestant:9} recall of spans {measured.span_recall:.3f}, characters {measured.char_recall:.3f}, "
        f"precision of characters {measured.char_precision:.3f}, {measured.documents} documents"
    )


if __name__ == "__main__":
    main()
