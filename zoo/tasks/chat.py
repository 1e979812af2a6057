"""The chat template: how a prompt and its answer stand in one sequence.

Where the tokenizer has tokens for it (Llama 3's headers) these are used, which no text can spell; elsewhere
plain words mark who speaks. A model that was tuned with a template is asked with the same one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipelines.tokenizers import Encoder

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from pipelines.examples import PartIds

#: Tasks whose models are asked with a template.
TEMPLATED = frozenset({"instruct", "preference"})

_HEADERS = ("<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>")


@dataclass(frozen=True)
class Template:
    """Ids before the prompt, between prompt and answer, and the one that ends an answer."""

    before: tuple[int, ...]
    between: tuple[int, ...]
    end: int

    @classmethod
    def of(cls, encoder: Encoder) -> Template:
        """The template of a tokenizer's kind."""
        ids, frame = encoder.lexicon.ids, encoder.frame
        if all(token in encoder.lexicon.kind.special_tokens for token in _HEADERS):
            start, stop, over = (ids[token] for token in _HEADERS)
            user, assistant, gap = encoder.encode(["user", "assistant", "\n\n"])
            before = (frame.prompt_id, start, *user, stop, *gap)
            return cls(before, (over, start, *assistant, stop, *gap), frame.end_id)
        question, answer = encoder.encode(["Question: ", "\n\nAnswer: "])
        return cls((frame.prompt_id, *question), tuple(answer), frame.end_id)

    @property
    def around(self) -> int:
        """Tokens besides prompt and answer."""
        return len(self.before) + len(self.between) + 1

    def prompt(self, ids: npt.NDArray[np.int32]) -> npt.NDArray[np.int32]:
        """A prompt up to where the answer begins."""
        import numpy as np

        return np.concatenate([self.before, ids, self.between]).astype(np.int32)

    def kept(self, prompt: int, answer: int, context: int) -> tuple[int, int]:
        """Tokens of a prompt and of its answer that fit into the context, one more for the last target: a long
        prompt loses its beginning, down to half of the room, then a long answer its end."""
        room = context + 1 - self.around
        kept_prompt = min(prompt, max(room - answer, room // 2))
        return kept_prompt, min(answer, room - kept_prompt)


@dataclass(frozen=True)
class Dialogues:
    """Prompts with answers as sequences of a template.

    Attributes:
        always_ends: whether an answer that is cut has the token of an end as well, for a head that reads its state.
    """

    template: Template
    prompts: PartIds
    answers: PartIds
    context: int
    always_ends: bool = False

    def whole_lengths(self) -> npt.NDArray[np.int64]:
        """int64 [examples], inputs of each example: everything but the last token, which is a target alone."""
        return self.prompts.lengths + self.answers.lengths + self.template.around - 1

    def __call__(self, example: int, *, room_for: int = 0) -> tuple[npt.NDArray[np.int32], int]:
        """A whole sequence, and how many of its last tokens are the answer with its end. An answer that is cut
        does not end: a model should not learn to stop in the middle of a sentence.

        Args:
            room_for: the prompt is cut as for an answer of at least so many tokens.
        """
        import numpy as np

        prompt, answer = self.prompts[example], self.answers[example]
        of_prompt, of_answer = self.template.kept(len(prompt), max(len(answer), room_for), self.context)
        if self.always_ends:
            answer = answer[:of_answer]
        whole = of_answer >= len(answer)
        kept = [*answer, self.template.end] if whole else answer[: of_answer + 1]
        begin = self.template.prompt(prompt[len(prompt) - of_prompt :])
        return np.concatenate([begin, kept]).astype(np.int32), len(kept)
