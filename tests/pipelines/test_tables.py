"""Sources that are no text files: SQL queries, TFDS data sets, HTML pages."""

from __future__ import annotations

import hashlib
import sqlite3
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
    url = f"sqlite:///{write_letters(tmp_path / 'a.db', [])}"
    query = "select 7 as id, 'one' as text, 2.5 as amount union all select 8, null, 1 union all select null, 'x', 1"
    found = read(tmp_path, sql={"url": url, "query": query}, text="{text}: {amount}", id="id")
    assert found[0] == Record("one: 2.5", "7", None, "sql:sqlite/a.db", 1)
    plain = read(tmp_path, sql={"url": url, "query": query}, id="id", name="ledger")
    assert [(row.file, row.row, row.reason) for row in plain if isinstance(row, Unreadable)] == [
        ("ledger", 2, 'the text ("text") is null or no string'),
        ("ledger", 3, 'the id ("id") is null, empty, or no string or whole number'),
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
    """SQLite reads a file's URI with settings that it does not know: this one stands for a password."""
    home = tmp_path / "w"
    workspace = sql_workspace(home, bundled_rows(20), "sqlite:///file:${LETTERS}?uri=true&password=${SECRET}")
    monkeypatch.setenv("LETTERS", str(home / "data" / "letters.db"))
    with pytest.raises(ConfigError, match=r"the environment variable SECRET is not set; export SECRET="):
        run(workspace)
    monkeypatch.setenv("SECRET", "hu$sh-9431")
    run(workspace)
    hashed = hashlib.sha256(f"sqlite:///file:{home}/data/letters.db?uri=true&password=hu$sh-9431\0{QUERY}".encode())
    kept = b"".join(path.read_bytes() for path in workspace.storage.rglob("*") if path.is_file())
    assert b"sh-9431" not in kept and hashed.hexdigest().encode() not in kept
    assert not (workspace.storage / "cache" / "tax_domain" / "files.json").exists(), "it remembers nothing of a query"


@pytest.mark.parametrize("secret", ["hun@ter:2x", "se$cret", "${cret}"])
def test_an_error_shows_nothing_of_a_password(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, secret: str) -> None:
    monkeypatch.setenv("TAXDB", f"nosuchdialect://reader:{secret}@host/db")
    with pytest.raises((ConfigError, DataError)) as error:
        read(tmp_path, sql={"url": "${TAXDB}", "query": "select 1 as text"})
    line = str(error.value)
    assert "cret" not in line and "2x" not in line and "ter" not in line.replace("another", "").replace("percent", "")


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
        ({"sql": {"url": "sqlite:///a.db", "query": "select 1 as text, 2 as text"}}, 'two columns "text"'),
        ({"sql": {"url": "sqlite:///nowhere/b.db", "query": "select 1"}}, "there is no such database file"),
        ({"tfds": "no_such_data"}, "TFDS cannot open it"),
    ],
)
def test_mistakes(tmp_path: Path, spec: dict[str, Any], message: str) -> None:
    write_letters(tmp_path / "a.db", [])
    with pytest.raises((DataError, ConfigError)) as error:
        read(tmp_path, **spec)
    assert message in str(error.value) and "\n" not in str(error.value)


def test_a_value_that_a_database_quotes_is_not_shown(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "a.db")) as connection, connection:
        connection.execute("create table notes (text text)")
        connection.execute("insert into notes values (cast(? as text))", (b"Anna Kowalski 536-22-8145 \xff",))
    spec = {"sql": {"url": "sqlite:///a.db", "query": "select text from notes"}}
    with pytest.raises(DataError, match="sql:sqlite/a.db: the rows cannot be read: the database failed") as error:
        read(tmp_path, **spec)
    assert "Kowalski" not in str(error.value) and "8145" not in str(error.value)


def test_of_a_failed_query_only_its_own_words_are_quoted() -> None:
    from pipelines.sources.sql import _without_values

    said = """invalid input syntax for type integer: "Anna Kowalski" near "selct" and 'x'"""
    expected = """invalid input syntax for type integer: "…" near "selct" and '…'"""
    assert _without_values(said, "selct cast(name as int)") == expected
    assert _without_values("", "select 1") == ""


def test_values_that_no_template_takes_have_one_digest(tmp_path: Path) -> None:
    from pipelines.sources.sql import _plain, _written

    for value, same in ((memoryview(b"ab"), memoryview(b"ab")), (bytearray(b"ab"), b"ab"), ({"b", "a"}, {"a", "b"})):
        assert _written({"x": _plain(value)}) == _written({"x": _plain(same)})
    assert b"0x" not in _written({"x": _plain(memoryview(b"ab"))})
    write_letters(tmp_path / "a.db", [])
    spec = {"sql": {"url": "sqlite:///a.db", "query": "select x'6162' as scan, ':none at 100%' as text"}}
    assert [row.text for row in read(tmp_path, **spec) if isinstance(row, Record)] == [":none at 100%"]


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ({}, "give one of path, sql, tfds and pipeline"),
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

    classes = tfds.features.ClassLabel(names=["bad", "good"])

    class ToyReviews(tfds.core.GeneratorBasedBuilder):  # type: ignore[misc]
        """Made here, registered by its class."""

        VERSION = tfds.core.Version("1.0.0")

        def _info(self) -> Any:
            features = {"text": tfds.features.Text(), "stars": classes, "domain": tfds.features.Text()}
            features |= {"both": tfds.features.Sequence(classes)}
            return tfds.core.DatasetInfo(builder=self, features=tfds.features.FeaturesDict(features))

        def _split_generators(self, dl_manager: Any) -> Any:
            return {"train": self._generate_examples(3, "support"), "test": self._generate_examples(3, "tax")}

        def _generate_examples(self, count: int, domain: str) -> Any:
            for number in range(count):
                stars = number if number < 2 else -1  # TFDS' mark for one without a class
                yield number, {"text": f"review {number}", "stars": stars, "domain": domain, "both": [0, 1]}

    try:
        spec: dict[str, Any] = {"tfds": {"name": "toy_reviews", "split": "test", "data_dir": "tfds"}}
        parts = {"text": "text", "label": "stars"}
        found = read(tmp_path, **spec, parts=parts)
        unlabelled = [row.reason for row in found if isinstance(row, Unreadable)]
        assert unlabelled == ['the part label ("stars") is null or no string']
        with pytest.raises(DataError, match='this record says domain "support", but the pipeline builds "tax"'):
            read(tmp_path, tfds=spec["tfds"] | {"split": "train"}, parts=parts)
        several = read(tmp_path, **spec, parts={"text": "text", "label": "both"})
        assert [type(row) for row in several] == [Unreadable] * 3
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
