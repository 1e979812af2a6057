"""What the benchmarks of training speed share: contestants in processes of their own that take turns.

Keras-hub's `fit`, ours and hand-written PyTorch start from the same weights, with the same learning rates, AdamW
settings and clipping. Each has a process of its own, set up as its users would have it, and they take turns, `steps`
updates each a round; the order changes from round to round, so whatever else the machine does hits all alike.

    tokens/s      tokens of text that the model reads; padding and special tokens do not count. Median over rounds
    of peak       share of what the machine reaches in one product of two matrices. Positions that are padding do
                  not count as work
    to PyTorch    median of the ratios of tokens/s within a round; "to fit" likewise
    compile       the first update, less a later one
    first round   is not among the figures, since caches and thread pools are still cold in it
    val loss      nats a predicted token after all updates, of those that read the same batches

Data are made ready before and are no part of any figure.

Nothing else may run beside a race. PyTorch's threads wait for each other after each operation, so that one other busy
process on two cores makes small updates a hundred times slower, and ours hardly: what others took of the processors is
printed with the figures.
"""

from __future__ import annotations

import argparse
import json
import math
import multiprocessing
import os
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "benchmarks")]

Batch = Mapping[str, np.ndarray]
"""What the zoo's objectives make of windows."""

KerasBatch = tuple[dict[str, np.ndarray], np.ndarray, np.ndarray]
"""Inputs, targets and weights of the targets, as `fit` takes them."""

PLAIN_FIT, OURS, PYTORCH = "plain fit", "ours", "PyTorch"
VALIDATION_BATCHES = 4
#: The same weights and the same batch: what is left is rounding.
TOLERANCE = 1e-3
MATRIX = 1024
#: Cores that others may take without much harm.
QUIET = 0.1


@dataclass(frozen=True)
class Update:
    """What one update reads.

    Attributes:
        batch: a `Batch`, or a `KerasBatch` for `fit`.
        tokens: of text in it.
        positions: of the network's input that are no padding; a family's FLOPs are for each of them.
    """

    batch: Any
    tokens: int
    positions: int


@dataclass(frozen=True)
class Runner:
    """A contestant at home: `steps(batches, rates)` makes updates and gives their losses, `evaluate(batches)` gives
    nats per predicted token."""

    steps: Callable[[list[Any], list[float]], list[float]]
    evaluate: Callable[[list[Any]], float]


@dataclass(frozen=True)
class Entry:
    """What a family brings along.

    Attributes:
        family: its name in the zoo.
        rate: peak of the learning rate at the default shape.
        keras_batch: an objective's batch for `fit`, where documents are not known.
        document_updates: (documents, number of updates, options) to one document a row, as keras-hub reads them.
        pytorch: makes the runner of the hand-written network.
    """

    family: str
    rate: float
    keras_batch: Callable[[Batch], KerasBatch]
    document_updates: Callable[[Any, int, argparse.Namespace], list[Update]]
    pytorch: Callable[[argparse.Namespace], Runner]


class Contestant:
    """A runner in its own process: each message is (method, arguments), each reply (seconds, result)."""

    def __init__(
        self,
        name: str,
        make_runner: Callable[[argparse.Namespace], Runner],
        updates: Sequence[Update],
        options: argparse.Namespace,
    ) -> None:
        self.name = name
        self.updates = updates
        self.seconds: list[float] = []  # of each round
        self.rounds: list[Sequence[Update]] = []
        self.first_seconds = self.first_loss = math.nan  # of the first update
        spawn = multiprocessing.get_context("spawn")
        self._pipe, other = spawn.Pipe()
        process = spawn.Process(target=serve, args=(make_runner, options, other), daemon=True)
        process.start()
        self.pid = process.pid
        other.close()  # so that the end of the process is the end of the pipe

    def ask(self, method: str, *arguments: Any) -> tuple[float, Any]:
        self._pipe.send((method, arguments))
        seconds, result = self._pipe.recv()
        return seconds, result

    def play(self, start: int, rates: Sequence[float]) -> float:
        """A round from update `start` on; returns the loss of the last update."""
        part = self.updates[start : start + len(rates)]
        batches = [update.batch for update in part]
        if start == 0:  # the first update compiles, and is told apart from the others of its round
            self.first_seconds, losses = self.ask("steps", batches[:1], rates[:1])
            self.first_loss = losses[0]
            seconds = self.first_seconds
            if len(rates) > 1:
                more, losses = self.ask("steps", batches[1:], rates[1:])
                seconds += more
        else:
            seconds, losses = self.ask("steps", batches, rates)
        self.seconds.append(seconds)
        self.rounds.append(part)
        return float(losses[-1])

    def per_second(self, count: Callable[[Update], int]) -> np.ndarray:
        """Of each round but the first, float [rounds - 1]."""
        totals = [sum(count(update) for update in part) for part in self.rounds[1:]]
        return np.array(totals) / np.array(self.seconds[1:])

    @property
    def compile_seconds(self) -> float:
        steps = [seconds / len(part) for seconds, part in zip(self.seconds[1:], self.rounds[1:], strict=True)]
        return max(0.0, self.first_seconds - float(np.median(steps)))

    def leave(self) -> None:
        self._pipe.send(None)


