"""Under which names a dataset version has a record: its text repaired, its id, keyed hashes of text and subject."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from governance.errors import ZooError
from governance.keys import Keys, keyed_hash
from governance.policy import PiiRules, Policy
from pipelines.curate.repair import SOUND, Repair
from pipelines.curate.seen import Seen, nothing_seen
from pipelines.curate.steps import REASON, TEXT
from pipelines.sources import Record, SourceItem, Unreadable, read_records
from pipelines.spec import SUFFIXES, PipelineSpec, SourceSpec

if TYPE_CHECKING:
    import pyarrow as pa

    from governance.pii import Detector

#: Rows that are worked on at once, and the number of characters from which on there are no more of them.
_ROWS, _CHARACTERS = 256, 1_000_000


#: Ends of names of files that may be called after whom they are about.
_TITLED = tuple(suffix for suffix, form in SUFFIXES.items() if form in ("txt", "html"))


@dataclass(frozen=True)
class Identified:
    """A record under the names that a dataset version has for it.

    Attributes:
        text: repaired.
        text_key: keyed hash that stands for the text.
        subject: keyed hash (hex) that stands for who it is about.
        reason: why it leaves at once; None if it does not.
    """

    id: str
    text: str
    text_key: bytes
    subject: str | None
    reason: str | None = None


class Identifier:
    """Names records of a pipeline; an e-mail address as an id stays outside.

    Args:
        text_key: key of the hash that stands for a text wherever the text itself may not be kept.
        subject_key: key of the hash that stands for a subject.
        detector: makes one of personal data with a fixed form, for ids and file names; a keyed hash takes the
            place of one that holds some. None: the domain keeps all of it.
        sound: texts that ftfy leaves as they are.
        harmless: names in which the detector finds nothing.
        hide_titles: where a text's or page's file name may be that of a person, a keyed hash takes its place; no
            detector knows all names.
    """

    def __init__(
        self,
        spec: PipelineSpec,
        *,
        text_key: bytes,
        subject_key: bytes,
        detector: Callable[[], Detector] | None,
        sound: Seen | None = None,
        harmless: Seen | None = None,
        hide_titles: bool = True,
    ) -> None:
        self._repair = Repair(mend=spec.curate.repair)
        self._text_key = text_key
        self._subject_key = subject_key
        self._detector = None if detector is None else functools.cache(detector)  # to load it takes seconds
        self._sound = sound or nothing_seen()
        self._harmless = harmless or nothing_seen()
        self._hide_titles = hide_titles
        self._of = functools.lru_cache(maxsize=256)(self._examined)  # a file's name comes with each row

    @classmethod
    def of(
        cls, spec: PipelineSpec, policy: Policy, keys: Keys, *, sound: Seen | None = None, harmless: Seen | None = None
    ) -> Identifier:
        """With the keys and the rules of the pipeline's domain."""
        return cls(
            spec,
            text_key=keys.derive(spec.domain, "texts"),
            subject_key=keys.derive(spec.domain, "subjects"),
            detector=detector_of_names(policy, spec.domain),
            sound=sound,
            harmless=harmless,
            hide_titles=hides_persons(policy, spec.domain),
        )

    def __call__(self, records: Sequence[Record]) -> list[Identified]:
        """What each record is called."""
        repaired = self._repaired([record.text for record in records])
        rows = zip(records, repaired.column(TEXT).to_pylist(), repaired.column(REASON).to_pylist(), strict=True)
        return [self._named(record, text, reason) for record, text, reason in rows]

    def _named(self, record: Record, text: str, reason: str | None) -> Identified:
        key = self.key_of(text)
        if record.id is None:
            record_id = key.hex()
        else:
            record_id = self.file(record) if record.id == record.file else self.harmless(record.id)
        subject = None if record.subject is None else self.subject(record.subject)
        return Identified(record_id, text, key, subject, reason)

    def key_of(self, text: str) -> bytes:
        """The hash that stands for a text."""
        return keyed_hash(self._text_key, text)

    def subject(self, subject: str) -> str:
        """The hash that stands for a subject."""
        return keyed_hash(self._subject_key, subject).hex()

    def file(self, record: Record) -> str:
        """What a record's file is called."""
        hidden = record.titled and self._hide_titles
        return self.key_of(record.file).hex() if hidden else self.harmless(record.file)

    def harmless(self, name: str) -> str:
        """An id or a file's name, or a hash in place of one that holds personal data."""
        return name if self._detector is None else self._of(name)

    def lasting(self, name: str) -> str:
        """The same for what is kept for good, such as a ledger: what the domain's rules let pass is hashed as well."""
        place, _, row = name.partition(":")
        titled = place.lower().removesuffix(".gz").removesuffix(".zst").endswith(_TITLED)
        if titled:  # patterns as well: a folder may be called so
            return f"{self.key_of(place).hex()}:{row}".removesuffix(":")
        given = self.harmless(name)
        return self.key_of(name).hex() if given == name and _all_forms().find([name])[0] else given

    def _repaired(self, texts: Sequence[str]) -> pa.RecordBatch:
        """With the columns of `Repair`."""
        import pyarrow as pa

        keys = [self.key_of(text) for text in texts]
        columns = {
            TEXT: pa.array(texts, pa.large_string()),
            REASON: pa.nulls(len(texts), pa.string()),
            SOUND: pa.array([key in self._sound for key in keys], pa.bool_()),
        }
        repaired = self._repair.process_batch(pa.RecordBatch.from_pydict(columns))
        for key, sound in zip(keys, repaired.column(SOUND).to_pylist(), strict=True):
            if sound:
                self._sound.note(key)
        return repaired

    def _examined(self, name: str) -> str:
        keyed = self.key_of(name)
        if keyed not in self._harmless and self._detector is not None and self._detector().find([name])[0]:
            return keyed.hex()
        self._harmless.note(keyed)
        return name


