"""Models with heads on their way out: the numbers are those of the model that was registered."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import zoo
from governance.errors import ConfigError, DataError, ZooError
from governance.labels import Label
from tests.support.fresh import run_beside
from tests.support.workspace import make_workspace
from tests.zoo.exchange.folders import Golden, tensors
from tests.zoo.tasks.examples import ToyTraining
from zoo import families
from zoo.exchange.base import find_base, open_base
from zoo.exchange.export import export
from zoo.exchange.hugging_face import read_model, write_tagger
from zoo.preset import load_preset, save_head_preset, save_preset
from zoo.tasks.heads import Head
from zoo.workspace import Workspace

TAGGERS = ("bert", "distilbert", "roberta")
TEMPERATURE = 0.5
_LOSES = 2  # rows of RoBERTa's position table that no input reaches


@dataclass(frozen=True)
class Saved:
    """A registered version's folder, and the model as it was trained."""

    training: ToyTraining
    model: Head
    folder: Path

    def inputs(self) -> dict[str, np.ndarray]:
        """Two texts, the second with padding at its end."""
        pieces = self.training.setting.encoder.encode(["the car number 7 is red", "the form"])
        first, end = self.training.setting.encoder.frame.prompt_id, self.training.setting.encoder.frame.end_id
        ids, mask = np.full((2, 48), end, np.int32), np.zeros((2, 48), np.int32)
        for row, piece in enumerate(pieces):
            ids[row, : len(piece) + 2], mask[row, : len(piece) + 2] = [first, *piece, end], 1
        width = int(mask.sum(axis=1).max())
        return {"token_ids": ids[:, :width], "padding_mask": mask[:, :width]}

    def logits(self) -> np.ndarray:
        inputs = self.inputs()
        return np.asarray(self.model({"inputs": inputs["token_ids"], "padding_mask": inputs["padding_mask"]}))


def saved(name: str, family: str, folder: Path) -> Saved:
    training = ToyTraining.of(name, family)
    model = training.model()
    model.dense.kernel.assign(np.random.default_rng(3).normal(size=model.dense.kernel.shape))
    model.dense.bias.assign(np.linspace(-1, 1, model.dense.units))
    about = {"name": name, "classes": list(training.setting.classes), "pooling": model.pooling}
    save_head_preset(
        model,
        training.data.tokenizer.folder,
        folder / "version",
        task=about | {"temperature": TEMPERATURE if name == "classify" else 1.0},
        family=training.family,
        context=48,
        label=Label.of("support"),
        objective=name,
    )
    return Saved(training, model, folder / "version")


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    return make_workspace(tmp_path_factory.mktemp("workspace") / "w", records=0)


@pytest.mark.parametrize("name", TAGGERS)
def test_a_tagger_is_what_transformers_computes(name: str, tmp_path: Path) -> None:
    golden = Golden.open(f"taggers/{name}")
    body = {key: value for key, value in golden.tensors.items() if not key.startswith("classifier")}
    read = read_model(Golden(golden.config, body, {}, {}).write(tmp_path / "in"))
    head = Head(read.task.backbone, 5, family=families.get(name), pooling="none")
    head.dense.kernel.assign(golden.tensors["classifier.weight"].T)
    head.dense.bias.assign(golden.tensors["classifier.bias"])
    real = golden.inputs["attention_mask"].astype(bool)
    found = np.asarray(head({"inputs": golden.inputs["input_ids"], "padding_mask": golden.inputs["attention_mask"]}))
    np.testing.assert_allclose(found[real], golden.outputs["logits"][real], atol=1e-5)
    (tmp_path / "out").mkdir()
    write_tagger(head, tmp_path / "out", lexicon=None, types=("THING", "COLOUR"))
    written = tensors(tmp_path / "out")
    assert written.keys() == golden.tensors.keys()
    types = golden.tensors.get("roberta.embeddings.token_type_embeddings.weight")
    for key, tensor in golden.tensors.items():
        if types is not None and key.endswith("position_embeddings.weight"):
            np.testing.assert_array_equal(written[key][_LOSES:], tensor[_LOSES:] + types[0])
        elif types is not None and key.endswith("token_type_embeddings.weight"):
            assert not written[key].any()
        else:
            np.testing.assert_array_equal(written[key], tensor, err_msg=key)
    config = json.loads((tmp_path / "out" / "config.json").read_text())
    assert {"architectures", "id2label", "label2id", "layer_norm_eps" if name != "distilbert" else "dim"} <= set(config)
    assert all(golden.config[key] == value for key, value in config.items() if key in golden.config)


