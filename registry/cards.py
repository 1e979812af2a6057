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
    **{
        f"{when}_bits_per_{unit}": (f"Bits per {unit} ({what})", "{:.3f}")
        for unit in ("example", "token")
        for when, what in (("val", "validation"), ("untrained", "before training"), ("last", "after the last step"))
    },
    "accuracy": ("Accuracy (validation)", "{:.3f}"),
    "test_accuracy": ("Accuracy (test)", "{:.3f}"),
    "macro_f1": ("F1, mean over the classes", "{:.3f}"),
    "calibration_error": ("Expected calibration error", "{:.3f}"),
    "temperature": ("Temperature of its probabilities", "{:.3f}"),
    "span_f1": ("F1 of marked places", "{:.3f}"),
    "exact_match": ("Answers that are right to the last token", "{:.3f}"),
    "found_first": ("Own pair is the nearest one", "{:.3f}"),
    "chosen_over_rejected": ("Chosen answer preferred", "{:.3f}"),
    "base_chosen_over_rejected": ("The same, before tuning", "{:.3f}"),
    "val_loss": ("Loss (validation, nats a token)", "{:.3f}"),
    "parameters": ("Parameters", "{:,.0f}"),
    "flops_per_token": ("FLOPs a token (forward)", "{:,.0f}"),
    "latency_ms_p50": ("Latency, median (ms)", "{:.1f}"),
    "tokens_per_second": ("Training speed (tokens/s)", "{:,.0f}"),
}
#: Tasks after which a model gives what it gave before.
_TUNED = ("instruct", "preference", "embed", "seq2seq")
#: How a model is called that gives something else than text or embeddings.
_CALLS = {
    "label": 'model.classify(["..."])        # classes with calibrated probabilities',
    "places": 'model.tag("...")               # places with their types',
    "reward": 'model.reward(["..."], ["..."])  # of each answer to its prompt',
}
_COST = ("parameters", "flops_per_token", "latency_ms_p50", "tokens_per_second", "compile_seconds")
#: Followed by the name of one of the pipeline's sources.
_OF_SOURCE = "val_bits_per_byte."


@dataclass(frozen=True)
class CardFacts:
    """What a card says. No text of a record belongs in here.

    `pii_rules` maps an entity type (or "default") to its operator, `pii_counts` an entity type to
    the number of replaced spans in the dataset version. `shape` is "encoder", "decoder" or "seq2seq", `base`
    what its training continued from, if anything, `objective` what it learned last, and `gives` what it makes of a
    text: "text", "embedding", "label", "places" or "reward".
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
    base: str | None = None
    objective: str = "causal_lm"
    gives: str = "text"


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
    tuned = f", to **{facts.objective}**" if facts.gives in _CALLS or facts.objective in _TUNED else ""
    start = "trained from scratch" if facts.base is None else f"trained further from {facts.base}"
    return (
        f"A language model of the family **{facts.family}**, size **{facts.size}**, {start} "
        f"for the domain **{facts.domain}**{tuned}. Purposes that the policy allows: {purposes}."
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
    """The known measures in their order, then the sources', then what else a task measured."""
    measured = {key: value for key, value in sorted(facts.metrics.items()) if key not in _COST}
    known = {key: measured[key] for key in _METRICS if key in measured}
    of_sources = {key: value for key, value in measured.items() if key.startswith(_OF_SOURCE)}
    return _table("## Quality", known | of_sources | measured)


def _cost(facts: CardFacts) -> str:
    figures = {key: facts.metrics[key] for key in _COST if key in facts.metrics}
    table = _table("## Cost", figures)
    if not facts.training:
        return table
    training = ", ".join(f"{_cell(str(key))} {_cell(str(value))}" for key, value in facts.training.items())
    return f"{table}\n\nTraining: {training}."


def _use(facts: CardFacts) -> str:
    reference = f"{facts.model}@champion"
    if facts.gives in _CALLS:
        lines = [f'model = zoo.load("{reference}")', _CALLS[facts.gives]]
    elif facts.gives == "embedding":
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
    reflects = "reflect its training data, with what is one-sided in it."
    continues = "It continues text in the style of its training data and may state what is not true."
    if facts.gives in _CALLS:
        does = f"Its decisions {reflects}"
    elif facts.gives == "embedding":
        does = f"Its embeddings and the words that it fills in {reflects}"
    elif facts.shape == "seq2seq" and facts.objective != "seq2seq":
        does = f"{continues} It learned to restore text, not tasks: fine-tune it on pairs of input and output."
    else:
        does = continues
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
