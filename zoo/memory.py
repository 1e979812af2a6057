"""How many bytes a training takes: weights, gradients, AdamW's two moments, copies and activations.

Activations by Korthikanti et al. 2022 (arXiv:2205.05198, equation 2), without recomputation.
"""

from __future__ import annotations

from dataclasses import replace

from zoo import families
from zoo.families.base import Family, Size


def training_memory(
    family: Family, parameters: int, size: Size | None, vocab_size: int, batch: int, *, value_bytes: int, is_host: bool
) -> float:
    """Bytes at the peak of a training; without a size only what does not grow with the batch.

    Micro-batches less than the size's batch add up gradients: the sums before and after one, 8 bytes for each
    weight. A host also keeps the best weights (4), a copy of weights and moments while a checkpoint is written
    (12), and the logits of an evaluation; what is free again is not given back in time to be left out.

    Args:
        batch: windows of a micro-batch.
        value_bytes: of an activation: 2 in mixed precision, 4 in float32.
        is_host: whether the device's memory is the host's as well.
    """
    memory = _state(family, parameters, size, vocab_size)
    if size is not None:
        memory += batch * _activations(family, size, vocab_size, value_bytes)
        memory += 8 * parameters if batch < size.batch_size else 0
        memory += batch * 4 * family.predicted * size.context * vocab_size if is_host else 0
    return memory + 16 * parameters if is_host else memory


def _state(family: Family, parameters: int, size: Size | None, vocab_size: int) -> float:
    """Bytes that do not grow with the batch: 16 for each weight (float32 weights, gradients and both moments of
    AdamW) and a teacher's weights."""
    state = 16.0 * parameters
    if size is not None and family.teacher is not None:
        state += 4 * families.get(family.teacher).parameters(of_teacher(size), vocab_size)
    return state


def _activations(family: Family, size: Size, vocab_size: int, value_bytes: int) -> float:
    """Bytes of one window without recomputation: the formula of GPT's layers, taken for the others as well.

    A layer keeps 16 values of each position and state, and 2 of each pair of positions and head, of `value_bytes`,
    and masks of dropout of one byte: in 16 bits layers * s h (34 + 5 a s / h). Half of a seq2seq model are
    decoders that look at the input as well. Logits and their gradient are float32.
    """
    position, pair = size.width * (16 * value_bytes + 2), size.heads * (2 * value_bytes + 1)
    predicted = family.predicted * size.context
    layer: float = size.context * (position + size.context * pair)
    if family.shape == "seq2seq":
        cross_attention = size.width * (5 * value_bytes + 1)
        layer += predicted * (position + cross_attention + (predicted + size.context) * pair)
    return size.layers * layer + 2 * 4 * predicted * vocab_size


def of_teacher(size: Size) -> Size:
    """The shape of the model that teaches one of this size."""
    return replace(size, layers=2 * size.layers)
