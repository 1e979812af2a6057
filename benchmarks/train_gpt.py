"""Training speed: keras-hub's plain `fit`, ours, and hand-written PyTorch, in one run.

    python benchmarks/train_gpt.py --tokens tokens.npy [--rounds 6] [--steps 10] [--json]

All three start from the same weights and see the same batches with the same learning rates,
AdamW settings and clipping, so their losses are comparable. Each has a process of its own, set up
as its users would have it, and they take turns, `steps` updates each a round; the order changes
from round to round, so whatever else the machine does hits all alike. A figure is the median over
rounds; ratios are the median of the ratios within a round.

Without `--tokens` (a one-dimensional array of ids below `--vocabulary`) the text is made up: a
Markov chain, from which there is something to learn.
"""

from __future__ import annotations

import argparse
import json
import math
import multiprocessing
import os
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "benchmarks")]

Batch = tuple[np.ndarray, np.ndarray]


@dataclass(frozen=True)
class Runner:
    """One of the three: `steps(batches, rates)` makes updates, `evaluate` gives nats per token."""

    steps: Callable[[list[Batch], list[float]], list[float]]
    evaluate: Callable[[list[Batch]], float]


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tokens", type=Path, help=".npy of ids; the last tenth is for validation")
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
    parser.add_argument("--rate", type=float, default=2e-3)
    parser.add_argument("--json", action="store_true")
    return parser.parse_args()


def read_tokens(options: argparse.Namespace) -> np.ndarray:
    if options.tokens is not None:
        ids: np.ndarray = np.load(options.tokens).astype(np.int32)
        if ids.max() >= options.vocabulary:
            raise SystemExit(f"{options.tokens} holds ids of {options.vocabulary} and above")
        return ids
    random = np.random.default_rng(0)
    followers = random.integers(0, options.vocabulary, (options.vocabulary, 4))
    picks = random.integers(0, 4, 600_000)
    made = np.zeros(len(picks), np.int32)
    for position in range(1, len(picks)):
        made[position] = followers[made[position - 1], picks[position]]
    return made


def make_batches(ids: np.ndarray, count: int, options: argparse.Namespace) -> list[Batch]:
    """Windows in a fixed random order; again from the beginning when the text is short."""
    windows = (len(ids) - 1) // options.window
    order = np.random.default_rng(1).permutation(windows)
    batches = []
    for number in range(count):
        index = order[(number * options.batch + np.arange(options.batch)) % windows]
        both = ids[index[:, None] * options.window + np.arange(options.window + 1)]
        batches.append((both[:, :-1].copy(), both[:, 1:].copy()))
    return batches


def shape(options: argparse.Namespace) -> Any:
    from zoo.families import Size

    return Size("bench", options.layers, options.width, options.heads, options.window, options.rate, options.batch)


def train_plan(options: argparse.Namespace) -> Any:
    from zoo.fit import TrainPlan

    return TrainPlan(
        steps=options.rounds * options.steps,
        batch_size=options.batch,
        window=options.window,
        learning_rate=options.rate,
        warmup=options.steps,
        checkpoint_every=10**9,
    )


def keras_task(options: argparse.Namespace) -> tuple[Any, Any, Any]:
    """A fresh task with the weights that all three start from, its family and its plan."""
    from zoo import families

    family = families.get("gpt")
    return family.build(shape(options), options.vocabulary, seed=0), family, train_plan(options)


def plain_fit(options: argparse.Namespace) -> Runner:
    """`compile` and `fit` as the guide of keras-hub has them, with our optimizer's settings."""
    os.environ |= {"KERAS_BACKEND": "tensorflow", "TF_CPP_MIN_LOG_LEVEL": "2"}
    import keras
    import tensorflow as tf

    from zoo.fit.step import make_optimizer

    task, _, plan = keras_task(options)
    optimizer = make_optimizer(task, plan)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    task.compile(optimizer=optimizer, loss=loss, weighted_metrics=[])

    def data(batches: list[Batch]) -> tf.data.Dataset:
        inputs = np.stack([batch[0] for batch in batches])
        targets = np.stack([batch[1] for batch in batches])
        features = {"token_ids": inputs, "padding_mask": np.ones_like(inputs)}
        return tf.data.Dataset.from_tensor_slices((features, targets))

    class Rates(keras.callbacks.Callback):
        def __init__(self, rates: list[float]) -> None:
            super().__init__()
            self.rates, self.losses = rates, []

        def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
            optimizer.learning_rate.assign(self.rates[batch])

        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            self.losses.append(logs["loss"])

    def steps(batches: list[Batch], rates: list[float]) -> list[float]:
        callback = Rates(rates)
        task.fit(data(batches), epochs=1, verbose=0, callbacks=[callback])
        return callback.losses

    return Runner(steps, lambda batches: float(task.evaluate(data(batches), verbose=0)))


