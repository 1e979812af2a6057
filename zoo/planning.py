"""What a training will cost before it is started: tokens, FLOPs, memory, hours, money.

Tokens: the compute-optimal 20 for each weight (Hoffmann et al. 2022, arXiv:2203.15556, table 3).
FLOPs: six for each weight and token, and attention (see `Family.flops_per_token`). Memory: see
`zoo.memory`. Hours: FLOPs over the peak of the hardware times the share of it that is reached.
"""

from __future__ import annotations

import math
import os
import re
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from governance.errors import ConfigError, did_you_mean
from zoo import families
from zoo.families.base import Family, Size
from zoo.memory import of_teacher, training_memory

TOKENS_PER_PARAMETER = 20

#: Share of the peak that well-made trainings reach: PaLM 0.46, GPT-3 0.21 (Chowdhery et al. 2022, table 3).
UTILISATION = 0.4

HERE = "here"
_SMALLEST_VOCABULARY = 257

#: Of this machine's memory, what libraries and compiler take however small the model is, in bytes …
_LIBRARIES = 2e9
#: … and the share of the rest that may be planned: XLA's buffers are up to a quarter larger than estimated.
_PLANNABLE = 0.8

#: The limit of a container on its memory, by version 2 and 1 of control groups.
_MEMORY_LIMITS = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"))

_UNITS = {"": 1.0, "K": 1e3, "M": 1e6, "B": 1e9, "G": 1e9, "T": 1e12}
_NUMBER = re.compile(r"(\d+(?:\.\d+)?(?:[eE]\d+)?)\s*([KMBGT]?)", re.IGNORECASE)


