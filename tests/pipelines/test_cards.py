"""The data card: each number can be counted again from what a build left, and the page holds no live content."""

from __future__ import annotations

import hashlib
import html.parser
import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from governance import DataError
from pipelines import BuildResult, build
from pipelines.cards import DataCard, Traces, describe, page, read_card, with_tokens
from pipelines.cards.describe import lengths
from pipelines.latest import latest_card
from tests.support.workspace import PIPELINE, bundled_rows, make_workspace, run_zoo, write_jsonl
from zoo.workspace import Workspace

ATTACK = "<script>alert(1)</script>"
ADDRESS = "erna.beispiel@example.org"
SOURCES: list[dict[str, Any]] = [
    {"path": f"data/tax/{name}.jsonl", "name": name, "text": "text", "id": "id"} for name in ("letters", "notes")
]
CURATE = {"quality": {"sets": ["gopher"], "limits": {"gopher_words": [20, None]}}, "dedup": {"near": 0.8}}


def letters() -> list[dict[str, Any]]:
    """Letters, a copy, one that is short, one that is empty, and one that cannot be read."""
    content = [{"id": row["id"], "text": row["text"]} for row in bundled_rows(40)]
    longest = max(content, key=lambda row: len(row["text"]))
    made = [("zz-copy", longest["text"]), ("zz-short", f"{ATTACK} {ADDRESS}"), ("zz-empty", " "), ("zz-null", None)]
    return content + [{"id": name, "text": text} for name, text in made]


def run(workspace: Workspace) -> BuildResult:
    spec = workspace.pipeline("tax_domain")
    return build(spec, policy=workspace.policy, keys=workspace.keys, storage=workspace.storage, processes=1)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> tuple[Workspace, BuildResult]:
    home = tmp_path_factory.mktemp("carded") / "w"
    workspace = make_workspace(home, records=0, pipeline=PIPELINE | {"sources": SOURCES, "curate": CURATE})
    attacks = [
        {"id": f"n{number}", "text": f"{ATTACK} The note with number {number} is about the form that is due {number}."}
        for number in range(9)
    ]
    write_jsonl(home / "data" / "tax" / "letters.jsonl", letters())
    write_jsonl(home / "data" / "tax" / "notes.jsonl", [row | {"text": row["text"] * 3} for row in attacks])
    return workspace, run(workspace)


@pytest.fixture(scope="module")
def card(built: tuple[Workspace, BuildResult]) -> DataCard:
    return read_card(Path(built[1].card))


def traces(result: BuildResult) -> Traces:
    build_digest = read_card(Path(result.card)).build
    return Traces(build_digest, Path(str(result.exclusions)), Path(str(result.quarantine)))


def test_counting_again_gives_the_card(built: tuple[Workspace, BuildResult], card: DataCard) -> None:
    workspace, result = built
    assert describe(workspace.pipeline("tax_domain"), result.version, traces(result)) == card


def test_the_numbers_are_those_of_the_tables(built: tuple[Workspace, BuildResult], card: DataCard) -> None:
    """Counted in plain Python, and held against what the build itself counted."""
    _, result = built
    manifest = result.version.manifest().to_pylist()
    left = pq.read_table(str(result.exclusions)).to_pylist()
    unread = [json.loads(line) for line in Path(str(result.quarantine)).read_text().splitlines()]
    assert (
        {drop.reason: drop.records for drop in card.drops} == Counter(row["reason"] for row in left) == result.dropped
    )
    assert {"duplicate", "empty", "gopher_words"} <= result.dropped.keys()
    assert sum(card.quarantine.values()) == len(unread) == result.quarantined == 1
    rows = card.rows
    assert rows.kept == len(manifest) == result.version.total_records
    assert rows.read == len(letters()) + 9 == rows.kept + rows.dropped + rows.quarantined
    assert {name: size.records for name, size in card.splits.items()} == result.version.records
    assert {name: size.bytes for name, size in card.splits.items()} == result.version.text_bytes
    assert {one.type: one.places for one in card.personal_data.types} == result.version.pii
    assert card.personal_data.records_with_some == sum(row["personal_data"] > 0 for row in manifest)
    for number, source in enumerate(card.sources):
        own = [row for row in manifest if row["source"] == number]
        assert source.records == {split: sum(row["split"] == split for row in own) for split in source.records}
        assert source.train_words == sum(row["words"] for row in own if row["split"] == "train")
        assert source.dropped == sum(row["source"] == number for row in left)
    assert sum(source.train_share for source in card.sources) == pytest.approx(1)
    assert card.duplicates.exact + card.duplicates.near == sum(row["kept"] is not None for row in left)


def test_lengths_are_those_of_the_texts(built: tuple[Workspace, BuildResult], card: DataCard) -> None:
    version = built[1].version
    texts = [text for split in version.records for _, text in version.texts(split)]
    measures = {"characters": len, "words": lambda text: len(text.split()), "bytes": lambda text: len(text.encode())}
    measures["tokens (words and punctuation)"] = lambda text: len(re.findall(r"\w+|[^\w\s]", text))
    assert [found.unit for found in card.lengths] == list(measures)
    for found in card.lengths:
        values = np.array([measures[found.unit](text) for text in texts])
        assert found == lengths(found.unit, np.sort(values))


