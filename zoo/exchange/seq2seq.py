"""T5 and BART: names of their weights and settings on both sides."""

from __future__ import annotations

from typing import Any

from governance.errors import DataError
from zoo.exchange.architecture import Architecture, Config, Fixed, Setting
from zoo.exchange.weights import FLAT, INTO, OUT_OF, SAME, Form, Weight
from zoo.families.activations import NAMES, activation_function, activation_name

_SIDES = ("encoder", "decoder")
#: BART's position table begins with two rows that no position has.
_POSITIONS = Form(SAME.matrix, unused_rows=2)


def _t5_body(config: Config) -> list[Weight]:
    table = [Weight("token_embedding/embeddings", "shared.weight")]
    for number, side in enumerate(_SIDES):
        table.append(Weight(f"{side}_output_layer_norm/weight", f"{side}.final_layer_norm.weight"))
        positions = "self_attention/embeddings" + ("#2" if number else "")
        name = f"{side}.block.0.layer.0.SelfAttention.relative_attention_bias.weight"
        table.append(Weight(positions, name))
        for n in range(config["num_layers"]):
            table += _t5_layer(f"transformer_{side}_layer_{n}", f"{side}.block.{n}", side, config)
    return table


def _t5_layer(keras: str, tensor: str, side: str, config: Config) -> list[Weight]:
    attentions = [("self_attention", "layer.0.SelfAttention")]
    if side == "decoder":
        attentions.append(("cross_attention", "layer.1.EncDecAttention"))
    last = len(attentions)
    table = []
    for own, name in attentions:
        for role in ("query", "key", "value", "output"):
            table.append(Weight(f"{keras}/{own}/{role}_projector/kernel", f"{tensor}.{name}.{role[0]}.weight", INTO))
    inner = {"input": "wi_0", "gate": "wi_1"} if config["use_gated_activation"] else {"input": "wi"}
    for own, name in {**inner, "output": "wo"}.items():
        full = f"{tensor}.layer.{last}.DenseReluDense.{name}.weight"
        table.append(Weight(f"{keras}/{own}_projector/kernel", full, INTO))
    for index in range(last + 1):
        path = f"{keras}/t5_layer_norm/weight" + (f"#{index + 1}" if index else "")
        table.append(Weight(path, f"{tensor}.layer.{index}.layer_norm.weight"))
    return table


def _t5_head(config: Config) -> list[Weight]:
    """Version 1.1 has an output projection of its own. transformers 5 leaves it out of a file when it is
    the token table after all, and does not scale the states then, unlike version 1.0."""
    if config["tie_embedding_weights"]:
        return []
    return [Weight("token_embedding/reverse_embeddings", "lm_head.weight", INTO, otherwise="shared.weight")]


def _t5_rest(config: Config) -> dict[str, Any]:
    kind = config.get("feed_forward_proj", "relu")
    name = "gelu_new" if kind == "gated-gelu" else kind.removeprefix("gated-")  # their name for tanh's
    if name not in NAMES:
        raise DataError(
            f"feed_forward_proj is {kind!r}, and of its functions {', '.join(NAMES)} are known",
            fix="this model cannot be read without changing its answers",
        )
    layers = config["num_layers"]
    if (config.get("num_decoder_layers") or layers) != layers:
        raise DataError(
            f"num_layers {layers} and num_decoder_layers {config['num_decoder_layers']} differ, and keras-hub's "
            "T5Backbone has one setting for both",
            fix="this model cannot be read without changing its answers",
        )
    tied = config.get("scale_decoder_outputs", config.get("tie_word_embeddings", True))
    return {
        "activation": activation_function(name),
        "use_gated_activation": kind.startswith("gated-"),
        "tie_embedding_weights": bool(tied),
    }


def _t5_more(arguments: Config) -> dict[str, Any]:
    import keras

    name = activation_name(keras.activations.get(arguments["activation"]))
    if name is None:
        raise DataError(f"the activation {arguments['activation']!r} has no name in Hugging Face's T5")
    gated = arguments["use_gated_activation"]
    if gated and name == "gelu":
        raise DataError("a gate with the exact GELU has no name in Hugging Face's T5, which takes tanh's for it")
    kind = "gelu" if gated and name == "gelu_new" else name
    tied = arguments["tie_embedding_weights"]
    return {
        "feed_forward_proj": f"gated-{kind}" if gated else kind,
        "num_decoder_layers": arguments["num_layers"],
        "d_kv": arguments["key_value_dim"] or arguments["hidden_dim"] // arguments["num_heads"],
        "tie_word_embeddings": tied,
        "scale_decoder_outputs": tied,
        "is_encoder_decoder": True,
    }


