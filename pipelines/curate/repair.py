"""Text repair: mojibake, line endings, control characters, Unicode form."""

from __future__ import annotations

import functools
import re
from importlib import metadata
from typing import Any

from pipelines.parts import join_parts, split_parts

_TRAILING_SPACE = re.compile(r"[ \t]+\n")
_MANY_BLANK_LINES = re.compile(r"\n{3,}")


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
    import ftfy

    fixed = ftfy.fix_text(text, _config())
    fixed = _TRAILING_SPACE.sub("\n", fixed)
    return _MANY_BLANK_LINES.sub("\n\n", fixed).strip()


def repair_record(record: str) -> str:
    """Repairs each part of a record. A text whose places are marked stays as it is: they would move."""
    parts = split_parts(record)
    if len(parts) == 1 and not record.startswith("\x1e"):
        return repair(record)
    marked = "spans" in parts
    return join_parts(
        {
            name: content if name == "spans" or (name == "text" and marked) else repair(content)
            for name, content in parts.items()
        }
    )
