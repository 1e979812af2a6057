"""Makes the golden ids of published tokenizers: what transformers gives for tokenizers of its layouts.

    python tests/zoo/exchange/make_tokenizer_golden.py

It needs transformers; the tests read what it wrote (`golden/tokenizers.json`) and do not. The vocabularies are
made from the invented words below, with few words and a small table of characters. The layouts are those of
published folders: a SentencePiece model without sentinels and with them in a tokenizer.json (T5), a
SentencePiece model of byte pairs with bytes (Llama 2), a list of words (BERT).
"""

from __future__ import annotations

import base64
import io
import itertools
import json
import tempfile
from pathlib import Path
from typing import Any

import sentencepiece
import transformers

FILE = Path(__file__).parent / "golden" / "tokenizers.json"
TEXT = "the tax return of a dependent spouse is due in April unless section 1234 says 5,000 dollars Straße café"
WORDS = TEXT.split()
TEXTS = [
    "The tax return of a dependent spouse is due in April.",
    "",
    " ",
    "  two  \n spaces\tand\r\nlines  ",
    "a\u00a0no-break\u2009space",
    "to be continued… or ... not",
    "soft\u00adhyphen zero\u200bwidth \ufeffmark",
    "Straße STRASSE straße ß",
    "café CAFE\u0301 naïve Ünder ½ ™ ﬁne Å",
    "漢字 and 한국어 and שלום and हिन्दी",
    "🙂👩\u200d👩\u200d👧 x\u0085y",
    "$12,345.67 — (isn't it?) [sic] <b>",
    "x" * 101 + " " + "é" * 100 + " " + "é" * 101,
    "İstanbul ΑΣ ǅ \u0301 alone",
]
#: Some of what SentencePiece's own table replaces, which is a hundred times larger.
TABLE = {
    **dict.fromkeys("\t\n\r\u00a0\u2009\u200b\ufeff\u2581", " "),
    **{"…": "...", "½": "1\u20442", "™": "TM", "ﬁ": "fi", "E\u0301": "É", "e\u0301": "é", "\u212b": "Å"},
}


def main() -> None:
    golden = {"texts": TEXTS, "t5": t5(), "llama": llama(), "bert": bert(), "transformers": transformers.__version__}
    FILE.write_text(json.dumps(golden, sort_keys=True) + "\n")
    print(FILE, FILE.stat().st_size, "bytes")


def sentences() -> list[str]:
    """Made-up text in which the words stand in all orders."""
    return [
        " ".join(WORDS[(number * 7 + place * place) % len(WORDS)] for place in range(12)) + f", No. {number}."
        for number in range(60)
    ]


def trained(**settings: Any) -> bytes:
    model = io.BytesIO()
    with tempfile.NamedTemporaryFile("w", suffix=".tsv") as table:
        for source, target in TABLE.items():
            table.write("\t".join(" ".join(f"{ord(one):X}" for one in part) for part in (source, target)) + "\n")
        table.flush()
        if settings.pop("with_table"):
            settings["normalization_rule_tsv"] = table.name
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(sentences()), model_writer=model, hard_vocab_limit=False, minloglevel=2, **settings
        )
    return model.getvalue()


def t5() -> dict[str, Any]:
    pieces = {"pad_id": 0, "eos_id": 1, "unk_id": 2, "bos_id": -1}
    model = trained(model_type="unigram", vocab_size=150, with_table=True, **pieces)
    return of_folder(model, "spiece.model", {"model_type": "t5"}, {"tokenizer_class": "T5Tokenizer"})


def llama() -> dict[str, Any]:
    settings = {"byte_fallback": True, "split_digits": True, "normalization_rule_name": "identity"}
    settings |= {"remove_extra_whitespaces": False, "allow_whitespace_only_pieces": True}
    model = trained(model_type="bpe", vocab_size=400, with_table=False, **settings)
    return of_folder(model, "tokenizer.model", {"model_type": "llama"}, {"tokenizer_class": "LlamaTokenizer"})


def of_folder(model: bytes, name: str, config: dict[str, Any], tokenizer_config: dict[str, Any]) -> dict[str, Any]:
    """The files of a folder and the ids that it gives."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        (folder / name).write_bytes(model)
        (folder / "config.json").write_text(json.dumps(config))
        (folder / "tokenizer_config.json").write_text(json.dumps(tokenizer_config))
        tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
        ids = tokenizer(TEXTS, add_special_tokens=False).input_ids
        content = json.loads(tokenizer.backend_tokenizer.to_str())
    return {"model": base64.b64encode(model).decode(), "tokenizer.json": content, "ids": ids}


def bert() -> dict[str, Any]:
    """For each setting of lowercase, strip_accents (None: as lowercase) and tokenize_chinese_chars."""
    words = [*WORDS, *map(str.lower, WORDS), *"$.,'-()[]<>?", "cafe", "no", "break", "soft", "##hyphen", "strasse"]
    letters = sorted({one for text in TEXTS for one in text.lower() + text if one.isalnum() or one in "…½™\u0301"})
    pieces = [*words, *letters, *(f"##{one}" for one in letters)]
    tokens = list(dict.fromkeys(["[PAD]", "[unused0]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *pieces]))
    vocabulary = {token: index for index, token in enumerate(tokens)}
    cases = []
    for lower, strip, apart in itertools.product((True, False), (True, False, None), (True, False)):
        settings = {"do_lower_case": lower, "strip_accents": strip, "tokenize_chinese_chars": apart}
        tokenizer = transformers.BertTokenizer(vocab=dict(vocabulary), **settings)
        ids = tokenizer(TEXTS, add_special_tokens=False).input_ids
        cases.append({"settings": settings, "ids": ids})
    return {"tokens": tokens, "cases": cases}


if __name__ == "__main__":
    main()
