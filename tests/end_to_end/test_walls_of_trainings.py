"""Walls over the real thing: random policies, mixtures and bases go through the real build and all that is made ready
for a training, and what went through is looked for in the text itself."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

import zoo
from governance import PolicyRefused
from pipelines.versions import SPLITS
from tests.support.workspace import TINY, make_workspace, write_jsonl
from zoo.job import prepare
from zoo.request import Request
from zoo.screen import Screen
from zoo.workspace import Workspace

NAMES = ("alpha", "beta", "gamma")
#: The domains whose text each of the three models has really seen.
BASES = {"alpha": {"alpha"}, "beta": {"beta"}, "gamma": {"gamma", "beta"}}
WORDS = ("lamp", "harbour", "ledger", "orchard", "violin", "copper", "meadow", "signal", "timber", "window")


@dataclass(frozen=True)
class World:
    """Who may derive from whom, and a pipeline that is trained on, from a base or not."""

    derive: dict[str, list[str]]
    domain: str
    sources: list[str]
    base: str | None

    @property
    def origins(self) -> set[str]:
        """The domains whose text the model would have seen."""
        return set(self.sources) | (BASES[self.base] if self.base else set())

    @property
    def label(self) -> set[str]:
        """What is made in a domain is of that domain, too, whatever it is made of."""
        return self.origins | {self.domain}

    @property
    def is_allowed(self) -> bool:
        return self.label <= set(self.derive[self.domain])


some = st.lists(st.sampled_from(NAMES), unique=True, max_size=3)
worlds = st.builds(
    World,
    derive=st.fixed_dictionaries(dict.fromkeys(NAMES, some)),
    domain=st.sampled_from(NAMES),
    sources=st.lists(st.sampled_from(NAMES), unique=True, min_size=1, max_size=3),
    base=st.sampled_from((None, *NAMES)),
)


def rows(name: str) -> list[dict[str, str]]:
    """Text that says where it is from."""
    texts = (" ".join(WORDS[(n * 3 + k * (n % 7 + 1)) % len(WORDS)] for k in range(12)) for n in range(40))
    return [{"id": f"{name}-{n}", "text": f"from-{name} {text} {n}"} for n, text in enumerate(texts)]


def pipeline(domain: str, sources: list[dict[str, Any]]) -> str:
    tokenizer, split = {"kind": "bpe", "vocab_size": 300}, {"validation": 0.2, "test": 0.0}
    return yaml.safe_dump({"domain": domain, "sources": sources, "tokenizer": tokenizer, "split": split})


def policy(derive: dict[str, list[str]]) -> dict[str, Any]:
    return {"domains": {name: {"owner": "o", "may_derive_from": derive[name], "pii": "keep"} for name in NAMES}}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory, mlflow_template: Path) -> Iterator[Path]:
    """A workspace of three domains with a trained model each; that of gamma goes on from beta's."""
    folder = tmp_path_factory.mktemp("walls") / "w"
    everybody = policy(dict.fromkeys(NAMES, [*NAMES]))
    make_workspace(folder, records=0, policy=everybody, database=mlflow_template)
    (folder / "pipelines" / "tax_domain.yaml").unlink()
    for name in NAMES:
        write_jsonl(folder / "data" / f"{name}.jsonl", rows(name))
        spec = pipeline(name, [{"path": f"data/{name}.jsonl", "id": "id"}])
        (folder / "pipelines" / f"{name}_own.yaml").write_text(spec)
    for name in NAMES:
        init = "beta_own.gpt/1" if name == "gamma" else None
        zoo.train("gpt", pipeline=f"{name}_own", init=init, workspace=Workspace.load(folder), **TINY)
    yield folder


def asked(home: Path, world: World) -> Workspace:
    """The workspace with this world's policy, and its pipeline `mixed`."""
    own = [{"path": f"data/{name}.jsonl", "id": "id"} for name in world.sources if name == world.domain]
    others = [{"pipeline": f"{name}_own"} for name in world.sources if name != world.domain]
    (home / "zoo.yaml").write_text(yaml.safe_dump(policy(world.derive)))
    (home / "pipelines" / "mixed.yaml").write_text(pipeline(world.domain, own + others))
    workspace = Workspace.load(home)
    shutil.rmtree(workspace.storage / "datasets" / "mixed", ignore_errors=True)  # what other worlds have made
    return workspace


ALL = dict.fromkeys(NAMES, [*NAMES])


@pytest.mark.slow
@given(world=worlds)
@example(World(ALL, "alpha", ["alpha", "beta"], "gamma"))
@example(World(ALL | {"alpha": ["alpha", "beta"]}, "alpha", ["alpha", "beta"], None))
@example(World(ALL | {"beta": ["gamma", "beta"]}, "beta", ["beta"], "gamma"))
@example(World(ALL | {"alpha": ["alpha", "gamma"]}, "alpha", ["alpha"], "gamma"))
@example(World(ALL | {"alpha": ["beta"]}, "alpha", ["alpha"], None))
@example(World(ALL | {"alpha": ["alpha"]}, "alpha", ["alpha", "beta"], None))
@example(World(ALL | {"alpha": ["alpha"]}, "alpha", ["alpha"], "beta"))
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_nothing_is_made_of_what_a_domain_may_not_have(home: Path, world: World) -> None:
    workspace = asked(home, world)
    init = f"{world.base}_own.gpt/1" if world.base else None
    request = Request("gpt", "mixed", init=init, steps=2, changes={"batch_size": 2, "window": 16})
    try:
        job = prepare(request, workspace=workspace, screen=Screen())
    except PolicyRefused:
        assert not world.is_allowed, "it was refused without a reason"
        assert not list(workspace.storage.glob("datasets/mixed/*")), "it was refused after it was made"
        return
    assert world.is_allowed, "it went through a wall"
    version = job.data.version
    texts = (text for split in SPLITS for _, text in version.texts(split))
    found = set(re.findall(r"from-(\w+)", " ".join(texts)))
    assert found == set(world.sources)
    assert set(version.label.domains) == found | {world.domain}
    assert set(job.label.domains) == world.label
