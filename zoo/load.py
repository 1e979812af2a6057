"""Loading a registered model version, and what a loaded one can do."""

from __future__ import annotations

import json
import threading
from collections import OrderedDict, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

from governance.errors import ConfigError, DataError, PolicyRefused, RegistryError
from registry import ModelVersion, Tracking, model_folder, resolve
from registry.versions import refuse_quarantined
from zoo.backend import prepare_backend
from zoo.families.base import Family
from zoo.workspace import Workspace

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from zoo.encode import EncoderModel, Filled
    from zoo.generate import Sampling, TextModel
    from zoo.seq2seq import Seq2SeqModel
    from zoo.tasks.model import HeadModel, Place, Scored

#: Models kept in memory at once by `open_version`.
_KEPT = 4

_ARTICLES = {"encoder": "an encoder", "decoder": "a decoder", "seq2seq": "a seq2seq model"}


@dataclass(frozen=True)
class LoadedModel:
    """A model in memory. `version` is None for a folder that is not registered (yet)."""

    version: ModelVersion | None
    folder: Path
    family: Family
    text_model: TextModel | EncoderModel | Seq2SeqModel | HeadModel

    @overload
    def generate(self, prompts: str, *, truncate: bool = False, **sampling: Any) -> str: ...
    @overload
    def generate(self, prompts: Sequence[str], *, truncate: bool = False, **sampling: Any) -> list[str]: ...
    def generate(self, prompts: str | Sequence[str], *, truncate: bool = False, **sampling: Any) -> str | list[str]:
        """Continues a prompt, or several; a seq2seq model that was trained on pairs answers it.

        Args:
            truncate: a prompt that is too long loses its beginning (one that is answered, its end);
                otherwise it is refused.
            sampling: fields of `zoo.generate.Sampling`, such as max_tokens, top_p, stop or beams; temperature
                is 0 unless it is given, which takes the likeliest token each time.

        Raises:
            DataError: a prompt does not fit into the model's context together with max_tokens.
            ConfigError: there is no such setting, it is out of its range or does not go with another
                one, or the model is an encoder.
        """
        text_model, settings = self._generator(sampling)
        if isinstance(prompts, str):
            return text_model.generate([prompts], settings, truncate=truncate)[0]
        return text_model.generate(list(prompts), settings, truncate=truncate)

    def stream(self, prompt: str, *, truncate: bool = False, **sampling: Any) -> Iterator[str]:
        """Continues a prompt in pieces, as they come; joined they are what `generate` gives.

        Arguments and errors are those of `generate`, beam search apart: see `TextModel.stream`.
        """
        text_model, settings = self._generator(sampling)
        return text_model.stream(prompt, settings, truncate=truncate)

    def _generator(self, sampling: dict[str, Any]) -> tuple[TextModel | Seq2SeqModel, Sampling]:
        from zoo.encode import EncoderModel
        from zoo.generate import Sampling
        from zoo.tasks.model import HeadModel

        if isinstance(self.text_model, EncoderModel):
            raise self._wrong_shape("generates no text", "embed or fill")
        if isinstance(self.text_model, HeadModel):
            raise self._wrong_task("generates no text")
        return self.text_model, Sampling.of(**{"temperature": 0.0, **sampling})

    def embed(self, texts: Sequence[str], *, truncate: bool = False) -> npt.NDArray[np.float32]:
        """Embeddings of length 1, float32 [texts, width], by an encoder: see `EncoderModel.embed`."""
        _refuse_one_text(texts)
        return self._encoder("makes no embeddings").embed(texts, truncate=truncate)

    def fill(self, text: str, *, top_k: int = 5) -> list[list[Filled]]:
        """The likeliest tokens for each `<mask>`, by an encoder: see `EncoderModel.fill`."""
        return self._encoder("fills no masks").fill(text, top_k=top_k)

    def classify(self, texts: Sequence[str], *, top_k: int = 3, truncate: bool = False) -> list[list[Scored]]:
        """The likeliest classes of each text with calibrated probabilities: see `HeadModel.classify`."""
        _refuse_one_text(texts)
        return self._head("has no classes", "classify").classify(texts, top_k=top_k, truncate=truncate)

    def tag(self, text: str) -> list[Place]:
        """The places of a text that are part of something: see `HeadModel.tag`."""
        return self._head("tags no places", "tag").tag(text)

    def reward(self, prompts: Sequence[str], answers: Sequence[str]) -> npt.NDArray[np.float32]:
        """How good each answer to its prompt is, float32 [answers]: see `HeadModel.reward`."""
        _refuse_one_text(prompts)
        return self._head("gives no rewards", "reward").reward(prompts, answers)

    @property
    def gives(self) -> str:
        """What it makes of one text: "text", "embedding", "label", "places" or "reward"."""
        from zoo.encode import EncoderModel
        from zoo.tasks.model import HeadModel

        if isinstance(self.text_model, HeadModel):
            return {"classify": "label", "tag": "places", "reward": "reward"}[self.text_model.name]
        return "embedding" if isinstance(self.text_model, EncoderModel) else "text"

    def use(self, text: str, *, max_tokens: int = 32) -> Any:
        """What the model is made for, on one text: an answer, an embedding, classes, places, or a reward."""
        ways: dict[str, Callable[[], Any]] = {
            "text": lambda: self.generate(text, max_tokens=max_tokens),
            "embedding": lambda: self.embed([text])[0],
            "label": lambda: self.classify([text])[0],
            "places": lambda: self.tag(text),
            "reward": lambda: float(self.reward([text], [""])[0]),
        }
        return ways[self.gives]()

    def predict(self, texts: Sequence[str], **sampling: Any) -> list[Any]:
        """What MLflow serves for each text: an answer, an embedding as a list, the likeliest class, places as
        JSON, or the reward of {"prompt": ..., "answer": ...}.

        Raises:
            DataError: a text to be rewarded is no such JSON.
        """
        if self.gives == "text":
            return self.generate(list(texts), **sampling)
        if self.gives == "embedding":
            embeddings: list[Any] = self.embed(texts).tolist()
            return embeddings
        if self.gives == "label":
            return [scored[0].label for scored in self.classify(texts, top_k=1)]
        if self.gives == "places":
            return [json.dumps([vars(place) for place in self.tag(text)]) for text in texts]
        try:
            pairs = [(str(pair["prompt"]), str(pair["answer"])) for pair in map(json.loads, texts)]
        except (ValueError, KeyError, TypeError):
            raise DataError('no JSON object with "prompt" and "answer"', where="input") from None
        return [str(value) for value in self.reward([p for p, _ in pairs], [a for _, a in pairs])]

    def sample(self, texts: Sequence[str], *, seed: int) -> list[str]:
        """Sampled continuations of texts; an encoder fills masks that stand after them."""
        return self.text_model.sample(texts, seed=seed)

    @property
    def cased(self) -> bool:
        """Whether its tokenizer keeps capital letters."""
        return self.text_model.encoder.lexicon.kind.cased

    def _encoder(self, what: str) -> EncoderModel:
        from zoo.encode import EncoderModel
        from zoo.tasks.model import HeadModel

        if isinstance(self.text_model, HeadModel):
            raise self._wrong_task(what)
        if not isinstance(self.text_model, EncoderModel):
            raise self._wrong_shape(what, "generate")
        return self.text_model

    def _head(self, what: str, task: str) -> HeadModel:
        from zoo.tasks.model import HeadModel

        if not isinstance(self.text_model, HeadModel):
            raise ConfigError(
                f"this {self.family.name} {what}", where="model", fix=f"fine-tune it: zoo train … --task {task}"
            )
        return self.text_model

    def _wrong_task(self, what: str) -> ConfigError:
        return ConfigError(f"a model that gives a {self.gives} {what}", where="model", fix="see docs/fine-tuning.md")

    def _wrong_shape(self, what: str, instead: str) -> ConfigError:
        return ConfigError(
            f"{self.family.name} is {_ARTICLES[self.family.shape]} and {what}", where="model", fix=f"use {instead}"
        )

    def bits_per_byte(self, texts: Iterable[str]) -> float:
        """Bits that the model needs for each UTF-8 byte of these documents, their ends included; an
        encoder and `t5` for each byte of what is hidden from them, `bart` with most of it in its input.

        Raises:
            ConfigError: a model with a head predicts no text.
        """
        from zoo.measure import bits_per_byte
        from zoo.tasks.model import HeadModel

        _refuse_one_text(texts)
        if isinstance(self.text_model, HeadModel):
            raise self._wrong_task("predicts no text")
        return bits_per_byte(self.text_model, self.family, texts)