class Bystanders:
    """Measures how many cores were busy, on average, with processes that are not of the race."""

    def __init__(self, contestants: Sequence[Contestant]) -> None:
        self._pids = [os.getpid(), *(contestant.pid for contestant in contestants)]
        self.cores: float | None = None  # known at the end, on Linux

    def __enter__(self) -> Bystanders:
        self._start, self._before = time.perf_counter(), self._seconds()
        return self

    def __exit__(self, *_: object) -> None:
        if self._before is not None and (after := self._seconds()) is not None:
            seconds = time.perf_counter() - self._start
            self.cores = round(max(0.0, after - self._before) / seconds, 2)

    def _seconds(self) -> float | None:
        """Of the processors, since some time in the past, for others than the race."""
        if not Path("/proc/stat").exists():
            return None
        user, nice, system, _, _, interrupts, soft = map(int, Path("/proc/stat").read_text().split()[1:8])
        own = 0
        for pid in self._pids:
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()  # a name may have spaces
            own += int(fields[11]) + int(fields[12])
        return (user + nice + system + interrupts + soft - own) / os.sysconf("SC_CLK_TCK")


def serve(make_runner: Callable[[argparse.Namespace], Runner], options: argparse.Namespace, pipe: Connection) -> None:
    runner = make_runner(options)
    while (message := pipe.recv()) is not None:
        method, arguments = message
        begin = time.perf_counter()
        result = getattr(runner, method)(*arguments)
        pipe.send((time.perf_counter() - begin, result))


