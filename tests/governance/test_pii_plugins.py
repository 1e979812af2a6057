"""Recognizers of Presidio that a workspace brings along: found, filtered, fenced by gates that change nothing."""

from __future__ import annotations

import functools
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from governance import ConfigError, DetectorError, PiiRules
from governance.pii import PiiFilter, detector_for, entities_to_find, filter_fingerprint
from governance.pii.filter import check_rules
from governance.pii.own_code import _imported
from governance.pii.plugins import plugins_of
from governance.policy import RecognizerRegistry

KEY = b"k" * 32
BADGE: dict[str, Any] = {
    "name": "badges",
    "supported_entity": "EMPLOYEE_ID",
    "patterns": [{"name": "badge", "regex": r"\bE-\d{4}\b", "score": 0.2}],
    "context": ["badge"],
}
CODE_NAMES = {"name": "projects", "supported_entity": "PROJECT", "deny_list": ["Bluebird", "Red Kite"]}

FROM_PYTHON = '''
from presidio_analyzer import EntityRecognizer, RecognizerResult


class Verbs(EntityRecognizer):
    """Reads what Presidio's language engine says of each word."""

    def __init__(self):
        super().__init__(supported_entities=["VERB"], name="verbs")

    def load(self):
        pass

    def analyze(self, text, entities, nlp_artifacts):
        return [
            RecognizerResult("VERB", word.idx, word.idx + len(word), 0.9)
            for word in nlp_artifacts.tokens
            if word.pos_ == "VERB"
        ]


class NeedsMore(Verbs):
    def __init__(self, more):
        super().__init__()


def no_class():
    pass
'''


def rules(*recognizers: Any, **operators: Any) -> PiiRules:
    return PiiRules.model_validate({"default": "keep", "recognizers": list(recognizers), **operators})


def filtered(text: str, of: PiiRules) -> str:
    return PiiFilter(of, detector_for(of), KEY)([text])[0].text


def test_a_declared_recognizer_filters_by_the_rule_of_its_type() -> None:
    own = rules(BADGE, CODE_NAMES, EMPLOYEE_ID="redact", PROJECT="mask", EMAIL_ADDRESS="redact")
    text = "My badge is E-1234, I work on red kite; mail bo@example.org."
    assert filtered(text, own) == "My badge is <EMPLOYEE_ID>, I work on *** ****; mail <EMAIL_ADDRESS>."
    assert filtered(filtered(text, own), own) == filtered(text, own), "its tags are left alone"
    assert filtered("badge E-1234", rules(BADGE, EMPLOYEE_ID="keep")) == "badge E-1234"
    assert filtered("badge E-1234", rules(BADGE, EMPLOYEE_ID="pseudonymize")).startswith("badge <EMPLOYEE_ID_")


def test_the_default_rule_holds_for_its_types_as_well() -> None:
    of = PiiRules.model_validate({"default": "redact", "recognizers": [BADGE]})
    assert "EMPLOYEE_ID" in entities_to_find(of)
    assert filtered("Number E-1234.", of) == "Number <EMPLOYEE_ID>."


def test_words_around_a_finding_raise_its_score_as_in_presidio() -> None:
    registry = {"recognizers": [BADGE], "default_score_threshold": 0.4}
    of = PiiRules.model_validate({"default": "keep", "EMPLOYEE_ID": "redact", "recognizers": registry})
    assert filtered("My badge: E-1234", of) == "My badge: <EMPLOYEE_ID>"
    assert filtered("The part number E-1234", of) == "The part number E-1234"


def test_presidios_own_recognizers_are_named() -> None:
    of = rules("NhsRecognizer", {"name": "UsNpiRecognizer", "type": "predefined"}, UK_NHS="redact", US_NPI="redact")
    assert filtered("NHS 401-023-2137, NPI 1245319599", of) == "NHS <UK_NHS>, NPI <US_NPI>"
    assert filtered("NHS 401-023-2138", of) == "NHS 401-023-2138", "its check digit counts"


@pytest.fixture
def from_python(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    (tmp_path / "company_recognizers.py").write_text(FROM_PYTHON)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "company_recognizers", raising=False)
    _imported.cache_clear()
    return "company_recognizers"


def test_what_they_say_is_not_second_guessed() -> None:
    """A score of 1, and shapes that the model's findings may not have."""
    own = {"name": "agents", "supported_entity": "PERSON", "deny_list": ["agent K-17", "bob77x"]}
    assert filtered("Ask agent K-17 or bob77x today.", rules(own, PERSON="redact")) == "Ask <PERSON> or <PERSON> today."


