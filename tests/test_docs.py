"""The examples of the documentation run; that it builds strictly is a stage of `.ci/run`.

A comment on the line above a fenced block says what becomes of the block:

    <!-- run -->          bash or python, run in the page's own temporary folder, in the page's order
    <!-- run slow -->     the same; makes the whole page a slow test
    <!-- output -->       must be what the block before it printed
    <!-- file NAME -->    is written to NAME in that folder first

Blocks without a comment are only shown.
"""

from __future__ import annotations

import functools
import os
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PAGES = sorted([*ROOT.glob("docs/**/*.md"), *ROOT.glob("README.md")])

DIRECTIVE = re.compile(r"^ *<!-- *(run|output|file)\b.*$", re.MULTILINE)
BLOCK = re.compile(
    r"^<!-- (?P<verb>run|output|file)(?: (?P<argument>\S+))? -->\n"
    r"```(?P<language>\w*)[^\n]*\n(?P<code>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)


@dataclass(frozen=True)
class Block:
    verb: str
    argument: str | None
    language: str
    code: str


def blocks(page: str) -> list[Block]:
    """The blocks of a page that have a comment, in order.

    Raises:
        ValueError: a comment has no block under it, so that its example would silently not run.
    """
    found = [Block(m["verb"], m["argument"], m["language"], m["code"]) for m in BLOCK.finditer(page)]
    for block in found:
        if block.verb == "run" and (block.language not in ("bash", "python") or block.argument not in (None, "slow")):
            raise ValueError(f"cannot run a {block.language} block with the option {block.argument}")
        if block.verb == "file" and not block.argument:
            raise ValueError("<!-- file NAME --> needs a name")
    if len(found) != len(DIRECTIVE.findall(page)):
        raise ValueError("a comment has no fenced block on the line under it")
    return found


def is_slow(page: list[Block]) -> bool:
    return any(block.verb == "run" and block.argument == "slow" for block in page)


def run_page(page: list[Block], folder: Path) -> None:
    """Runs a page's blocks one after the other in `folder`."""
    home = folder.with_name(folder.name + "-home")
    home.mkdir(exist_ok=True)
    bin_folder = str(Path(sys.executable).parent)
    environment = os.environ | {"HOME": str(home), "PATH": f"{bin_folder}{os.pathsep}{os.environ['PATH']}"}
    printed = ""
    for block in page:
        if block.verb == "file":
            path = folder / str(block.argument)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(block.code, encoding="utf-8")
        elif block.verb == "output":
            assert printed.strip() == block.code.strip()
        else:
            printed = run_block(block, folder, environment)


def run_block(block: Block, folder: Path, environment: dict[str, str]) -> str:
    program = ["bash", "-euo", "pipefail", "-c"] if block.language == "bash" else [sys.executable, "-c"]
    result = subprocess.run(
        [*program, block.code], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, f"{block.code}\n{result.stdout}\n{result.stderr}"
    return result.stdout


#: Pages that go on in the folder of another one, as a reader does: its data is built, its models are there.
GOES_ON = {"docs/quickstart.md": "README.md", "docs/generation.md": "docs/exchange.md"}


def _page_parameters() -> list[object]:
    parameters = []
    for path in PAGES:
        page, name = blocks(path.read_text(encoding="utf-8")), str(path.relative_to(ROOT))
        if page:
            first = GOES_ON.get(name, name)
            marks = [pytest.mark.slow, pytest.mark.xdist_group(first)] if is_slow(page) else []
            parameters.append(pytest.param(page, first, id=name, marks=marks))
    return parameters


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The folder of a page, by the name of the one that it goes on from."""
    return functools.cache(lambda name: tmp_path_factory.mktemp("pages") / "workspace")


@pytest.mark.parametrize(("page", "first"), _page_parameters())
def test_examples_of_a_page_run(page: list[Block], first: str, folders: Callable[[str], Path]) -> None:
    folder = folders(first)
    folder.mkdir(exist_ok=True)
    run_page(page, folder)


FENCE = "```"


def test_blocks_run_in_order_in_one_folder(tmp_path: Path) -> None:
    page = (
        f"text\n\n<!-- file data/a.txt -->\n{FENCE}text\none\n{FENCE}\n\n{FENCE}bash\nexit 9\n{FENCE}\n"
        f"<!-- run -->\n{FENCE}bash\ncat data/a.txt; echo two > b.txt\n{FENCE}\n"
        f"<!-- output -->\n{FENCE}text\none\n{FENCE}\n"
        f'<!-- run -->\n{FENCE}python\nprint(open("b.txt").read())\n{FENCE}\n'
        f"<!-- output -->\n{FENCE}\ntwo\n{FENCE}\n"
    )
    (tmp_path / "w").mkdir()
    run_page(blocks(page), tmp_path / "w")


@pytest.mark.parametrize(
    "page",
    [
        f"<!-- run -->\n{FENCE}bash\nfalse\ntrue\n{FENCE}\n",
        f"<!-- run -->\n{FENCE}bash\nfalse | true\n{FENCE}\n",
        f"<!-- run -->\n{FENCE}python\nraise SystemExit(1)\n{FENCE}\n",
        f"<!-- run -->\n{FENCE}bash\necho one\n{FENCE}\n<!-- output -->\n{FENCE}text\ntwo\n{FENCE}\n",
    ],
)
def test_a_wrong_example_fails(page: str, tmp_path: Path) -> None:
    (tmp_path / "w").mkdir()
    with pytest.raises(AssertionError):
        run_page(blocks(page), tmp_path / "w")


@pytest.mark.parametrize(
    "page",
    [
        f"<!-- run -->\n\n{FENCE}bash\nls\n{FENCE}\n",
        f"<!-- run fast -->\n{FENCE}bash\nls\n{FENCE}\n",
        f"<!-- run -->\n{FENCE}yaml\na: 1\n{FENCE}\n",
        f"<!-- file -->\n{FENCE}yaml\na: 1\n{FENCE}\n",
        f"  <!-- run -->\n{FENCE}bash\nls\n{FENCE}\n",
    ],
)
def test_a_comment_that_would_do_nothing_is_an_error(page: str) -> None:
    with pytest.raises(ValueError, match=r"cannot run|needs a name|no fenced block"):
        blocks(page)


def test_a_page_with_a_slow_block_is_slow() -> None:
    quick = f"<!-- run -->\n{FENCE}bash\nls\n{FENCE}\n"
    assert not is_slow(blocks(quick))
    assert is_slow(blocks(quick + quick.replace("run", "run slow")))
