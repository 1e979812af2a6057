"""Operators of Presidio that a policy names: what they do to a text, and which are refused before any data is read."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from governance import ConfigError, DetectorError, PiiRules, Policy
from governance.pii import PiiFilter, check_rules, detector_for, filter_fingerprint
from governance.pii.operators import replacer
from governance.pii.own_code import _imported
from governance.policy import PresidioOperator

KEY = b"k" * 32
MASK = {"operator": "mask", "masking_char": "#", "chars_to_mask": 4, "from_end": True}
FROM_PYTHON = """
import os

from presidio_anonymizer.operators import Operator, OperatorType


class Initials(Operator):
    def operate(self, text=None, params=None):
        return params["entity_type"][0] + "." + "".join(word[0].upper() + "." for word in text.split())

    def validate(self, params=None):
        if params.get("style", "plain") != "plain":
            raise ValueError("style is plain")

    def operator_name(self):
        return "initials"

    def operator_type(self):
        return OperatorType.Anonymize


class Dice(Initials):
    def operate(self, text=None, params=None):
        return os.urandom(8).hex()


class Lazy(Initials):
    def operate(self, text=None, params=None):
        return text


class Counter(Initials):
    def __init__(self):
        self.known = {}

    def operate(self, text=None, params=None):
        return "person " + str(self.known.setdefault(text, len(self.known)))


class Fails(Initials):
    def operate(self, text=None, params=None):
        return 1 / 0


class Nothing(Initials):
    def operate(self, text=None, params=None):
        return None


class Back(Initials):
    def operator_type(self):
        return OperatorType.Deanonymize


class NeedsMore(Initials):
    def __init__(self, more):
        pass


def no_class():
    pass
