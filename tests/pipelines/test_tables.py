"""Sources that are no text files: SQL queries, TFDS data sets, HTML pages."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from governance.errors import ConfigError, DataError
from pipelines import BuildResult, build
from pipelines.sources import Record, Unreadable, list_items, read_records, source_digest
from pipelines.spec import SourceSpec
from tests.pipelines.test_build import texts
from tests.support.workspace import PIPELINE, bundled_rows, make_workspace
from zoo.workspace import Workspace

QUERY = "select number, title, text, client from letters"


def read(folder: Path, **spec: object) -> list[Record | Unreadable]:
    source = SourceSpec.model_validate(spec)
    items = list_items(source, str(folder))
    return [r for item in items for r in read_records(item, source, domain="tax", max_bytes=1_000_000)]


def digest(folder: Path, **spec: object) -> str:
    return source_digest(list_items(SourceSpec.model_validate(spec), str(folder)), folder / "cache.json")


def write_letters(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("create table letters (number text, title text, text text, client text)")
        values = [(row["id"], row["title"], row["text"], row["client_id"]) for row in rows]
        connection.executemany("insert into letters values (?, ?, ?, ?)", values)
    return path


def sql_workspace(home: Path, rows: list[dict[str, Any]], url: str = "sqlite:///data/letters.db") -> Workspace:
    source = {"sql": {"url": url, "query": QUERY}, "text": "{title}\n{text}", "id": "number", "subject": "client"}
    write_letters(home / "data" / "letters.db", rows)
    return make_workspace(home, records=0, pipeline=PIPELINE | {"sources": [source]})


def run(workspace: Workspace) -> BuildResult:
    spec, keys = workspace.pipeline("tax_domain"), workspace.keys
    return build(spec, policy=workspace.policy, keys=keys, storage=workspace.storage, processes=1)


def test_a_query_gives_what_a_file_gives(tmp_path: Path) -> None:
    of_files = run(make_workspace(tmp_path / "files", records=30))
    workspace = sql_workspace(tmp_path / "sql", bundled_rows(30))
    of_query = run(workspace)
    assert of_query.version.digest == of_files.version.digest and of_query.version.sources.names == ("sql",)
    assert {row["file"] for row in of_query.version.manifest().to_pylist()} == {"sql:sqlite/letters.db"}
    write_letters(workspace.home / "data" / "letters.db", bundled_rows(30)[::-1])
    assert run(workspace).reused, "the order of a table says nothing"
    write_letters(workspace.home / "data" / "letters.db", bundled_rows(31)[1:])
    assert run(workspace).changed == {"added": 1, "updated": 0, "removed": 1}


def test_values_are_written_and_null_is_told(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'a.db'}"
    query = "select 7 as id, 'one' as text, 2.5 as amount union all select 8, null, 1 union all select null, 'x', 1"
    found = read(tmp_path, sql={"url": url, "query": query}, text="{text}: {amount}", id="id")
    assert found[0] == Record("one: 2.5", "7", None, "sql:sqlite/a.db", 1)
    plain = read(tmp_path, sql={"url": url, "query": query}, id="id", name="ledger")
    assert [(row.file, row.row, row.reason) for row in plain if isinstance(row, Unreadable)] == [
        ("ledger", 2, 'the text ("text") is null or no string'),
        ("ledger", 3, 'the id ("id") is null, empty, or no string or number'),
    ]


def test_rows_that_change_while_they_are_read_stop_the_build(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    workspace = sql_workspace(tmp_path / "w", bundled_rows(30))
    build_module = __import__("sys").modules["pipelines.build"]
    stage = build_module.stage

    def slow_stage(*arguments: Any, **options: Any) -> Any:
        write_letters(workspace.home / "data" / "letters.db", bundled_rows(29))
        return stage(*arguments, **options)

    monkeypatch.setattr(build_module, "stage", slow_stage)
    with pytest.raises(DataError, match="sql:sqlite/letters.db: the file changed while it was read"):
        run(workspace)
    assert not (workspace.storage / "datasets" / "tax_domain" / "latest.json").exists()


def test_a_password_comes_from_the_environment_and_stays_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = tmp_path / "w"
    workspace = sql_workspace(home, bundled_rows(20), "${LETTERS_URL}?password=hush-9431")
    with pytest.raises(ConfigError, match=r"the environment variable LETTERS_URL is not set; export LETTERS_URL="):
        run(workspace)
    monkeypatch.setenv("LETTERS_URL", f"sqlite:///file:{home / 'data' / 'letters.db'}")
    monkeypatch.setattr("pipelines.sources.sql.SqlQuery._streamed", _without_password(home))
    run(workspace)
    kept = b"".join(path.read_bytes() for path in workspace.storage.rglob("*") if path.is_file())
    assert b"hush-9431" not in kept


def _without_password(home: Path) -> Any:
    """SQLite takes no password: the rows are read from the file itself."""
    from pipelines.sources.sql import SqlQuery

    streamed = SqlQuery._streamed

    def read_file(self: SqlQuery, source: SourceSpec | None = None) -> Iterator[dict[str, Any]]:
        assert "hush-9431" in self.url
        plain = SqlQuery(self.name, f"sqlite:///{home / 'data' / 'letters.db'}", self.query)
        yield from streamed(plain, source)
        self._digests.extend(plain._digests)

    return read_file


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        (
            {"sql": {"url": "sqlite:///a.db", "query": "selct 1 as text"}},
            'sql:sqlite/a.db: the query failed: near "selct"',
        ),
        ({"sql": {"url": "nowhere", "query": "select 1"}}, "this is no database URL"),
        ({"sql": {"url": "oracle://h/d", "query": "select 1"}}, "this database needs another package"),
        ({"sql": {"url": "sqlite:///a.db", "query": "select 1 as txt"}}, 'no column "text" (did you mean "txt"?)'),
        ({"tfds": "no_such_data"}, "TFDS cannot open it"),
    ],
)
def test_mistakes(tmp_path: Path, spec: dict[str, Any], message: str) -> None:
    with pytest.raises((DataError, ConfigError)) as error:
        read(tmp_path, **spec)
    assert message in str(error.value) and "\n" not in str(error.value)


def test_a_value_that_a_database_quotes_is_not_shown() -> None:
    import sqlalchemy.exc

    from pipelines.sources.sql import _told

    quoting = sqlalchemy.exc.DataError("select", None, ValueError("invalid input for type integer: Anna Kowalski"))
    with pytest.raises(DataError, match="ledger: the query failed: DataError; check") as error, _told("ledger"):
        raise quoting
    assert "Kowalski" not in str(error.value)


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ({}, "give one of path, sql and tfds"),
        ({"path": "a.txt", "tfds": "b"}, "not path and tfds"),
        ({"tfds": "b", "format": "txt"}, "format is for files; remove it beside tfds"),
    ],
)
def test_a_source_comes_from_one_place(spec: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        SourceSpec.model_validate(spec)


def test_a_folder_of_tfds(tmp_path: Path) -> None:
    """A dataset version is one."""
    version = run(make_workspace(tmp_path / "w", records=30)).version
    stored = texts(version)
    found = read(version.path.parent, tfds=version.path.name, id="id")
    assert {row.id: row.text for row in found if isinstance(row, Record)} == {
        name: text for name, text in stored.items() if (name, text) in set(version.texts("train"))
    }
    with pytest.raises(DataError, match='there is no split "dev"; known: '):
        read(version.path.parent, tfds={"name": version.path.name, "split": "dev"})
    with pytest.raises(DataError, match='there is no column "txt"'):
        read(version.path.parent, tfds=version.path.name, text="txt")


def test_a_data_set_of_tfds_by_name(tmp_path: Path) -> None:
    import tensorflow_datasets as tfds

    class ToyReviews(tfds.core.GeneratorBasedBuilder):  # type: ignore[misc]
        """Made here, registered by its class."""

        VERSION = tfds.core.Version("1.0.0")

        def _info(self) -> Any:
            features = {"text": tfds.features.Text(), "stars": tfds.features.ClassLabel(names=["bad", "good"])}
            return tfds.core.DatasetInfo(builder=self, features=tfds.features.FeaturesDict(features))

        def _split_generators(self, dl_manager: Any) -> Any:
            return {"train": self._generate_examples(3), "test": self._generate_examples(2)}

        def _generate_examples(self, count: int) -> Any:
            for number in range(count):
                yield number, {"text": f"review {number}", "stars": number % 2}

    try:
        spec = {"tfds": {"name": "toy_reviews", "split": "test", "data_dir": "tfds"}}
        found = read(tmp_path, **spec, parts={"text": "text", "label": "stars"})
        assert sorted(row.text for row in found if isinstance(row, Record)) == [
            "\x1etext\x1freview 0\x1elabel\x1fbad",
            "\x1etext\x1freview 1\x1elabel\x1fgood",
        ]
        first = digest(tmp_path, **spec)
        assert digest(tmp_path, **spec) == first
        [shard] = (tmp_path / "tfds" / "toy_reviews" / "1.0.0").glob("*test.tfrecord*")
        shard.write_bytes(shard.read_bytes() + b"x")
        assert digest(tmp_path, **spec) != first
    finally:
        tfds.core.registered._DATASET_REGISTRY.pop("toy_reviews", None)


PAGE = """<!doctype html><html><head><title>Refunds</title><script>track("{}")</script></head><body>
<nav><a href="/">Home</a> <a href="/help">Help</a></nav>
<main><h1>When will my refund arrive?</h1><p>Most refunds arrive within three weeks after we received your return.</p>
<p>Über Ihre Rückzahlung informieren wir Sie.</p><table><tr><td>Paper</td><td>six weeks</td></tr></table></main>
<footer>All rights reserved. Imprint. Privacy.</footer></body></html>"""


@pytest.mark.parametrize("encoding", ["utf-8", "windows-1252"])
def test_a_folder_of_pages(tmp_path: Path, encoding: str) -> None:
    (tmp_path / "pages" / "de").mkdir(parents=True)
    head = f'<head><meta charset="{encoding}">'
    (tmp_path / "pages" / "de" / "refunds.html").write_bytes(PAGE.replace("<head>", head).encode(encoding))
    (tmp_path / "pages" / "empty.htm").write_bytes(b"<html><body></body></html>")
    page, empty = read(tmp_path, path="pages", text="{title}\n{text}")
    assert isinstance(page, Record) and page.id == "pages/de/refunds.html"
    assert (
        page.text.startswith("When will my refund arrive?\n")
        and "three weeks" in page.text
        and "six weeks" in page.text
    )
    assert "Über Ihre Rückzahlung" in page.text
    assert not any(word in page.text for word in ("track", "Home", "<p>"))
    assert empty == Unreadable("pages/empty.htm", 1, "no text was found in this page")
