"""Rows that cannot be read are listed, whatever becomes of the build."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from governance import DataError
from pipelines import PipelineSpec, build
from pipelines.curate.stage import SourceRows, Staged, _check_quarantined
from tests.support.workspace import PIPELINE, bundled_rows, make_workspace, write_jsonl


def test_what_could_not_be_read_is_listed_also_when_another_row_stops_the_build(tmp_path: Path) -> None:
    workspace = make_workspace(tmp_path / "w", records=5)
    with (workspace.home / "data" / "tax" / "letters.jsonl").open("a") as file:
        file.write("{no json\n")
    row = bundled_rows(1, start=50)[0] | {"domain": "support"}
    write_jsonl(workspace.home / "data" / "tax" / "z.jsonl", [row])
    spec = workspace.pipeline("tax_domain")
    with pytest.raises(DataError, match="this record says domain"):
        build(spec, policy=workspace.policy, keys=workspace.keys, storage=workspace.storage, processes=1)
    [listed] = workspace.storage.glob("quarantine/tax_domain/*.jsonl")
    assert [json.loads(line)["row"] for line in listed.read_text().splitlines()] == [6]


def test_a_source_that_cannot_be_read_is_not_lost_beside_a_big_one(tmp_path: Path) -> None:
    sources = [*PIPELINE["sources"], {"path": "data/notes.jsonl", "name": "notes"}]
    workspace = make_workspace(tmp_path / "w", records=60, pipeline=PIPELINE | {"sources": sources})
    (workspace.home / "data" / "notes.jsonl").write_text("{no json\n{no json\n")
    spec = workspace.pipeline("tax_domain")
    message = r'2 of 2 rows cannot be read in the source "notes".*\(5%\); the first: data/notes.jsonl:1: not valid JSON'
    with pytest.raises(DataError, match=message):
        build(spec, policy=workspace.policy, keys=workspace.keys, storage=workspace.storage, processes=1)


@given(
    rows=st.lists(st.tuples(st.integers(0, 100), st.integers(0, 100)), min_size=1, max_size=4),
    allowed=st.sampled_from([0.0, 0.05, 0.5, 1.0]),
)
def test_the_share_holds_in_each_source(rows: list[tuple[int, int]], allowed: float) -> None:
    content = {"domain": "tax", "sources": [{"path": f"{n}.jsonl"} for n in range(len(rows))]}
    spec = PipelineSpec.model_validate(content | {"curate": {"max_quarantined": allowed}})
    staged = Staged(sources={n: SourceRows(good + bad, bad) for n, (good, bad) in enumerate(rows)})
    over = [n for n, (good, bad) in enumerate(rows) if bad > allowed * (good + bad)]
    assert staged.quarantined == sum(bad for _, bad in rows)
    if over:
        with pytest.raises(DataError, match=f'rows cannot be read in the source "{spec.source_names[over[0]]}"'):
            _check_quarantined(staged, spec)
    else:
        _check_quarantined(staged, spec)
