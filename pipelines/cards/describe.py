"""From a build's files to its data card.

No number comes from the memory of the process that built: all are counted in the manifest, the table of personal data,
the exclusions and the quarantine, so that whoever has these files can count again (`describe` does).
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pydantic

from governance.errors import DataError
from governance.wording import in_words
from pipelines import word_tokens
from pipelines.atomic import atomic_path
from pipelines.balance import source_warnings
from pipelines.cards.counts import COLUMNS, LENGTHS, UNITS, Counts, Sizes, count_manifest, count_replaced, rows_of
from pipelines.cards.facts import (
    Bin,
    DataCard,
    Drop,
    Duplicates,
    Example,
    Lengths,
    PersonalData,
    Replaced,
    Rows,
    Size,
    SourceSize,
)
from pipelines.cards.page import page
from pipelines.curate.select import DUPLICATE, NEAR_DUPLICATE
from pipelines.curate.steps import step_of
from pipelines.spec import PipelineSpec
from pipelines.versions import SPLITS, DatasetVersion

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

#: A model's tokens are called "tokens" as well.
_UNIT_NAMES = {word_tokens.COLUMN: "tokens (words and punctuation)"}
_KEPT_EXAMPLES = 5
_LEFT_EXAMPLES = 1  # of each reason
_CHARACTERS = 500  # of an example
#: What stands before the host of a URL, and what follows its path: both may be a secret.
_SECRETS = re.compile(r"(?<=://)(?:\S*@)?([^?#\s]*)\S*")


@dataclass(frozen=True)
class Traces:
    """What a build left beside the version.

    Attributes:
        build: SHA-256 (hex) of its inputs.
        exclusions: Parquet file of what was dropped.
        quarantine: JSON lines of what could not be read; None when all could.
    """

    build: str
    exclusions: Path
    quarantine: Path | None


def describe(spec: PipelineSpec, version: DatasetVersion, traces: Traces) -> DataCard:
    """Counts everything that a data card says.

    Raises:
        DataError: the version was built before the manifest had all columns.
    """
    _check_columns(version)
    counts = count_manifest(version, _KEPT_EXAMPLES)
    reasons, left = _drops(traces.exclusions)
    quarantine = _quarantine_reasons(traces.quarantine)
    carried, quarantined = counts.carried, sum(quarantine.values())
    kept = sum(one.records for one in counts.sizes.values()) - carried
    sources = _sources(version, counts, traces.exclusions)
    return DataCard(
        pipeline=version.pipeline,
        domain=version.domain,
        label=tuple(version.label.to_list()),
        dataset_digest=version.digest,
        sources_digest=version.sources.digest,
        spec_digest=spec.digest,
        build=traces.build,
        spec=_public_spec(spec),
        derived_from=version.derived_from,
        rows=Rows(
            read=kept + quarantined + reasons.total(),
            quarantined=quarantined,
            dropped=reasons.total(),
            kept=kept,
            carried=carried,
        ),
        drops=tuple(
            Drop(step=step_of(reason), reason=reason, records=count)
            for reason, count in sorted(reasons.items(), key=lambda item: (-item[1], item[0]))
        ),
        quarantine=quarantine,
        splits={split: _size(counts.of_split(split)) for split in SPLITS},
        lengths=tuple(lengths(_UNIT_NAMES.get(unit, unit), counts.lengths[unit]) for unit in LENGTHS),
        personal_data=_personal_data(version, counts),
        duplicates=_duplicates(reasons, traces.exclusions),
        sources=sources,
        warnings=_warnings(sources),
        kept=_kept_examples(version, counts.smallest),
        left=left,
    )


def lengths(unit: str, values: npt.NDArray[np.integer[Any]]) -> Lengths:
    """Args: `values` integers [records], of one record at least, none negative."""
    import numpy as np

    ends = [1 << power for power in range(int(values.max()).bit_length() + 1)]
    counts = np.histogram(values, [0, *ends])[0].tolist()
    bins = [Bin(low=a, high=b, records=n) for a, b, n in zip([0, *ends[:-1]], ends, counts, strict=True)]
    first = next(number for number, one in enumerate(bins) if one.records)
    return Lengths(
        unit=unit,
        total=int(values.sum()),
        least=int(values.min()),
        median=float(np.median(values)),
        mean=float(values.mean()),
        most=int(values.max()),
        histogram=tuple(bins[first:]),
    )


def with_tokens(card: DataCard, tokens: npt.NDArray[np.int64], of: str) -> DataCard:
    """The card with lengths in tokens.

    Args:
        tokens: int64 [records].
        of: which records, and by which tokenizer.
    """
    return card.model_copy(update={"lengths": (*card.lengths, lengths(f"tokens ({of})", tokens))})


def write_card(card: DataCard, path: Path) -> None:
    """Writes `card.html` and `card.json` beside each other; the second one says that both are there.

    Raises:
        DataError: the disk is full, the folder is read-only.
    """
    for target, content in ((path.with_suffix(".html"), page(card)), (path, card.model_dump_json(indent=1) + "\n")):
        with atomic_path(target) as temporary:
            temporary.write_text(content, encoding="utf-8")


def read_card(path: Path) -> DataCard:
    """Reads `card.json`.

    Raises:
        DataError: it is missing, or not what `write_card` wrote.
    """
    try:
        return DataCard.model_validate_json(path.read_bytes())
    except (OSError, pydantic.ValidationError) as error:
        raise DataError(
            f"the data card is unreadable: {in_words(error)}",
            where=str(path),
            fix="remove it and run `zoo data build`",
        ) from None


def _check_columns(version: DatasetVersion) -> None:
    if missing := set(COLUMNS) - set(version.columns):
        raise DataError(
            f"the manifest lacks {', '.join(sorted(missing))}",
            where=str(version.path),
            fix=f"run `zoo data build {version.pipeline}`",
        )


def _public_spec(spec: PipelineSpec) -> dict[str, Any]:
    content = json.dumps(spec.model_dump(mode="json", exclude_none=True))
    public: dict[str, Any] = _without_secrets(json.loads(content))
    return public


def _without_secrets(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _without_secrets(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_without_secrets(inner) for inner in value]
    return _SECRETS.sub(r"\1", value) if isinstance(value, str) else value


def _size(sizes: Sizes) -> Size:
    return Size(records=sizes.records, **{unit: sizes.of_units[unit] for unit in UNITS})


def _sources(version: DatasetVersion, counts: Counts, exclusions: Path) -> tuple[SourceSize, ...]:
    dropped: Counter[int] = Counter()
    for batch in rows_of(exclusions, ["source"]):
        dropped.update(batch.column("source").to_pylist())
    own = [
        {split: counts.sizes.get((number, split), Sizes()) for split in SPLITS}
        for number in range(len(version.sources.names))
    ]
    words = [sizes["train"].of_units["words"] for sizes in own]
    return tuple(
        SourceSize(
            name=name,
            records={split: size.records for split, size in own[number].items()},
            train_words=words[number],
            train_share=words[number] / max(1, sum(words)),
            dropped=dropped[number],
        )
        for number, name in enumerate(version.sources.names)
    )


def _warnings(sources: Sequence[SourceSize]) -> tuple[str, ...]:
    words = [source.train_words for source in sources]
    records = [source.records["validation"] for source in sources]
    return tuple(source_warnings([source.name for source in sources], words, records, unit="words"))


def _personal_data(version: DatasetVersion, counts: Counts) -> PersonalData:
    replaced = count_replaced(version).items()
    types = [Replaced(type=kind, places=places, different=different) for kind, (places, different) in replaced]
    return PersonalData(
        records_with_some=counts.with_personal_data,
        types=tuple(sorted(types, key=lambda one: (-one.places, one.type))),
    )


def _duplicates(reasons: Counter[str], exclusions: Path) -> Duplicates:
    import pyarrow.parquet as pq

    kept = pq.read_table(exclusions, columns=["kept"]).column("kept").drop_null()
    groups = kept.value_counts().field("counts").to_pylist() if len(kept) else []
    return Duplicates(
        exact=reasons[DUPLICATE],
        near=reasons[NEAR_DUPLICATE],
        standing_for_others=len(groups),
        largest_group=1 + max(groups) if groups else 0,
    )


def _drops(exclusions: Path) -> tuple[Counter[str], tuple[Example, ...]]:
    """How many records left for each reason, with an example where text of them was kept."""
    counts: Counter[str] = Counter()
    shown: dict[str, list[Example]] = {}
    for row in _rows(exclusions):
        reason = row["reason"]
        counts[reason] += 1
        examples = shown.setdefault(reason, [])
        if row["text"] is not None and len(examples) < _LEFT_EXAMPLES:
            examples.append(Example(about=reason, record_id=row["record_id"], text=row["text"][:_CHARACTERS]))
    return counts, tuple(example for reason in sorted(shown) for example in shown[reason])


def _rows(exclusions: Path) -> Iterator[dict[str, Any]]:
    for batch in rows_of(exclusions, ["record_id", "reason", "text"]):
        yield from batch.to_pylist()


def _quarantine_reasons(quarantine: Path | None) -> dict[str, int]:
    """Counts by reason; numbers in a reason ("at byte 17") would make each row one of its own."""
    if quarantine is None:
        return {}
    with quarantine.open(encoding="utf-8") as lines:
        counts = Counter(re.sub(r"(?<!UTF-)\d[\d,]*", "N", json.loads(line)["reason"]) for line in lines)
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))


def _kept_examples(version: DatasetVersion, numbers: Sequence[int]) -> tuple[Example, ...]:
    """Of the training split those with the smallest hashes: chance, but the same each time."""
    found = version.some("train", numbers)
    return tuple(Example(about="train", record_id=name, text=text[:_CHARACTERS]) for name, text in found)
