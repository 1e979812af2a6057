"""BERT, RoBERTa and DistilBERT: names of their weights and settings on both sides."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from zoo.exchange.architecture import Architecture, Config, Fixed, Setting
from zoo.exchange.weights import FLAT, INTO, OUT_OF, SAME, Form, Weight
from zoo.families.activations import NAMES

if TYPE_CHECKING:
    import keras_hub

#: RoBERTa counts positions from 2 on; what stands before is that of padding, which nothing looks at.
_OFFSET = 2
_POSITIONS = Form(SAME.matrix, unused_rows=_OFFSET)

#: A layer's parts by their Keras names; in BERT and RoBERTa the tensors are called alike.
_BERT_LAYER = {
    "query": "attention.self.query",
    "key": "attention.self.key",
    "value": "attention.self.value",
    "attention_output": "attention.output.dense",
    "self_attention_layer_norm": "attention.output.LayerNorm",
    "feedforward_intermediate_dense": "intermediate.dense",
    "feedforward_output_dense": "output.dense",
    "feedforward_layer_norm": "output.LayerNorm",
}
_DISTILBERT_LAYER = {
    "query": "attention.q_lin",
    "key": "attention.k_lin",
    "value": "attention.v_lin",
    "attention_output": "attention.out_lin",
    "self_attention_layer_norm": "sa_layer_norm",
    "feedforward_intermediate_dense": "ffn.lin1",
    "feedforward_output_dense": "ffn.lin2",
    "feedforward_layer_norm": "output_layer_norm",
}


def _dense(keras: str, tensor: str, form: Form = INTO, bias: Form = SAME) -> list[Weight]:
    return [Weight(f"{keras}/kernel", f"{tensor}.weight", form), Weight(f"{keras}/bias", f"{tensor}.bias", bias)]


def _norm(keras: str, tensor: str) -> list[Weight]:
    return [Weight(f"{keras}/gamma", f"{tensor}.weight"), Weight(f"{keras}/beta", f"{tensor}.bias")]


def _layers(config: Config, prefix: str, names: Mapping[str, str]) -> list[Weight]:
    table = []
    for n in range(config["num_layers"]):
        for own, name in names.items():
            keras, tensor = f"transformer_layer_{n}/{own}", f"{prefix}.{n}.{name}"
            attention = f"transformer_layer_{n}/self_attention_layer/{own}"
            if own in ("query", "key", "value"):
                table += _dense(attention, tensor, INTO, FLAT)
            elif own == "attention_output":
                table += _dense(attention, tensor, OUT_OF)
            elif own.endswith("norm"):
                table += _norm(keras, tensor)
            else:
                table += _dense(keras, tensor)
    return table


def _head(dense: str, norm: str, bias: str) -> list[Weight]:
    return [
        *_dense("mlm_head/intermediate_dense", dense),
        *_norm("mlm_head/intermediate_layer_norm", norm),
        Weight("mlm_head/output_bias", bias),
    ]


def _bert_body(config: Config) -> list[Weight]:
    return [
        Weight("token_embedding/embeddings", "embeddings.word_embeddings.weight"),
        Weight("position_embedding/embeddings", "embeddings.position_embeddings.weight"),
        Weight("segment_embedding/embeddings", "embeddings.token_type_embeddings.weight"),
        *_norm("embeddings_layer_norm", "embeddings.LayerNorm"),
        *_layers(config, "encoder.layer", _BERT_LAYER),
    ]


def _build_exact(architecture: Architecture, arguments: dict[str, Any]) -> keras_hub.models.Task:
    """Our own classes, which know the activation and the epsilon."""
    from zoo.families import encoder_models

    backbone = getattr(encoder_models, architecture.backbone)(**arguments)
    return getattr(encoder_models, architecture.task)(backbone, preprocessor=None)


def _refuse_plain(task: keras_hub.models.Task) -> str | None:
    """keras-hub's own class mixes what Hugging Face's has one setting for."""
    if hasattr(task.backbone, "layer_norm_epsilon"):
        return None
    return (
        f"keras-hub's {type(task).__name__} has other constants in its head than in its body, and Hugging Face's "
        "model has the same in both"
    )


def _refuse_other_epsilon(task: keras_hub.models.Task) -> str | None:
    """In DistilBERT it is no setting."""
    if getattr(task.backbone, "layer_norm_epsilon", 1e-12) != 1e-12:
        return (
            f"Hugging Face's DistilBERT normalises with 1e-12 alone, this one with {task.backbone.layer_norm_epsilon}"
        )
    return _refuse_plain(task)


def _bert_settings(offset: int = 0) -> tuple[Setting, ...]:
    return (
        Setting("vocabulary_size", ("vocab_size",)),
        Setting("num_layers", ("num_hidden_layers",)),
        Setting("num_heads", ("num_attention_heads",)),
        Setting("hidden_dim", ("hidden_size",)),
        Setting("intermediate_dim", ("intermediate_size",)),
        Setting("max_sequence_length", ("max_position_embeddings",), plus=offset),
        Setting("dropout", ("hidden_dropout_prob", "attention_probs_dropout_prob"), loose=True, absent=0.1),
        Setting("activation", ("hidden_act",), absent="gelu"),
        Setting("layer_norm_epsilon", ("layer_norm_eps",), absent=1e-12),
    )


_BERT_FIXED = (
    Fixed("hidden_act", NAMES, "gelu"),
    Fixed("position_embedding_type", ("absolute",), "absolute"),
    Fixed("is_decoder", (False,), False),
    Fixed("add_cross_attention", (False,), False),
    Fixed("tie_word_embeddings", (True,), True),
)

BERT = Architecture(
    name="bert",
    classes=("BertForMaskedLM", "BertModel"),
    tagger="BertForTokenClassification",
    prefix="bert.",
    backbone="BertBackbone",
    task="BertMaskedLM",
    settings=(*_bert_settings(), Setting("num_segments", ("type_vocab_size",), absent=2)),
    fixed=_BERT_FIXED,
    body=_bert_body,
    head=lambda config: _head(
        "cls.predictions.transform.dense", "cls.predictions.transform.LayerNorm", "cls.predictions.bias"
    ),
    extras={"pooler": lambda config: _dense("pooled_dense", "pooler.dense")},
    optional=frozenset({"head", "pooler"}),
    same={
        "cls.predictions.decoder.weight": "embeddings.word_embeddings.weight",
        "cls.predictions.decoder.bias": "cls.predictions.bias",
    },
    ignored=(r"position_ids$",),
    left_out=(r"^cls\.seq_relationship\.",),
    build=_build_exact,
    accepts=_refuse_plain,
)


def _roberta_body(config: Config) -> list[Weight]:
    types = "embeddings.token_type_embeddings.weight"
    return [
        Weight("embeddings/token_embedding/embeddings", "embeddings.word_embeddings.weight"),
        Weight(
            "embeddings/position_embedding/embeddings",
            "embeddings.position_embeddings.weight",
            _POSITIONS,
            plus_row=types,
        ),
        *_norm("embeddings_layer_norm", "embeddings.LayerNorm"),
        *_layers(config, "encoder.layer", _BERT_LAYER),
    ]


ROBERTA_EPSILON = 1e-5


def _build_roberta(architecture: Architecture, arguments: dict[str, Any]) -> keras_hub.models.Task:
    """keras-hub's own class where it can be, so that a preset needs nothing of ours."""
    import keras_hub

    if (arguments["activation"], arguments["layer_norm_epsilon"]) != ("gelu", ROBERTA_EPSILON):
        return _build_exact(architecture, arguments)
    own = {name: value for name, value in arguments.items() if name not in ("activation", "layer_norm_epsilon")}
    return keras_hub.models.RobertaMaskedLM(keras_hub.models.RobertaBackbone(**own), preprocessor=None)


