"""What MLflow serves compiles before the first request what it was told to expect."""

from __future__ import annotations

from importlib import import_module
from types import SimpleNamespace

import pytest

from governance.errors import ConfigError
from zoo.pyfunc_model import TextModel, batch_sizes


@pytest.mark.parametrize(("given", "warmed"), [("1,8", [[1, 8]]), (" 4", [[4]]), ("", []), (None, [])])
def test_batch_sizes_to_expect_are_warmed_up(
    monkeypatch: pytest.MonkeyPatch, given: str | None, warmed: list[list[int]]
) -> None:
    seen: list[list[int]] = []
    model = SimpleNamespace(text_model=SimpleNamespace(warm_up=lambda batch_sizes: seen.append(batch_sizes)))
    monkeypatch.setattr(import_module("zoo.load"), "open_folder", lambda folder: model)  # zoo.load is the verb
    monkeypatch.delenv("ZOO_WARM_UP", raising=False)
    if given is not None:
        monkeypatch.setenv("ZOO_WARM_UP", given)
    TextModel().load_context(SimpleNamespace(artifacts={"preset": "."}))
    assert seen == warmed


@pytest.mark.parametrize("given", ["many", "1,,8", "0", "1;8", "-1"])
def test_what_is_no_list_of_batch_sizes_is_refused(given: str) -> None:
    with pytest.raises(ConfigError, match=f'ZOO_WARM_UP: "{given}" is no list of batch sizes; write them as in 1,8'):
        batch_sizes(given)