def _refuse_one_text(texts: Iterable[str]) -> None:
    """A text is a sequence of texts, of one character each: never what was meant."""
    if isinstance(texts, str):
        raise ConfigError("give a list of texts, not one text", where="texts")


def load(
    reference: str, *, workspace: Workspace | None = None, caller: str | None = None, purpose: str = "assist"
) -> LoadedModel:
    """Loads `tax_domain.gpt@champion` or `tax_domain.gpt/3`.

    Args:
        caller: who loads it; None for the workspace's owner. A caller needs a role in the domain, and
            gets only versions that passed their gates.
        purpose: what for; one of the domain's purposes. Only asked of a caller.

    Raises:
        PolicyRefused: the caller may not load it, or there is no such version: the same words. To the owner: the
            policy does not allow the version any more.
        RegistryError: there is no such version, or it is quarantined (to the owner alone).
    """
    workspace = workspace or Workspace.current()
    tracking = Tracking(workspace.tracking_uri, workspace.artifact_root)
    if caller is None:
        version = resolve(tracking, reference)
        workspace.policy.check(version.label, sink=version.domain, purpose="evaluate")
        return open_version(workspace, version)
    try:
        version = resolve(tracking, reference)
        workspace.policy.check(version.label, sink=version.domain, caller=caller, purpose=purpose)
        if not version.blessed:
            raise PolicyRefused("it did not pass its gates")
    except (PolicyRefused, RegistryError):
        raise PolicyRefused(
            f'the caller "{caller}" may not load "{reference}"', fix="ask the domain's owner for a role"
        ) from None
    return open_version(workspace, version)


