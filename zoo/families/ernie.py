"""ERNIE 1.0 (Sun et al. 2019, arXiv:1904.09223): BERT's architecture that learns whole entities and phrases.

What the pipeline's analyzers take for an entity, each placeholder that stands for personal data, and each noun phrase
is hidden as a whole, so that it has to be told from what is said about it and not from its own other half. The paper
goes from words over phrases to entities in three stages; here one training mixes them. Its dialogue embedding and its
knowledge of Chinese characters have no counterpart here.
"""

from __future__ import annotations

from dataclasses import replace

from zoo.families.bert import BERT

ERNIE = replace(BERT, name="ernie", objective="entity_masked_lm", entity_spans=True)
