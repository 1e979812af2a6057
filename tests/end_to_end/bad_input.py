"""The table of bad input: how each case spoils a small workspace, and what the one line must say."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import yaml
from typer.testing import CliRunner

from tests.support.workspace import bundled_rows
from zoo.cli.app import app

BUILD = ("data", "build", "tax_domain")
TRAIN = ("train", "gpt", "--pipeline", "tax_domain", "--steps", "2")


@dataclass(frozen=True)
class Case:
    """`spoil` gets the workspace's folder; `says` must all stand in the one line."""

    name: str
    spoil: Callable[[Path], None]
    says: tuple[str, ...]
    command: tuple[str, ...] = BUILD


def letters(home: Path) -> Path:
    return home / "data" / "tax" / "letters.jsonl"


def in_data(name: str, content: bytes | str) -> Callable[[Path], None]:
    """Replaces all source files by one."""

    def spoil(home: Path) -> None:
        letters(home).unlink()
        raw = content.encode() if isinstance(content, str) else content
        (home / "data" / "tax" / name).write_bytes(raw)
        set_source(home, path=f"data/tax/{name}")

    return spoil


def set_source(home: Path, **fields: object) -> None:
    edit_pipeline(home, lambda spec: spec["sources"][0].update(fields))


def edit_pipeline(home: Path, change: Callable[[dict], object]) -> None:
    edit(home / "pipelines" / "tax_domain.yaml", change)


def edit(path: Path, change: Callable[[dict], object]) -> None:
    content = yaml.safe_load(path.read_text())
    change(content)
    path.write_text(yaml.safe_dump(content))


def pipeline(change: Callable[[dict], object]) -> Callable[[Path], None]:
    return lambda home: edit_pipeline(home, change)


def policy(change: Callable[[dict], object]) -> Callable[[Path], None]:
    return lambda home: edit(home / "zoo.yaml", change)


def raw(name: str, content: bytes) -> Callable[[Path], None]:
    return lambda home: (home / name).write_bytes(content) and None


def rows(*extra: dict[str, object], good: int = 3) -> str:
    """A few good rows and then the extra ones."""
    return "".join(json.dumps(row) + "\n" for row in [*bundled_rows(good), *extra])


def source(**fields: object) -> Callable[[Path], None]:
    return lambda home: set_source(home, **fields)


def both(*spoilers: Callable[[Path], None]) -> Callable[[Path], None]:
    def spoil(home: Path) -> None:
        for one in spoilers:
            one(home)

    return spoil


