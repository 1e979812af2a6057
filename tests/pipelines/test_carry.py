"""`refresh: {mode: incremental}`: what the sources no longer have stays, and what may not stay does not."""

from __future__ import annotations

import datetime
import json
import random
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

import zoo
from governance import DataError
from pipelines import BuildResult, build
from pipelines.cards import read_card
from pipelines.place import REPLACED
from tests.support.workspace import make_workspace, write_jsonl
from zoo.workspace import Workspace

DAY = datetime.date(2026, 3, 1)
PIPELINE: dict[str, Any] = {
    "domain": "tax",
    "sources": [{"path": "data/tax/*.jsonl", "name": "letters", "id": "id", "subject": "who"}],
    "split": {"validation": 0.3, "test": 0.0},
    "refresh": {"mode": "incremental"},
}
WORDS = ("return", "income", "spouse", "deduction", "credit", "notice", "refund", "penalty", "estate", "gift", "audit")


def text(number: int) -> str:
    return " ".join(WORDS[(number * 5 + place * (number % 11 + 1)) % len(WORDS)] for place in range(20)) + f" {number}."


def policy(**domain: Any) -> dict[str, Any]:
    return {"domains": {"tax": {"owner": "o", "may_derive_from": ["tax"], "pii": "keep", **domain}}}


class Place:
    """A workspace whose files and rules change between builds."""

    def __init__(self, home: Path, **domain: Any) -> None:
        self.home = home
        make_workspace(home, records=0, policy=policy(**domain), pipeline=PIPELINE)

    @property
    def workspace(self) -> Workspace:
        return Workspace.load(self.home)

    def rule(self, **domain: Any) -> None:
        (self.home / "zoo.yaml").write_text(yaml.safe_dump(policy(**domain)))

    def pipeline(self, **changes: Any) -> None:
        (self.home / "pipelines" / "tax_domain.yaml").write_text(yaml.safe_dump({**PIPELINE, **changes}))

    def write(self, texts: Mapping[str, str], file: str = "tax/a") -> None:
        rows = [{"id": name, "text": said, "who": f"p-{name}"} for name, said in texts.items()]
        write_jsonl(self.home / "data" / f"{file}.jsonl", rows)

    def build(self, after_days: int = 0) -> BuildResult:
        w, day = self.workspace, DAY + datetime.timedelta(days=after_days)
        spec = w.pipeline("tax_domain")
        return build(spec, policy=w.policy, keys=w.keys, storage=w.storage, processes=1, today=day)

    def texts(self, built: BuildResult) -> dict[str, str]:
        return {name: said for split in ("train", "validation") for name, said in built.version.texts(split)}


FIRST = {f"r{number}": text(number) for number in range(30)}


@pytest.fixture
def place(tmp_path: Path) -> Place:
    place = Place(tmp_path / "w")
    place.write(FIRST)
    assert place.build().kept == 0
    return place


def without(*names: str, **more: str) -> dict[str, str]:
    return {name: said for name, said in FIRST.items() if name not in names} | more


def test_additions_and_updates_come_in_and_what_left_the_sources_stays(place: Place) -> None:
    today = without("r1", "r2", r3=text(103), r50=text(50))
    place.write(today)
    built = place.build()
    assert place.texts(built) == {**FIRST, **today}
    assert built.kept == 2 and built.changed == {"added": 1, "updated": 1, "removed": 0}
    again = place.build()
    assert again.reused and again.version.digest == built.version.digest and again.kept == 2
    place.write(without("r1", "r2", "r4", r3=text(103), r50=text(50)))
    third = place.build()
    assert third.kept == 3 and third.version.digest == built.version.digest, "the text is the same"
    place.write(without("r2", r1=text(1), r3=text(103)))
    assert place.build().kept == 2, "r1 is back, r2 and r50 are kept"


def test_the_card_tells_what_was_carried_over_from_what_was_read(place: Place) -> None:
    assert read_card(Path(place.build().card)).rows.carried == 0
    place.write(without("r1", "r2", r50=text(50)))
    built = place.build()
    rows = read_card(Path(built.card)).rows
    assert (rows.read, rows.kept, rows.carried) == (29, 29, 2)
    carried = {row["record_id"] for row in built.version.manifest().to_pylist() if row["carried"]}
    assert carried == {"r1", "r2"}
    assert "in no source any more" in Path(built.card).with_suffix(".html").read_text()
    place.write(without("r2", r50=text(50)))
    built = place.build()
    rows = read_card(Path(built.card)).rows
    assert (rows.kept, rows.carried) == (30, 1), "the text is that of the version before, its origin is not"
    assert {row["record_id"] for row in built.version.manifest().to_pylist() if row["carried"]} == {"r2"}


def test_a_snapshot_keeps_nothing(place: Place) -> None:
    place.write(without("r1"))
    place.pipeline(refresh={"mode": "snapshot"})
    built = place.build()
    assert built.kept == 0 and "r1" not in place.texts(built)
    place.pipeline()
    assert "r1" not in place.texts(place.build()), "what was gone once is gone"


