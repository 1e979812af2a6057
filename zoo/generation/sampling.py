"""What a request may ask for: `Sampling`. Each field is a setting of `zoo.query`, of `LoadedModel.generate`,
of the served model and of `zoo query`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

from governance.errors import ConfigError, did_you_mean

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

#: Widths that are compiled; a request takes the smallest that fits.
BEAMS = (4, 8)
CANDIDATES = (4, 8, 16)

_TOP_P = 0.95
_MOST_STOPS = 16


@dataclass(frozen=True)
class Sampling:
    """How the next token is chosen, and when an answer ends.

    Temperature above 0 draws; 0 takes the likeliest token each time, or searches: with `beams` for the
    likeliest answer, with `contrastive` for one that does not repeat itself.

    Attributes:
        max_tokens: new tokens at most, per prompt.
        temperature: divides the logits before the draw; 0 does not draw.
        top_k: draw among so many of the most likely tokens; None for all. Contrastive search chooses
            among so many.
        top_p: draw among the most likely tokens that together have this probability (Holtzman et
            al. 2020, arXiv:1904.09751).
        seed: the same seed and prompt give the same answer.
        min_tokens: an answer has at least so many, unless a stop string ends it.
        repetition_penalty: makes tokens of prompt and answer so much less likely (Keskar et al. 2019,
            arXiv:1909.05858); 1 for none. Where a seq2seq model answers a prompt, the answer's alone.
        stop: texts that end an answer before them; one or several.
        beams: width of a beam search (Wu et al. 2016, arXiv:1609.08144); 1 for none.
        length_penalty: its alpha: 0 prefers short answers, 1 about the best mean of log-probabilities.
        contrastive: weight between 0 and 1 of the degeneration penalty of contrastive search (Su et al.
            2022, arXiv:2202.06417); 0 for none.
        control: what kind of text to write: a source of the pipeline that a `ctrl` was trained on; None
            leaves it to the prompt.
    """

    max_tokens: int = 128
    temperature: float = 0.8
    top_k: int | None = None
    top_p: float = _TOP_P
    seed: int = 0
    min_tokens: int = 0
    repetition_penalty: float = 1.0
    stop: str | Sequence[str] = ()
    beams: int = 1
    length_penalty: float = 0.6
    contrastive: float = 0.0
    control: str | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "stop", (self.stop,) if isinstance(self.stop, str) else tuple(self.stop))
        searches = self.beams > 1 or self.contrastive > 0
        draws_among = self.top_k is not None or self.top_p not in (_TOP_P, 1)
        wrong = {
            "max_tokens must be at least 1": self.max_tokens < 1,
            "temperature must not be negative": not 0 <= self.temperature < float("inf"),
            "top_k must be at least 1": self.top_k is not None and self.top_k < 1,
            "top_p must lie above 0 and not above 1": not 0 < self.top_p <= 1,
            "seed must lie between 0 and 2^63 - 1": not 0 <= self.seed < 2**63,
            "min_tokens must lie between 0 and max_tokens": not 0 <= self.min_tokens <= self.max_tokens,
            "repetition_penalty must be above 0": not 0 < self.repetition_penalty < float("inf"),
            f"stop must be up to {_MOST_STOPS} texts, none empty": len(self.stops) > _MOST_STOPS or "" in self.stops,
            f"beams must lie between 1 and {BEAMS[-1]}": not 1 <= self.beams <= BEAMS[-1],
            "length_penalty must not be negative": not 0 <= self.length_penalty < float("inf"),
            "contrastive must lie between 0 and 1": not 0 <= self.contrastive <= 1,
            "beams and contrastive are two different searches: choose one": self.beams > 1 and self.contrastive > 0,
            "beams and contrastive search and do not draw: set temperature to 0": searches and self.temperature > 0,
            f"contrastive chooses among the top_k likeliest tokens: set top_k between 2 and {CANDIDATES[-1]}": (
                self.contrastive > 0 and not 2 <= (self.top_k or 0) <= CANDIDATES[-1]
            ),
            "top_k and top_p limit draws, and temperature 0 does not draw: set a temperature": (
                self.temperature == 0 and self.contrastive == 0 and draws_among
            ),
        }
        for what, is_wrong in wrong.items():
            if is_wrong:
                raise ConfigError(what, where="sampling")

    @classmethod
    def of(cls, **options: Any) -> Sampling:
        """From settings by name, as a user gives them.

        Raises:
            ConfigError: there is no such setting, or it is out of its range.
        """
        names = [field.name for field in fields(cls)]
        for name in options:
            if name not in names:
                raise ConfigError(
                    f'there is no setting "{name}"{did_you_mean(name, names)}',
                    where="sampling",
                    fix=f"use {', '.join(names)}",
                )
        return cls(**options)

    def check_streams(self) -> None:
        """Raises ConfigError for a beam search, whose answer is not known before its end."""
        if self.beams > 1:
            raise ConfigError("a beam search knows its answer at the end alone", where="stream", fix="use beams=1")

    @property
    def stops(self) -> tuple[str, ...]:
        """`stop` as a tuple, whichever way it was given."""
        return tuple(self.stop)

    def settings(self, vocabulary: int) -> npt.NDArray[np.float32]:
        """What the compiled functions read, float32 [8]: temperature, top-k, top-p, 1 for greedy,
        repetition penalty, min_tokens, width of the search, its weight (length penalty or contrastive)."""
        import numpy as np

        greedy = self.temperature == 0
        top_k = min(self.top_k or vocabulary, vocabulary)
        searching = self.contrastive > 0
        width = top_k if searching else self.beams
        weight = self.contrastive if searching else self.length_penalty
        temperature = 1.0 if greedy else self.temperature
        fixed = (temperature, top_k, self.top_p, greedy, self.repetition_penalty, self.min_tokens)
        return np.array([*fixed, width, weight], np.float32)


def uniform(seed: int, row: int, count: int) -> npt.NDArray[np.float32]:
    """A random number in [0, 1) for each token of a row: a function of seed and row, whatever the batch."""
    import numpy as np

    return np.random.Generator(np.random.Philox(key=[seed, row])).random(count, np.float32)


def served_defaults() -> dict[str, str | int | float | bool]:
    """The parameters of a served model with their defaults: those of `Sampling` and whether to truncate.

    A served parameter has one type and no None: `top_k` of 0 stands for all, `stop` and `control` of "" for none.
    """
    defaults: dict[str, Any] = {field.name: field.default for field in fields(Sampling)}
    return {**defaults, "max_tokens": 64, "temperature": 0.0, "top_k": 0, "stop": "", "control": "", "truncate": False}


def from_served(params: dict[str, Any]) -> dict[str, Any]:
    """Parameters of `served_defaults` as settings by name; absent and empty ones are left out."""
    known = served_defaults()
    given = {name: type(known[name])(value) if name in known else value for name, value in params.items()}
    return {name: value for name, value in given.items() if value or name not in ("top_k", "stop", "control")}
