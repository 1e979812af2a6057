"""Generation speed: keras-hub's `generate`, ours, and Hugging Face's on PyTorch, in one run.

    python benchmarks/generate.py [--layers 4] [--width 256] [--rounds 5] [--new 64] [--one-core] [--json]

All three have the same weights, made up, and continue the same prompts of unequal lengths by the
likeliest token: one prompt after the other (batch 1), then all at once (batch 8). Each has a process
of its own, set up as its users would have it, and they take turns; the order changes from round to
round. A figure is the median over rounds; ratios are the median of the ratios within a round. Each has
seen all shapes before the clock starts, which spares keras-hub a compilation for each new length.
With `--one-core` each is held on one core and its seconds are those of the processor, which other programs
on the machine disturb less.

Then ours alone: after `warm_up`, the first request of each compiled length and batch size, against the median of
those that follow.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import sys
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT)]

Ids = list[list[int]]
#: Prompts and new tokens to the new tokens of each.
Runner = Callable[[Ids, int], Ids]
_EOS = 0  # not a token of the prompts
_AFTER_THE_FIRST = 12


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in (
        ("vocabulary", 8192),
        ("layers", 4),
        ("width", 256),
        ("heads", 4),
        ("context", 256),
        ("new", 64),
        ("rounds", 5),
    ):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--without", nargs="*", default=[], choices=("keras-hub", "ours"), help="leave out")
    parser.add_argument("--one-core", action="store_true")
    parser.add_argument("--json", action="store_true")
    return parser.parse_args()


def make_prompts(options: argparse.Namespace) -> Ids:
    """Eight, of three lengths from 10 tokens up to what the context leaves."""
    random = np.random.default_rng(0)
    short, _, middle, long = np.linspace(10, options.context - options.new - 1, 4).astype(int)
    lengths = (middle, short, short, long, middle, short, middle, short)
    return [random.integers(1, options.vocabulary, length).tolist() for length in lengths]


def keras_task(options: argparse.Namespace) -> Any:
    """The weights that all three have: larger than a training starts with, so that few tokens are near ties."""
    from zoo.backend import prepare_backend

    prepare_backend()
    from zoo import families
    from zoo.families import Size

    size = Size("bench", options.layers, options.width, options.heads, options.context, 1e-3, 8)
    task = families.get("gpt").build(size, options.vocabulary, seed=0)
    for weight in task.trainable_weights:
        if len(weight.shape) > 1:
            weight.assign(2 * weight)
    return task


def keras_hub(options: argparse.Namespace) -> Runner:
    """`generate` as its guide has it, fed with ids."""
    task = keras_task(options)
    task.compile(sampler="greedy")

    def run(prompts: Ids, new: int) -> Ids:
        length = max(map(len, prompts)) + new
        ids = np.zeros((len(prompts), length), np.int32)
        mask = np.zeros((len(prompts), length), np.int32)
        for index, prompt in enumerate(prompts):
            ids[index, : len(prompt)] = prompt
            mask[index, : len(prompt)] = 1
        found = task.generate({"token_ids": ids, "padding_mask": mask}, stop_token_ids=None)["token_ids"]
        found = np.asarray(found).reshape(len(prompts), -1)
        return [row[len(prompt) : len(prompt) + new].tolist() for row, prompt in zip(found, prompts, strict=True)]

    return run


def ours(options: argparse.Namespace) -> Runner:
    task = keras_task(options)
    from zoo.generation.engine import Engine
    from zoo.generation.sampling import Sampling

    engine = Engine(task, eos_id=_EOS, vocabulary=options.vocabulary, context=options.context)

    def run(prompts: Ids, new: int) -> Ids:
        sampling = Sampling(max_tokens=new, min_tokens=new, temperature=0)
        *_, answers = engine.answers(prompts, len(prompts), sampling)
        return answers

    return run


def hugging_face(options: argparse.Namespace) -> Runner:
    import torch
    from transformers import GPT2Config, GPT2LMHeadModel

    config = GPT2Config(
        vocab_size=options.vocabulary,
        n_positions=options.context,
        n_embd=options.width,
        n_layer=options.layers,
        n_head=options.heads,
        bos_token_id=None,
        eos_token_id=None,
    )
    model = GPT2LMHeadModel(config).eval()
    copy_weights(keras_task(options), model)

    def run(prompts: Ids, new: int) -> Ids:
        length = max(map(len, prompts))
        ids = torch.tensor([[_EOS] * (length - len(prompt)) + prompt for prompt in prompts])
        mask = torch.tensor([[0] * (length - len(prompt)) + [1] * len(prompt) for prompt in prompts])
        with torch.inference_mode():
            found = model.generate(ids, attention_mask=mask, max_new_tokens=new, do_sample=False, pad_token_id=_EOS)
        answers: Ids = found[:, length:].tolist()
        return answers

    return run


def copy_weights(task: Any, model: Any) -> None:
    """From Keras (heads apart) to Hugging Face's GPT-2 ([in, out] too, QKV in one)."""
    import torch
    from keras.ops import convert_to_numpy

    def put(parameter: Any, *values: Any) -> None:
        rows = parameter.shape[0] if parameter.ndim == 2 else 1
        flat = np.concatenate([convert_to_numpy(value).reshape(rows, -1) for value in values], axis=1)
        parameter.data = torch.from_numpy(flat.reshape(parameter.shape).copy())

    def put_norm(norm: Any, layer: Any) -> None:
        put(norm.weight, layer.gamma)
        put(norm.bias, layer.beta)

    backbone, body = task.backbone, model.transformer
    put(body.wte.weight, backbone.token_embedding.embeddings)
    put(body.wpe.weight, backbone.position_embedding.position_embeddings)
    for block, layer in zip(body.h, backbone.transformer_layers, strict=True):
        attention = layer._self_attention_layer
        parts = (attention.query_dense, attention.key_dense, attention.value_dense)
        put(block.attn.c_attn.weight, *(part.kernel for part in parts))
        put(block.attn.c_attn.bias, *(part.bias for part in parts))
        for linear, dense in (
            (block.attn.c_proj, attention.output_dense),
            (block.mlp.c_fc, layer._feedforward_intermediate_dense),
            (block.mlp.c_proj, layer._feedforward_output_dense),
        ):
            put(linear.weight, dense.kernel)
            put(linear.bias, dense.bias)
        put_norm(block.ln_1, layer._self_attention_layer_norm)
        put_norm(block.ln_2, layer._feedforward_layer_norm)
    put_norm(body.ln_f, backbone.layer_norm)
    model.tie_weights()