def detector_of_names(policy: Policy, domain: str) -> Callable[[], Detector] | None:
    """Makes what finds in ids and file names what has a fixed form; a model of language would guess there."""
    return _of_forms(_rules(policy, domain))


@functools.cache
def _all_forms() -> Detector:
    make = _of_forms(PiiRules())
    assert make is not None, "without rules of a domain all is looked for"
    return make()


def _of_forms(rules: PiiRules) -> Callable[[], Detector] | None:
    from governance.pii import detector_for, entities_to_find
    from governance.pii.entities import ATTRIBUTE_TYPES, NER_TYPES

    # Each path of a source in a bucket is a URL.
    wanted = entities_to_find(rules) - NER_TYPES - ATTRIBUTE_TYPES - {"URL"}
    return (lambda: detector_for(rules, wanted)) if wanted else None


def hides_persons(policy: Policy, domain: str) -> bool:
    """Whether names of persons may not stay in the domain's records."""
    return _rules(policy, domain).operator_for("PERSON") != "keep"


def _rules(policy: Policy, domain: str) -> PiiRules:
    return policy.domains[domain].pii if domain in policy.domains else PiiRules()  # of versions that are left


def read_all(
    spec: PipelineSpec, sources: Sequence[tuple[SourceSpec, SourceItem]]
) -> Iterator[tuple[int, Record | Unreadable]]:
    """Records with the numbers of their sources in the pipeline."""
    for source, file in sources:
        number = spec.sources.index(source)
        for record in read_records(file, source, domain=spec.domain, max_bytes=spec.curate.max_record_bytes):
            yield number, record


def in_batches(rows: Iterable[tuple[int, Record | Unreadable]]) -> Iterator[list[tuple[int, Record | Unreadable]]]:
    """Some rows at once, in order; bounded in memory, however long texts are."""
    batch: list[tuple[int, Record | Unreadable]] = []
    size = 0
    try:
        for row in rows:
            batch.append(row)
            size += len(row[1].text) if isinstance(row[1], Record) else 0
            if len(batch) >= _ROWS or size >= _CHARACTERS:
                yield batch
                batch, size = [], 0
    except ZooError:
        if batch:
            yield batch  # what was read before: unreadable rows are listed also when the build stops
        raise
    if batch:
        yield batch
