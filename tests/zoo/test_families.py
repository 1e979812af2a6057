"""The families: names, the size dial, counts, initial weights."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from governance.errors import ConfigError
from pipelines.tokenizers import KINDS, Lexicon
from tests.zoo.toy import TOYS
from zoo import families, objectives
from zoo.families import Family, Size
from zoo.families.llama import inner_width, kv_heads

BART, GPT, LLAMA, LSTM, ROBERTA, T5 = map(families.get, ("bart", "gpt", "llama", "lstm", "roberta", "t5"))
BERT, DISTILBERT, ERNIE = map(families.get, ("bert", "distilbert", "ernie"))
VOCABULARY = 8192

every_family = pytest.mark.parametrize(
    "family", [families.get(name) for name in families.names()], ids=lambda family: family.name
)


def test_wrong_names_say_what_was_meant() -> None:
    with pytest.raises(ConfigError, match='did you mean "gpt"'):
        families.get("gtp")
    with pytest.raises(ConfigError, match='did you mean "nano"'):
        GPT.size("nanno")
    assert families.names() == ["bart", "bert", "ctrl", "distilbert", "ernie", "gpt", "llama", "lstm", "roberta", "t5"]


def test_a_name_is_given_once() -> None:
    assert families.register(GPT) is GPT
    other = type(GPT)(**{**GPT.__dict__, "shape": "encoder"})
    with pytest.raises(ConfigError, match="already"):
        families.register(other)
    assert families.get("gpt") is GPT


@every_family
def test_the_dial_turns_one_way(family: Family) -> None:
    sizes = list(family.sizes.values())
    for ordered in (
        [family.parameters(size, VOCABULARY) for size in sizes],
        [family.flops_per_token(size, VOCABULARY) for size in sizes],
        [-size.learning_rate for size in sizes],
        [size.tokens for size in sizes],
        [size.context for size in sizes],
    ):
        assert ordered == sorted(ordered)
    assert 0.8e6 < family.non_embedding_parameters(family.size("nano"), VOCABULARY) < 2e6


@pytest.mark.parametrize("family", [BART, BERT, ERNIE, LLAMA, LSTM, ROBERTA, T5], ids=lambda family: family.name)
def test_sizes_of_one_name_weigh_about_the_same(family: Family) -> None:
    for name in ("nano", "micro", "mini", "small", "medium"):
        share = family.non_embedding_parameters(family.size(name), VOCABULARY) / GPT.non_embedding_parameters(
            GPT.size(name), VOCABULARY
        )
        assert 0.85 < share < 1.15, name


def test_published_counts() -> None:
    assert GPT.parameters(GPT.size("xl"), 50_257) == 1_557_611_200  # as published with GPT-2
    assert GPT.parameters(GPT.size("small"), 50_257) == 124_439_808
    llama_1b = Size("1b", layers=16, width=2048, heads=32, context=1, learning_rate=1.0, batch_size=1)
    wider = 3 * 2048 * (8192 - inner_width(llama_1b)) * 16  # Llama 3.2 1B's MLP is four times the width
    assert LLAMA.parameters(llama_1b, 128_256) + wider == 1_235_814_400
    base, words = BERT.size("small"), 30_522  # BERT-base, without the head that predicts words
    assert BERT.parameters(base, words) - _head(base, words) == 109_482_240
    assert DISTILBERT.parameters(DISTILBERT.size("small"), words) - _head(base, words) == 66_362_880

    bart = Size("base", layers=6, width=768, heads=12, context=1024, learning_rate=1.0, batch_size=1)
    assert BART.parameters(bart, 50_265) + 2 * 2 * 768 == 139_420_416  # which has two unused positions in each half


def _head(size: Size, words: int) -> int:
    return size.width**2 + 3 * size.width + words


@pytest.mark.parametrize("family", [GPT, LLAMA], ids=["gpt", "llama"])
def test_shapes_fit_together(family: Family) -> None:
    for size in family.sizes.values():
        assert size.width % size.heads == 0
        assert size.context & (size.context - 1) == 0
        assert size.heads % kv_heads(size) == 0


@pytest.mark.parametrize("heads, expected", [(32, 8), (24, 6), (3, 1), (6, 2), (2, 2), (25, 25)])
def test_grouped_queries(heads: int, expected: int) -> None:
    size = Size("x", layers=1, width=8, heads=heads, context=16, learning_rate=1e-3, batch_size=1)
    assert kv_heads(size) == expected


@pytest.mark.parametrize("shape", [(1, 24, 6, 16), (2, 40, 4, 32)], ids=str)
@pytest.mark.parametrize("name", families.names())
def test_counts_are_those_of_the_built_model(name: str, shape: tuple[int, int, int, int]) -> None:
    family = families.get(name)
    layers, width, heads, context = shape
    size = Size("x", layers, width, heads if family is not LSTM else 0, context, learning_rate=1e-3, batch_size=1)
    task = family.build(size, VOCABULARY)
    counted = sum(int(np.prod(weight.shape)) for weight in task.weights)
    assert counted == family.parameters(size, VOCABULARY)
    tables = [weight for weight in task.trainable_weights if weight.path.endswith("embeddings")]
    assert sum(int(np.prod(weight.shape)) for weight in tables) == family.embedding_parameters(size, VOCABULARY)


@pytest.mark.parametrize(("family", "attention"), [(GPT, 12 * 2 * 8), (LLAMA, 12 * 2 * 8), (LSTM, 0)])
def test_flops_are_six_per_multiplied_weight_and_attention(family: Family, attention: int) -> None:
    heads = TOYS[family.name].heads
    size = Size("x", layers=2, width=8, heads=heads, context=16, learning_rate=1e-3, batch_size=1)
    multiplied = family.parameters(size, 100) - family.embedding_parameters(size, 100) + 100 * 8
    assert family.flops_per_token(size, 100) == 6 * multiplied + 16 * attention
    assert family.flops_per_token(size, 100, window=4) == 6 * multiplied + 4 * attention


def test_an_encoder_projects_hidden_positions_alone() -> None:
    size = TOYS["roberta"]
    body = ROBERTA.non_embedding_parameters(size, 100)
    attention = 12 * size.layers * size.width * size.context
    assert ROBERTA.flops_per_token(size, 100) == 6 * (body + 0.15 * 100 * size.width) + attention


@pytest.mark.parametrize(("family", "source", "target"), [(T5, 1.0, 0.2 / 0.9), (BART, 0.85, 1.0)])
def test_each_half_multiplies_its_own_tokens(family: Family, source: float, target: float) -> None:
    """Counted from the built model's matrices, and the lengths from the objective."""
    size = replace(family.size("nano"), context=64)
    counts = {"encoder": 0, "decoder": 0}
    for weight in family.build(size, 100).trainable_weights:
        if weight.path.endswith("kernel"):
            count = int(np.prod(weight.shape))
            of_states = "cross" in weight.path and ("key" in weight.path or "value" in weight.path)
            counts["encoder" if of_states or "encoder" in weight.path else "decoder"] += count
    attention = size.layers * size.width * 256 * (source**2 + target**2 + source * target)
    expected = 6 * (counts["encoder"] * source + (counts["decoder"] + 100 * size.width) * target) + 12 * attention
    assert family.flops_per_token(size, 100, window=256) == pytest.approx(expected, abs=1)
    kind = KINDS[family.tokenizer]
    objective = objectives.get(family.objective, Lexicon(kind, {t: n for n, t in enumerate(kind.special_tokens)}))
    shapes = objective.signature(1, 256)
    assert shapes["inputs"][1][1] / 256 == pytest.approx(source, abs=0.01)
    assert shapes["targets"][1][1] / 256 == pytest.approx(target, abs=0.01)


