"""Everything that one does with a model, for each family of the zoo, in one table.

    python benchmarks/every_family.py [--families gpt bert …] [--steps 40] [--size nano] [--jobs 2] [--json]

Each family is, on the bundled `tax_domain` and through the public verbs alone:

    trained     from scratch; registered, past its gates, better than untrained
    resumed     the same training in a second workspace, killed by SIGKILL in the middle and started again: every
                loss and every evaluation equal, one run, one version
    reopened    by a new process, which gives the same figures and the same answer as this one, also through MLflow's
                pyfunc
    used        for what it is made for: an answer, or an embedding and a filled mask
    adapted     by LoRA from its registered version, with the adapter's file beside the new one
    exported    to Hugging Face's layout (lstm: a keras-hub preset), from there to a keras-hub preset: the same
                weights and tokenizer (SHA-256), the same answer

A cell holds a figure, or what went wrong; the exit code is 1 if anything did.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT)]

from governance.errors import RegistryError, ZooError  # noqa: E402 - found through the line above

CHECKS = ("trained", "resumed", "reopened", "used", "adapted", "exported")
PIPELINE, CALLER, PROMPT = "tax_domain", "tax-service", "Dear client,"

_NO_LAYOUT_OF_HUGGING_FACE = ("lstm",)

_TRAIN = """
import json, sys, zoo
from zoo.screen import Screen

class Stages(Screen):
    def progress(self, stage, done, total, note=""):
        print(stage, done, flush=True)

