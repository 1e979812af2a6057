from __future__ import annotations

import json
import math
import signal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from governance.errors import BusyError, DataError, RegistryError
from registry import (
    GateResult,
    ModelVersion,
    Tracking,
    better_than_untrained,
    champion_of,
    computed,
    failed,
    gate_results,
    get_version,
    little_extraction,
    low_exposure,
    no_training_pii,
    not_worse_than_champion,
    promote_if_blessed,
    quarantine,
)
from tests.support.children import start_child
from tests.support.models import promote_killed_at, register_fake, start_run

TRIED = {"samples": 100, "prefix": 50, "length": 50}
GOOD = [better_than_untrained(8.0, 1.4), no_training_pii(0, generations=50)]
BAD = [better_than_untrained(8.0, 1.4), no_training_pii({"PERSON": 1}, generations=50)]


@pytest.mark.parametrize(
    ("result", "passed"),
    [
        (better_than_untrained(8.0, 1.4), True),
        (better_than_untrained(8.0, 8.0), False),
        (better_than_untrained(None, 1.4), False),
        (better_than_untrained(8.0, None), False),
        (better_than_untrained(8.0, math.nan), False),
        (better_than_untrained(math.inf, 1.4), False),
        (no_training_pii(0, generations=50), True),
        (no_training_pii({"PERSON": 0}, generations=50), True),
        (no_training_pii({}, generations=50), True),
        (no_training_pii({"PERSON": 1}, generations=50), False),
        (no_training_pii(0, generations=0), False),
        (no_training_pii(None, generations=50), False),
        (not_worse_than_champion(1.4, 1.4), True),
        (not_worse_than_champion(1.4, 1.41), False),
        (not_worse_than_champion(1.4, 1.41, tolerance=0.02), True),
        (not_worse_than_champion(None, 1.4), False),
        (not_worse_than_champion(1.4, None), False),
        (not_worse_than_champion(math.nan, 1.4), False),
        (not_worse_than_champion(math.inf, 1.4), False),
        (low_exposure([3.0, 10.0], limit=10, repeat=1), True),
        (low_exposure([3.0, 10.1], limit=10, repeat=1), False),
        (low_exposure([], limit=10, repeat=1), False),
        (low_exposure([math.nan], limit=10, repeat=1), False),
        (little_extraction(0.01, 0.0, limit=0.01, **TRIED), True),
        (little_extraction(0.02, 0.02, limit=0.01, **TRIED), False),  # the base rate is not taken off
        (little_extraction(math.nan, 0.0, limit=0.01, **TRIED), False),
        (little_extraction(0.0, 0.0, limit=0.01, **TRIED | {"samples": 0}), False),
        (failed("a", "b"), False),
    ],
)
def test_gates(result: GateResult, passed: bool) -> None:
    assert result.passed is passed
    json.dumps(result.to_json(), allow_nan=False)


@given(st.floats(allow_nan=True), st.floats(allow_nan=True))
def test_a_gate_never_passes_on_what_is_no_number(before: float, after: float) -> None:
    for gate in (better_than_untrained, not_worse_than_champion):
        if gate(before, after).passed:
            assert 0 <= after <= before < math.inf


def raising(error: Exception) -> GateResult:
    raise error


@pytest.mark.parametrize("error", [DataError("no validation records"), ValueError("Jane Doe"), OSError("x")])
def test_a_gate_that_cannot_be_computed_has_failed_and_quotes_nothing(error: Exception) -> None:
    result = computed("a", lambda: raising(error))
    assert not result.passed
    assert "Jane" not in json.dumps(result.to_json())


def version(tracking: Tracking, folder: Path, fingerprint: str = "f1") -> ModelVersion:
    with start_run(tracking, fingerprint) as run:
        return register_fake(run, folder)


def champion(tracking: Tracking) -> int | None:
    found = champion_of(tracking, "tax_domain.gpt")
    return None if found is None else found.version


