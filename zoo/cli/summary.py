"""What `zoo train` prints at its end."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from registry.gates import NO_TRAINING_PII
from zoo.cli.output import print_table

if TYPE_CHECKING:
    from zoo.load import LoadedModel
    from zoo.train import Run

_QUESTIONS = {
    "tax_domain": ("What is a dependent?", "How long should I keep my records?", "Dear client,"),
    "support_domain": ("How do I block my card?", "When will my refund arrive?", "Hello,"),
}
_OPENINGS = ("The", "What is", "In")
_HIDDEN = ("The <mask> of the", "You may <mask> it.", "Dear <mask>,")
_SAMPLE_TOKENS = 60
#: How a model is called that gives something else than text.
_CALLS = {
    "embedding": 'embed(["{}"])',
    "label": 'classify(["{}"])',
    "places": 'tag("{}")',
    "reward": 'reward(["{}"], ["..."])',
}
_FIGURES = ("accuracy", "test_accuracy", "span_f1", "test_span_f1", "found_first", "token_accuracy", "exact_match")
_FIGURES += ("base_chosen_over_rejected", "chosen_over_rejected", "test_chosen_over_rejected")


def print_run(run: Run) -> None:
    """Model, version, alias, figures, gates, three sample answers, and where to go on."""
    model = run.model
    print("this model was trained already" if run.reused else "trained")
    figures = run.metrics
    gives = _loaded(run).gives
    print_table(
        ("", ""),
        [
            ("model", model.name),
            ("version", model.version),
            ("alias", "champion" if run.promoted else "none: see the gates"),
            ("validation", _bits(figures)),
            *_task_figures(figures),
            *((f"  {name}", f"{value:.4f} bits per byte") for name, value in _by_source(figures)),
            ("parameters", f"{figures['parameters']:,.0f}"),
            ("speed", f"{figures['tokens_per_second']:,.0f} tokens/s in training"),
            ("latency", f"{figures['latency_ms_p50']:.0f} ms for {'32 tokens' if gives == 'text' else 'a short text'}"),
        ],
    )
    for gate in run.gates:
        evidence = ", ".join(f"{name} {value}" for name, value in gate.evidence.items())
        print(f"gate {gate.name}: {'passed' if gate.passed else 'FAILED'} ({evidence})")
    if all(gate.passed for gate in run.gates if gate.name == NO_TRAINING_PII):
        print("\nthree samples:")
        for prompt, answer in samples(run):
            print(f"  > {prompt}\n    {' '.join(answer.split())}")
    else:
        print("\nno samples: what it says may hold personal data of its training text")
    prompt = _QUESTIONS.get(model.pipeline, _OPENINGS)[0]
    if gives == "text":
        print(f'\nask it:      zoo query "{prompt}" --domain {model.domain} --caller {_caller(model.domain)}')
    else:
        print(f'\nuse it:      zoo.load("{model.name}@champion").{_CALLS[gives].format(prompt)}   (in Python)')
    print("look at it:  zoo ui   (then open http://127.0.0.1:5000/#/models?workflowType=machine_learning)")


def _by_source(figures: Mapping[str, float]) -> list[tuple[str, float]]:
    prefix = "val_bits_per_byte."
    return [(key.removeprefix(prefix), value) for key, value in sorted(figures.items()) if key.startswith(prefix)]


def _caller(domain: str) -> str:
    """A caller of the workspace who may ask this domain, as an example."""
    from zoo.workspace import Workspace

    policy = Workspace.current().policy
    readers = set(policy.domains[domain].readers)
    return next((name for name, caller in policy.callers.items() if readers & set(caller.roles)), "NAME")


def samples(run: Run) -> list[tuple[str, str]]:
    """What the new model makes of three texts, whether it was promoted or not."""
    loaded, prompts = _loaded(run), _QUESTIONS.get(run.model.pipeline, _OPENINGS)
    ways: dict[str, Callable[[str], str]] = {
        "label": lambda text: ", ".join(f"{one.label} {one.probability:.2f}" for one in loaded.classify([text])[0]),
        "places": lambda text: ", ".join(f"{place.text} ({place.type})" for place in loaded.tag(text)) or "nothing",
        "reward": lambda text: f"{loaded.reward([text], ['Yes.'])[0]:.3f} for the answer: Yes.",
    }
    if loaded.gives == "embedding":
        return [(text, " / ".join(_guesses(loaded, text))) for text in _HIDDEN]
    if loaded.gives in ways:
        return [(text, ways[loaded.gives](text)) for text in prompts]
    answers = loaded.generate(prompts, max_tokens=_SAMPLE_TOKENS, temperature=0.7, top_p=0.9)
    return list(zip(prompts, answers, strict=True))


def _loaded(run: Run) -> LoadedModel:
    from zoo.load import open_version
    from zoo.workspace import Workspace

    return open_version(Workspace.current(), run.model)


def _bits(figures: Mapping[str, float]) -> str:
    name = next(name for name in ("val_bits_per_byte", "val_bits_per_example", "val_bits_per_token") if name in figures)
    return f"{figures[name]:.4f} bits per {name.removeprefix('val_bits_per_')}"


def _task_figures(figures: Mapping[str, float]) -> list[tuple[str, str]]:
    return [(name.replace("_", " "), f"{figures[name]:.3f}") for name in _FIGURES if name in figures]


def _guesses(loaded: LoadedModel, text: str) -> list[str]:
    return [guess.token.strip() for guess in loaded.fill(text)[0]]