ROBERTA = Architecture(
    name="roberta",
    classes=("RobertaForMaskedLM", "RobertaModel"),
    tagger="RobertaForTokenClassification",
    prefix="roberta.",
    backbone="RobertaBackbone",
    task="RobertaMaskedLM",
    settings=_bert_settings(_OFFSET),
    fixed=(*_BERT_FIXED, Fixed("pad_token_id", (1,), 1)),  # the positions begin after it
    defaults={"activation": "gelu", "layer_norm_epsilon": ROBERTA_EPSILON},
    more_to=lambda arguments: {"type_vocab_size": 1},
    body=_roberta_body,
    head=lambda config: _head("lm_head.dense", "lm_head.layer_norm", "lm_head.bias"),
    optional=frozenset({"head"}),
    same={
        "lm_head.decoder.weight": "embeddings.word_embeddings.weight",
        "lm_head.decoder.bias": "lm_head.bias",
    },
    added=lambda arguments: {"embeddings.token_type_embeddings.weight": (1, arguments["hidden_dim"])},
    ignored=(r"position_ids$",),
    left_out=(r"^pooler\.",),
    build=_build_roberta,
)


def _distilbert_body(config: Config) -> list[Weight]:
    keras = "token_and_position_embedding"
    return [
        Weight(f"{keras}/token_embedding/embeddings", "embeddings.word_embeddings.weight"),
        Weight(f"{keras}/position_embedding/embeddings", "embeddings.position_embeddings.weight"),
        *_norm("embeddings_layer_norm", "embeddings.LayerNorm"),
        *_layers(config, "transformer.layer", _DISTILBERT_LAYER),
    ]


DISTILBERT = Architecture(
    name="distilbert",
    classes=("DistilBertForMaskedLM", "DistilBertModel"),
    tagger="DistilBertForTokenClassification",
    prefix="distilbert.",
    backbone="DistilBertBackbone",
    task="DistilBertMaskedLM",
    settings=(
        Setting("vocabulary_size", ("vocab_size",)),
        Setting("num_layers", ("n_layers",)),
        Setting("num_heads", ("n_heads",)),
        Setting("hidden_dim", ("dim",)),
        Setting("intermediate_dim", ("hidden_dim",)),
        Setting("max_sequence_length", ("max_position_embeddings",)),
        Setting("dropout", ("dropout", "attention_dropout"), loose=True, absent=0.1),
        Setting("activation", ("activation",), absent="gelu"),
    ),
    fixed=(Fixed("activation", NAMES, "gelu"), Fixed("tie_word_embeddings", (True,), True)),
    body=_distilbert_body,
    head=lambda config: _head("vocab_transform", "vocab_layer_norm", "vocab_projector.bias"),
    optional=frozenset({"head"}),
    same={"vocab_projector.weight": "embeddings.word_embeddings.weight"},
    ignored=(r"position_ids$",),
    build=_build_exact,
    accepts=_refuse_other_epsilon,
)
