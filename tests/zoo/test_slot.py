"""What lies in the slot of a training says whose it is, or nobody's."""

from __future__ import annotations

from pathlib import Path

import pytest

from zoo.identity import Identity
from zoo.slot import is_claimed, training_slot

MODEL, MINE, OTHER = "tax_domain.gpt", Identity({"plan.steps": 3}), Identity({"plan.steps": 4})


def test_a_slot_is_claimed_by_what_lies_in_it(tmp_path: Path) -> None:
    assert not is_claimed(tmp_path, MODEL, "nano", MINE)
    with training_slot(tmp_path, MODEL, "nano", MINE, resume="auto"):
        assert is_claimed(tmp_path, MODEL, "nano", MINE)
        assert not is_claimed(tmp_path, MODEL, "nano", OTHER)


@pytest.mark.parametrize("content", ["", "[]", None], ids=["empty", "no object", "cannot be read"])
def test_what_cannot_be_read_is_of_nobody(tmp_path: Path, content: str | None) -> None:
    """As when another process clears the slot at this moment."""
    owner = tmp_path / "training" / MODEL / "nano" / "identity.json"
    owner.parent.mkdir(parents=True)
    if content is None:
        owner.mkdir()
    else:
        owner.write_text(content)
    assert not is_claimed(tmp_path, MODEL, "nano", MINE)
