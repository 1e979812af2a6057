"""Our parts in Presidio's terms: the detector as a recognizer, and what prepares a text for recognizers.

Imported only by whoever uses Presidio: it takes more than a second to import.
"""

from __future__ import annotations

import sys

import spacy
from presidio_analyzer import EntityRecognizer, RecognizerResult
from presidio_analyzer.nlp_engine import NlpArtifacts, NlpEngine, SlimSpacyNlpEngine, SpacyNlpEngine

from governance.errors import DetectorError
from governance.pii import models
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


class WordsEngine(SlimSpacyNlpEngine):
    """Cuts a text into words by spaCy's rules for English and needs no model. Lower case stands for the lemma."""

    def __init__(self) -> None:
        super().__init__(auto_download=False)
        words = spacy.blank("en")
        words.max_length = sys.maxsize  # spaCy's limit is for models, whose arrays grow with the text
        self.nlp = {"en": words}

    def process_text(self, text: str, language: str) -> NlpArtifacts:
        """What context words are compared with."""
        words = self.nlp[language](text)
        return NlpArtifacts(
            entities=[],
            tokens=words,
            tokens_indices=[word.idx for word in words],
            lemmas=[word.lower_ for word in words],
            nlp_engine=self,
            language=language,
        )


def words_engine() -> NlpEngine:
    """For recognizers that need no more than words."""
    return WordsEngine()


def language_engine() -> NlpEngine:
    """With the whole verified model, for recognizers that may read all that it says.

    Raises:
        DetectorError: the model is missing, not the verified one, or cannot be loaded.
    """
    info = models.find_model()
    models.verify(info, (*models.WEIGHTS, *models.PARSER))
    engine = SpacyNlpEngine(models=[{"lang_code": "en", "model_name": str(info.path)}])
    try:
        engine.nlp = {"en": spacy.load(info.path)}
    except (OSError, ValueError, KeyError) as error:
        problem = f"it cannot be loaded: {type(error).__name__}"
        raise DetectorError(problem, where=f"spaCy model {info.package}") from None
    return engine
