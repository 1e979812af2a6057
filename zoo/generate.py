"""Text from a trained model: sampling with a key/value cache, on shapes that are compiled once.

A compiled loop needs static shapes. So prompts are padded to few lengths and few batch sizes, and
everything else that differs between requests (temperature, top-k, top-p, seed, number of tokens)
is an input of the compiled function: after `warm_up` no request waits for a compiler.

Random numbers are drawn on the host, one uniform number per row and token from (seed, row), so
that an answer depends neither on the backend nor on what else is in its batch.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from governance.errors import ConfigError, DataError
from pipelines.atomic import atomic_path
from pipelines.tokenizers import Frame, encoder_from
from zoo import families
from zoo.families.base import Family

if TYPE_CHECKING:
    import keras_hub
    import numpy as np
    import numpy.typing as npt
    from tokenizers import Tokenizer

#: Rows that are generated at once; a request takes the smallest that fits.
BATCH_SIZES = (1, 4, 16)
#: Beside the files of the preset: what keras-hub does not ask for.
_ABOUT = "zoo.json"
#: Lengths (prompt and answer together) that are compiled, doubled up to the model's context.
SHORTEST_LENGTH = 256
#: What Python makes of bytes on the command line that are not UTF-8.
_SURROGATE = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True)
class Sampling:
    """How the next token is chosen.

    Attributes:
        max_tokens: new tokens at most, per prompt.
        temperature: 0 always takes the most likely token.
        top_k: choose among so many of the most likely tokens; None for all.
        top_p: choose among the most likely tokens that together have this probability (Holtzman et
            al. 2020, arXiv:1904.09751).
        seed: the same seed and prompt give the same answer.
    """

    max_tokens: int = 128
    temperature: float = 0.8
    top_k: int | None = None
    top_p: float = 0.95
    seed: int = 0

    def __post_init__(self) -> None:
        wrong = {
            "max_tokens must be at least 1": self.max_tokens < 1,
            "temperature must not be negative": not self.temperature >= 0,
            "top_k must be at least 1": self.top_k is not None and self.top_k < 1,
            "top_p must lie above 0 and not above 1": not 0 < self.top_p <= 1,
            "seed must lie between 0 and 2^63 - 1": not 0 <= self.seed < 2**63,
        }
        for what, is_wrong in wrong.items():
            if is_wrong:
                raise ConfigError(what, where="sampling")


class TextModel:
    """A task and its tokenizer: text in, text out.

    Args:
        task: a keras-hub causal language model with `call_with_cache`.
        encoder: from `pipelines.tokenizers`; its ids are the task's.
        context: tokens that prompt and answer may have together.
    """

    def __init__(self, task: keras_hub.models.CausalLM, encoder: Tokenizer, *, context: int) -> None:
        self.task = task
        self.encoder = encoder
        self.frame = Frame.of(encoder.get_vocab())
        self.eos_id = self.frame.end_id
        self.context = context
        self._decode = compiled(task, self._decode_batch)

    def generate(
        self, prompts: Sequence[str], sampling: Sampling | None = None, *, truncate: bool = False
    ) -> list[str]:
        """Continues each prompt; returns the continuations alone, without the prompts.

        A prompt is read as the beginning of a document. Generation ends at the end-of-text token,
        which is not returned.

        Args:
            truncate: a prompt that does not fit into the context together with `max_tokens` loses
                its beginning.

        Raises:
            DataError: a prompt is not UTF-8, or does not fit and `truncate` is False.
            ConfigError: `max_tokens` leaves no room in the context.
        """
        chosen = sampling or Sampling()
        if any(_SURROGATE.search(prompt) for prompt in prompts):
            raise DataError("the prompt is not UTF-8", fix="give it in UTF-8")
        new = chosen.max_tokens
        if new >= self.context:
            raise ConfigError(f"max_tokens must be below the model's context of {self.context}", where="sampling")
        encoded = self.encoder.encode_batch(list(prompts), add_special_tokens=False)
        rows = [[self.frame.prompt_id, *one.ids] for one in encoded]
        room = self.context - new
        longest = max(map(len, rows), default=0)
        if longest > room and not truncate:
            raise DataError(
                f"a prompt of {longest - 1} tokens and max_tokens={new} exceed the model's context of {self.context}",
                fix=f"shorten it to {room - 1} tokens, or ask for fewer",
            )
        rows = [row[-room:] for row in rows]
        size = _bucket(len(rows), BATCH_SIZES)  # of each batch, so that a short last one compiles nothing
        texts: list[str] = []
        for start in range(0, len(rows), size):
            texts += self._generate_batch(rows[start : start + size], size, new, chosen, first_row=start)
        return texts

    def warm_up(self, batch_sizes: Sequence[int] = (1,), lengths: Sequence[int] | None = None) -> None:
        """Compiles these batch sizes with these lengths (all, when None) before the first request."""
        import numpy as np

        for batch_size in batch_sizes:
            for length in self.lengths() if lengths is None else lengths:
                rows = np.full((_bucket(batch_size, BATCH_SIZES), length), self.eos_id, np.int32)
                self._run(rows, np.ones(len(rows), np.int32), 1, Sampling(max_tokens=1), first_row=0)

    def lengths(self) -> list[int]:
        """The lengths that are compiled, in tokens."""
        lengths, length = [], SHORTEST_LENGTH
        while length < self.context:
            lengths.append(length)
            length *= 2
        return [*lengths, self.context]

    def _generate_batch(
        self, rows: list[list[int]], size: int, new: int, sampling: Sampling, first_row: int
    ) -> list[str]:
        import numpy as np

        length = _bucket(max(map(len, rows)) + new, self.lengths())
        padded = np.full((size, length), self.eos_id, np.int32)
        known = np.full(size, len(rows[0]), np.int32)
        for index in range(size):  # rows that only fill the batch repeat the first one
            row = rows[index] if index < len(rows) else rows[0]
            padded[index, : len(row)] = row
            known[index] = len(row)
        generated = self._run(padded, known, new, sampling, first_row)
        texts = []
        for row, ids in zip(rows, generated, strict=False):
            answer = ids[len(row) : len(row) + new].tolist()
            if self.eos_id in answer:
                answer = answer[: answer.index(self.eos_id)]
            texts.append(self.encoder.decode(answer, skip_special_tokens=False))
        return texts

    def _run(
        self,
        ids: npt.NDArray[np.int32],
        known: npt.NDArray[np.int32],
        new: int,
        sampling: Sampling,
        first_row: int,
    ) -> npt.NDArray[np.int32]:
        import numpy as np

        uniform = np.zeros(ids.shape, np.float32)
        for index, start in enumerate(known):
            draw = np.random.Generator(np.random.Philox(key=[sampling.seed, first_row + index]))
            uniform[index, start:] = draw.random(ids.shape[1] - start, np.float32)
        greedy = sampling.temperature == 0
        vocabulary = self.encoder.get_vocab_size()
        settings = np.array(
            [
                1.0 if greedy else sampling.temperature,
                min(sampling.top_k or vocabulary, vocabulary),
                sampling.top_p,
                greedy,
            ],
            np.float32,
        )
        generated: npt.NDArray[np.int32] = self._decode(ids, known, known + np.int32(new), uniform, settings)
        return generated

    def _decode_batch(self, ids: Any, known: Any, ends: Any, uniform: Any, settings: Any) -> Any:
        """The compiled part: fills rows [known, ends), each until its end of text.

        Args:
            ids: int32 [batch, length], the prompts, padded.
            known: int32 [batch], prompt lengths, at least 1.
            ends: int32 [batch], where to stop at the latest.
            uniform: float32 [batch, length], a random number for each position.
            settings: float32 [4], temperature, top-k, top-p, 1 for greedy.

        Returns:
            int32 [batch, length].
        """
        from keras import ops

        length = ids.shape[1]
        _, cache = self.task._build_cache(ids)
        first = ops.min(known)
        last = ops.minimum(ops.max(ends), length)
        done = ops.zeros(known.shape, "bool")

        def is_open(index: Any, ids: Any, cache: Any, done: Any) -> Any:
            return ops.logical_and(index < last, ops.logical_not(ops.all(done)))

        def turn(index: Any, ids: Any, cache: Any, done: Any) -> Any:
            before = ops.slice(ids, [0, index - 1], [ids.shape[0], 1])
            logits, _, cache = self.task.call_with_cache(before, cache, index - 1)
            random = ops.slice(uniform, [0, index], [ids.shape[0], 1])
            token = _choose(ops.cast(logits[:, 0, :], "float32"), random, settings)
            present = ops.slice(ids, [0, index], [ids.shape[0], 1])[:, 0]
            token = ops.where(index < known, present, token)
            ended = ops.logical_and(index >= known, token == self.eos_id)
            done = ops.logical_or(done, ops.logical_or(ended, index + 1 >= ends))
            return index + 1, ops.slice_update(ids, [0, index], token[:, None]), cache, done

        return ops.while_loop(is_open, turn, (first, ids, cache, done))[1]


def _choose(logits: Any, random: Any, settings: Any) -> Any:
    """Draws a token by inverting the cumulative distribution of the candidates.

    The candidates of top-k and top-p are all tokens above a threshold, which bisection finds in a
    tenth of the time that sorting a vocabulary takes. Tokens as likely as the last one stay in.

    Args:
        logits: float32 [batch, vocabulary].
        random: float32 [batch, 1], uniform in [0, 1).
        settings: float32 [4], temperature, top-k, top-p, 1 for greedy.

    Returns:
        int32 [batch].
    """
    from keras import ops

    best = ops.argmax(logits, axis=-1)
    scaled = logits / settings[0]
    probabilities = ops.softmax(scaled)

    def halve(_: Any, bounds: Any) -> Any:
        low, high = bounds
        middle = 0.5 * (low + high)
        above = ops.cast(scaled >= middle, "float32")
        many = ops.sum(above, axis=-1, keepdims=True) >= settings[1]
        likely = ops.sum(above * probabilities, axis=-1, keepdims=True) >= settings[2]
        enough = ops.logical_or(many, likely)
        return ops.where(enough, middle, low), ops.where(enough, high, middle)

    limits = (ops.min(scaled, axis=-1, keepdims=True), ops.max(scaled, axis=-1, keepdims=True))
    threshold, _ = ops.fori_loop(0, 32, halve, limits)
    cumulative = ops.cumsum(ops.where(scaled >= threshold, probabilities, 0.0), axis=-1)
    passed = ops.sum(ops.cast(cumulative <= random * cumulative[:, -1:], "int32"), axis=-1)
    # Rounding may pass all candidates; the most likely token is always one of them.
    drawn = ops.where(passed < logits.shape[1], passed, best)
    return ops.cast(ops.where(settings[3] > 0, best, drawn), "int32")


def compiled(task: keras_hub.models.CausalLM, function: Callable[..., Any]) -> Callable[..., Any]:
    """Compiles a function of arrays that reads the task's variables; returns NumPy."""
    import keras
    import numpy as np

    if keras.config.backend() == "jax":
        import jax

        def pure(values: list[Any], *arrays: Any) -> Any:
            with keras.StatelessScope(state_mapping=list(zip(task.variables, values, strict=True))):
                return function(*arrays)

        jitted = jax.jit(pure)
        return lambda *arrays: np.asarray(jitted([variable.value for variable in task.variables], *arrays))

    import tensorflow as tf

    graph = tf.function(function, jit_compile=True, autograph=False)
    return lambda *arrays: graph(*map(tf.constant, arrays)).numpy()


