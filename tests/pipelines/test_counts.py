"""What a data card counts, against plain counting, with tables in many row groups; and in how much memory."""

from __future__ import annotations

import random
import tempfile
import tracemalloc
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from governance.labels import Label
from pipelines.cards import counts
from pipelines.cards.describe import lengths
from pipelines.versions import MANIFEST_FILE, PII_FILE, SPLITS, DatasetVersion

MANIFEST = pa.schema(
    [("split", pa.string()), ("source", pa.uint16()), ("bytes", pa.int64()), ("characters", pa.int64())]
    + [("words", pa.int64()), ("personal_data", pa.int32()), ("content_sha256", pa.binary(32)), ("carried", pa.bool_())]
    + [("word_tokens", pa.int64())]
)
REPLACED = pa.schema([("record_id", pa.string()), ("type", pa.string()), ("hash", pa.binary(16))])

RECORDS = st.lists(
    st.fixed_dictionaries(
        {
            "split": st.sampled_from(SPLITS),
            "source": st.integers(0, 2),
            "personal_data": st.integers(0, 2),
            "carried": st.booleans(),
            # few, so that hashes are equal and the place decides
            "content_sha256": st.integers(0, 5).map(lambda number: bytes([number]) * 32),
            **{unit: st.integers(0, 2**40) | st.integers(0, 300) for unit in counts.LENGTHS},
        }
    ),
    min_size=1,
    max_size=12,
)
FOUND = st.lists(
    st.fixed_dictionaries(
        {"type": st.sampled_from("ABC"), "hash": st.integers(0, 9).map(lambda number: bytes([number]) * 16)}
    ),
    max_size=20,
)


def version_of(folder: Path, records: list[dict[str, Any]], found: list[dict[str, Any]]) -> DatasetVersion:
    pq.write_table(pa.Table.from_pylist(records, MANIFEST), folder / MANIFEST_FILE, row_group_size=10_000)
    rows = [{"record_id": "r"} | row for row in found]
    pq.write_table(pa.Table.from_pylist(rows, REPLACED), folder / PII_FILE, row_group_size=10_000)
    return DatasetVersion("p", "d", "0", folder, Label(frozenset({"d"})), {}, {}, {})


@settings(max_examples=50, deadline=None)
@given(RECORDS, FOUND)
def test_counting_in_batches_is_counting(records: list[dict[str, Any]], found: list[dict[str, Any]]) -> None:
    with tempfile.TemporaryDirectory() as name, pytest.MonkeyPatch.context() as patch:
        patch.setattr(counts, "_ROWS", 3)
        patch.setattr(counts, "_HASHES_A_SHARE", 4)
        version = version_of(Path(name), records, found)
        counted, replaced = counts.count_manifest(version, 3), counts.count_replaced(version)
    assert counted.carried == sum(row["carried"] for row in records)
    assert counted.with_personal_data == sum(row["personal_data"] > 0 for row in records)
    for unit in counts.LENGTHS:
        values = np.array([row[unit] for row in records], np.int64)
        assert counted.lengths[unit].tolist() == values.tolist()
        assert lengths(unit, counted.lengths[unit]) == lengths(unit, values), "also in few bytes each"
    for split in SPLITS:
        own = [row for row in records if row["split"] == split]
        sizes = counted.of_split(split)
        assert sizes.records == len(own)
        assert {unit: sizes.of_units[unit] for unit in counts.UNITS} == {
            unit: sum(row[unit] for row in own) for unit in counts.UNITS
        }
        for source in range(3):
            of_both = counted.sizes.get((source, split), counts.Sizes())
            assert of_both.of_units["words"] == sum(row["words"] for row in own if row["source"] == source)
    training = [row["content_sha256"] for row in records if row["split"] == "train"]
    assert counted.smallest == sorted(range(len(training)), key=lambda place: (training[place], place))[:3]
    places = Counter(row["type"] for row in found)
    assert replaced == {
        kind: (count, len({row["hash"] for row in found if row["type"] == kind})) for kind, count in places.items()
    }


def test_few_bytes_a_record_are_held(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    draw, records = random.Random(1), 20_000
    rows = [
        {"split": "train", "source": 0, "personal_data": 1, "carried": False, "content_sha256": draw.randbytes(32)}
        | dict.fromkeys(counts.LENGTHS, draw.randrange(300))
        for _ in range(records)
    ]
    version = version_of(tmp_path, rows, [{"type": "A", "hash": draw.randbytes(16)} for _ in range(records)])
    monkeypatch.setattr(counts, "_ROWS", 500)
    monkeypatch.setattr(counts, "_HASHES_A_SHARE", 2_000)
    tracemalloc.start()
    for count in (lambda: counts.count_manifest(version, 5), lambda: counts.count_replaced(version)):
        count()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 25 * records