def ours(options: argparse.Namespace) -> Runner:
    from zoo.backend import prepare_backend

    prepare_backend()
    from zoo.fit.step import Loss, make_optimizer, make_steps
    from zoo.objectives import CausalLM

    task, family, plan = keras_task(options)
    compiled = make_steps(Loss(task, family, CausalLM()), make_optimizer(task, plan), jit=True)

    def named(batch: Batch) -> dict[str, Any]:
        return dict(zip(("inputs", "targets"), batch, strict=True))

    def steps(batches: list[Batch], rates: list[float]) -> list[float]:
        return [compiled.train(named(batch), rate) for batch, rate in zip(batches, rates, strict=True)]

    def evaluate(batches: list[Batch]) -> float:
        weights = np.ones(batches[0][0].shape, np.float32)
        total = sum(float(compiled.nats({**named(batch), "weights": weights}).sum()) for batch in batches)
        return total / (len(batches) * weights.size)

    return Runner(steps, evaluate)


def pytorch(options: argparse.Namespace) -> Runner:
    os.environ |= {"KERAS_BACKEND": "tensorflow", "TF_CPP_MIN_LOG_LEVEL": "2"}  # for the weights alone
    import torch
    import torch.nn.functional as F
    from gpt_torch import GPT, parameter_groups

    task, _, plan = keras_task(options)
    model = GPT(options.vocabulary, options.layers, options.width, options.heads, options.window)
    copy_weights(task, model)
    optimizer = torch.optim.AdamW(
        parameter_groups(model, plan.weight_decay), betas=(0.9, plan.beta_2), eps=1e-8, fused=True
    )

    def loss_of(batch: Batch) -> Any:
        inputs, targets = (torch.from_numpy(part.astype(np.int64)) for part in batch)
        return F.cross_entropy(model(inputs).flatten(0, 1), targets.flatten())

    def steps(batches: list[Batch], rates: list[float]) -> list[float]:
        losses = []
        for batch, rate in zip(batches, rates, strict=True):
            for group in optimizer.param_groups:
                group["lr"] = rate
            loss = loss_of(batch)
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), plan.clip)
            optimizer.step()
            losses.append(loss.item())
        return losses

    def evaluate(batches: list[Batch]) -> float:
        with torch.no_grad():
            return sum(loss_of(batch).item() for batch in batches) / len(batches)

    return Runner(steps, evaluate)


def copy_weights(task: Any, model: Any) -> None:
    """From Keras ([in, out], heads apart) to PyTorch ([out, in], QKV in one)."""
    import torch
    from keras.ops import convert_to_numpy

    def put(parameter: Any, *values: Any) -> None:
        """Concatenates matrices along their outputs, then transposes."""
        arrays = [convert_to_numpy(value) for value in values]
        rows = parameter.shape[-1] if parameter.ndim == 2 else 1
        flat = np.concatenate([array.reshape(rows, -1) for array in arrays], axis=1)
        parameter.data = torch.from_numpy(flat.T.reshape(parameter.shape).copy())

    def put_norm(norm: Any, layer: Any) -> None:
        put(norm.weight, layer.gamma)
        put(norm.bias, layer.beta)

    backbone = task.backbone
    model.tokens.weight.data = torch.tensor(convert_to_numpy(backbone.token_embedding.embeddings))
    positions = backbone.position_embedding.position_embeddings
    model.positions.weight.data = torch.tensor(convert_to_numpy(positions))
    for block, layer in zip(model.blocks, backbone.transformer_layers, strict=True):
        attention = layer._self_attention_layer
        parts = (attention.query_dense, attention.key_dense, attention.value_dense)
        put(block.qkv.weight, *(part.kernel for part in parts))
        put(block.qkv.bias, *(part.bias for part in parts))
        for linear, dense in (
            (block.out, attention.output_dense),
            (block.up, layer._feedforward_intermediate_dense),
            (block.down, layer._feedforward_output_dense),
        ):
            put(linear.weight, dense.kernel)
            put(linear.bias, dense.bias)
        put_norm(block.norm_1, layer._self_attention_layer_norm)
        put_norm(block.norm_2, layer._feedforward_layer_norm)
    put_norm(model.norm, backbone.layer_norm)


