"""`zoo plan --hardware here` against the training that it predicts, for three sizes.

    python benchmarks/plan.py --family gpt --sizes nano micro mini --steps 30

Predicts from a few steps on made-up text, then trains through `zoo.fit.fit` and compares the seconds of
all updates. Compiling and evaluating come on top of both and are left out of both. The exit code is 1 if
the prediction of any size is off by more than 20 % of what was measured, else 0.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

import numpy as np

#: Share of the measured seconds that a prediction may be off.
TOLERANCE = 0.2


def main() -> int:
    options = arguments()
    from zoo.backend import prepare_backend

    prepare_backend()
    print(f"{'size':8} {'predicted s':>12} {'measured s':>12} {'ratio':>7}   compile s")
    missed = []
    for size in options.sizes:
        predicted = predict(options.family, size, options.vocabulary, options.steps)
        measured, compiling = train(options.family, size, options.vocabulary, options.steps)
        print(f"{size:8} {predicted:12.1f} {measured:12.1f} {predicted / measured:7.2f}   {compiling:.1f}")
        if abs(predicted / measured - 1) > TOLERANCE:
            missed.append(size)
    if missed:
        print(f"beyond {TOLERANCE:.0%}: {', '.join(missed)}", file=sys.stderr)
    return 1 if missed else 0


def predict(family: str, size: str, vocabulary: int, steps: int) -> float:
    """Seconds that `zoo plan` expects for this many updates."""
    from zoo import families
    from zoo.planning import plan

    shape = families.get(family).size(size)
    tokens = steps * shape.batch_size * shape.context
    return 3600 * plan(family, size=size, vocab_size=vocabulary, tokens=tokens, hardware="here").hours


def train(family: str, size: str, vocabulary: int, steps: int) -> tuple[float, float]:
    """Seconds of the updates of a real training, and of compiling it."""
    from pipelines.tokenizers import made_up_lexicon
    from pipelines.tokens import TokenSplit
    from zoo import families, objectives
    from zoo.fit import TrainPlan, fit

    recipe = families.get(family)
    shape = recipe.size(size)

    class Random:
        vocab_size = vocabulary

        def split(self, name: str) -> TokenSplit:
            count = 50 * shape.batch_size * shape.context if name == "train" else shape.context
            ids = np.random.default_rng(len(name)).integers(vocabulary // 2, vocabulary, count)
            return TokenSplit(name, ids.astype(np.uint16), np.array([0, count]), 3 * count, 0)

    plan = TrainPlan.of(
        shape,
        parameters=1,
        train_tokens=1,
        validation_tokens=1,
        steps=steps,
        evaluate_every=steps,
        checkpoint_every=steps,
    )
    with tempfile.TemporaryDirectory() as folder:
        result = fit(
            recipe.build(shape, vocabulary, dropout=plan.dropout),
            Random(),
            plan,
            family=recipe,
            objective=objectives.get(recipe.objective, made_up_lexicon(recipe.tokenizer, vocabulary)),
            fingerprint="benchmark",
            checkpoints=Path(folder),
        )
    return steps * plan.tokens_per_step / result.metrics["tokens_per_second"], result.metrics["compile_seconds"]


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--family", default="gpt")
    parser.add_argument("--sizes", nargs="+", default=["nano", "micro", "mini"])
    parser.add_argument("--steps", type=int, default=30)
    parser.add_argument("--vocabulary", type=int, default=8192)
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
