"""The bundled corpus: reproducible, labelled without a gap, and made of well-formed fake data."""

from __future__ import annotations

import functools
import ipaddress
import json
import re
from collections import Counter, defaultdict
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

import pipelines
from pipelines.spec import PipelineSpec
from pipelines.synthetic import KINDS, Kind, generate, people, support, tax
from pipelines.synthetic import corpus as corpus_module
from pipelines.synthetic import identifiers as ids
from pipelines.synthetic.__main__ import main
from pipelines.synthetic.dice import Dice
from pipelines.synthetic.documents import Draft
from pipelines.synthetic.grammar import Fragment, Scene, parse, plain, spans, text, wrap
from pipelines.synthetic.phrases import FOLDER, groups, topics
from zoo.workspace import Workspace, catalogue_folder

CATALOGUE = Path(pipelines.__file__).parent / "catalogue"
TYPES = {
    *("PERSON", "LOCATION", "STREET_ADDRESS", "ZIP_CODE", "ORGANIZATION", "EMAIL_ADDRESS", "PHONE_NUMBER"),
    *("US_SSN", "US_EIN", "US_ITIN", "CREDIT_CARD", "IBAN_CODE", "US_BANK_NUMBER", "IP_ADDRESS", "URL"),
}
Row = dict[str, Any]


@functools.cache
def committed(domain: str) -> tuple[Row, ...]:
    files = sorted((CATALOGUE / "data" / domain).glob("*.jsonl"))
    return tuple(json.loads(line) for file in files for line in file.read_text("utf-8").splitlines())


@functools.cache
def values(entity: str) -> tuple[str, ...]:
    """All different labelled strings of one type, in both domains."""
    rows = committed("tax") + committed("support")
    found = {row["text"][s["start"] : s["end"]] for row in rows for s in row["spans"] if s["type"] == entity}
    return tuple(sorted(found))


def outside_spans(row: Row) -> str:
    """Title and text with every labelled string blotted out."""
    chars = list(row["text"])
    for span in row["spans"]:
        chars[span["start"] : span["end"]] = "\0" * (span["end"] - span["start"])
    return row["title"] + "\n" + "".join(chars)


def digits(value: str) -> str:
    return re.sub(r"\D", "", value)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.file)
def test_a_regenerated_prefix_equals_the_committed_file(kind: Kind) -> None:
    with (CATALOGUE / "data" / kind.file).open(encoding="utf-8", newline="") as file:
        first = [line.rstrip("\n") for line in islice(file, 40)]
    assert list(corpus_module.lines(kind, limit=40)) == first


def test_the_module_writes_all_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    few = tuple(Kind(kind.domain, kind.name, 3, kind.make) for kind in KINDS)
    monkeypatch.setattr(corpus_module, "KINDS", few)
    assert main([str(tmp_path)]) == 0
    written = sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*.jsonl"))
    assert written == sorted(kind.file for kind in KINDS)
    for file in written:
        lines = (CATALOGUE / "data" / file).read_bytes().splitlines(keepends=True)
        assert (tmp_path / file).read_bytes() == b"".join(lines[:3])


@pytest.mark.parametrize("arguments", [[], ["a", "b"], ["--help"]])
def test_wrong_usage_ends_with_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == 2
    assert "usage" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("domain", "documents", "characters", "mean"),
    [
        ("tax", 3000, (2_700_000, 3_600_000), (900, 1200)),
        ("support", 1500, (600_000, 1_000_000), (400, 600)),
    ],
)
def test_size(domain: str, documents: int, characters: tuple[int, int], mean: tuple[int, int]) -> None:
    rows = committed(domain)
    total = sum(len(row["text"]) for row in rows)
    assert len(rows) >= documents
    assert characters[0] <= total <= characters[1]
    assert mean[0] <= total / len(rows) <= mean[1]
    expected = Counter({kind.name: kind.count for kind in KINDS if kind.domain == domain})
    assert Counter(row["kind"] for row in rows) == expected


@pytest.mark.parametrize("domain", ["tax", "support"])
def test_rows_are_complete_and_unique(domain: str) -> None:
    rows = committed(domain)
    assert all(list(row) == ["id", "kind", "client_id", "title", "text", "spans"] for row in rows)
    assert len({row["id"] for row in rows}) == len(rows)
    assert len({row["text"] for row in rows}) == len(rows)
    assert all(row["text"].strip() == row["text"] and row["title"].strip() for row in rows)
    assert all(re.fullmatch(rf"{domain}-{row['kind']}-\d{{6}}", row["id"]) for row in rows)