def arguments(entry: Entry, description: str | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    source = parser.add_mutually_exclusive_group()
    source.add_argument("--tokens", type=Path, help=".npy of ids; the last tenth is for validation")
    source.add_argument(
        "--texts", type=Path, nargs="+", help='documents: .jsonl with "text", .csv with a column "text"'
    )
    for name, default in (
        ("vocabulary", 8192),
        ("layers", 4),
        ("width", 256),
        ("heads", 4),
        ("window", 256),
        ("batch", 16),
        ("rounds", 6),
        ("steps", 10),
    ):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--rate", type=float, default=entry.rate)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    if options.rounds < 2:
        parser.error("the first round is not among the figures: --rounds must be at least 2")
    options.family = entry.family
    return options


def run(entry: Entry, description: str | None) -> None:
    """The whole benchmark of a family."""
    from race_contestants import ours, plain_fit, train_plan
    from race_data import packed_updates, read_corpus

    from zoo.fit.schedule import learning_rate

    options = arguments(entry, description)
    count = options.rounds * options.steps
    with tempfile.TemporaryDirectory(prefix="race-") as folder:
        corpus = read_corpus(options, Path(folder))
        options.vocabulary = len(corpus.lexicon)
        packed = packed_updates(corpus, corpus.train, count, options)
        validation = packed_updates(corpus, corpus.validation, VALIDATION_BATCHES, options)
        if corpus.documents is None:
            plain = [replace(update, batch=entry.keras_batch(update.batch)) for update in packed]
        else:
            plain = entry.document_updates(corpus.documents, count, options)
    contestants = [
        Contestant(PLAIN_FIT, plain_fit, plain, options),
        Contestant(OURS, ours, packed, options),
        Contestant(PYTORCH, entry.pytorch, packed, options),
    ]
    rates = [learning_rate(train_plan(options), step) for step in range(count)]
    with Bystanders(contestants) as bystanders:
        peak = race(contestants, rates, options.steps)
    batches = {OURS: validation, PYTORCH: validation}
    if corpus.documents is None:
        batches[PLAIN_FIT] = [replace(update, batch=entry.keras_batch(update.batch)) for update in validation]
    figures = {"text": corpus.description, "matmul_gflops": round(peak / 1e9, 1), "cores_of_others": bystanders.cores}
    show(figures | report(contestants, batches, peak, options), options.json)


def race(contestants: list[Contestant], rates: list[float], count: int) -> float:
    """Interleaves the contestants; returns the best matrix-multiply rate seen, in FLOP/s."""
    peak = 0.0
    for start in range(0, len(rates), count):
        turn = start // count % len(contestants)
        for contestant in contestants[turn:] + contestants[:turn]:
            loss = contestant.play(start, rates[start : start + count])
            print(f"  step {start} {contestant.name}: loss {loss:.4f}", file=sys.stderr, flush=True)
        if start == 0:
            check_first_losses(contestants)
        peak = max(peak, 2 * MATRIX**3 / matmul_seconds(MATRIX))
    return peak


def check_first_losses(contestants: list[Contestant]) -> None:
    """Raises AssertionError unless ours and PyTorch compute the same network."""
    losses = {contestant.name: contestant.first_loss for contestant in contestants}
    difference = abs(losses[OURS] - losses[PYTORCH])
    if not difference < TOLERANCE:
        raise AssertionError(f"from the same weights and the same batch come different losses: {losses}")


def matmul_seconds(size: int = MATRIX, repeats: int = 8) -> float:
    """Seconds of one float32 product of two size x size matrices, the best of `repeats`, by PyTorch."""
    import torch

    left, right = torch.randn(2, size, size)
    best = math.inf
    for _ in range(repeats):
        start = time.perf_counter()
        left @ right
        best = min(best, time.perf_counter() - start)
    return best


def report(
    contestants: list[Contestant],
    validation: Mapping[str, Sequence[Update]],
    peak: float,
    options: argparse.Namespace,
) -> dict[str, Any]:
    """The figures of all contestants, which leave.

    Args:
        validation: what those that share batches are evaluated on.
        peak: FLOP/s of a product of matrices.
    """
    from race_contestants import shape

    from zoo import families

    flops = families.get(options.family).flops_per_token(shape(options), options.vocabulary, options.window)
    result: dict[str, Any] = {
        "family": options.family,
        "flops_per_token": flops,
        "load_average": round(os.getloadavg()[0], 1),  # far above the number of cores: trust no figure
        "first_losses": {contestant.name: round(contestant.first_loss, 5) for contestant in contestants},
        "runs": {},
    }
    speeds = {contestant.name: contestant.per_second(lambda update: update.tokens) for contestant in contestants}
    for contestant in contestants:
        name, speed = contestant.name, speeds[contestant.name]
        useful = float(np.median(contestant.per_second(lambda update: update.positions)))
        loss = None
        if name in validation:
            loss = round(contestant.ask("evaluate", [update.batch for update in validation[name]])[1], 4)
        result["runs"][name] = {
            "tokens_per_second": round(float(np.median(speed))),
            "share_of_peak": round(useful * flops / peak, 3),
            "best_tokens_per_second": round(float(speed.max())),
            "speed_to_pytorch": round(float(np.median(speed / speeds[PYTORCH])), 3),
            "speed_to_plain_fit": round(float(np.median(speed / speeds[PLAIN_FIT])), 3),
            "first_round_seconds": round(contestant.seconds[0], 1),
            "first_update_seconds": round(contestant.first_seconds, 2),
            "compile_seconds": round(contestant.compile_seconds, 1),
            "validation_loss": loss,
        }
        contestant.leave()
    return result


def show(report: dict[str, Any], as_json: bool) -> None:
    if as_json:
        print(json.dumps(report))
        return
    print(
        f"matrix multiply: {report['matmul_gflops']} GFLOP/s; {report['flops_per_token']:,} FLOP per token;"
        f" load average {report['load_average']} on {os.cpu_count()} cores"
    )
    if (others := report["cores_of_others"]) is None:
        print("what other processes took is not known on this system")
    else:
        trust = "" if others <= QUIET else ": trust no figure, that of PyTorch least of all"
        print(f"other processes took {others:.2f} cores{trust}")
    print(report["text"])
    columns = ("tokens/s", "of peak", "to PyTorch", "to fit", "compile", "first round", "val loss")
    print(f"{'':10}" + "".join(f"{column:>12}" for column in columns))
    for name, run in report["runs"].items():
        loss = "-" if run["validation_loss"] is None else f"{run['validation_loss']:.4f}"
        print(
            f"{name:10}{run['tokens_per_second']:>12}{run['share_of_peak']:>12.2f}{run['speed_to_pytorch']:>12.2f}"
            f"{run['speed_to_plain_fit']:>12.2f}{run['compile_seconds']:>10.1f} s{run['first_round_seconds']:>10.1f} s"
            f"{loss:>12}"
        )
