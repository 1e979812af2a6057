"""Two rows of a source with one id and different texts: the first one stays, the others are set aside and counted."""

from __future__ import annotations

import datetime
import json
import random
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from governance import DataError, Policy
from governance.erasure import TombstoneKey, Tombstones
from pipelines import BuildResult, PipelineSpec, build, latest
from pipelines.cards import describe, read_card
from pipelines.erasure.store import add_tombstones
from tests.pipelines.test_cards import traces
from tests.support.workspace import PIPELINE, POLICY, bundled_rows, make_workspace, run_zoo, write_jsonl
from zoo.inventory import subject_hash
from zoo.workspace import Workspace

DOMAINS = {"tax": POLICY["domains"]["tax"] | {"pii": "keep"}}
SOURCES = [{"path": "data/tax/*.jsonl", "id": "id", "subject": "client_id"}]


def texts(count: int = 60) -> list[dict[str, Any]]:
    return [{"id": f"r{n}", "text": f"The letter with the number {n}.", "client_id": f"c{n}"} for n in range(count)]


def repeated(number: int, what: str) -> dict[str, Any]:
    return {"id": f"r{number}", "text": f"Another letter: {what}.", "client_id": f"other {what}"}


def workspace_with(home: Path, files: dict[str, list[dict[str, Any]]], **pipeline: Any) -> Workspace:
    content = PIPELINE | {"sources": SOURCES} | pipeline
    workspace = make_workspace(home, records=0, policy=POLICY | {"domains": DOMAINS}, pipeline=content)
    for name, rows in files.items():
        write_jsonl(home / "data" / "tax" / name, rows)
    return workspace


def run(workspace: Workspace, processes: int = 1) -> BuildResult:
    spec: PipelineSpec = workspace.pipeline("tax_domain")
    return build(spec, policy=workspace.policy, keys=workspace.keys, storage=workspace.storage, processes=processes)


def listed(result: BuildResult) -> list[tuple[str, int, str]]:
    lines = Path(str(result.quarantine)).read_text(encoding="utf-8").splitlines()
    rows = map(json.loads, lines)
    return sorted((Path(row["file"]).name, row["row"], row["reason"]) for row in rows)


def stored(result: BuildResult) -> dict[str, str]:
    return {name: text for split in result.version.records for name, text in result.version.texts(split)}


def test_all_but_the_first_are_set_aside(tmp_path: Path) -> None:
    files = {"a.jsonl": [*texts(), repeated(3, "x"), texts()[5]], "b.jsonl": [repeated(3, "y"), texts()[3]]}
    result = run(workspace_with(tmp_path / "w", files))
    where = f"{tmp_path / 'w' / 'data' / 'tax' / 'a.jsonl'}:4"
    found = listed(result)
    assert [row[:2] for row in found] == [("a.jsonl", 61), ("b.jsonl", 1)]
    assert all(reason.startswith('the id ("id") also stands at ') for _, _, reason in found)
    assert all(reason.endswith(":4 with another text") and where.rsplit("/")[-1] in reason for _, _, reason in found)
    assert result.quarantined == 2 and result.dropped == {"duplicate": 2}, "rows of the same text are duplicates"
    assert stored(result) == {row["id"]: row["text"] for row in texts()}


def test_the_card_counts_them_from_what_the_build_left(tmp_path: Path) -> None:
    workspace = workspace_with(tmp_path / "w", {"a.jsonl": [*texts(), repeated(3, "x")]})
    result = run(workspace)
    card = read_card(Path(result.card))
    result = BuildResult(**vars(result) | {"exclusions": str(_exclusions(workspace))})
    assert describe(workspace.pipeline("tax_domain"), result.version, traces(result)) == card
    assert (card.rows.read, card.rows.kept, card.rows.quarantined) == (61, 60, 1)
    assert list(card.quarantine.values()) == [1]


def _exclusions(workspace: Workspace) -> Path:
    [path] = workspace.storage.glob("exclusions/tax_domain/*.parquet")
    return path


@pytest.mark.parametrize("processes", [1, 2])
def test_who_reads_them_and_when_says_nothing(tmp_path: Path, processes: int) -> None:
    """The same files with rows of other ids in another order, and other numbers of processes: the same version."""
    rows = texts()
    shuffled = rows[:1] + random.Random(processes).sample(rows[1:], 59)
    more = [repeated(0, "x"), repeated(0, "y")]
    results = []
    for name, content, used in (("v", rows, 1), ("w", shuffled, processes)):
        results.append(run(workspace_with(tmp_path / name, {"a.jsonl": content, "b.jsonl": more}), used))
    assert results[0].version.digest == results[1].version.digest
    assert results[0].quarantined == results[1].quarantined == 2


def test_of_a_query_the_order_says_nothing(tmp_path: Path) -> None:
    database = tmp_path / "letters.db"
    rows = [*texts(), repeated(3, "x")]
    with sqlite3.connect(database) as connection:
        connection.execute("create table letters (id text, text text, place integer)")
        connection.executemany(
            "insert into letters values (?, ?, ?)", [(row["id"], row["text"], n) for n, row in enumerate(rows)]
        )
    results = []
    for order in ("asc", "desc"):
        query = {"url": f"sqlite:///{database}", "query": f"select id, text from letters order by place {order}"}
        workspace = workspace_with(tmp_path / order, {}, sources=[{"sql": query, "id": "id"}])
        results.append(run(workspace))
    assert results[0].version.digest == results[1].version.digest
    assert [result.quarantined for result in results] == [1, 1]


