"""Do the families and tasks learn, from real text and within minutes?

    python benchmarks/learn.py classify   --data DATA --init MODEL   bert on 77 kinds of customer questions
    python benchmarks/learn.py copy                                  t5 on reversing and copying words, made up here
    python benchmarks/learn.py decoders   --data DATA                gpt and llama against lstm on law text
    python benchmarks/learn.py preference --data DATA                gpt: read, instruct, preference
    python benchmarks/learn.py tag        --data DATA --init MODEL   bert on names in short messages

DATA is a folder with support/ (BANKING77), tax/ (US Code, title 26), instruct/ and preference/ (Alpaca-style records),
ner/ (WNUT17, CoNLL columns); MODEL a Hugging Face folder of a BERT, such as all-MiniLM-L6-v2. Everything runs through
`zoo.train` in a workspace of its own (`--work`, a temporary folder by default), so a run that was stopped
goes on when it is called again with the same `--work`. Prints curves, figures and seconds.
"""

from __future__ import annotations

import argparse
import csv
import json
import random
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT)]

#: Public text and made-up text: nothing has to be filtered. BANKING77 is filtered by the rules of the bundled
#: support domain, as a company's own questions would be.
KEEP = {"default": "keep"}

Span = tuple[int, int, str]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=sorted(RUN))
    parser.add_argument("--data", type=Path)
    parser.add_argument("--init", type=Path)
    parser.add_argument("--work", type=Path)
    parser.add_argument("--set", nargs="*", default=[], metavar="NAME=VALUE", help="settings of the (last) training")
    options = parser.parse_args()
    from zoo.cli.settings import parse_settings

    options.settings = parse_settings(options.set)
    with tempfile.TemporaryDirectory(prefix="learn-") as temporary:
        options.work = options.work or Path(temporary)
        options.work.mkdir(parents=True, exist_ok=True)
        start = time.perf_counter()
        RUN[options.what](options)
        print(f"{time.perf_counter() - start:.0f} s in all")


def classify(options: argparse.Namespace) -> None:
    """BANKING77 (Casanueva et al. 2020, arXiv:2003.04807), its own split into training and test."""
    from zoo.workspace import catalogue_folder

    rules = read_yaml(catalogue_folder() / "zoo.yaml")["domains"]["support"]["pii"]
    source = {"path": str(options.data / "support" / "train.csv"), "parts": {"text": "{text}", "label": "category"}}
    workspace = make_workspace(options.work, "support", rules, {"intents": [source]})
    settings = {"steps": 640, "batch_size": 32, "learning_rate": 2e-4} | options.settings
    train("bert", "intents", workspace, task="classify", init=str(options.init), init_label="public", **settings)
    model = load("intents.bert-classify", workspace)
    rows = list(csv.DictReader((options.data / "support" / "test.csv").open(encoding="utf-8")))
    said = model.classify([row["text"] for row in rows], top_k=1)
    right = sum(one[0].label == row["category"] for one, row in zip(said, rows, strict=True))
    print(f"test accuracy {right / len(rows):.4f} on {len(rows)} questions")


def copy(options: argparse.Namespace) -> None:
    """Two tasks in one model, told apart by a prefix: 4 to 8 words of 64, forwards or backwards."""
    generator = random.Random(7)
    words = sorted(
        {"".join(generator.choice(part) for part in ("bdfgklmnprstvz", "aeiou", "lmnrst")) for _ in range(90)}
    )
    rows = []
    for number in range(30_000):
        chosen = generator.choices(words[:64], k=generator.randint(4, 8))
        task = ("copy", "reverse")[number % 2]
        answer = chosen if task == "copy" else chosen[::-1]
        rows.append({"id": number, "prompt": f"{task}: {' '.join(chosen)}", "answer": " ".join(answer)})
    write_jsonl(options.work / "pairs.jsonl", rows)
    source = {"path": "pairs.jsonl", "parts": {"prompt": "{prompt}", "answer": "{answer}"}, "id": "id"}
    split = {"validation": 0.02, "test": 0.02}
    workspace = make_workspace(options.work, "made-up", KEEP, {"pairs": [source]}, split=split, vocab_size=500)
    settings = {"steps": 3000, "batch_size": 64, "learning_rate": 1e-3} | options.settings
    run = train("t5", "pairs", workspace, task="seq2seq", **settings)
    model = load("pairs.t5-seq2seq", workspace)
    pairs = [parts for _, parts in run.data.version.parts("test")]
    prompts = [pair["prompt"] for pair in pairs]
    answers = model.generate(prompts, max_tokens=24)
    for task in ("copy", "reverse"):
        mine = [(a, pair["answer"]) for a, pair in zip(answers, pairs, strict=True) if pair["prompt"].startswith(task)]
        right = sum(given.strip() == wanted for given, wanted in mine)
        print(f"{task}: exact match {right / len(mine):.4f} on {len(mine)} held-out prompts")


