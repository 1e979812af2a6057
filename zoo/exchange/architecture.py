"""What is known of an architecture on both sides: configuration, classes, and the table of its weights."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from governance.errors import DataError
from zoo.exchange.weights import Weight

if TYPE_CHECKING:
    import keras_hub

Config = Mapping[str, Any]


@dataclass(frozen=True)
class Setting:
    """A setting that both sides have, by its names there.

    Attributes:
        keras: argument of the keras-hub backbone.
        names: keys of config.json that hold it. Where there are several they must agree, since
            keras-hub has one setting for them; unless `loose`, when the first one counts.
        plus: what config.json's number is larger by.
        loose: of what does not change an answer (dropout).
        absent: stands for a missing key; None: the key must be there.
    """

    keras: str
    names: tuple[str, ...]
    plus: int = 0
    loose: bool = False
    absent: Any = None


@dataclass(frozen=True)
class Fixed:
    """A key of config.json of which keras-hub can do some values alone.

    Attributes:
        values: that it can do; the first one is written.
        absent: what Hugging Face takes for a missing key.
    """

    name: str
    values: tuple[Any, ...]
    absent: Any


def _nothing(config: Config) -> dict[str, Any]:
    return {}


@dataclass(frozen=True)
class Architecture:
    """One model type of Hugging Face and its keras-hub classes.

    Attributes:
        name: `model_type` in config.json.
        classes: transformers' class with the language-model head, and that of the body alone.
        tagger: transformers' class with an output for each token that is a linear layer on its state.
        prefix: stands before the tensors of the body in a model with a head.
        backbone, task: names in `keras_hub.models`.
        settings, fixed: of the configuration, in both directions.
        defaults: arguments that a backbone of keras-hub's own class does not name.
        context_key: where config.json says how many tokens the model can look at, if the backbone does not.
        decoder_start: the special token that a decoder's text begins with.
        more_from, more_to: what the two do not cover: config.json to arguments of the backbone (raises
            DataError), and the arguments to keys of config.json.
        body, head: tables of weights for the arguments of a backbone; tensors of the body without prefix.
        optional: names of tables ("head" or one of `extras`) that a folder may lack as a whole.
        extras: further tables by name, such as BERT's pooler.
        same: tensors that may stand in a folder and must equal another one, since keras-hub has one
            weight for both.
        zeros: (arguments) to tensors that keras-hub has no weight for, with their shapes: read only if
            they are zero, and written so.
        added: tensors that are read into others (see `Weight.plus_row`) and written as zeros.
        ignored: patterns of tensors that hold no weights, such as masks and position numbers.
        left_out: patterns of weights that keras-hub has no place for and no answer of ours needs.
        build: arguments of the backbone to a task.
        accepts: says why a task cannot be written, or None.
    """

    name: str
    classes: tuple[str, str]
    prefix: str
    backbone: str
    task: str
    settings: Sequence[Setting]
    fixed: Sequence[Fixed]
    body: Callable[[Config], list[Weight]]
    head: Callable[[Config], list[Weight]] = lambda config: []
    extras: Mapping[str, Callable[[Config], list[Weight]]] = field(default_factory=dict)
    optional: frozenset[str] = frozenset()
    defaults: Mapping[str, Any] = field(default_factory=dict)
    tagger: str | None = None
    context_key: str | None = None
    decoder_start: Literal["pad", "end"] | None = None
    more_from: Callable[[Config], dict[str, Any]] = _nothing
    more_to: Callable[[Config], dict[str, Any]] = _nothing
    same: Mapping[str, str] = field(default_factory=dict)
    zeros: Callable[[Config], dict[str, tuple[int, ...]]] = _nothing
    added: Callable[[Config], dict[str, tuple[int, ...]]] = _nothing
    ignored: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()
    build: Callable[[Architecture, dict[str, Any]], keras_hub.models.Task] | None = None
    accepts: Callable[[keras_hub.models.Task], str | None] = lambda task: None

    def new_task(self, arguments: Mapping[str, Any]) -> keras_hub.models.Task:
        """A task with weights that are not meant to stay."""
        import keras_hub

        if self.build is not None:
            return self.build(self, dict(arguments))
        backbone = getattr(keras_hub.models, self.backbone)(**arguments)
        return getattr(keras_hub.models, self.task)(backbone, preprocessor=None)

    def tables(self, arguments: Config) -> dict[str, list[Weight]]:
        """All tables of weights by name; tensors of the body without prefix."""
        extras = {name: table(arguments) for name, table in self.extras.items()}
        return {"body": self.body(arguments), "head": self.head(arguments), **extras}

    def arguments(self, config: Config, *, where: str) -> dict[str, Any]:
        """config.json to the arguments of the keras-hub backbone.

        Raises:
            DataError: a setting is missing, or is one that keras-hub does not have, by name.
        """
        for fixed in self.fixed:
            found = config.get(fixed.name, fixed.absent)
            if found not in fixed.values:
                able = " or ".join(repr(value) for value in fixed.values)
                raise DataError(
                    f"{fixed.name} is {found!r}, and keras-hub's {self.backbone} has {able} alone",
                    where=where,
                    fix="this model cannot be read without changing its answers",
                )
        arguments = {setting.keras: self._read(setting, config, where) for setting in self.settings}
        try:
            return arguments | self.more_from(config)
        except DataError as error:
            raise DataError(error.what, where=where, fix=error.fix) from None

    def _read(self, setting: Setting, config: Config, where: str) -> Any:
        found = {name: config[name] for name in setting.names if config.get(name) is not None}
        if not found and setting.absent is None:
            raise DataError(f"{setting.names[0]} is missing", where=where, fix="get the whole config.json")
        if not setting.loose and len(set(found.values())) > 1:
            pairs = " and ".join(f"{name} {value}" for name, value in found.items())
            raise DataError(
                f"{pairs} differ, and keras-hub's {self.backbone} has one setting for both",
                where=where,
                fix="this model cannot be read without changing its answers",
            )
        value = next(iter(found.values()), setting.absent)
        return value - setting.plus if setting.plus else value

    def config(self, arguments: Config) -> dict[str, Any]:
        """The arguments of a backbone to config.json, for a model with its head."""
        arguments = {**self.defaults, **arguments}
        content: dict[str, Any] = {"model_type": self.name, "architectures": [self.classes[0]]}
        content |= {fixed.name: fixed.values[0] for fixed in self.fixed}
        for setting in self.settings:
            value = arguments[setting.keras]
            content |= dict.fromkeys(setting.names, value + setting.plus if setting.plus else value)
        return content | self.more_to(arguments)

    def is_ignored(self, name: str) -> bool:
        return any(re.search(pattern, name) for pattern in self.ignored)

    def is_left_out(self, name: str) -> bool:
        return any(re.search(pattern, name) for pattern in self.left_out)