@every_family
def test_initial_weights_are_a_function_of_shape_and_seed(family: Family) -> None:
    size = TOYS[family.name]
    first = family.build(size, 50, seed=3)
    family.build(size, 60, seed=9)  # what was built before has no influence
    again, other = family.build(size, 50, seed=3), family.build(size, 50, seed=4)
    for one, same in zip(first.variables, again.variables, strict=True):
        np.testing.assert_array_equal(one, same)
    assert not np.array_equal(first.trainable_weights[0], other.trainable_weights[0])
    dropout_seeds = [tuple(np.array(v)) for v in first.non_trainable_variables if "seed" in v.path]
    assert len(set(dropout_seeds)) == len(dropout_seeds)


def test_projections_into_the_residual_stream_start_smaller() -> None:
    for family in (GPT, LLAMA):
        size = Size("x", layers=8, width=64, heads=4, context=16, learning_rate=1e-3, batch_size=1)
        weights = family.build(size, 50).trainable_weights
        deviations = {weight.path: float(np.std(weight)) for weight in weights if weight.path.endswith("kernel")}
        small = [path for path, deviation in deviations.items() if deviation < 0.01]
        assert len(small) == 2 * 8, family.name
        assert all("output" in path for path in small)


def test_t5_starts_as_in_the_paper() -> None:
    """Whatever goes into a matrix keeps its variance, and scores of attention have a variance of one."""
    weights = T5.build(T5.size("nano"), 500).trainable_weights
    found = {weight.path: float(np.std(weight)) for weight in weights}
    width, head = 128, 32
    for part, expected in {
        "token_embedding": 1.0,
        "self_attention/embeddings": width**-0.5,
        "query_projector": (width * head) ** -0.5,
        "key_projector": width**-0.5,
        "attention/output_projector": width**-0.5,
        "gate_projector": width**-0.5,
        "layer_2/output_projector": inner_width(T5.size("nano")) ** -0.5,
    }.items():
        matching = [deviation for path, deviation in found.items() if part in path]
        assert matching and matching == pytest.approx([expected] * len(matching), rel=0.15), part
    assert all(np.all(np.asarray(weight) == 1) for weight in weights if "norm" in weight.path)


