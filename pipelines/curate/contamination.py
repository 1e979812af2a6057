"""Decontamination: a record that shares words in a row with an evaluation suite leaves, so that the suite measures
what a model learned and not what it read (Brown et al. 2020, arXiv:2005.14165, appendix C).

Both sides are reduced to case-folded words without punctuation (Unicode NFKC). What a suite gives are 13 words in a row
of each of its strings, whatever its field; a string of 8 to 12 words gives all its words; a shorter one ("None of the
above") says nothing of where a text comes from and gives none. Brown et al. cut out the match and 200 characters around
it; here the whole record leaves, since what is around a question often is its answer.

Each eight words in a row of a record are looked up by hash in the beginnings of what the suites gave, many records at
once. Only where one is found are the words themselves compared, so that no record leaves by a chance of hashing.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from governance.errors import DataError
from pipelines.curate import near
from pipelines.curate.steps import REASON, TEXT, Judge
from pipelines.parts import plain_text

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt
    import pyarrow as pa

    from pipelines.sources import SourceFile
    from pipelines.spec import DecontaminateSpec

CONTAMINATED = "contaminated"

#: Words of the shortest text that is looked for.
LEAST = 8
#: Bytes of one line of a suite.
_LINE = 100_000_000
_OTHER = re.compile(r"[\W_]+")


def normalized(text: str) -> str:
    """Case-folded words with a space between them."""
    if not text.isascii():
        text = unicodedata.normalize("NFKC", text)
    return _OTHER.sub(" ", text.casefold()).strip()


class Suites:
    """What evaluation suites hold, ready to be looked for.

    Args:
        texts: all their strings.
        ngram: words in a row, `LEAST` at least.
    """

    def __init__(self, texts: Iterator[str], ngram: int) -> None:
        import numpy as np

        self._grams: set[tuple[str, ...]] = set()
        for text in texts:
            words = normalized(text).split(" ")
            if len(words) >= LEAST:
                length = min(ngram, len(words))
                self._grams.update(tuple(words[at : at + length]) for at in range(len(words) - length + 1))
        self._lengths = sorted({len(gram) for gram in self._grams})
        beginnings = sorted({" ".join(gram[:LEAST]) for gram in self._grams})
        hashes = [near.shingles(some, LEAST)[0] for some in near.some_at_once(beginnings)]
        self._beginnings = np.unique(np.concatenate(hashes)) if hashes else np.empty(0, np.uint64)

    def found_in(self, texts: Sequence[str]) -> list[bool]:
        """Which of the texts share words with a suite."""
        found: list[bool] = []
        for some in near.some_at_once([normalized(text) for text in texts]):
            hashes, offsets = near.shingles(some, LEAST)
            hits = self._hits(hashes)
            borders = hits.searchsorted(offsets)
            for text, first, last, start in zip(some, borders[:-1], borders[1:], offsets[:-1], strict=True):
                found.append(first < last and self._shares(text, (hits[first:last] - start).tolist()))
        return found

    def _hits(self, hashes: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
        """Places of the hashes with which something in a suite begins."""
        import numpy as np

        if not len(self._beginnings):
            return np.empty(0, np.uint64)
        nearest = np.minimum(self._beginnings.searchsorted(hashes), len(self._beginnings) - 1)
        return np.flatnonzero(self._beginnings[nearest] == hashes).astype(np.uint64)

    def _shares(self, text: str, places: Sequence[int]) -> bool:
        words = text.split(" ")
        return any(tuple(words[at : at + length]) in self._grams for at in places for length in self._lengths)


class Decontaminate(Judge):
    """Drops records that share words in a row with an evaluation suite; reason `contaminated`.

    Raises:
        DataError: no file is there, or one of them cannot be read as a whole: nothing is skipped.
    """

    name = "decontaminate"

    def __init__(self, spec: DecontaminateSpec) -> None:
        from pipelines.sources.files import list_files
        from pipelines.spec import SourceSpec

        self._ngram = spec.ngram
        sources = [SourceSpec(path=path, format="jsonl") for path in spec.suites]
        self._files = [(file, source) for source in sources for file in list_files(source, spec.folder)]
        self._digests = sorted(file.content_digest() for file, _ in self._files)
        self._suites: Suites | None = None

    @property
    def version(self) -> str:
        own = hashlib.sha256(Path(__file__).read_bytes()).hexdigest()
        return f"{own}/{unicodedata.unidata_version}/{self._ngram}/{','.join(self._digests)}"

    def reason(self, text: str) -> str | None:
        return self._reasons([text])[0]

    def process_batch(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        import pyarrow as pa

        reasons: list[str | None] = batch.column(REASON).to_pylist()
        staying = [number for number, reason in enumerate(reasons) if reason is None]
        texts = batch.column(TEXT)
        for number, reason in zip(
            staying, self._reasons([plain_text(texts[number].as_py()) for number in staying]), strict=True
        ):
            reasons[number] = reason
        return batch.set_column(batch.schema.get_field_index(REASON), REASON, pa.array(reasons, pa.string()))

    def _reasons(self, texts: Sequence[str]) -> list[str | None]:
        if self._suites is None:
            self._suites = Suites(self._texts(), self._ngram)
        return [CONTAMINATED if found else None for found in self._suites.found_in(texts)]

    def _texts(self) -> Iterator[str]:
        from pipelines.sources.formats import BadRow, read_jsonl

        for file, source in self._files:
            for row in read_jsonl(file, source, _LINE):
                if isinstance(row, BadRow):
                    raise DataError(
                        f"a line of an evaluation suite cannot be read: {row.reason}", where=f"{row.file}:{row.row}"
                    )
                yield from _strings(row.fields)
            _check_unchanged(file)


def _check_unchanged(file: SourceFile) -> None:
    if not file.unchanged():
        raise DataError("the file changed while it was read", where=file.name, fix="run the same command again")


def _strings(value: Any) -> Iterator[str]:
    """All strings in a value from JSON."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from _strings(inner)
