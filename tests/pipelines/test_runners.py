"""Who works through the buckets does not matter: one process, two, Beam; nor do kills."""

from __future__ import annotations

import json
import os
import pickle
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import cloudpickle
import pytest

from governance import PiiRules
from governance.errors import ConfigError, DataError
from pipelines import BuildResult, build, latest
from pipelines.curate import LocalPool, Runner, judge, personal_data, sign
from pipelines.curate.personal_data import FilterJob, FilterTask
from pipelines.curate.runners import BucketTask
from pipelines.workers import Workers
from tests.pipelines.test_incremental import FIXED, files, run, text, workspace_at
from tests.support.workspace import write_jsonl
from zoo.workspace import Workspace


@dataclass(frozen=True)
class Note:
    """A task that leaves a file for each bucket, with the number of the process."""

    folder: Path
    purpose = "notes"

    def start(self) -> Callable[[int], int]:
        def note(bucket: int) -> int:
            if bucket == 13:
                raise DataError("this one cannot be done", where="bucket 13")
            (self.folder / str(bucket)).write_text(str(os.getpid()))
            return bucket

        return note


def beam_runner() -> Runner:
    # Beam's bound on protobuf excludes what the other tests run with, so that this needs an environment of its own.
    pytest.importorskip("apache_beam", reason="the extra beam is not installed")
    from pipelines.beam import BeamRunner

    return BeamRunner()


RUNNERS: dict[str, Callable[[], Runner]] = {
    "one process": lambda: LocalPool(1),
    "two processes": lambda: LocalPool(2),
    "Beam": beam_runner,
}


@pytest.mark.parametrize("name", RUNNERS)
def test_a_task_is_done_on_each_bucket(name: str, tmp_path: Path) -> None:
    runner = RUNNERS[name]()
    assert sum(runner.run(Note(tmp_path), range(2, 6), small=False)) == 2 + 3 + 4 + 5
    assert sorted(path.name for path in tmp_path.iterdir()) == list("2345")
    own = str(os.getpid()) in {path.read_text() for path in tmp_path.iterdir()}
    assert own == (name != "two processes")
    assert list(runner.run(Note(tmp_path), [], small=False)) == []
    with pytest.raises(DataError, match="bucket 13: this one cannot be done"):
        list(runner.run(Note(tmp_path), [13], small=False))


@dataclass(frozen=True)
class Loading(Note):
    """A task that needs something first: it leaves the number of the process that loaded it."""

    slow: bool = False
    refuses: bool = False
    together: bool = False

    def start(self) -> Callable[[int], int]:
        note = super().start()

        def note_and_wait_for_another(bucket: int) -> int:
            done, end = note(bucket), time.monotonic() + 30
            while self.together and len(who_did(self.folder)) < 2 and time.monotonic() < end:
                time.sleep(0.01)
            return done

        return note_and_wait_for_another

    def load(self) -> None:
        (self.folder / f"loaded by {os.getpid()}").touch()
        if self.slow:
            time.sleep(600)
        if self.refuses:
            raise DataError("it is not there", where="model")


def who_did(folder: Path) -> set[str]:
    return {path.read_text() for path in folder.iterdir() if path.name.isdigit()}


def loaded_by(folder: Path) -> set[str]:
    return {path.name.removeprefix("loaded by ") for path in folder.glob("loaded by *")}


@pytest.mark.parametrize(("small", "processes"), [(True, 1), (False, 2)])
def test_what_is_loaded_ahead_is_used_and_others_help_with_big_work(
    small: bool, processes: int, tmp_path: Path
) -> None:
    runner, task = LocalPool(2), Loading(tmp_path, together=not small)
    with runner.ahead(task):
        assert sum(runner.run(task, range(10), small=small)) == sum(range(10))
        (loader,) = loaded_by(tmp_path)
        by = who_did(tmp_path)
        assert loader in by and str(os.getpid()) not in by and len(by) == processes
    ended = time.monotonic() + 30
    while Path(f"/proc/{loader}").exists() and time.monotonic() < ended:
        time.sleep(0.05)
    assert not Path(f"/proc/{loader}").exists()


