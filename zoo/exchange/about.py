"""zoo.json, beside a model: what its own files do not say."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Literal

from pydantic import ConfigDict, Field, StringConstraints, field_validator, model_validator

from governance.config import StrictModel, validate
from governance.errors import ConfigError, DataError, did_you_mean
from pipelines.tokenizers import KINDS
from zoo import families
from zoo.preset import ABOUT

_FIX = "get the folder again, or export the model again"

Domain = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_-]{0,62}$")]


class _Content(StrictModel):
    """Of the types that JSON has, and nothing that merely looks like them."""

    model_config = ConfigDict(strict=True, extra="ignore")


class HeadAbout(_Content):
    """A head on a backbone.

    Attributes:
        classes: names by number: of classes, or of types of marked places; none of a reward model.
        temperature: by which logits are divided before they become probabilities.
    """

    name: Literal["classify", "tag", "reward"]
    classes: list[str]
    temperature: float = Field(gt=0, allow_inf_nan=False)
    pooling: Literal["mean", "last", "none"]

    @model_validator(mode="after")
    def _pools_as_its_task(self) -> HeadAbout:
        if (self.name == "tag") != (self.pooling == "none"):
            raise ValueError(f"pooling is {self.pooling}, which no model that was tuned to {self.name} has")
        return self

    @property
    def outputs(self) -> int:
        """Width of the head."""
        return {"classify": len(self.classes), "tag": 1 + 2 * len(self.classes), "reward": 1}[self.name]


class About(_Content):
    """Content of a zoo.json; None for what it does not say. Keys of later versions are passed over.

    Attributes:
        tokenizer: a name in `pipelines.tokenizers.KINDS`.
        tokenizer_digest: SHA-256, hex.
        context: tokens that the model can look at.
        objective: what it was trained on last.
        label: the domains that it was derived from.
        controls: names of the control codes that it knows, in order.
        task: of a model with a head.
    """

    family: str | None = None
    tokenizer: str | None = None
    tokenizer_digest: str | None = None
    context: int | None = Field(default=None, ge=1)
    objective: str | None = None
    label: list[Domain] | None = Field(default=None, min_length=1)
    controls: list[str] = []
    task: HeadAbout | None = None

    @model_validator(mode="after")
    def _has_a_context_with_its_task(self) -> About:
        if self.task is not None and self.context is None:
            raise ValueError("context is missing, and a model with a head needs it")
        return self

    @field_validator("family")
    @classmethod
    def _known_family(cls, name: str | None) -> str | None:
        return _one_of(name, families.names(), "family")

    @field_validator("tokenizer")
    @classmethod
    def _known_kind(cls, name: str | None) -> str | None:
        return _one_of(name, sorted(KINDS), "kind of tokenizer")


def read_about(folder: Path) -> About:
    """zoo.json of a folder; one that says nothing when there is none.

    Raises:
        DataError: it is no JSON object, or a field of it is wrong, by name.
    """
    path = folder / ABOUT
    if not path.exists():
        return About()
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(content, dict):
            raise ValueError("this is no JSON object")
    except (OSError, ValueError, RecursionError) as error:
        raise DataError(f"unreadable: {error}", where=str(path), fix=_FIX) from None
    try:
        return validate(content, About, where=str(path))
    except ConfigError as error:
        raise DataError(error.what, where=error.where, fix=_FIX) from None


def _one_of(name: str | None, known: list[str], what: str) -> str | None:
    if name is not None and name not in known:
        raise ValueError(f'there is no {what} "{name}"{did_you_mean(name, known)}')
    return name
