"""Recall and precision of the filter's detector beside plain Presidio's, by type, with the same spaCy model:

    python benchmarks/pii_quality.py [FILE.jsonl ...] [--count 400] [--json]

Without files: the bundled labelled text, and the varied text of `pii_text`, its tuning frames and its held-out frames.
Presidio runs with all of its default recognizers through `BatchAnalyzerEngine`. A span counts as found as
`zoo audit pii` counts it: at least half of it is covered, by its own type in the table and by any type in the totals.
"""

from __future__ import annotations

import argparse
import json
import logging
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pii_text

from governance.pii import Detector, Finding, PiiReport, models
from governance.pii.entities import ALL_TYPES
from governance.pii.evaluate import Labelled, read_labelled, report, unknown_types

BUNDLED = Path(__file__).parents[1] / "pipelines" / "catalogue" / "data"

Find = Callable[[Sequence[str]], list[list[Finding]]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="*", type=Path)
    parser.add_argument("--count", type=int, default=400, help="texts of each bundled or generated set")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--ours-alone", action="store_true", help="leave Presidio out")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    sets = {str(path): read_labelled(path) for path in options.files}
    if not sets:
        sets["bundled"] = bundled(options.count)
        for held_out in (False, True):
            name = "varied, held out" if held_out else "varied, tuning"
            sets[name] = [labelled(row) for row in pii_text.texts(options.count, held_out=held_out, seed=options.seed)]
    finders: dict[str, Find] = {"ours": Detector.create().find}
    if not options.ours_alone:
        finders["presidio"] = presidio()
    results = {name: {who: measured(rows, find) for who, find in finders.items()} for name, rows in sets.items()}
    if options.json:
        print(json.dumps({name: {who: r.to_json() for who, r in of.items()} for name, of in results.items()}))
        return
    for name, of_set in results.items():
        print_table(name, of_set)


def bundled(count: int) -> list[Labelled]:
    """About `count` of the bundled records, evenly from all files."""
    rows = [row for path in sorted(BUNDLED.glob("*/*.jsonl")) for row in read_labelled(path)]
    return rows[:: max(1, len(rows) // count)]


def labelled(row: dict[str, object]) -> Labelled:
    spans: Sequence[dict[str, object]] = row["spans"]  # type: ignore[assignment]
    return Labelled(str(row["text"]), tuple(Finding(**span, score=1.0) for span in spans))  # type: ignore[arg-type]


def measured(rows: Sequence[Labelled], find: Find) -> PiiReport:
    start = time.perf_counter()
    findings = find([row.text for row in rows])
    return report(rows, findings, len(rows) / (time.perf_counter() - start), unknown_types(rows, ALL_TYPES))


def presidio() -> Find:
    """Plain Presidio: its default recognizers, the whole spaCy model, in batches."""
    import spacy
    from presidio_analyzer import AnalyzerEngine, BatchAnalyzerEngine, RecognizerRegistry
    from presidio_analyzer.nlp_engine import NerModelConfiguration, SpacyNlpEngine

    logging.getLogger("tldextract").setLevel(logging.CRITICAL)  # it asks for a list that it has a copy of
    info = models.find_model()
    models.verify(info)
    engine = SpacyNlpEngine(
        models=[{"lang_code": "en", "model_name": "loaded"}], ner_model_configuration=NerModelConfiguration()
    )
    engine.nlp = {"en": spacy.load(info.path)}  # loaded already: nothing is downloaded
    registry = RecognizerRegistry()
    registry.load_predefined_recognizers(languages=["en"], nlp_engine=engine)
    batch = BatchAnalyzerEngine(AnalyzerEngine(registry=registry, nlp_engine=engine))

    def find(texts: Sequence[str]) -> list[list[Finding]]:
        results = batch.analyze_iterator(list(texts), language="en", batch_size=32)
        return [[Finding(r.start, r.end, r.entity_type, r.score) for r in of] for of in results]

    return find


def print_table(name: str, results: dict[str, PiiReport]) -> None:
    first = next(iter(results.values()))
    print(f"\n{name}: {first.documents} texts")
    print(f"{'type':20}{'gold':>6}" + "".join(f"{who + ' recall':>18}{'precision':>11}" for who in results))
    for entity in sorted({entity for result in results.values() for entity in result.types}):
        rows = [
            result.types.get(entity, {"gold": 0, "found": 0, "recall": 0.0, "precision": 0.0})
            for result in results.values()
        ]
        gold = max(int(row["gold"]) for row in rows)
        figures = [(f"{r['recall']:.3f}" if gold else "", f"{r['precision']:.3f}" if r["found"] else "") for r in rows]
        print(f"{entity:20}{gold:6}" + "".join(f"{recall:>18}{precision:>11}" for recall, precision in figures))
    for figure in ("span_recall", "char_recall", "char_precision", "documents_per_second"):
        print(f"{figure:26}" + "".join(f"{getattr(result, figure):>18.3f}{'':11}" for result in results.values()))


if __name__ == "__main__":
    main()
