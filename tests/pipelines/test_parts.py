"""Records of parts: written and read again, filtered together, with marks that move along."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from governance import ConfigError, DataError, PiiRules
from governance.pii import Detector, PiiFilter
from pipelines import BuildResult, build
from pipelines.curate.parts_filter import filter_records
from pipelines.curate.repair import repair_record
from pipelines.curate.stage import Staged, _check_counts
from pipelines.parts import PARTS, Span, check_spans, join_parts, plain_text, read_spans, split_parts, write_spans
from pipelines.spec import PipelineSpec
from tests.support.workspace import PIPELINE, POLICY, make_workspace, write_jsonl

contents = st.text(st.characters(exclude_characters="\x1e\x1f", exclude_categories=["Cs"]))


@given(st.dictionaries(st.sampled_from(PARTS), contents, min_size=1))
def test_parts_come_back(parts: dict[str, str]) -> None:
    assert split_parts(join_parts(parts)) == parts
    assert list(split_parts(join_parts(parts))) == [name for name in PARTS if name in parts]


def test_what_there_is_to_read() -> None:
    assert plain_text("a text") == "a text"
    record = join_parts({"answer": "yes", "prompt": "really?", "label": "x"})
    assert plain_text(record) == "really?\nyes"


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        ("x", "no list"),
        ([{"start": 0}], "no start"),
        ([{"start": 0, "end": 9, "type": "A"}], "inside"),
        ([{"start": 2, "end": 2, "type": "A"}], "inside"),
        ([{"start": 0, "end": 2, "type": "Ann Lee"}], "no word"),
        ([{"start": 0, "end": 2, "type": "123-45-6789"}], "no word"),
        ([{"start": 0, "end": 2, "type": "A"}, {"start": 1, "end": 3, "type": "B"}], "overlap"),
    ],
)
def test_marks_that_cannot_be(value: Any, problem: str) -> None:
    assert problem in str(check_spans(value, "a text"))


def test_repair_spares_texts_with_marks() -> None:
    parts = {"text": "cafÃ©  \n x", "spans": write_spans([Span(0, 5, "PLACE")])}
    assert repair_record(join_parts(parts)).record == join_parts(parts)
    assert split_parts(repair_record(join_parts({"text": "cafÃ©", "label": "x"})).record)["text"] == "café"


@pytest.fixture(scope="module")
def filter_() -> PiiFilter:
    rules = PiiRules(default="redact", rules={"PERSON": "pseudonymize", "ORGANIZATION": "keep"})
    return PiiFilter(rules, Detector.create(), b"k" * 32)


def test_a_name_is_one_in_all_parts(filter_: PiiFilter) -> None:
    parts = {"prompt": "Dear Ms. Anneke Vandersloot, your SSN is 219-09-9999.", "answer": "Vandersloot replied."}
    plain, whole = filter_records(["Mail bo@example.org", join_parts(parts)], filter_)
    assert plain == ("Mail <EMAIL_ADDRESS>", [("EMAIL_ADDRESS", "bo@example.org")])
    filtered = split_parts(whole[0])
    assert "<US_SSN>" in filtered["prompt"] and "219-09-9999" not in whole[0]
    assert "Anneke" not in whole[0] and "Vandersloot" not in whole[0]
    assert "<PERSON_" in filtered["answer"] and filtered["answer"].endswith("replied.")
    assert {kind for kind, _ in whole[1]} == {"PERSON", "TITLE", "US_SSN"}


def test_a_class_keeps_its_name_unless_it_has_a_form(filter_: PiiFilter) -> None:
    record = join_parts({"text": "nothing here", "label": "Goldman Sachs"})
    assert split_parts(filter_records([record], filter_)[0][0])["label"] == "Goldman Sachs"
    record = join_parts({"text": "nothing here", "label": "bo@example.org"})
    assert split_parts(filter_records([record], filter_)[0][0])["label"] == "<EMAIL_ADDRESS>"


TEXT = "Call Anneke Vandersloot in the north building at bo@example.org today."


@pytest.mark.parametrize(
    ("marked", "expected"),
    [
        ("Anneke Vandersloot", "<PERSON_"),
        ("Vandersloot", "<PERSON_"),
        ("north building", "north building"),
        ("today", "today"),
        ("building at bo", "building at <EMAIL_ADDRESS>"),
        ("Call", "Call"),
    ],
)
def test_marks_move_with_the_text(filter_: PiiFilter, marked: str, expected: str) -> None:
    start = TEXT.index(marked)
    parts = {"text": TEXT, "spans": write_spans([Span(start, start + len(marked), "X")])}
    filtered = split_parts(filter_records([join_parts(parts)], filter_)[0][0])
    (span,) = read_spans(filtered["spans"])
    found = filtered["text"][span.start : span.end]
    assert found.startswith(expected) if expected.endswith("_") else found == expected
    assert "Vandersloot" not in filtered["text"]


def source(**changes: Any) -> dict[str, Any]:
    parts = {"text": "text", "label": "category"}
    return PIPELINE | {"sources": [{"path": "data/tax/rows.jsonl", "parts": parts, "id": "id"} | changes]}


def build_rows(folder: Path, rows: list[dict[str, Any]], pipeline: dict[str, Any]) -> BuildResult:
    workspace = make_workspace(folder, records=0, policy=POLICY, pipeline=pipeline)
    write_jsonl(folder / "data" / "tax" / "rows.jsonl", rows)
    spec = workspace.pipeline("tax_domain")
    return build(spec, policy=workspace.policy, keys=workspace.keys, storage=workspace.storage, processes=1)


ROWS: list[dict[str, Any]] = [
    {"id": n, "text": f"question {n} of bo{n}@example.org", "category": f"kind_{n % 3}"} for n in range(60)
]


def test_a_version_holds_the_parts(tmp_path: Path) -> None:
    version = build_rows(tmp_path, ROWS, source()).version
    version.verify()
    stored = dict(version.parts("train"))
    assert all(parts["label"] == f"kind_{int(number) % 3}" for number, parts in stored.items())
    assert all("***" in parts["text"] and set(parts) == {"text", "label"} for parts in stored.values())
    assert dict(version.texts("train")) == {number: parts["text"] for number, parts in stored.items()}


def test_a_class_of_its_own_for_each_record_is_refused(tmp_path: Path) -> None:
    rows = [row | {"category": f"name {row['id']}"} for row in ROWS]
    with pytest.raises(DataError, match="label has 60 values in 60 records"):
        build_rows(tmp_path, rows, source())


def test_rows_without_a_part_are_set_aside(tmp_path: Path) -> None:
    rows: list[dict[str, Any]] = [
        *ROWS,
        {"id": 98, "text": "x", "category": None},
        {"id": 99, "text": " ", "category": "a"},
    ]
    result = build_rows(tmp_path, rows, source())
    assert result.quarantined == 1 and result.dropped == {"empty": 1}
    assert result.quarantine is not None and 'part label (\\"category\\")' in Path(result.quarantine).read_text()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"text": "text"}, "text or parts"),
        ({"parts": {"label": "category"}}, "must be text"),
        ({"parts": {"prompt": "text", "spans": "spans"}}, "part text"),
        ({"parts": {"text": "text", "spans": "{spans}"}}, "not a template"),
        ({"parts": {"txt": "text"}}, "parts"),
    ],
)
def test_parts_that_cannot_be(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        build_rows(tmp_path, ROWS, source(**changes))


def test_few_new_records_may_have_classes_when_there_are_more_of_them() -> None:
    spec = PipelineSpec.model_validate({"domain": "tax", "sources": [{"path": "x.jsonl"}]})
    staged = Staged(rows=1, records=1, labels={b"refund"})
    _check_counts(staged, spec, more=30)
    with pytest.raises(DataError, match="label has 1 values in 1 records"):
        _check_counts(staged, spec, more=0)