def matmul_seconds(size: int = 1024, repeats: int = 8) -> float:
    """Seconds of one float32 product of two size x size matrices, the best of `repeats`, by PyTorch."""
    import torch

    left, right = torch.randn(2, size, size)
    best = math.inf
    for _ in range(repeats):
        start = time.perf_counter()
        left @ right
        best = min(best, time.perf_counter() - start)
    return best


class Contestant:
    """A runner in its own process: each message is (method, arguments), each reply (seconds, result)."""

    def __init__(self, name: str, options: argparse.Namespace) -> None:
        self.name = name
        self.seconds: list[float] = []
        spawn = multiprocessing.get_context("spawn")
        self._pipe, other = spawn.Pipe()
        spawn.Process(target=serve, args=(name, options, other), daemon=True).start()
        other.close()  # so that the end of the process is the end of the pipe

    def ask(self, method: str, *arguments: Any) -> tuple[float, Any]:
        self._pipe.send((method, arguments))
        seconds, result = self._pipe.recv()
        return seconds, result

    def leave(self) -> None:
        self._pipe.send(None)


RUNNERS = {"plain fit": plain_fit, "ours": ours, "PyTorch": pytorch}


def serve(name: str, options: argparse.Namespace, pipe: Connection) -> None:
    runner = RUNNERS[name](options)
    while (message := pipe.recv()) is not None:
        method, arguments = message
        begin = time.perf_counter()
        result = getattr(runner, method)(*arguments)
        pipe.send((time.perf_counter() - begin, result))


def race(contestants: list[Contestant], batches: list[Batch], rates: list[float], count: int) -> float:
    """Interleaves the contestants; returns the best matrix-multiply rate seen, in FLOP/s."""
    peak = 0.0
    for start in range(0, len(batches), count):
        turn = start // count % len(contestants)
        for contestant in contestants[turn:] + contestants[:turn]:
            part = slice(start, start + count)
            seconds, losses = contestant.ask("steps", batches[part], rates[part])
            contestant.seconds.append(seconds)
            print(f"  step {start} {contestant.name}: loss {losses[-1]:.4f}", file=sys.stderr, flush=True)
        peak = max(peak, 2 * 1024**3 / matmul_seconds())
    return peak


def main() -> None:
    options = arguments()
    from zoo import families
    from zoo.fit.schedule import learning_rate

    ids = read_tokens(options)
    cut = len(ids) * 9 // 10
    batches = make_batches(ids[:cut], options.rounds * options.steps, options)
    validation = make_batches(ids[cut:], 4, options)
    rates = [learning_rate(train_plan(options), step) for step in range(len(batches))]
    contestants = [Contestant(name, options) for name in RUNNERS]
    peak = race(contestants, batches, rates, options.steps)

    flops = families.get("gpt").flops_per_token(shape(options), options.vocabulary)
    tokens = options.steps * options.batch * options.window
    report: dict[str, Any] = {
        "matmul_gflops": round(peak / 1e9, 1),
        "flops_per_token": flops,
        "load_average": round(os.getloadavg()[0], 1),  # far above the number of cores: trust no figure
        "runs": {},
    }
    reference = np.array(contestants[-1].seconds[1:])  # the first round compiles
    for contestant in contestants:
        seconds = np.array(contestant.seconds[1:])
        speed = tokens / float(np.median(seconds))
        report["runs"][contestant.name] = {
            "tokens_per_second": round(speed),
            "share_of_peak": round(speed * flops / peak, 3),
            "best_tokens_per_second": round(tokens / float(seconds.min())),
            "speed_to_pytorch": round(float(np.median(reference / seconds)), 3),
            "first_round_seconds": round(contestant.seconds[0], 1),
            "validation_loss": round(contestant.ask("evaluate", validation)[1], 4),
        }
        contestant.leave()
    show(report, options.json)


def show(report: dict[str, Any], as_json: bool) -> None:
    if as_json:
        print(json.dumps(report))
        return
    print(
        f"matrix multiply: {report['matmul_gflops']} GFLOP/s; {report['flops_per_token']:,} FLOP per token;"
        f" load average {report['load_average']} on {os.cpu_count()} cores"
    )
    print(f"{'':10} {'tokens/s':>9} {'of peak':>8} {'to PyTorch':>11} {'first round':>12} {'val loss':>9}")
    for name, run in report["runs"].items():
        print(
            f"{name:10} {run['tokens_per_second']:>9} {run['share_of_peak']:>8.2f}"
            f" {run['speed_to_pytorch']:>11.2f} {run['first_round_seconds']:>10.1f} s"
            f" {run['validation_loss']:>9.4f}"
        )


if __name__ == "__main__":
    main()
