"""zoo.json: what is wrong with a damaged one is said in one line."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from governance.errors import DataError
from pipelines.tokenizers import train_tokenizer
from tests.pipelines.tiny import tiny_version
from tests.support.workspace import make_workspace
from tests.zoo.toy import TOYS
from zoo import families
from zoo.exchange.about import About, read_about
from zoo.exchange.base import find_base, open_base
from zoo.preset import save_preset
from zoo.workspace import Workspace

HEAD = {"name": "classify", "classes": ["a", "b"], "temperature": 1.5, "pooling": "mean"}
WHOLE = {
    "family": "gpt",
    "tokenizer": "bpe",
    "tokenizer_digest": "0" * 64,
    "context": 8,
    "objective": "causal_lm",
    "label": ["support", "tax"],
    "task": HEAD,
}


def write(folder: Path, content: Any) -> Path:
    text = content if isinstance(content, str) else json.dumps(content)
    (folder / "zoo.json").write_text(text)
    return folder


def test_a_whole_one_is_read_and_none_says_nothing(tmp_path: Path) -> None:
    assert read_about(tmp_path) == About()
    about = read_about(write(tmp_path, {**WHOLE, "of_a_later_version": 1}))
    assert about.model_dump(exclude_unset=True) == WHOLE


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "zoo.json: unreadable"),
        ("[" * 100_000, "zoo.json: unreadable"),
        ([], "zoo.json: unreadable: this is no JSON object"),
        ({"context": "x"}, "zoo.json: context: input should be a valid integer"),
        ({"context": "8"}, "zoo.json: context: input should be a valid integer"),
        ({"context": 0}, "zoo.json: context: input should be greater than or equal to 1"),
        ({"tokenizer": "nonsense"}, 'zoo.json: tokenizer: there is no kind of tokenizer "nonsense"'),
        ({"tokenizer": "bppe"}, r'zoo.json: tokenizer: .*did you mean "bpe"'),
        ({"tokenizer_digest": 5}, "zoo.json: tokenizer_digest: input should be a valid string"),
        ({"family": "gptt"}, r'zoo.json: family: there is no family "gptt" \(did you mean "gpt"'),
        ({"family": []}, "zoo.json: family: input should be a valid string"),
        ({"controls": "a"}, "zoo.json: controls: input should be a valid list"),
        ({"label": "tax"}, "zoo.json: label: input should be a valid list"),
        ({"label": []}, "zoo.json: label: list should have at least 1 item"),
        ({"label": [1]}, "zoo.json: label.0: input should be a valid string"),
        ({"label": ["tax+public"]}, "zoo.json: label.0: string should match pattern"),
        ({"task": "x"}, "zoo.json: task: input should be a valid dictionary"),
        ({"task": {}}, "zoo.json: task.name: this key is required"),
        ({"task": {**HEAD, "name": "x"}}, "zoo.json: task.name: input should be 'classify', 'tag' or 'reward'"),
        ({"task": {**HEAD, "classes": None}}, "zoo.json: task.classes: input should be a valid list"),
        ({"task": {**HEAD, "temperature": 0}}, "zoo.json: task.temperature: input should be greater than 0"),
        ({"task": {**HEAD, "pooling": "max"}}, "zoo.json: task.pooling: input should be 'mean'"),
    ],
)
def test_what_is_wrong_is_one_line_with_file_field_and_fix(content: Any, message: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=message) as caught:
        read_about(write(tmp_path, {**WHOLE, **content} if isinstance(content, dict) else content))
    assert str(caught.value).startswith(str(tmp_path)) and "\n" not in str(caught.value)
    assert str(caught.value).endswith("; get the folder again, or export the model again")


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    return make_workspace(tmp_path_factory.mktemp("workspace") / "w", records=0)


@pytest.fixture(scope="module")
def preset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("preset")
    family = families.get("gpt")
    files = train_tokenizer(tiny_version(), kind=family.tokenizer, vocab_size=300, storage=folder)
    task = family.build(TOYS["gpt"], files.vocab_size)
    save_preset(task, files.folder, folder / "preset", family=family, context=8)
    return folder / "preset"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"context": "x"}, "zoo.json: context: "),
        ({"context": 9}, "zoo.json: context is 9, and the model has 8 positions"),
        ({"tokenizer": "nonsense"}, "zoo.json: tokenizer: "),
        ({"tokenizer": "bert"}, "files of a bert tokenizer cannot be taken over"),
        ({"task": "x"}, "zoo.json: task: "),
    ],
)
def test_a_base_with_a_damaged_one_is_refused(
    changes: dict[str, Any], message: str, preset: Path, workspace: Workspace, tmp_path: Path
) -> None:
    shutil.copytree(preset, tmp_path / "preset")
    write(tmp_path / "preset", json.loads((preset / "zoo.json").read_text()) | changes)
    with pytest.raises(DataError, match=message):
        base = find_base(str(tmp_path / "preset"), workspace=workspace)
        open_base(base, families.get("gpt"), storage=workspace.storage, seed=0)
