"""Language modelling with control codes (CTRL, Keskar et al. 2019, arXiv:1909.05858).

A code is a token that no text can spell. It stands in the input at the beginning of each window and of each document,
and says which source of the pipeline the next token comes from; it is never a target. In one window of ten there are
no codes, so that the model can also write without one (as Ho and Salimans 2022, arXiv:2207.12598, leave conditions
out), and opens at keras-hub or Hugging Face as the GPT-2 that it is.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar, Self

from governance.errors import ConfigError
from pipelines.tokenizers import Lexicon
from zoo.objectives.base import SOURCE, Batch, Validation
from zoo.objectives.causal import CausalLM

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from pipelines.stream import Windows
    from pipelines.tokens import TokenSplit

#: Share of the windows without codes.
_WITHOUT = 0.1


@dataclass(frozen=True)
class ControlledLM(CausalLM):
    """Cross-entropy of each next token, given the code of its source.

    Attributes:
        end_id: ends each document; as an input it becomes the code of the document that follows.
        codes: the code of each source, by the source's number.
    """

    end_id: int
    codes: tuple[int, ...]

    name: ClassVar[str] = "controlled_lm"
    with_sources: ClassVar[bool] = True

    @classmethod
    def of(cls, lexicon: Lexicon) -> Self:
        """For a tokenizer with control codes; source n has the n-th of them."""
        return cls(lexicon.frame.end_id, tuple(lexicon.ids[token] for token in lexicon.kind.controls))

    def for_sources(self, sources: Sequence[str], controls: Sequence[str]) -> Self:
        """The same for sources of these names, whose codes have these names in order.

        Raises:
            ConfigError: there are more names than codes.
        """
        check_controls(controls, len(self.codes))
        return replace(self, codes=tuple(self.codes[controls.index(name)] for name in sources))

    def examples(self, windows: Windows) -> Batch:
        import numpy as np

        batch = super().examples(windows)
        if windows.sources is None:
            return batch
        coded = self._with_codes(batch["inputs"], windows.sources[:, 1:])
        without = [_chance(windows, row) < _WITHOUT for row in range(len(coded))]
        return {**batch, "inputs": np.where(np.array(without)[:, None], batch["inputs"], coded)}

    def validation(self, split: TokenSplit, *, batch_size: int, window: int) -> Validation:
        """Each window with its codes; text of no known source has none."""
        plain = super().validation(split, batch_size=batch_size, window=window)
        return plain if split.sources is None else replace(plain, batches=self._coded(plain.batches))

    def _coded(self, batches: Iterator[Batch]) -> Iterator[Batch]:
        for batch in batches:
            yield {**batch, "inputs": self._with_codes(batch["inputs"], batch[SOURCE])}

    def _with_codes(self, inputs: npt.NDArray[Any], sources: npt.NDArray[Any]) -> npt.NDArray[np.int32]:
        """`sources` are those of the targets."""
        import numpy as np

        begins = inputs == self.end_id
        begins[:, 0] = True
        return np.where(begins, np.array(self.codes, np.int32)[sources], inputs)


def control_names(known: Sequence[str], sources: Sequence[str]) -> tuple[str, ...]:
    """The names of the codes in order: a base's keep theirs, new sources get the next ones."""
    return (*known, *(name for name in sources if name not in known))


def check_controls(names: Sequence[str], codes: int) -> None:
    """Raises ConfigError when there are more names than codes, or none at all."""
    if codes == 0:
        raise ConfigError(
            "the base's vocabulary has no control codes", where="init", fix="continue from a ctrl, or train a gpt"
        )
    if len(names) > codes:
        raise ConfigError(
            f"{len(names)} sources need a control code each, and there are {codes}",
            where="sources",
            fix="give sources of one kind in one pattern, such as path: letters/*.jsonl",
        )


def _chance(windows: Windows, row: int) -> float:
    """Between 0 and 1, by (seed, epoch, window)."""
    import numpy as np

    key = [windows.seed & 0xFFFFFFFFFFFFFFFF, int(windows.index[row])]
    return float(np.random.Generator(np.random.Philox(key=key, counter=[0, 0, 0, int(windows.epoch[row])])).random())
