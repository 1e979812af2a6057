"""How far an erasure reaches: the person in every place, and nobody else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from governance.erasure import TombstoneKey
from governance.errors import PolicyRefused
from governance.keys import Keys, keyed_hash
from governance.labels import Label
from governance.policy import Domain, Policy
from pipelines.build import BuildResult, build
from pipelines.curate.quality import SETS
from pipelines.erasure.find import Discovery, Searched, Target, find_records
from pipelines.erasure.remove import exclusions_of, stored_versions
from pipelines.erasure.rewrite import rewrite
from pipelines.erasure.store import add_tombstones
from pipelines.place import Place
from pipelines.spec import PipelineSpec
from tests.support.workspace import write_jsonl

KEYS = Keys(b"m" * 32)
OPEN = [None, None]
SHORT_LEAVE = {
    "sets": ["gopher"],
    "limits": {rule.name: OPEN for rule in SETS["gopher"]} | {"gopher_words": [10, None]},
}
FILTER = {"default": "keep", "EMAIL_ADDRESS": "redact", "US_SSN": "redact"}
POLICY = Policy(
    domains={
        "tax": Domain(owner="o", may_derive_from=["tax"], pii=FILTER),
        "support": Domain(owner="o", may_derive_from=["support", "tax"], pii="keep"),
        "pub": Domain(owner="o", may_derive_from=["pub", "support"], pii="keep"),
    }
)


def spec(folder: Path, name: str, domain: str, *sources: str, **more: Any) -> PipelineSpec:
    """Args: `sources` are files, or names of pipelines."""
    own = [
        {"path": one, "id": "id", "subject": "who"} if one.endswith(".jsonl") else {"pipeline": one} for one in sources
    ]
    content = {"domain": domain, "sources": own, "split": {"validation": 0.3, "test": 0.0}, **more}
    return PipelineSpec.model_validate(content).model_copy(update={"name": name, "folder": str(folder)})


def made(folder: Path, one: PipelineSpec) -> BuildResult:
    return build(one, policy=POLICY, keys=KEYS, storage=folder / "state", processes=1)


def search(folder: Path, target: Target, *specs: PipelineSpec) -> Discovery:
    storage = folder / "state"
    stored = list(stored_versions(storage))
    searched = [
        Searched(
            one.name,
            one.domain,
            one,
            tuple(version for version in stored if version.pipeline == one.name),
            exclusions_of(storage, one.name, one.domain),
        )
        for one in specs
    ]
    return find_records(target, searched, policy=POLICY, keys=KEYS, report=lambda *_: None)


def texts(prefix: str, count: int) -> list[dict[str, str]]:
    return [
        {"id": f"{prefix}{n}", "text": " ".join(f"{prefix}word{n}x{m}" for m in range(20)), "who": f"s{n}"}
        for n in range(count)
    ]


def test_letters_of_one_form_are_told_apart_where_only_filtered_text_is_left(tmp_path: Path) -> None:
    """Without names and numbers they are equal; the person's own second letter still leaves."""
    form = "Your number {n} was noted, and we write to {mail} again."
    rows = [
        {"id": f"r{n}", "text": form.format(n=f"219-09-{1000 + n}", mail=f"a{n}@example.org"), "who": f"s{n}"}
        for n in range(40)
    ]
    second = {"id": "again", "text": rows[7]["text"] + " Again.", "who": "nobody"}
    write_jsonl(tmp_path / "tax.jsonl", [*rows, second])
    tax = spec(tmp_path, "letters", "tax", "tax.jsonl", curate={"dedup": "none"})
    made(tmp_path, tax)
    write_jsonl(tmp_path / "tax.jsonl", texts("other", 3))
    found = search(tmp_path, Target("subject", "s7", "tax"), tax)
    assert (found.hits["letters"].named, found.hits["letters"].others) == ({"r7"}, {"again"})
    key, texts_key = TombstoneKey(KEYS.derive("tax", "tombstones")), KEYS.derive("tax", "texts")
    for row in (rows[7], second):  # under another id the same text does not come back either
        assert key.text(keyed_hash(texts_key, row["text"])) in found.tombstones["tax"].texts


