"""The contestants of the benchmarks of training speed, as far as they do not depend on the family."""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from race import Batch, KerasBatch, Runner

if TYPE_CHECKING:
    import torch

    from zoo.families import Family, Size
    from zoo.fit import TrainPlan


def shape(options: argparse.Namespace) -> Size:
    from zoo.families import Size

    return Size("bench", options.layers, options.width, options.heads, options.window, options.rate, options.batch)


def train_plan(options: argparse.Namespace) -> TrainPlan:
    from zoo.fit import TrainPlan

    return TrainPlan(
        steps=options.rounds * options.steps,
        batch_size=options.batch,
        window=options.window,
        learning_rate=options.rate,
        warmup=options.steps,
        checkpoint_every=10**9,
    )


def keras_task(options: argparse.Namespace) -> tuple[Any, Family, TrainPlan]:
    """A fresh task with the weights that all start from, its family and its plan."""
    from zoo import families

    family = families.get(options.family)
    return family.build(shape(options), options.vocabulary, seed=0), family, train_plan(options)


def plain_fit(options: argparse.Namespace) -> Runner:
    """`compile` and `fit` as the guides of keras-hub have them, with our optimizer's settings."""
    os.environ |= {"KERAS_BACKEND": "tensorflow", "TF_CPP_MIN_LOG_LEVEL": "2"}
    import keras
    import tensorflow as tf

    from zoo.fit.step import make_optimizer

    task, _, plan = keras_task(options)
    optimizer = make_optimizer(task, plan)
    # By default Keras divides by all positions, those of weight 0 included.
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True, reduction="mean_with_sample_weight")
    task.compile(optimizer=optimizer, loss=loss, weighted_metrics=[])

    def data(batches: list[KerasBatch]) -> tf.data.Dataset:
        stacked = keras.tree.map_structure(lambda *arrays: np.stack(arrays), *batches)
        return tf.data.Dataset.from_tensor_slices(stacked).prefetch(tf.data.AUTOTUNE)

    class Rates(keras.callbacks.Callback):
        def __init__(self, rates: list[float]) -> None:
            super().__init__()
            self.rates, self.losses = rates, []

        def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
            optimizer.learning_rate.assign(self.rates[batch])

        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            self.losses.append(logs["loss"])

    def steps(batches: list[KerasBatch], rates: list[float]) -> list[float]:
        """Losses are means from the first of these updates on, as Keras gives them."""
        callback = Rates(rates)
        task.fit(data(batches), epochs=1, verbose=0, callbacks=[callback], shuffle=False)
        return callback.losses

    return Runner(steps, lambda batches: float(task.evaluate(data(batches), verbose=0)))


def ours(options: argparse.Namespace) -> Runner:
    from zoo.backend import prepare_backend

    prepare_backend()
    from race_data import objective_of

    from pipelines.tokenizers import made_up_lexicon
    from zoo.fit.step import Loss, make_optimizer, make_steps

    task, family, plan = keras_task(options)
    # Of the objective only the loss is needed here, which does not depend on what the words are.
    objective = objective_of(options.family, made_up_lexicon(family.tokenizer, options.vocabulary))
    compiled = make_steps(Loss(task, family, objective), make_optimizer(task, plan), jit=True)

    def steps(batches: list[Batch], rates: list[float]) -> list[float]:
        return [compiled.train(batch, rate) for batch, rate in zip(batches, rates, strict=True)]

    def evaluate(batches: list[Batch]) -> float:
        total = count = 0.0
        for batch in batches:
            weights = batch.get("weights", np.ones(batch["targets"].shape, np.float32))
            total += float(compiled.nats({**batch, "weights": weights}).sum())
            count += float(weights.sum())
        return total / count

    return Runner(steps, evaluate)


def task_without_chatter(options: argparse.Namespace) -> tuple[Any, TrainPlan]:
    """For PyTorch, which has the weights from Keras and nothing else."""
    os.environ |= {"KERAS_BACKEND": "tensorflow", "TF_CPP_MIN_LOG_LEVEL": "2"}
    task, _, plan = keras_task(options)
    return task, plan