RUNNERS = {"keras-hub": keras_hub, "ours": ours, "Hugging Face": hugging_face}


class Contestant:
    """A runner in its own process: each message is (prompts, new tokens), each reply (seconds, answers)."""

    def __init__(self, name: str, options: argparse.Namespace) -> None:
        self.name = name
        spawn = multiprocessing.get_context("spawn")
        self._pipe, other = spawn.Pipe()
        spawn.Process(target=serve, args=(name, options, other), daemon=True).start()
        other.close()  # so that the end of the process is the end of the pipe

    def ask(self, prompts: Ids, new: int) -> tuple[float, Ids]:
        self._pipe.send((prompts, new))
        seconds, answers = self._pipe.recv()
        return seconds, answers

    def leave(self) -> None:
        self._pipe.send(None)


def start_clock(options: argparse.Namespace) -> Callable[[], float]:
    """The clock in seconds, and the process on the cores that it may use: before a library counts them."""
    if not options.one_core:
        return time.perf_counter
    os.sched_setaffinity(0, {0})
    os.environ["OMP_NUM_THREADS"] = "1"
    return time.process_time


def serve(name: str, options: argparse.Namespace, pipe: Connection) -> None:
    clock = start_clock(options)
    runner = RUNNERS[name](options)
    while (message := pipe.recv()) is not None:
        prompts, new = message
        begin = clock()
        answers = runner(prompts, new)
        pipe.send((clock() - begin, answers))


def batches(prompts: Ids, size: int) -> list[Ids]:
    return [prompts[start : start + size] for start in range(0, len(prompts), size)]


