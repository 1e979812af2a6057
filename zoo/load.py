"""Loading a registered model version, and what a loaded one can do."""

from __future__ import annotations

import threading
from collections import OrderedDict, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

from governance.errors import PolicyRefused, RegistryError
from registry import ModelVersion, Tracking, model_folder, resolve
from registry.versions import refuse_quarantined
from zoo.backend import prepare_backend
from zoo.families.base import Family
from zoo.workspace import Workspace

if TYPE_CHECKING:
    from zoo.generate import TextModel

#: Models kept in memory at once by `open_version`.
_KEPT = 4


@dataclass(frozen=True)
class LoadedModel:
    """A model in memory. `version` is None for a folder that is not registered (yet)."""

    version: ModelVersion | None
    folder: Path
    family: Family
    text_model: TextModel

    @overload
    def generate(self, prompts: str, *, truncate: bool = False, **sampling: Any) -> str: ...
    @overload
    def generate(self, prompts: Sequence[str], *, truncate: bool = False, **sampling: Any) -> list[str]: ...
    def generate(self, prompts: str | Sequence[str], *, truncate: bool = False, **sampling: Any) -> str | list[str]:
        """Continues a prompt, or several.

        Args:
            truncate: a prompt that is too long loses its beginning; otherwise it is refused.
            sampling: fields of `zoo.generate.Sampling`: max_tokens, temperature (0 takes the
                likeliest token each time), top_k, top_p, seed.

        Raises:
            DataError: a prompt does not fit into the model's context together with max_tokens.
            ConfigError: a setting is out of its range.
        """
        from zoo.generate import Sampling

        settings = Sampling(**{"temperature": 0.0, **sampling})
        if isinstance(prompts, str):
            return self.text_model.generate([prompts], settings, truncate=truncate)[0]
        return self.text_model.generate(list(prompts), settings, truncate=truncate)

    def bits_per_byte(self, texts: Sequence[str]) -> float:
        """Bits that the model needs for each UTF-8 byte of these documents, their ends included."""
        from zoo.measure import evaluate_texts

        return evaluate_texts(self.text_model, self.family, texts).bits_per_byte


def load(
    reference: str, *, workspace: Workspace | None = None, caller: str | None = None, purpose: str = "assist"
) -> LoadedModel:
    """Loads `tax_domain.gpt@champion` or `tax_domain.gpt/3`.

    Args:
        caller: who loads it; None for the workspace's owner. A caller needs a role in the domain, and
            gets only versions that passed their gates.
        purpose: what for; one of the domain's purposes. Only asked of a caller.

    Raises:
        PolicyRefused: the caller may not load it, or there is no such version: the same words.
        RegistryError: there is no such version, or it is quarantined (to the owner alone).
    """
    workspace = workspace or Workspace.current()
    tracking = Tracking(workspace.tracking_uri, workspace.artifact_root)
    if caller is None:
        return open_version(workspace, resolve(tracking, reference))
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


_cache = _Cache(_KEPT)


def open_version(workspace: Workspace, version: ModelVersion) -> LoadedModel:
    """Loads a version once, ready to answer; MLflow is asked only when it is not in memory."""

    def load_now() -> LoadedModel:
        tracking = Tracking(workspace.tracking_uri, workspace.artifact_root)
        loaded = open_folder(model_folder(tracking, version), version)
        loaded.text_model.warm_up(lengths=loaded.text_model.lengths()[:1])
        return loaded

    refuse_quarantined(version)
    return _cache.get((workspace.tracking_uri, version.model_id), load_now)


def open_folder(folder: Path, version: ModelVersion | None = None) -> LoadedModel:
    """Loads a preset folder that a training wrote."""
    prepare_backend()
    from zoo.generate import load_preset

    family, text_model = load_preset(folder)
    return LoadedModel(version, folder, family, text_model)
