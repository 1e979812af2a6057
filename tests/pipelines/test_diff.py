"""What changed between two dataset versions."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from governance import DataError
from pipelines import BuildResult
from pipelines.diff import Change, Changed, changes, find_version, with_texts
from tests.pipelines.test_build import run, texts
from tests.support.workspace import PIPELINE, bundled_rows, make_workspace, run_zoo, write_jsonl
from zoo.workspace import Workspace


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> tuple[Workspace, BuildResult, BuildResult]:
    """A version, and the next one: a record added, one removed, one updated."""
    workspace = make_workspace(tmp_path_factory.mktemp("two") / "w", records=30)
    first = run(workspace)
    rows = bundled_rows(31)
    rows[3]["text"] = "Another text,\nof two lines."
    del rows[7]
    write_jsonl(workspace.home / "data" / "tax" / "letters.jsonl", rows)
    return workspace, first, run(workspace)


def test_records_and_texts(two: tuple[Workspace, BuildResult, BuildResult]) -> None:
    _, first, second = two
    ids = [row["id"] for row in bundled_rows(31)]
    found = changes(first.version, second.version)
    expected = [Changed(ids[30], "added"), Changed(ids[7], "removed"), Changed(ids[3], "updated", ("text",))]
    assert found == sorted(expected, key=lambda one: one.record_id)
    assert second.changed == {"added": 1, "updated": 1, "removed": 1}
    before, after = texts(first.version), texts(second.version)
    assert list(with_texts(first.version, second.version, found)) == [
        Change(one.record_id, one.kind, one.what, before.get(one.record_id), after.get(one.record_id)) for one in found
    ]
    assert changes(first.version, first.version) == []


def test_texts_of_some_records_and_of_none(two: tuple[Workspace, BuildResult, BuildResult]) -> None:
    version = two[1].version
    everything = texts(version)
    wanted = sorted(everything)[::4]
    assert version.texts_of(wanted) == {name: everything[name] for name in wanted}
    assert version.texts_of([]) == version.texts_of(["no such id"]) == {}


def test_versions_are_found_by_their_beginnings(two: tuple[Workspace, BuildResult, BuildResult]) -> None:
    workspace, first, second = two
    for result in (first, second):
        for length in (8, 16, 64):
            assert find_version(workspace.storage, result.version.digest[:length]) == result.version
    wrong = ["", first.version.digest[:3], "0123456789", first.version.digest[:20] + "x"]
    for name in wrong:
        with pytest.raises(DataError, match="there is no dataset version"):
            find_version(workspace.storage, name)


def test_the_command_line(two: tuple[Workspace, BuildResult, BuildResult]) -> None:
    workspace, first, second = two
    old, ids = first.version.digest[:12], [row["id"] for row in bundled_rows(31)]
    shown = run_zoo(workspace.home, "data", "diff", old, "tax_domain", "--json")
    content = json.loads(shown.stdout)
    assert (content["added"], content["updated"], content["removed"]) == (1, 1, 1)
    assert content["old"] == first.version.digest and content["new"] == second.version.digest
    assert {row["record_id"] for row in content["records"]} == {ids[3], ids[7], ids[30]}
    read = run_zoo(workspace.home, "data", "diff", old, "tax_domain", "--records", "2").stdout
    assert "+of two lines." in read or f"{ids[3]}: updated" not in read
    assert "1 more; --records shows them" in read
    refused = run_zoo(workspace.home, "data", "diff", old, "tax_domian")
    assert refused.returncode == 1
    assert 'no dataset version "tax_domian" (did you mean "tax_domain"?)' in refused.stderr


def test_a_changed_class_is_shown(tmp_path: Path) -> None:
    parts = {"text": "text", "label": "kind"}
    pipeline = PIPELINE | {"sources": [{"path": "data/tax/*.jsonl", "parts": parts, "id": "id"}]}
    workspace = make_workspace(tmp_path / "w", records=0, pipeline=pipeline)
    content = [row | {"kind": ("refund", "notice")[number % 2]} for number, row in enumerate(bundled_rows(30))]
    path = write_jsonl(workspace.home / "data" / "tax" / "letters.jsonl", content)
    first = run(workspace).version
    content[4]["kind"] = "notice"
    write_jsonl(path, content)
    second = run(workspace).version
    [change] = with_texts(first, second, changes(first, second))
    assert change.before is not None and change.before.endswith("\nlabel: refund")
    assert change.after is not None and change.after.endswith("\nlabel: notice")
    assert change.before.startswith("text: ")


def test_a_record_that_is_about_somebody_else_is_shown(tmp_path: Path) -> None:
    """Its text stays; what is shown says neither who it was nor who it is, nor their hashes."""
    workspace = make_workspace(tmp_path / "w", records=0)
    content = bundled_rows(30)
    path = write_jsonl(workspace.home / "data" / "tax" / "letters.jsonl", content)
    first = run(workspace).version
    content[4]["client_id"], content[5]["client_id"] = "somebody-else", None
    content[6] |= {"client_id": "another-one", "text": "Another text."}
    write_jsonl(path, content)
    second = run(workspace).version
    what = {one.record_id: one.what for one in changes(first, second)}
    ids = [row["id"] for row in content]
    assert what == {ids[4]: ("subject",), ids[5]: ("subject",), ids[6]: ("text", "subject")}
    arguments = ("data", "diff", first.digest, second.digest)
    shown = json.loads(run_zoo(workspace.home, *arguments, "--json").stdout)
    assert shown["updated"] == 3 and {row["record_id"]: tuple(row["what"]) for row in shown["records"]} == what
    read = run_zoo(workspace.home, *arguments).stdout
    assert f"--- {ids[4]}: updated (about somebody else)" in read
    hashes = [row["subject"] for row in second.manifest(["subject"]).to_pylist() if row["subject"]]
    assert not [word for word in ("somebody-else", "another-one", *hashes) if word in read + json.dumps(shown)]


def test_versions_of_two_domains_have_two_keys_of_subjects(two: tuple[Workspace, BuildResult, BuildResult]) -> None:
    version = two[1].version
    other = replace(version, domain="support", path=two[2].version.path)
    assert {what for one in changes(version, other) for what in one.what} == {"text"}
