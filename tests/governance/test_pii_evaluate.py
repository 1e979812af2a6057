"""The audit of a labelled file: how it counts, and what it says of a broken file."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from governance import DataError, PiiRules, ZooError
from governance.pii import Detector, Finding, detector_for, entities_to_find, evaluate
from governance.pii.entities import STRUCTURED_TYPES
from governance.pii.evaluate import Labelled, report

BUNDLED = Path(__file__).parents[2] / "pipelines" / "catalogue" / "data"


def test_half_of_a_span_is_enough_and_the_type_counts_in_the_table() -> None:
    row = Labelled("x" * 40, (Finding(0, 10, "PERSON", 1), Finding(20, 30, "LOCATION", 1)))
    findings = [Finding(0, 5, "PERSON", 1), Finding(20, 30, "ORGANIZATION", 1), Finding(34, 38, "URL", 1)]
    result = report([row], [findings], 3.0)
    assert result.span_recall == 1.0
    assert result.char_recall == 15 / 20
    assert result.char_precision == 1.0, "the file labels neither firms nor addresses, so it cannot judge them"
    judged = report([Labelled("x" * 40, (*row.spans, Finding(36, 37, "URL", 1)))], [findings], 3.0)
    assert judged.char_precision == 6 / 9
    assert result.types["PERSON"] == {"gold": 1, "found": 1, "recall": 1.0, "precision": 1.0}
    assert result.types["LOCATION"] == {"gold": 1, "found": 0, "recall": 0.0, "precision": 1.0}
    assert result.types["ORGANIZATION"]["precision"] == 0.0
    assert report([row], [[Finding(0, 4, "PERSON", 1)]], 1.0).span_recall == 0.0


def test_a_type_that_no_detector_knows_is_missed_and_named(tmp_path: Path) -> None:
    """Whatever is found in its place: a misspelt type must not pass for a good one."""
    path = tmp_path / "labelled.jsonl"
    spans = [{"start": 2, "end": 13, "type": entity} for entity in ("US_SNN", "US_SSN", "BLOOD_TYPE", "URL")]
    path.write_text(json.dumps({"text": "a 219-09-9999", "spans": spans}) + "\n", encoding="utf-8")
    detector = Detector.create(entities={"US_SSN"})
    everything, asked = evaluate(detector, path), evaluate(detector, path, {"US_SSN"})
    assert everything.unknown_types == asked.unknown_types == ("BLOOD_TYPE", "US_SNN")
    assert {name: row["recall"] for name, row in asked.types.items()} == {"BLOOD_TYPE": 0, "US_SNN": 0, "US_SSN": 1}
    assert (everything.span_recall, asked.span_recall) == (2 / 4, 1 / 3)


def test_a_type_that_a_recognizer_of_the_workspace_finds_is_known(tmp_path: Path) -> None:
    path = tmp_path / "labelled.jsonl"
    spans = [{"start": 0, "end": 6, "type": "EMPLOYEE_ID"}]
    path.write_text(json.dumps({"text": "E-1234", "spans": spans}) + "\n", encoding="utf-8")
    badge = {"supported_entity": "EMPLOYEE_ID", "patterns": [{"name": "badge", "regex": r"E-\d{4}", "score": 0.5}]}
    rules = PiiRules.model_validate({"default": "keep", "US_SSN": "redact", "recognizers": [{"name": "b", **badge}]})
    kept = evaluate(detector_for(rules), path, entities_to_find(rules))
    assert kept.unknown_types == () and kept.types == {}


GOOD = '{"text": "a 219-09-9999", "spans": [{"start": 2, "end": 13, "type": "US_SSN"}]}'
BAD = [
    ("{", "not a labelled row"),
    ('{"text": "a"}', "not a labelled row"),
    ("[1]", "not a labelled row"),
    ('{"text": 7, "spans": []}', "no string"),
    ('{"text": "abc", "spans": [{"start": 2, "end": 9, "type": "PERSON"}]}', "outside"),
    ('{"text": "abc", "spans": [{"start": 2, "end": 2, "type": "PERSON"}]}', "outside"),
    ('{"text": "abc", "spans": [{"start": "x", "end": 2, "type": "PERSON"}]}', "not a labelled row"),
]


@pytest.mark.parametrize(("row", "problem"), BAD)
def test_a_bad_row_is_named(tmp_path: Path, row: str, problem: str) -> None:
    path = tmp_path / "labelled.jsonl"
    path.write_text(f"{GOOD}\n{row}\n", encoding="utf-8")
    with pytest.raises(ZooError, match=problem) as error:
        evaluate(Detector.create(entities={"US_SSN"}), str(path))
    assert f"{path}:2" in str(error.value)


@pytest.mark.parametrize("content", [None, b"", b"\xff\xfe{}"])
def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "labelled.jsonl"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(DataError, match="labelled.jsonl"):
        evaluate(Detector.create(entities={"US_SSN"}), str(path))


def test_a_report_is_json(tmp_path: Path) -> None:
    path = tmp_path / "labelled.jsonl"
    path.write_text(GOOD + "\n", encoding="utf-8")
    content = evaluate(Detector.create(entities={"US_SSN"}), str(path)).to_json()
    assert json.loads(json.dumps(content))["span_recall"] == 1.0
    assert content["types"]["US_SSN"]["recall"] == 1.0 and content["documents_per_second"] > 0


def test_no_structured_string_of_the_bundled_text_is_missed() -> None:
    """Every character of it, not half: a masked or redacted string must not be left in part."""
    detector = Detector.create(entities=STRUCTURED_TYPES)
    rows = [json.loads(line) for path in sorted(BUNDLED.glob("*/*.jsonl")) for line in _every(path, 8)]
    left = []
    for row, findings in zip(rows, detector.find([row["text"] for row in rows]), strict=True):
        covered = {position for f in findings for position in range(f.start, f.end)}
        spans = [s for s in row["spans"] if s["type"] in STRUCTURED_TYPES]
        left += [s["type"] for s in spans if not covered.issuperset(range(s["start"], s["end"]))]
    assert left == []


def _every(path: Path, step: int) -> list[str]:
    return path.read_text(encoding="utf-8").splitlines()[::step]


def test_names_of_the_bundled_text_are_found() -> None:
    rows = [json.loads(line) for path in sorted(BUNDLED.glob("*/*.jsonl")) for line in _every(path, 60)]
    gold = [Labelled(r["text"], tuple(Finding(s["start"], s["end"], s["type"], 1.0) for s in r["spans"])) for r in rows]
    result = report(gold, Detector.create().find([row.text for row in gold]), 1.0)
    assert result.span_recall >= 0.97 and result.char_precision >= 0.90
    filtered = {entity: row for entity, row in result.types.items() if row["gold"] and entity != "ORGANIZATION"}
    assert len(filtered) > 10 and not {entity: row for entity, row in filtered.items() if row["recall"] < 0.90}
    assert result.types["PERSON"]["precision"] > 0.9