def truncated_parquet(home: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = home / "data" / "tax" / "a.parquet"
    pq.write_table(pa.table({"title": ["t"] * 500, "text": [f"x{i}" for i in range(500)]}), path)
    path.write_bytes(path.read_bytes()[:-300])
    letters(home).unlink()
    set_source(home, path="data/tax/a.parquet")


def unlink_letters(home: Path) -> None:
    letters(home).unlink()


def storage_is_a_file(home: Path) -> None:
    (home / ".zoo").write_text("in the way")


def corrupt_version(home: Path) -> None:
    CliRunner().invoke(app, [*BUILD])
    storage = home / ".zoo" / "datasets" / "tax_domain"
    next(storage.glob("*/version.json")).write_text("{")


def short_shard(home: Path) -> None:
    CliRunner().invoke(app, [*BUILD])
    storage = home / ".zoo" / "datasets" / "tax_domain"
    shard = next(storage.glob("*/*train*"))
    shard.write_bytes(shard.read_bytes()[:-5])


def lost_key(home: Path) -> None:
    CliRunner().invoke(app, [*BUILD])
    (home / "keys" / "pseudonyms.key").unlink()


def same_id_often(home: Path) -> None:
    """As when the field that is named as `id` holds something else."""
    content = [row | {"id": "a form"} for row in bundled_rows(20)]
    letters(home).write_text("".join(json.dumps(row) + "\n" for row in content))


def same_id_in_two_sources(home: Path) -> None:
    row = bundled_rows(1)[0] | {"text": "another text"}
    (home / "data" / "more.jsonl").write_text(json.dumps(row) + "\n")
    edit_pipeline(home, lambda spec: spec["sources"].append(spec["sources"][0] | {"path": "data/more.jsonl"}))


def no_database(home: Path) -> None:
    (home / ".zoo").mkdir()
    (home / ".zoo" / "mlflow.db").write_bytes(b"this is no database at all" * 100)


QUERY = ("query", "hello", "--domain", "tax", "--caller", "tax-service")

CASES = [
    Case("empty folder", unlink_letters, ("data/tax/*.jsonl: no file matches",)),
    Case("empty file", in_data("a.jsonl", ""), ("tax_domain: the sources hold no text",)),
    Case("only blank lines", in_data("a.jsonl", "\n\n\n"), ("the sources hold no text",)),
    Case(
        "only blank texts",
        in_data("a.jsonl", '{"title": "", "text": " ", "id": "1", "client_id": null}\n'),
        ("the sources hold no text",),
    ),
    Case("no such field", source(text="body"), ('no row has a field "body"', "fields of the first row")),
    Case("no such id field", source(id="idd"), ('no row has a field "idd" (did you mean "id"?)',)),
    Case(
        "no such column",
        both(in_data("a.csv", "title,text\na,b\n"), source(id=None, subject=None, text="txt")),
        ('a.csv: there is no column "txt" (did you mean "text"?)',),
    ),
    Case("binary file", in_data("a.jsonl", bytes(range(256))), ("a.jsonl:1: this is binary data",)),
    Case("truncated parquet", truncated_parquet, ("a.parquet: not a readable Parquet file",)),
    Case("text named parquet", in_data("a.parquet", "not parquet"), ("a.parquet: not a readable Parquet file",)),
    Case(
        "50 MB line",
        in_data("a.jsonl", b'{"text": "' + b"x" * 50_000_000 + b'"}\n'),
        ("1 of 1 rows cannot be read", "a.jsonl:1: the line is longer than 10,000,000 bytes"),
    ),
    Case("50 MB text file", in_data("a.txt", b"x" * 50_000_000), ("a.txt:1: the file is longer than",)),
    Case("invalid UTF-8", in_data("a.jsonl", b'{"text": "\xff\xfe"}\n'), ("a.jsonl:1: not UTF-8 at byte 10",)),
    Case("broken JSON", in_data("a.jsonl", '{"text": \n'), ("a.jsonl:1: not valid JSON",)),
    Case("JSON list", in_data("a.jsonl", '["a"]\n'), ("a.jsonl:1: not a JSON object but a list",)),
    Case(
        "truncated gzip",
        in_data("a.jsonl.gz", gzip.compress(rows(good=40).encode(), mtime=0)[:-30]),
        ("a.jsonl.gz: the file is truncated or corrupt",),
    ),
    Case("no gzip", in_data("a.jsonl.gz", "plain"), ("a.jsonl.gz:",)),
    Case("broken csv header", in_data("a.csv", '"a"b,text\n1,2\n'), ("a.csv:1: the header is not valid CSV",)),
    Case("no xz", in_data("a.jsonl.xz", "plain"), ("a.jsonl.xz: the file is truncated or corrupt",)),
    Case("no zstandard", in_data("a.jsonl.zst", "plain"), ("a.jsonl.zst:",)),
    Case(
        "half a surrogate pair",
        in_data("a.jsonl", json.dumps(bundled_rows(1)[0] | {"id": "\ud800"}) + "\n"),
        ("a.jsonl:1: half a surrogate pair",),
    ),
    Case("unknown suffix", both(in_data("a.docx", "x")), ('a.docx: the suffix ".docx" is no known format',)),
    Case(
        "one id for all",
        same_id_often,
        ("19 of 20 rows cannot be read", 'letters.jsonl:2: the id ("id") also stands at ', "with another text"),
    ),
    Case(
        "one id in two sources",
        same_id_in_two_sources,
        ("letters.jsonl:1: the id of this record also stands at", "more.jsonl:1 with another text"),
    ),
    Case(
        "misfiled record",
        in_data("a.jsonl", rows({**bundled_rows(1)[0], "id": "x", "domain": "support"})),
        ("a.jsonl:4:", 'says domain "support"', "move the record"),
    ),
    Case(
        "ragged csv",
        both(
            in_data("a.csv", "title,text,id,client_id\na,b\n"),
        ),
        ("a.csv:2: 2 values for 4 columns",),
    ),
    Case("too few records", in_data("a.jsonl", rows(good=1)), ("none falls into the", "split")),
    Case("source on no file system", source(path="nowhere://bucket/a.jsonl"), ("nowhere://bucket/a.jsonl:",)),
    Case(
        "pipeline YAML typo",
        pipeline(lambda s: s.update(sauces=s.pop("sources"))),
        ("tax_domain.yaml: sauces: unknown key", 'did you mean "sources"?'),
    ),
    Case(
        "pipeline no YAML", raw("pipelines/tax_domain.yaml", b"domain: [tax\n"), ("tax_domain.yaml:", "not valid YAML")
    ),
    Case("pipeline empty", raw("pipelines/tax_domain.yaml", b""), ("tax_domain.yaml: the pipeline file is empty",)),
    Case("pipeline not UTF-8", raw("pipelines/tax_domain.yaml", b"domain: t\xff\n"), ("not UTF-8 at byte 9",)),
    Case("no sources", pipeline(lambda s: s.update(sources=[])), ("tax_domain.yaml: sources:",)),
    Case("template with a format", source(text="{text:d}"), ("sources.0.text:", "is not a template")),
    Case("template with a number", source(text="{0}"), ("sources.0.text:", "is not a template")),
    Case(
        "language that is no code",
        pipeline(lambda s: s.update(curate={"language": ["english"]})),
        ("tax_domain.yaml: curate.language.0:",),
    ),
    Case(
        "near duplicates",
        pipeline(lambda s: s.update(curate={"dedup": {"naer": 0.8}})),
        ('curate.dedup.naer: unknown key (did you mean "near"?)',),
    ),
    Case(
        "quality of a set that there is not",
        pipeline(lambda s: s.update(curate={"quality": "gofer"})),
        ('curate.quality: no set of rules "gofer" (did you mean "gopher"?)',),
    ),
    Case(
        "everything is dropped",
        pipeline(lambda s: s.update(curate={"quality": {"sets": ["c4"], "limits": {"c4_sentences": [999, None]}}})),
        ("tax_domain: the steps of curate dropped all", "c4_sentences"),
    ),
    Case("bad template", source(text="{title"), ("sources.0.text:", "is not a template")),
    Case(
        "bad cron",
        pipeline(lambda s: s.update(refresh={"cron": "every sunday"})),
        ("refresh.cron:", "no cron expression"),
    ),
    Case("bad split", pipeline(lambda s: s.update(split={"validation": 2})), ("split.validation:",)),
    Case("vocabulary too small", pipeline(lambda s: s.update(tokenizer={"vocab_size": 3})), ("tokenizer.vocab_size:",)),
    Case(
        "unknown pipeline",
        lambda home: None,
        ('there is no pipeline "tax_domian" (did you mean "tax_domain"?)',),
        ("data", "build", "tax_domian"),
    ),
    Case("pipeline name with a path", lambda home: None, ("is no pipeline name",), ("data", "build", "../tax")),
    Case(
        "domain not in the policy",
        pipeline(lambda s: s.update(domain="legal")),
        ('the domain "legal" is not in the policy', "add it to zoo.yaml"),
    ),
    Case(
        "zoo.yaml typo",
        policy(lambda s: s["domains"]["tax"].update(reader=[])),
        ("zoo.yaml: domains.tax.reader: unknown key", 'did you mean "readers"?'),
    ),
    Case(
        "unknown operator",
        policy(lambda s: s["domains"]["tax"].update(pii={"US_SSN": "hash"})),
        ("domains.tax.pii:", '"hash" is no operator'),
    ),
    Case(
        "entity that nobody finds",
        policy(lambda s: s["domains"]["tax"].update(pii={"US_SSM": "redact"})),
        ("US_SSM", "US_SSN"),
    ),
    Case(
        "may not derive from itself",
        policy(lambda s: s["domains"]["tax"].update(may_derive_from=["public"])),
        ("may not derive from tax", "may_derive_from"),
    ),
    Case(
        "may derive from a misspelt domain",
        policy(lambda s: s["domains"]["tax"].update(may_derive_from=["tax", "suport"])),
        ('zoo.yaml: domains.tax.may_derive_from.1: there is no domain "suport" (did you mean "support"?)',),
    ),
    Case(
        "zoo.yaml missing",
        lambda home: (home / "zoo.yaml").unlink(),
        ("ZOO_HOME names a folder without zoo.yaml", "zoo init"),
    ),
    Case(
        "storage in object storage",
        policy(lambda s: s.update(storage="s3://bucket/x")),
        ("zoo.yaml: storage", "artifact_root"),
    ),
    Case("storage is a file", storage_is_a_file, ("cannot write",)),
    Case(
        "damaged version",
        corrupt_version,
        ("version.json: the dataset version is unreadable",),
        ("data", "show", "tax_domain"),
    ),
    Case(
        "shortened shard",
        short_shard,
        ("is missing or has another size", "build again"),
        ("data", "show", "tax_domain"),
    ),
    Case("lost key", lost_key, ("pseudonyms.key: the key of the pseudonyms is missing", "restore")),
    Case("damaged key", raw("keys/pseudonyms.key", b"zz"), ("a key is 64 hexadecimal digits",)),
    Case(
        "unknown family",
        lambda home: None,
        ('no model family "gtp" (did you mean "gpt"?)',),
        ("train", "gtp", "-p", "tax_domain"),
    ),
    Case("unknown size", lambda home: None, ('no size "nanno" (did you mean "nano"?)',), (*TRAIN, "--size", "nanno")),
    Case("unknown resume", lambda home: None, ("neither auto nor never",), (*TRAIN, "--resume", "maybe")),
    Case("database is no database", no_database, ("mlflow.db: this file is no MLflow database",), ("models",)),
    Case(
        "unreachable tracking server",
        policy(lambda s: s.update(tracking_uri="postgresql://localhost:1/mlflow")),
        ("postgresql",),
        ("models",),
    ),
    Case("show before build", lambda home: None, ('"tax_domain" was never built',), ("data", "show", "tax_domain")),
    Case("query without a model", lambda home: None, ('no model of the domain "tax"', "zoo train"), QUERY),
    Case("query by a stranger", lambda home: None, ("may not use models",), (*QUERY[:-1], "nobody")),
    Case(
        "query for another purpose", lambda home: None, ('may not be used for "sell"',), (*QUERY, "--purpose", "sell")
    ),
    Case("retrain without a model", lambda home: None, ("no model of the pipeline",), ("retrain", "tax_domain")),
    Case("init over a workspace", lambda home: None, ("there is a workspace here already",), ("init", ".")),
    Case("audit of no file", lambda home: None, ("nothing.jsonl",), ("audit", "pii", "nothing.jsonl")),
    Case(
        "no cron for the daemon",
        pipeline(lambda s: s.pop("refresh")),
        ("no pipeline has a refresh.cron",),
        ("schedule",),
    ),
]
