"""Removes what held an erased record below the storage root: versions, tokens, tokenizers, what builds left.

A folder gets a hidden name before anything in it is removed: no reader ever sees half of one.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

from governance.erasure import TombstoneKey, Tombstones
from governance.errors import DataError
from governance.wording import in_words
from pipelines.curate.exclusions import label_of
from pipelines.place import REPLACED, Place, remove_leftovers
from pipelines.versions import VERSION_FILE, DatasetVersion

_HIDDEN = ".erased-"


def stored_versions(storage: Path) -> Iterator[DatasetVersion]:
    """All dataset versions of all pipelines.

    Raises:
        DataError: one is damaged; nobody can tell whom it holds.
    """
    for path in sorted((storage / "datasets").glob(f"*/[!.]*/{VERSION_FILE}")):
        yield DatasetVersion.open(path.parent)


def exclusions_of(storage: Path, pipeline: str, domain: str) -> tuple[Path, ...]:
    """Lists of what the builds of a pipeline left out, as far as they are of this domain.

    Raises:
        DataError: one is damaged.
    """
    return tuple(
        path
        for path in sorted((storage / "exclusions" / pipeline).glob("[!.]*.parquet"))
        if domain in label_of(path).domains
    )


def pipelines_that_left_out(storage: Path, domain: str) -> set[str]:
    """Names of pipelines with lists of what their builds left out of this domain."""
    paths = (storage / "exclusions").glob("*/[!.]*.parquet")
    return {path.parent.name for path in paths if domain in label_of(path).domains}


def holds_erased(version: DatasetVersion, tombstones: Tombstones, key: TombstoneKey) -> bool:
    """Whether one of its records was erased."""
    rows = version.manifest(["record_id", "subject"]).to_pydict()
    return any(
        is_erased(version.pipeline, record_id, subject, tombstones, key)
        for record_id, subject in zip(rows["record_id"], rows["subject"], strict=True)
    )


def is_erased(pipeline: str, record_id: str, subject: str | None, tombstones: Tombstones, key: TombstoneKey) -> bool:
    """Whether a tombstone names a stored record, by its id or its subject's hash."""
    if key.record(pipeline, record_id) in tombstones.records:
        return True
    return subject is not None and key.subject(subject) in tombstones.subjects


def remove_versions(place: Place, digests: Collection[str]) -> None:
    """Removes dataset versions of a pipeline. Who builds holds the lock; so must the caller."""
    if _latest(place) in digests:
        place.latest.unlink()
    for digest in digests:
        remove_folder(place.datasets / digest[:16])
        remove_folder(place.datasets / f"{REPLACED}{digest[:16]}")
    remove_leftovers(place)
    shutil.rmtree(place.work, ignore_errors=True)


def remove_traces(place: Place, keep: str | None) -> None:
    """Removes what builds left beside the versions: what they knew of their inputs, exclusions, lists of unreadable
    rows, cards.

    Args:
        keep: digest of the inputs of the build whose traces stay; None: nothing stays, the step caches neither.
    """
    storage, name = place.storage, place.pipeline
    for folder in (place.inputs, *(storage / kind / name for kind in ("exclusions", "quarantine", "cards"))):
        for path in folder.glob("*"):
            if keep is None or not path.name.startswith(keep[:16]):
                remove_folder(path)
    if keep is None:
        remove_folder(storage / "quarantine" / f"{name}.jsonl")
        remove_folder(storage / "cache" / name)


def tainted_tokenizers(storage: Path, digests: Collection[str]) -> set[str]:
    """SHA-256 of the tokenizers that were trained on one of these dataset versions.

    Raises:
        DataError: a tokenizer's description is damaged.
    """
    return {digest for origin, digest, _ in _tokenizers(storage) if origin in digests}


def orphans(storage: Path, domain: str) -> tuple[set[str], set[str]]:
    """Digests of dataset versions that are gone, of which there still are tokens, examples or tokenizers in a domain,
    and SHA-256 of these tokenizers. Nobody can tell whom such a version held.

    Raises:
        DataError: the description of one is damaged.
    """
    there = {version.digest for version in stored_versions(storage)}
    gone: set[str] = set()
    for kind in ("tokens", "examples"):
        for path in sorted((storage / kind).glob("[!.]*/meta.json")):
            meta = _meta(path)
            if domain in meta["label"]:
                gone.add(str(meta["dataset_digest"]))
    tokenizers = set()
    for origin, digest, adopted in _tokenizers(storage, domain):
        if not adopted and origin not in there:
            gone.add(origin)
            tokenizers.add(digest)
    return gone - there, tokenizers


def _meta(path: Path) -> dict[str, Any]:
    try:
        meta: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        if not {"label", "dataset_digest"} <= set(meta):
            raise ValueError("label or dataset_digest is missing")
        return meta
    except (OSError, ValueError, TypeError) as error:
        raise DataError(f"damaged: {in_words(error)}", where=str(path), fix="delete its folder") from None


def remove_tokens(storage: Path, digests: Collection[str], tokenizers: Collection[str]) -> None:
    """Removes tokens and examples of these dataset versions or by these tokenizers, and the tokenizers.

    A tokenizer that was trained on other data and came out the same, to the byte, has nothing of these: it stays, and
    so do the tokens that it made of other data.
    """
    clean = {digest for origin, digest, adopted in _tokenizers(storage) if not adopted and origin not in digests}
    names = [digest[:16] for digest in (*digests, *(set(tokenizers) - clean))]
    for kind in ("tokens", "examples", "tokenizers"):
        for path in (storage / kind).glob("*"):
            if any(name in path.name for name in names):
                remove_folder(path)


def _tokenizers(storage: Path, domain: str | None = None) -> Iterator[tuple[str, str, bool]]:
    """Of each tokenizer (of a domain) the digest of what it was made from, its own, and whether it was taken over from
    a model."""
    for path in sorted((storage / "tokenizers").glob("[!.]*/meta.json")):
        meta = _meta(path)
        if domain is not None and domain not in meta["label"]:
            continue
        yield str(meta["dataset_digest"]), str(meta.get("digest")), path.parent.name.startswith("adopted-")


def remove_folder(path: Path) -> None:
    """Removes a folder or a file, and what a kill left of an earlier try."""
    hidden = path.with_name(f"{_HIDDEN}{path.name.removeprefix(_HIDDEN)}")
    for leftover in (hidden, path):
        if leftover.is_dir() and not leftover.is_symlink():
            if leftover != hidden:
                os.rename(leftover, hidden)
            shutil.rmtree(hidden)
        else:
            leftover.unlink(missing_ok=True)


def _latest(place: Place) -> str | None:
    try:
        return str(json.loads(place.latest.read_text(encoding="utf-8"))["digest"])
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(
            f"unreadable: {in_words(error, expected=['digest'])}", where=str(place.latest), fix="remove it"
        ) from None
