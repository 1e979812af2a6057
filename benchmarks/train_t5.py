"""Training speed of `t5`: keras-hub's plain `fit`, ours, and hand-written PyTorch, in one run.

    python benchmarks/train_t5.py --texts documents.jsonl [--rounds 6] [--steps 10] [--json]

Spans of text are predicted. With documents, ours and PyTorch read the same packed windows with the same spans hidden.
keras-hub has no preprocessor for this, so `fit` gets rows that our objective makes of one document each, padded, and
cut to the window. With `--tokens` (a one-dimensional array of ids, special ones first) or without both (made-up text)
all three read the same windows, so that their losses can be compared. What the figures mean is said in
`benchmarks/race.py`; a token of text counts once, whether the encoder reads it or the decoder.
"""

from __future__ import annotations

import argparse
from typing import Any

import numpy as np
from race import Batch, Entry, KerasBatch, Runner, Update, run


def keras_batch(batch: Batch) -> KerasBatch:
    inputs = {
        "encoder_token_ids": batch["inputs"],
        "encoder_padding_mask": batch["padding_mask"],
        "decoder_token_ids": batch["decoder_inputs"],
        "decoder_padding_mask": batch["weights"].astype(np.int32),
    }
    return inputs, batch["targets"], batch["weights"]


def document_updates(documents: Any, count: int, options: argparse.Namespace) -> list[Update]:
    from race_data import chosen_documents, objective_of

    from zoo.objectives.seq2seq import make_batch

    objective = objective_of("t5", documents.lexicon)
    frame, span = objective.frame, objective.span(options.window)
    lengths, draw = objective.lengths(span), np.random.default_rng(2)
    updates = []
    for rows in chosen_documents(len(documents.ids), count, options.batch):
        cut = [np.array(documents.ids[index][:span], np.int32) for index in rows]
        pairs = [objective.corrupt(ids, draw)[:2] for ids in cut]
        batch = make_batch(pairs, pad_id=frame.pad_id, start_id=frame.start_id, lengths=lengths)
        updates.append(Update(keras_batch(batch), sum(map(len, cut)), int(batch["padding_mask"].sum())))
    return updates


def pytorch(options: argparse.Namespace) -> Runner:
    import race_contestants
    import torch
    import torch.nn.functional as F
    from t5_torch import T5

    from zoo.families.t5 import inner_width

    task, plan = race_contestants.task_without_chatter(options)
    inner = inner_width(race_contestants.shape(options))
    model = T5(options.vocabulary, options.layers, options.width, options.heads, inner)
    copy_weights(task.backbone, model)

    def loss_of(batch: dict[str, torch.Tensor]) -> torch.Tensor:
        logits = model(batch["inputs"], batch["decoder_inputs"])
        return F.cross_entropy(logits.flatten(0, 1), race_contestants.predicted_targets(batch))

    return race_contestants.pytorch(model, loss_of, plan)


def copy_weights(backbone: Any, model: Any) -> None:
    from race_contestants import put_table

    encoder, decoder = backbone.encoder_transformer_layers, backbone.decoder_transformer_layers
    put_table(model.tokens.weight, backbone.token_embedding.embeddings)
    put_table(model.encoder_bias.table.weight, encoder[0].self_attention.relative_attention_bias)
    put_table(model.decoder_bias.table.weight, decoder[0].self_attention.relative_attention_bias)
    put_table(model.encoder_norm.weight, backbone.encoder_layer_norm.weight)
    put_table(model.decoder_norm.weight, backbone.decoder_layer_norm.weight)
    for block, layer in zip([*model.encoder, *model.decoder], [*encoder, *decoder], strict=True):
        copy_layer(block, layer)


def copy_layer(block: Any, layer: Any) -> None:
    from race_contestants import put_dense, put_table

    own = layer.self_attention
    put_table(block.attention.norm.weight, layer.self_attention_layer_norm.weight)
    put_dense(block.attention.qkv, own.query_projector, own.key_projector, own.value_projector)
    put_dense(block.attention.out, own.output_projector)
    if layer.is_decoder:
        cross = layer.cross_attention
        put_table(block.cross.norm.weight, layer.cross_attention_layer_norm.weight)
        put_dense(block.cross.q, cross.query_projector)
        put_dense(block.cross.kv, cross.key_projector, cross.value_projector)
        put_dense(block.cross.out, cross.output_projector)
    put_table(block.mlp.norm.weight, layer.layer_norm.weight)
    put_dense(block.mlp.up, layer.input_projector, layer.gate_projector)
    put_dense(block.mlp.down, layer.output_projector)


ENTRY = Entry("t5", 2e-3, keras_batch, document_updates, pytorch)

if __name__ == "__main__":
    run(ENTRY, __doc__)
