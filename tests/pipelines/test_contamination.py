"""Decontamination: what shares words in a row with an evaluation suite leaves, and nothing else does."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from governance import ConfigError, DataError
from pipelines import BuildResult, build
from pipelines.curate.contamination import Decontaminate, Suites, normalized
from pipelines.curate.steps import judges, versions
from pipelines.spec import CurateSpec, DecontaminateSpec, PipelineSpec
from tests.support.workspace import PIPELINE, bundled_rows, make_workspace, write_jsonl
from zoo.workspace import Workspace

QUESTION = "Which of these forms does a widow with two small children have to send to the office by April?"
TWELVE = "an answer of twelve words in all is looked for as a whole"
EIGHT = "eight words in a row are quite enough"
SEVEN = "seven words in a row are not"


def naive(text: str, items: list[str], ngram: int) -> bool:
    words = normalized(text).split()
    for item in items:
        wanted = normalized(item).split()
        length = min(ngram, len(wanted))
        grams = [wanted[at : at + length] for at in range(len(wanted) - length + 1)] if len(wanted) >= 8 else []
        if any(words[at : at + length] in grams for at in range(len(words) - length + 1)):
            return True
    return False


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (f"He asked: {QUESTION} Nobody knew.", True),
        ("which OF these -- forms does a «widow» with two small\nchildren have to", True),
        ("which of these forms does a widow with two small", False),  # ten words
        ("these forms does a widow with two small children have to send to them", True),
        ("these forms does a widow with two big children have to send to the office", False),
        (f"so {TWELVE} here", True),
        (TWELVE.replace("all", "sum"), False),
        (TWELVE.rpartition(" ")[0], False),
        (f"{EIGHT.upper()}!", True),
        (SEVEN, False),
        ("ﬁve words in a row are quite e\u0301nough", False),
        ("", False),
    ],
)
def test_what_counts_as_shared(text: str, found: bool) -> None:
    assert Suites(iter([QUESTION, TWELVE, EIGHT, SEVEN]), 13).found_in([text]) == [found]


def test_signs_and_case_and_forms_of_letters_do_not_matter() -> None:
    assert (
        normalized("Don’t “Stop”—Café_\u00a0ﬁne!") == normalized("don't stop cafe\u0301 FINE") == "don t stop café fine"
    )


WORDS = st.lists(st.sampled_from(["a", "ä"]), max_size=24).map(" ".join)


@settings(deadline=None, max_examples=150)
@given(st.lists(WORDS, max_size=4), st.lists(WORDS, max_size=6), st.integers(8, 11))
def test_it_agrees_with_a_naive_search(items: list[str], texts: list[str], ngram: int) -> None:
    assert Suites(iter(items), ngram).found_in(texts) == [naive(text, items, ngram) for text in texts]


def suite(folder: Path, *rows: object, name: str = "suite.jsonl") -> DecontaminateSpec:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text("".join(f"{json.dumps(row)}\n" for row in rows), encoding="utf-8")
    return _at(folder)


def _at(folder: Path) -> DecontaminateSpec:
    return DecontaminateSpec(suites=("*.jsonl",)).model_copy(update={"folder": str(folder)})


def test_a_batch_keeps_the_reasons_that_it_has(tmp_path: Path) -> None:
    spec = suite(tmp_path, {"doc": {"choices": ["no", QUESTION]}, "gold": 1})
    columns = {
        "text": pa.array([QUESTION, QUESTION, "x", f"\x1eprompt\x1fA\x1eanswer\x1f{QUESTION}"], pa.large_string()),
        "reason": pa.array(["known", None, None, None], pa.string()),
    }
    batch = Decontaminate(spec).process_batch(pa.RecordBatch.from_pydict(columns))
    assert batch.column("reason").to_pylist() == ["known", "contaminated", None, "contaminated"]


def test_the_version_follows_the_content(tmp_path: Path) -> None:
    spec = suite(tmp_path / "a", {"query": QUESTION})

    def version(spec: DecontaminateSpec) -> str:
        return versions(judges(CurateSpec().model_copy(update={"decontaminate": spec})))

    assert version(spec) == version(suite(tmp_path / "b", {"query": QUESTION}, name="other.jsonl"))
    found = {version(spec), version(spec.model_copy(update={"ngram": 10}))}
    found.add(version(suite(tmp_path / "b", {"query": f"{QUESTION}!"}, name="other.jsonl")))
    assert len(found) == 3


@pytest.mark.parametrize(("content", "message"), [("", "no file matches"), ("{", r"suite.jsonl:1.*cannot be read")])
def test_a_suite_that_is_missing_or_damaged_stops(tmp_path: Path, content: str, message: str) -> None:
    if content:
        (tmp_path / "suite.jsonl").write_text(content)
    with pytest.raises(DataError, match=message):
        Decontaminate(_at(tmp_path)).reason("x")


def run(workspace: Workspace) -> BuildResult:
    spec = workspace.pipeline("tax_domain")
    return build(spec, policy=workspace.policy, keys=workspace.keys, storage=workspace.storage, processes=1)


def test_a_build_drops_them_and_follows_the_suite(tmp_path: Path) -> None:
    pipeline = PIPELINE | {"curate": {"decontaminate": ["evaluate/*.jsonl"]}}
    workspace = make_workspace(tmp_path / "w", records=0, pipeline=pipeline)
    rows = bundled_rows(30)
    write_jsonl(workspace.home / "data" / "tax" / "letters.jsonl", rows)
    evaluate = workspace.home / "evaluate" / "qa.jsonl"
    write_jsonl(evaluate, [{"query": f"Question: {rows[3]['text'][:300]}", "gold": 0}])
    first = run(workspace)
    assert first.dropped["contaminated"] >= 1 and first.exclusions is not None
    left = {row["record_id"]: row["reason"] for row in pq.read_table(first.exclusions).to_pylist()}
    assert left[rows[3]["id"]] == "contaminated" and run(workspace).reused
    write_jsonl(
        evaluate, [{"query": "Nothing of the kind is asked in any of the letters, as far as one can see here."}]
    )
    second = run(workspace)
    assert not second.reused and second.dropped == {} and second.version.total_records == 30


def test_the_folder_is_the_workspaces(tmp_path: Path) -> None:
    path = tmp_path / "p.yaml"
    content = {"domain": "tax", "sources": [{"path": "x.jsonl"}], "curate": {"decontaminate": "a.jsonl"}}
    path.write_text(json.dumps(content))
    spec, other = (PipelineSpec.load(path, tmp_path / name) for name in ("a", "b"))
    assert spec.digest == other.digest and spec.curate.decontaminate is not None
    assert spec.curate.decontaminate.folder == str(tmp_path / "a")
    path.write_text(json.dumps(content | {"curate": {"decontaminate": {"suites": ["a"], "folder": "/"}}}))
    with pytest.raises(ConfigError, match="the folder is the workspace's"):
        PipelineSpec.load(path, tmp_path)
    with pytest.raises(ConfigError, match="ngram"):
        path.write_text(json.dumps(content | {"curate": {"decontaminate": {"suites": ["a"], "ngram": 5}}}))
        PipelineSpec.load(path, tmp_path)
