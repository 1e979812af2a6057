"""What a data card holds. Counts are of records where no unit is named."""

from __future__ import annotations

from typing import Any

from governance.config import StrictModel


class Bin(StrictModel):
    """Records whose length is at least `low` and below `high`."""

    low: int
    high: int
    records: int


class Lengths(StrictModel):
    """Lengths of records in `unit`. Each bin is twice as wide as the one before."""

    unit: str
    total: int
    least: int
    median: float
    mean: float
    most: int
    histogram: tuple[Bin, ...]


class Rows(StrictModel):
    """What became of the sources' rows: read = quarantined + dropped + kept. The version holds what was kept and, where
    data is incremental, what was carried over from the version before and is in no source any more."""

    read: int
    quarantined: int
    dropped: int
    kept: int
    carried: int = 0


class Drop(StrictModel):
    step: str
    reason: str
    records: int


class Size(StrictModel):
    records: int
    characters: int
    words: int
    bytes: int


class SourceSize(StrictModel):
    """Of one source: records by split, what its training records hold, and how much that is of all."""

    name: str
    records: dict[str, int]
    train_words: int
    train_share: float
    dropped: int


class Replaced(StrictModel):
    """Personal data of one type: places that were replaced, and how many different strings they were."""

    type: str
    places: int
    different: int


class PersonalData(StrictModel):
    records_with_some: int
    types: tuple[Replaced, ...]


class Duplicates(StrictModel):
    """Records that left as equal or near duplicates, and those that stand in their place."""

    exact: int
    near: int
    standing_for_others: int
    largest_group: int


class Example(StrictModel):
    """The beginning of a filtered text; `about` is the split of a record that stayed, or why one left."""

    about: str
    record_id: str
    text: str


class DataCard(StrictModel):
    """What is in a dataset version and how a build came to it.

    Attributes:
        build: SHA-256 (hex) of the build's inputs.
        spec: what the pipeline's file asks for, without passwords.
        derived_from: digests of other pipelines' versions that are in it, by pipeline.
        lengths: in characters, words (what white space divides), bytes (UTF-8) and tokens as no tokenizer makes them
            (`pipelines.word_tokens`), of what there is to read in a record (bytes: of all that is stored of it); in
            a model's tokens only where its tokenizer was trained already.
        warnings: of sources that are too small, see `pipelines.balance`.
        kept, left: examples; all of them filtered.
    """

    pipeline: str
    domain: str
    label: tuple[str, ...]
    dataset_digest: str
    sources_digest: str
    spec_digest: str
    build: str
    spec: dict[str, Any]
    derived_from: dict[str, str]
    rows: Rows
    drops: tuple[Drop, ...]
    quarantine: dict[str, int]
    splits: dict[str, Size]
    lengths: tuple[Lengths, ...]
    personal_data: PersonalData
    duplicates: Duplicates
    sources: tuple[SourceSize, ...]
    warnings: tuple[str, ...]
    kept: tuple[Example, ...] = ()
    left: tuple[Example, ...] = ()

    def without_examples(self) -> DataCard:
        """For places that erasing a record does not reach: counts alone, no text of a record."""
        return self.model_copy(update={"kept": (), "left": ()})
