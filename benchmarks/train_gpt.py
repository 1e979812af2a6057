"""Training speed of `gpt`: keras-hub's plain `fit`, ours, and hand-written PyTorch, in one run.

    python benchmarks/train_gpt.py --texts documents.jsonl [--rounds 6] [--steps 10] [--json]
    python benchmarks/train_gpt.py --tokens tokens.npy

With documents, ours and PyTorch read the same packed windows, and `fit` one document a row as keras-hub's
preprocessor makes them: padded, and cut to the window. With `--tokens` (a one-dimensional array of ids below
`--vocabulary`) or without both (made-up text) all three read the same windows, so that their losses can be compared.
What the figures mean is said in `benchmarks/race.py`.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
from race import Batch, Entry, KerasBatch, Runner, Update, run


def keras_batch(batch: Batch) -> KerasBatch:
    ids = batch["inputs"]
    weights = np.ones(ids.shape, np.float32)
    return {"token_ids": ids, "padding_mask": np.ones_like(ids)}, batch["targets"], weights


def preprocessor(tokenizer: Path, options: argparse.Namespace) -> Any:
    from zoo import families

    return families.get("gpt").preprocessor(tokenizer, options.window)


def document_updates(documents: Any, count: int, options: argparse.Namespace) -> list[Update]:
    from race_data import preprocessed_updates

    return preprocessed_updates(preprocessor, documents, count, options)


def pytorch(options: argparse.Namespace) -> Runner:
    import race_contestants
    import torch
    import torch.nn.functional as F
    from gpt_torch import GPT

    task, plan = race_contestants.task_without_chatter(options)
    model = GPT(options.vocabulary, options.layers, options.width, options.heads, options.window)
    copy_weights(task.backbone, model)

    def loss_of(batch: dict[str, torch.Tensor]) -> torch.Tensor:
        return F.cross_entropy(model(batch["inputs"]).flatten(0, 1), batch["targets"].flatten())

    return race_contestants.pytorch(model, loss_of, plan)


def copy_weights(backbone: Any, model: Any) -> None:
    from race_contestants import put_norm, put_table, put_transformer_layer

    put_table(model.tokens.weight, backbone.token_embedding.embeddings)
    put_table(model.positions.weight, backbone.position_embedding.position_embeddings)
    for block, layer in zip(model.blocks, backbone.transformer_layers, strict=True):
        put_transformer_layer(block, layer)
    put_norm(model.norm, backbone.layer_norm)


ENTRY = Entry("gpt", 2e-3, keras_batch, document_updates, pytorch)

if __name__ == "__main__":
    run(ENTRY, __doc__)
