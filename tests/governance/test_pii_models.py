"""The spaCy model is the verified one, or there is one line that says how to get it."""

from __future__ import annotations

import dataclasses
import hashlib
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from governance import ConfigError, DetectorError, PiiRules
from governance.pii import check_rules, describe, entities_to_find
from governance.pii import models as models_module
from governance.pii.entities import NER_TYPES
from governance.pii.models import (
    INSTALL,
    PARSER,
    REINSTALL,
    REUPLOAD,
    VERIFIED,
    WEIGHTS,
    ModelInfo,
    find_model,
    load,
    load_parser,
    verify,
)


def test_the_installed_model_is_the_verified_one() -> None:
    info = find_model(REUPLOAD)
    assert verify(info) == verify(info)
    nlp, _ = load(info)
    assert nlp.pipe_names == ["ner"]  # nothing that is not needed is run


@pytest.mark.parametrize(
    ("name", "opened"), [*((name, load) for name in WEIGHTS), *((name, load_parser) for name in PARSER)]
)
def test_changed_files_are_refused(tmp_path: Path, name: str, opened: Callable[[ModelInfo], Any]) -> None:
    info = find_model(REUPLOAD)
    shutil.copytree(info.path, tmp_path / "model")
    changed = dataclasses.replace(info, path=tmp_path / "model")
    (changed.path / name).write_bytes((info.path / name).read_bytes() + b"\0")
    with pytest.raises(DetectorError, match=f"{name} is not the verified file") as error:
        opened(changed)
    assert REINSTALL in str(error.value)
    (changed.path / name).unlink()
    with pytest.raises(DetectorError, match="cannot be read"):
        opened(changed)


def test_the_parser_is_verified_in_all_of_its_files() -> None:
    info = find_model(REUPLOAD)
    parser = load_parser(info)
    assert parser.pipe_names == ["tok2vec", "tagger", "parser", "attribute_ruler"]
    files = {str(path.relative_to(info.path)) for name in parser.pipe_names for path in (info.path / name).rglob("*")}
    assert files == set(PARSER)


def test_the_filter_is_the_same_as_before_there_was_a_parser() -> None:
    """Its digest is part of each dataset's inputs."""
    weights = "".join(f"{name} {VERIFIED[name]}\n" for name in ("ner/model", "tok2vec/model"))
    assert verify(find_model(REUPLOAD)) == hashlib.sha256(weights.encode()).hexdigest()
    assert verify(find_model(REUPLOAD), PARSER) != verify(find_model(REUPLOAD))


def test_a_missing_model_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(models_module, "KNOWN", ("en_core_web_none",))
    with pytest.raises(DetectorError) as error:
        find_model()
    assert str(error.value).endswith(INSTALL) and "\n" not in str(error.value)
    with pytest.raises(DetectorError, match="pip install"):
        check_rules(PiiRules(default="redact"), where="zoo.yaml: domains.tax.pii")
    # rules that need no model pass without one
    check_rules(PiiRules(default="redact", rules=dict.fromkeys(NER_TYPES, "keep")), where="zoo.yaml")


def test_an_unknown_model_name_is_refused() -> None:
    with pytest.raises(DetectorError, match="did you mean"):
        find_model("en_core_web_smm")


def test_a_rule_for_a_type_that_nobody_finds_is_refused() -> None:
    rules = PiiRules(default="redact", rules={"EMAIL_ADRESS": "mask"})
    with pytest.raises((ConfigError, DetectorError), match=r"did you mean .EMAIL_ADDRESS.") as error:
        check_rules(rules, where="zoo.yaml: domains.tax.pii")
    assert "domains.tax.pii" in str(error.value) and "US_SSN" in str(error.value)


def test_kept_types_are_not_searched_for() -> None:
    rules = PiiRules(default="keep", rules={"US_SSN": "redact", "PERSON": "pseudonymize"})
    assert entities_to_find(rules) == {"US_SSN", "PERSON"}


def test_checking_rules_is_cheap_and_loads_nothing_heavy() -> None:
    code = (
        "import sys, time\n"
        "from governance import PiiRules\n"
        "from governance.pii import available_entities, check_rules\n"
        "rules = PiiRules(default='redact'); start = time.perf_counter()\n"
        "check_rules(rules, where='x'); available_entities(); seconds = time.perf_counter() - start\n"
        "assert seconds < 0.5, seconds\n"
        "heavy = {'spacy', 'presidio_analyzer', 'thinc', 'phonenumbers', 'faker'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    start = time.perf_counter()
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[2])
    assert time.perf_counter() - start < 20


def test_describe_names_model_and_rules() -> None:
    assert "en_core_web" in describe() and "US_SSN" in describe()
