"""Loading a registered model version, and what a loaded one can do."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

from registry import ModelVersion, Tracking, model_folder, resolve
from zoo import families
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
    def generate(self, prompts: str, **sampling: Any) -> str: ...
    @overload
    def generate(self, prompts: Sequence[str], **sampling: Any) -> list[str]: ...
    def generate(self, prompts: str | Sequence[str], **sampling: Any) -> str | list[str]:
        """Continues a prompt, or several.

        Args:
            sampling: fields of `zoo.generate.Sampling`: max_tokens, temperature (0 takes the
                likeliest token each time), top_k, top_p, seed.
        """
        from zoo.generate import Sampling

        settings = Sampling(**{"temperature": 0.0, **sampling})
        if isinstance(prompts, str):
            return self.text_model.generate([prompts], settings)[0]
        return self.text_model.generate(list(prompts), settings)

    def bits_per_byte(self, texts: Sequence[str]) -> float:
        """Bits that the model needs for each UTF-8 byte of these documents, their ends included."""
        from zoo.measure import evaluate_texts

        return evaluate_texts(self.text_model, self.family, texts).bits_per_byte


def load(reference: str, *, workspace: Workspace | None = None, caller: str | None = None) -> LoadedModel:
    """Loads `tax_domain.gpt@champion` or `tax_domain.gpt/3`.

    Args:
        caller: who loads it; None for the workspace's owner. A caller needs a role in the domain.

    Raises:
        PolicyRefused: the caller may not use models of that domain.
        RegistryError: there is no such version, or it is quarantined.
    """
    workspace = workspace or Workspace.current()
    tracking = Tracking(workspace.tracking_uri, workspace.artifact_root)
    version = resolve(tracking, reference)
    if caller is not None:
        workspace.policy.check(version.label, sink=version.domain, caller=caller, purpose="assist")
    return open_version(workspace, version)


_cache: OrderedDict[Path, LoadedModel] = OrderedDict()
_cache_lock = threading.Lock()


def open_version(workspace: Workspace, version: ModelVersion) -> LoadedModel:
    """Loads a version once; the most recently used ones stay in memory."""
    tracking = Tracking(workspace.tracking_uri, workspace.artifact_root)
    folder = model_folder(tracking, version)
    with _cache_lock:
        if folder in _cache:
            _cache.move_to_end(folder)
            return _cache[folder]
        loaded = open_folder(folder, version)
        _cache[folder] = loaded
        while len(_cache) > _KEPT:
            _cache.popitem(last=False)
        return loaded


def open_folder(folder: Path, version: ModelVersion | None = None, *, family: str = "gpt") -> LoadedModel:
    """Loads a keras-hub preset folder."""
    prepare_backend()
    from zoo.generate import load_preset

    name = family if version is None else version.family
    return LoadedModel(version, folder, families.get(name), load_preset(folder))
