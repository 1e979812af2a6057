"""Adapters: where they go, what they compute, that they are saved by path and merged into plain models."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import keras
import keras_hub
import numpy as np
import pytest

from governance.errors import ConfigError, DataError
from tests.zoo.tasks.examples import ToyTraining
from tests.zoo.toy import OBJECTIVES, TOYS, VOCABULARY, ToyTokens, toy_fit, toy_plan, toy_task
from zoo import families, lora
from zoo.fit import fit
from zoo.objectives import CausalLM

IDS = np.random.default_rng(0).integers(0, VOCABULARY, (2, 8)).astype(np.int32)


def outputs(task: Any, family: str) -> np.ndarray:
    arrays = {"inputs": IDS, "positions": np.tile(np.arange(3, dtype=np.int32), (2, 1))}
    if families.get(family).shape == "seq2seq":
        arrays = {"inputs": IDS, "padding_mask": np.ones_like(IDS), "decoder_inputs": IDS}
    batch = {name: keras.ops.convert_to_tensor(array) for name, array in arrays.items()}
    return np.asarray(families.get(family).logits(task, batch, False))


def randomised(adapter: lora.Adapter) -> lora.Adapter:
    """With a B that is not zero."""
    random = np.random.default_rng(1)
    for b in adapter.trainable_variables[1::2]:
        b.assign(random.normal(size=b.shape))
    return adapter


LAYER = "transformer_layer_0/self_attention"
OF_SEQ2SEQ = {  # of the encoder's layer, then of the decoder's, which looks at itself and at the encoder
    "bart": ["query", "value"] * 3,
    "t5": ["query_projector", "value_projector"] * 3,
}


@pytest.mark.parametrize("family", sorted(TOYS))
def test_each_family_by_default(family: str, tmp_path: Path) -> None:
    task = toy_task(toy_plan(), family)
    plain = outputs(task, family)
    adapter = lora.apply(task, rank=2, alpha=6, seed=3)
    names = [path.removesuffix("/kernel").rpartition("/")[2] for path in adapter.paths]
    if family == "lstm":
        assert [path.rpartition("/")[2] for path in adapter.paths] == ["kernel", "recurrent_kernel"] * 2
    else:
        assert sorted(names) == sorted(OF_SEQ2SEQ.get(family, ["query", "value"]) * TOYS[family].layers)
    assert task.trainable_variables == []
    with adapter.applied():
        np.testing.assert_array_equal(outputs(task, family), plain)  # B is zero
    randomised(adapter)
    np.testing.assert_array_equal(outputs(task, family), plain)  # the base is as it was
    with adapter.applied():
        adapted = outputs(task, family)
    assert np.abs(adapted - plain).max() > 1e-3

    adapter.save(tmp_path / "adapter.npz")
    toy_task(toy_plan(), "gpt")  # moves the numbers in Keras' names on
    other = toy_task(toy_plan(), family)
    loaded = lora.load(tmp_path / "adapter.npz", other)
    assert (loaded.rank, loaded.alpha, loaded.paths) == (2, 6, adapter.paths)
    merged = loaded.merge()
    assert merged is other and len(other.trainable_variables) == len(toy_task(toy_plan(), family).trainable_variables)
    np.testing.assert_allclose(outputs(merged, family), adapted, rtol=1e-4, atol=1e-5)


def test_effective_kernels_against_numpy() -> None:
    """Query is [width, heads, head width] and sums over the first axis, the output over the first two."""
    task = toy_task(toy_plan())
    before = {weight.path: np.array(weight.value) for weight in task.weights}
    adapter = randomised(lora.apply(task, 3, 5.0, ["query", "attention_output", "token_embedding"]))
    parts = dict(zip(adapter.paths, zip(*[iter(adapter.trainable_variables)] * 2, strict=True), strict=True))
    adapter.merge()
    after = {weight.path: np.array(weight.value) for weight in task.weights}
    assert len(parts) == 3
    for path, (a, b) in parts.items():
        shape = before[path].shape
        assert a.shape[1] == b.shape[0] == 3
        change = (after[path] - before[path]).reshape(a.shape[0], b.shape[1])
        np.testing.assert_allclose(change, 5 / 3 * np.array(a.value) @ np.array(b.value), rtol=1e-4, atol=1e-5)
        assert np.linalg.matrix_rank(change, tol=1e-4) == 3
        assert a.shape[0] == (shape[0] if "output" not in path else shape[0] * shape[1])
    untouched = set(before) - set(parts)
    assert untouched and all((before[path] == after[path]).all() for path in untouched)


def test_initial_values_are_a_function_of_the_seed() -> None:
    first, second, third = (
        [np.array(variable.value) for variable in lora.apply(toy_task(toy_plan()), 2, seed=seed).trainable_variables]
        for seed in (1, 1, 2)
    )
    for a, same, other in zip(first[::2], second[::2], third[::2], strict=True):
        np.testing.assert_array_equal(a, same)
        assert (a != other).all()
    assert not any(b.any() for b in first[1::2])


@pytest.mark.parametrize(
    ("targets", "message"),
    [
        (["querry"], 'no layer matches "querry" \\(did you mean "query"\\?\\).*attention_output.*token_embedding'),
        (["query", "nothing"], 'no layer matches "nothing"'),
        (["layer_norm"], "no layer matches"),
    ],
)
def test_a_target_that_is_not_there(targets: list[str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        lora.apply(toy_task(toy_plan()), 2, targets=targets)


def test_patterns_of_paths() -> None:
    task = keras.Sequential([keras.layers.Dense(4, name=f"dense_{i}") for i in "abc"], name="outer")
    task.build((None, 3))
    assert [path.split("/")[-2] for path in lora.apply(task, 1, targets=["dense_[ab]"]).paths] == ["dense_a", "dense_b"]
    assert len(lora.apply(task, 1, targets=["*"]).paths) == 3
    with pytest.raises(ConfigError, match='no layer matches "query".*layers that have a matrix: dense_a'):
        lora.apply(task, 1)


def backbones() -> dict[str, Any]:
    small = {"vocabulary_size": 30, "num_layers": 2, "num_heads": 2, "hidden_dim": 8, "intermediate_dim": 16}
    return {
        "t5": keras_hub.models.T5Backbone(**small, key_value_dim=4),
        "bert": keras_hub.models.BertBackbone(**small),
        "distilbert": keras_hub.models.DistilBertBackbone(**small),
        "bart": keras_hub.models.BartBackbone(**small),
    }


def test_backbones_of_keras_hub(tmp_path: Path) -> None:
    """Encoders have two adapted kernels a layer, decoders with cross-attention four; files fit a second model."""
    others = backbones()
    for name, backbone in backbones().items():
        others[name].set_weights(backbone.get_weights())
        adapter = randomised(lora.apply(backbone, 2))
        assert len(adapter.paths) == len(set(adapter.paths)) == (12 if name in ("t5", "bart") else 4), name
        adapter.save(tmp_path / name)
        inputs = {key: keras.ops.ones((1, 5), "int32") for key in backbone.input}
        with adapter.applied():
            adapted = keras.tree.flatten(backbone(inputs))
        merged = keras.tree.flatten(lora.load(tmp_path / name, others[name]).merge()(inputs))
        for left, right in zip(adapted, merged, strict=True):
            np.testing.assert_allclose(left, right, rtol=1e-3, atol=1e-4, err_msg=name)


def test_files_that_do_not_fit(tmp_path: Path) -> None:
    path = tmp_path / "adapter.npz"
    lora.apply(toy_task(toy_plan()), 2).save(path)
    with pytest.raises(DataError, match="the model has no weight"):
        lora.load(path, toy_task(toy_plan(), "lstm"))
    with pytest.raises(DataError, match="numbers"):
        lora.load(path, families.get("gpt").build(families.get("gpt").sizes["nano"], VOCABULARY))
    for content in (b"", b"no archive"):
        path.write_bytes(content)
        with pytest.raises(DataError, match="no adapter"):
            lora.load(path, toy_task(toy_plan()))
    np.savez(path, meta=np.array([{"rank": 1}], dtype=object), allow_pickle=True)
    with pytest.raises(DataError, match="no adapter"):
        lora.load(path, toy_task(toy_plan()))


@pytest.mark.parametrize("family", ["gpt", "lstm", "roberta"])
def test_training_changes_the_adapted_weights_alone(tmp_path: Path, family: str) -> None:
    plan = toy_plan(lora={"rank": 2}, learning_rate=0.05, jit=False)
    task = toy_task(plan, family)
    before = {weight.path: np.array(weight.value) for weight in task.weights}
    result = fit(
        task,
        ToyTokens(),
        plan,
        family=families.get(family),
        objective=OBJECTIVES.get(family, CausalLM()),
        fingerprint="f",
        checkpoints=tmp_path,
    )
    assert result.adapter is not None
    changed = {w.path for w in task.weights if (np.array(w.value) != before[w.path]).any()}
    assert changed == set(result.adapter.paths)
    newest = max(tmp_path.iterdir())
    with np.load(newest) as file:
        saved = sum(file[name].size for name in file.files if name.startswith("array:"))
    assert saved < 3.1 * result.adapter.parameters + 100, "adapter, two moments, and seeds"


@pytest.mark.parametrize(("name", "family"), [("classify", "lstm"), ("tag", "roberta"), ("reward", "gpt")])
def test_a_new_head_is_trained_whole(tmp_path: Path, name: str, family: str) -> None:
    training = ToyTraining.of(name, family)
    model = training.model()
    before = {weight.path: np.array(weight.value) for weight in model.weights}
    settings = {"steps": 40, "learning_rate": 0.02, "lora": {"rank": 4, "targets": ["*"]}}
    result = training.fit(model, tmp_path / "checkpoints", **settings)
    assert result.adapter is not None and np.mean(result.losses[-8:]) < np.mean(result.losses[:8])
    changed = {w.path for w in model.weights if (np.array(w.value) != before[w.path]).any()}
    head = {"head_dense/kernel"} | ({"head_dense/bias"} if name != "reward" else set())  # what both answers share
    assert not head & {*result.adapter.paths} and changed == {*result.adapter.paths, *head}

    result.adapter.save(tmp_path / "adapter.npz")
    other = lora.load(tmp_path / "adapter.npz", training.model()).merge()
    assert len(other.trainable_variables) == len(training.model().trainable_variables)
    for ours, theirs in zip(model.weights, other.weights, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-6, err_msg=ours.path)


def test_a_head_with_an_adapter_goes_on_after_a_stop(tmp_path: Path) -> None:
    training = ToyTraining.of("classify", "roberta")
    settings = {"steps": 12, "checkpoint_every": 5, "evaluate_every": 3, "accumulate": 2, "ema": 0.8}
    settings["lora"] = {"rank": 2}
    first = training.fit(training.model(), tmp_path, **settings)
    for newest in sorted(tmp_path.glob("step-*.npz"))[1:]:
        newest.unlink()  # as if it had been killed after step 10
    again = training.fit(training.model(), tmp_path, **settings)
    assert again.losses == first.losses and again.evaluations == first.evaluations
    assert first.adapter is not None and again.adapter is not None
    for one, other in zip(first.adapter.trainable_variables, again.adapter.trainable_variables, strict=True):
        np.testing.assert_array_equal(one, other)


HEAD = {"head_dense/kernel:whole": np.ones((32, 4), np.float32), "head_dense/bias:whole": np.ones(4, np.float32)}


@pytest.mark.parametrize(
    ("change", "meta", "message"),
    [
        ({"head_dense/bias:whole": np.ones(5, np.float32)}, {}, r'"head_dense/bias:whole" has \(5,\) instead of'),
        ({"head_dense/bias:whole": None}, {}, r'"head_dense/bias:whole" has no instead of \(4,\)'),
        ({"token_embedding/embeddings:whole": np.ones(4, np.float32)}, {}, "instead of no numbers"),
        ({"head_dense/kernel:a": np.ones((32, 2), np.float32)}, {}, 'no weight "head_dense/kernel" to adapt'),
        ({"head_dense/bias:whole": np.full(4, np.nan, np.float32)}, {}, "no adapter"),
        ({"head_dense/bias:whole": np.array(["x"] * 4)}, {}, "no adapter"),
        ({}, {"rank": 0}, "no adapter"),
        ({}, {"rank": float("inf")}, "no adapter"),
        ({}, {"alpha": float("nan")}, "no adapter"),
    ],
)
def test_a_file_that_does_not_fit_changes_nothing(
    tmp_path: Path, change: dict[str, Any], meta: dict[str, Any], message: str
) -> None:
    model = ToyTraining.of("classify", "roberta").model()
    before = [np.array(weight.value) for weight in model.weights]
    arrays = {name: array for name, array in (HEAD | change).items() if array is not None}
    about = np.frombuffer(json.dumps({"rank": 2, "alpha": 4.0} | meta).encode(), np.uint8)
    np.savez(tmp_path / "adapter.npz", allow_pickle=False, meta=about, **arrays)
    with pytest.raises(DataError, match=message):
        lora.load(tmp_path / "adapter.npz", model)
    for weight, old in zip(model.weights, before, strict=True):
        np.testing.assert_array_equal(weight, old)
    assert model.trainable_variables, "still free to be trained"


def test_an_adapter_of_everything_learns(tmp_path: Path) -> None:
    """From random weights, which a small rank cannot make up for: here it is the model's whole width."""
    rarely = dict.fromkeys(("evaluate_every", "checkpoint_every"), 100)
    result = toy_fit(tmp_path, lora={"rank": 16, "alpha": 16, "targets": ["*"]}, steps=200, dropout=0.0, **rarely)
    assert result.metrics["val_bits_per_byte"] < 0.75 * result.metrics["untrained_bits_per_byte"]


def test_a_merged_task_is_saved_as_a_plain_preset(tmp_path: Path) -> None:
    task = toy_task(toy_plan())
    adapter = randomised(lora.apply(task, 2))
    with adapter.applied():
        adapted = outputs(task, "gpt")
    adapter.merge().backbone.save_to_preset(str(tmp_path / "preset"))
    backbone = keras_hub.models.Backbone.from_preset(str(tmp_path / "preset"))
    loaded = keras_hub.models.GPT2CausalLM(backbone, preprocessor=None)
    np.testing.assert_allclose(outputs(loaded, "gpt"), adapted, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("family", families.names())
def test_every_matrix_has_a_name_of_its_own(family: str, tmp_path: Path) -> None:
    """Also the tables of distances of a t5, which Keras gives one path."""
    adapter = randomised(lora.apply(toy_task(toy_plan(), family), 2, targets=["*"]))
    assert len(adapter.paths) == len(set(adapter.paths)) > 4
    adapter.save(tmp_path / "adapter.npz")
    loaded = lora.load(tmp_path / "adapter.npz", toy_task(toy_plan(), family))
    for left, right in zip(adapter.trainable_variables, loaded.trainable_variables, strict=True):
        np.testing.assert_array_equal(left, right)