"""


@pytest.fixture
def own_operators(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    path = tmp_path / "own_operators.py"
    path.write_text(FROM_PYTHON)
    monkeypatch.syspath_prepend(tmp_path)
    yield path
    sys.modules.pop("own_operators", None)
    _imported.cache_clear()


def rules(**operators: Any) -> PiiRules:
    return PiiRules.model_validate({"default": "keep", **operators})


def filtered(text: str, of: PiiRules, key: bytes = KEY) -> str:
    return PiiFilter(of, detector_for(of), key)([text])[0].text


def refusal(rule: Any, entity: str = "EMAIL_ADDRESS") -> str:
    with pytest.raises(ConfigError) as error:
        check_rules(rules(**{entity: rule}), where="zoo.yaml: domains.hr.pii")
    return str(error.value)


@pytest.mark.parametrize(
    ("rule", "result"),
    [
        (MASK, "mail bo@example####"),
        ({**MASK, "masking_char": "g", "chars_to_mask": 1}, "mail <EMAIL_ADDRESS>"),
        ({"operator": "replace", "new_value": "[e-mail]"}, "mail [e-mail]"),
        ({"operator": "redact"}, "mail "),
        ({"operator": "mask", "masking_char": "x", "chars_to_mask": 99, "from_end": False}, "mail xxxxxxxxxxxxxx"),
    ],
)
def test_presidio_s_operators_do_what_they_do_there(rule: dict[str, Any], result: str) -> None:
    check_rules(rules(EMAIL_ADDRESS=rule), where="zoo.yaml")
    assert filtered("mail bo@example.org", rules(EMAIL_ADDRESS=rule)) == result


def test_a_hash_is_one_and_the_same_in_a_domain_and_another_elsewhere() -> None:
    of = rules(EMAIL_ADDRESS={"operator": "hash"})
    one = filtered("bo@example.org", of)
    assert re.fullmatch("[0-9a-f]{64}", one)
    assert filtered("bo@example.org", of) == one
    assert filtered("jo@example.org", of) != one
    assert filtered("bo@example.org", of, b"o" * 32) != one
    assert len(filtered("bo@example.org", rules(EMAIL_ADDRESS={"operator": "hash", "hash_type": "sha512"}))) == 128


def test_the_default_may_be_one() -> None:
    of = PiiRules.model_validate({"default": {"operator": "replace", "new_value": "[gone]"}})
    check_rules(of, where="zoo.yaml")
    assert filtered("SSN 219-09-9999, mail bo@example.org", of) == "SSN [gone], mail [gone]"


def test_an_operator_from_python_gets_the_type_and_its_parameters(own_operators: Path) -> None:
    of = rules(EMAIL_ADDRESS={"operator": "own_operators:Initials", "style": "plain"})
    check_rules(of, where="zoo.yaml")
    assert filtered("mail bo@example.org", of) == "mail E.B."


def test_it_is_part_of_what_a_filter_is(own_operators: Path) -> None:
    def fingerprint(rule: Any) -> str:
        return filter_fingerprint(rules(EMAIL_ADDRESS=rule), KEY)

    four, own = fingerprint(MASK), fingerprint({"operator": "own_operators:Initials"})
    assert len({four, fingerprint({**MASK, "chars_to_mask": 5}), fingerprint("mask"), own}) == 4
    own_operators.write_text(FROM_PYTHON + "\n# another version\n")
    assert fingerprint({"operator": "own_operators:Initials"}) == own, "what runs is what was loaded"
    _imported.cache_clear()
    assert fingerprint({"operator": "own_operators:Initials"}) != own


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ({"operator": "encrypt", "key": "k" * 16}, "the operator encrypt can be undone"),
        ({"operator": "decrypt"}, "brings personal data back"),
        ({"operator": "custom"}, "no YAML holds"),
        ({"operator": "keep"}, "write keep"),
        ({"operator": "maks"}, 'has no operator maks (did you mean "mask"?)'),
        ({**MASK, "from_ende": 1}, 'no parameter from_ende (did you mean "from_end"?)'),
        ({"operator": "redact", "hard": True}, "it has none"),
        ({"operator": "hash", "params": 5}, "the operator hash has no parameter params"),
        ({"operator": "mask"}, "refuses its parameters"),
        ({**MASK, "chars_to_mask": "four"}, "refuses its parameters"),
        ({**MASK, "chars_to_mask": 0}, "leaves a string as it is; write keep"),
        ({"operator": "hash", "salt": "s" * 16}, "no parameter salt; the domain's key is the salt"),
        ({"operator": "hash", "hash_type": "md5"}, "refuses its parameters"),
        ({"operator": "own_operators:Dice"}, "gives another result each time"),
        ({"operator": "own_operators:Counter"}, "gives another result each time"),
        ({"operator": "own_operators:Fails"}, "failed on a string of the type EMAIL_ADDRESS: ZeroDivisionError"),
        ({"operator": "own_operators:Nothing"}, "gives NoneType instead of a string"),
        ({"operator": "own_operators:Back"}, "does not anonymize"),
        ({"operator": "own_operators:NeedsMore"}, "cannot be made without arguments"),
        ({"operator": "own_operators:no_class"}, "is no Operator"),
        ({"operator": "own_operators:Absent"}, "cannot be imported"),
        ({"operator": "no_such_module:Absent"}, "install the package it is in"),
        ({"operator": "own_operators:Initials", "style": "fancy"}, "style is plain"),
    ],
)
def test_what_cannot_be_used_is_refused_before_any_data_is_read(rule: Any, expected: str, own_operators: Path) -> None:
    said = refusal(rule)
    assert said.startswith("zoo.yaml: domains.hr.pii.EMAIL_ADDRESS: ")
    assert expected in said and "\n" not in said


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ("maks", 'EMAIL_ADDRESS: "maks" is no operator'),
        ({"operatr": "mask"}, "EMAIL_ADDRESS: the mapping names no operator"),
        ({"operator": "mask", "chars_to_mask": [4]}, "EMAIL_ADDRESS.chars_to_mask: a parameter is a string"),
        (["mask"], "is no operator"),
    ],
)
def test_a_rule_of_another_form_is_named(rule: Any, expected: str) -> None:
    with pytest.raises(ValueError, match=re.escape(expected)):
        rules(EMAIL_ADDRESS=rule)


def test_a_result_that_is_no_string_stops_the_build(own_operators: Path) -> None:
    with pytest.raises(DetectorError, match="NoneType instead of a string"):
        replacer(PresidioOperator(operator="own_operators:Nothing"), "EMAIL_ADDRESS", KEY)("bo@example.org")


def test_a_string_that_comes_back_as_it_was_is_replaced_by_its_type(own_operators: Path) -> None:
    of = rules(EMAIL_ADDRESS={"operator": "own_operators:Lazy"})
    check_rules(of, where="zoo.yaml")
    assert filtered("mail bo@example.org", of) == "mail <EMAIL_ADDRESS>"


def test_a_text_of_which_nothing_would_be_left_says_what_it_was() -> None:
    of = rules(EMAIL_ADDRESS={"operator": "redact"})
    assert filtered("bo@example.org", of) == "<EMAIL_ADDRESS>"
    assert filtered("to bo@example.org", of) == "to "


def test_a_policy_with_one_is_read_as_it_was_written_and_tells_no_secret() -> None:
    rule = {"operator": "company:Hmac", "key": "s3cret"}
    domain = {"owner": "hr", "pii": {"default": MASK, "EMAIL_ADDRESS": rule, "US_SSN": "redact"}}
    policy = Policy.model_validate({"domains": {"hr": domain}})
    assert Policy.model_validate_json(policy.model_dump_json()) == policy
    said = policy.domains["hr"].pii.operators()
    assert said["US_SSN"] == "redact"
    assert said["default"] == "mask, chars_to_mask=4, from_end=True, masking_char=#"
    assert said["EMAIL_ADDRESS"] == "company:Hmac, key=…"
