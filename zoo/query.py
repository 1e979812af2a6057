"""`zoo.query`: the best model that the caller may use answers.

The policy filters first, then the pick is made from a snapshot of the catalogue in this process;
MLflow is asked in the background only. The chosen model is loaded once.
"""

from __future__ import annotations

import functools
import secrets
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from governance.labels import Label
from registry import Catalogue, Decision, ModelVersion, Tracking, pick
from zoo import families
from zoo.guard import guard
from zoo.load import open_version
from zoo.objectives import ControlledLM
from zoo.picks import record_pick
from zoo.workspace import Workspace

#: What a model that may answer learned last: answers, the next word of a text, to restore a text. Others, such as
#: encoders and classifiers, do not answer.
_ORDER = {
    "instruct": 0,
    "preference": 0,
    "seq2seq": 0,
    "causal_lm": 1,
    "controlled_lm": 1,
    "span_corruption": 2,
    "denoising": 2,
}


@dataclass(frozen=True)
class Answer:
    """What a query gives. `model` is a name such as "tax_domain.gpt", `version` its number; `id` is what
    `zoo lineage` knows the answer by; `replaced` counts by type what was taken out of it as personal data."""

    id: str
    text: str
    model: str
    version: int
    decision: Decision
    latency_ms: float
    replaced: dict[str, int] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "text": self.text,
            "model": self.model,
            "version": self.version,
            "latency_ms": round(self.latency_ms, 1),
            "replaced": self.replaced,
            "decision": self.decision.to_json(),
        }


def query(
    prompt: str,
    *,
    domain: str,
    caller: str,
    purpose: str = "assist",
    max_latency_ms: float | None = None,
    truncate: bool = False,
    on_text: Callable[[str], object] | None = None,
    workspace: Workspace | None = None,
    **sampling: Any,
) -> Answer:
    """Answers a prompt with a model of `domain`.

    Args:
        caller: who asks, a name under `callers` in zoo.yaml.
        purpose: one of the domain's purposes.
        max_latency_ms: only models whose measured median latency is not above it.
        truncate: a prompt that is too long loses its beginning; otherwise it is refused.
        on_text: is called with each piece of the answer as soon as it is there: with each sentence, where the
            domain's rules for personal data hold for answers (`zoo.guard`).
        sampling: fields of `zoo.generate.Sampling`, such as temperature, top_p, stop, beams or control, which
            only a `ctrl` answers. Unless they are given, max_tokens is 64 and temperature 0, which takes the
            likeliest token each time.

    Raises:
        PolicyRefused: an unknown caller, one without a role, and a domain that does not exist give
            the same words.
        RegistryError: no model of the domain is fit to answer.
        DataError: the prompt does not fit into the model's context together with max_tokens.
        ConfigError: there is no such setting, it is out of its range or does not go with another one.
    """
    from zoo.generation.sampling import Sampling

    workspace = workspace or Workspace.current()
    # Before anything is opened: a stranger must not learn even whether there is a registry.
    workspace.policy.check(Label.of(domain), sink=domain, caller=caller, purpose=purpose)
    settings = {"max_tokens": 64, "temperature": 0.0, **sampling}
    Sampling.of(**settings)  # a wrong one is refused before a model is loaded
    snapshot = _catalogue(workspace).snapshot()
    decision = pick(
        snapshot,
        workspace.policy,
        domain=domain,
        caller=caller,
        purpose=purpose,
        max_latency_ms=max_latency_ms,
        order=functools.partial(_order, control=settings.get("control")),
    )
    chosen = decision.chosen
    model = open_version(workspace, chosen)
    guarded = guard(workspace, domain, prompt)
    start = time.perf_counter()
    if on_text is None:
        text = model.generate(prompt, truncate=truncate, **settings)
        text = text if guarded is None else guarded.whole(text)
    else:
        pieces = model.stream(prompt, truncate=truncate, **settings)
        text = _spoken(pieces if guarded is None else guarded(pieces), on_text)
    latency_ms = 1000 * (time.perf_counter() - start)
    replaced = {} if guarded is None else dict(sorted(guarded.replaced.items()))
    answer = Answer(answer_id(chosen), text, chosen.name, chosen.version, decision, latency_ms, replaced)
    record_pick(workspace, answer)
    return answer


def answer_id(version: ModelVersion) -> str:
    """A new id, such as "tax_domain.gpt/3/9f86d081884c7d659a2feaa0": what answered can be told from it alone, since
    the ledger has a sample of the answers."""
    return f"{version}/{secrets.token_hex(12)}"


def _order(version: ModelVersion, *, control: str | None) -> int | None:
    """How soon a version is asked; None if it does not do what is asked for: a control code is for those that
    learned some."""
    objective = version.objective or families.get(version.family).objective
    return None if control is not None and objective != ControlledLM.name else _ORDER.get(objective)


def _spoken(pieces: Iterable[str], on_text: Callable[[str], object]) -> str:
    """The whole text, each piece having been passed on."""
    spoken = []
    for piece in pieces:
        on_text(piece)
        spoken.append(piece)
    return "".join(spoken)


_catalogues: dict[str, Catalogue] = {}
_lock = threading.Lock()


def _catalogue(workspace: Workspace) -> Catalogue:
    """One catalogue for each tracking store of this process."""
    with _lock:
        if workspace.tracking_uri not in _catalogues:
            tracking = Tracking(workspace.tracking_uri, workspace.artifact_root)
            _catalogues[workspace.tracking_uri] = Catalogue(tracking, bell=workspace.bell)
        return _catalogues[workspace.tracking_uri]


def refresh_catalogue(workspace: Workspace) -> None:
    """Lets queries of this process see a version that it has just registered."""
    with _lock:
        catalogue = _catalogues.get(workspace.tracking_uri)
    if catalogue is not None:
        catalogue.refresh()