@pytest.mark.parametrize("domain", ["tax", "support"])
def test_spans_are_inside_sorted_and_do_not_overlap(domain: str) -> None:
    for row in committed(domain):
        end = 0
        for span in row["spans"]:
            assert end <= span["start"] < span["end"] <= len(row["text"]), row["id"]
            value = row["text"][span["start"] : span["end"]]
            assert value == value.strip(), row["id"]
            assert span["type"] in TYPES
            end = span["end"]


def test_every_type_is_there_often_enough_to_measure_recall() -> None:
    for domain, least in (("tax", 200), ("support", 20)):
        found = Counter(span["type"] for row in committed(domain) for span in row["spans"])
        assert set(found) == TYPES
        assert min(found.values()) >= least, found


def words(value: str) -> set[str]:
    return {word for word in re.findall(r"[^\W\d_]+", value.lower()) if len(word) > 2}


def vocabulary() -> set[str]:
    """The words of the phrase files: a name that is also such a word may stand unlabelled."""
    files = [path for path in FOLDER.glob("*.txt") if path.name != "states.txt"]
    return {word for path in files for word in words(path.read_text("utf-8"))}


@pytest.mark.parametrize("domain", ["tax", "support"])
def test_no_name_stands_outside_of_a_span(domain: str) -> None:
    entities = ("PERSON", "STREET_ADDRESS", "ORGANIZATION", "LOCATION")
    names = {word for entity in entities for value in values(entity) for word in words(value)} - vocabulary()
    assert len(names) > 3000
    for row in committed(domain):
        leaked = names & words(outside_spans(row))
        assert not leaked, (row["id"], leaked)


@pytest.mark.parametrize("domain", ["tax", "support"])
def test_no_structured_data_stands_outside_of_a_span(domain: str) -> None:
    shape = re.compile(
        r"@|https?:|www\.|example\.|\d{3}[- .]\d\d[- .]\d{4}|555|\d{6}|\d+\.\d+\.\d+\.\d+|[A-Z]{2}\d\d [\dT]"
    )
    for row in committed(domain):
        rest = re.sub(r"\$[\d,.]+", "", outside_spans(row))  # amounts of money are no personal data
        assert not shape.search(re.sub(r"-\d{5}\b|[A-Z]+-?\d{3}", "", rest)), row["id"]


@pytest.mark.parametrize("domain", ["tax", "support"])
def test_text_is_clean(domain: str) -> None:
    for row in committed(domain):
        assert not re.search(r"[{}\[\]\t]|\n\n\n| [.,;]| \n", row["text"]), row["id"]
        spaced = [line for line in row["text"].splitlines() if "  " in line]
        assert all(line.startswith(("Reported", "Difference")) for line in spaced), row["id"]


@pytest.mark.parametrize("domain", ["tax", "support"])
def test_no_document_repeats_a_fact(domain: str) -> None:
    facts = {fact for topic in topics(domain) for fact in topic.facts if not set("{[") & set(fact)}
    for row in committed(domain):
        counts = Counter(re.split(r"(?<=\.)\s", row["text"]))
        assert all(counts[fact] < 2 for fact in facts), row["id"]


def labelled_in(row: Row, entity: str) -> set[str]:
    return {row["text"][s["start"] : s["end"]].lower() for s in row["spans"] if s["type"] == entity}


@functools.cache
def staff_emails() -> frozenset[str]:
    """Addresses of advisers, officers and agents, who are no clients."""
    return frozenset(people.person(Dice(role, n)).email for role in ("adviser", "officer", "agent") for n in range(60))


def test_clients_appear_in_several_documents_as_the_same_person() -> None:
    rows = committed("tax") + committed("support")
    by_client: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        by_client[row["client_id"]].append(row)
    assert len(by_client) > 1000
    assert sum(len(found) > 1 for found in by_client.values()) > 0.7 * len(by_client)
    for client_id, found in by_client.items():
        domain = {"C": "tax", "S": "support"}[client_id[0]]
        who = people.client(domain, int(client_id[2:]))
        for row in found:
            assert {digits(value) for value in labelled_in(row, "US_SSN")} <= {who.ssn, who.spouse_ssn}
            assert labelled_in(row, "EMAIL_ADDRESS") <= {who.email, *staff_emails()}
    assert not {r["client_id"] for r in committed("tax")} & {r["client_id"] for r in committed("support")}


