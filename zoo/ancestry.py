"""Which model versions go back to which dataset versions: pure functions over what each version was made from.

A version goes back to its data, to the text that its tokenizer was trained on, to what it was continued from and to
its teacher, and through those two to all that they go back to.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from registry import ModelVersion
from registry.versions import DATASET

#: Tags of a run and of a version: what it was continued from, by name and by SHA-256, and which version taught it.
BASE_TAG = "zoo.base"
BASE_DIGEST_TAG = "zoo.base_digest"
TEACHER_TAG = "zoo.teacher"

#: Tags of a version: SHA-256 (hex) of its tokenizer, and over weights and tokenizer. A folder that the version was
#: exported to and that another one continues from has the same.
TOKENIZER_TAG = "zoo.tokenizer"
DIGEST_TAG = "zoo.digest"


@dataclass(frozen=True)
class Made:
    """A model version and what it was made from; what is not known is empty.

    Attributes:
        name: such as "tax_domain.gpt/3".
        dataset: digest of the dataset version.
        tokenizer, digest, base_digest: SHA-256, hex.
        base: name of what it was continued from: a version's, or a folder's.
        teacher: name of the version that taught it.
    """

    name: str
    dataset: str = ""
    tokenizer: str = ""
    digest: str = ""
    base: str = ""
    base_digest: str = ""
    teacher: str = ""

    @classmethod
    def of(cls, version: ModelVersion) -> Made:
        tags = version.tags
        return cls(
            name=str(version),
            dataset=tags.get(DATASET, ""),
            tokenizer=tags.get(TOKENIZER_TAG, ""),
            digest=tags.get(DIGEST_TAG, ""),
            base=tags.get(BASE_TAG, ""),
            base_digest=tags.get(BASE_DIGEST_TAG, ""),
            teacher=tags.get(TEACHER_TAG, ""),
        )


def ancestors(name: str, all_made: Collection[Made]) -> set[str]:
    """Names of all versions, and of folders, that a version goes back to, without itself."""
    return _reached({name}, _parents(all_made)) - {name}


def descendants(names: Collection[str], all_made: Collection[Made]) -> set[str]:
    """Names of all versions that go back to one of these, without these."""
    children: dict[str, set[str]] = {}
    for child, its_parents in _parents(all_made).items():
        for parent in its_parents:
            children.setdefault(parent, set()).add(child)
    return _reached(set(names), children) - set(names)


def made_from(
    datasets: Collection[str], all_made: Collection[Made], tokenizers: Mapping[str, Collection[str]] | None = None
) -> set[str]:
    """Names of all versions that saw one of these dataset versions, themselves or through what they go back to.

    Args:
        datasets: digests.
        tokenizers: for each tokenizer's digest, digests of the dataset versions that it was trained on.
    """
    wanted, trained = set(datasets), tokenizers or {}
    direct = {
        one.name for one in all_made if one.dataset in wanted or not wanted.isdisjoint(trained.get(one.tokenizer, ()))
    }
    return direct | descendants(direct, all_made)


def datasets_of(
    name: str, all_made: Collection[Made], tokenizers: Mapping[str, Collection[str]] | None = None
) -> set[str]:
    """Digests of all dataset versions that a version saw, itself or through what it goes back to."""
    trained, seen = tokenizers or {}, {name} | ancestors(name, all_made)
    found: set[str] = set()
    for one in all_made:
        if one.name in seen:
            found |= {one.dataset} | set(trained.get(one.tokenizer, ()))
    return found - {""}


def models_that_saw(
    datasets: Collection[str],
    versions: Iterable[ModelVersion],
    *,
    more: Iterable[Made] = (),
    tokenizers: Mapping[str, Collection[str]] | None = None,
) -> list[ModelVersion]:
    """The versions that saw one of these dataset versions, themselves or through bases, tokenizers and teachers.

    Args:
        datasets: digests, in full.
        versions: all that there are, as `registry.list_versions` gives them.
        more: what versions were made from that are no longer registered, from the ledger: a model that was
            continued from a deleted one goes back to its data all the same.
        tokenizers: as in `made_from`.
    """
    listed = list(versions)
    names = made_from(datasets, [*map(Made.of, listed), *more], tokenizers)
    return [version for version in listed if str(version) in names]


def _parents(all_made: Collection[Made]) -> dict[str, set[str]]:
    """For each version the names of those that it was continued from or learned from.

    A name that was given twice, because a registered model was deleted and made anew, stands for both.
    """
    copies: dict[str, set[str]] = {}
    for one in all_made:
        copies.setdefault(one.digest, set()).add(one.name)
    found: dict[str, set[str]] = {}
    for one in all_made:
        copied = copies.get(one.base_digest, set()) if one.base_digest else set()
        found.setdefault(one.name, set()).update(({one.base, one.teacher} | copied) - {"", one.name})
    return found


def _reached(start: set[str], edges: Mapping[str, set[str]]) -> set[str]:
    """All that can be reached, with the start."""
    seen, waiting = set(start), list(start)
    while waiting:
        for following in edges.get(waiting.pop(), set()) - seen:
            seen.add(following)
            waiting.append(following)
    return seen
