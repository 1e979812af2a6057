"""The families of models: `get("gpt").size("nano")`."""

from __future__ import annotations

from dataclasses import dataclass

from governance.errors import ConfigError, did_you_mean
from zoo.families.bart import BART
from zoo.families.base import Family, Size
from zoo.families.bert import BERT
from zoo.families.ctrl import CTRL
from zoo.families.distilbert import DISTILBERT
from zoo.families.ernie import ERNIE
from zoo.families.gpt import GPT
from zoo.families.llama import LLAMA
from zoo.families.lstm import LSTM
from zoo.families.roberta import ROBERTA
from zoo.families.t5 import T5

__all__ = ["Family", "Row", "Size", "get", "names", "register", "table"]

_FAMILIES: dict[str, Family] = {}


def register(family: Family) -> Family:
    """Makes a family known by its name.

    Raises:
        ConfigError: the name is taken.
    """
    if _FAMILIES.get(family.name, family) is not family:
        raise ConfigError(f'there already is a family "{family.name}"', where="family")
    _FAMILIES[family.name] = family
    return family


def names() -> list[str]:
    """Names of all families, sorted."""
    return sorted(_FAMILIES)


def get(name: str) -> Family:
    """Looks up a family.

    Raises:
        ConfigError: no such family.
    """
    if name not in _FAMILIES:
        raise ConfigError(
            f'no model family "{name}"{did_you_mean(name, _FAMILIES)}',
            where="family",
            fix=f"use one of {', '.join(names())}",
        )
    return _FAMILIES[name]


@dataclass(frozen=True)
class Row:
    """One size of one family. FLOPs are those of training, for each token."""

    family: str
    shape: str
    objective: str
    tokenizer: str
    size: str
    layers: int
    width: int
    context: int
    parameters: int
    training_flops_per_token: int


def table(vocab_size: int) -> list[Row]:
    """All sizes of all families; nothing is built.

    Args:
        vocab_size: words in the tokenizer, for the number of weights.
    """
    return [
        Row(
            family=family.name,
            shape=family.shape,
            objective=family.objective,
            tokenizer=family.tokenizer,
            size=size.name,
            layers=size.layers,
            width=size.width,
            context=size.context,
            parameters=family.parameters(size, vocab_size),
            training_flops_per_token=family.flops_per_token(size, vocab_size),
        )
        for family in map(get, names())
        for size in family.sizes.values()
    ]


for _family in (BART, BERT, CTRL, DISTILBERT, ERNIE, GPT, LLAMA, LSTM, ROBERTA, T5):
    register(_family)