def pytorch(
    model: torch.nn.Module, loss_of: Callable[[dict[str, torch.Tensor]], torch.Tensor], plan: TrainPlan
) -> Runner:
    """The training loop around a hand-written network.

    Args:
        loss_of: mean nats of what is predicted in a batch; integers come as int64.
    """
    import torch

    groups = parameter_groups(model, plan.weight_decay)
    optimizer = torch.optim.AdamW(groups, betas=(0.9, plan.beta_2), eps=1e-8, fused=True)

    def tensors(batch: Batch) -> dict[str, torch.Tensor]:
        wide = {name: array.astype(np.int64) if array.dtype == np.int32 else array for name, array in batch.items()}
        return {name: torch.from_numpy(array) for name, array in wide.items()}

    def steps(batches: list[Batch], rates: list[float]) -> list[float]:
        losses = []
        for batch, rate in zip(batches, rates, strict=True):
            for group in optimizer.param_groups:
                group["lr"] = rate
            loss = loss_of(tensors(batch))
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), plan.clip)
            optimizer.step()
            losses.append(loss.item())
        return losses

    def evaluate(batches: list[Batch]) -> float:
        counts = [float(batch["weights"].sum()) if "weights" in batch else batch["targets"].size for batch in batches]
        with torch.no_grad():
            losses = [loss_of(tensors(batch)).item() for batch in batches]
        return float(np.average(losses, weights=counts))

    return Runner(steps, evaluate)


def predicted_targets(batch: dict[str, torch.Tensor]) -> torch.Tensor:
    """Int64 [all positions], -100 where the weight is 0: `cross_entropy` leaves such out of its mean."""
    return batch["targets"].masked_fill(batch["weights"] == 0, -100).flatten()


def parameter_groups(model: torch.nn.Module, weight_decay: float) -> list[dict[str, object]]:
    """Decay on matrices alone: not on biases, norms, tables."""
    from torch import nn

    matrices = {id(module.weight) for module in model.modules() if isinstance(module, nn.Linear)}
    parameters = list(model.parameters())
    return [
        {"params": [one for one in parameters if id(one) in matrices], "weight_decay": weight_decay},
        {"params": [one for one in parameters if id(one) not in matrices], "weight_decay": 0.0},
    ]


def put(parameter: torch.nn.Parameter, *values: Any) -> None:
    """Copies weights of Keras ([in, out], heads apart) to PyTorch ([out, in]); several become one along the outputs,
    as for queries, keys and values in one product."""
    import torch
    from keras.ops import convert_to_numpy

    arrays = [convert_to_numpy(value) for value in values]
    rows = parameter.shape[-1] if parameter.ndim == 2 else 1
    flat = np.concatenate([array.reshape(rows, -1) for array in arrays], axis=1)
    parameter.data = torch.from_numpy(flat.T.reshape(parameter.shape).copy())


def put_table(parameter: torch.nn.Parameter, value: Any) -> None:
    """Copies a table, which both sides have as [rows, width]."""
    import torch
    from keras.ops import convert_to_numpy

    array = convert_to_numpy(value)
    if array.shape != tuple(parameter.shape):
        raise AssertionError(f"a table of {array.shape} does not fit into {tuple(parameter.shape)}")
    parameter.data = torch.tensor(array)


def put_norm(norm: torch.nn.LayerNorm, layer: Any) -> None:
    put(norm.weight, layer.gamma)
    put(norm.bias, layer.beta)


def put_dense(linear: torch.nn.Linear, *layers: Any) -> None:
    """Copies Keras' dense layers, several of them next to each other, with their biases if there are any."""
    put(linear.weight, *(layer.kernel for layer in layers))
    if linear.bias is not None:
        put(linear.bias, *(layer.bias for layer in layers))


def put_transformer_layer(block: Any, layer: Any) -> None:
    """Copies keras-hub's layer of self-attention and MLP to a block with qkv, out, up, down, norm_1 and norm_2."""
    attention = layer._self_attention_layer
    put_dense(block.qkv, attention.query_dense, attention.key_dense, attention.value_dense)
    put_dense(block.out, attention.output_dense)
    put_dense(block.up, layer._feedforward_intermediate_dense)
    put_dense(block.down, layer._feedforward_output_dense)
    put_norm(block.norm_1, layer._self_attention_layer_norm)
    put_norm(block.norm_2, layer._feedforward_layer_norm)