def test_the_same_text_under_a_new_id_is_not_kept_twice(place: Place) -> None:
    place.write(without("r1", new=text(1)))
    built = place.build()
    assert built.kept == 0 and "new" in place.texts(built) and "r1" not in place.texts(built)


NOUNS = [
    f"{begin}{end}" for begin in ("lamp", "harbour", "ledger", "orchard", "violin") for end in ("", "s", "less", "ful")
]


def varied(seed: int, words: int = 60) -> str:
    return " ".join(random.Random(seed).choices(NOUNS, k=words))


@pytest.mark.parametrize(("near", "kept"), [(None, {"r1", "r2", "r3"}), (0.7, {"r2", "r3"})])
def test_what_is_like_a_record_of_today_is_not_kept(tmp_path: Path, near: float | None, kept: set[str]) -> None:
    place = Place(tmp_path / "w", pii={"default": "keep", "EMAIL_ADDRESS": "redact"})
    dedup = {"dedup": {"near": near}} if near else {}
    place.pipeline(curate=dedup)
    first = {f"r{number}": varied(number) for number in range(30)}
    # Two letters that differ in their addresses alone: one text when filtered, and still two letters.
    mails = [" ".join(f"{word}{number}@example.org" for word in NOUNS[:12]) for number in range(2)]
    first |= {f"r{number + 2}": f"{mail} {varied(90, 20)}" for number, mail in enumerate(mails)}
    first["r4"] = f"{mails[0].replace('0@', '7@')} {varied(90, 20)}"
    place.write(first)
    assert place.build().version.total_records == 30
    today = {name: said for name, said in first.items() if name not in {"r1", "r2", "r3"}}
    place.write({**today, "new": first["r1"].replace(first["r1"].split()[30], "changed", 1)})
    built = place.build()
    assert set(place.texts(built)) == {*today, "new", *kept} and built.kept == len(kept)
    place.write({**today, "newer": first["r2"].replace(first["r2"].split()[-5], "changed", 1)})
    built = place.build()
    left = kept if near is None else kept - {"r2"}
    assert set(place.texts(built)) == {*today, "new", "newer", *left}, "also what was carried over before is compared"


def test_a_record_that_its_source_has_emptied_is_not_kept(place: Place) -> None:
    place.write(without("r1", r2=" "))
    built = place.build()
    assert "r2" not in place.texts(built) and "r1" in place.texts(built) and built.kept == 1


def test_one_new_record_or_none_is_enough(place: Place) -> None:
    place.write({"new": text(60)})
    built = place.build()
    assert built.kept == 30 and place.texts(built) == {**FIRST, "new": text(60)}
    (place.home / "data" / "tax" / "a.jsonl").write_text("")
    built = place.build()
    assert built.kept == 31 and place.texts(built) == {**FIRST, "new": text(60)}


def test_a_suite_that_comes_later_holds_for_what_is_kept_as_well(place: Place) -> None:
    (place.home / "suites").mkdir()
    (place.home / "suites" / "qa.jsonl").write_text(json.dumps({"question": FIRST["r1"]}) + "\n")
    place.write(without("r1", "r2"))
    place.pipeline(curate={"decontaminate": ["suites/*.jsonl"]})
    built = place.build()
    assert "r1" not in place.texts(built) and "r2" in place.texts(built)


def test_a_subject_that_is_named_later_is_in_the_version(tmp_path: Path) -> None:
    place = Place(tmp_path / "w")
    source = {key: value for key, value in PIPELINE["sources"][0].items() if key != "subject"}
    place.pipeline(sources=[source])
    place.write(FIRST)
    first = place.build()
    place.pipeline()
    built = place.build()
    assert built.version.digest == first.version.digest
    assert all(row["subject"] for row in built.version.manifest(["subject"]).to_pylist()), "erasure asks for it"


def test_what_is_kept_may_be_all_that_there_is(tmp_path: Path) -> None:
    place = Place(tmp_path / "w", retention_days=30)
    late = {f"late{number}": text(300 + number) for number in range(30)}
    place.write(FIRST)
    place.build()
    place.write({**FIRST, **late})
    place.build(after_days=10)
    place.write(FIRST)
    built = place.build(after_days=31)
    assert built.kept == 30 and place.texts(built) == late
    with pytest.raises(DataError, match="dropped all records: retention 30"):
        place.build(after_days=41)


def test_what_is_erased_is_not_kept(place: Place) -> None:
    place.write(without("r1", "r2", "r3"))
    assert place.build().kept == 3
    zoo.erase(domain="tax", record="r1", workspace=place.workspace)
    zoo.erase(domain="tax", subject="p-r2", workspace=place.workspace)
    built = place.build()
    assert built.kept == 1 and {"r1", "r2"}.isdisjoint(place.texts(built)) and "r3" in place.texts(built)
    place.write(without("r1", "r2", "r3", "r4"))
    assert place.build().kept == 2


