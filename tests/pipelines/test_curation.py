"""Language, quality and near duplicates in a build: what leaves, what is kept of it, and what a rebuild costs."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines import BuildResult, build
from pipelines.curate import language
from pipelines.curate.exclusions import LABEL
from pipelines.curate.quality import SETS, Quality
from pipelines.curate.steps import Judge, judges, versions
from pipelines.spec import CurateSpec, DedupSpec, QualitySpec
from tests.support.workspace import PIPELINE, bundled_rows, make_workspace, write_jsonl
from zoo.workspace import Workspace

CURATE = {
    "language": ["en"],
    "quality": {"sets": ["gopher"], "limits": {"gopher_words": [20, None]}},
    "dedup": {"near": 0.8},
}
GERMAN = (
    "Sehr geehrte Frau Kowalski, wir haben Ihre Unterlagen erhalten und werden sie in den nächsten Tagen prüfen. "
    "Bitte rufen Sie uns an, wenn Sie noch Fragen zu Ihrer Steuererklärung haben."
)
SHORT = "Call Anna Kowalski at 212-555-0142, her number is 536-22-8145."


def rows() -> list[dict[str, Any]]:
    """Letters, and with the first one, which is long, three that must leave."""
    letters = bundled_rows(30)
    longest = max(letters, key=lambda row: len(row["text"]))
    words = longest["text"].split(" ")
    words[len(words) // 2] = "altogether"
    made = [("zz-copy", " ".join(words)), ("zz-german", GERMAN), ("zz-same", longest["text"]), ("zz-short", SHORT)]
    titles = {"zz-copy": longest["title"], "zz-same": longest["title"]}
    return letters + [
        {"id": name, "title": titles.get(name, "Note"), "text": text, "client_id": "C-1"} for name, text in made
    ]


def workspace_with(home: Path, content: list[dict[str, Any]], curate: dict[str, Any] | None = None) -> Workspace:
    workspace = make_workspace(home, records=0, pipeline=PIPELINE | {"curate": CURATE if curate is None else curate})
    write_jsonl(workspace.home / "data" / "tax" / "letters.jsonl", content)
    return workspace


def run(workspace: Workspace, processes: int = 1) -> BuildResult:
    spec = workspace.pipeline("tax_domain")
    keys, storage = workspace.keys, workspace.storage
    return build(spec, policy=workspace.policy, keys=keys, storage=storage, processes=processes)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> tuple[Workspace, BuildResult]:
    workspace = workspace_with(tmp_path_factory.mktemp("curated") / "w", rows())
    return workspace, run(workspace)


def excluded(result: BuildResult) -> dict[str, dict[str, Any]]:
    assert result.exclusions is not None
    return {row["record_id"]: row for row in pq.read_table(result.exclusions).to_pylist()}


def test_what_leaves_is_kept_with_its_reason(built: tuple[Workspace, BuildResult]) -> None:
    workspace, result = built
    longest = max(bundled_rows(30), key=lambda row: len(row["text"]))["id"]
    left = excluded(result)
    assert {name: (row["reason"], row["kept"]) for name, row in left.items()} == {
        "zz-copy": ("near_duplicate", longest),
        "zz-german": ("language_de", None),
        "zz-same": ("duplicate", longest),
        "zz-short": ("gopher_words", None),
    }
    counts = {"near_duplicate": 1, "language_de": 1, "duplicate": 1, "gopher_words": 1}
    assert result.dropped == counts and result.version.total_records == 30
    assert all(row["file"] == "data/tax/letters.jsonl" and row["row"] > 30 for row in left.values())
    assert pq.read_schema(result.exclusions).metadata[LABEL] == b"tax"
    assert result.to_json()["exclusions"] == result.exclusions
    assert str(result.exclusions).startswith(str(workspace.storage))


def test_of_excluded_text_too_personal_data_is_filtered(built: tuple[Workspace, BuildResult]) -> None:
    workspace, result = built
    text = excluded(result)["zz-short"]["text"]
    assert text.startswith("Note\nCall ")
    everything = b"".join(path.read_bytes() for path in workspace.storage.rglob("*") if path.is_file())
    tables = " ".join(
        str(pq.read_table(path).to_pylist()) for path in workspace.storage.rglob("*.parquet") if path.is_file()
    )
    for original in ("Kowalski", "212-555-0142", "536-22-8145"):
        assert original not in tables and original.encode() not in everything
    judged = [path for path in workspace.storage.rglob("*.parquet") if "judged-" in str(path)]
    assert judged and all(set(pq.read_schema(path).names) == {"text_key", "reason"} for path in judged)


def test_personal_data_at_the_end_of_what_is_kept_is_filtered_whole(tmp_path: Path) -> None:
    """Half a card number is no card number to a detector: the text is cut after it was filtered."""
    values = ("4111 1111 1111 1111", "536-90-4398", "anna.schmidt@example.org")
    made = []
    for name, value in zip(("card", "number", "address"), values, strict=True):
        for end in range(1, len(value), 3):  # so many characters of it are within the first 500
            filler = ("to be or not " * 60)[: 500 - len("Note\n") - end]
            made.append({"id": f"zz-{name}-{end:02d}", "title": "Note", "text": f"{filler}{value} and no more"})
    content = bundled_rows(30) + [row | {"client_id": "C-1"} for row in made]
    limits = {"gopher_words": [None, None], "gopher_stop_words": [3, None]}
    quality = {"sets": ["gopher", "gopher_repetition"], "limits": limits}
    result = run(workspace_with(tmp_path / "w", content, {"quality": quality}))
    left = excluded(result)
    assert {row["id"] for row in made} <= left.keys()
    for row in made:
        text = left[row["id"]]["text"]
        assert len(text) <= 500
        value = next(value for value in values if value in row["text"])
        assert not any(value[:size] in text[-40:] for size in range(4, len(value)))


def test_a_record_stands_in_place_of_others_only_if_it_stayed(tmp_path: Path) -> None:
    longest = max(bundled_rows(30), key=lambda row: len(row["text"]))
    near = longest["text"].replace(" ", "  ", 1).rsplit(" ", 1)[0] + " altogether"
    more = [("aa-first", longest["text"]), ("bb-near", near), ("bb-near", near), ("cc-same", near), ("aa-zz", near)]
    content = bundled_rows(30) + [longest | {"id": name, "text": text} for name, text in more]
    left = excluded(run(workspace_with(tmp_path / "w", content)))
    stayed = {row["kept"] for row in left.values()}
    assert stayed == {"aa-first"} and not stayed & left.keys()
    assert {"bb-near", "cc-same", "aa-zz", longest["id"]} == left.keys()


def test_the_exclusions_are_those_of_the_last_build(tmp_path: Path) -> None:
    """Earlier ones show records that may have left the source since, where nobody would look for them."""
    workspace = workspace_with(tmp_path / "w", rows())
    first = run(workspace)
    dropped = excluded(first)
    other = CURATE | {"quality": "c4", "language": ["en", "de"]}
    content = [row if row["id"] != "zz-short" else row | {"text": "One { bracket."} for row in rows()]
    workspace_with(
        tmp_path / "w", content, other | {"quality": {"sets": ["c4"], "limits": {"c4_sentences": [2, None]}}}
    )
    run(workspace)
    assert not Path(str(first.exclusions)).exists() and not Path(first.card).exists()
    workspace_with(tmp_path / "w", rows())
    again = run(workspace)
    assert excluded(again) == dropped and again.dropped == first.dropped and run(workspace).reused
    Path(str(again.exclusions)).unlink()
    rebuilt = run(workspace)
    assert not rebuilt.reused and excluded(rebuilt) == excluded(again)


def test_order_and_processes_do_not_matter(
    built: tuple[Workspace, BuildResult], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipelines.curate.judge._SERIAL_CHARACTERS", 0)
    content = rows()
    random.Random(2).shuffle(content)
    result = run(workspace_with(tmp_path / "w", content), processes=2)
    assert result.version.digest == built[1].version.digest and result.dropped == built[1].dropped
    what = ("reason", "kept", "text")
    ours, theirs = (
        {name: [row[field] for field in what] for name, row in excluded(one).items()} for one in (result, built[1])
    )
    assert ours == theirs


def test_only_new_texts_are_judged_and_other_rules_judge_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    judged: list[str] = []
    reason = Quality.reason

    def counted(self: Quality, text: str) -> str | None:
        judged.append(text)
        return reason(self, text)

    monkeypatch.setattr(Quality, "reason", counted)
    content = rows()
    workspace = workspace_with(tmp_path / "w", content)
    run(workspace)
    distinct = len({(row["title"], row["text"]) for row in content})
    assert len(judged) >= distinct - 1  # another language is not asked about its quality
    judged.clear()
    content[0]["text"] += " One more sentence, which is new."
    del content[1]
    write_jsonl(workspace.home / "data" / "tax" / "letters.jsonl", content)
    changed = run(workspace)
    assert len(judged) == 1 and judged[0].endswith("which is new.")
    fresh = run(workspace_with(tmp_path / "fresh", content))
    assert fresh.version.digest == changed.version.digest and excluded(fresh) == excluded(changed)

    judged.clear()
    workspace_with(
        tmp_path / "w", content, CURATE | {"quality": {"sets": ["gopher"], "limits": {"gopher_words": [100, None]}}}
    )
    stricter = run(workspace)
    assert len(judged) > 20 and stricter.dropped["gopher_words"] > changed.dropped["gopher_words"]
    assert len(list((workspace.storage / "cache" / "tax_domain").glob("judged-*"))) == 1


def test_a_removed_duplicate_brings_the_other_one_back(tmp_path: Path) -> None:
    content = rows()
    longest = max(bundled_rows(30), key=lambda row: len(row["text"]))["id"]
    workspace = workspace_with(tmp_path / "w", content)
    run(workspace)
    write_jsonl(workspace.home / "data" / "tax" / "letters.jsonl", [row for row in content if row["id"] != longest])
    left = excluded(run(workspace))
    assert {name: row["kept"] for name, row in left.items() if row["kept"]} == {"zz-same": "zz-copy"}


def test_without_rules_all_but_equal_texts_stay(tmp_path: Path) -> None:
    result = run(workspace_with(tmp_path / "w", rows(), {}))
    assert result.dropped == {"duplicate": 1} and result.version.total_records == 33
    kept = run(workspace_with(tmp_path / "all", rows(), {"dedup": "none"}))
    assert kept.dropped == {} and kept.exclusions is None and kept.version.total_records == 34


class Odd(Judge):
    name = "odd"

    @property
    def version(self) -> str:
        return "1"

    def reason(self, text: str) -> str | None:
        return "odd_length" if len(text) % 2 else None


#: A record that begins with a separator has parts, see `pipelines.parts`.
PLAIN = st.text(st.characters(exclude_characters="\x1e\x1f", exclude_categories=["Cs"]), max_size=9)


@settings(deadline=None)
@given(st.lists(st.tuples(PLAIN, st.sampled_from([None, "known"])), max_size=20))
def test_a_step_keeps_rows_their_order_and_their_reasons(drawn: list[tuple[str, str | None]]) -> None:
    columns = {
        "number": pa.array(range(len(drawn)), pa.int64()),
        "text": pa.array([text for text, _ in drawn], pa.large_string()),
        "reason": pa.array([reason for _, reason in drawn], pa.string()),
    }
    batch = pa.RecordBatch.from_pydict(columns)
    after = Odd().process_batch(batch)
    assert after.column("number") == batch.column("number") and after.column("text") == batch.column("text")
    expected = [reason or ("odd_length" if len(text) % 2 else None) for text, reason in drawn]
    assert after.column("reason").to_pylist() == expected and after.schema == batch.schema


def test_versions_tell_settings_apart() -> None:
    specs = [
        CurateSpec(),
        CurateSpec(language=("en",)),
        CurateSpec(language=("de", "en")),
        CurateSpec(quality=QualitySpec(sets=("gopher",))),
        CurateSpec(quality=QualitySpec(sets=("gopher",), limits={"gopher_words": (1, None)})),
        *(CurateSpec(quality=QualitySpec(sets=(name,))) for name in SETS if name != "gopher"),
    ]
    found = [versions(judges(spec)) for spec in specs]
    assert len(set(found)) == len(found)
    assert versions(judges(CurateSpec(language=("en", "de")))) == found[2], "their order says nothing"
    assert versions(judges(CurateSpec(dedup=DedupSpec(near=0.8)))) == found[0], "no step of one record"


def test_the_known_languages_are_those_of_the_model() -> None:
    detector = language._detector()
    found = detector.detect("hello", k=200)  # loads it
    (model,) = detector._models.values()
    labels = model.predict("hello", k=200, threshold=-1.0)[0]
    assert found and {label.removeprefix("__label__") for label in labels} == language.CODES


@pytest.mark.parametrize(("code", "said"), [("xx", 'no language "xx"'), ("english", "write a code such as en")])
def test_an_unknown_language_is_an_error(code: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        CurateSpec(language=(code,))
