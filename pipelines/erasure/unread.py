"""A source that an erasure cannot read: what may be said of it in a ledger from which nothing can be taken back.

The message itself may hold a file's name, and files may be named after people.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from governance.errors import ConfigError, DataError, ZooError
from pipelines.curate.identify import read_all
from pipelines.sources import Record, Unreadable, list_items
from pipelines.spec import PipelineSpec, SourceSpec


class UnreadSource(DataError):
    """Says what the error said.

    Attributes:
        kind: of the error, such as "DataError".
        number: of the source in the pipeline's file, from 1.
        pattern: as the file has it; None of a query.
    """

    def __init__(self, error: ZooError, number: int, source: SourceSpec) -> None:
        super().__init__(error.what, where=error.where, fix=error.fix)
        self.kind = type(error).__name__
        self.number = number
        self.pattern = source.path or (None if source.tfds is None else source.tfds.name)


def read_own_sources(spec: PipelineSpec) -> Iterator[tuple[int, Record | Unreadable]]:
    """Records with the numbers of their sources; what comes from another pipeline is found in that one.

    Raises:
        UnreadSource: one of them cannot be listed or read.
    """
    for number, source in enumerate(spec.sources, 1):
        if source.pipeline is None:
            with _named(number, source):
                yield from read_all(spec, [(source, item) for item in list_items(source, spec.folder)])


@contextmanager
def _named(number: int, source: SourceSpec) -> Iterator[None]:
    try:
        yield
    except (DataError, ConfigError) as error:
        raise UnreadSource(error, number, source) from None


def recordable(error: ZooError, lasting: Callable[[str], str]) -> str:
    """The kind of an error and its place, without what it says: "DataError at data/tax/letters.jsonl".

    Args:
        lasting: gives a hash in place of a name that holds personal data (`Identifier.lasting`).
    """
    kind = error.kind if isinstance(error, UnreadSource) else type(error).__name__
    try:
        place = "" if error.where is None else f" at {lasting(error.where)}"
        if isinstance(error, UnreadSource):
            written = "" if error.pattern is None else f" ({lasting(error.pattern)})"
            return f"source {error.number}{written}: {kind}{place}"
    except ZooError:  # no detector can be had, so that nobody knows what the names hold
        return f"source {error.number}: {kind}" if isinstance(error, UnreadSource) else kind
    return kind + place
