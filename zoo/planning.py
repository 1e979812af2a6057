"""What a training will cost before it is started: tokens, FLOPs, memory, hours, money.

Tokens: the compute-optimal 20 for each weight (Hoffmann et al. 2022, arXiv:2203.15556, table 3).
FLOPs: six for each weight and token, and attention (see `Family.flops_per_token`). Memory: weights,
gradients and AdamW's two moments, and activations by Korthikanti et al. 2022 (arXiv:2205.05198,
equation 2). Hours: FLOPs over the peak of the hardware times the share of it that is reached.
"""

from __future__ import annotations

import math
import re
import time
from dataclasses import asdict, dataclass, replace
from typing import Any

from governance.errors import ConfigError, did_you_mean
from zoo import families
from zoo.families.base import Family, Size

TOKENS_PER_PARAMETER = 20

#: Share of the peak that well-made trainings reach: PaLM 0.46, GPT-3 0.21 (Chowdhery et al. 2022, table 3).
UTILISATION = 0.4

HERE = "here"
_SMALLEST_VOCABULARY = 257

_UNITS = {"": 1.0, "K": 1e3, "M": 1e6, "B": 1e9, "G": 1e9, "T": 1e12}
_NUMBER = re.compile(r"(\d+(?:\.\d+)?(?:[eE]\d+)?)\s*([KMBGT]?)", re.IGNORECASE)


@dataclass(frozen=True)
class Hardware:
    """One device.

    Attributes:
        peak: FLOP/s of dense matrix products in the precision of training, by its data sheet.
        memory: bytes.
        price: dollars an hour, an assumption (cloud prices differ by a factor of three), if known.
    """

    name: str
    peak: float
    memory: float
    price: float | None


HARDWARE = {
    device.name: device
    for device in (
        Hardware("a100", 312e12, 80e9, 2.0),
        Hardware("h100", 989e12, 80e9, 3.0),
        Hardware("l4", 121e12, 24e9, 0.7),
    )
}


@dataclass(frozen=True)
class Estimate:
    """What a training takes. Money and hours are of all devices together.

    Attributes:
        memory: bytes for the training state and, when the shape is known, the activations of a batch.
        fits: whether that is less than the memory of all devices; None when that is unknown.
        utilisation: share of the peak that was assumed or measured.
        price: dollars for everything; `price_per_hour` is that of one device.
    """

    family: str
    size: str | None
    parameters: int
    tokens: int
    flops: float
    memory: float
    hardware: str
    devices: int
    utilisation: float
    tokens_per_second: float
    hours: float
    price: float | None
    price_per_hour: float | None
    fits: bool | None

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def parse_number(text: str, what: str) -> float:
    """Reads "70B", "1.4T" or "25000".

    Raises:
        ConfigError: it is no such number, or not above zero.
    """
    found = _NUMBER.fullmatch(text.strip())
    value = float(found[1]) * _UNITS[found[2].upper()] if found else 0.0
    if not 0 < value < math.inf:
        raise ConfigError(f'"{text}" is no number', where=what, fix="write it like 70B, 1.4T or 25000")
    return value


def plan(
    family: str,
    *,
    size: str | None = None,
    parameters: float | None = None,
    tokens: float | None = None,
    budget: float | None = None,
    vocab_size: int = 8192,
    hardware: str = "a100",
    devices: int = 1,
    utilisation: float = UTILISATION,
    price: float | None = None,
) -> Estimate:
    """Estimates a training of a named size, of a number of weights, or of what a budget buys.

    Args:
        size: a name of the family's dial; or
        parameters: the number of weights; or
        budget: dollars. The best model for it has C / (6 * 20 N) = N weights.
        tokens: to train on; 20 for each weight if absent.
        vocab_size: words in the tokenizer, for the weights of a named size.
        hardware: a name in `HARDWARE`, or "here", which measures this machine (a named size alone).
        devices: how many of them.
        utilisation: share of the peak that is reached; measured when `hardware` is "here".
        price: dollars an hour and device, instead of the assumed one.

    Raises:
        ConfigError: not exactly one of size, parameters and budget; an unknown name; a value that
            cannot be.
    """
    recipe = families.get(family)
    if sum(given is not None for given in (size, parameters, budget)) != 1:
        raise ConfigError("give one of size, parameters and budget", where="plan")
    if devices < 1 or not 0 < utilisation <= 1:
        raise ConfigError("devices must be at least 1 and utilisation within (0, 1]", where="plan")
    for name, value in (("parameters", parameters), ("tokens", tokens)):
        if value is not None and not 1 <= value < math.inf:
            raise ConfigError(f"must be at least 1, not {value:g}", where=f"plan.{name}")
    shape = None if size is None else recipe.size(size)
    if hardware == HERE:
        if shape is None:
            raise ConfigError("this machine can be measured with a named size alone", where="plan", fix="give --size")
        if vocab_size < _SMALLEST_VOCABULARY:
            raise ConfigError(f"must be at least {_SMALLEST_VOCABULARY}", where="plan.vocab_size")
        device, utilisation, devices = *_measured(recipe, shape, vocab_size), 1
    else:
        device = _device(hardware)
    if price is not None:
        device = replace(device, price=price)
    if budget is not None:
        parameters = _affordable(budget, device, utilisation)
    count = recipe.parameters(shape, vocab_size) if shape is not None else max(1, round(parameters or 0))
    wanted = TOKENS_PER_PARAMETER * count if tokens is None else tokens
    a_token = 6 * count if shape is None else recipe.flops_per_token(shape, vocab_size)
    speed = device.peak * utilisation * devices / a_token
    hours = wanted / speed / 3600
    memory = _memory(count, shape, vocab_size, recipe.predicted)
    return Estimate(
        family=family,
        size=size,
        parameters=count,
        tokens=round(wanted),
        flops=wanted * a_token,
        memory=memory,
        hardware=device.name,
        devices=devices,
        utilisation=utilisation,
        tokens_per_second=speed,
        hours=hours,
        price=None if device.price is None else hours * devices * device.price,
        price_per_hour=device.price,
        fits=memory <= device.memory * devices if device.memory else None,
    )