def test_of_one_process_none_loads_ahead(tmp_path: Path) -> None:
    runner, task = LocalPool(1), Loading(tmp_path)
    with runner.ahead(task):
        assert list(runner.run(task, [3], small=True)) == [3]
    assert (tmp_path / "3").read_text() == str(os.getpid()) and not loaded_by(tmp_path)


@pytest.mark.timeout(60)
def test_what_nobody_needs_in_the_end_is_not_waited_for(tmp_path: Path) -> None:
    with LocalPool(2).ahead(Loading(tmp_path, slow=True)):
        while not loaded_by(tmp_path):
            time.sleep(0.05)


def test_a_stop_while_a_process_starts_leaves_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    closed: list[bool] = []

    def stopped(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Workers, "submit", stopped)
    monkeypatch.setattr(Workers, "close", lambda self, at_once: closed.append(at_once))
    runner = LocalPool(2)
    with pytest.raises(KeyboardInterrupt), runner.ahead(Loading(tmp_path)):
        pass
    assert closed == [True] and not runner._loaded


def test_what_cannot_be_loaded_ahead_is_told_by_the_first_bucket(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    runner, task = LocalPool(2), Loading(tmp_path, refuses=True)
    with runner.ahead(task), pytest.raises(DataError, match="bucket 13: this one cannot be done"):
        list(runner.run(task, [13], small=True))
    assert "Traceback" not in capfd.readouterr().err


def test_the_filter_that_is_loaded_is_not_made_again_for_each_bucket(tmp_path: Path) -> None:
    workspace = workspace_at(tmp_path)
    job = FilterJob(workspace.policy.domains["tax"].pii, workspace.keys.of("tax"))
    task = FilterTask(tmp_path, tmp_path, job)
    assert pickle.loads(pickle.dumps(task)) == task


@pytest.mark.parametrize(
    ("rules", "slow"),
    [
        (PiiRules(), True),
        (PiiRules(default="keep", rules={"EMAIL_ADDRESS": "mask"}), False),
        (PiiRules(default="keep", rules={"PERSON": "mask"}), True),
    ],
)
def test_nothing_is_loaded_ahead_that_is_quickly_there(rules: PiiRules, slow: bool, tmp_path: Path) -> None:
    assert FilterJob(rules, workspace_at(tmp_path).keys.of("tax")).is_slow_to_load == slow


@dataclass
class Sent(LocalPool):
    """Keeps what is sent to other processes, as a job server does, after this one has worked with it."""

    kept: dict[str, bytes] = field(default_factory=dict)

    def run(self, task: BucketTask, buckets: Sequence[int], *, small: bool) -> Iterator[int]:
        yield from super().run(task, buckets, small=small)
        self.kept[task.purpose] = pickle.dumps(task) + cloudpickle.dumps(task)  # Beam's own way is the second


def test_what_is_sent_to_other_processes_holds_no_key(tmp_path: Path) -> None:
    runner, workspace = Sent(1), workspace_at(tmp_path / "w")
    build_with(workspace, runner)
    assert runner.kept.keys() == {"judges text", "signs text", "filters personal data"}
    uses = ("pseudonyms", "pii-hashes", "texts", "subjects", "tombstones", "first-seen")
    for secret in (workspace.keys.master, *(workspace.keys.derive("tax", use) for use in uses)):
        for sent in runner.kept.values():
            assert secret not in sent and secret.hex().encode() not in sent
    assert workspace.key_file.name.encode() in runner.kept["filters personal data"]


def test_a_worker_without_the_key_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(personal_data, "_SERIAL_CHARACTERS", 0)
    workspace = workspace_at(tmp_path / "w")
    assert workspace.keys
    workspace.key_file.unlink()
    with pytest.raises(ConfigError, match=r"pseudonyms\.key: the key of the pseudonyms is missing"):
        build_with(workspace, LocalPool(2))


def build_with(workspace: Workspace, runner: Runner) -> BuildResult:
    rows = [{"id": name, "title": "T", "text": text(n), "client_id": "C"} for name, n in FIXED.items()]
    write_jsonl(workspace.home / "data" / "tax" / "letters.jsonl", rows)
    spec = workspace.pipeline("tax_domain")
    return build(spec, policy=workspace.policy, keys=workspace.keys, storage=workspace.storage, runner=runner)


@pytest.fixture(scope="module")
def by_one_process(tmp_path_factory: pytest.TempPathFactory) -> BuildResult:
    return build_with(workspace_at(tmp_path_factory.mktemp("one") / "w"), LocalPool(1))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["two processes", "Beam"])
