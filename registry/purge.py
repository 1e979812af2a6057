"""Removes the files of runs and models that must not be kept; what MLflow knows about them by number stays."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from typing import Any

from registry.registration import delete_files
from registry.tracking import Tracking
from registry.versions import downloads

_PAGE = 200


def runs_tagged(tracking: Tracking, tag: str, value: str) -> list[str]:
    """Ids of all runs with a tag, of deleted ones as well: their artifacts are still there."""
    from mlflow.entities import ViewType

    experiments = [e.experiment_id for e in tracking.client.search_experiments(view_type=ViewType.ALL)]
    quoted = value.replace("'", "")
    condition = f"tags.`{tag}` = '{quoted}'"

    def page(token: str | None) -> Any:
        return tracking.client.search_runs(
            experiments, condition, run_view_type=ViewType.ALL, max_results=_PAGE, page_token=token
        )

    return [str(run.info.run_id) for run in _all(page)] if experiments else []


def purge_run(tracking: Tracking, run_id: str) -> None:
    """Removes a run's artifacts and the files of the models that it logged, on this machine's copies as well.

    Raises:
        RegistryError: the store cannot be reached.
    """
    run = tracking.client.get_run(run_id)
    delete_files(tracking, run.info.artifact_uri)

    def page(token: str | None) -> Any:
        return tracking.client.search_logged_models(
            [run.info.experiment_id], f"source_run_id = '{run_id}'", max_results=_PAGE, page_token=token
        )

    for model in _all(page):
        delete_files(tracking, model.artifact_location)
        shutil.rmtree(downloads() / model.model_id, ignore_errors=True)


def _all(page: Any) -> Iterator[Any]:
    token = None
    while True:
        found = page(token)
        yield from found
        token = found.token
        if not token:
            return