@dataclass(frozen=True)
class Hardware:
    """One device.

    Attributes:
        peak: FLOP/s of dense matrix products in the precision of training, by its data sheet.
        memory: bytes; 0 when unknown.
        price: dollars an hour, an assumption (cloud prices differ by a factor of three), if known.
        value_bytes: of an activation: 2 in mixed precision, 4 in float32.
        is_host: its memory is also the one in which copies of the weights are kept and checkpoints are made.
    """

    name: str
    peak: float
    memory: float
    price: float | None
    value_bytes: int = 2
    is_host: bool = False


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
        compute_optimal_tokens: 20 for each weight, whatever was planned.
        memory: bytes for the training state and, when the shape is known, the activations of a batch; of a host
            also for copies, see `zoo.memory`.
        device_memory: bytes of one device that a training may fill; None when that is unknown.
        fits: whether the memory is less than that of all devices; None when that is unknown.
        batch_size: windows in a step of the size, if a size was named.
        measured_batch_size: windows in the steps by which the speed was measured, if it was: less than
            `batch_size` when that many do not fit into this machine.
        utilisation: share of the peak that was assumed or measured.
        price: dollars for everything; `price_per_hour` is that of one device.
    """

    family: str
    size: str | None
    parameters: int
    tokens: int
    compute_optimal_tokens: int
    flops: float
    memory: float
    device_memory: float | None
    hardware: str
    devices: int
    utilisation: float
    tokens_per_second: float
    hours: float
    price: float | None
    price_per_hour: float | None
    fits: bool | None
    batch_size: int | None
    measured_batch_size: int | None

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
    """Estimates a training of a model on some tokens, of a model for a budget, or of tokens for a budget.

    Two of model, tokens and budget make the third by C = 6 N D; one alone takes 20 tokens for each weight.

    Args:
        size: the model, as a name of the family's dial; or
        parameters: as a number of weights.
        tokens: to train on.
        budget: dollars.
        vocab_size: words in the tokenizer, for the weights of a named size.
        hardware: a name in `HARDWARE`, or "here", which measures this machine (a named size alone), with
            fewer windows in a step when those of the size do not fit into its memory.
        devices: how many of them.
        utilisation: share of the peak that is reached; measured when `hardware` is "here".
        price: dollars an hour and device, instead of the assumed one.

    Raises:
        ConfigError: neither model nor budget; size and parameters; model, tokens and budget; an unknown
            name; a value that cannot be; a budget that buys nothing; a size of which not even one
            window fits into this machine.
    """
    recipe = families.get(family)
    _check_request(size, parameters, tokens, budget)
    if devices < 1 or not 0 < utilisation <= 1:
        raise ConfigError("devices must be at least 1 and utilisation within (0, 1]", where="plan")
    shape = None if size is None else recipe.size(size)
    device = _device(hardware) if price is None else replace(_device(hardware), price=price)
    if budget is not None:
        _check_budget(budget, device)
    measured_batch = None
    if hardware == HERE:
        device, utilisation, measured_batch = _measured(recipe, _measurable(shape, vocab_size), vocab_size, device)
        devices = 1
    compute = None if budget is None else budget / (device.price or 1) * 3600 * device.peak * utilisation
    if shape is not None:
        parameters = recipe.parameters(shape, vocab_size)
    a_token = None if shape is None else recipe.flops_per_token(shape, vocab_size)
    count, wanted = _model_and_tokens(parameters, tokens, compute, a_token)
    a_token = a_token or 6 * count
    speed = device.peak * utilisation * devices / a_token
    hours = wanted / speed / 3600
    batch = 0 if shape is None else shape.batch_size
    memory = training_memory(
        recipe, count, shape, vocab_size, batch, value_bytes=device.value_bytes, is_host=device.is_host
    )
    return Estimate(
        family=family,
        size=size,
        parameters=count,
        tokens=round(wanted),
        compute_optimal_tokens=TOKENS_PER_PARAMETER * count,
        flops=wanted * a_token,
        memory=memory,
        device_memory=device.memory or None,
        hardware=device.name,
        devices=devices,
        utilisation=utilisation,
        tokens_per_second=speed,
        hours=hours,
        price=None if device.price is None else hours * devices * device.price,
        price_per_hour=device.price,
        fits=memory <= device.memory * devices if device.memory else None,
        batch_size=None if shape is None else shape.batch_size,
        measured_batch_size=measured_batch,
    )


def _check_request(size: str | None, parameters: float | None, tokens: float | None, budget: float | None) -> None:
    if size is not None and parameters is not None:
        raise ConfigError("give a size or parameters, not both", where="plan")
    modelled = size is not None or parameters is not None
    if not modelled and budget is None:
        raise ConfigError("give one of size, parameters and budget", where="plan")
    if modelled and tokens is not None and budget is not None:
        raise ConfigError(
            "two of model, tokens and budget decide the third",
            where="plan",
            fix="leave out tokens, budget or the model",
        )
    for name, value in (("parameters", parameters), ("tokens", tokens)):
        if value is not None and not 1 <= value < math.inf:
            raise ConfigError(f"must be at least 1, not {value:g}", where=f"plan.{name}")


def _device(name: str) -> Hardware:
    if name == HERE:
        return Hardware(HERE, 0.0, 0.0, None)
    if name not in HARDWARE:
        known = [*HARDWARE, HERE]
        raise ConfigError(
            f'no hardware "{name}"{did_you_mean(name, known)}', where="hardware", fix=f"use one of {', '.join(known)}"
        )
    return HARDWARE[name]


def _check_budget(budget: float, device: Hardware) -> None:
    if not 0 < budget < math.inf or not device.price or not 0 < device.price < math.inf:
        raise ConfigError(
            "a budget needs to be above zero, and a price", where="plan.budget", fix="give both in dollars"
        )


def _model_and_tokens(
    parameters: float | None, tokens: float | None, compute: float | None, a_token: int | None
) -> tuple[int, float]:
    """What of them is not given follows from the FLOPs that a budget buys, C = 6 N D, and from D = 20 N."""
    if compute is not None and parameters is not None:
        tokens = compute / (a_token or 6 * parameters)
    elif compute is not None:
        parameters = math.sqrt(compute / (6 * TOKENS_PER_PARAMETER)) if tokens is None else compute / (6 * tokens)
    count = round(parameters or 0)
    wanted = TOKENS_PER_PARAMETER * count if tokens is None else tokens
    if count < 1 or wanted < 1:
        raise ConfigError("it buys less than one weight or one token", where="plan.budget", fix="raise it")
    return count, wanted


def _measurable(size: Size | None, vocab_size: int) -> Size:
    if size is None:
        raise ConfigError("this machine can be measured with a named size alone", where="plan", fix="give --size")
    if vocab_size < _SMALLEST_VOCABULARY:
        raise ConfigError(f"must be at least {_SMALLEST_VOCABULARY}", where="plan.vocab_size")
    return size


def _measured(family: Family, size: Size, vocab_size: int, device: Hardware) -> tuple[Hardware, float, int]:
    """This machine with its matrix-multiply peak, the share of it that a training of this size reaches, and the
    windows in a step of that measurement."""
    from zoo.backend import dtype_policy

    if dtype_policy("auto") == "mixed_bfloat16":
        # A GPU's own memory counts, which no call of Keras tells; what does not fit is refused, not killed.
        batch, dtype = size.batch_size, "bfloat16"
    else:
        memory = max(0.0, physical_memory() - _LIBRARIES) * _PLANNABLE
        device, dtype = replace(device, memory=memory, value_bytes=4, is_host=True), "float32"
        batch = _batch_that_fits(family, size, vocab_size, device)
    peak = matmul_peak(dtype=dtype)
    speed = training_speed(family, replace(size, batch_size=batch), vocab_size)
    return replace(device, peak=peak), speed * family.flops_per_token(size, vocab_size) / peak, batch


def _batch_that_fits(family: Family, size: Size, vocab_size: int, device: Hardware) -> int:
    """Windows of the largest micro-batch that fits; a divisor, so that accumulating makes up the whole batch."""
    count = family.parameters(size, vocab_size)
    needed = {
        batch: training_memory(
            family, count, size, vocab_size, batch, value_bytes=device.value_bytes, is_host=device.is_host
        )
        for batch in range(size.batch_size, 0, -1)
        if size.batch_size % batch == 0
    }
    for batch, memory in needed.items():
        if memory <= device.memory:
            return batch
    raise ConfigError(
        f"{family.name} {size.name} needs {needed[1] / 1e9:,.1f} GB for weights, optimizer, copies and one window, "
        f"and a training may fill {device.memory / 1e9:,.1f} GB of this machine's memory",
        where="plan.size",
        fix=f"take a smaller size, or plan for other hardware: {', '.join(HARDWARE)}",
    )


def physical_memory() -> float:
    """Bytes of this machine's memory, or of what its container may use of it."""
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    for path in _MEMORY_LIMITS:
        limit = path.read_text(encoding="ascii").strip() if path.is_file() else "max"
        memory = memory if limit == "max" else min(memory, int(limit))
    return float(memory)


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
        objective = replace(objective, teacher=(teacher.build(of_teacher(size), vocab_size), teacher))
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
