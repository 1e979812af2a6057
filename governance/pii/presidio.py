"""Our recognizers and the verified spaCy model as parts of a Presidio analyzer.

Imported only when a detector is made: Presidio takes more than a second to import.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from presidio_analyzer import AnalyzerEngine, EntityRecognizer, RecognizerRegistry, RecognizerResult
from presidio_analyzer.context_aware_enhancers import ContextAwareEnhancer
from presidio_analyzer.nlp_engine import NerModelConfiguration, NlpArtifacts, SpacyNlpEngine
from presidio_analyzer.predefined_recognizers import SpacyRecognizer

from governance.pii.entities import NER_TYPES
from governance.pii.names import Lexicon, find_names
from governance.pii.recognizers import Rule, matches, recognizers

_SPACY_LABELS = {
    "PERSON": "PERSON",
    "GPE": "LOCATION",
    "LOC": "LOCATION",
    "FAC": "LOCATION",
    "ORG": "ORGANIZATION",
    "NORP": "NRP",
    "DATE": "DATE_TIME",
    "TIME": "DATE_TIME",
}


class RuleRecognizer(EntityRecognizer):
    """A table of rules for one entity type."""

    def __init__(self, entity: str, rules: Sequence[Rule]) -> None:
        self._rules = rules
        super().__init__(supported_entities=[entity], supported_language="en", name=f"{entity} rules")

    def load(self) -> None:
        """Nothing to load: patterns are compiled when the module is imported."""

    def analyze(
        self, text: str, entities: list[str], nlp_artifacts: NlpArtifacts | None = None
    ) -> list[RecognizerResult]:
        entity = self.supported_entities[0]
        return [RecognizerResult(entity, start, end, score) for start, end, score in matches(self._rules, text)]


class NameRecognizer(EntityRecognizer):
    """People, firms and towns by word lists (`governance.pii.names`)."""

    def __init__(self, entities: Collection[str], lexicon: Lexicon) -> None:
        self._lexicon = lexicon
        super().__init__(supported_entities=sorted(entities), supported_language="en", name="names by word lists")

    def load(self) -> None:
        """The lists are loaded already."""

    def analyze(
        self, text: str, entities: list[str], nlp_artifacts: NlpArtifacts | None = None
    ) -> list[RecognizerResult]:
        found = find_names(text, self._lexicon)
        return [
            RecognizerResult(entity, start, end, score) for entity, start, end, score in found if entity in entities
        ]


class NoEnhancer(ContextAwareEnhancer):
    """Leaves scores as they are: our cues are part of the patterns, and copying each result takes long."""

    def __init__(self) -> None:
        super().__init__(
            context_similarity_factor=0.0, min_score_with_context_similarity=0.0, context_prefix_count=0,
            context_suffix_count=0,
        )  # fmt: skip

    def enhance_using_context(
        self,
        text: str,
        raw_results: list[RecognizerResult],
        nlp_artifacts: NlpArtifacts,
        recognizers: list[EntityRecognizer],
        context: list[str] | None = None,
    ) -> list[RecognizerResult]:
        return raw_results


class LoadedSpacy(SpacyNlpEngine):
    """An NLP engine around a model that is loaded already, so that nothing can be downloaded."""

    def __init__(self, nlp: Any) -> None:
        configuration = NerModelConfiguration(
            model_to_presidio_entity_mapping=_SPACY_LABELS,
            labels_to_ignore=[label for label in nlp.get_pipe("ner").labels if label not in _SPACY_LABELS],
            default_score=0.85,
        )
        super().__init__(models=[{"lang_code": "en", "model_name": "loaded"}], ner_model_configuration=configuration)
        self.nlp = {"en": nlp}

    def load(self) -> None:
        """The model is loaded already."""


def make_analyzer(nlp: Any | None, entities: Collection[str], lexicon: Lexicon | None) -> AnalyzerEngine:
    """An analyzer with our rules for `entities`, and with the model and word lists where a type needs them."""
    registry = RecognizerRegistry(supported_languages=["en"])
    for recognizer in recognizers(entities):
        registry.add_recognizer(recognizer)
    if nlp is not None and NER_TYPES & set(entities):  # all of them: what a name is comes out when they are cleaned
        registry.add_recognizer(SpacyRecognizer(supported_language="en", supported_entities=sorted(NER_TYPES)))
    named = {"PERSON", "ORGANIZATION", "LOCATION"}
    if lexicon is not None and NER_TYPES & set(entities):
        registry.add_recognizer(NameRecognizer(named, lexicon))
    engine = LoadedSpacy(nlp if nlp is not None else _blank())
    return AnalyzerEngine(
        registry=registry, nlp_engine=engine, supported_languages=["en"], context_aware_enhancer=NoEnhancer()
    )


def artifacts(analyzer: AnalyzerEngine, doc: Any) -> NlpArtifacts:
    """What Presidio's recognizers read of an analysed text."""
    return analyzer.nlp_engine._doc_to_nlp_artifact(doc, language="en")


def _blank() -> Any:
    """A pipeline without components, for rules alone."""
    import spacy

    nlp = spacy.blank("en")
    nlp.add_pipe("ner")
    return nlp
