"""The detector as a recognizer of Presidio, for whoever has analyzers and anonymizers of Presidio already.

Imported only by those: Presidio takes more than a second to import.
"""

from __future__ import annotations

from presidio_analyzer import EntityRecognizer, RecognizerResult
from presidio_analyzer.nlp_engine import NlpArtifacts

from governance.pii.detect import Detector


class DomainZooRecognizer(EntityRecognizer):
    """Finds what `Detector` finds; needs nothing of Presidio's NLP engine.

    Args:
        detector: says which types it finds.
    """

    def __init__(self, detector: Detector) -> None:
        self._detector = detector
        super().__init__(
            supported_entities=sorted(detector.entities), supported_language="en", name="Domain Zoo's detector"
        )

    def load(self) -> None:
        """The detector is loaded already."""

    def analyze(
        self, text: str, entities: list[str], nlp_artifacts: NlpArtifacts | None = None
    ) -> list[RecognizerResult]:
        """What is found of `entities`, with character offsets, none overlapping another."""
        return [
            RecognizerResult(one.type, one.start, one.end, one.score)
            for one in self._detector.find([text], entities)[0]
        ]