def decoders(options: argparse.Namespace) -> None:
    """The same tokens for all, and about equal numbers of weights: the dial's `lstm` has as many as the others beside
    its table, which is larger, so it is made narrower here."""
    from zoo import families

    sizes = families.get("lstm").sizes
    sizes["equal"] = replace(sizes["nano"], name="equal", width=240)  # type: ignore[index]  # of this process alone
    source = {"path": str(options.data / "tax" / "*.jsonl"), "text": "{section}\n{text}", "id": "id"}
    workspace = make_workspace(options.work, "tax", KEEP, {"code": [source]}, vocab_size=8192)
    settings = {"duration": "1.25M tokens", "batch_size": 8, "window": 256} | options.settings
    rows = []
    for name, size in (("gpt", "nano"), ("llama", "nano"), ("lstm", "equal")):
        run = train(name, "code", workspace, size=size, **settings)
        figures = run.metrics
        rows.append((name, figures["parameters"], figures["val_bits_per_byte"], figures["tokens_per_second"]))
    print(f"{'':6} {'weights':>10} {'bits per byte':>14} {'tokens/s':>9}")
    for name, parameters, bits, speed in rows:
        print(f"{name:6} {parameters:10,.0f} {bits:14.4f} {speed:9,.0f}")


def preference(options: argparse.Namespace) -> None:
    """From random weights to answers that are preferred: reads all texts, learns to answer, learns what is liked."""
    # Both files have the same prompts in the same order; a record's split follows from its id, so that what is held
    # out of one is held out of the other.
    files = {"answers": "instruct/instruction-data.json", "likes": "preference/instruction-data-with-preference.json"}
    for name, file in files.items():
        records = read_json(options.data / file)
        for number, row in enumerate(records):
            row["id"] = number
            row["prompt"] = row["instruction"] + (f"\n{row['input']}" if row["input"] else "")
        write_jsonl(options.work / f"{name}.jsonl", records)
    parts = {
        "answers": {"prompt": "{prompt}", "answer": "{output}"},
        "likes": {"prompt": "{prompt}", "chosen": "{chosen}", "rejected": "{rejected}"},
    }
    pipelines = {name: [{"path": f"{name}.jsonl", "id": "id", "parts": parts[name]}] for name in files}
    split = {"validation": 0.1, "test": 0.15}
    workspace = make_workspace(options.work, "public-text", KEEP, pipelines, split=split, vocab_size=2048)
    train("gpt", "answers", workspace, steps=160)
    tuned = train("gpt", "answers", workspace, task="instruct", init="answers.gpt@champion", steps=300)
    settings = {"steps": 120, "learning_rate": 1e-3} | options.settings
    run = train("gpt", "likes", workspace, task="preference", init=str(tuned.model), **settings)
    for name, split_name in (("chosen_over_rejected", "validation"), ("test_chosen_over_rejected", "test")):
        before, after, pairs = run.metrics[f"base_{name}"], run.metrics[name], run.data.version.records[split_name]
        error = (after * (1 - after) / pairs) ** 0.5
        print(f"{split_name}: chosen over rejected {before:.3f} before, {after:.3f} ± {error:.3f} after, {pairs} pairs")


def tag(options: argparse.Namespace) -> None:
    """WNUT17 (Derczynski et al. 2017), its own split; places count when both ends and the type are right."""
    folder = options.data / "ner" / "CONLL-format" / "data"
    training = read_conll(folder / "train" / "wnut17train.conll")
    test = read_conll(folder / "test" / "emerging.test.annotated")
    rows = [
        {"id": number, "text": text, "spans": [{"start": a, "end": b, "type": kind} for a, b, kind in spans]}
        for number, (text, spans, _) in enumerate(training)
    ]
    write_jsonl(options.work / "messages.jsonl", rows)
    source = {"path": "messages.jsonl", "parts": {"text": "{text}", "spans": "spans"}, "id": "id"}
    workspace = make_workspace(options.work, "public-text", KEEP, {"names": [source]})
    settings = {"steps": 360, "batch_size": 32, "learning_rate": 1e-4} | options.settings
    train("bert", "names", workspace, task="tag", init=str(options.init), init_label="public", **settings)
    model = load("names.bert-tag", workspace)
    found = [{(place.start, place.end, place.type) for place in model.tag(text)} for text, _, _ in test]
    ours = f1(found, [spans for _, spans, _ in test])
    majority = f1(by_majority(training, test), [spans for _, spans, _ in test])
    print(f"test F1 {ours:.4f}, each word's most frequent tag {majority:.4f}, on {len(test)} messages")