def test_a_pattern_that_takes_too_long_stops_the_search(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("presidio_analyzer.pattern_recognizer.REGEX_TIMEOUT_SECONDS", 0.05)
    slow = {**BADGE, "patterns": [{"name": "slow", "regex": r"(a|aa)+$", "score": 0.5}]}
    with pytest.raises(DetectorError, match="gave up on a text: Regex pattern 'slow' timed out"):
        filtered("a" * 60 + "b", rules(slow, EMPLOYEE_ID="redact"))


def test_a_class_gets_what_presidios_language_engine_says(from_python: str) -> None:
    of = rules(f"{from_python}:Verbs", VERB="redact")
    assert filtered("She wrote a letter.", of) == "She <VERB> a letter."


@pytest.mark.parametrize(
    ("recognizer", "message"),
    [
        ("company_recognizers:Verb", "company_recognizers:Verb cannot be imported: module .* has no attribute"),
        ("company_recognisers:Verbs", "company_recognisers:Verbs cannot be imported: No module named"),
        ("company_recognizers:no_class", "is no EntityRecognizer of Presidio"),
        ("company_recognizers:NeedsMore", "cannot be made without arguments"),
        ("NoSuchRecognizer", "Presidio refuses this recognizer: .*NoSuchRecognizer"),
        ({**BADGE, "patterns": [{"name": "b", "regex": "E-(", "score": 0.5}]}, "Presidio refuses this recognizer"),
        ({**BADGE, "patterns": [{"name": "b", "regex": "E-", "score": 5}]}, "Presidio refuses this recognizer"),
        ({**BADGE, "supported_entity": "badge"}, '"badge" is no name of a type'),
        ({**BADGE, "supported_language": "de"}, "this recognizer is for another language than en"),
        ({**BADGE, "enabled": False}, "no recognizer is enabled"),
    ],
)
def test_what_is_wrong_with_one_is_said_before_data_is_read(
    recognizer: Any, message: str, from_python: str, tmp_path: Path
) -> None:
    of = rules({"name": "x", "supported_entity": "X_Y", "deny_list": ["xyz"], "enabled": False}, recognizer)
    with pytest.raises(ConfigError, match=message) as caught:
        check_rules(of, where="zoo.yaml: domains.tax.pii")
    assert "pii.recognizers" in str(caught.value) and "\n" not in str(caught.value)


def test_a_rule_for_a_type_that_nobody_finds_names_the_near_one() -> None:
    with pytest.raises(ConfigError, match=r'EMPLOYE_ID \(did you mean "EMPLOYEE_ID"'):
        check_rules(rules(BADGE, EMPLOYE_ID="redact"), where="zoo.yaml: domains.tax.pii")


def test_a_file_beside_the_workspace_is_read(tmp_path: Path) -> None:
    (tmp_path / "own.yaml").write_text(
        "recognizers:\n- {name: projects, supported_entity: PROJECT, deny_list: [Bluebird]}\n"
    )
    named = PiiRules.model_validate({"default": "keep", "PROJECT": "redact", "recognizers": "own.yaml"})
    with pytest.raises(ConfigError, match="was not read"):
        entities_to_find(named)
    read = named.read_recognizers(tmp_path)
    assert filtered("It is Bluebird.", read) == "It is <PROJECT>."
    assert (
        read.model_dump_json()
        == rules(
            {"name": "projects", "supported_entity": "PROJECT", "deny_list": ["Bluebird"]}, PROJECT="redact"
        ).model_dump_json()
    ), "where a declaration stands does not matter"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("recognisers: []\n", 'unknown key (did you mean "recognizers"?)'),
        ("recognizers: []\n", "recognizers: tuple should have at least 1 item"),
        ("recognizers: [{}]\nsupported_languages: [de]\n", "supported_languages.0: input should be 'en'"),
    ],
)
def test_a_wrong_file_is_named(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "own.yaml").write_text(text)
    named = PiiRules.model_validate({"recognizers": "own.yaml"})
    with pytest.raises(ConfigError) as caught:
        named.read_recognizers(tmp_path)
    assert "own.yaml" in str(caught.value)
    assert message.split(": ")[-1] in str(caught.value)


