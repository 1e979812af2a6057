"""Builds and erasures that are killed at any moment and run again, with a reader beside them.

A workspace of few records is built before; `build` brings it to a changed source, `erase` takes somebody out of it.
What comes out is compared with that of an undisturbed run in the same place.
"""

from __future__ import annotations

import hashlib
import json
import random
import shutil
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from governance import DataError
from governance.labels import Label
from pipelines.build import build
from pipelines.curate.quality import SETS
from pipelines.latest import latest
from registry import Tracking, list_versions
from tests.support.fresh import start_zoo
from tests.support.models import register_fake, start_run
from tests.support.traces import traces
from tests.support.workspace import make_workspace, write_jsonl
from zoo.workspace import Workspace

SUBJECT, RECORD = "Tilda-Quibble-17", "letter-of-tilda"
TEXT = "Tilda Quibble keeps nine lanterns behind the green door of the mill and counts them every evening before supper"
WORDS = [SUBJECT, RECORD, "Tilda", "nine lanterns"]

PIPELINES = ("tax_domain", "kept_domain")
_BUILD = """
from pipelines.build import build
from zoo.workspace import Workspace
w = Workspace.current()
build(w.pipeline("{name}"), policy=w.policy, keys=w.keys, storage=w.storage, processes=1)
"""
SCRIPTS = {
    "build": _BUILD.format(name="tax_domain"),
    "extend": _BUILD.format(name="kept_domain"),
    "erase": f"""
import zoo
zoo.erase(domain="tax", subject="{SUBJECT}")
""",
}


def _rows(first: int, count: int) -> list[dict[str, str]]:
    texts = {n: " ".join(f"word{n}x{place}" for place in range(30)) for n in range(first, first + count)}
    return [{"id": f"r{n}", "text": f"{text} a{n}@example.org", "client_id": "nobody"} for n, text in texts.items()]


def prepare(home: Path, template: Path) -> None:
    """Writes a workspace whose pipelines are built, one of them incremental, with a model of the first one's data.
    Their sources have changed since: rows came, one left for another that is nearly like it, one cannot be read."""
    rules = {"default": "keep", "EMAIL_ADDRESS": "redact"}
    policy: Any = {"domains": {"tax": {"owner": "o", "may_derive_from": ["tax"], "pii": rules}}}
    short = {rule.name: [None, None] for rule in SETS["gopher"]} | {"gopher_words": [10, None]}
    curate = {"dedup": {"near": 0.8}, "quality": {"sets": ["gopher"], "limits": short}, "max_quarantined": 0.5}

    def pipeline(folder: str, mode: str) -> dict[str, Any]:
        source = {"path": f"data/{folder}/*.jsonl", "id": "id", "subject": "client_id"}
        content = {"domain": "tax", "sources": [source], "split": {"validation": 0.3, "test": 0.0}}
        return content | {"curate": curate, "refresh": {"mode": mode}}

    workspace = make_workspace(home, records=0, policy=policy, pipeline=pipeline("tax", "snapshot"), database=template)
    (home / "pipelines" / "kept_domain.yaml").write_text(yaml.safe_dump(pipeline("kept", "incremental")))
    mine = {"id": RECORD, "text": TEXT, "client_id": SUBJECT}
    near = {"id": "z", "text": f"{TEXT} again", "client_id": "nobody"}
    brief = {"id": "brief", "text": "Tilda was here.", "client_id": SUBJECT}
    for folder, name in zip(("tax", "kept"), PIPELINES, strict=True):
        letters = home / "data" / folder / "letters.jsonl"
        rows = [mine, near, brief, *_rows(0, 40)]
        write_jsonl(letters, rows)
        spec = workspace.pipeline(name)
        built = build(spec, policy=workspace.policy, keys=workspace.keys, storage=workspace.storage, processes=1)
        if name == "tax_domain":
            _with_model(workspace, built.version.digest)
        changed = {"id": "like", "text": f"{rows[-1]['text']} again", "client_id": "nobody"}
        write_jsonl(letters, [*rows[:-3], changed])
        write_jsonl(letters.with_name("more.jsonl"), _rows(100, 10))
        with letters.open("a", encoding="utf-8") as file:
            file.write("{not JSON\n")


def _with_model(workspace: Workspace, digest: str) -> None:
    tracking = Tracking(workspace.tracking_uri, workspace.artifact_root)
    with start_run(tracking, label=Label.of("tax"), dataset_digest=digest) as run:
        register_fake(run, workspace.home.parent / "trained")
    tracking.client.set_registered_model_alias("tax_domain.gpt", "champion", "1")