def luhn(number: str) -> bool:
    doubled = [int(d) * (1 + i % 2) for i, d in enumerate(reversed(number))]
    return sum(d - 9 if d > 9 else d for d in doubled) % 10 == 0


def iban_is_valid(value: str) -> bool:
    value = value.replace(" ", "").upper()
    return int("".join(str(int(char, 36)) for char in value[4:] + value[:4])) % 97 == 1


def ssn_is_valid(value: str) -> bool:
    number = digits(value)
    area, group, serial = number[:3], number[3:5], number[5:]
    return len(number) == 9 and "001" <= area <= "899" and area != "666" and group != "00" and serial != "0000"


CHECKS = {
    "CREDIT_CARD": lambda v: luhn(digits(v)) and digits(v)[:6] in ("411111", "555555") and len(digits(v)) == 16,
    "IBAN_CODE": iban_is_valid,
    "US_SSN": ssn_is_valid,
    "US_ITIN": lambda v: re.fullmatch(r"9\d\d[- ](5\d|6[0-5]|7\d|8[0-8]|9[0-24-9])[- ]\d{4}", v),
    "US_EIN": lambda v: re.fullmatch(r"\d\d-\d{7}", v),
    "US_BANK_NUMBER": lambda v: re.fullmatch(r"\d{8,17}", v),
    "PHONE_NUMBER": lambda v: re.fullmatch(r"1?[2-9]\d\d55501\d\d", digits(v)),
    "EMAIL_ADDRESS": lambda v: re.fullmatch(r"[\w.]+@example\.(com|org|net)", v.lower()) and v.isascii(),
    "URL": lambda v: re.fullmatch(r"https?://(\w+\.)?example\.com/[\w/]+", v.lower()),
    "ZIP_CODE": lambda v: re.fullmatch(r"\d{5}(-\d{4})?", v),
    "STREET_ADDRESS": lambda v: re.match(r"\d+ \w", v),
    "IP_ADDRESS": lambda v: any(
        ipaddress.ip_address(v) in ipaddress.ip_network(net)
        for net in ("192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", "2001:db8::/32")
    ),
}


@pytest.mark.parametrize("entity", sorted(CHECKS))
def test_structured_data_is_well_formed_and_nobodys(entity: str) -> None:
    wrong = [value for value in values(entity) if not CHECKS[entity](value)]
    assert values(entity) and not wrong


@pytest.mark.parametrize("entity", ["US_EIN", "US_BANK_NUMBER", "US_SSN", "US_ITIN"])
def test_bare_numbers_come_with_a_cue(entity: str) -> None:
    cue = {
        "US_EIN": r"ein\b|employer identification",
        "US_BANK_NUMBER": r"account",
        "US_SSN": r"ssn|social\s+security|taxpayer",
        "US_ITIN": r"itin|taxpayer",
    }[entity]
    for row in committed("tax") + committed("support"):
        for span in row["spans"]:
            if span["type"] == entity:
                around = row["text"][max(0, span["start"] - 70) : span["end"] + 10]
                assert re.search(cue, around.lower()), (row["id"], span)


@pytest.mark.parametrize(
    ("entity", "shapes"),
    [
        ("PHONE_NUMBER", [r"\(", r"^\d{3}-", r"\.", r"^\+1 ", r"^\+1-", r"^1-"]),
        ("US_SSN", [r"^\d+-\d+-\d+$", r"^\d+ \d+ \d+$", r"^\d{9}$"]),
        ("CREDIT_CARD", [r" ", r"-", r"^\d{16}$"]),
        ("IBAN_CODE", [r" ", r"^\w+$", r"^GB", r"^NL", r"^DE", r"^ES"]),
        ("PERSON", [r"^[A-Z, -]+$", r"^\w+, \w", r"^[a-z]+$", r"[^\x00-\x7f]"]),
        ("ZIP_CODE", [r"-", r"^\d{5}$"]),
        ("LOCATION", [r"^[A-Z]{2}$", r"^[A-Z][a-z]+$"]),
    ],
)
def test_people_write_the_same_thing_in_several_ways(entity: str, shapes: list[str]) -> None:
    for shape in shapes:
        assert sum(bool(re.search(shape, value)) for value in values(entity)) >= 3, shape


def test_language_is_varied() -> None:
    sentences: Counter[str] = Counter()
    for row in committed("tax"):
        sentences.update(part for part in re.split(r"(?<=[.?!])\s+|\n+", row["text"]) if len(part) > 25)
    assert len(sentences) > 20_000
    assert sentences.most_common(1)[0][1] < 0.08 * len(committed("tax"))


