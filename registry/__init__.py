"""The registry: runs, model versions, gates, the catalogue and picking, kept in MLflow.

Imports governance alone; MLflow itself is imported when a store is first opened.
"""

from registry.cards import CardFacts, model_card, version_description
from registry.catalogue import Catalogue, Snapshot
from registry.gates import (
    GateResult,
    better_than_untrained,
    computed,
    failed,
    gate_results,
    little_extraction,
    low_exposure,
    no_training_pii,
    not_worse_than_champion,
    promote_if_blessed,
)
from registry.pick import Candidate, Decision, pick
from registry.registration import register
from registry.runs import RunFacts, RunLog, finished_run, open_run
from registry.table import ModelRow, models_table
from registry.tracking import Tracking
from registry.versions import (
    CHAMPION,
    ModelVersion,
    champion_of,
    get_version,
    list_versions,
    model_folder,
    quarantine,
    resolve,
    version_of_run,
)

__all__ = [
    "CHAMPION",
    "Candidate",
    "CardFacts",
    "Catalogue",
    "Decision",
    "GateResult",
    "ModelRow",
    "ModelVersion",
    "RunFacts",
    "RunLog",
    "Snapshot",
    "Tracking",
    "better_than_untrained",
    "champion_of",
    "computed",
    "failed",
    "finished_run",
    "gate_results",
    "get_version",
    "list_versions",
    "little_extraction",
    "low_exposure",
    "model_card",
    "model_folder",
    "models_table",
    "no_training_pii",
    "not_worse_than_champion",
    "open_run",
    "pick",
    "promote_if_blessed",
    "quarantine",
    "register",
    "resolve",
    "version_description",
    "version_of_run",
]
