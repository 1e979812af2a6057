"""Model cards: what a version is, in one page of markdown that the MLflow UI shows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from governance.labels import Label

_DESCRIPTION = 5000  # characters: the column of MLflow's database

_METRICS = {
    "val_bits_per_byte": ("Bits per byte (validation)", "{:.3f}"),
    "untrained_bits_per_byte": ("Bits per byte before training", "{:.3f}"),
    "last_bits_per_byte": ("Bits per byte after the last step", "{:.3f}"),
    "compile_seconds": ("Compile time (s)", "{:.1f}"),
    "val_loss": ("Loss (validation, nats a token)", "{:.3f}"),
    "parameters": ("Parameters", "{:,.0f}"),
    "flops_per_token": ("FLOPs a token (forward)", "{:,.0f}"),
    "latency_ms_p50": ("Latency, median (ms)", "{:.1f}"),
    "tokens_per_second": ("Training speed (tokens/s)", "{:,.0f}"),
}
_QUALITY = ("val_bits_per_byte", "untrained_bits_per_byte", "last_bits_per_byte", "val_loss")
#: Followed by the name of one of the pipeline's sources.
_OF_SOURCE = "val_bits_per_byte."


@dataclass(frozen=True)
class CardFacts:
    """What a card says. No text of a record belongs in here.

    `pii_rules` maps an entity type (or "default") to its operator, `pii_counts` an entity type to
    the number of replaced spans in the dataset version. `shape` is "encoder", "decoder" or "seq2seq".
    """

    model: str
    pipeline: str
    domain: str
    family: str
    size: str
    label: Label
    dataset_digest: str
    records: Mapping[str, int]
    metrics: Mapping[str, float]
    purposes: Sequence[str] = ()
    pii_rules: Mapping[str, str] = field(default_factory=dict)
    pii_counts: Mapping[str, int] = field(default_factory=dict)
    training: Mapping[str, object] = field(default_factory=dict)
    limits: Sequence[str] = ()
    shape: str = "decoder"


def model_card(facts: CardFacts) -> str:
    """The card as markdown; sections without content are said to be empty rather than left out."""
    sections = [
        f"# {facts.model}",
        _what(facts),
        _data(facts),
        _privacy(facts),
        _quality(facts),
        _cost(facts),
        _use(facts),
        _limits(facts),
    ]
    return "\n\n".join(sections) + "\n"


def version_description(card: str, limit: int = _DESCRIPTION) -> str:
    """The card as MLflow's page of a version shows it: without the title, which the page has already.

    A card that is longer than MLflow's column is cut at a line's end.
    """
    if card.startswith("# "):
        card = card.partition("\n")[2].lstrip()
    if len(card) <= limit:
        return card
    tail = "\n\nThe whole card is the artifact `model_card.md` of the run.\n"
    cut = card[: limit - len(tail)]
    return cut.rpartition("\n")[0].rstrip() + tail


def _what(facts: CardFacts) -> str:
    purposes = ", ".join(facts.purposes) or "none given"
    return (
        f"A language model of the family **{facts.family}**, size **{facts.size}**, trained from scratch "
        f"for the domain **{facts.domain}**. Purposes that the policy allows: {purposes}."
    )


def _data(facts: CardFacts) -> str:
    records = ", ".join(f"{count:,} {split}" for split, count in facts.records.items()) or "unknown"
    return "\n".join(
        [
            "## Data",
            "",
            f"- Pipeline `{facts.pipeline}`, dataset version `{facts.dataset_digest}`",
            f"- Records: {records}",
            f"- Label: **{facts.label}** (the domains that it was derived from)",
        ]
    )


def _privacy(facts: CardFacts) -> str:
    rules = ", ".join(f"{_cell(entity)}: {operator}" for entity, operator in facts.pii_rules.items())
    lines = ["## Personal data", "", f"Rules: {rules or 'none'}.", ""]
    counts = {entity: count for entity, count in facts.pii_counts.items() if count}
    if not counts:
        return "\n".join([*lines, "No personal data was found and replaced."])
    default = facts.pii_rules.get("default", "")
    rows = [
        f"| {_cell(entity)} | {facts.pii_rules.get(entity, default)} | {count:,} |"
        for entity, count in sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    ]
    return "\n".join([*lines, "| Type | Rule | Replaced |", "|---|---|---:|", *rows])


def _quality(facts: CardFacts) -> str:
    figures = {key: facts.metrics[key] for key in _QUALITY if key in facts.metrics}
    of_sources = {key: value for key, value in sorted(facts.metrics.items()) if key.startswith(_OF_SOURCE)}
    return _table("## Quality", figures | of_sources)


def _cost(facts: CardFacts) -> str:
    figures = {
        key: value for key, value in facts.metrics.items() if key not in _QUALITY and not key.startswith(_OF_SOURCE)
    }
    table = _table("## Cost", figures)
    if not facts.training:
        return table
    training = ", ".join(f"{_cell(str(key))} {_cell(str(value))}" for key, value in facts.training.items())
    return f"{table}\n\nTraining: {training}."


def _use(facts: CardFacts) -> str:
    reference = f"{facts.model}@champion"
    if facts.shape == "encoder":
        lines = [
            f'model = zoo.load("{reference}")',
            'model.embed(["...", "..."])   # float32 [texts, width], each of length 1',
            'model.fill("... <mask> ...")  # the likeliest tokens for each mask',
        ]
    else:
        lines = [
            f'zoo.query("...", domain="{facts.domain}", caller="...")  # picks the best model for you',
            f'zoo.load("{reference}")',
        ]
    return "\n".join(
        [
            "## How to use it",
            "",
            "```python",
            "import zoo",
            "",
            *lines,
            "```",
        ]
    )


def _limits(facts: CardFacts) -> str:
    does = (
        "Its embeddings and the words that it fills in reflect its training data, with what is one-sided in it."
        if facts.shape == "encoder"
        else "It continues text in the style of its training data and may state what is not true."
    )
    limits = facts.limits or (
        does,
        "Detection of personal data is not perfect; measure it on labelled text of your own: `zoo audit pii FILE`.",
        "It may be used for its domain's purposes alone, by callers whom the policy grants it.",
    )
    return "\n".join(["## Limits", "", *(f"- {limit}" for limit in limits)])


def _table(title: str, figures: Mapping[str, float]) -> str:
    if not figures:
        return f"{title}\n\nNot measured."
    rows = []
    for key, value in figures.items():
        name, form = _METRICS.get(key, (_cell(key), "{:g}"))
        if key.startswith(_OF_SOURCE):
            name, form = f"Bits per byte (source {_cell(key.removeprefix(_OF_SOURCE))})", "{:.3f}"
        rows.append(f"| {name} | {form.format(value)} |")
    return "\n".join([title, "", "| Measure | Value |", "|---|---:|", *rows])


def _cell(text: str) -> str:
    """Text inside a table: a bar would end the cell, a line break the row."""
    return " ".join(text.replace("|", "\\|").split())
