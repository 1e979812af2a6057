"""Dataset versions: same input, same digest; nothing twice; walls; order and processes do not matter."""

from __future__ import annotations

import copy
import json
import os
import random
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from governance import ConfigError, DataError, Label, PolicyRefused
from pipelines import BuildResult, DatasetVersion, PipelineSpec, build, latest
from pipelines.tokens import tokenize
from tests.support.workspace import PIPELINE, POLICY, bundled_rows, make_workspace, write_jsonl
from zoo.workspace import Workspace


def run(workspace: Workspace, **options: Any) -> BuildResult:
    spec = workspace.pipeline("tax_domain")
    return build(spec, policy=workspace.policy, keys=workspace.keys, storage=workspace.storage, processes=1, **options)


def texts(version: DatasetVersion) -> dict[str, str]:
    return {name: text for split in ("train", "validation", "test") for name, text in version.texts(split)}


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> tuple[Workspace, BuildResult]:
    workspace = make_workspace(tmp_path_factory.mktemp("built") / "w", records=40)
    return workspace, run(workspace)


def test_it_is_a_tfds_data_set_that_opens_without_us(built: tuple[Workspace, BuildResult]) -> None:
    import tensorflow_datasets as tfds

    version = built[1].version
    source = tfds.builder_from_directory(str(version.path)).as_data_source(split="train")
    assert len(source) == version.records["train"] > 0
    assert set(source[0]) == {"id", "text"}
    assert sum(version.records.values()) == 40


def test_manifest_label_and_digest(built: tuple[Workspace, BuildResult]) -> None:
    version = built[1].version
    rows = version.manifest().to_pylist()
    assert {row["record_id"] for row in rows} == {row["id"] for row in bundled_rows(40)}
    assert all(row["label"] == ["tax"] and row["file"] == "data/tax/letters.jsonl" and row["row"] for row in rows)
    assert version.label == Label.of("tax") and len(version.digest) == 64
    assert all(len(row["subject"]) == 32 and not row["subject"].startswith("C-") for row in rows)
    version.verify()


def test_personal_data_is_gone_and_its_hashes_are_kept(built: tuple[Workspace, BuildResult]) -> None:
    workspace, result = built
    from governance.pii import pii_hash

    stored = texts(result.version)
    key = workspace.keys.derive("tax", "pii-hashes")
    hashes = result.version.pii_hashes()
    checked = 0
    for row in bundled_rows(40):
        for span in row["spans"]:
            value = row["text"][span["start"] : span["end"]]
            if span["type"] in ("US_SSN", "EMAIL_ADDRESS", "PHONE_NUMBER"):
                checked += 1
                assert value not in stored[row["id"]]
                assert pii_hash(key, span["type"], value) in hashes
    assert checked > 30


def test_the_second_build_does_no_work(built: tuple[Workspace, BuildResult]) -> None:
    workspace, first = built
    stages: list[str] = []
    second = run(workspace, report=lambda stage, done, total: stages.append(stage))
    assert second.reused and not first.reused and stages == []
    assert second.version == first.version
    assert latest(workspace.pipeline("tax_domain"), workspace.storage) == first.version


def test_order_of_rows_files_and_processes_do_not_matter(built: tuple[Workspace, BuildResult], tmp_path: Path) -> None:
    rows = bundled_rows(40)
    random.Random(1).shuffle(rows)
    other = make_workspace(tmp_path / "w", records=0)
    write_jsonl(other.home / "data" / "tax" / "b.jsonl", rows[:15])
    write_jsonl(other.home / "data" / "tax" / "a.jsonl", rows[15:])
    spec = other.pipeline("tax_domain")
    result = build(spec, policy=other.policy, keys=other.keys, storage=other.storage, processes=2)
    assert result.version.digest == built[1].version.digest
    names = sorted(path.name for path in result.version.path.glob("*array_record*"))
    for name in names:
        assert (result.version.path / name).read_bytes() == (built[1].version.path / name).read_bytes()


