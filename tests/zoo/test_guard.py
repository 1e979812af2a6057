"""What a model answers passes the domain's rules for personal data, in whatever pieces it comes."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import zoo
from governance import PiiRules
from governance.pii import PiiFilter, detector_for
from registry import Tracking
from tests.support.models import register_fake, start_run
from tests.support.workspace import POLICY, make_workspace
from zoo.guard import Guarded, guard
from zoo.workspace import Workspace

RULES = PiiRules(default="keep", rules={"EMAIL_ADDRESS": "mask", "US_SSN": "redact", "PHONE_NUMBER": "redact"})
SAID = "Write to bo@example.org. Or call 212-555-0142!\nThe SSN is 219-09-9999, she said. So it is."


@pytest.fixture(scope="module")
def pii_filter() -> PiiFilter:
    return PiiFilter(RULES, detector_for(RULES), b"k" * 32)


def through(pii_filter: PiiFilter, pieces: list[str], prompt: str = "") -> tuple[str, dict[str, int]]:
    guarded = Guarded(pii_filter, prompt)
    return "".join(guarded(pieces)), dict(guarded.replaced)


def test_what_the_rules_replace_is_replaced_and_counted(pii_filter: PiiFilter) -> None:
    safe = "Write to **@*******.***. Or call <PHONE_NUMBER>!\nThe SSN is <US_SSN>, she said. So it is."
    counts = {"EMAIL_ADDRESS": 1, "PHONE_NUMBER": 1, "US_SSN": 1}
    guarded = Guarded(pii_filter, "")
    assert (guarded.whole(SAID), guarded.replaced) == (safe, counts)
    assert through(pii_filter, [SAID]) == (safe, counts)


@pytest.mark.parametrize("pieces", [["Adler 12\n60311 Frankfurt"], list("Live at\nAdler 12\n60311 Frankfurt\nBye.")])
def test_an_address_that_the_next_line_tells_is_replaced(pieces: list[str]) -> None:
    rules = PiiRules(default="keep", rules={"STREET_ADDRESS": "redact"})
    of_addresses = PiiFilter(rules, detector_for(rules), b"k" * 32)
    assert "Adler 12" not in through(of_addresses, pieces)[0]
    assert "Adler 12" not in Guarded(of_addresses, "").whole("".join(pieces))


def test_what_the_prompt_holds_may_be_said(pii_filter: PiiFilter) -> None:
    text, counts = through(pii_filter, [SAID], "what is ssn 219-09-9999?")
    assert "219-09-9999" in text and counts == {"EMAIL_ADDRESS": 1, "PHONE_NUMBER": 1}
    assert "219-09-9999" not in through(pii_filter, [SAID], "is 1219-09-99990 one?")[0], "not a part of another"


PARTS = ["bo@example.org", "212-555-0142", "219-09-9999", ". ", "! ", "\n", " and ", "St. ", "he ", "1.5 ", " "]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.sampled_from(PARTS), max_size=12).map("".join), st.data())
def test_pieces_read_like_the_whole(pii_filter: PiiFilter, said: str, data: st.DataObject) -> None:
    cuts = sorted(data.draw(st.lists(st.integers(0, len(said)), max_size=6)))
    pieces = [said[start:end] for start, end in zip([0, *cuts], [*cuts, len(said)], strict=True)]
    assert through(pii_filter, pieces) == through(pii_filter, [said])


def test_a_sentence_is_passed_on_when_it_is_over(pii_filter: PiiFilter) -> None:
    waited: list[str] = []

    def pieces() -> Iterator[str]:
        for piece in ("Mail bo@exa", "mple.org. ", "Now", " go.\n", "One.\n", "Two.\n", "Bye"):
            yield piece
            waited.append(piece)

    heard = [(said, len(waited)) for said in Guarded(pii_filter, "")(pieces())]
    assert heard == [("Mail **@*******.***. ", 4), ("Now go.\n", 5), ("One.\nTwo.\nBye", 7)]


def workspace_of(tmp_path: Path, template: Path, **domain: Any) -> Workspace:
    policy = {**POLICY, "domains": {"tax": {**POLICY["domains"]["tax"], **domain}}}
    workspace = make_workspace(tmp_path / "w", records=0, policy=policy, database=template)
    tracking = Tracking(workspace.tracking_uri, workspace.artifact_root)
    with start_run(tracking) as run:
        register_fake(run, tmp_path / "trained")
    for tag in ("zoo.blessed",):
        tracking.client.set_model_version_tag("tax_domain.gpt", "1", tag, "true")
    tracking.client.set_registered_model_alias("tax_domain.gpt", "champion", "1")
    return workspace


@pytest.mark.parametrize("streamed", [False, True])
def test_a_query_is_guarded(
    tmp_path: Path, mlflow_template: Path, monkeypatch: pytest.MonkeyPatch, streamed: bool
) -> None:
    workspace = workspace_of(tmp_path, mlflow_template, pii=RULES.rules | {"default": "keep"})
    says = SimpleNamespace(generate=lambda *_, **__: SAID, stream=lambda *_, **__: iter(SAID))
    monkeypatch.setattr(import_module("zoo.query"), "open_version", lambda *_: says)
    heard: list[str] = []
    answer = zoo.query(
        "To 212-555-0142:",
        domain="tax",
        caller="tax-service",
        workspace=workspace,
        on_text=heard.append if streamed else None,
    )
    assert answer.text == SAID.replace("bo@example.org", "**@*******.***").replace("219-09-9999", "<US_SSN>")
    assert answer.to_json()["replaced"] == {"EMAIL_ADDRESS": 1, "US_SSN": 1}
    assert not streamed or ("".join(heard) == answer.text and len(heard) == 2)


@pytest.mark.parametrize("domain", [{"pii": "keep"}, {"pii": "redact", "guard_answers": False}])
def test_a_policy_may_leave_it_out(tmp_path: Path, domain: dict[str, Any]) -> None:
    policy = {"domains": {"tax": {"owner": "o", "may_derive_from": ["tax"], **domain}}}
    assert guard(make_workspace(tmp_path, records=0, policy=policy), "tax", "Hello") is None
