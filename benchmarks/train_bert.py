"""Training speed of `bert`: keras-hub's plain `fit`, ours, and hand-written PyTorch, in one run.

    python benchmarks/train_bert.py --texts documents.jsonl [--rounds 6] [--steps 10] [--json]

Masked words are predicted. With documents, ours and PyTorch read the same packed windows with the same masks, and
`fit` one document a row as keras-hub's preprocessor makes them: masked, padded, and cut to the window, with room for
as many predictions as ours have. With `--tokens` (a one-dimensional array of ids, special ones first) or without both
(made-up text) all three read the same windows, so that their losses can be compared. What the figures mean is said in
`benchmarks/race.py`.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
from race import Batch, Entry, KerasBatch, Runner, Update, run


def keras_batch(batch: Batch) -> KerasBatch:
    ids = batch["inputs"]
    inputs = {
        "token_ids": ids,
        "segment_ids": np.zeros_like(ids),
        "padding_mask": np.ones_like(ids),
        "mask_positions": batch["positions"],
    }
    return inputs, batch["targets"], batch["weights"]


def preprocessor(tokenizer: Path, options: argparse.Namespace) -> Any:
    from zoo import families
    from zoo.objectives.masked import SHARE

    made = families.get("bert").preprocessor(tokenizer, options.window)
    # keras-hub's default, 96, is for rows of 512: it would compute logits that no row of another length needs.
    made.mask_selection_length = max(1, round(SHARE * options.window))
    return made


def document_updates(documents: Any, count: int, options: argparse.Namespace) -> list[Update]:
    from race_data import preprocessed_updates

    return preprocessed_updates(preprocessor, documents, count, options)


def pytorch(options: argparse.Namespace) -> Runner:
    import race_contestants
    import torch
    import torch.nn.functional as F
    from bert_torch import BERT

    task, plan = race_contestants.task_without_chatter(options)
    model = BERT(options.vocabulary, options.layers, options.width, options.heads, options.window)
    copy_weights(task, model)

    def loss_of(batch: dict[str, torch.Tensor]) -> torch.Tensor:
        logits = model(batch["inputs"], batch["positions"])
        return F.cross_entropy(logits, race_contestants.predicted_targets(batch))

    return race_contestants.pytorch(model, loss_of, plan)


def copy_weights(task: Any, model: Any) -> None:
    from race_contestants import put, put_dense, put_norm, put_table, put_transformer_layer

    backbone, head = task.backbone, task.masked_lm_head
    put_table(model.tokens.weight, backbone.token_embedding.embeddings)
    put_table(model.positions.weight, backbone.position_embedding.position_embeddings)
    put_table(model.segments.weight, backbone.segment_embedding.embeddings)
    put_norm(model.norm, backbone.embeddings_layer_norm)
    for block, layer in zip(model.blocks, backbone.transformer_layers, strict=True):
        put_transformer_layer(block, layer)
    put_dense(model.head, head._intermediate_dense)
    put_norm(model.head_norm, head._intermediate_layer_norm)
    put(model.bias, head._bias)


ENTRY = Entry("bert", 7e-4, keras_batch, document_updates, pytorch)

if __name__ == "__main__":
    run(ENTRY, __doc__)
