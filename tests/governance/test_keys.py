"""The workspace's secret: made once, never replaced silently, different for each domain and use."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from governance import ConfigError, Keys


def test_a_key_is_made_once_and_only_its_owner_can_read_it(tmp_path: Path) -> None:
    path = tmp_path / "keys" / "k"
    first = Keys.from_file(path, create=True)
    assert path.stat().st_mode & 0o077 == 0
    assert Keys.from_file(path, create=False) == first
    assert [p.name for p in path.parent.iterdir()] == ["k"]


def test_processes_that_start_at_once_agree(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        keys = set(pool.map(lambda _: Keys.from_file(tmp_path / "k", create=True).master, range(8)))
    assert len(keys) == 1


@pytest.mark.parametrize("content", [None, "", "abc", "zz" * 32, "é" * 64, "ab" * 31])
def test_a_lost_or_damaged_key_is_not_replaced(tmp_path: Path, content: str | None) -> None:
    path = tmp_path / "k"
    if content is not None:
        path.write_text(content)
    with pytest.raises(ConfigError, match="restore the file"):
        Keys.from_file(path, create=False)


def test_derived_keys_differ_by_domain_and_use_and_are_not_shown() -> None:
    keys = Keys(bytes(32))
    derived = {keys.derive(domain, use) for domain in ("tax", "support") for use in ("pseudonyms", "subjects")}
    assert len(derived) == 4 and all(len(key) == 32 for key in derived)
    assert keys.derive("a", "b\0c") != keys.derive("c", "b\0a")
    assert "00" not in repr(keys)


@pytest.mark.parametrize(
    "make", [lambda path: Keys.from_file(path, create=True), lambda path: Keys.public("text about nobody")]
)
def test_another_process_derives_the_same_keys_and_is_sent_none(make: Callable[[Path], Keys], tmp_path: Path) -> None:
    keys = make(tmp_path / "k")
    of_domain, uses = keys.of("tax"), ("pseudonyms", "pii-hashes")
    derived = [of_domain.derive(use) for use in uses]
    sent = pickle.dumps(of_domain)
    for secret in (keys.master, *derived):
        assert secret not in sent and secret.hex().encode() not in sent
    arrived = pickle.loads(sent)
    assert [arrived.derive(use) for use in uses] == derived == [keys.derive("tax", use) for use in uses]


def test_a_process_with_another_key_stops_and_keys_themselves_are_not_sent(tmp_path: Path) -> None:
    path = tmp_path / "k"
    keys = Keys.from_file(path, create=True)
    sent = pickle.dumps(keys.of("tax"))
    path.write_text("5a" * 32)
    with pytest.raises(ConfigError, match="another key of the pseudonyms"):
        pickle.loads(sent).derive("pseudonyms")
    path.unlink()
    with pytest.raises(ConfigError, match="is missing"):
        pickle.loads(sent).derive("pseudonyms")
    for unsent in (keys, Keys(bytes(32)).of("tax")):
        with pytest.raises(ConfigError, match="not sent to other processes"):
            pickle.dumps(unsent)
