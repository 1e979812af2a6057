"""The cache of compiled functions: found again by a new process, private, bounded, and never in the way."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from zoo import compile_cache as module
from zoo.compile_cache import VARIABLE, compile_cache

TRAIN = (
    "import sys; from pathlib import Path; from tests.zoo.toy import toy_fit\n"
    "from zoo.backend import prepare_backend; prepare_backend()\n"
    "print([loss.hex() for loss in toy_fit(Path(sys.argv[1])).losses])\n"
)


def run(folder: Path, cache: Path, backend: str) -> str:
    # JAX leaves out what it compiled faster than this: by the clock, a function may be in one run and not in the next.
    all_of_them = {"JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0"}
    environment = os.environ | {VARIABLE: str(cache), "KERAS_BACKEND": backend} | all_of_them
    command = [sys.executable, "-c", TRAIN, str(folder)]
    result = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr[-2000:]
    assert "Error" not in result.stderr
    return result.stdout


@pytest.mark.slow
@pytest.mark.parametrize(("backend", "files"), [("tensorflow", "*.pb"), ("jax", "*-cache")])
def test_a_second_process_finds_what_the_first_compiled(backend: str, files: str, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    first = run(tmp_path / "a", cache, backend)
    compiled = {file: file.stat().st_mtime_ns for file in cache.rglob(files)}
    assert compiled
    assert run(tmp_path / "b", cache, backend) == first
    assert {file: file.stat().st_mtime_ns for file in cache.rglob(files)} == compiled


def test_another_tensorflow_or_other_flags_have_another_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, str(tmp_path))
    monkeypatch.delenv("XLA_FLAGS", raising=False)
    here = compile_cache()
    assert here is not None and here.stat().st_mode & 0o777 == 0o700
    monkeypatch.setenv("XLA_FLAGS", "--xla_cpu_enable_fast_math=true")
    assert compile_cache() not in (None, here)
    monkeypatch.delenv("XLA_FLAGS")
    monkeypatch.setattr(module.metadata, "version", lambda name: "99")
    assert compile_cache() not in (None, here)


def test_no_cache_that_others_can_write_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, str(tmp_path))
    folder = compile_cache()
    assert folder is not None
    folder.chmod(0o770)
    assert compile_cache() is None


def test_no_cache_where_none_can_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv(VARIABLE, str(tmp_path / "file"))
    assert compile_cache() is None
    for wanted in ("0", str(tmp_path / "with a space"), "~nobody-here/cache"):
        monkeypatch.setenv(VARIABLE, wanted)
        assert compile_cache() is None


def test_what_a_power_cut_left_is_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, str(tmp_path))
    folder = compile_cache()
    assert folder is not None
    (folder / "empty.pb").touch()
    (folder / "whole.pb").write_bytes(b"x")
    compile_cache()
    assert [file.name for file in folder.iterdir()] == ["whole.pb"]


def test_the_oldest_go_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, str(tmp_path))
    monkeypatch.setattr(module, "_MOST_BYTES", 25)
    folder = compile_cache()
    assert folder is not None
    for number in range(4):
        (folder / f"{number}.pb").write_bytes(b"x" * 10)
        os.utime(folder / f"{number}.pb", (number, number))
    compile_cache()
    assert sorted(file.name for file in folder.iterdir()) == ["2.pb", "3.pb"]
