"""OpenLineage events: what a file or a server is told of builds, and under which names."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml

from governance import ConfigError, DataError
from governance.keys import keyed_hash
from tests.support.workspace import PIPELINE, POLICY, make_workspace
from zoo.data import build_data
from zoo.openlineage import RUN_EVENT, observed, sources_of
from zoo.screen import Screen

KEEP = {**POLICY, "domains": {name: {**domain, "pii": "keep"} for name, domain in POLICY["domains"].items()}}
PERSON = "some.person@example.org"


class _Collector(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        collected: list[Any] = self.server.collected  # type: ignore[attr-defined]
        collected.append((self.path, self.headers.get("Authorization"), json.loads(body)))
        self.send_response(500 if len(collected) > 2 else 201)
        self.end_headers()

    def log_message(self, *arguments: object) -> None:
        """Keeps the test's output clean."""


@pytest.fixture
def collector() -> Iterator[HTTPServer]:
    server = HTTPServer(("127.0.0.1", 0), _Collector)
    server.collected = []  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()


class _Lines(Screen):
    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, line: str) -> None:
        self.lines.append(line)


def test_openlineage_events_reach_a_server(
    tmp_path: Path, collector: HTTPServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENLINEAGE_API_KEY", "k")
    url = f"http://127.0.0.1:{collector.server_port}"
    workspace = make_workspace(tmp_path, records=20, policy={**KEEP, "openlineage": url})
    screen = _Lines()
    spec = workspace.pipeline("tax_domain")
    result = build_data(spec, workspace, screen)
    assert screen.lines == []
    with pytest.raises(RuntimeError), observed(workspace, screen, spec=spec, job="j", kind="TRAINING", inputs=list):
        raise RuntimeError("Jane Roe")  # a message of others may hold text
    paths, keys, events = zip(*collector.collected, strict=True)  # type: ignore[attr-defined]
    assert set(paths) == {"/api/v1/lineage"} and set(keys) == {"Bearer k"}
    assert [event["eventType"] for event in events] == ["START", "COMPLETE", "START", "FAIL"]
    start, complete, _, fail = events
    assert start["run"]["runId"] == complete["run"]["runId"] != fail["run"]["runId"]
    assert start["schemaURL"] == RUN_EVENT and start["job"]["name"] == "tax_domain.build"
    assert complete["inputs"] == [{"namespace": "file", "name": str(tmp_path / "data/tax/*.jsonl")}]
    [output] = complete["outputs"]
    assert output["facets"]["version"]["datasetVersion"] == result.version.digest
    assert output["outputFacets"]["outputStatistics"]["rowCount"] == 20
    assert fail["run"]["facets"]["errorMessage"]["message"] == "RuntimeError" and "Jane" not in json.dumps(fail)
    assert [line.split(":")[-1].strip() for line in screen.lines] == ["//127.0.0.1 answered 500"] * 2


def test_openlineage_events_go_to_a_file_and_a_failure_is_said_there(tmp_path: Path) -> None:
    workspace = make_workspace(tmp_path, records=1, policy={**KEEP, "openlineage": "events/ol.jsonl"})
    with pytest.raises(DataError, match="none falls into"):
        build_data(workspace.pipeline("tax_domain"), workspace, Screen())
    events = [json.loads(line) for line in (tmp_path / "events" / "ol.jsonl").read_text().splitlines()]
    assert [event["eventType"] for event in events] == ["START", "FAIL"]
    assert events[1]["run"]["facets"]["errorMessage"]["message"] == "DataError at tax_domain"


def test_a_server_is_not_told_a_file_that_is_named_after_a_person(tmp_path: Path) -> None:
    workspace = make_workspace(tmp_path, records=20, policy={**KEEP, "openlineage": "ol.jsonl"})
    named = f"data/tax/{PERSON}.jsonl"
    (tmp_path / named).write_text('{"another": "field"}')
    with pytest.raises(DataError, match=PERSON):
        build_data(workspace.pipeline("tax_domain"), workspace, Screen())
    told = (tmp_path / "ol.jsonl").read_text()
    message = json.loads(told.splitlines()[-1])["run"]["facets"]["errorMessage"]["message"]
    assert PERSON not in told
    assert message == f"DataError at {keyed_hash(workspace.keys.derive('tax', 'texts'), named).hex()}"


def test_the_input_of_a_mixture_is_the_version_that_the_other_pipeline_wrote(tmp_path: Path) -> None:
    workspace = make_workspace(tmp_path, records=40, policy={**KEEP, "openlineage": "ol.jsonl"})
    mixture = {"domain": "tax", "sources": [{"pipeline": "tax_domain"}], "split": PIPELINE["split"]}
    (tmp_path / "pipelines" / "mixture.yaml").write_text(yaml.safe_dump(mixture))
    spec = workspace.pipeline("mixture")
    folder = {"namespace": "file", "name": str(workspace.storage / "datasets" / "tax_domain")}
    assert sources_of(spec, workspace.storage) == [folder], "before it is built"
    for name in ("tax_domain", "mixture"):
        build_data(workspace.pipeline(name), workspace, Screen())
    events = [json.loads(line) for line in (tmp_path / "ol.jsonl").read_text().splitlines()]
    [output], [read] = events[1]["outputs"], events[-1]["inputs"]
    assert read == {name: output[name] for name in ("namespace", "name", "facets")}
    assert (read["namespace"], read["name"]) == tuple(folder.values())


def sql(url: str) -> dict[str, Any]:
    return {"sql": {"url": url, "query": "q"}}


@pytest.mark.parametrize(
    ("source", "namespace", "name"),
    [
        ({"path": "s3://bucket/a/*.jsonl"}, "s3://bucket", "a/*.jsonl"),
        ({"path": "gcs://bucket/a?.jsonl"}, "gs://bucket", "a?.jsonl"),
        ({"path": "https://u:secret@h/a/b.jsonl?sig=hidden"}, "https://h", "a/b.jsonl"),
        ({"path": "zip://*.txt::https://u:secret@h/b.zip?sig=hidden"}, "https://h", "b.zip"),
        ({"path": "abfss://box:secret@a.dfs.core.windows.net/b.csv"}, "abfss://box@a.dfs.core.windows.net", "b.csv"),
        ({"path": "data/*.txt"}, "file", "{home}/data/*.txt"),
        (sql("postgresql+psycopg://u:${HIDDEN}@h:6432/db?x=hidden"), "postgres://h:6432", "db.s"),
        (sql("${DB}"), "postgres://db.example.org:5432", "tax.s"),
        (sql("mysql://u@[::1]/db"), "mysql://[::1]:3306", "db.s"),
        (sql("snowflake://u:secret@account/db/schema"), "snowflake://account", "db.schema.s"),
        (sql("bigquery://project/set?credentials_path=hidden"), "bigquery", "project.set.s"),
        (sql("mssql+pyodbc:///?odbc_connect=PWD%3Dhidden"), "mssql", "s"),
        (sql("sqlite:///data/x.db"), "sqlite", "{home}/data/x.db.s"),
        (sql("${NOT_SET}"), "sql", "s"),
        (sql("postgresql://u:secret@h:hidden/db"), "sql", "s"),
        ({"tfds": "imdb/plain"}, "tfds", "imdb/plain"),
    ],
)
def test_sources_have_the_names_that_openlineage_gives_them_and_no_secrets(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: dict[str, Any], namespace: str, name: str
) -> None:
    monkeypatch.setenv("DB", "postgresql://u:secret@db.example.org/tax?password=hidden")
    monkeypatch.setenv("HIDDEN", "hidden")
    pipeline = {**PIPELINE, "sources": [{**source, "name": "s"}]}
    workspace = make_workspace(tmp_path, records=0, pipeline=pipeline)
    found = sources_of(workspace.pipeline("tax_domain"), workspace.storage)
    assert found == [{"namespace": namespace, "name": name.format(home=tmp_path)}]


def test_openlineage_events_go_nowhere_else(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="openlineage"):
        make_workspace(tmp_path, records=0, policy={**KEEP, "openlineage": "kafka://topic"})
