"""Makes the golden arrays of the exchange: tiny random checkpoints of transformers, and what it computes with them.

    python tests/zoo/exchange/make_golden.py [NAME …]

It needs torch and transformers; the tests read what it wrote (`golden/*.npz`) and need neither. A file
holds "about" (JSON: the folder's config.json, and the tensors' names and shapes in order), "weights" (all
tensors one after the other, float16: they were rounded before anything was computed), the inputs
"in:<name>" and the outputs "out:<name>". Those of models with a head for tags lie in `golden/taggers`.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers
from safetensors.numpy import load_file

FOLDER = Path(__file__).parent / "golden"
WORDS = 32
_SHAPE = {"vocab_size": WORDS, "hidden_size": 8, "num_hidden_layers": 2, "num_attention_heads": 2}
_ENCODER = {**_SHAPE, "intermediate_size": 24, "max_position_embeddings": 18}
_LLAMA = {**_SHAPE, "num_attention_heads": 4, "num_key_value_heads": 2, "intermediate_size": 24}
_T5 = {"vocab_size": WORDS, "d_model": 8, "d_kv": 6, "d_ff": 24, "num_layers": 2, "num_heads": 2}
_BART = {"vocab_size": WORDS, "d_model": 8, "max_position_embeddings": 16} | {
    f"{side}_{name}": value
    for side in ("encoder", "decoder")
    for name, value in (("layers", 2), ("attention_heads", 2), ("ffn_dim", 24))
}

#: Name of a file to the class and the settings that differ from its defaults.
CASES: dict[str, tuple[str, dict[str, Any]]] = {
    "gpt2": ("GPT2LMHeadModel", {"vocab_size": WORDS, "n_positions": 16, "n_embd": 8, "n_layer": 2, "n_head": 2}),
    "llama": ("LlamaForCausalLM", {**_LLAMA, "tie_word_embeddings": True, "rms_norm_eps": 1e-5}),
    "llama_untied": (
        "LlamaForCausalLM",
        {
            **_LLAMA,
            "tie_word_embeddings": False,
            "rope_parameters": {
                "rope_type": "llama3",
                "rope_theta": 5000.0,
                "factor": 8.0,
                "low_freq_factor": 1.0,
                "high_freq_factor": 4.0,
                "original_max_position_embeddings": 16,
            },
        },
    ),
    "t5": ("T5ForConditionalGeneration", _T5),
    "t5_gated": (
        "T5ForConditionalGeneration",
        {**_T5, "feed_forward_proj": "gated-gelu", "tie_word_embeddings": False},
    ),
    "bart": ("BartForConditionalGeneration", _BART),
    "roberta": ("RobertaForMaskedLM", {**_ENCODER, "layer_norm_eps": 1e-5, "type_vocab_size": 1}),
    "distilbert": (
        "DistilBertForMaskedLM",
        {"vocab_size": WORDS, "dim": 8, "n_layers": 2, "n_heads": 2, "hidden_dim": 24, "max_position_embeddings": 16},
    ),
    "bert": ("BertForMaskedLM", {**_ENCODER, "hidden_act": "gelu"}),
    "bert_body": ("BertModel", {**_ENCODER, "hidden_act": "gelu_pytorch_tanh"}),
}

_TAGS = ["O", "B-THING", "I-THING", "B-COLOUR", "I-COLOUR"]
_LABELS = {
    "id2label": dict(enumerate(_TAGS)),
    "label2id": {tag: number for number, tag in enumerate(_TAGS)},
}
CASES |= {
    f"taggers/{name}": (class_name, CASES[name][1] | _LABELS)
    for name, class_name in (
        ("bert", "BertForTokenClassification"),
        ("roberta", "RobertaForTokenClassification"),
        ("distilbert", "DistilBertForTokenClassification"),
    )
}


def main(*names: str) -> None:
    """Makes all, or those alone that are named."""
    for number, (name, (class_name, settings)) in enumerate(CASES.items()):
        if names and name not in names:
            continue
        arrays = golden(class_name, settings, seed=number)
        np.savez_compressed(FOLDER / f"{name}.npz", **arrays)
        print(name, (FOLDER / f"{name}.npz").stat().st_size, "bytes")


def golden(class_name: str, settings: dict[str, Any], *, seed: int) -> dict[str, Any]:
    torch.manual_seed(seed)
    model_class = getattr(transformers, class_name)
    model = model_class(model_class.config_class(**settings)).eval()
    with torch.no_grad():
        for parameter in model.parameters():  # biases and gains as well, and large enough to matter
            noise = 0.2 * torch.randn_like(parameter) + float(parameter.dim() == 1)
            parameter.copy_(noise.half().float())
        if not settings.get("tie_word_embeddings", True):  # transformers 5 ties T5's in any case
            model.lm_head.weight = torch.nn.Parameter((0.2 * torch.randn_like(model.lm_head.weight)).half().float())
    with tempfile.TemporaryDirectory() as folder:
        model.save_pretrained(folder)
        # What transformers reads from its own folder is what counts.
        model = model_class.from_pretrained(folder).eval()
        tensors = load_file(Path(folder) / "model.safetensors")
        config = json.loads((Path(folder) / "config.json").read_text())
    inputs = make_inputs(model.config)
    with torch.no_grad():
        found = model(**{name: torch.from_numpy(value) for name, value in inputs.items()}, output_hidden_states=True)
    about = {"config": config, "tensors": {name: tensor.shape for name, tensor in tensors.items()}}
    flat = np.concatenate([tensor.ravel() for tensor in tensors.values()])
    assert (flat == flat.astype(np.float16)).all()
    arrays: dict[str, Any] = {"about": np.frombuffer(json.dumps(about).encode(), np.uint8)}
    arrays["weights"] = flat.astype(np.float16)
    arrays |= {f"in:{name}": value.astype(np.int16) for name, value in inputs.items()}
    return arrays | {f"out:{name}": value.numpy() for name, value in outputs(found).items()}


def make_inputs(config: Any) -> dict[str, Any]:
    """Two rows of ids, the second with three places of padding at its end."""
    draw = np.random.default_rng(1)
    pad = config.pad_token_id or 0
    ids = draw.integers(5, WORDS, (2, 8))
    mask = np.ones_like(ids)
    ids[1, 6:], mask[1, 6:] = pad, 0
    inputs = {"input_ids": ids, "attention_mask": mask}
    if config.is_encoder_decoder:
        answer = draw.integers(5, WORDS, (2, 7))
        answer_mask = np.ones_like(answer)
        answer[0, 5:], answer_mask[0, 5:] = pad, 0
        inputs |= {"decoder_input_ids": answer, "decoder_attention_mask": answer_mask}
    if getattr(config, "type_vocab_size", 1) > 1 and config.num_labels != len(_TAGS):  # a tagger reads one text
        inputs["token_type_ids"] = (np.arange(8) > 4) * np.ones_like(ids)
    return inputs


def outputs(found: Any) -> dict[str, Any]:
    """Logits, and the last states of the body (of both, where there are two)."""
    named = {"logits": getattr(found, "logits", None), "pooled": getattr(found, "pooler_output", None)}
    for name, part in (("states", "hidden_states"), ("encoder", "encoder_last_hidden_state")):
        states = getattr(found, part, None)
        named[name] = states[-1] if isinstance(states, tuple) else states
    decoder = getattr(found, "decoder_hidden_states", None)
    named["decoder"] = decoder[-1] if decoder is not None else None
    return {name: value for name, value in named.items() if value is not None}


if __name__ == "__main__":
    main(*sys.argv[1:])
    print("transformers", transformers.__version__, json.dumps(sorted(CASES)))
