"""A domain with floors is not built before its present detectors have passed them on labelled text."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from governance import ConfigError, Domain, Keys, PiiFloors, PiiRules, Policy, PolicyRefused
from governance.pii.evaluate import PiiReport
from governance.pii.filter import check_rules
from governance.pii.floors import Measurement, shortfalls
from pipelines.inputs import find_inputs
from pipelines.measured import check_measured, record
from pipelines.spec import PipelineSpec
from zoo.cli.app import app

RULES = PiiRules(default="keep", rules={"US_SSN": "redact", "EMAIL_ADDRESS": "mask"})


def policy(floors: dict[str, float] | None, rules: PiiRules = RULES) -> Policy:
    given = PiiFloors.model_validate(floors) if floors is not None else None
    domain = Domain(owner="a", may_derive_from=["tax"], pii=rules, pii_floors=given)
    return Policy(domains={"tax": domain})


def measured(file: Path, recall: float = 1.0, rules: PiiRules = RULES, **totals: float) -> Measurement:
    types = {"US_SSN": {"gold": 9, "found": 9, "recall": recall, "precision": 1.0}}
    figures = {"span_recall": recall, "char_recall": 1.0, "char_precision": 1.0} | totals
    return Measurement.of(PiiReport(types, **figures, documents_per_second=1.0, documents=3), file, rules)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "labelled.jsonl"
    row = {"text": "my ssn is 219-09-9999.", "spans": [{"start": 10, "end": 21, "type": "US_SSN"}]}
    path.write_text(json.dumps(row) + "\n", encoding="utf-8")
    return path


SHORT = [
    ({"default": 0.9}, 0.8, "US_SSN 0.800 below 0.9"),
    ({"US_SSN": 0.95, "default": 0.1}, 0.9, "US_SSN 0.900 below 0.95"),
    ({"US_SSN": 0.9, "min_spans": 10}, 1.0, "US_SSN is labelled 9 times in the file, less than min_spans (10)"),
    ({"US_SSN": 0.9, "min_spans": 9}, 1.0, None),
    ({"EMAIL_ADDRESS": 0.5}, 1.0, "EMAIL_ADDRESS is not labelled"),
    ({"span_recall": 0.97}, 0.96, "span_recall 0.960 below 0.97"),
    ({"char_precision": 1.0, "default": 0.9}, 0.9, None),
    ({}, 0.0, None),
]


@pytest.mark.parametrize(("floors", "recall", "lacks"), SHORT)
def test_floors_are_held_against_what_was_measured(
    file: Path, floors: dict[str, float], recall: float, lacks: str | None
) -> None:
    found = list(shortfalls(PiiFloors.model_validate(floors), RULES, measured(file, recall)))
    assert found == [] if lacks is None else lacks in found[0]


def test_a_file_that_labels_nothing_that_is_filtered_measures_nothing(file: Path) -> None:
    rules = PiiRules(default="keep", rules={"IP_ADDRESS": "redact"})
    assert list(shortfalls(PiiFloors(), rules, measured(file, rules=rules)))


def test_a_labelled_type_that_no_detector_knows_is_below_any_floor(file: Path) -> None:
    """Else a misspelt type would take all of its spans away from the floor of the right one."""
    report = PiiReport({"US_SNN": {"gold": 9, "found": 0, "recall": 0.0, "precision": 1.0},
                        "US_SSN": {"gold": 1, "found": 1, "recall": 1.0, "precision": 1.0}},
                       1.0, 1.0, 1.0, documents_per_second=1.0, documents=3, unknown_types=("US_SNN",))  # fmt: skip
    of_file = Measurement.of(report, file, RULES)
    assert list(shortfalls(PiiFloors(default=0.9), RULES, of_file)) == ["US_SNN 0.000 below 0.9"]


def test_no_build_without_a_measurement_of_the_present_detectors(tmp_path: Path, file: Path) -> None:
    spec = PipelineSpec.model_validate({"domain": "tax", "sources": [{"path": "no/such/*.jsonl"}]})
    spec = spec.model_copy(update={"name": "tax_domain", "folder": tmp_path})
    with pytest.raises(PolicyRefused, match="no passing measurement.*zoo audit pii FILE --domain tax"):
        find_inputs(spec, policy=policy({"default": 0.9}), keys=Keys(b"k" * 32), storage=tmp_path)
    record(measured(file), domain="tax", storage=tmp_path)
    check_measured(policy({"default": 0.9}), "tax", tmp_path)
    check_measured(policy(None), "tax", tmp_path / "elsewhere")
    other = PiiRules(default="keep", rules={"US_SSN": "redact"})  # other detectors: not measured yet
    with pytest.raises(PolicyRefused, match="no passing measurement"):
        check_measured(policy({"default": 0.9}, other), "tax", tmp_path)


def test_a_floor_that_was_raised_and_a_file_that_was_edited_are_seen(tmp_path: Path, file: Path) -> None:
    path = record(measured(file, 0.92), domain="tax", storage=tmp_path)
    with pytest.raises(PolicyRefused, match=r"US_SSN 0\.920 below 0\.95"):
        check_measured(policy({"default": 0.95}), "tax", tmp_path)
    path.write_text(path.read_text().replace('"documents"', '"docs"'))
    with pytest.raises(PolicyRefused, match="no measurement"):
        check_measured(policy({"default": 0.9}), "tax", tmp_path)


@pytest.mark.parametrize(
    ("floors", "problem"), [({"URL": 0.9}, "URL is kept"), ({"US_SNN": 0.9}, "US_SNN is found by no")]
)
def test_a_floor_of_a_type_that_is_not_filtered_is_refused(floors: dict[str, float], problem: str) -> None:
    with pytest.raises(ConfigError, match=problem):
        check_rules(RULES, where="zoo.yaml: domains.tax.pii", floors=PiiFloors.model_validate(floors))


@pytest.mark.parametrize("floors", [{"defualt": 0.9}, {"PERSON": 1.2}, {"default": -0.1}])
def test_a_wrong_floor_is_no_policy(floors: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="floor|less than|greater than"):
        PiiFloors.model_validate(floors)


def test_the_audit_records_what_passes_and_refuses_what_does_not(
    tmp_path: Path, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    domain = "{owner: a, may_derive_from: [tax], pii: {default: keep, US_SSN: redact}, pii_floors: {default: 0.9}}"
    (tmp_path / "zoo.yaml").write_text(f"domains: {{tax: {domain}}}\n", encoding="utf-8")
    monkeypatch.setenv("ZOO_HOME", str(tmp_path))
    passed = CliRunner().invoke(app, ["audit", "pii", str(file), "--domain", "tax", "--json"])
    assert passed.exit_code == 0
    recorded = Path(json.loads(passed.stdout)["recorded"])
    assert recorded.is_file() and "219-09" not in recorded.read_text()
    recorded.unlink()
    missed = file.read_text().replace("219-09-9999", "219 number!")
    file.write_text(missed, encoding="utf-8")
    failed = CliRunner().invoke(app, ["audit", "pii", str(file), "--domain", "tax"])
    assert isinstance(failed.exception, PolicyRefused) and "US_SSN 0.000 below 0.9" in str(failed.exception)
    assert not recorded.exists()