def test_two_processes_give_the_same_digest(
    built: tuple[Workspace, BuildResult], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipelines.curate.personal_data._SERIAL_CHARACTERS", 0)
    other = make_workspace(tmp_path / "w", records=40)
    spec = other.pipeline("tax_domain")
    result = build(spec, policy=other.policy, keys=other.keys, storage=other.storage, processes=2)
    assert result.version.digest == built[1].version.digest


def test_changes_are_counted_and_only_they_are_filtered(tmp_path: Path) -> None:
    workspace = make_workspace(tmp_path / "w", records=30)
    first = run(workspace)
    rows = bundled_rows(32)
    rows[0]["text"] = "Another text."
    del rows[5]
    write_jsonl(workspace.home / "data" / "tax" / "letters.jsonl", rows)
    filtered: list[int] = []
    second = run(workspace, report=lambda stage, done, total: stage.startswith("filter") and filtered.append(total))
    assert second.changed == {"added": 2, "updated": 1, "removed": 1}
    assert filtered[0] < 5_000, "three texts, not all"
    fresh = make_workspace(tmp_path / "fresh", records=0)
    write_jsonl(fresh.home / "data" / "tax" / "letters.jsonl", rows)
    assert run(fresh).version.digest == second.version.digest, "equal to a build from nothing"
    assert second.version.digest != first.version.digest
    cached = b"".join(path.read_bytes() for path in (workspace.storage / "cache").rglob("*.parquet"))
    assert cached, "the step cache is there"


def test_what_was_removed_leaves_the_step_cache(tmp_path: Path) -> None:
    import pyarrow.parquet as pq

    workspace = make_workspace(tmp_path / "w", records=10)
    run(workspace)
    write_jsonl(workspace.home / "data" / "tax" / "letters.jsonl", bundled_rows(9))
    run(workspace)
    cached = sum(pq.read_metadata(p).num_rows for p in (workspace.storage / "cache").rglob("bucket-*.parquet"))
    assert cached == 9


def test_exact_duplicates_leave_whatever_their_order(tmp_path: Path) -> None:
    rows = bundled_rows(12)
    copies = [row | {"id": f"copy-{number}"} for number, row in enumerate(rows[:3])]
    found = []
    for name, content in (("a", rows + copies), ("b", copies + rows)):
        workspace = make_workspace(tmp_path / name, records=0)
        write_jsonl(workspace.home / "data" / "tax" / "letters.jsonl", content)
        result = run(workspace)
        assert result.dropped == {"duplicate": 3}
        found.append(result.version.digest)
        kept = set(texts(result.version))
        assert {f"copy-{n}" for n in range(3)} <= kept, "the smallest id stays"
    assert found[0] == found[1]


def test_a_domains_data_and_another_ones_do_not_touch(built: tuple[Workspace, BuildResult], tmp_path: Path) -> None:
    workspace = make_workspace(tmp_path / "w", records=40)
    write_jsonl(workspace.home / "data" / "support" / "x.jsonl", bundled_rows(20, kind="support/tickets"))
    spec = replace_source(PIPELINE, domain="support", path="data/support/*.jsonl")
    (workspace.home / "pipelines" / "support_domain.yaml").write_text(json.dumps(spec))
    support = workspace.pipeline("support_domain")
    other = build(support, policy=workspace.policy, keys=workspace.keys, storage=workspace.storage, processes=1)
    assert other.version.label == Label.of("support")
    assert run(workspace).version.digest == built[1].version.digest
    first, second = (workspace.keys.derive(d, "pseudonyms") for d in ("tax", "support"))
    assert first != second


def replace_source(pipeline: dict[str, Any], *, domain: str, **fields: Any) -> dict[str, Any]:
    return pipeline | {"domain": domain, "sources": [pipeline["sources"][0] | fields]}


def misfile(workspace: Workspace) -> None:
    row = bundled_rows(1, start=50)[0] | {"domain": "support"}
    write_jsonl(workspace.home / "data" / "tax" / "z.jsonl", [row])


def edit_policy(change: Callable[[dict[str, Any]], None]) -> Callable[[Workspace], Workspace]:
    def edit(workspace: Workspace) -> Workspace:
        content = json.loads(json.dumps(POLICY))
        change(content)
        return make_workspace(workspace.home, records=5, policy=content)

    return edit


@pytest.mark.parametrize(
    ("spoil", "error", "message"),
    [
        (misfile, DataError, r"data/tax/z.jsonl:1: this record says domain .support.*move the record"),
        (edit_policy(lambda c: c["domains"].pop("tax")), PolicyRefused, "not in the policy; add it to zoo.yaml"),
        (
            edit_policy(lambda c: c["domains"]["tax"]["pii"].update(SHOE_SIZE="mask")),
            ConfigError,
            "zoo.yaml: domains.tax.pii.*SHOE_SIZE",
        ),
    ],
    ids=["misfiled", "no domain", "no detector"],
)
def test_walls_and_missing_parts_stop_before_anything_is_written(
    tmp_path: Path, spoil: Callable[[Workspace], Workspace | None], error: type[Exception], message: str
) -> None:
    workspace = make_workspace(tmp_path / "w", records=5)
    workspace = spoil(workspace) or workspace
    with pytest.raises(error, match=message):
        run(workspace)
    assert not list(workspace.storage.glob("datasets/*/*"))
    assert not list(workspace.storage.glob("work/*/*"))


def test_a_missing_spacy_model_stops_before_data_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The model is hidden from the search for installed packages, as if it had been uninstalled."""
    import importlib.util

    real = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *rest: None if name.startswith("en_core") else real(name, *rest)
    )
    workspace = make_workspace(tmp_path / "w", records=0)  # a source that is looked at raises another error
    from governance import DetectorError

    with pytest.raises(DetectorError, match="pip install en-core-web-sm"):
        run(workspace)


def test_another_text_in_a_shard_of_the_same_size_is_found(tmp_path: Path) -> None:
    import tensorflow_datasets as tfds
    from array_record.python.array_record_module import ArrayRecordWriter

    workspace = make_workspace(tmp_path / "w", records=20)
    version = run(workspace).version
    version.verify()
    features = tfds.builder_from_directory(str(version.path)).info.features
    records = [{"id": name, "text": text} for name, text in version.texts("train")]
    records[0]["text"] = records[0]["text"][::-1]
    shard = next(version.path.glob("*train*"))
    writer = ArrayRecordWriter(str(shard), "group_size:1")
    for record in records:
        writer.write(features.serialize_example(record))
    writer.close()
    with pytest.raises(DataError, match="the content's digest is"):
        version.verify()
    with pytest.raises(DataError, match="the content's digest is"):
        tokenize(version, kind="bpe", vocab_size=300, storage=workspace.storage)
    assert not list(workspace.storage.glob("token*/*"))


def test_an_id_or_a_file_name_that_is_personal_data_stays_outside(tmp_path: Path) -> None:
    import pyarrow.parquet as pq

    address = "erna.beispiel@example.org"
    rows = [{"id": f"{number}-{address}", "text": f"The form {number} is due."} for number in range(30)]
    workspace = make_workspace(tmp_path / "w", records=0)
    write_jsonl(
        workspace.home / "data" / "tax" / f"{address}.jsonl", [row | {"title": "T", "client_id": "C"} for row in rows]
    )
    version = run(workspace).version
    assert len(texts(version)) == 30 and all(len(name) == 32 for name in texts(version))
    for path in workspace.storage.rglob("*"):
        content = str(pq.read_table(path).to_pydict()).encode() if path.suffix == ".parquet" else b""
        content += path.read_bytes() if path.is_file() and path.name != "files.json" else b""
        assert address.encode() not in content, path


def test_what_older_rules_let_through_is_removed(tmp_path: Path) -> None:
    workspace = make_workspace(tmp_path / "w", records=20)
    run(workspace)
    loose = [path.name for path in (workspace.storage / "cache" / "tax_domain").glob("filtered-*")]
    stricter = copy.deepcopy(POLICY)
    stricter["domains"]["tax"]["pii"]["URL"] = "redact"
    run(make_workspace(tmp_path / "w", records=20, policy=stricter))
    now = [path.name for path in (workspace.storage / "cache" / "tax_domain").glob("filtered-*")]
    assert len(loose) == len(now) == 1 and loose != now


def test_another_repair_is_another_build(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    workspace = make_workspace(tmp_path / "w", records=20)
    run(workspace)
    assert run(workspace).reused
    monkeypatch.setattr(sys.modules["pipelines.inputs"], "repair_version", lambda: "another")
    assert not run(workspace).reused


def test_a_removed_version_is_built_again(tmp_path: Path) -> None:
    import shutil

    workspace = make_workspace(tmp_path / "w", records=20)
    first = run(workspace)
    shutil.rmtree(first.version.path)
    second = run(workspace)
    assert not second.reused and second.version.digest == first.version.digest
    next((workspace.storage / "datasets" / "tax_domain" / "inputs").glob("*.json")).write_text("{")
    assert run(workspace).version.digest == first.version.digest


def test_changes_are_counted_from_the_version_before(tmp_path: Path) -> None:
    workspace = make_workspace(tmp_path / "w", records=20)
    letters = workspace.home / "data" / "tax" / "letters.jsonl"
    first = run(workspace)
    write_jsonl(letters, bundled_rows(21))
    assert run(workspace).changed == {"added": 1, "updated": 0, "removed": 0}
    assert run(workspace).changed == {"added": 0, "updated": 0, "removed": 0}
    write_jsonl(letters, bundled_rows(20))
    back = run(workspace)
    assert back.version.digest == first.version.digest and back.changed == {"added": 0, "updated": 0, "removed": 1}


def test_a_name_with_brackets_and_an_explicit_domain_field(tmp_path: Path) -> None:
    pipeline = PIPELINE | {"sources": [PIPELINE["sources"][0] | {"domain_field": "dept"}]}
    workspace = make_workspace(tmp_path / "w", records=0, pipeline=pipeline)
    rows = bundled_rows(20)
    path = workspace.home / "data" / "tax" / "letters [2020].jsonl"
    write_jsonl(path, rows)
    with pytest.raises(DataError, match='no row has a field "dept"'):
        run(workspace)
    write_jsonl(path, [row | {"dept": "tax"} for row in rows])
    assert run(workspace).version.total_records == 20


@pytest.mark.slow
def test_a_script_without_a_guard_can_build_in_several_processes(tmp_path: Path) -> None:
    """`spawn` must not run the user's script again in each worker."""
    workspace = make_workspace(tmp_path / "w", records=20)
    script = tmp_path / "script.py"
    script.write_text(
        "import pipelines.curate.personal_data as module\n"
        "module._SERIAL_CHARACTERS = 0\n"
        "from pipelines import build\n"
        "from zoo.workspace import Workspace\n"
        "w = Workspace.current()\n"
        "result = build(w.pipeline('tax_domain'), policy=w.policy, keys=w.keys, storage=w.storage, processes=2)\n"
        "print('built', result.version.total_records)\n"
    )
    environment = os.environ | {"ZOO_HOME": str(workspace.home)}
    result = subprocess.run([sys.executable, script], env=environment, capture_output=True, text=True, timeout=200)
    assert result.returncode == 0, result.stderr[-2000:]
    assert result.stdout.count("built 20") == 1


def two_sources(workspace: Workspace, *names: str) -> Workspace:
    """The pipeline over two files of letters, each of which is a source, in this order."""
    paths = {"letters": "data/tax/letters.jsonl", "rest": "data/tax/rest.jsonl"}
    pipeline = copy.deepcopy(PIPELINE)
    pipeline["sources"] = [{**PIPELINE["sources"][0], "path": paths[name]} for name in names]
    (workspace.home / "pipelines" / "tax_domain.yaml").write_text(yaml.safe_dump(pipeline))
    return Workspace.load(workspace.home)


def test_each_record_and_document_knows_its_source(tmp_path: Path) -> None:
    workspace = make_workspace(tmp_path / "w", records=30)
    rest = write_jsonl(workspace.home / "data" / "tax" / "rest.jsonl", bundled_rows(12, start=30))
    of_rest = {row["id"] for row in map(json.loads, rest.read_text().splitlines())}
    made = []
    for names in (("letters", "rest"), ("rest", "letters"), ("letters", "rest")):
        workspace = two_sources(workspace, *names)
        version = run(workspace).version
        assert version.sources.names == names
        tokens = tokenize(version, kind="bpe", vocab_size=300, storage=workspace.storage)
        seen = 0
        for name in ("train", "validation"):
            split = tokens.split(name)
            assert split.sources is not None and split.sources.names == names
            records = list(version.texts(name))
            of_documents = [names[number] for number in split.sources.numbers]
            assert of_documents == ["rest" if record in of_rest else "letters" for record, _ in records]
            for number, source in enumerate(names):
                texts_of = [text for (_, text), of in zip(records, of_documents, strict=True) if of == source]
                assert split.sources.bytes[number] == sum(len(text.encode()) for text in texts_of)
                assert split.sources.documents()[source] == len(texts_of)
            seen += len(records)
        assert seen > 30
        made.append((version, tokens.folder))
    (first, folder), (second, other), (third, _) = made
    assert third.sources == first.sources, "a build that was made before is not taken for one with other sources"
    assert (first.digest, first.path) == (second.digest, second.path), "the text is the same"
    assert folder != other and first.sources != second.sources
    assert not list(first.path.parent.glob(".*"))


@pytest.mark.parametrize(
    ("sources", "names"),
    [
        ([{"path": "data/tax/*.jsonl"}], ["tax"]),
        ([{"path": "data/tax/letters.jsonl.gz"}], ["letters"]),
        ([{"path": "data/a/*.csv"}, {"path": "more/a/*.csv"}], ["a", "a-2"]),
        ([{"path": "x/*", "name": "a-2"}, {"path": "a/*"}, {"path": "b/a/*"}], ["a-2", "a", "a-3"]),
        ([{"path": "*.jsonl"}], ["source"]),
        ([{"path": "s3://bucket/My texts/**/*.txt"}], ["My-texts"]),
    ],
)
def test_names_of_sources(sources: list[dict[str, str]], names: list[str]) -> None:
    assert PipelineSpec.model_validate({"domain": "tax", "sources": sources}).source_names == names
