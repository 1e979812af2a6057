"""Text repair: mojibake, line endings, control characters, Unicode form."""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass
from importlib import metadata
from typing import Any

from pipelines.parts import join_parts, split_parts

_TRAILING_SPACE = re.compile(r"[ \t]+\n")
_MANY_BLANK_LINES = re.compile(r"\n{3,}")
_LINE = re.compile(r"[^\n]*\n|[^\n]+")
#: What ftfy leaves as it is: it looks for damage in what is not ASCII, and at control characters.
_SOUND = re.compile(r"[\t\n\x20-\x7e]*")


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
    return _MANY_BLANK_LINES.sub("\n\n", _TRAILING_SPACE.sub("\n", text)).strip()


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
