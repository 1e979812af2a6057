from __future__ import annotations

import gc
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient

from governance import Caller, Domain, Policy
from governance.errors import RegistryError
from governance.labels import Label
from registry import (
    Catalogue,
    ModelRow,
    ModelVersion,
    Tracking,
    get_version,
    list_versions,
    model_folder,
    models_table,
    pick,
    promote_if_blessed,
    quarantine,
    resolve,
)
from tests.registry.test_gates import BAD, GOOD
from tests.support.models import METRICS, register_fake, start_run

POLICY = Policy(
    domains={"tax": Domain(owner="o", readers=["tax"], purposes=["assist"], may_derive_from=["tax"])},
    callers={"service": Caller(roles=["tax"])},
)


def add(tracking: Tracking, folder: Path, fingerprint: str, name: str = "tax_domain.gpt") -> ModelVersion:
    with start_run(tracking, fingerprint) as run:
        return register_fake(run, folder, model_name=name)


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Names of the calls of MLflow's client."""
    seen: list[str] = []

    def spy(name: str, inner: Any) -> Any:
        def call(client: MlflowClient, *args: Any, **kwargs: Any) -> Any:
            seen.append(name)
            return inner(client, *args, **kwargs)

        return call

    for name in dir(MlflowClient):
        if name.startswith(("get_", "search_", "list_")):
            monkeypatch.setattr(MlflowClient, name, spy(name, getattr(MlflowClient, name)))
    yield seen


def pick_one(catalogue: Catalogue) -> ModelVersion:
    return pick(catalogue.snapshot(), POLICY, domain="tax", caller="service", purpose="assist").chosen


def test_a_query_asks_mlflow_once_and_goes_on_without_the_database(
    tracking: Tracking, tmp_path: Path, calls: list[str]
) -> None:
    promote_if_blessed(tracking, add(tracking, tmp_path, "f1"), GOOD)
    catalogue = Catalogue(tracking, refresh_seconds=0.05)
    assert pick_one(catalogue).version == 1
    assert calls
    assert tracking.database is not None
    tracking.database.rename(tmp_path / "gone")
    calls.clear()
    for _ in range(100):
        assert pick_one(catalogue).version == 1
    catalogue.close()
    calls.clear()
    assert pick_one(catalogue).version == 1
    assert not calls


def test_it_refreshes_in_the_background_and_keeps_the_last_one_when_the_store_is_away(
    tracking: Tracking, tmp_path: Path
) -> None:
    first = add(tracking, tmp_path, "f1")
    catalogue = Catalogue(tracking, refresh_seconds=0.05)
    before = catalogue.snapshot()
    assert catalogue.snapshot().id == before.id
    promote_if_blessed(tracking, first, GOOD)
    deadline = time.monotonic() + 20
    while not any(entry.is_champion for entry in catalogue.snapshot().entries):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert pick_one(catalogue).version == 1
    assert tracking.database is not None
    tracking.database.write_bytes(b"no database" * 1000)
    while catalogue.last_error is None:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert pick_one(catalogue).version == 1
    with pytest.raises(RegistryError):
        catalogue.refresh()
    assert pick_one(catalogue).version == 1
    catalogue.close()


def test_without_a_first_reading_there_is_an_error_and_no_answer(tmp_path: Path) -> None:
    (tmp_path / "mlflow.db").write_bytes(b"no database" * 1000)
    with pytest.raises(RegistryError, match="no MLflow database"):
        Catalogue(Tracking(f"sqlite:///{tmp_path / 'mlflow.db'}")).snapshot()


def test_a_forgotten_catalogue_ends_its_thread(tracking: Tracking) -> None:
    others = set(threading.enumerate())  # catalogues of other tests in this process among them
    catalogue = Catalogue(tracking, refresh_seconds=0.02)
    catalogue.snapshot()
    own = {thread for thread in threading.enumerate() if thread.name == "zoo-catalogue"} - others
    assert len(own) == 1
    del catalogue
    deadline = time.monotonic() + 20
    while own & set(threading.enumerate()):
        gc.collect()
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_work_is_bounded_and_a_champion_is_never_too_old_to_be_seen(
    tracking: Tracking, tmp_path: Path, calls: list[str]
) -> None:
    promote_if_blessed(tracking, add(tracking, tmp_path, "f0"), GOOD)
    for i in range(1, 6):
        add(tracking, tmp_path, f"f{i}")
    calls.clear()
    snapshot = Catalogue(tracking, None, recent=2).refresh()
    assert [entry.version for entry in snapshot.entries] == [1, 5, 6]
    assert snapshot.entries[0].metrics == METRICS
    assert len(calls) <= 6


