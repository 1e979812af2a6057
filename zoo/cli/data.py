"""What `zoo data` does: build, show, card, croissant, diff."""

from __future__ import annotations

import difflib
import itertools
from collections import Counter
from typing import TYPE_CHECKING

from governance.errors import DataError
from zoo.cli.output import print_facts, print_json
from zoo.screen import terminal_screen
from zoo.workspace import Workspace

if TYPE_CHECKING:
    from pipelines import DatasetVersion


def run_data_build(pipeline: str, processes: int | None, as_json: bool) -> None:
    from pipelines import build

    workspace = Workspace.current()
    spec = workspace.pipeline(pipeline)
    with terminal_screen() as screen:
        result = build(
            spec,
            policy=workspace.policy,
            keys=workspace.keys,
            storage=workspace.storage,
            processes=processes,
            report=screen.progress,
        )
    content = result.to_json()
    if as_json:
        print_json(content)
        return
    print("nothing to do: the sources are unchanged" if result.reused else "built")
    print_facts(content)


def run_data_show(pipeline: str, records: int, as_json: bool) -> None:
    """Args: `records` of the training split, as training reads them."""
    from pipelines.build import latest_card
    from pipelines.cards import read_card

    workspace = Workspace.current()
    version = _latest(workspace, pipeline)
    card = latest_card(workspace.pipeline(pipeline), workspace.storage)
    warnings = () if card is None else read_card(card).warnings
    content = {
        "pipeline": version.pipeline,
        "digest": version.digest,
        "path": str(version.path),
        "records": version.total_records,
        "bytes": version.total_bytes,
        "splits": version.records,
        "personal_data": version.pii,
        "label": version.label.to_list(),
    }
    shown = list(itertools.islice(version.texts("train"), records))
    if as_json:
        examples = {"examples": [{"id": number, "text": text} for number, text in shown]} if shown else {}
        print_json(content | {"warnings": list(warnings)} | examples)
        return
    print_facts(content)
    for line in warnings:
        print(f"warning: {line}")
    for number, text in shown:
        print(f"\n--- {number}\n{text}")


def run_data_card(pipeline: str, as_json: bool) -> None:
    from pipelines.build import latest_card
    from pipelines.cards import read_card

    workspace = Workspace.current()
    path = latest_card(workspace.pipeline(pipeline), workspace.storage)
    if path is None:
        raise DataError(f'"{pipeline}" has no data card yet', fix=f"run `zoo data build {pipeline}`")
    card = read_card(path)
    if as_json:
        print_json(card.model_dump(mode="json") | {"path": str(path)})
        return
    print_facts(
        {
            "card": str(path.with_suffix(".html")),
            "digest": card.dataset_digest,
            "rows": card.rows.model_dump(),
            "dropped": {drop.reason: drop.records for drop in card.drops},
            "unreadable": card.quarantine,
            "splits": {split: size.records for split, size in card.splits.items()},
            "personal_data": {one.type: one.places for one in card.personal_data.types},
            "label": list(card.label),
        }
    )
    for line in card.warnings:
        print(f"warning: {line}")


def run_data_croissant(pipeline: str, as_json: bool) -> None:
    from pipelines.cards.croissant import CROISSANT_FILE

    path = _latest(Workspace.current(), pipeline).path / CROISSANT_FILE
    if not path.is_file():
        fix = f"run `zoo data build {pipeline}`"
        raise DataError("the version was built before it had Croissant metadata", where=str(path), fix=fix)
    print(path.read_text(encoding="utf-8") if as_json else path)


def run_data_diff(old: str, new: str, records: int, as_json: bool) -> None:
    """Args: `old` and `new` are pipelines, whose latest versions are meant, or beginnings of digests."""
    from pipelines.diff import changes, with_texts

    workspace = Workspace.current()
    before, after = _version(workspace, old), _version(workspace, new)
    found = changes(before, after)
    counts = Counter(kind for _, kind in found)
    shown = with_texts(before, after, found[:records])
    content = {
        "old": before.digest,
        "new": after.digest,
        **{kind: counts[kind] for kind in ("added", "updated", "removed")},
    }
    if as_json:
        print_json(content | {"records": [vars(change) for change in shown]})
        return
    print_facts(content)
    for change in shown:
        print(f"\n--- {change.record_id}: {change.kind}")
        lines = ((text or "").splitlines() for text in (change.before, change.after))
        print("\n".join(list(difflib.unified_diff(*lines, lineterm="", n=1))[2:]))
    if len(found) > records:
        print(f"\n{len(found) - records:,} more; --records shows them")


def _version(workspace: Workspace, name: str) -> DatasetVersion:
    from pipelines.diff import find_version

    pipelines = workspace.pipeline_names
    if name in pipelines:
        return _latest(workspace, name)
    return find_version(workspace.storage, name, others=pipelines)


def _latest(workspace: Workspace, pipeline: str) -> DatasetVersion:
    from pipelines import latest

    version = latest(workspace.pipeline(pipeline), workspace.storage)
    if version is None:
        raise DataError(f'"{pipeline}" was never built', fix=f"run `zoo data build {pipeline}`")
    return version
