"""What a model saw: through data, tokenizers, bases, exported folders and teachers, however long the way."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from governance import Label
from registry import ModelVersion
from registry.versions import DATASET
from zoo.ancestry import (
    BASE_DIGEST_TAG,
    BASE_TAG,
    DIGEST_TAG,
    TEACHER_TAG,
    TOKENIZER_TAG,
    Made,
    ancestors,
    datasets_of,
    descendants,
    made_from,
    models_that_saw,
)

FAMILY = [
    Made("a/1", dataset="d1", tokenizer="t1", digest="w1"),
    Made("a/2", dataset="d2", tokenizer="t2", digest="w2"),
    Made("b/1", dataset="d3", tokenizer="t1", base="a/1", base_digest="w1", digest="w3"),
    Made("c/1", dataset="d4", tokenizer="t4", teacher="b/1"),
    Made("folder/1", dataset="d5", base="exported", base_digest="w3"),
    Made("words/1", dataset="d6", tokenizer="t1"),
    Made("alone/1", dataset="d7", tokenizer="t7", base="exported", base_digest="of somebody else"),
]
TOKENIZERS = {"t1": {"d1"}, "t2": {"d2"}}


def test_the_ways_by_which_a_model_has_seen_data() -> None:
    assert made_from(["d1"], FAMILY, TOKENIZERS) == {"a/1", "b/1", "c/1", "folder/1", "words/1"}
    assert made_from(["d2"], FAMILY, TOKENIZERS) == {"a/2"}
    assert made_from(["d3"], FAMILY, TOKENIZERS) == {"b/1", "c/1", "folder/1"}
    assert made_from(["none"], FAMILY, TOKENIZERS) == made_from([], FAMILY, TOKENIZERS) == set()
    assert ancestors("folder/1", FAMILY) == {"b/1", "a/1", "exported"}
    assert descendants(["b/1"], FAMILY) == {"c/1", "folder/1"}
    assert datasets_of("c/1", FAMILY, TOKENIZERS) == {"d4", "d3", "d1"}


def version(name: str, number: int, **tags: str) -> ModelVersion:
    return ModelVersion(name, number, "run", "m", "tax", "p", "gpt", Label.of("tax"), tags=tags)


def test_a_deleted_base_is_known_from_the_ledger() -> None:
    child = version("b", 1, **{DATASET: "d2", BASE_TAG: "a/1"})
    assert models_that_saw(["d1"], [child]) == []
    assert models_that_saw(["d1"], [child], more=[Made("a/1", dataset="d1")]) == [child]


def test_tags_of_a_version_are_read() -> None:
    tags = {
        DATASET: "d",
        TOKENIZER_TAG: "t",
        DIGEST_TAG: "w",
        BASE_TAG: "b/1",
        BASE_DIGEST_TAG: "v",
        TEACHER_TAG: "c/1",
    }
    assert Made.of(version("a", 7, **tags)) == Made("a/7", "d", "t", "w", "b/1", "v", "c/1")


numbers = st.integers(0, 11)


@given(st.lists(st.tuples(numbers, st.one_of(st.none(), numbers), st.one_of(st.none(), numbers)), max_size=12))
def test_both_directions_agree_whatever_the_links(links: list[tuple[int, int | None, int | None]]) -> None:
    """Cycles cannot come about; damaged tags must not hang the walk all the same."""
    made = [
        Made(
            f"m/{n}",
            dataset=f"d{dataset}",
            base="" if base is None else f"m/{base}",
            teacher="" if taught is None else f"m/{taught}",
        )
        for n, (dataset, base, taught) in enumerate(links)
    ]
    for one in made:
        for dataset in range(12):
            assert (f"d{dataset}" in datasets_of(one.name, made)) == (one.name in made_from([f"d{dataset}"], made))
        for other in made:
            assert (other.name in ancestors(one.name, made)) == (one.name in descendants([other.name], made))