@pytest.mark.parametrize("name", TAGGERS)
def test_an_exported_tagger_has_its_types_its_label_and_its_tokenizer(
    name: str, workspace: Workspace, tmp_path: Path
) -> None:
    one = saved("tag", name, tmp_path)
    written = export(str(one.folder), tmp_path / "out", to="hf", workspace=workspace)
    config = json.loads((tmp_path / "out" / "config.json").read_text())
    assert list(config["id2label"].values()) == ["O", "B-COLOUR", "I-COLOUR", "B-THING", "I-THING"]
    assert config["label2id"]["I-THING"] == 4
    np.testing.assert_array_equal(tensors(tmp_path / "out")["classifier.weight"].T, one.model.dense.kernel)
    about = json.loads((tmp_path / "out" / "zoo.json").read_text())
    assert about["label"] == written.label.to_list() == ["support", "tax"]
    assert about["task"]["classes"] == ["COLOUR", "THING"]
    from tokenizers import Tokenizer

    theirs = Tokenizer.from_file(str(tmp_path / "out" / "tokenizer.json"))
    encoder, frame = one.training.setting.encoder, about["task"]["frame"]
    assert theirs.encode("the car").ids == [*frame["before"], *encoder.encode(["the car"])[0], *frame["after"]]
    with pytest.raises(ConfigError, match="has a head for tag, and a training goes on from a language model alone"):
        open_base(find_base(str(tmp_path / "out"), workspace=workspace), one.training.family, storage=tmp_path, seed=0)
    with pytest.raises(DataError, match="is not read back"):
        export(str(tmp_path / "out"), tmp_path / "again", to="keras", workspace=workspace)


@pytest.mark.parametrize(
    ("name", "family", "message"),
    [
        ("classify", "bert", "BertForSequenceClassification decides by the first token's state.*saved_model or keras"),
        ("classify", "distilbert", "DistilBertForSequenceClassification decides by the first"),
        ("classify", "gpt", "GPT2ForSequenceClassification has no bias.*saved_model or keras"),
        ("reward", "llama", "LlamaForSequenceClassification has no bias"),
        ("classify", "lstm", "no counterpart of lstm; export it to saved_model or keras"),
    ],
)
def test_what_transformers_does_not_compute_is_refused_with_what_can_be_used(
    name: str, family: str, message: str, workspace: Workspace, tmp_path: Path
) -> None:
    one = saved(name, family, tmp_path)
    with pytest.raises(DataError, match=message):
        export(str(one.folder), tmp_path / "out", to="hf", workspace=workspace)
    assert [path.name for path in tmp_path.iterdir()] == ["version"]


HEADS = [("tag", "bert"), ("classify", "roberta"), ("classify", "gpt"), ("classify", "lstm"), ("reward", "llama")]
OTHERS = [("tag", "distilbert"), ("classify", "llama"), ("reward", "gpt"), ("reward", "lstm")]


@pytest.mark.parametrize(("name", "family"), [*HEADS, *(pytest.param(*one, marks=pytest.mark.slow) for one in OTHERS)])
def test_every_head_leaves_with_the_same_numbers(name: str, family: str, workspace: Workspace, tmp_path: Path) -> None:
    import keras
    import tensorflow as tf

    one = saved(name, family, tmp_path)
    keras_export = export(str(one.folder), tmp_path / "keras", to="keras", workspace=workspace)
    served = export(str(one.folder), tmp_path / "served", to="saved_model", workspace=workspace)
    assert keras_export.digest == served.digest and keras_export.label == Label.of("support", "tax")
    of_keras = keras.models.load_model(tmp_path / "keras" / "model.keras")(one.inputs())
    serve = tf.saved_model.load(str(tmp_path / "served")).signatures["serving_default"]
    of_tensorflow = serve(**{key: tf.constant(value) for key, value in one.inputs().items()})
    for found in (of_keras, of_tensorflow):
        check_answers({key: np.asarray(value) for key, value in found.items()}, one)
    for folder in ("keras", "served"):
        about = json.loads((tmp_path / folder / "zoo.json").read_text())
        registered = json.loads((one.folder / "zoo.json").read_text())
        assert about.pop("task") == registered.pop("task") | {"frame": frame_of(one)}
        assert about == registered
        assert (tmp_path / folder / "tokenizer").is_dir()


def check_answers(found: dict[str, np.ndarray], one: Saved) -> None:
    real = one.inputs()["padding_mask"].astype(bool) if one.training.task.name == "tag" else slice(None)
    logits = one.logits()
    if one.training.task.name == "reward":
        assert set(found) == {"rewards"}
        np.testing.assert_allclose(found["rewards"], logits[:, 0], atol=1e-5)
        return
    np.testing.assert_allclose(found["logits"][real], logits[real], atol=1e-5)
    calm = TEMPERATURE if one.training.task.name == "classify" else 1.0
    powers = np.exp(logits / calm)
    np.testing.assert_allclose(
        found["probabilities"][real], (powers / powers.sum(axis=-1, keepdims=True))[real], atol=1e-5
    )


def frame_of(one: Saved) -> dict[str, Any]:
    """What stands around a text in a batch of the training."""
    frame, lexicon = one.training.setting.encoder.frame, one.training.setting.encoder.lexicon
    pad = frame.end_id if lexicon.kind.pad is None else lexicon.special("pad")
    if one.training.task.name == "reward":
        template = one.training.objective.template  # type: ignore[attr-defined]
        before, between = list(template.before), list(template.between)
        return {"before": before, "between": between, "after": [template.end], "pad": pad}
    first = frame.prompt_id if lexicon.kind.first is None else lexicon.special("first")
    return {"before": [first], "after": [frame.end_id], "pad": pad}


