"""Chat templates of exported models: the ids with which the model was tuned, by the tokenizer that went with it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from jinja2 import TemplateError
from jinja2.sandbox import ImmutableSandboxedEnvironment
from tokenizers import Tokenizer

from governance.labels import Label
from pipelines.tokenizers import Encoder, adopt_tokenizer, load_encoder, train_tokenizer
from tests.pipelines.tiny import tiny_version
from tests.support.workspace import make_workspace
from tests.zoo.exchange.test_tokenizer_files import LLAMA, published, save
from tests.zoo.toy import TOYS
from zoo import families
from zoo.exchange.base import find_base, open_base
from zoo.exchange.chat_template import write_chat_template
from zoo.exchange.export import export
from zoo.exchange.tokenizer_files import find_tokenizer, write_tokenizer
from zoo.preset import save_preset
from zoo.tasks.chat import Template

PROMPTS = [
    "the tax return of 1234 spouses, isn't it?",
    "",
    " a space before and after ",
    "\n\n\nlines, before and after\n\n",
    "\n",
    "Question: what?",
    "Question: what?\n\nAnswer: this.\n\nAnswer: ",
    "a\n\nAnswer: b\nAnswer: c\r\n",
    "é 漢字 👍 {{ messages }} {% if %} \\n \"'",
]
KINDS = ["bpe", "ctrl", "llama3", "bpe-published", "llama3-published"]


@dataclass(frozen=True)
class Theirs:
    """Template and tokenizer of a folder, as transformers uses them."""

    encoder: Encoder
    folder: Path

    def text(self, *contents: str, add_generation_prompt: bool = True, roles: Any = ("user", "assistant")) -> str:
        def refuse(message: str) -> None:
            raise TemplateError(message)

        environment = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True)
        environment.globals["raise_exception"] = refuse
        config = json.loads((self.folder / "tokenizer_config.json").read_text())
        messages = [{"role": role, "content": content} for role, content in zip(roles, contents, strict=False)]
        return environment.from_string(config["chat_template"]).render(
            messages=messages, add_generation_prompt=add_generation_prompt
        )

    def ids(self, *contents: str, **more: Any) -> list[int]:
        tokenizer = Tokenizer.from_file(str(self.folder / "tokenizer.json"))
        found: list[int] = tokenizer.encode(self.text(*contents, **more), add_special_tokens=False).ids
        return found


@pytest.fixture(scope="module", params=KINDS)
def theirs(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Theirs:
    folder = tmp_path_factory.mktemp(request.param)
    name, _, origin = request.param.partition("-")
    if origin:
        split, special = ("gpt2", ["<|endoftext|>"]) if name == "bpe" else ("llama3", LLAMA)
        found = find_tokenizer(save(published(split, special), folder / "in"), name)
        label = Label.of("public")
        files = adopt_tokenizer(found.write, kind=found.kind, label=label, origin="0" * 64, storage=folder)
    else:
        files = train_tokenizer(tiny_version(), kind=name, vocab_size=500, storage=folder)
    (folder / "out").mkdir()
    write_tokenizer(files.folder, folder / "out", context=64)
    encoder = load_encoder(files.folder)
    write_chat_template(folder / "out", encoder)
    return Theirs(encoder, folder / "out")


@pytest.mark.parametrize("prompt", PROMPTS)
def test_a_prompt_has_the_ids_of_training(prompt: str, theirs: Theirs) -> None:
    [own] = theirs.encoder.encode([prompt])
    expected = Template.of(theirs.encoder).prompt(own).tolist()  # type: ignore[arg-type]
    assert theirs.ids(prompt) == expected
    assert theirs.text(prompt) == theirs.encoder.decode(expected)


def test_an_answer_has_the_ids_of_training_as_well(theirs: Theirs) -> None:
    template = Template.of(theirs.encoder)
    prompt, answer = theirs.encoder.encode(["the tax?", "a return\n"])
    expected = [*template.prompt(prompt).tolist(), *answer, template.end]  # type: ignore[arg-type]
    assert theirs.ids("the tax?", "a return\n") == expected
    assert theirs.ids("the tax?", add_generation_prompt=False) == [*template.before, *prompt]


@pytest.mark.parametrize("roles", [("system", "user"), ("user", "assistant", "user"), ("assistant",), ()])
def test_what_the_model_was_not_tuned_on_is_refused(roles: tuple[str, ...], theirs: Theirs) -> None:
    with pytest.raises(TemplateError, match="one message of the user"):
        theirs.text(*["a"] * len(roles), roles=roles)


def test_the_tokenizer_comes_back_without_the_template(theirs: Theirs, tmp_path: Path) -> None:
    kind = theirs.encoder.lexicon.kind
    found = find_tokenizer(theirs.folder, kind.name.removesuffix("-published"))
    assert found.kind == kind.name
    files = adopt_tokenizer(found.write, kind=found.kind, label=Label.of("public"), origin="0" * 64, storage=tmp_path)
    assert load_encoder(files.folder).lexicon.ids == theirs.encoder.lexicon.ids
    # Only the steps that are known to be of the template are passed over.
    content = json.loads((theirs.folder / "tokenizer.json").read_text())
    content["pre_tokenizer"]["pretokenizers"][0]["pattern"]["Regex"] = r"\AHm"
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "tokenizer.json").write_text(json.dumps(content))
    with pytest.raises(Exception, match="pre_tokenizer is none that is known"):
        find_tokenizer(tmp_path / "other", kind.name.removesuffix("-published"))


@pytest.mark.parametrize(("objective", "templated"), [("instruct", True), ("preference", True), ("causal_lm", False)])
def test_models_that_were_tuned_with_a_template_have_it(objective: str, templated: bool, tmp_path: Path) -> None:
    workspace = make_workspace(tmp_path / "w", records=0)
    family = families.get("gpt")
    files = train_tokenizer(tiny_version(), kind=family.tokenizer, vocab_size=300, storage=tmp_path)
    task = family.build(TOYS["gpt"], files.vocab_size)
    save_preset(task, files.folder, tmp_path / "preset", family=family, context=8, objective=objective)
    written = export(str(tmp_path / "preset"), tmp_path / "out", to="hf", workspace=workspace)
    config = json.loads((tmp_path / "out" / "tokenizer_config.json").read_text())
    assert ("chat_template" in config) is templated
    base = find_base(str(tmp_path / "out"), workspace=workspace)
    opened = open_base(base, family, storage=workspace.storage, seed=0)
    assert (opened.digest, opened.objective) == (written.digest, objective)