def test_forget_gates_start_open() -> None:
    task = LSTM.build(TOYS["lstm"], 50)
    for layer in task.backbone.lstm_layers:
        np.testing.assert_array_equal(np.reshape(layer.cell.bias, (4, -1)).mean(axis=1), [0, 1, 0, 0])


def test_lstm_layers_are_those_of_keras() -> None:
    """All positions at once, one after the other, and with positions that are passed over."""
    import keras

    layer = LSTM.build(TOYS["lstm"], 50, seed=4).backbone.lstm_layers[0]
    width = layer.cell.units
    peer = keras.layers.LSTM(width, return_sequences=True, return_state=True)
    random = np.random.default_rng(5)
    x = random.standard_normal((3, 7, width), np.float32)
    before = list(random.standard_normal((2, 3, width), np.float32))
    present = np.array([[False] * 2 + [True] * 5, [True] * 6 + [False], [False] * 3 + [True] + [False] * 3])
    peer.build(x.shape)
    peer.set_weights(layer.get_weights())
    for mask in (None, present):
        hidden, _, cell = (np.asarray(value) for value in peer(x, initial_state=before, mask=mask))
        states = np.asarray(layer(x, initial_state=before, mask=mask))
        counted = np.ones((3, 7), bool) if mask is None else mask  # elsewhere Keras gives zeros, or what was before
        np.testing.assert_allclose(states[..., :width][counted], hidden[counted], rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(states[:, -1, width:], cell, rtol=1e-4, atol=1e-5)
    state = before
    for position in range(x.shape[1]):
        _, state = layer.cell(x[:, position], state)
    hidden, _, cell = peer(x, initial_state=before)
    np.testing.assert_allclose(state[0], hidden[:, -1], rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(state[1], cell, rtol=1e-4, atol=1e-5)


def test_lstm_reads_no_variable_in_its_loop() -> None:
    """Neither on the way there nor back: of what is read in a loop, TensorFlow keeps a copy for each position."""
    import tensorflow as tf

    task = LSTM.build(TOYS["lstm"], 50)
    weights = [variable.value for variable in task.trainable_variables]

    @tf.function(autograph=False)
    def gradient(ids: tf.Tensor) -> list[tf.Tensor]:
        with tf.GradientTape() as tape:
            total = tf.reduce_sum(LSTM.logits(task, {"inputs": ids}, True))
        return [tf.convert_to_tensor(one) for one in tape.gradient(total, weights)]

    functions = gradient.get_concrete_function(tf.TensorSpec((2, 9), tf.int32)).graph.as_graph_def().library.function
    bodies = [one for one in functions if "while" in one.signature.name and "body" in one.signature.name]
    layers = len(task.backbone.lstm_layers)
    assert len(bodies) >= 2 * layers, "a loop there and one back for each layer"
    assert not [node.name for body in bodies for node in body.node_def if node.op == "ReadVariableOp"]


def test_lstm_is_traced_by_many_threads_at_once() -> None:
    """A server traces a function for each length and sampling, each request in a thread of its own."""
    from concurrent.futures import ThreadPoolExecutor

    import tensorflow as tf

    layer = LSTM.build(TOYS["lstm"], 50, seed=4).backbone.lstm_layers[0]
    width = layer.cell.units
    x = np.random.default_rng(5).standard_normal((2, 6, width)).astype(np.float32)
    zeros = [np.zeros((2, width), np.float32)] * 2
    many, one = np.asarray(layer(x)), np.asarray(layer.cell(x[:, 0], zeros)[0])

    def traced(number: int) -> None:
        function = tf.function(layer if number % 2 else lambda inputs: layer.cell(inputs, zeros)[0], autograph=False)
        result = function(tf.constant(x if number % 2 else x[:, 0]))
        np.testing.assert_allclose(result, many if number % 2 else one, atol=1e-5)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(traced, range(16)))


def test_lstm_keeps_its_file_format(tmp_path: Path) -> None:
    """Keras names the groups in a weights file by the classes of layers."""
    import h5py

    LSTM.build(TOYS["lstm"], 50).backbone.save_weights(tmp_path / "model.weights.h5")
    with h5py.File(tmp_path / "model.weights.h5") as file:
        names: list[str] = []
        file.visit(names.append)
    assert {"layers/rnn/cell/vars/0", "layers/rnn_1/cell/vars/2"} <= set(names), names


def test_a_student_starts_from_every_second_layer_of_its_teacher() -> None:
    from keras import ops

    size = Size("x", layers=3, width=8, heads=2, context=16, learning_rate=1e-3, batch_size=1)
    teacher, student = BERT.build(size, 50, seed=1), DISTILBERT.build(replace(size, layers=2), 50, seed=2)
    DISTILBERT.start_from(student, teacher)
    ids = np.arange(24, dtype=np.int32).reshape(2, 12)
    batch = {"inputs": ops.convert_to_tensor(ids), "positions": ops.convert_to_tensor([[1, 5], [0, 11]])}
    x = teacher.backbone.token_embedding(ids) + teacher.backbone.position_embedding(np.zeros((2, 12, 8)))
    x = teacher.backbone.embeddings_layer_norm(x + teacher.backbone.segment_embedding(np.zeros_like(ids)))
    for index in (0, 2):
        x = teacher.backbone.transformer_layers[index](x, padding_mask=np.ones_like(ids))
    expected = teacher.masked_lm_head(x, batch["positions"])
    np.testing.assert_allclose(DISTILBERT.logits(student, batch, False), expected, rtol=1e-4, atol=1e-5)


def test_of_bert_all_but_the_pooler_is_trained() -> None:
    task = BERT.build(TOYS["bert"], 50)
    trained = {weight.path for weight in task.trainable_weights}
    assert {weight.path for weight in task.weights} - trained == {"pooled_dense/kernel", "pooled_dense/bias"}


def test_the_table_can_be_written_as_json() -> None:
    rows = [vars(row) for row in families.table(VOCABULARY)]
    nano = next(row for row in rows if (row["family"], row["size"]) == ("gpt", "nano"))
    assert nano["parameters"] == GPT.parameters(GPT.size("nano"), VOCABULARY)
    assert {row["family"] for row in json.loads(json.dumps(rows))} == set(families.names())