RUN: Mapping[str, Callable[[argparse.Namespace], None]] = {
    "classify": classify,
    "copy": copy,
    "decoders": decoders,
    "preference": preference,
    "tag": tag,
}


def train(family: str, pipeline: str, workspace: Any, **settings: Any) -> Any:
    import zoo
    from registry import Tracking

    start = time.perf_counter()
    run = zoo.train(family, pipeline=pipeline, workspace=workspace, **settings)
    seconds = time.perf_counter() - start
    tracking = Tracking(workspace.tracking_uri, workspace.artifact_root)
    units = ("example", "token", "byte")
    key = next(f"val_bits_per_{unit}" for unit in units if f"val_bits_per_{unit}" in run.metrics)
    points = tracking.client.get_metric_history(run.model.run_id, key)
    curve = ", ".join(f"{point.step}: {point.value:.3f}" for point in sorted(points, key=lambda one: one.step))
    print(f"{run.model}: {seconds:.0f} s; {key} {curve}")
    known = ("accuracy", "macro_f1", "f1", "exact_match", "chosen_over_rejected", "tokens_per_second")
    print(
        "  " + ", ".join(f"{name} {value:.4g}" for name, value in sorted(run.metrics.items()) if name.endswith(known))
    )
    print("  gates: " + ", ".join(f"{gate.name} {'passed' if gate.passed else 'FAILED'}" for gate in run.gates))
    return run


def load(name: str, workspace: Any) -> Any:
    import zoo
    from registry import Tracking, list_versions

    tracking = Tracking(workspace.tracking_uri, workspace.artifact_root)
    newest = max((one for one in list_versions(tracking) if one.name == name), key=lambda one: one.version)
    return zoo.load(f"{name}/{newest.version}", workspace=workspace)


def make_workspace(
    home: Path,
    domain: str,
    pii: Mapping[str, str],
    pipelines: Mapping[str, Sequence[Mapping[str, Any]]],
    *,
    split: Mapping[str, float] | None = None,
    vocab_size: int = 4096,
) -> Any:
    """One domain, with these sources for each pipeline."""
    import yaml

    from zoo.workspace import Workspace

    rules = {"owner": "owner", "readers": ["reader"], "purposes": ["assist"], "may_derive_from": [domain, "public"]}
    policy = {"domains": {domain: {**rules, "pii": dict(pii)}}, "callers": {"reader": {"roles": ["reader"]}}}
    (home / "zoo.yaml").write_text(yaml.safe_dump(policy), encoding="utf-8")
    (home / "pipelines").mkdir(exist_ok=True)
    for name, sources in pipelines.items():
        spec = {
            "domain": domain,
            "sources": [dict(source) for source in sources],
            "tokenizer": {"vocab_size": vocab_size},
            "split": dict(split or {"validation": 0.05, "test": 0.0}),
        }
        (home / "pipelines" / f"{name}.yaml").write_text(yaml.safe_dump(spec), encoding="utf-8")
    return Workspace.load(home)


def read_conll(path: Path) -> list[tuple[str, set[Span], list[tuple[str, str]]]]:
    """Text, places and (word, tag) of each message; words are joined by one space."""
    messages, words = [], []
    for line in [*path.read_text(encoding="utf-8").splitlines(), ""]:
        if line.strip():
            word, _, label = line.rstrip("\n").partition("\t")
            words.append((word, label.strip()))
        elif words:
            messages.append((" ".join(word for word, _ in words), places(words), words))
            words = []
    return messages


def places(words: Iterable[tuple[str, str]]) -> set[Span]:
    """Character spans of B- and I- tags."""
    found: list[Span] = []
    start, before = 0, "O"
    for word, label in words:
        end = start + len(word)
        kind = label[2:]
        if label.startswith("I-") and before[2:] == kind and found:
            found[-1] = (found[-1][0], end, kind)
        elif label != "O":
            found.append((start, end, kind))
        start, before = end + 1, label
    return set(found)


def by_majority(training: Sequence[Any], test: Sequence[Any]) -> list[set[Span]]:
    counts: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for _, _, words in training:
        for word, label in words:
            counts[word.lower()][label] += 1
    usual = {word: labels.most_common(1)[0][0] for word, labels in counts.items()}
    return [places((word, usual.get(word.lower(), "O")) for word, _ in words) for _, _, words in test]


def f1(found: Sequence[set[Span]], true: Sequence[set[Span]]) -> float:
    right = sum(len(mine & theirs) for mine, theirs in zip(found, true, strict=True))
    return 2 * right / max(1, sum(map(len, found)) + sum(map(len, true)))


def write_jsonl(path: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def read_json(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def read_yaml(path: Path) -> Any:
    import yaml

    return yaml.safe_load(path.read_text(encoding="utf-8"))


if __name__ == "__main__":
    main()