def test_an_embedding_model_leaves_as_its_backbone_does(workspace: Workspace, tmp_path: Path) -> None:
    import tensorflow as tf

    training = ToyTraining.of("embed", "roberta")
    task = training.family.build(training.size, training.data.tokenizer.vocab_size, seed=5)
    save_preset(
        task,
        training.data.tokenizer.folder,
        tmp_path / "version",
        family=training.family,
        context=48,
        objective="embed",
        label=Label.of("support"),
    )
    for to in ("hf", "keras", "saved_model"):
        export(str(tmp_path / "version"), tmp_path / to, to=to, workspace=workspace)  # type: ignore[arg-type]
        assert json.loads((tmp_path / to / "zoo.json").read_text())["objective"] == "embed"
    _, model = load_preset(tmp_path / "keras")
    expected = model.embed(["the car"])
    frame = model.encoder.lexicon
    ids = np.array([[frame.special("first"), *model.encoder.encode(["the car"])[0], frame.frame.end_id]], np.int32)
    serve = tf.saved_model.load(str(tmp_path / "saved_model")).signatures["serving_default"]
    found = serve(token_ids=tf.constant(ids), padding_mask=tf.ones_like(ids))["embeddings"]
    np.testing.assert_allclose(found, expected, atol=1e-5)
    read = read_model(tmp_path / "hf").task
    for ours, theirs in zip(task.weights, read.weights, strict=True):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda folder: (folder / "head.npz").unlink(), "no roberta with a head: a file is missing"),
        (
            lambda folder: (folder / "head.npz").write_bytes(b"x"),
            "no roberta with a head: its content is not what it should be",
        ),
        (lambda folder: (folder / "model.weights.h5").unlink(), "no roberta with a head"),
        (lambda folder: about(folder, classes=["A"]), "has 5 outputs, and by zoo.json it has 3"),
        (lambda folder: about(folder, pooling="mean"), "zoo.json: task: pooling is mean, which no model"),
        (lambda folder: about(folder, name="classify"), "zoo.json: task: pooling is none"),
    ],
)
def test_a_damaged_head_is_refused(change: Any, message: str, workspace: Workspace, tmp_path: Path) -> None:
    one = saved("tag", "roberta", tmp_path)
    change(one.folder)
    with pytest.raises(ZooError, match=message):
        export(str(one.folder), tmp_path / "out", to="saved_model", workspace=workspace)
    assert not (tmp_path / "out").exists()


def about(folder: Path, **changes: Any) -> None:
    content = json.loads((folder / "zoo.json").read_text())
    content["task"] |= changes
    (folder / "zoo.json").write_text(json.dumps(content))


def test_a_head_is_nothing_to_train_from(tmp_path: Path) -> None:
    workspace = make_workspace(tmp_path / "w", records=20)
    one = saved("classify", "gpt", tmp_path)
    shutil.copytree(one.folder, tmp_path / "mine")
    about_all = json.loads((tmp_path / "mine" / "zoo.json").read_text()) | {"label": ["tax"]}
    (tmp_path / "mine" / "zoo.json").write_text(json.dumps(about_all))
    with pytest.raises(ConfigError, match="has a head for classify, and a training goes on from a language model"):
        zoo.train("gpt", pipeline="tax_domain", init=str(tmp_path / "mine"), workspace=workspace)


NEW_PROCESS = """
import json, sys
import keras, keras_hub
if sys.argv[1] == "ours":
    import zoo.families.encoder_models
model = keras.models.load_model(sys.argv[2])
ours = sorted({"zoo", "pipelines"} & set(sys.modules))
import numpy as np
inputs = {name: np.array(value, "int32") for name, value in json.loads(sys.argv[3]).items()}
print(json.dumps([ours, np.asarray(model(inputs)["probabilities"]).tolist()]))
"""


@pytest.mark.slow
@pytest.mark.parametrize("family", ["roberta", "bert"])
def test_a_keras_model_is_opened_without_us_where_keras_hub_has_its_backbone(
    family: str, workspace: Workspace, tmp_path: Path
) -> None:
    one = saved("classify", family, tmp_path)
    export(str(one.folder), tmp_path / "out", to="keras", workspace=workspace)
    inputs = json.dumps({name: value.tolist() for name, value in one.inputs().items()})
    who = "ours" if family == "bert" else "theirs"
    modules, found = json.loads(run_beside(NEW_PROCESS, who, str(tmp_path / "out" / "model.keras"), inputs))
    assert ("zoo" in modules) is (who == "ours")
    powers = np.exp(one.logits() / TEMPERATURE)
    np.testing.assert_allclose(found, powers / powers.sum(axis=-1, keepdims=True), atol=1e-5)