def test_a_version_that_passed_becomes_champion_and_shows_why(tracking: Tracking, tmp_path: Path) -> None:
    first = version(tracking, tmp_path)
    for _ in range(2):
        assert promote_if_blessed(tracking, first, GOOD)
    fresh = get_version(tracking, first.name, 1)
    assert fresh.is_champion
    assert fresh.blessed
    assert gate_results(fresh) == sorted(GOOD, key=lambda result: result.name)


def test_a_version_that_failed_does_not(tracking: Tracking, tmp_path: Path) -> None:
    first = version(tracking, tmp_path)
    assert not promote_if_blessed(tracking, first, BAD)
    fresh = get_version(tracking, first.name, 1)
    assert (fresh.is_champion, fresh.blessed) == (False, False)
    assert promote_if_blessed(tracking, first, GOOD)


def test_without_gates_there_is_no_champion(tracking: Tracking, tmp_path: Path) -> None:
    with pytest.raises(RegistryError, match="no gate"):
        promote_if_blessed(tracking, version(tracking, tmp_path), [])


def test_a_challenger_must_have_been_compared_with_the_champion(tracking: Tracking, tmp_path: Path) -> None:
    first, second = version(tracking, tmp_path), version(tracking, tmp_path, "f2")
    assert promote_if_blessed(tracking, first, GOOD)
    assert not promote_if_blessed(tracking, second, GOOD)
    assert not promote_if_blessed(tracking, second, [*GOOD, not_worse_than_champion(1.3, 1.4, champion=1)])
    assert champion(tracking) == 1
    assert promote_if_blessed(tracking, second, [*GOOD, not_worse_than_champion(1.4, 1.3, champion=1)])
    assert champion(tracking) == 2


def test_a_former_champion_does_not_come_back_when_its_training_is_run_again(
    tracking: Tracking, tmp_path: Path
) -> None:
    first, second = version(tracking, tmp_path), version(tracking, tmp_path, "f2")
    promote_if_blessed(tracking, first, GOOD)
    promote_if_blessed(tracking, second, [*GOOD, not_worse_than_champion(1.4, 1.3, champion=1)])
    assert not promote_if_blessed(tracking, first, [*GOOD, not_worse_than_champion(1.3, 1.2, champion=2)])
    assert champion(tracking) == 2


def test_a_comparison_with_a_champion_of_yesterday_is_refused(tracking: Tracking, tmp_path: Path) -> None:
    first, second, third = (version(tracking, tmp_path, f"f{i}") for i in range(3))
    promote_if_blessed(tracking, first, GOOD)
    better = [*GOOD, not_worse_than_champion(1.4, 1.3, champion=1)]
    promote_if_blessed(tracking, second, better)
    with pytest.raises(BusyError, match="became champion while"):
        promote_if_blessed(tracking, third, better)
    assert champion(tracking) == 2


def test_a_quarantined_version_is_not_promoted(tracking: Tracking, tmp_path: Path) -> None:
    first = version(tracking, tmp_path)
    promote_if_blessed(tracking, first, GOOD)
    quarantine(tracking, first, "saw an erased record")
    assert champion(tracking) is None
    with pytest.raises(RegistryError, match="quarantined: saw an erased record"):
        promote_if_blessed(tracking, first, GOOD)


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("call", range(1, 6))
def test_killed_while_promoting_and_called_again(tracking: Tracking, tmp_path: Path, call: int, when: str) -> None:
    first = version(tracking, tmp_path)
    child = start_child(promote_killed_at, tracking.uri, GOOD, call, when)
    child.join(timeout=60)
    assert child.exitcode == -signal.SIGKILL
    half = get_version(tracking, first.name, 1)
    assert not half.is_champion or half.blessed
    assert promote_if_blessed(tracking, first, GOOD)
    whole = get_version(tracking, first.name, 1)
    assert (whole.is_champion, whole.blessed, len(gate_results(whole))) == (True, True, 2)
