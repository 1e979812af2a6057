"""The workspace's secret: made once, never replaced silently, different for each domain and use."""

from __future__ import annotations

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
