"""Folders of Hugging Face against golden arrays, both ways, and what is refused."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

from governance.errors import DataError
from tests.zoo.exchange.folders import NAMES, Golden, answers, difference, tensors
from zoo.exchange.architecture import Fixed
from zoo.exchange.architectures import ARCHITECTURES, FAMILIES, of_family, of_model_type
from zoo.exchange.hugging_face import Checkpoint, architecture_of, read_model, write_model

#: Rows of a position table that no input reaches are not kept: RoBERTa's and BART's first two.
_UNREACHED = re.compile(r"(position_embeddings|embed_positions)\.weight$")


@pytest.fixture(scope="module", params=NAMES)
def case(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Golden, Path, Checkpoint]:
    golden = Golden.open(request.param)
    folder = golden.write(tmp_path_factory.mktemp(request.param))
    return golden, folder, read_model(folder)


def written(checkpoint: Checkpoint, folder: Path) -> Path:
    folder.mkdir()
    context = checkpoint.context or 512
    write_model(checkpoint.task, folder, lexicon=None, context=context, without=checkpoint.fresh)
    return folder


def settings(checkpoint: Checkpoint) -> dict[str, Any]:
    return {**checkpoint.task.backbone.get_config(), "name": ""}


def test_all_seven_are_covered() -> None:
    assert {re.sub("_.*", "", name) for name in NAMES} == set(ARCHITECTURES)


def test_answers_are_those_of_transformers(case: tuple[Golden, Path, Checkpoint]) -> None:
    golden, _, checkpoint = case
    differences = difference(answers(checkpoint.task, golden.inputs), golden)
    assert set(differences) == set(golden.outputs)
    assert max(differences.values()) < 1e-5, differences
    assert min(float(np.abs(value).max()) for value in golden.outputs.values()) > 0.5  # they say something


def test_what_is_written_is_what_was_read(case: tuple[Golden, Path, Checkpoint], tmp_path: Path) -> None:
    golden, folder, checkpoint = case
    out = written(checkpoint, tmp_path / "out")
    before, after = tensors(folder), tensors(out)
    assert before.keys() == after.keys()
    types = {name for name in before if name.endswith("token_type_embeddings.weight")}
    folded = before[types.pop()][0] if golden.config["model_type"] == "roberta" else 0
    for name, tensor in before.items():
        unreached = 2 if _UNREACHED.search(name) and golden.config["model_type"] in ("roberta", "bart") else 0
        if unreached:
            np.testing.assert_array_equal(after[name][unreached:], tensor[unreached:] + folded)
            assert not after[name][:unreached].any()
        elif "token_type_embeddings" in name and golden.config["model_type"] == "roberta":
            assert not after[name].any()
        else:
            np.testing.assert_array_equal(after[name], tensor, err_msg=name)


def test_a_written_model_is_read_with_the_same_answers(case: tuple[Golden, Path, Checkpoint], tmp_path: Path) -> None:
    golden, _, checkpoint = case
    again = read_model(written(checkpoint, tmp_path / "out"))
    assert again.fresh == checkpoint.fresh
    for name, value in answers(checkpoint.task, golden.inputs).items():
        if not (name == "logits" and "head" in checkpoint.fresh):
            np.testing.assert_array_equal(answers(again.task, golden.inputs)[name], value)
    assert tensors(written(again, tmp_path / "again")).keys() == tensors(tmp_path / "out").keys()


def test_the_configuration_comes_back(case: tuple[Golden, Path, Checkpoint], tmp_path: Path) -> None:
    golden, _, checkpoint = case
    config = json.loads((written(checkpoint, tmp_path / "out") / "config.json").read_text())
    ours = {"torch_dtype", "n_positions"}  # T5's is not in each folder
    normal = {"n_inner", "tie_word_embeddings", "type_vocab_size"}
    for name in set(config) - ours - normal:
        if name in golden.config:
            assert config[name] == golden.config[name], name
    missing = {name for name in set(config) - ours - normal if name not in golden.config}
    assert missing <= {"position_embedding_type", "scale_decoder_outputs", "rope_theta", "rope_scaling"}


def test_initial_weights_of_a_missing_head_follow_from_the_seed(tmp_path: Path) -> None:
    folder = Golden.open("bert_body").write(tmp_path / "in")
    one, same, other = (read_model(folder, seed=seed) for seed in (3, 3, 4))
    assert one.fresh == ("head",)
    for first, second in zip(one.task.variables, same.task.variables, strict=True):
        np.testing.assert_array_equal(first, second)
    head = [model.task.masked_lm_head._intermediate_dense.kernel for model in (one, other)]
    assert not np.array_equal(*head)


def changed(name: str, folder: Path, change: Any) -> Path:
    golden = Golden.open(name)
    change(golden.tensors)
    return golden.write(folder)


def _swap(tensors: dict[str, np.ndarray], name: str) -> None:
    tensors[name] = tensors[name][:-1]


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("gpt2", lambda t: t.pop("transformer.h.1.ln_2.bias"), r"tensor h\.1\.ln_2\.bias is missing"),
        ("bert", lambda t: t.pop("cls.predictions.bias"), r"cls\.predictions\.bias is missing"),
        ("gpt2", lambda t: t.update({"score.weight": np.ones((2, 8), "f")}), r"score\.weight has no place"),
        ("llama", lambda t: _swap(t, "model.norm.weight"), r"norm\.weight has the shape \[7\], .* \[8\]"),
        ("gpt2", lambda t: _swap(t, "transformer.wte.weight"), r"wte\.weight has the shape \[31, 8\], .* \[32, 8\]"),
        ("gpt2", lambda t: t.update({"lm_head.weight": np.ones((32, 8), "f")}), "lm_head.weight and wte.weight differ"),
        ("bart", lambda t: t.update(final_logits_bias=np.ones((1, 32), "f")), "final_logits_bias is not zero"),
    ],
)
def test_each_tensor_is_accounted_for(name: str, change: Any, message: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=message):
        read_model(changed(name, tmp_path / "in", change))


def test_copies_masks_and_second_heads_are_no_weights(tmp_path: Path) -> None:
    def more(tensors: dict[str, np.ndarray]) -> None:
        tensors["lm_head.weight"] = tensors["transformer.wte.weight"]
        tensors["transformer.h.0.attn.bias"] = np.ones((1, 1, 16, 16), "f")

    assert read_model(changed("gpt2", tmp_path / "gpt2", more)).left_out == ()
    second = changed(
        "bert", tmp_path / "bert", lambda t: t.update({"cls.seq_relationship.weight": np.ones((2, 8), "f")})
    )
    assert read_model(second).left_out == ("cls.seq_relationship.weight",)


@pytest.mark.parametrize(
    ("name", "settings", "message"),
    [
        ("gpt2", {"activation_function": "relu"}, "activation_function is 'relu'"),
        ("gpt2", {"scale_attn_by_inverse_layer_idx": True}, "scale_attn_by_inverse_layer_idx is True"),
        ("llama", {"rope_parameters": {"rope_type": "yarn", "rope_theta": 1e4}}, "rope_type is 'yarn'"),
        ("llama", {"head_dim": 4}, "head_dim is 4"),
        ("llama", {"attention_bias": True}, "attention_bias is True"),
        ("t5", {"feed_forward_proj": "gated-mish"}, "feed_forward_proj is 'gated-mish'"),
        ("t5", {"num_decoder_layers": 3}, "num_layers 2 and num_decoder_layers 3 differ"),
        ("t5", {"relative_attention_num_buckets": 16}, "relative_attention_num_buckets is 16"),
        ("bart", {"decoder_ffn_dim": 32}, "encoder_ffn_dim 24 and decoder_ffn_dim 32 differ"),
        ("bart", {"scale_embedding": True}, "scale_embedding is True"),
        ("bert", {"position_embedding_type": "relative_key"}, "position_embedding_type is 'relative_key'"),
        ("roberta", {"pad_token_id": 3}, "pad_token_id is 3"),
        ("bert", {"hidden_size": None}, "hidden_size is missing"),
        ("bert", {"model_type": "mpnet"}, "model_type is 'mpnet'"),
        ("bert", {"model_type": None}, "model_type is None"),
    ],
)
def test_features_that_keras_hub_does_not_have_are_refused_by_name(
    name: str, settings: dict[str, Any], message: str, tmp_path: Path
) -> None:
    with pytest.raises(DataError, match=message):
        read_model(Golden.open(name).write(tmp_path / "in", **settings))


def test_older_names_of_rotary_settings(tmp_path: Path) -> None:
    golden = Golden.open("llama_untied")
    rope = dict(golden.config["rope_parameters"])
    older = {"rope_parameters": None, "rope_theta": rope.pop("rope_theta"), "rope_scaling": rope}
    task = read_model(golden.write(tmp_path / "in", **older)).task
    assert max(difference(answers(task, golden.inputs), golden).values()) < 1e-5


@pytest.mark.parametrize("name", ["llama", "llama_untied"])
def test_rotary_settings_are_written_in_both_names(name: str, tmp_path: Path) -> None:
    golden = Golden.open(name)
    read = read_model(
        golden.write(tmp_path / "in", rope_parameters={**golden.config["rope_parameters"], "rope_theta": 5e5})
    )
    config = json.loads((written(read, tmp_path / "out") / "config.json").read_text())
    scaling = {key: value for key, value in config["rope_parameters"].items() if key != "rope_theta"}
    assert config["rope_theta"] == config["rope_parameters"]["rope_theta"] == 5e5
    assert config["rope_scaling"] == (None if scaling == {"rope_type": "default"} else scaling)
    # What each version reads is the whole: 4 has no rope_parameters, 5 may lose the others.
    without = ({"rope_parameters": None}, {"rope_theta": None, "rope_scaling": None})
    for number, changes in enumerate(without):
        again = read_model(golden.write(tmp_path / str(number), **{**config, **changes}))
        assert settings(again) == settings(read)


@pytest.mark.parametrize("epsilon", [1e-12, 1e-3])
def test_an_encoder_with_another_epsilon_is_read_exactly(epsilon: float, tmp_path: Path) -> None:
    golden = Golden.open("roberta")
    read = read_model(golden.write(tmp_path / "in", layer_norm_eps=epsilon))
    assert type(read.task).__module__ == "zoo.families.encoder_models"
    norms = [layer for layer in read.task._flatten_layers() if type(layer).__name__ == "LayerNormalization"]
    assert {layer.epsilon for layer in norms} == {epsilon}
    assert len(norms) == 1 + 2 * 2 + 1
    config = json.loads((written(read, tmp_path / "out") / "config.json").read_text())
    assert config["layer_norm_eps"] == epsilon


def test_keras_hubs_own_bert_is_not_written_with_other_answers() -> None:
    import keras_hub

    shape = {"vocabulary_size": 9, "num_layers": 1, "num_heads": 1, "hidden_dim": 4, "intermediate_dim": 4}
    bert = keras_hub.models.BertMaskedLM(keras_hub.models.BertBackbone(**shape))
    with pytest.raises(DataError, match="other constants in its head"):
        architecture_of(bert)
    albert = keras_hub.models.AlbertMaskedLM(keras_hub.models.AlbertBackbone(**shape, embedding_dim=4))
    with pytest.raises(DataError, match="no counterpart of AlbertBackbone"):
        architecture_of(albert)


def test_files_of_a_folder(tmp_path: Path) -> None:
    golden = Golden.open("gpt2")
    sharded = golden.write(tmp_path / "sharded")
    (sharded / "model.safetensors").unlink()
    names = sorted(golden.tensors)
    index = {}
    for number, part in enumerate((names[:9], names[9:])):
        file = f"model-0000{number + 1}-of-00002.safetensors"
        save_file({name: golden.tensors[name] for name in part}, sharded / file)
        index |= dict.fromkeys(part, file)
    (sharded / "model.safetensors.index.json").write_text(json.dumps({"weight_map": index}))
    assert max(difference(answers(read_model(sharded).task, golden.inputs), golden).values()) < 1e-5

    (sharded / "model.safetensors.index.json").write_text(json.dumps({"weight_map": {"a": "../a.safetensors"}}))
    with pytest.raises(DataError, match="not beside it"):
        read_model(sharded)

    pickled = golden.write(tmp_path / "pickled")
    (pickled / "model.safetensors").rename(pickled / "pytorch_model.bin")
    with pytest.raises(DataError, match=r"pickle can run code.*save_pretrained"):
        read_model(pickled)
    (pickled / "pytorch_model.bin").unlink()
    with pytest.raises(DataError, match="there is no model.safetensors"):
        read_model(pickled)
    (pickled / "model.safetensors").write_bytes(b"\x08\x00\x00\x00\x00\x00\x00\x00{}      rest")
    with pytest.raises(DataError, match="unreadable"):
        read_model(pickled)
    (pickled / "config.json").write_text("[]")
    with pytest.raises(DataError, match="no JSON object"):
        read_model(pickled)


def test_half_precision_is_read_as_float32(tmp_path: Path) -> None:
    golden = Golden.open("gpt2")
    folder = golden.write(tmp_path / "half")
    save_file(
        {name: tensor.astype(np.float16) for name, tensor in golden.tensors.items()}, folder / "model.safetensors"
    )
    assert max(difference(answers(read_model(folder).task, golden.inputs), golden).values()) < 1e-5  # they are rounded

    header, data, start = {}, b"", 0
    for name, tensor in golden.tensors.items():
        upper = (tensor.astype("<f4").view("<u4") >> 16).astype("<u2").tobytes()
        header[name] = {"dtype": "BF16", "shape": tensor.shape, "data_offsets": [start, start + len(upper)]}
        data, start = data + upper, start + len(upper)
    text = json.dumps(header).encode()
    (folder / "model.safetensors").write_bytes(len(text).to_bytes(8, "little") + text + data)
    table = np.asarray(read_model(folder).task.backbone.token_embedding.embeddings)
    wanted = golden.tensors["transformer.wte.weight"]
    np.testing.assert_allclose(table, wanted, rtol=2**-7, atol=0)
    assert not np.array_equal(table, wanted)


def test_names_of_architectures() -> None:
    assert of_family("gpt") is ARCHITECTURES["gpt2"]
    assert {"bert", "distilbert", "t5", "bart", "roberta", "llama", "gpt"} <= set(FAMILIES)
    with pytest.raises(Exception, match="no counterpart of the family lstm"):
        of_family("lstm")
    with pytest.raises(DataError, match="model_type is 5"):
        of_model_type(5, where="x")
    for architecture in ARCHITECTURES.values():
        assert all(isinstance(fixed, Fixed) and fixed.absent in fixed.values for fixed in architecture.fixed)