T5 = Architecture(
    name="t5",
    classes=("T5ForConditionalGeneration", "T5Model"),
    prefix="",
    backbone="T5Backbone",
    task="T5Seq2SeqLM",
    settings=(
        Setting("vocabulary_size", ("vocab_size",)),
        Setting("num_layers", ("num_layers",)),
        Setting("num_heads", ("num_heads",)),
        Setting("hidden_dim", ("d_model",)),
        Setting("intermediate_dim", ("d_ff",)),
        Setting("key_value_dim", ("d_kv",), absent=64),
        Setting("layer_norm_epsilon", ("layer_norm_epsilon",), absent=1e-6),
        Setting("dropout", ("dropout_rate",), loose=True, absent=0.1),
    ),
    fixed=(
        Fixed("relative_attention_num_buckets", (32,), 32),
        Fixed("relative_attention_max_distance", (128,), 128),
    ),
    context_key="n_positions",
    decoder_start="pad",
    more_from=_t5_rest,
    more_to=_t5_more,
    body=_t5_body,
    head=_t5_head,
    same={
        "encoder.embed_tokens.weight": "shared.weight",
        "decoder.embed_tokens.weight": "shared.weight",
        "lm_head.weight": "shared.weight",
    },
    ignored=(r"^decoder\.block\.\d+\.layer\.1\.EncDecAttention\.relative_attention_bias\.weight$",),
)


def _bart_body(config: Config) -> list[Weight]:
    table = [Weight("token_embedding/embeddings", "shared.weight")]
    for side in _SIDES:
        table += [
            Weight(f"{side}_position_embedding/embeddings", f"{side}.embed_positions.weight", _POSITIONS),
            Weight(f"{side}_embeddings_layer_norm/gamma", f"{side}.layernorm_embedding.weight"),
            Weight(f"{side}_embeddings_layer_norm/beta", f"{side}.layernorm_embedding.bias"),
        ]
        for n in range(config["num_layers"]):
            table += _bart_layer(f"transformer_{side}_layer_{n}", f"{side}.layers.{n}", side)
    return table


def _bart_layer(keras: str, tensor: str, side: str) -> list[Weight]:
    # keras-hub's encoder layer calls its attention self_attention_layer, the decoder layer self_attention.
    attentions = [("self_attention_layer" if side == "encoder" else "self_attention", "self_attn")]
    norms = [("self_attention_layer_norm", "self_attn_layer_norm"), ("feedforward_layer_norm", "final_layer_norm")]
    if side == "decoder":
        attentions.append(("cross_attention", "encoder_attn"))
        norms.append(("cross_attention_layer_norm", "encoder_attn_layer_norm"))
    table = []
    for own, name in attentions:
        for role in ("query", "key", "value"):
            table += [
                Weight(f"{keras}/{own}/{role}/kernel", f"{tensor}.{name}.{role[0]}_proj.weight", INTO),
                Weight(f"{keras}/{own}/{role}/bias", f"{tensor}.{name}.{role[0]}_proj.bias", FLAT),
            ]
        table += [
            Weight(f"{keras}/{own}/attention_output/kernel", f"{tensor}.{name}.out_proj.weight", OUT_OF),
            Weight(f"{keras}/{own}/attention_output/bias", f"{tensor}.{name}.out_proj.bias"),
        ]
    for own, name in (("feedforward_intermediate_dense", "fc1"), ("feedforward_output_dense", "fc2")):
        table += [
            Weight(f"{keras}/{own}/kernel", f"{tensor}.{name}.weight", INTO),
            Weight(f"{keras}/{own}/bias", f"{tensor}.{name}.bias"),
        ]
    for own, name in norms:
        table += [
            Weight(f"{keras}/{own}/gamma", f"{tensor}.{name}.weight"),
            Weight(f"{keras}/{own}/beta", f"{tensor}.{name}.bias"),
        ]
    return table


BART = Architecture(
    name="bart",
    classes=("BartForConditionalGeneration", "BartModel"),
    prefix="model.",
    backbone="BartBackbone",
    task="BartSeq2SeqLM",
    settings=(
        Setting("vocabulary_size", ("vocab_size",)),
        Setting("num_layers", ("encoder_layers", "decoder_layers")),
        Setting("num_heads", ("encoder_attention_heads", "decoder_attention_heads")),
        Setting("hidden_dim", ("d_model",)),
        Setting("intermediate_dim", ("encoder_ffn_dim", "decoder_ffn_dim")),
        Setting("max_sequence_length", ("max_position_embeddings",)),
        Setting("dropout", ("dropout",), loose=True, absent=0.1),
    ),
    fixed=(
        Fixed("activation_function", ("gelu",), "gelu"),
        Fixed("scale_embedding", (False, None), False),
        Fixed("tie_word_embeddings", (True,), True),
    ),
    decoder_start="end",
    more_to=lambda arguments: {"is_encoder_decoder": True},
    body=_bart_body,
    same={
        "encoder.embed_tokens.weight": "shared.weight",
        "decoder.embed_tokens.weight": "shared.weight",
        "lm_head.weight": "shared.weight",
    },
    zeros=lambda arguments: {"final_logits_bias": (1, arguments["vocabulary_size"])},
)
