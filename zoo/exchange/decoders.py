"""GPT-2 and Llama: names of their weights and settings on both sides."""

from __future__ import annotations

from typing import Any

from governance.errors import DataError
from zoo.exchange.architecture import Architecture, Config, Fixed, Setting
from zoo.exchange.weights import CONV_INTO, CONV_OUT_OF, FLAT, INTO, OUT_OF, Weight


def _gpt2_body(config: Config) -> list[Weight]:
    table = [
        Weight("token_embedding/embeddings", "wte.weight"),
        Weight("position_embedding/embeddings", "wpe.weight"),
        Weight("layer_norm/gamma", "ln_f.weight"),
        Weight("layer_norm/beta", "ln_f.bias"),
    ]
    for n in range(config["num_layers"]):
        keras, tensor = f"transformer_layer_{n}", f"h.{n}"
        for index, role in enumerate(("query", "key", "value")):
            own = f"{keras}/self_attention/{role}"
            table += [
                Weight(f"{own}/kernel", f"{tensor}.attn.c_attn.weight", CONV_INTO, part=(index, 3)),
                Weight(f"{own}/bias", f"{tensor}.attn.c_attn.bias", FLAT, part=(index, 3)),
            ]
        for own, name, form in (
            ("self_attention/attention_output", "attn.c_proj", CONV_OUT_OF),
            ("feedforward_intermediate_dense", "mlp.c_fc", CONV_INTO),
            ("feedforward_output_dense", "mlp.c_proj", CONV_INTO),
        ):
            table += [
                Weight(f"{keras}/{own}/kernel", f"{tensor}.{name}.weight", form),
                Weight(f"{keras}/{own}/bias", f"{tensor}.{name}.bias"),
            ]
        for own, name in (("self_attention_layer_norm", "ln_1"), ("feedforward_layer_norm", "ln_2")):
            table += [
                Weight(f"{keras}/{own}/gamma", f"{tensor}.{name}.weight"),
                Weight(f"{keras}/{own}/beta", f"{tensor}.{name}.bias"),
            ]
    return table


def _gpt2_inner_width(config: Config) -> dict[str, Any]:
    return {"intermediate_dim": config.get("n_inner") or 4 * config["n_embd"]}


GPT2 = Architecture(
    name="gpt2",
    classes=("GPT2LMHeadModel", "GPT2Model"),
    prefix="transformer.",
    backbone="GPT2Backbone",
    task="GPT2CausalLM",
    settings=(
        Setting("vocabulary_size", ("vocab_size",)),
        Setting("num_layers", ("n_layer",)),
        Setting("num_heads", ("n_head",)),
        Setting("hidden_dim", ("n_embd",)),
        Setting("max_sequence_length", ("n_positions",)),
        Setting("dropout", ("resid_pdrop", "embd_pdrop", "attn_pdrop"), loose=True, absent=0.1),
    ),
    fixed=(
        Fixed("activation_function", ("gelu_new", "gelu_pytorch_tanh"), "gelu_new"),
        Fixed("layer_norm_epsilon", (1e-5,), 1e-5),
        Fixed("scale_attn_weights", (True,), True),
        Fixed("scale_attn_by_inverse_layer_idx", (False,), False),
        Fixed("add_cross_attention", (False,), False),
        Fixed("tie_word_embeddings", (True,), True),
    ),
    more_from=_gpt2_inner_width,
    more_to=lambda arguments: {"n_inner": arguments["intermediate_dim"]},
    body=_gpt2_body,
    same={"lm_head.weight": "wte.weight"},
    ignored=(r"\.attn\.(bias|masked_bias)$",),
)


def _llama_body(config: Config) -> list[Weight]:
    table = [
        Weight("token_embedding/embeddings", "embed_tokens.weight"),
        Weight("sequence_output_layernorm/scale", "norm.weight"),
    ]
    for n in range(config["num_layers"]):
        keras, tensor = f"transformer_layer_{n}", f"layers.{n}"
        for own, name, form in (
            ("self_attention/query", "self_attn.q_proj", INTO),
            ("self_attention/key", "self_attn.k_proj", INTO),
            ("self_attention/value", "self_attn.v_proj", INTO),
            ("self_attention/attention_output", "self_attn.o_proj", OUT_OF),
            ("feedforward_gate_dense", "mlp.gate_proj", INTO),
            ("feedforward_intermediate_dense", "mlp.up_proj", INTO),
            ("feedforward_output_dense", "mlp.down_proj", INTO),
        ):
            table.append(Weight(f"{keras}/{own}/kernel", f"{tensor}.{name}.weight", form))
        for own, name in (
            ("self_attention_layernorm", "input_layernorm"),
            ("feedforward_layernorm", "post_attention_layernorm"),
        ):
            table.append(Weight(f"{keras}/{own}/scale", f"{tensor}.{name}.weight"))
    return table


