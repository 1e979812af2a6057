"""What `zoo data` does: build, show, card, croissant, diff."""

from __future__ import annotations

import difflib
import itertools
import os
import shlex
from collections import Counter
from importlib.util import find_spec
from typing import TYPE_CHECKING

from governance.errors import ConfigError, DataError, did_you_mean
from zoo.cli.output import print_facts, print_json
from zoo.cli.stopping import told_when_stopped
from zoo.screen import terminal_screen
from zoo.workspace import Workspace

if TYPE_CHECKING:
    from pipelines import DatasetVersion
    from pipelines.curate import Runner
    from pipelines.diff import Change


def run_data_build(pipeline: str, processes: int | None, runner: str, beam_options: str, as_json: bool) -> None:
    """Args: `beam_options` as one would write them on Beam's own command line."""
    from zoo.data import build_data

    chosen = _runner(runner, processes, beam_options)
    workspace = Workspace.current()
    spec = workspace.pipeline(pipeline)
    with told_when_stopped("stopped; the same command goes on with what was filtered"), terminal_screen() as screen:
        result = build_data(spec, workspace, screen, runner=chosen)
    content = result.to_json()
    if as_json:
        print_json(content)
        return
    print("nothing to do: the sources are unchanged" if result.reused else "built")
    print_facts(content)


def _runner(name: str, processes: int | None, beam_options: str) -> Runner:
    """Raises ConfigError: no such runner, options of another one, or Beam is not installed."""
    from pipelines.curate import LocalPool

    if name not in ("local", "beam"):
        raise ConfigError(f'no runner "{name}"{did_you_mean(name, ("local", "beam"))}', fix="use local or beam")
    if name == "local":
        if beam_options:
            raise ConfigError("--beam-options are for --runner beam", fix="add --runner beam")
        return LocalPool(processes or os.cpu_count() or 1)
    if processes is not None:
        raise ConfigError("--processes is for --runner local", fix="say how many workers with --beam-options")
    if find_spec("apache_beam") is None:
        raise ConfigError("Apache Beam is not installed", fix='run `pip install "domain-zoo[beam]"`')
    from pipelines.beam import BeamRunner

    return BeamRunner(tuple(shlex.split(beam_options)))


def run_data_show(pipeline: str, records: int, as_json: bool) -> None:
    """Args: `records` of the training split, as training reads them."""
    from pipelines.cards import read_card
    from pipelines.latest import latest_card

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
    from pipelines.cards import read_card
    from pipelines.latest import latest_card

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
    counts = Counter(change.kind for change in found)
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
        print(f"\n--- {change.record_id}: {change.kind}{_what(change)}")
        lines = ((text or "").splitlines() for text in (change.before, change.after))
        print("\n".join(list(difflib.unified_diff(*lines, lineterm="", n=1))[2:]))
    if len(found) > records:
        print(f"\n{len(found) - records:,} more; --records shows them")


def _what(change: Change) -> str:
    """In words; of a text the lines below say it."""
    words = {"subject": "about somebody else", "day": "of another day"}
    said = [words[name] for name in change.what if name in words]
    return f" ({', '.join(said)})" if said else ""


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