@settings(deadline=None, max_examples=50, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.integers(0, 10**6), min_size=1, max_size=50))
def test_each_length_is_in_one_bin(values: list[int]) -> None:
    found = lengths("words", np.array(values))
    assert sum(one.records for one in found.histogram) == len(values)
    assert all(one.records == sum(one.low <= value < one.high for value in values) for one in found.histogram)
    assert (found.least, found.most, found.total) == (min(values), max(values), sum(values))


class _Tags(html.parser.HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}


def test_the_page_is_inert_and_loads_nothing(built: tuple[Workspace, BuildResult], card: DataCard) -> None:
    examples = (*card.kept, *card.left)
    assert any(ATTACK in example.text for example in examples), "else this test shows nothing"
    hostile = card.model_copy(update={"pipeline": ATTACK, "quarantine": {f'"{ATTACK}': 1}, "spec": {ATTACK: ATTACK}})
    for content in (Path(built[1].card).with_suffix(".html").read_text(), page(hostile)):
        found = _Tags()
        found.feed(content)
        assert not found.tags & {"script", "link", "img", "iframe", "object", "a"}
        assert not found.attributes & {"src", "href", "onload", "onclick"}
        assert "&lt;script&gt;" in content and not re.search(r"url\(|@import", content)


def test_examples_are_filtered_and_can_be_left_out(built: tuple[Workspace, BuildResult], card: DataCard) -> None:
    assert [example.about for example in card.left] == ["gopher_words"] and len(card.kept) == 5
    for path in Path(built[1].card).parent.iterdir():
        assert ADDRESS not in path.read_text()
    bare = card.without_examples()
    first = card.kept[0].record_id
    assert first in page(card) and first not in page(bare) and "Examples" not in page(bare)
    assert bare.rows == card.rows


def test_passwords_of_a_source_stay_outside(tmp_path: Path) -> None:
    from pipelines.cards.describe import _public_spec
    from pipelines.spec import PipelineSpec

    who = "reader:hun@ter2/x@"
    url = f"postgresql+psycopg://{who}host/tax?password=hunter3"
    sources = [{"sql": {"url": url, "query": "select 1"}}, {"path": f"https://{who}host/a.jsonl?token=hunter5"}]
    public = _public_spec(PipelineSpec.model_validate({"domain": "tax", "sources": sources}))
    assert public["sources"][0]["sql"]["url"] == "postgresql+psycopg://host/tax"
    assert public["sources"][1]["path"] == "https://host/a.jsonl"


def test_tokens_are_added_with_their_unit(card: DataCard) -> None:
    more = with_tokens(card, np.array([3, 8, 8]), "training records")
    assert more.lengths[:-1] == card.lengths and more.lengths[-1].unit == "tokens (training records)"
    assert [one.records for one in more.lengths[-1].histogram] == [1, 0, 2]


@pytest.mark.slow
def test_the_version_is_the_same_whatever_was_dropped(built: tuple[Workspace, BuildResult], tmp_path: Path) -> None:
    """Two builds, one of which had more to drop: one version byte for byte, two cards."""
    workspace, result = built
    home = tmp_path / "w"
    other = make_workspace(home, records=0, pipeline=PIPELINE | {"sources": SOURCES, "curate": CURATE})
    for name in ("letters", "notes"):
        path = workspace.home / "data" / "tax" / f"{name}.jsonl"
        (home / "data" / "tax").mkdir(parents=True, exist_ok=True)
        (home / "data" / "tax" / path.name).write_bytes(path.read_bytes())
    with (home / "data" / "tax" / "notes.jsonl").open("a") as file:
        file.write(json.dumps({"id": "zzz", "text": "Too short."}) + "\n")
    more = run(other)

    def content(folder: Path) -> dict[str, str]:
        return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(folder.iterdir())}

    assert content(more.version.path) == content(result.version.path)
    assert read_card(Path(more.card)).rows.dropped == read_card(Path(result.card)).rows.dropped + 1


def test_a_card_that_is_gone_is_made_again(tmp_path: Path) -> None:
    workspace = make_workspace(tmp_path / "w", records=20)
    spec = workspace.pipeline("tax_domain")
    assert latest_card(spec, workspace.storage) is None
    first = run(workspace)
    path = Path(first.card)
    assert latest_card(spec, workspace.storage) == path
    content = path.read_bytes()
    path.unlink()
    assert latest_card(spec, workspace.storage) is None
    again = run(workspace)
    assert not again.reused and again.version == first.version and path.read_bytes() == content
    path.write_text("{}")
    with pytest.raises(DataError, match="the data card is unreadable"):
        read_card(path)


@pytest.mark.slow
def test_the_command_line_shows_it(built: tuple[Workspace, BuildResult], card: DataCard) -> None:
    workspace, result = built
    shown = run_zoo(workspace.home, "data", "card", "tax_domain", "--json")
    content = json.loads(shown.stdout)
    assert content.pop("path") == result.card and DataCard.model_validate(content) == card
    assert "card.html" in run_zoo(workspace.home, "data", "card", "tax_domain").stdout