def test_the_version_is_the_same_byte_by_byte(
    name: str, by_one_process: BuildResult, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sign, "_SERIAL_BYTES", 0)
    for module in (judge, personal_data):
        monkeypatch.setattr(module, "_SERIAL_CHARACTERS", 0)
    result = build_with(workspace_at(tmp_path / "w"), RUNNERS[name]())
    assert files(result.version.path) == files(by_one_process.version.path)
    assert result.dropped == by_one_process.dropped and result.dropped["near_duplicate"] > 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--runner", "bean"], 'no runner "bean" (did you mean "beam"?)'),
        (["--beam-options", "--runner=FlinkRunner"], "--beam-options are for --runner beam"),
        (["--runner", "beam", "--processes", "2"], "--processes is for --runner local"),
        (["--runner", "beam"], 'Apache Beam is not installed; run `pip install "domain-zoo[beam]"`'),
    ],
)
def test_a_runner_that_cannot_be_is_one_line(
    arguments: list[str], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from typer.testing import CliRunner

    from zoo.cli import app

    monkeypatch.setattr("zoo.cli.data.find_spec", lambda name: None)
    monkeypatch.setenv("ZOO_HOME", str(tmp_path))
    result = CliRunner().invoke(app.app, ["data", "build", "tax_domain", *arguments])
    assert message in str(result.exception)
    assert not list(tmp_path.iterdir())


KILLED = """
import json, sys
from tests.pipelines.test_incremental import run, workspace_at
from pathlib import Path
print("begun", flush=True)
run(workspace_at(Path(sys.argv[1])), json.loads(sys.argv[2]))
"""


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_kills_change_nothing_and_no_reader_sees_a_part_of_a_version(tmp_path: Path) -> None:
    """The first build of each of two states is killed at moments of one that was not."""
    calm, disturbed = workspace_at(tmp_path / "calm"), workspace_at(tmp_path / "disturbed")
    states = [FIXED, FIXED | {"fixed-1": 1, "a": 555}]
    with Reader(disturbed) as reader:
        for state in states:
            start = time.monotonic()
            assert killed_after(None, calm, state)
            took = time.monotonic() - start
            draw = random.Random(len(state))
            for _ in range(3):
                killed_after(draw.uniform(0, took), disturbed, state)
            expected = run(calm, state).version
            found = run(disturbed, state).version
            assert files(found.path) == files(expected.path)
            reader.expects(expected.digest)
    assert reader.seen <= reader.expected and len(reader.seen) == len(states)
    assert not any((disturbed.storage / "work").iterdir()), "raw text must not be left behind"
    assert not list(disturbed.storage.rglob(".*")), "nothing under a temporary name either"


def killed_after(seconds: float | None, workspace: Workspace, state: dict[str, int]) -> bool:
    """Builds in a process of its own, which is killed after so many seconds. Returns whether it came to its end."""
    command = [sys.executable, "-c", KILLED, str(workspace.home), json.dumps(state)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None and child.stdout.readline() == "begun\n"
        try:
            return child.wait(seconds) == 0
        except subprocess.TimeoutExpired:
            child.send_signal(signal.SIGKILL)
            return False


class Reader:
    """Opens the latest version over and over, and verifies each one that it has not seen."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._ended = threading.Event()
        self._pool = ThreadPoolExecutor(1)
        self.seen: set[str] = set()
        self.expected: set[str] = set()

    def __enter__(self) -> Reader:
        self._reading = self._pool.submit(self._read)
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._reading.result()

    def expects(self, digest: str) -> None:
        """Waits until the reader has seen what lies there now."""
        self.expected.add(digest)
        deadline = time.monotonic() + 60
        while digest not in self.seen and not self._reading.done() and time.monotonic() < deadline:
            time.sleep(0.02)

    def _read(self) -> None:
        spec, storage = self._workspace.pipeline("tax_domain"), self._workspace.storage
        while not self._ended.is_set():
            version = latest(spec, storage)
            if version is not None and version.digest not in self.seen:
                version.verify()
                self.seen.add(version.digest)
            time.sleep(0.002)
