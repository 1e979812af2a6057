"""CTRL (Keskar et al. 2019, arXiv:1909.05858): a decoder that is told by a code in front of the text what it is to
write, so that one model serves several tasks.

The codes are the pipeline's sources, by their names: letters, questions with answers, notices. The architecture
is GPT-2's, as the paper's is but for sinusoidal positions. See `zoo.objectives.controlled` for what the
codes do in training; `control="letters"` names one in `zoo.query` and `LoadedModel.generate`.
"""

from __future__ import annotations

from dataclasses import replace

from zoo.families.gpt import GPT

CTRL = replace(GPT, name="ctrl", objective="controlled_lm", tokenizer="ctrl")