def test_other_rules_filter_what_is_kept_as_well(tmp_path: Path) -> None:
    place = Place(tmp_path / "w")
    place.write({**FIRST, "mail": "Write to bo@example.org about the form, or to 212-555-0142 about the fee."})
    place.build()
    place.write(FIRST)
    place.rule(pii={"default": "keep", "EMAIL_ADDRESS": "pseudonymize"})
    built = place.build()
    kept = place.texts(built)["mail"]
    assert kept.startswith("Write to <EMAIL_ADDRESS_") and "212-555-0142" in kept
    assert built.version.pii == {"EMAIL_ADDRESS": 1}
    place.rule(pii={"default": "keep", "EMAIL_ADDRESS": "pseudonymize", "PHONE_NUMBER": "redact"})
    built = place.build()
    assert place.texts(built)["mail"] == kept.replace("212-555-0142", "<PHONE_NUMBER>")
    assert built.version.pii == {"EMAIL_ADDRESS": 1, "PHONE_NUMBER": 1}, "what was replaced before is still counted"
    files = [path for path in (place.workspace.storage / "cache").rglob("*.parquet") if b"bo@ex" in path.read_bytes()]
    assert not files


def test_the_stand_ins_of_surrogates_stay_as_they_are(tmp_path: Path) -> None:
    place = Place(tmp_path / "w", pii={"default": "keep", "EMAIL_ADDRESS": "surrogate"})
    place.write({**FIRST, "mail": "Write to bo@example.org about the form."})
    first = place.texts(place.build())["mail"]
    place.write(FIRST)
    assert place.texts(place.build())["mail"] == first and "bo@example.org" not in first
    place.write(without("r1"))
    assert place.texts(place.build())["mail"] == first


def test_retention_holds_for_what_is_kept(tmp_path: Path) -> None:
    place = Place(tmp_path / "w", retention_days=30)
    place.write(FIRST)
    place.build()
    place.write({**without("r1"), "late": text(60)})
    assert place.build(after_days=10).kept == 1
    place.write({name: text(200 + number) for number, name in enumerate(without("r1"))} | {"new": text(70)})
    built = place.build(after_days=30)
    assert built.kept == 2 and {"r1", "late"} <= set(place.texts(built)), "30 days after its first"
    built = place.build(after_days=31)
    assert built.kept == 1 and "r1" not in place.texts(built) and "late" in place.texts(built)
    assert place.build(after_days=41).kept == 0


def test_a_source_that_leaves_the_pipeline_takes_its_records_along(place: Place) -> None:
    other = {"path": "data/other/*.jsonl", "name": "others", "id": "id"}
    place.write({"o1": text(80), "o2": text(81)}, file="other/a")
    place.pipeline(sources=[other, *PIPELINE["sources"]])
    assert "o1" in place.texts(place.build())
    place.write({"o2": text(81)}, file="other/a")
    place.write(without("r1"))
    built = place.build()
    assert built.kept == 2 and {"o1", "r1"} <= set(place.texts(built))
    place.pipeline()
    built = place.build()
    assert built.kept == 1 and "r1" in place.texts(built) and {"o1", "o2"}.isdisjoint(place.texts(built))


def test_records_of_another_domain_are_never_kept(place: Place) -> None:
    domains = policy()["domains"]
    other = {"owner": "o", "may_derive_from": ["legal"], "pii": "keep"}
    (place.home / "zoo.yaml").write_text(yaml.safe_dump({"domains": {**domains, "legal": other}}))
    place.pipeline(domain="legal")
    place.write(without("r1"))
    built = place.build()
    assert built.kept == 0 and "r1" not in place.texts(built) and built.version.label.to_list() == ["legal"]


def test_a_version_that_a_kill_left_moved_aside_comes_back(place: Place) -> None:
    """It is the only place in which kept records are."""
    place.write(without("r1"))
    whole = place.build()
    aside = whole.version.path.with_name(f"{REPLACED}{whole.version.path.name}")
    whole.version.path.rename(aside)
    again = place.build()
    assert again.version.digest == whole.version.digest and "r1" in place.texts(again) and not aside.exists()
    assert again.changed == {"added": 0, "updated": 0, "removed": 0}, "it was there before this build"


def test_a_build_that_broke_off_after_signing_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Signatures of what left the sources are gone from the cache then, and were taken before."""

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    place = Place(tmp_path / "w")
    place.pipeline(curate={"dedup": {"near": 0.7}})
    first = {f"r{number}": varied(number) for number in range(30)}
    place.write(first)
    place.build()
    words = first["r1"].split()
    today = {name: said for name, said in first.items() if name != "r1"} | {"new": " ".join([*words[:-1], "changed"])}
    place.write(today)
    module = sys.modules["pipelines.build"]
    for step in ("leave_near_duplicates", "point_latest"):
        with monkeypatch.context() as broken:
            broken.setattr(module, step, stop)
            with pytest.raises(KeyboardInterrupt):
                place.build()
    built = place.build()
    assert set(place.texts(built)) == set(today), "r1 is like the new one"
    assert not list((place.home / ".zoo" / "cache").rglob("taken-*")) and place.build().reused
