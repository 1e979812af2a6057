"""Hugging Face folders both ways, against transformers itself: seven architectures, tiny and random.

    python benchmarks/exchange.py

For each golden checkpoint of the tests: the largest difference of the logits (or states) when we read what
transformers wrote, and when transformers reads what we wrote. Needs torch and transformers.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from zoo.backend import prepare_backend

sys.path.insert(0, str(Path(__file__).parent.parent))  # the checkout's tests
from tests.zoo.exchange.folders import NAMES, Golden, answers, difference

TOLERANCE = 1e-4


def main() -> None:
    prepare_backend()
    from zoo.exchange.hugging_face import read_model, write_model

    worst = 0.0
    print(f"{'checkpoint':14}{'class':34}{'read':>10}{'written':>10}")
    for name in NAMES:
        golden = Golden.open(name)
        with tempfile.TemporaryDirectory() as temporary:
            checkpoint = read_model(golden.write(Path(temporary) / "in"))
            out = Path(temporary) / "out"
            out.mkdir()
            write_model(checkpoint.task, out, lexicon=None, context=checkpoint.context or 512, without=checkpoint.fresh)
            read = max(difference(answers(checkpoint.task, golden.inputs), golden).values())
            written = max(difference(in_transformers(out, golden), golden).values())
        worst = max(worst, read, written)
        print(f"{name:14}{golden.config['architectures'][0]:34}{read:10.1e}{written:10.1e}")
    print(f"largest {worst:.1e}, allowed {TOLERANCE:.0e}")
    sys.exit(0 if worst <= TOLERANCE else 1)


def in_transformers(folder: Path, golden: Golden) -> dict[str, np.ndarray]:
    """The outputs of a folder in transformers, which must find each weight that it looks for in it."""
    import torch
    import transformers

    from tests.zoo.exchange.make_golden import outputs

    model_class = getattr(transformers, golden.config["architectures"][0])
    model, info = model_class.from_pretrained(folder, output_loading_info=True)
    lacking: Any = {name: info[name] for name in ("missing_keys", "unexpected_keys", "mismatched_keys")}
    if any(lacking.values()):
        sys.exit(f"{folder}: {lacking}")
    inputs = {name: torch.from_numpy(value.astype(np.int64)) for name, value in golden.inputs.items()}
    with torch.no_grad():
        found = model.eval()(**inputs, output_hidden_states=True)
    return {name: value.numpy() for name, value in outputs(found).items()}


if __name__ == "__main__":
    main()
