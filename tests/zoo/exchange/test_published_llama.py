"""Tokenizers of Llama 1 and 2: the ids that transformers gives, which `make_tokenizer_golden.py` wrote down."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest
from sentencepiece import SentencePieceProcessor, sentencepiece_model_pb2
from tokenizers import Tokenizer

from governance.errors import DataError
from governance.labels import Label
from pipelines.tokenizers import KINDS, adopt_tokenizer, load_encoder
from pipelines.tokenizers.byte_pieces import open_model
from pipelines.tokenizers.byte_pieces import write_model as write_pieces
from tests.support.workspace import make_workspace
from zoo import families
from zoo.exchange.base import find_base, open_base
from zoo.exchange.export import export
from zoo.exchange.hugging_face import write_model
from zoo.exchange.tokenizer_files import find_tokenizer, write_tokenizer
from zoo.families import Size
from zoo.generation.sampling import Sampling
from zoo.preset import load_preset

ALL = json.loads((Path(__file__).parent / "golden" / "tokenizers.json").read_text())
GOLDEN, TEXTS = ALL["llama"], ALL["texts"]
MERGES = GOLDEN["tokenizer.json"]["model"]["merges"]
NO_BYTE = {piece.replace("<0x05>", "zzz"): token for piece, token in GOLDEN["tokenizer.json"]["model"]["vocab"].items()}
SIZE = Size("toy", layers=2, width=16, heads=4, context=32, learning_rate=1e-2, batch_size=4, dropout=0.1)
#: As published with Llama 2: the same in other words.
PREPEND = {
    "normalizer": {
        "type": "Sequence",
        "normalizers": [
            {"type": "Prepend", "prepend": "\u2581"},
            {"type": "Replace", "pattern": {"String": " "}, "content": "\u2581"},
        ],
    },
    "pre_tokenizer": None,
}


def adopted(folder: Path, storage: Path) -> Any:
    found = find_tokenizer(folder, "llama3")
    return adopt_tokenizer(found.write, kind=found.kind, label=Label.of("public"), origin="0" * 64, storage=storage)


def in_model(folder: Path, change: Any = None) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    proto = sentencepiece_model_pb2.ModelProto.FromString(base64.b64decode(GOLDEN["model"]))
    if change is not None:
        change(proto)
    (folder / "tokenizer.model").write_bytes(proto.SerializeToString())
    return folder


def in_json(folder: Path, **changes: Any) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    content = json.loads(json.dumps(GOLDEN["tokenizer.json"]))
    content["model"] |= changes.pop("model", {})
    (folder / "tokenizer.json").write_text(json.dumps(content | changes))
    return folder


def test_llama_2_has_its_ids_from_either_file(tmp_path: Path) -> None:
    folders = [in_model(tmp_path / "a"), in_json(tmp_path / "b"), in_json(tmp_path / "c", **PREPEND)]
    files = [adopted(folder, tmp_path) for folder in folders]
    assert files[0] == files[1] == files[2] and files[0].kind == "llama2-published"
    encoder = load_encoder(files[0].folder)
    assert encoder.encode(TEXTS) == GOLDEN["ids"]
    assert (encoder.frame.start_id, encoder.frame.end_id, encoder.vocab_size) == (1, 2, 400)
    for text, ids in zip(TEXTS, GOLDEN["ids"], strict=True):
        assert encoder.decode(ids) == text.removeprefix(" ")
        assert encoder.lexicon.words.bytes[ids].sum() == len(text.encode()) + bool(text and text[0] != " ")


def test_text_never_becomes_a_special_token_or_a_byte(tmp_path: Path) -> None:
    encoder = load_encoder(adopted(in_model(tmp_path / "in"), tmp_path).folder)
    ids = encoder.encode(["<s>a</s><unk>", "<0x0A>"])
    assert not {0, 1, 2} & {*ids[0], *ids[1]} and len(ids[1]) > 2
    assert encoder.decode([1, *encoder.encode(["the"])[0], 2]) == "<s> the</s>"


def test_pieces_that_spell_a_special_token_stay_apart() -> None:
    """Only what is text is merged, whatever the pieces are."""
    raw = [f"<0x{byte:02X}>" for byte in range(256)]
    pieces = ["<unk>", "<s>", "</s>", *raw, "\u2581", "<", "s", ">", "s>", "<0x0", "A>"]
    model = write_pieces(pieces, unknown=0, control={"<s>", "</s>"})
    encoder = open_model(KINDS["llama2-published"], model)
    spelled = [[pieces[token] for token in ids] for ids in encoder.encode(["<s>", "<0x0A>", "s>"])]
    assert spelled[0] == ["\u2581", "<", "s>"] and spelled[2] == ["\u2581", "s>"]
    assert "<0x0A>" not in spelled[1] and encoder.decode(encoder.encode(["<0x0A>"])[0]) == "<0x0A>"


def test_it_goes_out_and_comes_back(tmp_path: Path) -> None:
    files = adopted(in_model(tmp_path / "in"), tmp_path)
    (tmp_path / "out").mkdir()
    write_tokenizer(files.folder, tmp_path / "out", context=64)
    theirs = Tokenizer.from_file(str(tmp_path / "out" / "tokenizer.json"))
    assert [theirs.encode(text, add_special_tokens=False).ids for text in TEXTS] == GOLDEN["ids"]
    assert [theirs.decode(ids) for ids in GOLDEN["ids"]] == [text.removeprefix(" ") for text in TEXTS]
    assert theirs.encode("the").ids == [1, *theirs.encode("the", add_special_tokens=False).ids]
    assert adopted(tmp_path / "out", tmp_path) == files
    (tmp_path / "out" / "vocabulary.spm").unlink()
    assert adopted(tmp_path / "out", tmp_path) == files


def test_keras_hub_and_sentencepiece_open_the_same_file(tmp_path: Path) -> None:
    files = adopted(in_json(tmp_path / "in"), tmp_path)
    keras = families.get("llama").preprocessor(files.folder, 32).tokenizer
    processor = SentencePieceProcessor(model_file=str(files.folder / "vocabulary.spm"))
    for text, ids in zip(TEXTS, GOLDEN["ids"], strict=True):
        before = [processor.piece_to_id("\u2581")] if text.startswith(" ") else []  # what the note in zoo.json says
        assert processor.encode(text) == list(map(int, keras(text))) == [*before, *ids]
    assert "begins with a space" in str(KINDS["llama2-published"].keras_differs)


def lower_scores(proto: Any) -> None:
    proto.pieces[300].score = 1.0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda proto: setattr(proto.normalizer_spec, "add_dummy_prefix", False), "add_dummy_prefix is False"),
        (lambda proto: setattr(proto.trainer_spec, "model_type", proto.trainer_spec.UNIGRAM), "is BPE"),
        (lambda proto: setattr(proto.pieces[300], "type", proto.pieces[300].USER_DEFINED), "pieces of its user"),
        (lower_scores, "not in the order of their scores"),
    ],
)
def test_a_model_that_no_llama_has_is_refused(change: Any, message: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=message):
        find_tokenizer(in_model(tmp_path, change), "llama3")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model": {"dropout": 0.1}}, "dropout is 0.1"),
        ({"model": {"merges": MERGES[1:]}}, "merges are not those"),
        ({"model": {"merges": MERGES[::-1]}}, "merges are not those"),
        ({"model": {"vocab": NO_BYTE, "merges": MERGES}}, "no piece for each byte"),
        ({"pre_tokenizer": None}, "in another way than Llama 1 and 2"),
        ({"normalizer": {"type": "NFKC"}}, "in another way than Llama 1 and 2"),
        ({"added_tokens": [{"id": 400, "content": "dog", "special": False}]}, "an added word: 'dog'"),
        ({"added_tokens": [{"id": 405, "content": "dog", "special": True}]}, "ids are not 0 to"),
    ],
)
def test_a_json_that_no_llama_has_is_refused(changes: dict[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=message):
        find_tokenizer(in_json(tmp_path, **changes), "llama3")


def test_other_families_have_none_of_it(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="byte_fallback is True"):
        find_tokenizer(in_json(tmp_path / "a"), "bpe")
    with pytest.raises(DataError, match="there is no tokenizer.json"):
        find_tokenizer(in_model(tmp_path / "b"), "bpe")
    (tmp_path / "b" / "tokenizer.model").write_bytes(b"no model")
    with pytest.raises(DataError, match="no SentencePiece model"):
        find_tokenizer(tmp_path / "b", "llama3")


def test_a_published_folder_becomes_a_preset(tmp_path: Path) -> None:
    import keras_hub

    workspace = make_workspace(tmp_path / "w", records=0)
    family, folder = families.get("llama"), in_model(tmp_path / "in")
    lexicon = load_encoder(adopted(folder, tmp_path).folder).lexicon
    write_model(family.build(SIZE, len(lexicon), seed=1), folder, lexicon=lexicon, context=SIZE.context)
    base = open_base(find_base(str(folder), workspace=workspace, label="public"), family, storage=tmp_path, seed=0)
    assert base.tokenizer.kind == "llama2-published"
    for to in ("keras", "hf"):
        export(str(folder), tmp_path / to, to=to, family="llama", label="public", workspace=workspace)  # type: ignore[arg-type]
        again = open_base(find_base(str(tmp_path / to), workspace=workspace), family, storage=tmp_path, seed=0)
        assert (again.digest, again.tokenizer.digest) == (base.digest, base.tokenizer.digest)
    about = json.loads((tmp_path / "keras" / "zoo.json").read_text())
    assert about["keras_hub_tokenizer"] == KINDS["llama2-published"].keras_differs
    task = keras_hub.models.CausalLM.from_preset(str(tmp_path / "keras"))
    [expected] = load_encoder(base.tokenizer.folder).encode(["the tax"])
    assert list(map(int, task.preprocessor.tokenizer("the tax"))) == expected
    _, model = load_preset(tmp_path / "keras")
    assert isinstance(model.generate(["the tax"], Sampling(max_tokens=4))[0], str)  # type: ignore[union-attr]