def _bucket(size: int, buckets: Sequence[int]) -> int:
    return next((bucket for bucket in buckets if bucket >= size), buckets[-1])


def save_preset(
    task: keras_hub.models.CausalLM, tokenizer_dir: Path, folder: Path, *, family: Family, context: int
) -> None:
    """Writes a keras-hub preset: `keras_hub.models.CausalLM.from_preset(folder)` loads it without us.

    (Of `lstm`, which keras-hub does not have, after `import zoo.families.lstm_model`.)

    Args:
        task: its weights are shared, nothing of it changes.
        tokenizer_dir: holds vocab.json and merges.txt.
        context: tokens that the model was trained to look at.
        folder: must not exist; written to a temporary name and renamed.

    Raises:
        DataError: the folder exists, or the disk is full or not writable.
    """
    if folder.exists():
        raise DataError("the folder exists already", where=str(folder), fix="choose another one")
    whole = type(task)(backbone=task.backbone, preprocessor=family.preprocessor(tokenizer_dir, context))
    with atomic_path(folder) as temporary:
        whole.save_to_preset(str(temporary))
        about = {"family": family.name, "context": context}
        (temporary / _ABOUT).write_text(json.dumps(about), encoding="utf-8")


def load_preset(folder: Path) -> tuple[Family, TextModel]:
    """Opens what `save_preset` wrote, in this or in a new process.

    Raises:
        DataError: the folder is no such preset.
    """
    import keras_hub

    assets = folder / "assets" / "tokenizer"
    try:
        vocabulary = json.loads((assets / "vocabulary.json").read_text(encoding="utf-8"))
        merges = (assets / "merges.txt").read_text(encoding="utf-8").splitlines()
        about = json.loads((folder / _ABOUT).read_text(encoding="utf-8"))
        family = families.get(about["family"])
        family.prepare()
        task = keras_hub.models.CausalLM.from_preset(str(folder), preprocessor=None)
    except (OSError, ValueError, KeyError) as error:
        raise DataError(
            f"this is no saved model: {type(error).__name__}", where=str(folder), fix="register it again"
        ) from None
    return family, TextModel(task, encoder_from(vocabulary, merges), context=int(about["context"]))
