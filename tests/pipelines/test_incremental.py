"""A build after a change equals one from nothing, byte by byte, and does again only what changed."""

from __future__ import annotations

import json
import re
import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines import BuildResult, assemble, build
from pipelines.curate import near
from pipelines.curate.steps import Judge
from tests.support.workspace import PIPELINE, POLICY, bundled_rows, make_workspace, write_jsonl
from zoo.workspace import Workspace

#: Long enough to be near duplicates of each other, and with what a detector finds by its form.
WORDS = re.findall(
    r"\w+", "the return of a dependent spouse is due in April unless that day is a Sunday or the office has closed"
)
CURATE = {"language": ["en"], "quality": {"sets": ["gopher"], "limits": {"gopher_words": [5, None]}}}
KEPT = dict.fromkeys(("PERSON", "LOCATION", "ORGANIZATION", "NRP", "DATE_TIME"), "keep")
FORMS_ONLY = json.loads(json.dumps(POLICY))
FORMS_ONLY["domains"]["tax"]["pii"] |= KEPT
FIXED = {f"fixed-{number}": 100 + number for number in range(24)}


def text(number: int) -> str:
    """Of each ten, eight are far from all others, one is a near duplicate and one equal."""
    own = number - number % 10 if number % 10 in (3, 7) else number
    words = [WORDS[(own * 7 + place * (own % 13 + 1)) % len(WORDS)] for place in range(60)]
    words[20] = "altogether" if number % 10 == 7 else words[20]
    return " ".join(words) + f" Write to a{own}@example.org."


def workspace_at(home: Path) -> Workspace:
    pipeline = PIPELINE | {"curate": CURATE | {"dedup": {"near": 0.8}}}
    return make_workspace(home, records=0, policy=FORMS_ONLY, pipeline=pipeline)


def run(workspace: Workspace, numbers: dict[str, int]) -> BuildResult:
    rows = [{"id": name, "title": "T", "text": text(n), "client_id": "C"} for name, n in numbers.items()]
    write_jsonl(workspace.home / "data" / "tax" / "letters.jsonl", rows)
    spec = workspace.pipeline("tax_domain")
    return build(spec, policy=workspace.policy, keys=workspace.keys, storage=workspace.storage, processes=1)


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def content(path: str | None) -> bytes:
    return b"" if path is None else Path(path).read_bytes()


@settings(max_examples=3, deadline=None)
@given(st.lists(st.dictionaries(st.sampled_from("abcdef"), st.integers(0, 40)), min_size=2, max_size=3))
def test_rebuilds_after_any_changes_equal_a_build_from_nothing(states: list[dict[str, int]]) -> None:
    with tempfile.TemporaryDirectory() as name:
        changed = workspace_at(Path(name) / "changed")
        for state in states:
            result = run(changed, FIXED | state)
        fresh = run(workspace_at(Path(name) / "fresh"), FIXED | states[-1])
        assert files(result.version.path) == files(fresh.version.path)
        assert result.dropped == fresh.dropped
        assert content(result.exclusions) == content(fresh.exclusions)


def test_only_what_changed_is_done_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    workspace = workspace_at(tmp_path / "w")
    many = {f"r{number}": number * 10 for number in range(40)}
    run(workspace, many)
    done: dict[str, list[str]] = {"sign": [], "judge": [], "repair": []}
    repair = sys.modules["pipelines.curate.repair"]  # a function of this name hides it
    sign, reason, decode = near.signatures, Judge.process_batch, repair._decoded
    monkeypatch.setattr(near, "signatures", lambda texts: (done["sign"].extend(texts), sign(texts))[1])
    monkeypatch.setattr(repair, "_decoded", lambda text: (done["repair"].append(text), decode(text))[1])

    def judge(self: Judge, batch: Any) -> Any:
        done["judge"] += batch.column("text").to_pylist()
        return reason(self, batch)

    monkeypatch.setattr(Judge, "process_batch", judge)
    result = run(workspace, many | {"r3": 1})
    assert (result.changed["added"], result.changed["updated"]) == (0, 1)
    assert done["repair"] == [f"T\n{text(1)}"] == done["sign"]
    assert set(done["judge"]) == set(done["sign"])


def test_shards_that_did_not_change_are_taken_over_unless_somebody_changed_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace = workspace_at(tmp_path / "w")
    many = {f"r{number}": number * 10 for number in range(60)}
    first = run(workspace, many).version
    written: list[str] = []
    whole = assemble._array_record
    monkeypatch.setattr(assemble, "_array_record", lambda path: (written.append(path.name), whole(path))[1])
    in_test = sorted(row["record_id"] for row in first.manifest().to_pylist() if row["split"] == "test")
    second = run(workspace, {name: number for name, number in many.items() if name != in_test[0]}).version
    assert written == ["tax_domain-test.array_record-00000-of-00001"]
    train = "tax_domain-train.array_record-00000-of-00001"
    damaged = bytearray((second.path / train).read_bytes())
    damaged[len(damaged) // 2] ^= 1
    (second.path / train).write_bytes(damaged)
    third = run(workspace, {name: number for name, number in many.items() if name != in_test[1]}).version
    assert train in written, "a damaged shard goes no further"
    assert (third.path / train).read_bytes() == (first.path / train).read_bytes()
    third.verify()


def test_names_are_found_alike_whoever_works_and_whatever_was_done_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The model of language reads windows in batches, which are others after a change and in another process."""
    monkeypatch.setattr(sys.modules["pipelines.curate.personal_data"], "_SERIAL_CHARACTERS", 0)

    def made(home: str, processes: int, *states: list[dict[str, str]]) -> BuildResult:
        workspace = make_workspace(tmp_path / home, records=0)
        for rows in states:
            write_jsonl(workspace.home / "data" / "tax" / "letters.jsonl", rows)
            spec, storage = workspace.pipeline("tax_domain"), workspace.storage
            keys = {"policy": workspace.policy, "keys": workspace.keys, "storage": storage}
            result = build(spec, **keys, processes=processes)
        return result

    rows = bundled_rows(60)
    before = [row | {"text": row["text"] + " More of it."} if number % 5 else row for number, row in enumerate(rows)]
    one, two, later = made("one", 1, rows), made("two", 2, rows), made("later", 1, before[3:], rows)
    assert one.version.pii["PERSON"] > 20
    assert files(one.version.path) == files(two.version.path) == files(later.version.path)
