"""`make` installs once, again when something changed, and says in one line what it lacks.

The Python on the PATH is a script that notes what it is asked to do: a real installation needs the network.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

PYTHON = """#!/bin/sh
case "$*" in
  *version_info*) exec REAL_PYTHON -c "import sys; sys.version_info = VERSION
$2" ;;
  *ensurepip*) exit "${NO_VENV:-0}" ;;
  --version) echo "Python 3.11.9" ;;
  "-m venv .venv") mkdir -p .venv/bin; cp "$0" .venv/bin/python ;;
  *"pip install"*) echo "$*" >> installs; exit "${PIP_FAILS:-0}" ;;
  *pytest*) echo "1 passed" ;;
esac
"""


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A folder with the Makefile and what it depends on, beside a folder `bin` with a shell and no Python."""
    folder, programs = tmp_path / "clone", tmp_path / "bin"
    folder.mkdir()
    programs.mkdir()
    for name in ("Makefile", "setup.py", "constraints.txt"):
        shutil.copy2(ROOT / name, folder / name)
        os.utime(folder / name, (1_000_000_000, 1_000_000_000))
    for program in ("make", "sh", "getconf", "mkdir", "cp", "touch", "echo"):
        found = shutil.which(program)
        assert found, f"{program} is needed"
        (programs / program).symlink_to(found)
    return folder


def put_python(clone: Path, name: str, version: tuple[int, int, int] = (3, 11, 0)) -> None:
    path = clone.parent / "bin" / name
    script = PYTHON.replace("REAL_PYTHON", sys.executable).replace("VERSION", str(version))
    path.write_text(script, encoding="utf-8")
    path.chmod(0o755)


def make(clone: Path, target: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["make", target],
        cwd=clone,
        env={"PATH": str(clone.parent / "bin"), **environment},
        executable=clone.parent / "bin" / "make",
        capture_output=True,
        text=True,
        check=False,
    )


def installs(clone: Path) -> list[str]:
    path = clone / "installs"
    return path.read_text(encoding="utf-8").splitlines() if path.exists() else []


@pytest.mark.parametrize("name", ["python3.11", "python3.12", "python3.13", "python3"])
def test_the_first_call_installs_and_the_second_does_not(clone: Path, name: str) -> None:
    put_python(clone, name)
    first = make(clone, "test")
    assert first.returncode == 0, first.stderr
    assert "1 passed" in first.stdout
    assert len(installs(clone)) == 1
    assert "-c constraints.txt -e .[test]" in installs(clone)[0]
    assert "1 passed" in make(clone, "test").stdout
    assert len(installs(clone)) == 1


@pytest.mark.parametrize("name", ["setup.py", "constraints.txt"])
def test_a_changed_dependency_is_installed(clone: Path, name: str) -> None:
    put_python(clone, "python3")
    make(clone, "install")
    future = (clone / ".venv" / ".installed").stat().st_mtime + 10
    os.utime(clone / name, (future, future))
    make(clone, "install")
    assert len(installs(clone)) == 2


def test_an_install_that_failed_is_done_again(clone: Path) -> None:
    put_python(clone, "python3")
    assert make(clone, "test", PIP_FAILS="1").returncode != 0
    assert make(clone, "test").returncode == 0
    assert len(installs(clone)) == 2


def test_an_old_python_is_passed_over(clone: Path) -> None:
    put_python(clone, "python3.11", (3, 10, 14))
    put_python(clone, "python3")
    assert "making .venv with python3," in make(clone, "install").stdout


@pytest.mark.parametrize("target", ["train", "test"])
@pytest.mark.parametrize("version", [None, (3, 10, 14), (2, 7, 18)])
def test_without_a_python_one_line_says_so(clone: Path, target: str, version: tuple[int, int, int] | None) -> None:
    if version:
        put_python(clone, "python3", version)
    result = make(clone, target)
    assert result.returncode != 0
    assert result.stderr.splitlines()[0].startswith("error: no Python 3.11 or newer")
    assert not (clone / ".venv").exists()


def test_without_venv_one_line_says_so(clone: Path) -> None:
    put_python(clone, "python3")
    result = make(clone, "test", NO_VENV="1")
    assert result.returncode != 0
    assert "python3-venv" in result.stderr.splitlines()[0]