def test_models_of_others_in_the_same_store_are_left_out(tracking: Tracking, tmp_path: Path) -> None:
    add(tracking, tmp_path, "f1")
    tracking.client.create_registered_model("somebody-elses")
    tracking.client.create_model_version("somebody-elses", str(tmp_path))
    assert [v.name for v in list_versions(tracking)] == ["tax_domain.gpt"]
    assert [v.name for v in Catalogue(tracking, None).snapshot().entries] == ["tax_domain.gpt"]
    with pytest.raises(RegistryError):
        get_version(tracking, "somebody-elses", 1)


def test_the_table_of_models(tracking: Tracking, tmp_path: Path) -> None:
    first, second = add(tracking, tmp_path, "f1"), add(tracking, tmp_path, "f2")
    third = add(tracking, tmp_path, "f3", "tax_domain.llama")
    promote_if_blessed(tracking, first, GOOD)
    promote_if_blessed(tracking, second, BAD)
    quarantine(tracking, third, "saw an\nerased record")
    rows = models_table(list_versions(tracking))
    assert [(row.model, row.version, row.aliases, row.state) for row in rows] == [
        ("tax_domain.gpt", 2, (), "not blessed"),
        ("tax_domain.gpt", 1, ("champion",), "blessed"),
        ("tax_domain.llama", 1, (), "quarantined: saw an erased record"),
    ]
    figures = (1.36, None, 5_300_000, 41.0)
    assert rows[0] == ModelRow("tax_domain.gpt", 2, (), "not blessed", *figures, "tax", second.created)
    tuned = replace(second, metrics={"val_bits_per_example": 0.5, "macro_f1": 0.8, "accuracy": 0.9185})
    assert ModelRow.of(tuned).task_figure == "accuracy 0.918"


@pytest.mark.parametrize(
    ("reference", "words"),
    [
        ("tax_domain.gtp@champion", 'no model "tax_domain.gtp".*did you mean "tax_domain.gpt"'),
        ("tax_domain.gtp/1", 'did you mean "tax_domain.gpt"'),
        ("tax_domain.gpt@chmpion", 'no version with the alias "chmpion".*did you mean "champion"'),
        ("tax_domain.gpt@7", 'no version with the alias "7".*write tax_domain.gpt/7'),
        ("tax_domain.gpt/7", "it has 1 to 1"),
        ("tax_domain.gpt", "names no model version"),
        ("tax_domain.gpt/0", "names no model version"),
        ("tax_domain.gpt/x", "names no model version"),
        ("", "names no model version"),
        ("a' OR name LIKE '%/1", "is no name of a model"),
        ("a'b@champion", "is no name of a model"),
    ],
)
def test_references_that_name_nothing(tracking: Tracking, tmp_path: Path, reference: str, words: str) -> None:
    promote_if_blessed(tracking, add(tracking, tmp_path, "f1"), GOOD)
    with pytest.raises(RegistryError, match=words) as caught:
        resolve(tracking, reference)
    assert "\n" not in str(caught.value)


def test_references(tracking: Tracking, tmp_path: Path) -> None:
    add(tracking, tmp_path, "f1")
    second = add(tracking, tmp_path, "f2")
    promote_if_blessed(tracking, second, GOOD)
    assert resolve(tracking, "tax_domain.gpt/1").version == 1
    assert resolve(tracking, "tax_domain.gpt@champion").version == 2
    assert resolve(tracking, "tax_domain.gpt/2").label == Label.of("tax")


def test_a_quarantined_version_cannot_be_loaded(tracking: Tracking, tmp_path: Path) -> None:
    first = add(tracking, tmp_path, "f1")
    promote_if_blessed(tracking, first, GOOD)
    held = quarantine(tracking, first, "saw an erased record")
    assert quarantine(tracking, first, "another reason").quarantined == "saw an erased record"
    with pytest.raises(RegistryError, match="has no version with the alias"):
        resolve(tracking, "tax_domain.gpt@champion")
    for load in (lambda: resolve(tracking, "tax_domain.gpt/1"), lambda: model_folder(tracking, held)):
        with pytest.raises(RegistryError, match="quarantined: saw an erased record"):
            load()
    assert resolve(tracking, "tax_domain.gpt/1", allow_quarantined=True) == held


def test_files_that_are_gone_are_said(tracking: Tracking, tmp_path: Path) -> None:
    first = add(tracking, tmp_path, "f1")
    model_folder(tracking, first).rename(tmp_path / "moved")
    with pytest.raises(RegistryError, match="files of tax_domain.gpt/1 are missing"):
        model_folder(tracking, first)