def test_other_letters_of_the_form_are_carried_on(tmp_path: Path) -> None:
    """Filtered they are equal; the source has them no more, so that nobody could bring them back."""
    form = "Your number {n} was noted, and we write to {mail} again."
    rows = [
        {"id": f"r{n}", "text": form.format(n=f"219-09-{1000 + n}", mail=f"a{n}@example.org"), "who": f"s{n}"}
        for n in range(40)
    ]
    write_jsonl(tmp_path / "tax.jsonl", rows)
    tax = spec(tmp_path, "letters", "tax", "tax.jsonl", curate={"dedup": "none"}, refresh={"mode": "incremental"})
    made(tmp_path, tax)
    write_jsonl(tmp_path / "tax.jsonl", texts("other", 3))
    found = search(tmp_path, Target("subject", "s7", "tax"), tax)
    add_tombstones(tmp_path / "state", "tax", found.tombstones["tax"])
    built = made(tmp_path, tax)
    assert built.kept == 39 and built.version.total_records == 42


def test_the_same_name_in_another_domain_is_somebody_else(tmp_path: Path) -> None:
    write_jsonl(tmp_path / "tax.jsonl", texts("tax", 20))
    write_jsonl(tmp_path / "support.jsonl", texts("support", 20))
    tax, mixed = spec(tmp_path, "own", "tax", "tax.jsonl"), spec(tmp_path, "mixed", "support", "support.jsonl", "own")
    made(tmp_path, tax)
    made(tmp_path, mixed)
    for target in (Target("subject", "s7", "tax"), Target("record", "tax7", "tax")):
        found = search(tmp_path, target, tax, mixed)
        mine, other = found.hits["own"], found.hits["mixed"]
        assert mine.named | mine.others == {"tax7"} and other.named | other.others == {"own/tax7"}
        key = TombstoneKey(KEYS.derive("support", "tombstones"))
        theirs = keyed_hash(KEYS.derive("support", "subjects"), "s7").hex()
        assert key.subject(theirs) not in found.tombstones["support"].subjects
        assert key.record("mixed", "support7") not in found.tombstones["support"].records
        assert key.record("mixed", "own/tax7") in found.tombstones["support"].records
    alone = search(tmp_path, Target("subject", "s7", "tax"), mixed)
    assert alone.hits["mixed"].named == {"own/tax7"}, "also where the pipeline that it came from is gone"


def test_a_version_that_is_made_of_another_keeps_its_label(tmp_path: Path) -> None:
    """Else a domain could read through it what it may not."""
    write_jsonl(tmp_path / "tax.jsonl", texts("tax", 20))
    write_jsonl(tmp_path / "support.jsonl", texts("support", 20))
    tax, mixed = spec(tmp_path, "own", "tax", "tax.jsonl"), spec(tmp_path, "mixed", "support", "support.jsonl", "own")
    made(tmp_path, tax)
    version = made(tmp_path, mixed).version
    left = rewrite(mixed, version, Place(tmp_path / "state", "mixed"), lambda record_id, _: record_id == "own/tax7")
    assert left.label == version.label == Label.of("support", "tax")
    assert left.derived_from == version.derived_from and left.total_records == 39
    reads = spec(tmp_path, "public", "pub", "mixed")
    (tmp_path / "state" / "datasets" / "mixed" / "latest.json").write_text(f'{{"digest": "{left.digest}"}}')
    with pytest.raises(PolicyRefused, match="tax"):
        made(tmp_path, reads)


def test_what_was_only_left_out_is_found(tmp_path: Path) -> None:
    """By its id and by its subject, when the source does not have it any more."""
    short = {"id": "brief", "text": "Too short.", "who": "s99"}
    write_jsonl(tmp_path / "tax.jsonl", [*texts("tax", 20), short])
    tax = spec(tmp_path, "own", "tax", "tax.jsonl", curate={"quality": SHORT_LEAVE})
    result = made(tmp_path, tax)
    assert sum(result.dropped.values()), result.dropped
    write_jsonl(tmp_path / "tax.jsonl", texts("tax", 20))
    for target in (Target("subject", "s99", "tax"), Target("record", "brief", "tax")):
        assert search(tmp_path, target, tax).hits["own"].named == {"brief"}