def _device(name: str) -> Hardware:
    if name not in HARDWARE:
        known = [*HARDWARE, HERE]
        raise ConfigError(
            f'no hardware "{name}"{did_you_mean(name, known)}', where="hardware", fix=f"use one of {', '.join(known)}"
        )
    return HARDWARE[name]


def _affordable(budget: float, device: Hardware, utilisation: float) -> float:
    """Weights of the compute-optimal model: C = 6 N D with D = 20 N."""
    if not 0 < budget < math.inf or not device.price:
        raise ConfigError("a budget needs to be above zero, and a price", where="plan.budget")
    flops = budget / device.price * 3600 * device.peak * utilisation
    return math.sqrt(flops / (6 * TOKENS_PER_PARAMETER))


def _memory(parameters: int, size: Size | None, vocab_size: int, predicted: float) -> float:
    """Bytes: 16 for each weight (float32 weights, gradients and both moments of AdamW), and of one batch
    the activations in 16 bits, without recomputation, layers * s b h (34 + 5 a s / h), and in 32 bits
    the logits and their gradient. The formula is that of GPT's layers and taken for the others as well."""
    state = 16.0 * parameters
    if size is None:
        return state
    tokens = size.context * size.batch_size
    attention = 5 * size.heads * size.context / size.width
    logits = 2 * 4 * predicted * tokens * vocab_size
    return state + size.layers * tokens * size.width * (34 + attention) + logits


def _measured(family: Family, size: Size, vocab_size: int) -> tuple[Hardware, float]:
    """This machine's matrix-multiply peak, and the share of it that a training of this size reaches."""
    from zoo.backend import dtype_policy

    peak = matmul_peak(dtype="bfloat16" if dtype_policy("auto") == "mixed_bfloat16" else "float32")
    speed = training_speed(family, size, vocab_size)
    share = speed * family.flops_per_token(size, vocab_size) / peak
    return Hardware(HERE, peak, 0.0, None), share


def matmul_peak(seconds: float = 1.0, dtype: str = "float32") -> float:
    """FLOP/s of a large matrix product on the default device: the best of repeated ones."""
    from zoo.backend import prepare_backend

    prepare_backend()
    import keras
    import numpy as np

    width = 2048
    random = np.random.default_rng(0).standard_normal((width, width), np.float32)
    matrix = keras.ops.cast(keras.ops.convert_to_tensor(random), dtype)
    keras.ops.convert_to_numpy(keras.ops.matmul(matrix, matrix))
    best, end = math.inf, time.perf_counter() + seconds
    while time.perf_counter() < end:
        start = time.perf_counter()
        keras.ops.convert_to_numpy(keras.ops.matmul(matrix, matrix)[:1, :1])
        best = min(best, time.perf_counter() - start)
    return 2 * width**3 / best


def training_speed(family: Family, size: Size, vocab_size: int, *, steps: int = 8) -> float:
    """Tokens/s of training on random text, compiling left out: the median of some steps."""
    from zoo.backend import dtype_policy, prepare_backend

    prepare_backend()
    import statistics

    import numpy as np

    from pipelines.stream import Windows
    from pipelines.tokenizers import made_up_lexicon
    from zoo import objectives
    from zoo.fit.plan import TrainPlan
    from zoo.fit.step import Loss, make_optimizer, make_steps

    plan = TrainPlan.of(size, parameters=1, train_tokens=1, validation_tokens=1, dropout=size.dropout)
    objective = objectives.get(family.objective, made_up_lexicon(family.tokenizer, vocab_size))
    if family.teacher is not None:
        teacher = families.get(family.teacher)
        objective = replace(
            objective, teacher=(teacher.build(replace(size, layers=2 * size.layers), vocab_size), teacher)
        )
    task = family.build(size, vocab_size, dropout=size.dropout, dtype=dtype_policy("auto"))
    compiled = make_steps(Loss(task, family, objective), make_optimizer(task, plan), jit=plan.jit)
    rows, length = size.batch_size, objective.span(size.context) + objective.overlap
    ids = np.random.default_rng(0).integers(vocab_size // 2, vocab_size, (rows, length), np.int32)
    batch = objective.examples(Windows(ids, np.zeros(rows, np.int64), np.arange(rows), seed=0))
    compiled.train(batch, 1e-4)
    times = []
    for _ in range(steps):
        start = time.perf_counter()
        compiled.train(batch, 1e-4)
        times.append(time.perf_counter() - start)
    return rows * size.context / statistics.median(times)