def _llama_head(config: Config) -> list[Weight]:
    if config["tie_word_embeddings"]:
        return []
    return [Weight("token_embedding/reverse_embeddings", "lm_head.weight", INTO)]


_ROPE = {
    "rope_frequency_adjustment_factor": "factor",
    "rope_low_freq_factor": "low_freq_factor",
    "rope_high_freq_factor": "high_freq_factor",
    "rope_pretraining_sequence_length": "original_max_position_embeddings",
}


def _llama_rest(config: Config) -> dict[str, Any]:
    """Rotary positions, in the keys of transformers 5 or those before, and what follows from other keys."""
    rope = config.get("rope_parameters") or config.get("rope_scaling") or {}
    kind = rope.get("rope_type", rope.get("type", "default"))
    width, heads = config["hidden_size"], config["num_attention_heads"]
    if kind not in ("default", "llama3"):
        raise DataError(
            f"rope_type is {kind!r}, and of those keras-hub's Llama3Backbone has 'default' and 'llama3'",
            fix="this model cannot be read without changing its answers",
        )
    if (config.get("head_dim") or width // heads) != width // heads:
        raise DataError(
            f"head_dim is {config['head_dim']}, and keras-hub's Llama3Backbone has hidden_size / "
            f"num_attention_heads = {width // heads} alone",
            fix="this model cannot be read without changing its answers",
        )
    arguments = {
        "num_key_value_heads": config.get("num_key_value_heads") or heads,
        "rope_max_wavelength": rope.get("rope_theta") or config.get("rope_theta") or 10_000.0,
    }
    if kind == "llama3":
        arguments |= {argument: rope[key] for argument, key in _ROPE.items()}
    return arguments


def _llama_rope(arguments: Config) -> dict[str, Any]:
    """Rotary positions twice: transformers 4 knows `rope_theta` and `rope_scaling` alone, and takes 10,000 and
    none for what it does not find."""
    if arguments.get("rope_position_scaling_factor", 1.0) != 1.0:
        raise DataError("rotary positions that are scaled evenly are not written")
    theta = float(arguments["rope_max_wavelength"])
    scaling = None
    if arguments.get("rope_frequency_adjustment_factor") is not None:
        scaling = {key: arguments[argument] for argument, key in _ROPE.items()} | {"rope_type": "llama3"}
    return {
        "num_key_value_heads": arguments["num_key_value_heads"],
        "head_dim": arguments["hidden_dim"] // arguments["num_query_heads"],
        "rope_parameters": {"rope_theta": theta, **(scaling or {"rope_type": "default"})},
        "rope_theta": theta,
        "rope_scaling": scaling,
    }


LLAMA = Architecture(
    name="llama",
    classes=("LlamaForCausalLM", "LlamaModel"),
    prefix="model.",
    backbone="Llama3Backbone",
    task="Llama3CausalLM",
    settings=(
        Setting("vocabulary_size", ("vocab_size",)),
        Setting("num_layers", ("num_hidden_layers",)),
        Setting("num_query_heads", ("num_attention_heads",)),
        Setting("hidden_dim", ("hidden_size",)),
        Setting("intermediate_dim", ("intermediate_size",)),
        Setting("layer_norm_epsilon", ("rms_norm_eps",), absent=1e-6),
        Setting("tie_word_embeddings", ("tie_word_embeddings",), absent=False),
        Setting("dropout", ("attention_dropout",), loose=True, absent=0.0),
    ),
    fixed=(
        Fixed("hidden_act", ("silu", "swish"), "silu"),
        Fixed("attention_bias", (False,), False),
        Fixed("mlp_bias", (False,), False),
    ),
    context_key="max_position_embeddings",
    more_from=_llama_rest,
    more_to=_llama_rope,
    body=_llama_body,
    head=_llama_head,
    ignored=(r"rotary_emb\.inv_freq$",),
)
