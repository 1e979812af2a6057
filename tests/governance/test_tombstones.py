"""Tombstones: joined, never taken back, and unreadable without the key."""

from __future__ import annotations

import json

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from governance.erasure import Journal, TombstoneKey, Tombstones

KEY = TombstoneKey(b"k" * 32)
NAMES = st.frozensets(st.sampled_from("abcd"))
SETS = st.builds(Tombstones, records=NAMES, texts=NAMES)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(SETS, SETS)
def test_joining_keeps_all_and_the_digest_follows_the_content(one: Tombstones, other: Tombstones) -> None:
    joined = one | other
    assert joined.records == one.records | other.records and joined.texts == one.texts | other.texts
    assert joined.digest == (other | one).digest == Tombstones(**joined.to_json()).digest
    assert (joined.digest == one.digest) == (joined == one)
    assert bool(joined) == bool(one.records | other.records | one.texts | other.texts)


def test_hashes_tell_uses_pipelines_and_keys_apart_and_hold_no_name() -> None:
    other = TombstoneKey(b"o" * 32)
    hashes = [KEY.record("p", "Tilda"), KEY.record("q", "Tilda"), KEY.subject("Tilda"), other.subject("Tilda")]
    hashes += [KEY.text(b"Tilda"), KEY.request("record", "Tilda", ""), KEY.request("record", "", "Tilda")]
    assert len(set(hashes)) == len(hashes) and all(len(found) == 32 for found in hashes)
    assert "Tilda" not in "".join(hashes) and b"k" * 32 not in repr(KEY).encode()


def test_a_journal_remembers_what_it_is_about_to_remove() -> None:
    journal = Journal(request="r" * 32, domain="tax", kind="subject", started="2026-01-01T00:00:00+00:00")
    journal = (
        journal.with_found("a", records=2, before=("d1",)).with_found("b", before=("d2",)).with_found("a", after="n")
    )
    assert (
        journal.before == {"d1", "d2"} and journal.pipelines["a"].records == 2 and journal.pipelines["a"].after == "n"
    )
    assert Journal.model_validate_json(json.dumps(journal.model_dump(mode="json"))) == journal
    assert journal.name == "rrrrrrrrrrrrrrrr-1"