def test_the_question_of_the_quick_start_is_answered_often() -> None:
    rows = [f"{row['title']}\n{row['text']}" for row in committed("tax")]
    answered = sum(bool(re.search(r"What is a dependent\?\n\S*:? ?A dependent is ", row)) for row in rows)
    assert answered >= 80


def scene_of(domain: str) -> Scene:
    if domain == "tax":
        return tax._scene(Dice("t"), people.client("tax", 4000), topics("tax")[0])
    return support._start("chat", 1, 0)[0]


@pytest.mark.parametrize("domain", ["tax", "support"])
def test_every_phrase_can_be_filled(domain: str) -> None:
    scene = scene_of(domain)
    scene.slots = {**scene.slots, "details": lambda dice: "details"}
    patterns = [pattern for lines in groups(domain).values() for pattern in lines]
    for topic in topics(domain):
        assert topic.asked and topic.answers and topic.facts and topic.advice and topic.situations and topic.pairs
        assert topic.examples or domain == "support"
        patterns += [
            *topic.asked,
            *topic.answers,
            *topic.facts,
            *topic.advice,
            *topic.examples,
            *topic.situations,
        ]
        patterns += [part for pair in topic.pairs for part in pair]
    for pattern in patterns:
        fields = set(re.findall(r"{(\w+)}", pattern))
        assert all(name in scene.slots or name in scene.phrases for name in fields), pattern
        assert plain(scene.fill(pattern)).strip()
    assert len(patterns) > (900 if domain == "tax" else 350)


def test_titles_hold_no_personal_data() -> None:
    for domain in ("tax", "support"):
        scene = scene_of(domain)
        for group in ("letter_title", "request_title", "question_title", "notice_title", "subject"):
            for pattern in scene.phrases.get(group, ()):
                assert not spans(scene.fill(pattern)), pattern


def test_a_repeated_text_is_drawn_again() -> None:
    def make(number: int, attempt: int) -> Draft:
        return Draft("C-1", "t", text(str(max(attempt, number // 2))))

    assert [row["text"] for row in generate(Kind("tax", "letter", 3, make))] == ["0", "1", "2"]


@pytest.mark.parametrize("pattern", ["[open", "a]", "[a|[b]"])
def test_a_pattern_with_wrong_brackets_is_an_error(pattern: str) -> None:
    with pytest.raises(ValueError, match="bracket"):
        parse(pattern)


def test_spans_follow_from_the_fragments() -> None:
    scene = Scene(Dice("x"), {"who": lambda dice: Fragment("Ann", "PERSON")}, {"hi": ["Dear {who}"]})
    filled = scene.fill("[{hi}|{hi}], {who} | ok")
    assert plain(filled) == "Dear Ann, Ann | ok"
    assert spans(filled) == [
        {"start": 5, "end": 8, "type": "PERSON"},
        {"start": 10, "end": 13, "type": "PERSON"},
    ]


def test_wrapping_keeps_length_and_personal_data() -> None:
    passage = text("aaa bbb ", Fragment("12 Oak Street Apt. 4", "STREET_ADDRESS"), " ccc ddd eee")
    wrapped = wrap(passage, 10)
    assert spans(wrapped) == spans(passage)
    assert "12 Oak Street Apt. 4" in plain(wrapped)
    assert plain(wrapped).replace("\n", " ") == plain(passage)
    assert "\n" in plain(wrapped)


def test_check_digits_against_published_examples() -> None:
    assert ids.luhn_digit("411111111111111") == "1"
    assert ids.luhn_digit("555555555555444") == "4"
    assert ids.iban_check("GB", "WEST12345698765432") == "82"
    assert ids.iban_check("DE", "370400440532013000") == "89"


def test_the_built_in_workspace_loads_and_names_the_files() -> None:
    workspace = Workspace.load(catalogue_folder())
    assert workspace.pipeline_names == ["support_domain", "tax_domain"]
    for name, domain in (("tax_domain", "tax"), ("support_domain", "support")):
        spec: PipelineSpec = workspace.pipeline(name)
        assert spec.domain == domain
        (source,) = spec.sources
        files = list(Path(spec.folder).glob(source.path))
        assert len(files) == 3
        assert source.fields <= set(committed(domain)[0])
        rules = workspace.policy.domains[domain].pii
        assert {rules.operator_for(entity) for entity in ("US_SSN", "CREDIT_CARD", "IBAN_CODE")} == {"redact"}
        assert rules.operator_for("PERSON") == "pseudonymize"