class _Cache:
    """The most recently used models, each loaded once, also when many threads ask at the same time."""

    def __init__(self, kept: int) -> None:
        self._kept = kept
        self._models: OrderedDict[tuple[str, str], LoadedModel] = OrderedDict()
        self._locks: defaultdict[tuple[str, str], threading.Lock] = defaultdict(threading.Lock)
        self._guard = threading.Lock()

    def get(self, key: tuple[str, str], load: Callable[[], LoadedModel]) -> LoadedModel:
        with self._guard:
            lock = self._locks[key]
        with lock:  # of this model alone: others are answered meanwhile
            with self._guard:
                if key in self._models:
                    self._models.move_to_end(key)
                    return self._models[key]
            loaded = load()
            with self._guard:
                self._models[key] = loaded
                while len(self._models) > self._kept:
                    self._models.popitem(last=False)
            return loaded

    def forget(self, key: tuple[str, str]) -> None:
        with self._guard:
            self._models.pop(key, None)


_cache = _Cache(_KEPT)


def open_version(workspace: Workspace, version: ModelVersion) -> LoadedModel:
    """Loads a version once, ready to answer; MLflow is asked only when it is not in memory."""

    def load_now() -> LoadedModel:
        tracking = Tracking(workspace.tracking_uri, workspace.artifact_root)
        loaded = open_folder(model_folder(tracking, version), version)
        loaded.text_model.warm_up(lengths=loaded.text_model.lengths()[:1])
        return loaded

    key = (workspace.tracking_uri, version.model_id)
    if version.quarantined is not None:
        _cache.forget(key)
    refuse_quarantined(version)
    return _cache.get(key, load_now)


def forget_version(workspace: Workspace, version: ModelVersion) -> None:
    """Lets go of a version that was loaded: its weights leave this process's memory."""
    _cache.forget((workspace.tracking_uri, version.model_id))


def open_folder(folder: Path, version: ModelVersion | None = None) -> LoadedModel:
    """Loads a preset folder that a training wrote."""
    prepare_backend()
    from zoo.preset import load_preset

    family, text_model = load_preset(folder)
    return LoadedModel(version, folder, family, text_model)
