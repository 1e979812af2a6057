"""How often each source is read: weights, temperature, and what they leave alone."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from governance import ConfigError
from governance.config import validate
from pipelines.mixture import Mixture
from pipelines.spec import PipelineSpec
from pipelines.tokenizers import load_encoder
from pipelines.tokens import tokenize
from tests.pipelines.tiny import TinyVersion, tiny_version

SPEC = {"domain": "tax", "sources": [{"path": "data/letters.jsonl"}, {"path": "data/notes.jsonl"}]}


def spec(weights: tuple[float, float] = (1, 1), **more: object) -> PipelineSpec:
    sources = [source | {"weight": weight} for source, weight in zip(SPEC["sources"], weights, strict=True)]  # type: ignore[call-overload]
    return validate({**SPEC, "sources": sources, **more}, PipelineSpec, where="tax.yaml")


def two_sources(documents: int, of_second: int) -> TinyVersion:
    """The last `of_second` training documents are of the second source."""
    version = tiny_version(documents)
    numbers = np.zeros(documents, np.uint16)
    numbers[documents - of_second :] = 1
    sources = replace(version.sources, names=("letters", "notes"))

    class Two(TinyVersion):
        def source_numbers(self, split: str) -> np.ndarray:
            return numbers if split == "train" else super().source_numbers(split)

    return Two(**{**version.__dict__, "sources": sources})


def test_without_weights_nothing_is_mixed() -> None:
    assert Mixture.of(spec()) is None
    assert Mixture.of(spec((2, 1))) == Mixture((2.0, 1.0))
    assert Mixture.of(spec(mixture={"temperature": 2})) == Mixture((1.0, 1.0), 2.0)


def test_a_mixture_is_no_other_dataset() -> None:
    assert spec((3, 0.5), mixture={"temperature": 2}).digest == spec().digest


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"weights": (0, 1)}, "sources.0.weight: input should be greater than 0"),
        ({"weights": (1, 1000)}, "sources.1.weight: input should be less than or equal to 100"),
        ({"mixture": {"temperature": 0.5}}, "mixture.temperature: input should be greater than or equal to 1"),
        ({"mixture": {"temprature": 2}}, 'unknown key .did you mean "temperature"'),
    ],
)
def test_bad_values_are_named(changes: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        spec(**changes)  # type: ignore[arg-type]


def test_a_source_of_weight_three_is_read_three_times() -> None:
    version = two_sources(20, 5)
    mixed = Mixture((1.0, 3.0)).apply(version)
    texts = [text for _, text in version.texts("train")]
    assert list(mixed.texts()) == texts + 2 * texts[15:], "the copies follow in rounds of their own"
    assert mixed.numbers().tolist() == [0] * 15 + [1] * 15


def test_a_fraction_of_the_records_is_drawn_by_their_ids() -> None:
    version = two_sources(400, 200)
    mixed = Mixture((1.0, 0.5)).apply(version)
    assert mixed.copies[:200].tolist() == [1] * 200
    assert 70 < mixed.copies[200:].sum() < 130, "five standard deviations of 200 draws are 35"
    fewer = Mixture((1.0, 0.5)).apply(two_sources(390, 190))
    assert fewer.copies[200:].tolist() == mixed.copies[200:390].tolist(), "others' removal changes no draw"
    more = Mixture((1.0, 1.5)).apply(version).copies[200:]
    assert (more == mixed.copies[200:] + 1).all()


@given(st.lists(st.integers(1, 10**9), min_size=2, max_size=5), st.floats(1, 100))
def test_shares_follow_the_tempered_sizes(sizes: list[int], temperature: float) -> None:
    """A second way to the same: shares proportional to n^(1/T), the largest source read once."""
    readings = Mixture((1.0,) * len(sizes), temperature).readings(sizes)
    shares = np.asarray(readings) * sizes
    expected = np.exp(np.log(sizes) / temperature)
    np.testing.assert_allclose(shares / shares.sum(), expected / expected.sum(), rtol=1e-6)
    assert min(readings) == pytest.approx(1) and readings[int(np.argmax(sizes))] == pytest.approx(1)


@given(st.floats(1, 50))
def test_an_empty_source_is_read_never(temperature: float) -> None:
    assume(temperature > 1)
    assert Mixture((1.0, 2.0), temperature).readings([1000, 0]) == [pytest.approx(1), 0]


def test_tokens_of_the_training_split_alone_are_mixed(tmp_path: Path) -> None:
    version, mixture = two_sources(40, 10), Mixture((1.0, 2.0))
    common = {"kind": "bpe", "vocab_size": 300, "storage": tmp_path}
    plain, mixed = tokenize(version, **common), tokenize(version, **common, mixture=mixture)  # type: ignore[arg-type]
    assert (plain.mixture, mixed.mixture) == (None, mixture.digest)
    assert mixed.folder != plain.folder and mixed.tokenizer_digest == plain.tokenizer_digest
    train, encoder = mixed.split("train"), load_encoder(mixed.tokenizer_dir)
    texts = [
        encoder.decode(train.ids[start : stop - 1].tolist())
        for start, stop in zip(train.offsets[:-1], train.offsets[1:], strict=True)
    ]
    once = [text for _, text in version.texts("train")]
    assert Counter(texts) == Counter(once + once[30:])
    assert train.sources is not None and train.sources.documents() == {"letters": 30, "notes": 20}
    for split in ("validation", "test"):
        np.testing.assert_array_equal(mixed.split(split).ids, plain.split(split).ids)
    assert tokenize(version, **common, mixture=mixture).folder == mixed.folder  # type: ignore[arg-type]