def test_too_many_stop_the_build(tmp_path: Path) -> None:
    again = [repeated(number, "x") for number in range(4)]
    workspace = workspace_with(tmp_path / "w", {"a.jsonl": [*texts(), *again]})
    with pytest.raises(DataError, match=r'4 of 64 rows cannot be read.*\(5%\); the first: .* also stands at .* "?'):
        run(workspace)
    [path] = workspace.storage.glob("quarantine/tax_domain/*.jsonl")
    assert len(path.read_text().splitlines()) == 4, "they are listed nevertheless"


def test_what_was_erased_leaves_no_trace(tmp_path: Path) -> None:
    """A row of an erased person is not noted, not even as one that was set aside, and is no first one of its id."""
    workspace = workspace_with(tmp_path / "w", {"a.jsonl": [repeated(3, "b"), *texts(), repeated(3, "x")]})
    key = TombstoneKey(workspace.keys.derive("tax", "tombstones"))
    add_tombstones(
        workspace.storage,
        "tax",
        Tombstones(subjects=frozenset({key.subject(subject_hash(workspace, "tax", "other b"))})),
    )
    result = run(workspace)
    assert listed(result) == [("a.jsonl", 62, 'the id ("id") also stands at data/tax/a.jsonl:5 with another text')]
    assert result.dropped == {"erased": 1} and stored(result) == {row["id"]: row["text"] for row in texts()}


TODAY = datetime.date(2026, 3, 1)


def dated(rows: list[dict[str, Any]], days_ago: int) -> list[dict[str, Any]]:
    return [row | {"on": str(TODAY - datetime.timedelta(days=days_ago))} for row in rows]


def kept_for_a_year(home: Path, files: dict[str, list[dict[str, Any]]]) -> BuildResult:
    workspace = workspace_with(home, files, sources=[SOURCES[0] | {"date": "on"}])
    spec = workspace.pipeline("tax_domain")
    policy = Policy(domains={"tax": workspace.policy.domains["tax"].model_copy(update={"retention_days": 365})})
    return build(spec, policy=policy, keys=workspace.keys, storage=workspace.storage, processes=1, today=TODAY)


@pytest.mark.parametrize(("first", "again"), [(900, 3), (3, 900), (900, 800)])
def test_what_is_past_its_time_is_no_first_row_and_is_not_noted(first: int, again: int, tmp_path: Path) -> None:
    rows = {row["id"]: row for row in texts()}
    old, new = [rows.pop("r3")], [repeated(3, "x")]
    files = {"a.jsonl": dated([*rows.values()], 3) + dated(old, first), "b.jsonl": dated(new, again)}
    result = kept_for_a_year(tmp_path / "w", files)
    stays = [row for row, age in ((*old, first), (*new, again)) if age < 365]
    assert stored(result) == {row["id"]: row["text"] for row in [*rows.values(), *stays]}
    assert result.quarantined == 0 and result.quarantine is None
    assert result.dropped == {"retention": 2 - len(stays)}
    card = read_card(Path(result.card))
    assert (card.rows.read, card.rows.quarantined, card.quarantine) == (59 + len(stays), 0, {})


def test_of_those_that_are_kept_the_first_one_stays(tmp_path: Path) -> None:
    rows = texts()
    more = [*dated([repeated(3, "x")], 900), *dated([repeated(3, "y"), repeated(3, "z")], 3)]
    result = kept_for_a_year(tmp_path / "w", {"a.jsonl": more, "b.jsonl": dated(rows, 3)})
    assert [row[:2] for row in listed(result)] == [("a.jsonl", 3), ("b.jsonl", 4)]
    assert result.quarantined == 2 and stored(result)["r3"] == more[1]["text"]


def test_a_record_that_is_carried_over_is_no_copy_of_one_that_was_set_aside(tmp_path: Path) -> None:
    rows, copy = texts(), {**repeated(3, "x"), "id": "q"}
    workspace = workspace_with(tmp_path / "w", {"a.jsonl": [*rows, copy]}, refresh={"mode": "incremental"})
    before = stored(run(workspace))
    write_jsonl(workspace.home / "data" / "tax" / "a.jsonl", [*rows, repeated(3, "x")])
    result = run(workspace)
    assert result.quarantined == 1 and result.kept == 1 and stored(result) == before


def test_erasing_who_was_set_aside_erases_the_id(tmp_path: Path) -> None:
    """Nobody can tell whose text stayed."""
    workspace = workspace_with(tmp_path / "w", {"a.jsonl": [*texts(), repeated(3, "x")]})
    assert "r3" in stored(run(workspace))
    erased = run_zoo(workspace.home, "erase", "--domain", "tax", "--subject", "other x", "--json")
    assert erased.returncode == 0, erased.stderr
    version = latest(workspace.pipeline("tax_domain"), workspace.storage)
    assert version is not None
    left = {name for split in version.records for name, _ in version.texts(split)}
    assert left == {row["id"] for row in texts()} - {"r3"}


def test_rows_of_one_file_in_the_bundled_text_have_ids_of_their_own() -> None:
    rows = bundled_rows(100_000)
    assert len({row["id"] for row in rows}) == len(rows)
