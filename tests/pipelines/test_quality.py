"""Quality rules: each alone, on a text that keeps it by a little and one that breaks it by a little."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from governance.config import validate
from governance.errors import ConfigError
from pipelines.curate.quality import (
    SETS,
    Document,
    Rule,
    first_broken,
    ngrams,
    repeated_ngram_characters,
    top_ngram_characters,
)
from pipelines.spec import CurateSpec

RULES: dict[str, Rule] = {rule.name: rule for rules in SETS.values() for rule in rules}
WORDS = "the quick brown fox and a dog that sleeps"


def words(count: int) -> str:
    """Different words of five letters, the first two being stop words."""
    made = [f"{chr(97 + n % 26)}{chr(97 + n // 26 % 26)}{chr(97 + n // 676)}xy" for n in range(count)]
    return " ".join(["the", "and", *made][:count])


def lines(*counted: tuple[str, int]) -> str:
    """Lines such as ("- {}", 3), numbered so that no two are equal."""
    return "\n".join(form.format(f"line {number}") for form, count in counted for number in range(count))


CASES = {
    "gopher_words": (words(50), words(49)),
    "gopher_word_length": ("abc " * 9, "ab " * 9),
    "gopher_hashes": ("word " * 10 + "#", "word " * 9 + "# #"),
    "gopher_ellipses": ("word " * 9 + "word…", "word " * 8 + "word… word…"),
    "gopher_bullet_lines": (lines(("- {}", 9), ("{}", 1)), lines(("- {}", 10))),
    "gopher_ellipsis_lines": (lines(("{}...", 3), ("{}", 7)), lines(("{}…", 4), ("{}", 6))),
    "gopher_alphabetic_words": ("word " * 8 + "1 2", "word " * 7 + "1 2 3"),
    "gopher_stop_words": ("The dog and a cat", "The dog the cat"),
    "gopher_repeated_lines": ("a\nb\nc\nd\ne\na\nb", "a\nb\nc\na\nb"),
    "gopher_repeated_paragraphs": ("a\n\nb\n\nc\n\nd\n\na", "a\n\nb\n\na"),
    "gopher_repeated_line_characters": ("a\na\nbcdefgh", "abcde\nabcde\nbc"),
    "gopher_repeated_paragraph_characters": ("a\n\na\n\nbcdefgh", "abcde\n\nabcde\n\nbc"),
    "gopher_top_2gram": ("a b " * 2 + words(20), "aa bb " * 4 + words(8)),
    "gopher_top_3gram": ("a b c " * 2 + words(20), "aa bb cc " * 3 + words(8)),
    "gopher_top_4gram": ("a b c d " * 2 + words(20), "aa bb cc dd " * 3 + words(8)),
    **{
        f"gopher_repeated_{n}grams": (f"{words(n)} {words(100)}", f"{words(n)} {words(n)} {words(n)}")
        for n in range(5, 11)
    },
    "c4_sentences": ("One. Two! “Three?”", "One. Two! v1.0 is out"),
    "c4_lorem_ipsum": ("Lorem and ipsum", "LOREM ipsum dolor"),
    "c4_curly_brackets": ("a (b)", "a { b"),
    "c4_javascript": ("Enable JavaScript.\nOne. Two. Three.", "One. Two.\nThree, with JavaScript. Four."),
    "fineweb_terminal_lines": (lines(("{}.", 2), ("{}", 8)), lines(("{}.", 1), ("{}", 9))),
    "fineweb_short_lines": (lines(("{}" + "x" * 30, 4), ("{}", 6)), lines(("{}" + "x" * 30, 3), ("{}", 7))),
    "fineweb_repeated_line_characters": ("abcdefghij\nk\nk", "abcdefg\nk\nk"),
}


def test_each_rule_has_a_case() -> None:
    assert CASES.keys() == RULES.keys()


@pytest.mark.parametrize("name", CASES)
def test_each_rule_alone(name: str) -> None:
    kept, broken = CASES[name]
    assert first_broken(kept, [RULES[name]]) is None
    assert first_broken(broken, [RULES[name]]) == name


@given(st.lists(st.sampled_from(["ab", "cd", "efg", "h"]), min_size=1, max_size=30), st.integers(2, 6))
def test_ngram_measures_against_a_plain_count(drawn: list[str], n: int) -> None:
    """By going over all pairs of places."""
    document = Document(" ".join(drawn))
    total = sum(map(len, drawn))
    found = [tuple(drawn[start : start + n]) for start in range(len(drawn) - n + 1)]
    assert ngrams(drawn, n) == found
    inside = {
        start + shift
        for start, one in enumerate(found)
        if any(one == other for other in found[:start])
        for shift in range(n)
    }
    assert repeated_ngram_characters(document, n) == pytest.approx(sum(len(drawn[place]) for place in inside) / total)
    sizes = [(found.count(one), len("".join(one))) for one in found]
    count, length = max(sizes, default=(0, 0))
    assert top_ngram_characters(document, n) == pytest.approx(count * length / total if count > 1 else 0)


@given(st.text(max_size=200))
def test_any_text_can_be_judged(text: str) -> None:
    for name, rules in SETS.items():
        reason = first_broken(text, rules)
        assert reason is None or reason.startswith(name.partition("_")[0])


def test_a_text_without_a_word_breaks_each_rule() -> None:
    assert all(first_broken(" \n", [rule]) == name for name, rule in RULES.items())


def test_limits_of_ones_own() -> None:
    settings = {"sets": ["gopher"], "limits": {"gopher_words": [2, None], "gopher_stop_words": [None, None]}}
    spec = validate({"quality": settings}, CurateSpec, where="curate").quality
    assert spec is not None
    bounds = {rule.name: (rule.low, rule.high) for rule in spec.rules}
    assert bounds["gopher_words"] == (2, math.inf) and bounds["gopher_stop_words"] == (-math.inf, math.inf)
    assert first_broken("Two words", spec.rules) is None and first_broken("One", spec.rules) == "gopher_words"


@pytest.mark.parametrize(
    ("curate", "message"),
    [
        ({"quality": "gofer"}, 'quality: no set of rules "gofer" (did you mean "gopher"?)'),
        ({"quality": []}, "quality.sets"),
        ({"quality": {"sets": ["c4"], "limits": {"gopher_words": [1, 2]}}}, 'no rule in these sets "gopher_words"'),
        ({"dedup": "exat"}, 'no way to remove duplicates "exat" (did you mean "exact"?)'),
        ({"dedup": {"naer": 0.8}}, 'dedup.naer: unknown key (did you mean "near"?)'),
        ({"dedup": {"near": 0.3}}, "dedup.near: input should be greater than or equal to 0.5"),
        ({"dedup": {"near": 0.8, "exact": False}}, "near duplicates cannot leave while equal texts stay"),
        ({"language": ["English"]}, "language.0"),
    ],
)
def test_mistakes_in_the_pipeline_file(curate: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError) as error:
        validate(curate, CurateSpec, where="p.yaml: curate")
    assert message in str(error.value) and "\n" not in str(error.value)
