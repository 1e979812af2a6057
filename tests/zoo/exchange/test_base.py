"""Bases: what a training continues from, wherever it lies, with its label and its tokenizer."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from keras import ops

import zoo
from governance.errors import ConfigError, DataError, FingerprintMismatch, PolicyRefused
from governance.labels import Label
from pipelines.tokenizers import TokenizerFiles, load_encoder, train_tokenizer
from tests.pipelines.tiny import tiny_version
from tests.support.fresh import run_beside
from tests.support.workspace import make_workspace
from tests.zoo.exchange.folders import Golden
from zoo import families
from zoo.exchange.base import LEARNING_RATE_SHARE, OpenedBase, find_base, open_base, rebuilt
from zoo.exchange.export import export
from zoo.families import Family, Size
from zoo.identity import Identity, training_identity
from zoo.preset import load_preset, save_preset
from zoo.slot import superseded
from zoo.workspace import Workspace

SIZE = Size("toy", layers=2, width=16, heads=2, context=32, learning_rate=1e-2, batch_size=4, dropout=0.1)
SIZES = dict.fromkeys(families.names(), SIZE) | {"llama": replace(SIZE, heads=4), "lstm": replace(SIZE, heads=0)}
_WORDS = 500  # t5 and ctrl have more special tokens than others
TEXTS = ["the tax return of 1234 spouses, isn't it?", "", "  two\n\n lines — and $5,000.00", "<|endoftext|> é 漢字"]


@dataclass(frozen=True)
class Model:
    family: Family
    task: Any
    files: TokenizerFiles
    folder: Path


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    return make_workspace(tmp_path_factory.mktemp("workspace") / "w", records=0)


def make(name: str, folder: Path) -> Model:
    family = families.get(name)
    files = train_tokenizer(tiny_version(), kind=family.tokenizer, vocab_size=_WORDS, storage=folder)
    task = family.build(SIZES[name], files.vocab_size, seed=5)
    save_preset(task, files.folder, folder / "preset", family=family, context=SIZE.context, label=Label.of("support"))
    return Model(family, task, files, folder / "preset")


@pytest.fixture(scope="module", params=sorted(SIZES))
def model(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Model:
    return make(request.param, tmp_path_factory.mktemp(request.param))


@pytest.fixture(scope="module")
def gpt(tmp_path_factory: pytest.TempPathFactory) -> Model:
    return make("gpt", tmp_path_factory.mktemp("gpt"))


def opened(folder: Path, family: Family, workspace: Workspace, label: str | None = None) -> OpenedBase:
    base = find_base(str(folder), workspace=workspace, label=label)
    return open_base(base, family, storage=workspace.storage, seed=0)


def test_a_base_is_the_same_model_with_its_label(model: Model, workspace: Workspace) -> None:
    base = opened(model.folder, model.family, workspace)
    assert base.label == Label.of("support", "tax")  # the model's, and that of its tokenizer's text
    assert base.tokenizer.digest == model.files.digest and base.tokenizer.label == base.label
    assert base.context == SIZE.context and base.fresh == ()
    for ours, theirs in zip(model.task.weights, base.task.weights, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    size = base.size()
    assert (size.name, size.layers, size.width, size.heads) == ("2x16", 2, 16, SIZES[model.family.name].heads)
    nearest = model.family.size("nano")
    assert size.learning_rate == pytest.approx(LEARNING_RATE_SHARE * nearest.learning_rate)
    assert base.parameters == model.family.parameters(SIZES[model.family.name], model.files.vocab_size)


def test_a_named_size_keeps_its_name(workspace: Workspace, tmp_path: Path) -> None:
    family = families.get("gpt")
    files = train_tokenizer(tiny_version(), kind="bpe", vocab_size=300, storage=tmp_path)
    task = family.build(family.size("nano"), files.vocab_size)
    save_preset(task, files.folder, tmp_path / "preset", family=family, context=256)
    size = opened(tmp_path / "preset", family, workspace).size()
    assert size == replace(family.size("nano"), learning_rate=LEARNING_RATE_SHARE * 3e-3)


def test_rebuilding_changes_dropout_alone(model: Model, workspace: Workspace) -> None:
    base = opened(model.folder, model.family, workspace)
    task = rebuilt(base, dropout=0.3, dtype="float32", seed=3)
    assert task.backbone.dropout == 0.3
    for ours, theirs in zip(model.task.weights, task.weights, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    again, other = (rebuilt(base, dropout=0.3, dtype="float32", seed=seed) for seed in (3, 4))
    seeds = [[np.array(v).tolist() for v in one.non_trainable_variables] for one in (task, again, other)]
    assert seeds[0] == seeds[1] and (seeds[0] != seeds[2] or not seeds[0])


def test_a_llama_stays_tied_however_often_it_is_saved(workspace: Workspace, tmp_path: Path) -> None:
    first = make("llama", tmp_path)
    folder = first.folder
    for number in range(2):
        base = opened(folder, first.family, workspace)
        task = rebuilt(base, dropout=0.0, dtype="float32", seed=0)
        folder = tmp_path / f"again-{number}"
        save_preset(task, base.tokenizer.folder, folder, family=first.family, context=SIZE.context)
    _, loaded = load_preset(folder)
    assert loaded.task.backbone.tie_word_embeddings
    assert len(loaded.task.weights) == len(first.task.weights)
    ids = ops.convert_to_tensor(np.array([[1, 2, 3]], np.int32))
    np.testing.assert_array_equal(*(first.family.logits(t, {"inputs": ids}, False) for t in (first.task, loaded.task)))


@pytest.mark.parametrize("to", ["hf", "keras"])
def test_an_exported_model_comes_back_with_label_tokenizer_and_identity(
    to: Any, model: Model, workspace: Workspace, tmp_path: Path
) -> None:
    if model.family.name == "lstm" and to == "hf":
        with pytest.raises(DataError, match="no counterpart of LSTMBackbone"):
            export(str(model.folder), tmp_path / "out", to=to, workspace=workspace)
        assert list(tmp_path.iterdir()) == []
        return
    written = export(str(model.folder), tmp_path / "out", to=to, workspace=workspace)
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
    before, after = (opened(folder, model.family, workspace) for folder in (model.folder, tmp_path / "out"))
    assert written.digest == after.digest == before.digest
    assert after.label == before.label == written.label
    assert after.tokenizer.digest == model.files.digest and after.context == SIZE.context
    assert after.size() == before.size()
    with pytest.raises(DataError, match="exists already"):
        export(str(model.folder), tmp_path / "out", to=to, workspace=workspace)


def test_the_identity_is_that_of_weights_and_tokenizer(gpt: Model, workspace: Workspace, tmp_path: Path) -> None:
    before = opened(gpt.folder, gpt.family, workspace)
    weight = before.task.trainable_weights[0]
    weight.assign(np.asarray(weight) + 1e-6)
    save_preset(before.task, gpt.files.folder, tmp_path / "moved", family=gpt.family, context=SIZE.context)
    assert opened(tmp_path / "moved", gpt.family, workspace).digest != before.digest


def test_a_tokenizer_in_hugging_faces_layout_gives_the_same_ids(
    model: Model, workspace: Workspace, tmp_path: Path
) -> None:
    from tokenizers import Tokenizer

    encoder = load_encoder(model.files.folder)
    if model.family.name == "lstm":
        return
    export(str(model.folder), tmp_path / "out", to="hf", workspace=workspace)
    theirs = Tokenizer.from_file(str(tmp_path / "out" / "tokenizer.json"))
    plain = [text for text in TEXTS if "<|" not in text]
    kind, frame = encoder.lexicon.kind, encoder.frame
    for text, ids in zip(plain, encoder.encode(plain), strict=True):
        first = [encoder.lexicon.ids[token] for token in (kind.first or kind.start,) if token is not None]
        has_end = kind.first is not None or kind.algorithm == "unigram"  # as the tokenizers of these models do
        assert theirs.encode(text).ids == [*first, *ids, *([frame.end_id] if has_end else [])]
        if kind.algorithm != "wordpiece":  # which loses case and spaces
            assert theirs.decode(theirs.encode(text).ids) == text


def test_labels_of_folders(gpt: Model, workspace: Workspace, tmp_path: Path) -> None:
    shutil.copytree(gpt.folder, tmp_path / "bare")
    about = tmp_path / "bare" / "zoo.json"
    assert find_base(str(gpt.folder), workspace=workspace, label="public").label == Label.of("public", "support", "tax")
    about.unlink()
    with pytest.raises(ConfigError, match=r"which domains.*--init-label public"):
        find_base(str(tmp_path / "bare"), workspace=workspace)
    with pytest.raises(ConfigError, match="no label"):
        find_base(str(tmp_path / "bare"), workspace=workspace, label="tax,public")
    base = opened(tmp_path / "bare", gpt.family, workspace, "public+support")
    assert base.label == base.tokenizer.label == Label.of("public", "support")
    before = opened(gpt.folder, gpt.family, workspace)
    assert base.tokenizer.folder != before.tokenizer.folder
    assert base.digest == before.digest and base.identity != before.identity


def test_model_and_tokenizer_belong_together(gpt: Model, workspace: Workspace, tmp_path: Path) -> None:
    other = train_tokenizer(tiny_version(90), kind="ctrl", vocab_size=_WORDS, storage=tmp_path)
    assert other.vocab_size > gpt.files.vocab_size
    swapped = tmp_path / "swapped"
    shutil.copytree(gpt.folder, swapped)
    for name in ("vocabulary.json", "merges.txt"):
        shutil.copyfile(other.folder / name, swapped / "assets" / "tokenizer" / name)
    with pytest.raises(DataError, match=f"{other.digest[:16]}.*{gpt.files.digest[:16]}"):
        opened(swapped, gpt.family, workspace)
    (swapped / "zoo.json").unlink()  # without it sizes are all there is to compare
    with pytest.raises(DataError, match=rf"{other.vocab_size} words.* {gpt.files.vocab_size} rows"):
        opened(swapped, gpt.family, workspace, "public")


def test_what_is_no_base(gpt: Model, workspace: Workspace, tmp_path: Path) -> None:
    for reference in ("nothing", "a b@champion", str(tmp_path / "absent")):
        with pytest.raises(ConfigError, match="neither a registered version nor a folder"):
            find_base(reference, workspace=workspace)
    with pytest.raises(DataError, match="config.json"):
        find_base(str(tmp_path), workspace=workspace, label="public")
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(DataError, match="neither Hugging Face's nor"):
        find_base(str(tmp_path), workspace=workspace, label="public")
    with pytest.raises(ConfigError, match="is a gpt, not a llama"):
        find_base(str(gpt.folder), workspace=workspace).family_name("llama")
    folder = Golden.open("gpt2").write(tmp_path / "gpt2")
    with pytest.raises(ConfigError, match="holds a gpt2, and a llama is a llama"):
        opened(folder, families.get("llama"), workspace, "public")
    with pytest.raises(DataError, match=r"no tokenizer\.json"):
        opened(folder, gpt.family, workspace, "public")
    with pytest.raises(ConfigError, match="does not say its family"):
        export(str(folder), tmp_path / "out", to="keras", label="public", workspace=workspace)
    with pytest.raises(ConfigError, match='no target "hff"'):
        export(str(folder), tmp_path / "out", to="hff", workspace=workspace)  # type: ignore[arg-type]


def test_what_a_training_asks_before_any_data_is_read(gpt: Model, tmp_path: Path) -> None:
    workspace = make_workspace(tmp_path / "w", records=20)
    with pytest.raises(PolicyRefused, match='"tax" may not derive from support'):
        zoo.train("gpt", pipeline="tax_domain", init=str(gpt.folder), workspace=workspace)
    allowed = tmp_path / "allowed"
    shutil.copytree(gpt.folder, allowed)
    about = json.loads((allowed / "zoo.json").read_text()) | {"label": ["tax"]}
    (allowed / "zoo.json").write_text(json.dumps(about))
    with pytest.raises(PolicyRefused, match="may not derive from other"):
        zoo.train("gpt", pipeline="tax_domain", init=str(allowed), init_label="other", workspace=workspace)
    with pytest.raises(ConfigError, match="has the size 2x16, and nano was asked for"):
        zoo.train("gpt", pipeline="tax_domain", init=str(allowed), size="nano", workspace=workspace)
    with pytest.raises(ConfigError, match="a window of 64 tokens exceeds"):
        zoo.train("gpt", pipeline="tax_domain", init=str(allowed), window=64, workspace=workspace)
    with pytest.raises(ConfigError, match="and no base"):
        zoo.train("gpt", pipeline="tax_domain", init_label="public", workspace=workspace)
    assert not (workspace.storage / "datasets").exists()


def test_another_base_is_another_training_and_one_that_moved_is_out_of_date() -> None:
    def identity(base: dict[str, str] | None) -> Identity:
        names = ("dataset_digest", "tokenizer_digest", "family", "size", "objective", "policy_digest", "backend")
        others = None if base is None else {"start": "base", **base}
        return training_identity(**dict.fromkeys(names, "x"), plan={}, others=others)

    scratch = identity(None)
    first, moved = (identity({"base": digest, "base_label": "tax"}) for digest in ("1", "2"))
    labelled = identity({"base": "1", "base_label": "public+tax"})
    assert len({one.fingerprint for one in (scratch, first, moved, labelled)}) == 4
    for other, expected in ((moved, True), (labelled, True), (scratch, False)):
        mismatch = FingerprintMismatch("differs")
        mismatch.differing = first.differing(other.parts)
        assert superseded(mismatch) is expected


NEW_PROCESS = """
import json, sys
from pathlib import Path
from zoo.backend import prepare_backend
prepare_backend()
from zoo.preset import load_preset
family, model = load_preset(Path(sys.argv[1]))
norms = {layer.epsilon for layer in model.task._flatten_layers() if type(layer).__name__ == "LayerNormalization"}
print(json.dumps([family.name, type(model.task).__module__, sorted(norms), model.embed(["the tax"]).tolist()]))
"""


@pytest.mark.slow
def test_an_encoder_with_constants_of_its_own_is_a_preset_as_well(workspace: Workspace, tmp_path: Path) -> None:
    roberta = make("roberta", tmp_path)
    export(str(roberta.folder), tmp_path / "hf", to="hf", workspace=workspace)
    config = json.loads((tmp_path / "hf" / "config.json").read_text())
    (tmp_path / "hf" / "config.json").write_text(json.dumps(config | {"layer_norm_eps": 0.1}))
    export(str(tmp_path / "hf"), tmp_path / "keras", to="keras", workspace=workspace)
    family, module, epsilons, embedding = json.loads(run_beside(NEW_PROCESS, str(tmp_path / "keras")))
    assert (family, module, epsilons) == ("roberta", "zoo.families.encoder_models", [0.1])
    _, here = load_preset(tmp_path / "keras")
    np.testing.assert_allclose(embedding, here.embed(["the tax"]), rtol=1e-5)
    _, other = load_preset(roberta.folder)
    assert not np.allclose(embedding, other.embed(["the tax"]), rtol=1e-5)
