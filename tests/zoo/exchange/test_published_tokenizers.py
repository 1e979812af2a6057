"""Published T5 and BERT tokenizers: the ids that transformers gives, which `make_tokenizer_golden.py` wrote down."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest
from sentencepiece import SentencePieceProcessor
from tokenizers import Tokenizer

from governance.errors import ConfigError, DataError
from governance.labels import Label
from pipelines.tokenizers import KINDS, Encoder, adopt_tokenizer, load_encoder, train_tokenizer
from pipelines.tokenizers.bert import BertEncoder
from pipelines.tokenizers.kinds import SENTINELS
from tests.pipelines.tiny import tiny_version
from tests.support.workspace import make_workspace
from zoo import families
from zoo.exchange.base import find_base, open_base
from zoo.exchange.export import export
from zoo.exchange.hugging_face import write_model
from zoo.exchange.tokenizer_files import find_tokenizer, unnamed_preset_tokenizer, write_tokenizer
from zoo.families import Size
from zoo.generation.sampling import Sampling
from zoo.objectives.spans import SpanCorruption
from zoo.preset import load_preset

SIZE = Size("toy", layers=2, width=16, heads=2, context=32, learning_rate=1e-2, batch_size=4, dropout=0.1)
GOLDEN = json.loads((Path(__file__).parent / "golden" / "tokenizers.json").read_text())
TEXTS: list[str] = GOLDEN["texts"]
SETTINGS = {"do_lower_case": False, "strip_accents": None, "tokenize_chinese_chars": True}


def adopted(folder: Path, kind: str, storage: Path, own: str | None = None) -> Any:
    found = find_tokenizer(folder, kind, own=own)
    return adopt_tokenizer(found.write, kind=found.kind, label=Label.of("public"), origin="0" * 64, storage=storage)


def t5_folder(folder: Path, *, spiece: bool = False, **changes: Any) -> Path:
    """A published folder: `spiece.model`, or `tokenizer.json` with changes."""
    folder.mkdir(parents=True, exist_ok=True)
    if spiece:
        (folder / "spiece.model").write_bytes(base64.b64decode(GOLDEN["t5"]["model"]))
        return folder
    content = json.loads(json.dumps(GOLDEN["t5"]["tokenizer.json"]))
    content["model"] |= changes.pop("model", {})
    (folder / "tokenizer.json").write_text(json.dumps(content | changes))
    return folder


def bert_folder(folder: Path, settings: dict[str, Any] | None = None, normalizer: dict[str, Any] | None = None) -> Path:
    """A published folder: tokenizer_config.json with settings; vocab.txt, or tokenizer.json with a normalizer."""
    folder.mkdir(parents=True, exist_ok=True)
    tokens = GOLDEN["bert"]["tokens"]
    if settings is not None:
        (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    if normalizer is None:
        (folder / "vocab.txt").write_text("".join(f"{token}\n" for token in tokens))
        return folder
    content = {
        "normalizer": {"type": "BertNormalizer", **normalizer},
        "pre_tokenizer": {"type": "BertPreTokenizer"},
        "model": {"type": "WordPiece", "vocab": {token: index for index, token in enumerate(tokens)}},
    }
    (folder / "tokenizer.json").write_text(json.dumps(content))
    return folder


@pytest.mark.parametrize("spiece", [True, False])
def test_a_published_t5_has_its_ids(spiece: bool, tmp_path: Path) -> None:
    files = adopted(t5_folder(tmp_path / "in", spiece=spiece), "t5", tmp_path)
    encoder = load_encoder(files.folder)
    assert files.kind == "t5-published"
    assert encoder.encode(TEXTS) == GOLDEN["t5"]["ids"]
    words = len(GOLDEN["t5"]["tokenizer.json"]["model"]["vocab"])
    assert [encoder.lexicon.ids[token] for token in SENTINELS] == list(range(words - 1, words - 101, -1))
    assert encoder.vocab_size == words
    assert encoder.decode(encoder.encode(["  the tax\n return "])[0]) == "the tax return"


def test_both_files_of_a_t5_are_one_tokenizer(tmp_path: Path) -> None:
    files = [adopted(t5_folder(tmp_path / str(one), spiece=one), "t5", tmp_path) for one in (True, False)]
    assert files[0] == files[1]


def test_a_t5_goes_out_and_comes_back(tmp_path: Path) -> None:
    files = adopted(t5_folder(tmp_path / "in", spiece=True), "t5", tmp_path)
    (tmp_path / "out").mkdir()
    write_tokenizer(files.folder, tmp_path / "out", context=64)
    theirs = Tokenizer.from_file(str(tmp_path / "out" / "tokenizer.json"))
    assert [theirs.encode(text, add_special_tokens=False).ids for text in TEXTS] == GOLDEN["t5"]["ids"]
    ids = load_encoder(files.folder).lexicon.ids
    assert theirs.encode("<extra_id_7> the").ids[0] == ids["<extra_id_7>"] and theirs.encode("").ids == [ids["</s>"]]
    assert adopted(tmp_path / "out", "t5", tmp_path) == files
    (tmp_path / "out" / "vocabulary.spm").unlink()
    assert adopted(tmp_path / "out", "t5", tmp_path) == files


def test_text_never_becomes_a_sentinel(tmp_path: Path) -> None:
    encoder = load_encoder(adopted(t5_folder(tmp_path / "in"), "t5", tmp_path).folder)
    special = {encoder.lexicon.ids[token] for token in KINDS["t5"].special_tokens if token != "<unk>"}
    ids = encoder.encode(["".join(KINDS["t5"].special_tokens), "a <extra_id_0> b </s>"])
    assert not special & {token for one in ids for token in one}
    assert encoder.decode([encoder.lexicon.ids["<extra_id_1>"], *encoder.encode(["the"])[0]]) == "<extra_id_1> the"
    words = encoder.lexicon.words
    assert words.bytes[encoder.encode(["the tax"])[0]].sum() == len(" the tax")
    assert words.is_special(sorted(special)).all()  # type: ignore[arg-type]


def test_keras_hub_and_sentencepiece_open_the_same_file(tmp_path: Path) -> None:
    """The ids are the same but for what `pipelines.tokenizers.pieces` says."""
    import keras_hub

    files = adopted(t5_folder(tmp_path / "in"), "t5", tmp_path)
    model = (files.folder / "vocabulary.spm").read_bytes()
    keras = keras_hub.models.T5Tokenizer(model)
    processor = SentencePieceProcessor(model_proto=model)
    texts = [text for text in TEXTS if not {"\u0085", "\u0301"} & set(text)]
    expected = load_encoder(files.folder).encode(texts)
    assert [list(map(int, keras(text))) for text in texts] == expected
    assert processor.encode(texts) == expected
    assert keras.vocabulary_size() == files.vocab_size
    spelled = "a <extra_id_0> b"
    assert processor.encode(spelled) == load_encoder(files.folder).encode([spelled])[0]
    assert processor.piece_to_id("<extra_id_0>") not in processor.encode(spelled)


METASPACE = {"type": "Metaspace", "replacement": "\u2581", "prepend_scheme": "never", "split": True}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model": {"byte_fallback": True}}, "byte_fallback is True"),
        ({"normalizer": {"type": "Lowercase"}}, "changes texts in a way that is not known: Lowercase"),
        ({"pre_tokenizer": METASPACE}, "cuts texts in a way that is not known: Metaspace"),
        ({"pre_tokenizer": None}, "cuts texts in a way that is not known"),
        ({"model": {"vocab": [["<unk>", 0.0], ["a", -1.0]]}}, "ids are not 0 to|has no <pad>"),
        ({"added_tokens": [{"id": 164, "content": "dog", "special": False}]}, "an added word: 'dog'"),
        ({"added_tokens": [{"id": 170, "content": "dog", "special": True}]}, "ids are not 0 to"),
        ({"model": {"unk_id": 7}}, "what is unknown is not <unk>"),
        ({"model": {"vocab": 7}}, "damaged"),
    ],
)
def test_what_no_t5_does_is_refused(changes: dict[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=message):
        find_tokenizer(t5_folder(tmp_path, **changes), "t5")


def test_files_that_are_no_t5_are_refused(tmp_path: Path) -> None:
    folder = t5_folder(tmp_path, spiece=True)
    (folder / "tokenizer_config.json").write_text('{"extra_ids": 10}')
    with pytest.raises(DataError, match="extra_ids is 10, and a t5 here has 100"):
        find_tokenizer(folder, "t5")
    (folder / "spiece.model").write_bytes(base64.b64decode(GOLDEN["llama"]["model"]))
    with pytest.raises(DataError, match="SentencePiece model is Unigram, and this is none"):
        find_tokenizer(folder, "t5")
    for name in ("spiece.model", "vocabulary.spm"):
        (folder / name).write_bytes(b"no model")
        with pytest.raises(DataError, match="no SentencePiece model"):
            find_tokenizer(folder, "t5")
    with pytest.raises(DataError, match="a bert tokenizer is no Unigram"):
        find_tokenizer(t5_folder(tmp_path / "json"), "bert")


@pytest.mark.parametrize("case", GOLDEN["bert"]["cases"], ids=lambda case: str(list(case["settings"].values())))
@pytest.mark.parametrize("in_json", [False, True])
def test_a_published_bert_has_its_ids(case: dict[str, Any], in_json: bool, tmp_path: Path) -> None:
    lower, strip, apart = case["settings"].values()
    normalizer = {"lowercase": lower, "strip_accents": strip, "handle_chinese_chars": apart} if in_json else None
    files = adopted(bert_folder(tmp_path / "in", case["settings"], normalizer), "bert", tmp_path)
    encoder = load_encoder(files.folder)
    assert isinstance(encoder, BertEncoder) and encoder.lexicon.kind.cased is not lower
    assert encoder.encode(TEXTS) == case["ids"]
    (tmp_path / "out").mkdir()
    write_tokenizer(files.folder, tmp_path / "out", context=64)
    theirs = Tokenizer.from_file(str(tmp_path / "out" / "tokenizer.json"))
    assert [theirs.encode(text, add_special_tokens=False).ids for text in TEXTS] == case["ids"]
    assert adopted(tmp_path / "out", "bert", tmp_path) == files


def test_a_bert_that_says_nothing_is_uncased(tmp_path: Path) -> None:
    assert find_tokenizer(bert_folder(tmp_path), "bert").kind == "bert-published"
    assert find_tokenizer(bert_folder(tmp_path, SETTINGS), "bert").kind == "bert-published-cased-accented"


def test_a_bert_whose_files_contradict_each_other_is_refused(tmp_path: Path) -> None:
    folder = bert_folder(tmp_path, {"do_lower_case": True}, {"lowercase": False})
    with pytest.raises(
        DataError, match="says lowercase False, .* transformers goes by tokenizer_config.json: lowercase T"
    ):
        find_tokenizer(folder, "bert")
    bert_folder(tmp_path, {"tokenizer_class": "PreTrainedTokenizerFast"}, {"lowercase": False})
    assert find_tokenizer(folder, "bert").kind == "bert-published-cased-accented"


def test_what_no_bert_does_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="do_basic_tokenize False"):
        find_tokenizer(bert_folder(tmp_path / "a", {"do_basic_tokenize": False}), "bert")
    with pytest.raises(DataError, match="clean_text False"):
        find_tokenizer(bert_folder(tmp_path / "b", None, {"clean_text": False}), "bert")
    folder = bert_folder(tmp_path / "c", None, {})
    content = json.loads((folder / "tokenizer.json").read_text())
    for changes, message in (
        ({"model": {**content["model"], "max_input_chars_per_word": 50}}, "max_input_chars_per_word is 50 and not 100"),
        ({"model": {**content["model"], "unk_token": "?"}}, "unk_token is '\\?'"),
        ({"added_tokens": [{"id": 1, "content": "dog", "special": False}]}, "an added word: 'dog'"),
        ({"pre_tokenizer": {"type": "Whitespace"}}, "in another way than BERT does"),
    ):
        (folder / "tokenizer.json").write_text(json.dumps(content | changes))
        with pytest.raises(DataError, match=message):
            find_tokenizer(folder, "bert")


@pytest.fixture
def bert(tmp_path: Path) -> Encoder:
    return load_encoder(adopted(bert_folder(tmp_path / "in", SETTINGS), "bert", tmp_path).folder)


def test_places_and_parts_of_a_bert(bert: BertEncoder) -> None:
    text = "the soft\u00adhyphen of a\u00a0spouse is due 漢字 in April."
    for found, (start, end) in zip(bert.encode([text])[0], bert.places(text), strict=True):
        assert text[start:end].replace("\u00ad", "") == list(bert.lexicon.ids)[found].removeprefix("##")
    words = ("the", "soft\u00adhyphen", "of a\u00a0spouse", "漢", "April.")
    spans = [(text.index(word), text.index(word) + len(word)) for word in words]
    ids, ranges = bert.encode_parts(text, spans)
    assert ids == bert.encode([text])[0]
    assert [ids[first:last] for first, last in ranges] == bert.encode(words)
    assert bert.encode_parts(text, [(0, 2), (1, 3), (0, 10), (4, 8)])[1] == []


def test_no_published_kind_is_trained(tmp_path: Path) -> None:
    for kind in ("t5-published", "bert-published", "bpe-published"):
        with pytest.raises(ConfigError, match="cannot be trained: it is of vocabularies from elsewhere"):
            train_tokenizer(tiny_version(), kind=kind, vocab_size=500, storage=tmp_path)


def test_presets_that_do_not_say_their_kind(tmp_path: Path) -> None:
    assets = tmp_path / "assets" / "tokenizer"
    assets.mkdir(parents=True)
    (assets / "vocabulary.txt").write_text("".join(f"{token}\n" for token in GOLDEN["bert"]["tokens"]))
    for config, kind in (({}, "bert"), ({"lowercase": False, "strip_accents": False}, "bert-published-cased-accented")):
        (tmp_path / "tokenizer.json").write_text(json.dumps({"config": config}))
        assert unnamed_preset_tokenizer(tmp_path, "bert").kind == kind
    (assets / "vocabulary.spm").write_bytes(base64.b64decode(GOLDEN["t5"]["model"]))
    found = unnamed_preset_tokenizer(tmp_path, "t5")
    files = adopt_tokenizer(found.write, kind=found.kind, label=Label.of("public"), origin="0" * 64, storage=tmp_path)
    assert load_encoder(files.folder).encode(TEXTS) == GOLDEN["t5"]["ids"]
    (assets / "vocabulary.spm").write_bytes(b"no model")
    with pytest.raises(DataError, match="no SentencePiece model"):
        unnamed_preset_tokenizer(tmp_path, "t5")


ASCII = ["The Tax return of SECTION 1234, isn't it? $5,000 (or so)", "", "  two\n\tlines ", "x" * 100 + " " + "x" * 101]


@pytest.mark.parametrize("lower", [True, False])
def test_keras_hubs_bert_has_the_ids_of_ascii(lower: bool, tmp_path: Path) -> None:
    """And others for what the note in zoo.json says."""
    files = adopted(bert_folder(tmp_path / "in", {"do_lower_case": lower}), "bert", tmp_path)
    encoder = load_encoder(files.folder)
    keras = families.get("bert").preprocessor(files.folder, 32).tokenizer
    assert [list(map(int, keras(text))) for text in ASCII] == encoder.encode(ASCII)
    note = encoder.lexicon.kind.keras_differs
    assert note is not None and "no-break spaces" in note and KINDS["bert"].keras_differs is None
    for text in ("a\u00a0spouse", "soft\u00adhyphen", *(["\u00bd"] if lower else [])):
        assert list(map(int, keras(text))) != encoder.encode([text])[0]


@pytest.mark.parametrize(("name", "kind"), [("t5", "t5-published"), ("bert", "bert-published-cased-accented")])
def test_a_published_folder_becomes_a_preset(name: str, kind: str, tmp_path: Path) -> None:
    workspace = make_workspace(tmp_path / "w", records=0)
    folder, family = tmp_path / "in", families.get(name)
    folder = t5_folder(folder, spiece=True) if name == "t5" else bert_folder(folder, SETTINGS)
    lexicon = load_encoder(adopted(folder, name, tmp_path).folder).lexicon
    task = family.build(SIZE, len(lexicon) + 28, seed=1)  # as published: more rows than words
    write_model(task, folder, lexicon=lexicon, context=SIZE.context)
    base = open_base(find_base(str(folder), workspace=workspace, label="public"), family, storage=tmp_path, seed=0)
    assert base.tokenizer.kind == kind
    for to in ("keras", "hf"):
        export(str(folder), tmp_path / to, to=to, family=name, label="public", workspace=workspace)  # type: ignore[arg-type]
        about = json.loads((tmp_path / to / "zoo.json").read_text())
        assert (about["tokenizer"], about.get("keras_hub_tokenizer")) == (
            kind,
            KINDS[kind].keras_differs if to == "keras" else None,
        )
        again = open_base(find_base(str(tmp_path / to), workspace=workspace), family, storage=tmp_path, seed=0)
        assert (again.digest, again.tokenizer.digest) == (base.digest, base.tokenizer.digest)
    _, model = load_preset(tmp_path / "keras")
    assert model.encoder.encode(TEXTS) == load_encoder(base.tokenizer.folder).encode(TEXTS)
    if name == "bert":
        config = json.loads((tmp_path / "keras" / "tokenizer.json").read_text())["config"]
        assert not config["lowercase"] and not config["strip_accents"]
    if name == "t5":
        assert SpanCorruption.of(lexicon).sentinels == tuple(lexicon.ids[token] for token in SENTINELS)
        assert isinstance(model.generate(["the tax"], Sampling(max_tokens=4))[0], str)  # type: ignore[union-attr]