def test_what_they_find_is_part_of_the_filters_identity(from_python: str, tmp_path: Path) -> None:
    def identity(*recognizers: Any) -> str:
        return filter_fingerprint(rules(*recognizers, EMPLOYEE_ID="redact"), KEY)

    other = {**BADGE, "patterns": [{"name": "badge", "regex": r"\bE-\d{5}\b", "score": 0.2}]}
    assert identity(BADGE) == identity(BADGE)
    assert len({identity(BADGE), identity(other), identity(BADGE, CODE_NAMES)}) == 3
    of_class = identity(f"{from_python}:Verbs")
    (tmp_path / "company_recognizers.py").write_text(FROM_PYTHON.replace("VERB", "NOUN"))
    assert identity(f"{from_python}:Verbs") == of_class, "what runs is what was loaded"
    _imported.cache_clear()
    assert identity(f"{from_python}:Verbs") != of_class, "the code of a class decides, too"


@functools.cache
def of_presidio() -> tuple[RecognizerRegistry, Any]:
    """Recognizers of many forms, and an engine of Presidio's that runs them all on everything."""
    from presidio_analyzer import AnalyzerEngine
    from presidio_analyzer.recognizer_registry import RecognizerRegistryProvider

    from governance.pii.presidio import words_engine

    names = ("CreditCardRecognizer", "CryptoRecognizer", "IbanRecognizer", "NhsRecognizer", "UsSsnRecognizer")
    more = ("UsItinRecognizer", "UsBankRecognizer", "UsPassportRecognizer", "DateRecognizer", "IpRecognizer")
    odd = {"name": "odd", "supported_entity": "ODD", "patterns": []}
    odd["patterns"] = [
        {"name": "posix", "regex": r"q[[:digit:]]{2}", "score": 0.5},
        {"name": "fuzzy", "regex": r"(?:fuzzy){e<=1}", "score": 0.5},
        {"name": "possessive", "regex": r"(?<=no\. )a++b", "score": 0.5},
    ]
    own = [{"name": name, "type": "predefined"} for name in (*names, *more)] + [BADGE, CODE_NAMES, odd]
    provider = RecognizerRegistryProvider(
        registry_configuration={"supported_languages": ["en"], "global_regex_flags": 26, "recognizers": own}
    )
    engine = AnalyzerEngine(registry=provider.create_recognizer_registry(), nlp_engine=words_engine())
    return RecognizerRegistry(recognizers=tuple(own)), engine


FORMS = st.sampled_from(
    ["4111 1111 1111 1111", "219-09-9999", "DE89 3704 0044 0532 0130 00", "401-023-2137", "12/24/2019", "A12345678"]
    + ["10.0.0.1", "E-1234", "e-9876", "Bluebird", "RED KITE", "q12", "fuzy", "no. aab", "12345678", "2001:db8::1"]
    + ["1BvBMSEYstWetqTFn5Au4m4GFg7xJaNVN2", "900-72-1234", "1990-01-01", "İE-1234", "ſ", "badge", "bank", "passport"]
)


@settings(max_examples=150, deadline=None)
@given(st.lists(FORMS | st.text(max_size=12), max_size=8).map(" ".join))
@example("q12")
@example("a fuzy word")
def test_the_gates_change_nothing(text: str) -> None:
    registry, engine = of_presidio()
    plugins = plugins_of(registry)
    assert plugins is not None
    whole = engine.analyze(text, language="en")
    found = {(one.type, one.start, one.end, one.score) for one in plugins.find(text, plugins.entities)}
    assert found == {(one.entity_type, one.start, one.end, one.score) for one in whole}


def test_they_see_the_whole_of_a_long_text() -> None:
    """Presidio looks for context words before a match; a cut between the two would take them away."""
    registry = RecognizerRegistry(recognizers=(BADGE,), default_score_threshold=0.4)
    badges = PiiRules(default="keep", rules={"EMPLOYEE_ID": "redact"}, recognizers=registry)
    detector = detector_for(badges)
    for filler in range(3_960, 4_020):
        text = "x " * (filler // 2) + "badge\n\nE-1234 is what it says. " + "y " * 3_000
        assert [text[f.start : f.end] for f in detector.find([text])[0]] == ["E-1234"], filler


def test_most_texts_do_not_reach_presidio() -> None:
    """Else the gates were of no use."""
    plugins = plugins_of(rules(BADGE, CODE_NAMES).registry)
    assert plugins is not None
    assert not any(gate.is_open("The tax year ends in June.", plugins.entities) for gate in plugins._gates)
    assert [gate.is_open("It is E-1234.", plugins.entities) for gate in plugins._gates] == [True, False]