@dataclass
class Reader:
    """Reads the latest version again and again, and notes what no reader should ever see."""

    home: Path
    read: int = 0
    wrong: list[str] = field(default_factory=list)

    @contextmanager
    def beside(self) -> Iterator[None]:
        stop = threading.Event()
        thread = threading.Thread(target=self._run, args=(stop,))
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join()

    def _run(self, stop: threading.Event) -> None:
        workspace = Workspace.load(self.home)
        while not stop.is_set():
            for name in PIPELINES:
                self.look(workspace, name)
            time.sleep(0.01)

    def look(self, workspace: Workspace, name: str) -> None:
        """Reads the present version of a pipeline. It may be removed as a whole meanwhile; another is named then."""
        pointer = workspace.storage / "datasets" / name / "latest.json"
        before = pointer.read_bytes() if pointer.exists() else None
        try:
            version = latest(workspace.pipeline(name), workspace.storage)
            if version is None:
                raise DataError("there was no version", where=name)
            version.verify()
            self.read += 1
        except (DataError, OSError, KeyError, ValueError) as error:
            if before is None or not pointer.exists() or pointer.read_bytes() == before:
                self.wrong.append(f"{type(error).__name__}: {error}")


def run(home: Path, what: str, kill_after: float | None = None) -> bool:
    """Runs a build or an erasure in a process of its own. Returns whether it was killed before its end."""
    child = start_zoo(SCRIPTS[what], ZOO_HOME=str(home))
    timer = None if kill_after is None else threading.Timer(kill_after, child.kill)
    if timer is not None:
        timer.start()
    code, _, errors = child.end()
    if timer is not None:
        timer.cancel()
    assert code in (0, -9), errors[-2000:]
    return code != 0


def outcome(home: Path) -> dict[str, Any]:
    """Everything that kills must not change: files by their bytes, where these hold no time."""
    workspace = Workspace.load(home)
    storage = workspace.storage
    names = ("datasets", "exclusions", "cache", "quarantine", "work", "tokens", "tokenizers")
    files = [path for name in names for path in sorted((storage / name).rglob("*")) if path.is_file()]
    files += sorted((storage / "erasures").rglob("tombstones.json"))
    hashes = {
        str(path.relative_to(storage)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in files
        if path.name != "files.json"
    }
    tracking = Tracking(workspace.tracking_uri, workspace.artifact_root)
    versions = [(str(version), version.quarantined, version.aliases) for version in list_versions(tracking)]
    receipts = [json.loads(path.read_text()) for path in sorted((storage / "receipts").glob("*"))]
    assert all(workspace.ledger.verify(receipt=receipt).ok for receipt in receipts)
    payloads = [receipt["payload"] | {"started": "", "finished": ""} for receipt in receipts]
    events = sorted((entry.event, entry.about) for entry in workspace.ledger.entries())
    weights = sorted(str(path.relative_to(storage)) for path in storage.rglob("model.weights.h5"))
    return {"files": hashes, "versions": versions, "receipts": payloads, "events": events, "weights": len(weights)}


@dataclass
class Killing:
    """Kills at random moments, each followed by a run to the end in the same place.

    Args:
        folder: to work in.
        template: a migrated MLflow database.
    """

    folder: Path
    template: Path
    seed: int = 0

    def __post_init__(self) -> None:
        self._home = self.folder / "w"
        self._ready = self.folder / "ready"
        prepare(self._home, self.template)
        shutil.copytree(self._home, self._ready)
        self._dice = random.Random(self.seed)
        self._calm: dict[str, tuple[float, dict[str, Any]]] = {}
        start_zoo("pass").end()  # the imports of the first one would count as time to kill in

    def calm(self, what: str) -> tuple[float, dict[str, Any]]:
        """Seconds and outcome of an undisturbed run."""
        if what not in self._calm:
            self._reset()
            start = time.perf_counter()
            run(self._home, what)
            seconds = time.perf_counter() - start
            self._calm[what] = seconds, outcome(self._home)
            if what == "erase":
                assert traces(Workspace.load(self._home).storage, WORDS) == []
        return self._calm[what]

    def kill_once(self, what: str) -> tuple[bool, list[str]]:
        """Whether a process was hit, and what is wrong afterwards."""
        seconds, expected = self.calm(what)
        self._reset()
        reader = Reader(self._home)
        with reader.beside():
            hit = run(self._home, what, kill_after=self._dice.uniform(0.02, 1.0) * seconds)
            run(self._home, what)
        found = outcome(self._home)
        wrong = [
            f"{name} differ: {_difference(expected[name], found[name])}"
            for name in expected
            if expected[name] != found[name]
        ]
        if what == "erase":
            wrong += [f"there still is {path}" for path in traces(Workspace.load(self._home).storage, WORDS)]
        if not reader.read:
            wrong.append("the reader read nothing")
        return hit, wrong + reader.wrong

    def _reset(self) -> None:
        shutil.rmtree(self._home)
        shutil.copytree(self._ready, self._home)


def _difference(expected: Any, found: Any) -> str:
    if isinstance(expected, dict):
        return ", ".join(sorted(name for name in expected | found if expected.get(name) != found.get(name)))
    return f"{expected} became {found}"