zoo.train(sys.argv[1], pipeline=sys.argv[2], screen=Stages(), **json.loads(sys.argv[3]))
"""

_REOPEN = """
import json, mlflow, sys, zoo
from benchmarks.every_family import PROMPT, answer_of, as_json, figures_of
reference, uri = sys.argv[1:]
model = zoo.load(reference)
mlflow.set_tracking_uri(uri)
[served] = mlflow.pyfunc.load_model(f"models:/{reference}").predict([PROMPT], params={"max_tokens": 12})
print(json.dumps([answer_of(model), as_json(served), figures_of(model)]))
"""


class Process:
    """A script in an interpreter of its own, whose session it leads."""

    def __init__(self, script: str, *arguments: str, **environment: str) -> None:
        self._child = subprocess.Popen(
            [sys.executable, "-c", script, *arguments],
            env=os.environ | environment | {"PYTHONPATH": path_of_imports()},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        self.stdout: Any = self._child.stdout

    def kill(self) -> None:
        os.killpg(self._child.pid, signal.SIGKILL)

    def end(self) -> tuple[int, str, str]:
        """Waits for it; exit code, output that was not read yet, errors."""
        output, errors = self._child.communicate()
        return self._child.returncode, output, errors


@dataclass
class Family:
    """One family in two workspaces, of which the second one is there to be killed in.

    Attributes:
        settings: of its training, arguments of `zoo.train`.
        start: makes a process as `Process` does.
        adapter: what differs when it is adapted.
    """

    name: str
    calm: Path
    disturbed: Path
    settings: Mapping[str, Any]
    start: Callable[..., Any] = Process
    adapter: Mapping[str, Any] = field(default_factory=dict)

    @property
    def model(self) -> str:
        return f"{PIPELINE}.{self.name}"

    @property
    def champion(self) -> str:
        return f"{self.model}@champion"

    @property
    def workspace(self) -> Any:
        from zoo.workspace import Workspace

        return Workspace.load(self.calm)

    def load(self) -> Any:
        import zoo

        return zoo.load(self.champion, workspace=self.workspace)


def trained(family: Family) -> str:
    import zoo

    run = zoo.train(family.name, pipeline=PIPELINE, workspace=family.workspace, **family.settings)
    before, after = run.metrics["untrained_bits_per_byte"], run.metrics["val_bits_per_byte"]
    expect(run.promoted, f"gates: {[gate.to_json() for gate in run.gates if not gate.passed]}")
    expect(after < before, f"{after:.3f} bits per byte, and {before:.3f} untrained")
    return f"{before:.2f} → {after:.2f} bpb"


def resumed(family: Family) -> str:
    steps = family.settings["steps"]
    killed = False
    settings = json.dumps(dict(family.settings))
    child = family.start(_TRAIN, family.name, PIPELINE, settings, ZOO_HOME=str(family.disturbed))
    for line in child.stdout:
        stage, _, done = line.strip().rpartition(" ")
        if stage == "train" and int(done) >= steps * 2 // 3 and not killed:
            child.kill()
            killed = True
    code, _, errors = child.end()
    expect(killed and code == -signal.SIGKILL, f"was not killed: exit code {code}, {errors.strip()[-200:]}")
    done = steps_taken(family)
    expect(min(done, default=0) > 1, "it began again at its first step")
    calm, disturbed = history(family.calm, family.model), history(family.disturbed, family.model)
    expect(len(disturbed["train_loss"]) == steps, f"{len(disturbed['train_loss'])} losses of {steps}")
    expect(disturbed == calm, "losses differ")
    return f"from step {min(done)} of {steps}"


def reopened(family: Family) -> str:
    uri = family.workspace.tracking_uri
    code, output, errors = family.start(_REOPEN, family.champion, uri, ZOO_HOME=str(family.calm)).end()
    expect(code == 0, (errors.strip().splitlines() or ["no word"])[-1])
    answer, served, there = json.loads(output.splitlines()[-1])
    here = figures_of(family.load())
    expect(answer == answer_of(family.load()), "another process gives another answer")
    expect(served == answer, "MLflow's pyfunc gives another answer")
    expect(there == here, "another process gives other figures")
    return f"{here['bits_per_byte']:.2f} bpb in both"


def used(family: Family) -> str:
    import zoo

    model = family.load()
    if model.gives == "embedding":
        import numpy as np

        near = model.embed(["The return is due.", "The return is late.", "a", ""])
        expect(np.allclose(np.linalg.norm(near, axis=1), 1, atol=1e-4), "embeddings are not of length 1")
        mask = model.text_model.encoder.lexicon.kind.mask
        [filled] = model.fill(f"The {mask} is due.", top_k=1)
        try:
            answer = zoo.query(PROMPT, domain="tax", caller=CALLER, workspace=family.workspace)
        except RegistryError as error:
            expect(f"{family.name} models that learned" in str(error), f"a question is refused with: {error}")
        else:
            expect(False, f"an encoder is asked for an answer, and gives {answer.text!r}")
        return f"embeds; fills {filled[0].token.strip()!r}"
    length = {"max_tokens": 12, "min_tokens": 4}  # a t5 of few steps may find that the text ends here
    answer = zoo.query(PROMPT, domain="tax", caller=CALLER, workspace=family.workspace, **length)
    expect(answer.model == family.model and answer.text, f"{answer.model} answered {answer.text!r}")
    text = model.generate(PROMPT, max_tokens=12)
    expect(text == "".join(model.stream(PROMPT, max_tokens=12)), "a stream gives another text")
    return f"answers {text.strip()[:16]!r}"


def adapted(family: Family) -> str:
    import zoo

    settings = {**family.settings, "lora": {"rank": 4}, "init": self_reference(family), "seed": 1, **family.adapter}
    run = zoo.train(family.name, pipeline=PIPELINE, workspace=family.workspace, **settings)
    expect(run.model.version > 1, "no new version")
    folder = folder_of(run.model, family.workspace)
    expect((folder / "adapter.npz").is_file(), "no adapter beside the model")
    before, after = run.metrics["untrained_bits_per_byte"], run.metrics["val_bits_per_byte"]
    expect(after < before, f"learned nothing: {before:.4f} → {after:.4f} bits per byte")
    return f"{before:.3f} → {after:.3f} bpb"


def exported(family: Family) -> str:
    import zoo
    from zoo.load import open_folder

    reference, to = self_reference(family), "keras" if family.name in _NO_LAYOUT_OF_HUGGING_FACE else "hf"
    with tempfile.TemporaryDirectory() as temporary:
        there, back = Path(temporary) / "there", Path(temporary) / "back"
        first = zoo.export(reference, there, to=to, workspace=family.workspace)
        second = zoo.export(str(there), back, to="keras", workspace=family.workspace)
        expect(first.digest == second.digest, "weights or tokenizer changed")
        expect(first.label == second.label, "the label changed")
        before = answer_of(zoo.load(reference, workspace=family.workspace))
        expect(answer_of(open_folder(back)) == before, "another answer after the way out and back")
    return f"{to}, {first.digest[:8]} both ways"


RUN: Mapping[str, Callable[[Family], str]] = {
    what.__name__: what for what in (trained, resumed, reopened, used, adapted, exported)
}


def expect(holds: object, otherwise: str) -> None:
    if not holds:
        raise AssertionError(otherwise)


def steps_taken(family: Family) -> list[int]:
    """Those of a training in the disturbed workspace, by this process."""
    import zoo
    from zoo.screen import Screen
    from zoo.workspace import Workspace

    done: list[int] = []

    class Steps(Screen):
        def progress(self, stage: str, count: int, total: int, note: str = "") -> None:
            if stage == "train":
                done.append(count)

    place = {"pipeline": PIPELINE, "workspace": Workspace.load(family.disturbed)}
    zoo.train(family.name, screen=Steps(), **place, **family.settings)
    return done


def train_teacher(family: Family) -> None:
    """In both workspaces, if it needs one."""
    import zoo
    from zoo import families
    from zoo.workspace import Workspace

    teacher = families.get(family.name).teacher
    for home in (family.calm, family.disturbed) if teacher is not None else ():
        zoo.train(teacher, pipeline=PIPELINE, workspace=Workspace.load(home), **family.settings)


def path_of_imports() -> str:
    return os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])


def self_reference(family: Family) -> str:
    """The version that was trained first."""
    return f"{family.model}/1"


def folder_of(version: Any, workspace: Any) -> Path:
    from registry import Tracking, model_folder

    return Path(model_folder(Tracking(workspace.tracking_uri, workspace.artifact_root), version))


def history(home: Path, model: str) -> dict[str, list[tuple[int, float]]]:
    """Losses and evaluations by step, of the one run of the one version of a model."""
    from registry import Tracking, list_versions
    from zoo.workspace import Workspace

    workspace = Workspace.load(home)
    tracking = Tracking(workspace.tracking_uri, workspace.artifact_root)
    [version] = [one for one in list_versions(tracking) if one.name == model]
    found = {}
    for key in ("train_loss", "val_bits_per_byte", "val_loss"):
        points = tracking.client.get_metric_history(version.run_id, key)
        found[key] = sorted((point.step, point.value) for point in points)
    return found


def answer_of(model: Any) -> Any:
    """What the model is made for, as JSON."""
    return as_json(model.use(PROMPT, max_tokens=12))


def as_json(answer: Any) -> Any:
    """A text, or the numbers of an embedding."""
    return answer if isinstance(answer, str) else [round(float(value), 5) for value in answer]


def figures_of(model: Any) -> dict[str, float]:
    texts = ["Dear client, the return is due on the first Monday of May; please send it to us."] * 3
    return {"bits_per_byte": round(model.bits_per_byte(texts), 5)}


def check(family: Family) -> dict[str, str]:
    """A row of the table: what each check says, or "FAILED: …"."""
    row = {"family": family.name}
    train_teacher(family)
    for name in CHECKS:
        try:
            row[name] = RUN[name](family)
        except (AssertionError, ZooError, OSError, ValueError, KeyError, TypeError, RuntimeError) as error:
            traceback.print_exc()  # the other cells are still of interest
            row[name] = f"FAILED: {type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"
    return row


def make_workspaces(folder: Path) -> tuple[Path, Path]:
    """Two equal workspaces over the bundled pipeline, with its data built."""
    from zoo.workspace import catalogue_folder

    calm, disturbed = folder / "calm", folder / "disturbed"
    shutil.copytree(catalogue_folder(), calm)
    zoo = [sys.executable, "-m", "zoo"]
    subprocess.run([*zoo, "data", "build", PIPELINE], env=os.environ | {"ZOO_HOME": str(calm)}, check=True)
    shutil.copytree(calm, disturbed)
    return calm, disturbed


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--families", nargs="+", help="all by default")
    parser.add_argument("--size", default="nano")
    parser.add_argument("--steps", type=int, default=40)
    parser.add_argument("--jobs", type=int, choices=range(1, 9), default=1, help="families at a time")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--row", nargs=4, help=argparse.SUPPRESS)
    options = parser.parse_args()
    settings = {"size": options.size, "steps": options.steps, "evaluate_every": 10, "checkpoint_every": 5}
    if options.row is not None:
        name, calm, disturbed, given = options.row
        print(json.dumps(check(Family(name, Path(calm), Path(disturbed), json.loads(given)))), flush=True)
        return
    from zoo import families

    names = list(dict.fromkeys(options.families or families.names()))
    with tempfile.TemporaryDirectory(prefix="every-family-") as temporary, ThreadPoolExecutor(options.jobs) as pool:
        homes = make_workspaces(Path(temporary))
        rows = list(pool.map(lambda name: row_in_own_workspaces(Family(name, *homes, settings), row_of), names))
    show(rows, options.json)
    raise SystemExit(any(value.startswith("FAILED") for row in rows for value in row.values()))


def row_in_own_workspaces(family: Family, row: Callable[[Family], dict[str, str]]) -> dict[str, str]:
    """`row` of a family in copies of its two workspaces, in which it is alone but for its teacher."""
    calm, disturbed = (
        Path(shutil.copytree(home, home.with_name(f"{home.name}-{family.name}")))
        for home in (family.calm, family.disturbed)
    )
    try:
        return row(replace(family, calm=calm, disturbed=disturbed))
    finally:
        shutil.rmtree(calm)
        shutil.rmtree(disturbed)


def row_of(family: Family) -> dict[str, str]:
    """`check` in a process of its own, which gives its memory back."""
    settings = json.dumps(dict(family.settings))
    command = [sys.executable, __file__, "--row", family.name, str(family.calm), str(family.disturbed), settings]
    result = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    try:
        row: dict[str, str] = json.loads(result.stdout.splitlines()[-1])
    except (IndexError, ValueError):
        row = {"family": family.name} | dict.fromkeys(CHECKS, f"FAILED: exit code {result.returncode}")
    print(json.dumps(row), file=sys.stderr, flush=True)
    return row


def show(rows: list[dict[str, str]], as_json: bool) -> None:
    if as_json:
        print(json.dumps(rows))
        return
    columns = ("family", *CHECKS)
    widths = [max(len(name), *(len(row[name]) for row in rows)) for name in columns]
    for row in [dict(zip(columns, columns, strict=True)), *rows]:
        print("  ".join(row[name].ljust(width) for name, width in zip(columns, widths, strict=True)).rstrip())


if __name__ == "__main__":
    main()
