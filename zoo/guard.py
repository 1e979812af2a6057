"""The filter of personal data once more, over what a model says.

A model is trained on filtered text, so what it says of a person it made up, or has it from a base that was trained
elsewhere, or a detector missed it once. Nobody who reads the answer can tell, so the domain's rules hold for it as
well: the same detectors look for the same types, and the same operators replace what they find. What the prompt holds
already may be said: who asks knows it.

An answer that is passed on as it is made is looked at in sentences and lines, each with all that was said before it and
with the next two: an address is told by the line below it.
"""

from __future__ import annotations

import functools
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from governance.pii import Finding, PiiFilter, detector_for, entities_to_find
from governance.pii.canonical import normalised
from governance.policy import PiiRules
from zoo.workspace import Workspace

#: Sentences or lines that are waited for before one is passed on.
_AHEAD = 2
_SENTENCE_END = re.compile(r"\n|(?<=\w\w[.!?])[^\S\n]+(?=\S)")


@dataclass
class Guarded:
    """One answer on its way. `replaced` counts by type, once it is through."""

    pii_filter: PiiFilter
    prompt: str
    replaced: Counter[str] = field(default_factory=Counter)

    def whole(self, text: str) -> str:
        """An answer that is there."""
        return self._safe(text, 0, len(text))[0]

    def __call__(self, pieces: Iterable[str]) -> Iterator[str]:
        """Yields the answer sentence by sentence, two behind what has been made."""
        text, done, ends = "", 0, [0]
        for piece in pieces:
            text += piece
            ends += [match.end() for match in _SENTENCE_END.finditer(text, ends[-1])]
            while len(ends) > _AHEAD + 1 and ends[-_AHEAD - 1] > done:
                until = next(end for end in ends if end > done)
                said, done = self._safe(text[: ends[ends.index(until) + _AHEAD]], done, until)
                yield said
        if done < len(text):
            yield self._safe(text, done, len(text))[0]

    def _safe(self, text: str, done: int, until: int) -> tuple[str, int]:
        """What stands between two places, with the findings replaced that the prompt does not hold, and where it ends:
        behind a finding that goes on."""
        parts = []
        for finding in self.pii_filter.find([text])[0]:
            if done < finding.end and finding.start < until and not self._is_known(text, finding):
                parts += [text[done : max(done, finding.start)], self.pii_filter.replacement(finding, text)]
                self.replaced[finding.type] += 1
                done = finding.end
        end = max(done, until)
        return "".join([*parts, text[done:end]]), end

    def _is_known(self, text: str, finding: Finding) -> bool:
        value = re.escape(normalised(text[finding.start : finding.end]))
        return re.search(rf"(?<!\w){value}(?!\w)", self.prompt) is not None


def guard(workspace: Workspace, domain: str, prompt: str) -> Guarded | None:
    """What an answer of a domain has to pass; None where its rules filter nothing, or the policy says so."""
    rules = workspace.policy.domains[domain].pii
    if not workspace.policy.domains[domain].guard_answers or not entities_to_find(rules):
        return None
    key = workspace.keys.derive(domain, "pseudonyms")
    return Guarded(_filter(rules.model_dump_json(), key), normalised(prompt))


@functools.lru_cache(maxsize=8)
def _filter(rules: str, key: bytes) -> PiiFilter:
    """Loads a model the first time: seconds."""
    read = PiiRules.model_validate_json(rules)
    return PiiFilter(read, detector_for(read), key)
