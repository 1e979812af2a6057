"""The filter of personal data once more, over what a model says.

A model is trained on filtered text, so what it says of a person it made up, or has it from a base that was trained
elsewhere, or a detector missed it once. Nobody who reads the answer can tell, so the domain's rules hold for it as
well: the same detectors look for the same types, and the same operators replace what they find. What the prompt holds
already may be said: who asks knows it.

An answer is looked at in sentences, each with all that was said before it, so that an answer that is passed on as it is
made reads like one that is given whole.
"""

from __future__ import annotations

import functools
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from governance.pii import Finding, PiiFilter, detector_for, entities_to_find
from governance.pii.filter import normalised
from governance.policy import PiiRules
from zoo.workspace import Workspace

_SENTENCE_END = re.compile(r"\n|(?<=\w\w[.!?])\s+(?=\S)")


@dataclass
class Guarded:
    """One answer on its way. `replaced` counts by type, once it is through."""

    pii_filter: PiiFilter
    prompt: str
    replaced: Counter[str] = field(default_factory=Counter)

    def __call__(self, pieces: Iterable[str]) -> Iterator[str]:
        """Yields the answer sentence by sentence."""
        text, done = "", 0
        for piece in pieces:
            text += piece
            ends = [match.end() for match in _SENTENCE_END.finditer(text, done)]
            for end in ends:
                yield self._safe(text[:end], done)
                done = end
        if done < len(text):
            yield self._safe(text, done)

    def _safe(self, text: str, done: int) -> str:
        """What stands behind `done`, with the findings replaced that the prompt does not hold."""
        parts = []
        for finding in self.pii_filter.find([text])[0]:
            if finding.end > done and not self._is_known(text, finding):
                parts += [text[done : max(done, finding.start)], self.pii_filter.replacement(finding, text)]
                self.replaced[finding.type] += 1
                done = finding.end
        return "".join([*parts, text[done:]])

    def _is_known(self, text: str, finding: Finding) -> bool:
        return normalised(text[finding.start : finding.end]) in self.prompt


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