def race(contestants: list[Contestant], prompts: Ids, size: int, options: argparse.Namespace) -> dict[str, Any]:
    """Takes turns with the same prompts in batches of `size`; the round that compiles is not counted."""
    seconds: dict[str, list[float]] = {contestant.name: [] for contestant in contestants}
    answers: dict[str, Ids] = {}
    for turn in range(options.rounds + 1):
        first = turn % len(contestants)
        for contestant in contestants[first:] + contestants[:first]:
            replies = [contestant.ask(batch, options.new) for batch in batches(prompts, size)]
            seconds[contestant.name].append(sum(reply[0] for reply in replies))
            answers[contestant.name] = [row for reply in replies for row in reply[1]]
    tokens = len(prompts) * options.new
    reference = np.array(seconds["Hugging Face"][1:])
    return {
        name: {
            "tokens_per_second": round(tokens / float(np.median(times[1:]))),
            "best_tokens_per_second": round(tokens / min(times[1:])),
            "speed_to_hugging_face": round(float(np.median(reference / np.array(times[1:]))), 2),
            "first_round_seconds": round(times[0], 1),
            "tokens_equal": round(float(np.mean(np.equal(answers[name], answers["Hugging Face"]))), 4),
        }
        for name, times in seconds.items()
    }


def first_requests(options: argparse.Namespace) -> dict[str, Any]:
    """Ours alone, with a context of four times as many tokens, so that several lengths are compiled: the first
    request of each compiled length and batch size after the warm-up, against the median of those that follow."""
    clock = start_clock(options)
    wide = argparse.Namespace(**vars(options) | {"context": 4 * options.context})
    task = keras_task(wide)
    from zoo.generation.engine import Engine
    from zoo.generation.sampling import Sampling

    engine = Engine(task, eos_id=_EOS, vocabulary=wide.vocabulary, context=wide.context)
    sampling = Sampling(max_tokens=options.new, min_tokens=options.new, temperature=0)
    cases = [(size, length) for size in (1, 8) for length in engine.lengths()]
    begin = clock()
    for size, length in cases:
        engine.warm_up(size, length, sampling)
    result: dict[str, Any] = {"warm_up_seconds": round(clock() - begin, 1)}
    random = np.random.default_rng(1)
    shortest = dict(zip(engine.lengths(), [options.new + 1, *engine.lengths()], strict=False))
    ratios, slowest = [], []
    for size, length in cases:
        milliseconds = []
        for _ in range(1 + _AFTER_THE_FIRST):
            whole = int(random.integers(shortest[length], length))  # tokens of prompt and answer
            rows = random.integers(1, wide.vocabulary, (size, max(1, whole - options.new))).tolist()
            begin = clock()
            list(engine.answers(rows, size, sampling))
            milliseconds.append(1000 * (clock() - begin))
        median = float(np.median(milliseconds[1:]))
        ratios.append(milliseconds[0] / median)
        slowest.append(max(milliseconds) / median)
        result[f"batch_{size}_up_to_{length}"] = f"first {milliseconds[0]:.0f} ms, median {median:.0f} ms"
    return result | {"first_to_median": round(max(ratios), 2), "slowest_to_median": round(max(slowest), 2)}


def main() -> None:
    options = arguments()
    prompts = make_prompts(options)
    contestants = [Contestant(name, options) for name in RUNNERS if name not in options.without]
    report: dict[str, Any] = {f"batch_{size}": race(contestants, prompts, size, options) for size in (1, 8)}
    for contestant in contestants:
        contestant.leave()
    report["first_requests"] = first_requests(options)
    report["load_average"] = round(os.getloadavg()[0], 1)  # far above the number of cores: trust no figure
    show(report, options.json)


def show(report: dict[str, Any], as_json: bool) -> None:
    if as_json:
        print(json.dumps(report))
        return
    print(f"load average {report['load_average']} on {os.cpu_count()} cores")
    print(f"{'':10} {'':14} {'tokens/s':>9} {'best':>7} {'to Hugging Face':>16} {'first round':>12} {'equal':>7}")
    for batch, runs in report.items():
        if not batch.startswith("batch"):
            continue
        for name, run in runs.items():
            print(
                f"{batch:10} {name:14} {run['tokens_per_second']:>9} {run['best_tokens_per_second']:>7}"
                f" {run['speed_to_hugging_face']:>16.2f} {run['first_round_seconds']:>10.1f} s"
                f" {run['tokens_equal']:>7.4f}"
            )
    for name, value in report["first_requests"].items():
        print(f"{name:26} {value}")


if __name__ == "__main__":
    main()
