"""The chat template of an exported model, so that transformers asks it as it was tuned.

Two things together give the ids of training. The template, in Jinja, gives the text. And since prompt and template
are encoded apart in training, where a tokenizer would let a word of the prompt take along the space before it, the
exported tokenizer cuts a text where the template does.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pipelines.tokenizers import Encoder
from zoo.tasks.chat import Template

#: Where the templates that there are cut a text: plain words, and headers. By these the tokenizer is known again.
CUTS = ("\\AQuestion: |\n\nAnswer: (?!(?m:.)*\n\nAnswer: )", "\\A\n\n")

_CONFIG, _TOKENIZER = "tokenizer_config.json", "tokenizer.json"
#: A question, and its answer where there is one: all that a model was tuned on.
_JINJA = """\
{%%- if messages | map(attribute='role') | join(' ') not in ['user', 'user assistant'] %%}
{{- raise_exception('this model knows one message of the user, and the answer of the assistant to it') }}
{%%- endif %%}
{{- %(before)s + messages[0]['content'] }}
{%%- if messages | length == 2 %%}
{{- %(between)s + messages[1]['content'] + %(end)s }}
{%%- elif add_generation_prompt %%}
{{- %(between)s }}
{%%- endif %%}"""


def write_chat_template(folder: Path, encoder: Encoder) -> None:
    """Adds the template of a tokenizer's kind to the files that `write_tokenizer` wrote."""
    template = Template.of(encoder)
    config = _read(folder / _CONFIG) | {"chat_template": jinja(template, encoder)}
    (folder / _CONFIG).write_text(json.dumps(config, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    tokenizer = _read(folder / _TOKENIZER)
    steps = tokenizer["pre_tokenizer"].get("pretokenizers", [tokenizer["pre_tokenizer"]])
    cut = {"type": "Split", "pattern": {"Regex": _cut(template, encoder)}, "behavior": "Isolated", "invert": False}
    tokenizer["pre_tokenizer"] = {"type": "Sequence", "pretokenizers": [cut, *steps]}
    (folder / _TOKENIZER).write_text(json.dumps(tokenizer, indent=2, ensure_ascii=False), encoding="utf-8")


def jinja(template: Template, encoder: Encoder) -> str:
    """The template as transformers has it; a prompt to be answered has `add_generation_prompt`."""
    parts = {"before": template.before, "between": template.between, "end": [template.end]}
    # A string of JSON is one of Jinja as well.
    return _JINJA % {name: json.dumps(encoder.decode(list(ids))) for name, ids in parts.items()}


def without_cut(steps: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The steps of a pre_tokenizer, without the one that `write_chat_template` put before them."""
    return [step for step in steps if step.get("type") != "Split" or step.get("pattern", {}).get("Regex") not in CUTS]


def _cut(template: Template, encoder: Encoder) -> str:
    """A pattern for what of the template touches a prompt or an answer; special tokens are cut off in any case."""
    special = "|".join(map(re.escape, encoder.lexicon.kind.special_tokens))
    before, between = (re.split(special, encoder.decode(list(ids))) for ids in (template.before, template.between))
    touching = [rf"\A{before[-1]}"]
    if len(between) == 1:  # prompt and answer stand in one run of text: the last place is that of the template
        touching.append(f"{between[0]}(?!(?m:.)*{between[0]})")
    else:
        touching += [rf"\A{between[-1]}"] + ([rf"{between[0]}\z"] if between[0] else [])
    found = "|".join(dict.fromkeys(touching))
    assert found in CUTS, found
    return found


def _read(path: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return content
