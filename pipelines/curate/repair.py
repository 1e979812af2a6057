"""Text repair, the first step: mojibake, line endings, control characters, Unicode form. What holds no text leaves."""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass
from importlib import metadata
from typing import TYPE_CHECKING, Any

from pipelines.curate.steps import REASON, TEXT, Step
from pipelines.parts import join_parts, split_parts

if TYPE_CHECKING:
    import pyarrow as pa

_TRAILING_SPACE = re.compile(r"[ \t]+\n")
_MANY_BLANK_LINES = re.compile(r"\n{3,}")
_LINE = re.compile(r"[^\n]*\n|[^\n]+")
#: What ftfy leaves as it is: it looks for damage in what is not ASCII, and at control characters.
_SOUND = re.compile(r"[\t\n\x20-\x7e]*")

EMPTY = "empty"
#: Boolean column: whether ftfy leaves the text as it is.
SOUND = "sound"


class Repair(Step):
    """Repairs texts, and says which hold nothing.

    Args:
        mend: whether texts are repaired at all; a pipeline may do without.
    """

    name = "repair"

    def __init__(self, *, mend: bool = True) -> None:
        self._mend = mend

    @property
    def version(self) -> str:
        return repair_version() if self._mend else "none"

    def process_batch(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """As `Step` says. Of texts whose column `sound` holds true ftfy is not asked again; the result has that column
        anew."""
        import pyarrow as pa

        texts = batch.column(TEXT).to_pylist()
        told = batch.column(SOUND).to_pylist() if SOUND in batch.schema.names else [False] * len(texts)
        known = batch.column(REASON).to_pylist()
        mended = [
            Repaired(text, sound) if reason else self._repaired(text, sound)
            for text, sound, reason in zip(texts, told, known, strict=True)
        ]
        reasons = [
            reason or (EMPTY if _is_empty(one.record) else None) for reason, one in zip(known, mended, strict=True)
        ]
        results: tuple[tuple[str, Any], ...] = (
            (TEXT, pa.array([one.record for one in mended], pa.large_string())),
            (REASON, pa.array(reasons, pa.string())),
            (SOUND, pa.array([one.sound for one in mended], pa.bool_())),
        )
        for name, column in results:
            place = batch.schema.get_field_index(name)
            batch = batch.append_column(name, column) if place < 0 else batch.set_column(place, name, column)
        return batch

    def _repaired(self, text: str, sound: bool) -> Repaired:
        return repair_record(text, sound=sound) if self._mend else Repaired(text, sound)


def _is_empty(record: str) -> bool:
    """Whether one of its parts holds nothing but spaces; a text may well have no marked places."""
    return not all(content.strip() for name, content in split_parts(record).items() if name != "spans")


def repair_version() -> str:
    """Changes when the same text may be repaired otherwise."""
    return f"1/ftfy-{metadata.version('ftfy')}"


@functools.cache
def _config() -> Any:
    import ftfy

    # Typographic quotes and full-width letters are part of a text, not damage to it.
    return ftfy.TextFixerConfig(
        uncurl_quotes=False, fix_character_width=False, fix_latin_ligatures=False, unescape_html=False, explain=False
    )


def repair(text: str) -> str:
    """Repairs wrongly decoded text with ftfy, unifies line breaks and Unicode form (NFC).

    A text that needs no repair comes back equal, so that repairing twice changes nothing.
    """
    return _with_lines_mended(_decoded(text))


def _with_lines_mended(text: str) -> str:
    if " \n" in text or "\t\n" in text:  # else the pattern would begin at each space in vain
        text = _TRAILING_SPACE.sub("\n", text)
    return _MANY_BLANK_LINES.sub("\n\n", text).strip()


def _decoded(text: str) -> str:
    """As `ftfy.fix_text`, which looks at each line by itself, but only at lines where there can be something to do."""
    import ftfy

    if _SOUND.fullmatch(text):
        return text
    lines = _LINE.findall(text)
    return "".join(line if _SOUND.fullmatch(line) else ftfy.fix_text(line, _config()) for line in lines)


@dataclass(frozen=True)
class Repaired:
    """A repaired record. `sound` tells that ftfy, which takes most of the time, had left it as it was."""

    record: str
    sound: bool


def repair_record(record: str, *, sound: bool = False) -> Repaired:
    """Repairs each part of a record. A text whose places are marked stays as it is: they would move.

    Args:
        sound: as an earlier call for the same record told.
    """
    parts = split_parts(record)
    left = {"spans", "text"} if "spans" in parts else set()
    decoded = {name: content if sound or name in left else _decoded(content) for name, content in parts.items()}
    mended = {name: content if name in left else _with_lines_mended(content) for name, content in decoded.items()}
    plain = not record.startswith("\x1e")
    return Repaired(mended["text"] if plain else join_parts(mended), decoded == parts)
