"""Two rows of a source with one id and different texts: the first one stays, the others are set aside and counted."""

from __future__ import annotations

import json
import random
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from governance import DataError
from governance.erasure import Tombstones
from pipelines import BuildResult, PipelineSpec, build, latest
from pipelines.cards import describe, read_card
from tests.pipelines.test_cards import traces
from tests.support.workspace import PIPELINE, POLICY, bundled_rows, make_workspace, run_zoo, write_jsonl
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
    """A row of an erased person is not noted, not even as one that was set aside."""
    import pyarrow as pa

    from governance.erasure import TombstoneKey
    from pipelines.curate.buckets import BUCKETS, staged_schema, write_bucket
    from pipelines.curate.erased import Barred
    from pipelines.curate.same_ids import take_out_repeated

    spec = workspace_with(tmp_path / "w", {"a.jsonl": texts()}).pipeline("tax_domain")
    key = TombstoneKey(b"k" * 32)
    rows = [
        {"id": "r", "text": who, "text_key": who.encode() * 16, "subject": who, "file": "f", "row": n, "source": 0}
        for n, who in enumerate("abc")
    ]
    for bucket in range(BUCKETS):
        write_bucket(pa.Table.from_pylist(rows if bucket == 7 else [], schema=staged_schema()), tmp_path, bucket)
    stones = Tombstones(subjects=frozenset({key.subject("b")}))
    found = list(take_out_repeated(spec, tmp_path, Barred.of(spec, stones, key)))
    assert [(source, row.row) for source, row in found] == [(0, 2)]


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
