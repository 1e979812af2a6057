"""Control codes: where they stand, that they are a function of (seed, epoch, window), and that they are obeyed."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from governance.errors import ConfigError
from pipelines.stream import Windows, stream
from pipelines.tokenizers import KINDS, load_encoder, train_tokenizer
from pipelines.tokens import Sources, TokenSplit
from tests.pipelines.tiny import tiny_version
from zoo import families
from zoo.families import Size
from zoo.fit import TrainPlan, fit
from zoo.generation.sampling import Sampling
from zoo.objectives import CausalLM, ControlledLM
from zoo.objectives.controlled import check_controls, control_names
from zoo.preset import ABOUT, load_preset, save_preset

CTRL = families.get("ctrl")
END, CODES = 0, (1, 2)
OBJECTIVE = ControlledLM(END, CODES)


def split_of(lengths: list[int], numbers: list[int], seed: int = 0) -> TokenSplit:
    """Documents of these lengths, their ends included, from these sources; the ids of a source are its own."""
    draw = np.random.default_rng(seed)
    documents = [
        np.append(draw.integers(3 + 10 * source, 13 + 10 * source, length - 1), END)
        for length, source in zip(lengths, numbers, strict=True)
    ]
    ids = np.concatenate(documents).astype(np.uint16)
    offsets = np.cumsum([0, *lengths])
    counts = np.bincount(numbers, weights=lengths, minlength=2).astype(int).tolist()
    sources = Sources(("letters", "answers"), np.array(numbers, np.uint16), tuple(counts))
    return TokenSplit("train", ids, offsets, len(ids), END, sources)


def windows_of(split: TokenSplit, index: np.ndarray, window: int, *, seed: int = 0, epoch: int = 0) -> Windows:
    positions = index[:, None] * window + np.arange(window + 1)
    ids = np.asarray(split.ids, np.int32)[positions]
    return Windows(ids, np.full(len(index), epoch), index, seed, sources=split.source_of(positions))


def test_a_code_stands_at_each_beginning_and_is_no_target() -> None:
    split = split_of([5, 4, 6, 5, 40], [0, 1, 0, 1, 1])
    windows = windows_of(split, np.arange(9), 6)
    batch, plain = OBJECTIVE.examples(windows), CausalLM().examples(windows)
    np.testing.assert_array_equal(batch["targets"], plain["targets"])
    assert not np.isin(batch["targets"], CODES).any()
    with_codes = [row for row in range(9) if not np.array_equal(batch["inputs"][row], plain["inputs"][row])]
    assert 5 <= len(with_codes) <= 9
    document_of = np.repeat(np.arange(5), np.diff(split.offsets))
    for row in with_codes:
        for column in range(6):
            token = row * 6 + column  # in the split
            source = split.sources.numbers[document_of[token + 1]]  # type: ignore[union-attr]
            begins = column == 0 or split.ids[token] == END
            assert batch["inputs"][row, column] == (CODES[source] if begins else split.ids[token])


def test_one_window_of_ten_has_none_by_chance_of_seed_epoch_and_number() -> None:
    split = split_of([8] * 400, [0, 1] * 200)
    index = np.arange(380)
    first = OBJECTIVE.examples(windows_of(split, index, 8))["inputs"]
    without = ~np.isin(first, CODES).any(axis=1)
    assert 0.05 < without.mean() < 0.16
    np.testing.assert_array_equal(first, OBJECTIVE.examples(windows_of(split, index, 8))["inputs"])
    part = OBJECTIVE.examples(windows_of(split, index[200:], 8))["inputs"]
    np.testing.assert_array_equal(part, first[200:])
    for other in (windows_of(split, index, 8, seed=1), windows_of(split, index, 8, epoch=1)):
        changed = ~np.isin(OBJECTIVE.examples(other)["inputs"], CODES).any(axis=1)
        assert not np.array_equal(changed, without)


def test_the_stream_knows_the_sources() -> None:
    split = split_of([7, 9, 30, 20], [0, 1, 1, 0])
    batch = next(iter(stream(split, OBJECTIVE, batch_size=8, window=8, seed=3).as_numpy_iterator()))
    assert np.isin(batch["inputs"][:, 0], CODES).sum() >= 6
    plain = replace(split, sources=None)
    batch = next(iter(stream(plain, OBJECTIVE, batch_size=8, window=8, seed=3).as_numpy_iterator()))
    assert not np.isin(batch["inputs"], CODES).any()


def test_a_validation_has_all_codes_and_counts_each_token_once() -> None:
    split = split_of([5, 4, 6], [0, 1, 0])
    validation = OBJECTIVE.validation(split, batch_size=2, window=4)
    assert (validation.tokens, validation.bytes) == (15, split.bytes)
    inputs = np.concatenate([batch["inputs"].ravel() for batch in validation.batches])[:15]
    begins = [0, 4, 5, 8, 9, 12]  # windows of four, and documents
    expected = {0: 1, 4: 1, 5: 2, 8: 2, 9: 1, 12: 1}
    assert {position: int(inputs[position]) for position in begins} == expected
    assert not np.isin(np.delete(inputs, begins), [*CODES, END]).any()


def test_codes_keep_their_names() -> None:
    assert control_names(("a", "b"), ("b", "c")) == ("a", "b", "c")
    codes = ControlledLM(END, (7, 8, 9)).for_sources(("c", "a"), ("a", "b", "c"))
    assert codes.codes == (9, 7)
    with pytest.raises(ConfigError, match="3 sources need a control code each, and there are 2"):
        check_controls(("a", "b", "c"), 2)
    with pytest.raises(ConfigError, match="no control codes.*train a gpt"):
        check_controls(("a",), 0)


def test_a_model_writes_what_its_code_says_and_keeps_it_on_disk(tmp_path: Path) -> None:
    files = train_tokenizer(tiny_version(), kind="ctrl", vocab_size=400, storage=tmp_path)
    encoder = load_encoder(files.folder)
    lexicon = encoder.lexicon
    objective = ControlledLM.of(lexicon).for_sources(("letters", "answers"), ("letters", "answers"))
    assert objective.codes == tuple(lexicon.ids[token] for token in KINDS["ctrl"].controls[:2])
    words = {name: encoder.encode([name[0] * 12])[0] for name in ("alpha", "omega")}
    documents = [[*words[("alpha", "omega")[number % 2]], lexicon.frame.end_id] for number in range(300)]
    offsets = np.cumsum([0, *map(len, documents)])
    numbers = np.arange(300, dtype=np.uint16) % 2
    sources = Sources(("letters", "answers"), numbers, (1800, 1800))
    split = TokenSplit(
        "train", np.concatenate(documents).astype(np.uint16), offsets, 3600, lexicon.frame.end_id, sources
    )

    class Tokens:
        vocab_size = len(lexicon)

        def split(self, name: str) -> TokenSplit:
            return replace(split, name=name)

    size = Size("toy", layers=1, width=32, heads=2, context=32, learning_rate=1e-2, batch_size=8)
    task = CTRL.build(size, len(lexicon), seed=1)
    plan = TrainPlan(steps=120, batch_size=8, window=32, learning_rate=1e-2, warmup=5, jit=False)
    fit(task, Tokens(), plan, family=CTRL, objective=objective, fingerprint="f", checkpoints=tmp_path / "c")
    folder = tmp_path / "preset"
    save_preset(task, files.folder, folder, family=CTRL, context=32, controls=("letters", "answers"))
    assert json.loads((folder / ABOUT).read_text())["controls"] == ["letters", "answers"]
    _, model = load_preset(folder)
    for name, letter in (("letters", "a"), ("answers", "o")):
        said = model.generate([""], Sampling(max_tokens=6, temperature=0, control=name))[0]
        assert set(said) == {letter}, f"{name}: {said!r}"
    long = "o" * 300
    assert len(encoder.encode([long])[0]) > 32, "must be cut"
    assert model.generate([long], Sampling(max_tokens=4, temperature=0, control="answers"), truncate=True)
    with pytest.raises(
        ConfigError, match='no control code "letter".*did you mean "letters".*use one of letters, answers'
    ):
        model.generate([""], Sampling(control="letter"))


def test_a_gpt_has_no_codes(tmp_path: Path) -> None:
    from zoo.generate import TextModel

    files = train_tokenizer(tiny_version(), kind="bpe", vocab_size=300, storage=tmp_path)
    size = Size("toy", layers=1, width=16, heads=2, context=16, learning_rate=1e-2, batch_size=4)
    task = families.get("gpt").build(size, files.vocab_size)
    model = TextModel(task, load_encoder(files.folder), context=16)
    with pytest.raises(ConfigError, match="a ctrl alone has some"):
        model.generate(["a"], Sampling(max_tokens=2, control="letters"))


@pytest.mark.parametrize(
    ("objective", "control", "expected"),
    [
        ("causal_lm", None, 1),
        ("controlled_lm", None, 1),
        ("controlled_lm", "letters", 1),
        ("causal_lm", "letters", None),
        ("instruct", "letters", None),
        ("masked_lm", None, None),
    ],
)
def test_a_code_is_for_those_that_learned_some(objective: str, control: str | None, expected: int | None) -> None:
    from types import SimpleNamespace

    from zoo.query import _order

    assert _order(SimpleNamespace(objective=objective, family="gpt"), control=control) == expected  # type: ignore[arg-type]


def test_more_sources_than_codes_are_refused_before_data_is_read(tmp_path: Path) -> None:
    from tests.support.workspace import PIPELINE, make_workspace
    from zoo.job import prepare
    from zoo.request import Request
    from zoo.screen import Screen

    sources = [{"path": f"data/{number}.jsonl"} for number in range(65)]
    workspace = make_workspace(tmp_path / "w", records=0, pipeline=PIPELINE | {"sources": sources})
    with pytest.raises(ConfigError, match="65 sources need a control code each, and there are 64"):
        prepare(Request("ctrl", "tax_domain"), workspace=workspace, screen=Screen())
    assert not (workspace.storage / "datasets").exists()


def test_sources_in_another_order_are_another_training(tmp_path: Path) -> None:
    """The text is the same, and so is its digest; which code each record has is not."""
    import yaml

    from tests.support.workspace import PIPELINE, bundled_rows, make_workspace, write_jsonl
    from zoo.job import prepare
    from zoo.request import Request
    from zoo.screen import Screen
    from zoo.workspace import Workspace

    home = make_workspace(tmp_path / "w", records=20).home
    write_jsonl(home / "data" / "tax" / "rest.jsonl", bundled_rows(10, start=20))

    def parts(family: str, *names: str) -> dict[str, object]:
        sources = [{**PIPELINE["sources"][0], "path": f"data/tax/{name}.jsonl"} for name in names]
        (home / "pipelines" / "tax_domain.yaml").write_text(yaml.safe_dump(PIPELINE | {"sources": sources}))
        request = Request(family, "tax_domain", steps=12, changes={"batch_size": 2, "window": 64})
        return dict(prepare(request, workspace=Workspace.load(home), screen=Screen()).identity.parts)

    first, again, other = parts("ctrl", "letters", "rest"), parts("ctrl", "letters", "rest"), None
    other = parts("ctrl", "rest", "letters")
    assert first == again and first["dataset"] == other["dataset"]
    assert {name for name in first if first[name] != other[name]} == {"controls", "sources"}
    assert parts("gpt", "letters", "rest") == parts("gpt", "rest", "letters")
