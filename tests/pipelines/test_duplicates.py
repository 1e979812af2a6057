"""Duplicates of more records than memory holds: the same as found in memory, whatever the size of a share."""

from __future__ import annotations

import tempfile
from collections import defaultdict
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.curate import agreement, duplicates, near, near_files
from pipelines.curate.buckets import bucket_of, read_bucket, staged_schema, write_bucket
from pipelines.curate.sign import read_signatures, sign_bucket

#: Files take their time.
FEW = 3
IDS = st.text("abc", min_size=1, max_size=3)
#: Few texts, so that many are equal; the words are those of near duplicates.
WORDS = [f"word{number} " for number in range(40)]
TEXTS = st.integers(0, 5).map(lambda number: "".join(WORDS[: 40 - number]) + "." * number)


@pytest.fixture(autouse=True)
def small_shares(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(duplicates, "BUCKETS", FEW)
    monkeypatch.setattr(duplicates, "_TEXTS_A_SHARE", 3)
    monkeypatch.setattr(near_files, "_KEYS_A_SHARE", 3)
    monkeypatch.setattr(near_files, "_KEYS_A_READ", 2)
    monkeypatch.setattr(agreement, "_ROWS_AT_ONCE", 2)


def key_of(text: str) -> bytes:
    return text.encode()[-16:].rjust(16)


def write(folder: Path, records: list[tuple[str, str]]) -> None:
    by_bucket = defaultdict(list)
    for name, text in sorted(records):
        by_bucket[bucket_of(name) % FEW].append(
            {"id": name, "text": text, "text_key": key_of(text), "file": "f", "row": 1, "source": 0}
        )
    for bucket in range(FEW):
        write_bucket(pa.Table.from_pylist(by_bucket[bucket], staged_schema()), folder, bucket)


@settings(max_examples=15, deadline=None)
@given(st.lists(st.tuples(IDS, TEXTS), max_size=12))
def test_of_equal_texts_the_smallest_id_stays(records: list[tuple[str, str]]) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write(folder, records)
        duplicates.write_winners(folder, folder)
        found = {k: v for bucket in range(FEW) for k, v in duplicates.read_winners(folder, bucket).items()}
    smallest = {text: min(name for name, other in records if other == text) for _, text in records}
    assert found == {(name, key_of(text)): smallest[text] for name, text in records if name != smallest[text]}


@settings(max_examples=15, deadline=None)
@given(st.dictionaries(IDS, TEXTS, max_size=12), st.sampled_from([0.7, 0.95]))
def test_near_duplicates_are_those_found_in_memory(texts: dict[str, str], threshold: float) -> None:
    with tempfile.TemporaryDirectory() as name:
        selected, signed, scratch = (Path(name) / part for part in ("selected", "signed", "scratch"))
        for folder in (selected, signed, scratch):
            folder.mkdir()
        write(selected, list(texts.items()))
        for bucket in range(FEW):
            sign_bucket(bucket, selected, signed)
        found = duplicates.NearDuplicates(selected, signed, scratch, threshold)
        kept = found.kept(pa.array(sorted(texts), pa.string())).to_pylist()
    ids = sorted(texts)
    leaders = near.clusters(near.signatures([texts[name] for name in ids]), threshold)
    assert kept == [None if leader == place else ids[leader] for place, leader in enumerate(leaders)]
    assert len(found) == sum(name is not None for name in kept)


def test_only_new_texts_are_signed_and_removed_ones_are_forgotten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    signed: list[str] = []
    whole = near.signatures
    monkeypatch.setattr(near, "signatures", lambda texts: (signed.extend(texts), whole(texts))[1])
    first, second = "a b c d e f", "g h i j k l"
    same_bucket = [str(number) for number in range(1000) if bucket_of(str(number)) % FEW == 1][:3]
    for records in ([first], [first, second], [second]):
        write(tmp_path, list(zip(same_bucket[-len(records) :], records, strict=True)))
        (tmp_path / "cache").mkdir(exist_ok=True)
        sign_bucket(1, tmp_path, tmp_path / "cache")
        assert (read_signatures(tmp_path / "cache", 1) == whole(records)).all()
        assert read_bucket(tmp_path / "cache", 1).column("text_key").to_pylist() == list(map(key_of, records))
    assert signed == [first, second]
