"""What was erased does not come back, whatever the source says."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from governance.erasure import TombstoneKey, Tombstones
from governance.errors import DataError
from governance.keys import Keys
from governance.policy import Domain, Policy
from pipelines.build import build
from pipelines.curate.buckets import BUCKETS, read_bucket
from pipelines.curate.erased import Barred, drop_erased
from pipelines.curate.identify import Identifier, detector_of_names
from pipelines.curate.likeness import _siphash, keyed_signatures, known, pack, unpack
from pipelines.curate.stage import stage
from pipelines.erasure.find import Searched, Target, find_records
from pipelines.erasure.store import Place, add_tombstones, read_tombstones
from pipelines.sources import list_items
from pipelines.spec import PipelineSpec
from tests.support.traces import traces
from tests.support.workspace import write_jsonl

KEYS = Keys(b"m" * 32)
POLICY = Policy(domains={"notes": Domain(owner="o", may_derive_from=["notes"], pii="keep")})
WORDS = [f"w{number}" for number in range(400)]


def pipeline(folder: Path, near: float | None, name: str = "notes") -> PipelineSpec:
    dedup: Any = "exact" if near is None else {"near": near}
    spec = {
        "domain": "notes",
        "sources": [{"path": "notes.jsonl", "id": "id", "subject": "who"}],
        "curate": {"dedup": dedup},
        "split": {"validation": 0.3, "test": 0.0},
    }
    return PipelineSpec.model_validate(spec).model_copy(update={"name": name, "folder": str(folder)})


def corpus(seed: int, size: int = 24) -> list[dict[str, str]]:
    """Texts of which each third is an exact or a near duplicate of an earlier one, of somebody else."""
    dice = random.Random(seed)
    rows: list[dict[str, str]] = []
    for number in range(size):
        words = dice.choices(WORDS, k=60)
        if rows and number % 3:
            words = dice.choice(rows)["text"].split()
            if number % 3 == 2:
                words[dice.randrange(len(words))] = f"changed{number}"
        rows.append({"id": f"r{number}", "text": " ".join(words), "who": f"s{dice.randrange(5)}"})
    dice.shuffle(rows)
    return rows


def staged_after_erasure(spec: PipelineSpec, folder: Path, stones: Tombstones) -> tuple[set[str], int]:
    """Ids that are left when a build stages the present source, and how many left."""
    (folder / "staged").mkdir(parents=True)
    sources = [(source, item) for source in spec.sources for item in list_items(source, spec.folder)]
    identify = Identifier(
        spec,
        text_key=KEYS.derive("notes", "texts"),
        subject_key=KEYS.derive("notes", "subjects"),
        detector=detector_of_names(POLICY, "notes"),
    )
    barred = Barred.of(spec, stones, TombstoneKey(KEYS.derive("notes", "tombstones")))
    names = {"identify": identify, "barred": barred, "report": lambda *_: None}
    stage(spec, sources, folder / "staged", folder / "quarantine", **names)
    dropped = drop_erased(folder / "staged", barred)
    left = [read_bucket(folder / "staged", bucket, ["id"]).column("id").to_pylist() for bucket in range(BUCKETS)]
    return {record_id for ids in left for record_id in ids}, dropped


def search(spec: PipelineSpec, target: Target) -> tuple[set[str], set[str], Tombstones]:
    searched = [Searched(spec.name, "notes", spec, ())]
    found = find_records(target, searched, policy=POLICY, keys=KEYS, report=lambda *_: None)
    return found.hits[spec.name].named, found.hits[spec.name].others, found.tombstones["notes"]


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(seed=st.integers(0, 10_000), near=st.sampled_from([None, 0.7, 0.9]), subject=st.integers(0, 4))
def test_neither_record_nor_near_duplicate_comes_back(
    tmp_path_factory: pytest.TempPathFactory, seed: int, near: float | None, subject: int
) -> None:
    folder = tmp_path_factory.mktemp("erased")
    rows = corpus(seed)
    write_jsonl(folder / "notes.jsonl", rows)
    spec = pipeline(folder, near)
    named, others, stones = search(spec, Target("subject", f"s{subject}", "notes"))
    assert named == {row["id"] for row in rows if row["who"] == f"s{subject}"}
    left, dropped = staged_after_erasure(spec, folder / "first", stones)
    assert left == {row["id"] for row in rows} - named - others and dropped == len(named | others)

    texts = {row["id"]: row["text"] for row in rows}
    for one in left:  # no text that is left is like one of the subject's, as far as 112 places can tell
        for gone in named:
            assert jaccard(texts[one], texts[gone]) < (near or 0.8) + 0.12, f"{one} is a near duplicate of {gone}"

    # under new ids, of other people, a little changed and in another order they stay out, too
    again = [{"id": f"x{row['id']}", "text": f"{row['text']} more", "who": "t"} for row in rows if row["id"] in named]
    write_jsonl(folder / "notes.jsonl", [*again, *reversed(rows)])
    assert staged_after_erasure(spec, folder / "second", stones)[0] == left


def test_what_an_erased_record_had_displaced_does_not_take_its_place(tmp_path: Path) -> None:
    text = WORDS[:60]
    chain = [" ".join([f"x{number}" for number in range(step)] + text[step:]) for step in (0, 7, 14, 21)]
    rows = [{"id": f"a{number}", "text": line, "who": f"s{number}"} for number, line in enumerate(chain)]
    rows += [{"id": f"z{number}", "text": " ".join(WORDS[100 + number :][:60]), "who": "t"} for number in (0, 60, 120)]
    write_jsonl(tmp_path / "notes.jsonl", rows)
    target = Target("record", "a0", "notes")
    assert search(pipeline(tmp_path, 0.7), target)[:2] == ({"a0"}, {"a1", "a2", "a3"}), "the whole cluster"
    assert search(pipeline(tmp_path, None), target)[:2] == ({"a0"}, {"a1"} if similar(chain) else set())


def jaccard(one: str, other: str) -> float:
    a, b = (set(zip(*(text.split()[start:] for start in range(5)), strict=False)) for text in (one, other))
    return len(a & b) / len(a | b)


def similar(chain: list[str]) -> bool:
    signed = keyed_signatures(chain[:2], b"k" * 16)
    return bool(known(signed[:1], 0.8).alike(signed[1:])[0])


@pytest.mark.parametrize("processes", [1, 2])
def test_a_build_drops_the_erased_and_keeps_nothing_of_them(tmp_path: Path, processes: int) -> None:
    rows = corpus(7, 60)
    write_jsonl(tmp_path / "notes.jsonl", rows)
    spec, storage = pipeline(tmp_path, 0.8), tmp_path / "state"
    named, others, stones = search(spec, Target("subject", "s1", "notes"))
    arguments: dict[str, Any] = {"policy": POLICY, "keys": KEYS, "storage": storage, "processes": processes}
    add_tombstones(storage, "notes", stones)
    result = build(spec, **arguments)
    assert result.dropped["erased"] == len(named | others)
    gone = [row["text"] for row in rows if row["id"] in named | others]
    assert traces(storage, [*(f"'{one}'" for one in named | others), *gone]) == []
    ids = result.version.manifest(["record_id"]).column("record_id").to_pylist()
    assert not named & set(ids) and build(spec, **arguments).reused
    write_jsonl(tmp_path / "notes.jsonl", [row for row in rows if row["id"] not in named | others])
    assert build(spec, **arguments).version.digest == result.version.digest, "as if they had never been"


def test_lost_or_damaged_tombstones_stop_a_build(tmp_path: Path) -> None:
    assert not read_tombstones(tmp_path, "notes")
    add_tombstones(tmp_path, "notes", Tombstones(records=frozenset({"a"})))
    add_tombstones(tmp_path, "notes", Tombstones(records=frozenset({"b"})))
    assert read_tombstones(tmp_path, "notes").records == {"a", "b"}
    place = Place(tmp_path, "notes")
    place.journal("request", 1).write_text("{}")
    place.tombstones.unlink()
    with pytest.raises(DataError, match="tombstones are gone"):
        read_tombstones(tmp_path, "notes")
    place.tombstones.write_text('{"records": [')
    with pytest.raises(DataError, match="unreadable"):
        read_tombstones(tmp_path, "notes")


def test_keyed_signatures_compare_as_plain_ones_do() -> None:
    # the vector of 8 bytes of the reference implementation, key 00 01 … 0f, message 00 01 … 07
    message = np.array([int.from_bytes(bytes(range(8)), "little")], np.uint64)
    assert int(_siphash(message, bytes(range(16)))[0]) == 0x93F5F5799A932462
    texts = [" ".join(WORDS[:60]), " ".join([*WORDS[:59], "other"]), " ".join(WORDS[200:260]), "", "!?"]
    one, other = keyed_signatures(texts, b"k" * 16), keyed_signatures(texts, b"o" * 16)
    assert known(one[:1], 0.8).alike(one).tolist() == [True, True, False, False, False]
    assert not known(one[3:], 0.8).alike(one).any(), "texts without words are like nothing"
    assert not known(other[:3], 0.5).alike(one).any(), "another key, another signature"
    assert (unpack(pack(one)) == one[:3]).all()


def test_the_versions_of_pipelines_that_read_this_one_lose_them_as_well(tmp_path: Path) -> None:
    """Their rules leave little of the text, so that the origin alone tells that they are the same records."""
    others = Domain(owner="o", may_derive_from=["notes", "others"], pii={"default": "keep", "EMAIL_ADDRESS": "redact"})
    policy = Policy(domains={**POLICY.domains, "others": others})
    rows = [
        {"id": f"r{n}", "text": " ".join(f"{w}{n}@example.org {w}{n}" for w in "abcde"), "who": f"s{n}"}
        for n in range(40)
    ]
    write_jsonl(tmp_path / "notes.jsonl", rows)
    storage, first = tmp_path / "state", pipeline(tmp_path, None)
    arguments: dict[str, Any] = {"policy": policy, "keys": KEYS, "storage": storage, "processes": 1}
    chain = [first]
    for before, name in (("notes", "digest"), ("digest", "summary")):
        spec = {"domain": "others", "sources": [{"pipeline": before}], "split": {"validation": 0.3, "test": 0.0}}
        chain.append(PipelineSpec.model_validate(spec).model_copy(update={"name": name, "folder": str(tmp_path)}))
    searched = [Searched(spec.name, spec.domain, spec, (build(spec, **arguments).version,)) for spec in chain]
    target = Target("record", "r7", "notes", "notes")
    found = find_records(target, searched[::-1], policy=policy, keys=KEYS, report=lambda *_: None)
    gone = [found.hits[spec.name].named | found.hits[spec.name].others for spec in chain]
    assert gone == [{"r7"}, {"notes/r7"}, {"digest/notes/r7"}]
    for domain, stones in found.tombstones.items():
        add_tombstones(storage, domain, stones)
    for spec in chain[::-1]:  # also one that is built before the other one is rebuilt
        ids = build(spec, **arguments).version.manifest(["record_id"]).column("record_id").to_pylist()
        assert len(ids) == 39 and not any(one.endswith("r7") for one in ids)
