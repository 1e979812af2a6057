"""Which architecture a family is, and a model type of Hugging Face."""

from __future__ import annotations

from governance.errors import ConfigError, DataError
from zoo.exchange.architecture import Architecture
from zoo.exchange.decoders import GPT2, LLAMA
from zoo.exchange.encoders import BERT, DISTILBERT, ROBERTA
from zoo.exchange.seq2seq import BART, T5

ARCHITECTURES = {one.name: one for one in (BERT, ROBERTA, DISTILBERT, GPT2, LLAMA, T5, BART)}

#: A family of the zoo and the architecture that its models have. A family that is not in here (lstm) has
#: no counterpart at Hugging Face.
FAMILIES = {
    "bert": BERT,
    "ernie": BERT,
    "roberta": ROBERTA,
    "distilbert": DISTILBERT,
    "gpt": GPT2,
    "ctrl": GPT2,
    "llama": LLAMA,
    "t5": T5,
    "bart": BART,
}


def of_family(name: str) -> Architecture:
    """The architecture of a family.

    Raises:
        ConfigError: Hugging Face has no such model.
    """
    if name not in FAMILIES:
        raise ConfigError(
            f"Hugging Face has no counterpart of the family {name}",
            where="family",
            fix=f"that have one: {', '.join(sorted(FAMILIES))}",
        )
    return FAMILIES[name]


def of_model_type(name: object, *, where: str) -> Architecture:
    """The architecture of a `model_type` in config.json.

    Raises:
        DataError: it is none that can be read.
    """
    if not isinstance(name, str) or name not in ARCHITECTURES:
        raise DataError(
            f"model_type is {name!r}", where=where, fix=f"that can be read: {', '.join(sorted(ARCHITECTURES))}"
        )
    return ARCHITECTURES[name]
