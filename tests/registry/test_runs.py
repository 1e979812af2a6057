from __future__ import annotations

import multiprocessing
import time
from pathlib import Path

import pytest

from governance.errors import RegistryError
from governance.labels import Label
from registry import CardFacts, Tracking, model_card, version_description
from registry.plots import loss_curve, pii_by_type, token_lengths
from tests.support.children import start_child
from tests.support.models import log_until_killed, open_run_once, start_run


def history(tracking: Tracking, run_id: str, key: str) -> list[tuple[int, float]]:
    return sorted((m.step, m.value) for m in tracking.client.get_metric_history(run_id, key))


def test_what_the_page_of_a_run_shows(tracking: Tracking) -> None:
    with start_run(tracking) as run:
        run.log_params({"layers": 4, "width": 256})
        run.log_dataset(name="tax_domain", digest="d" * 64, source="/data/v1", records={"train": 9})
        run.log_card("# A card")
    stored = tracking.client.get_run(run.run_id)
    assert stored.info.run_name == "gpt nano tax_domain"
    assert stored.info.status == "FINISHED"
    assert stored.data.params == {"layers": "4", "width": "256"}
    assert stored.data.tags["mlflow.note.content"] == "# A card"
    ours = {key: value for key, value in stored.data.tags.items() if key.startswith("zoo.")}
    assert ours == {
        "zoo.fingerprint": "f1",
        "zoo.pipeline": "tax_domain",
        "zoo.domain": "tax",
        "zoo.family": "gpt",
        "zoo.size": "nano",
        "zoo.label": "tax",
        "zoo.dataset": "d" * 64,
        "zoo.policy": "p" * 64,
        "zoo.code": "0.1.0",
    }
    (dataset,) = stored.inputs.dataset_inputs
    assert dataset.dataset.digest == "d" * 36
    assert {tag.key: tag.value for tag in dataset.tags} == {"mlflow.data.context": "training"}


def test_a_fingerprint_has_one_run_which_is_resumed_until_it_is_finished(tracking: Tracking) -> None:
    first = start_run(tracking)
    with pytest.raises(ZeroDivisionError), start_run(tracking) as second:
        raise ZeroDivisionError
    assert tracking.client.get_run(first.run_id).info.status == "FAILED"
    with pytest.raises(KeyboardInterrupt), start_run(tracking):
        raise KeyboardInterrupt
    assert tracking.client.get_run(first.run_id).info.status == "KILLED"
    with start_run(tracking) as third:
        assert (third.resumed, third.finished) == (True, False)
        assert tracking.client.get_run(first.run_id).info.status == "RUNNING"
    fourth = start_run(tracking)
    assert fourth.finished
    assert {first.run_id, second.run_id, third.run_id, fourth.run_id} == {first.run_id}
    assert start_run(tracking, "f2").run_id != first.run_id


def test_processes_that_start_at_once_share_one_run(tracking: Tracking) -> None:
    queue = multiprocessing.get_context("forkserver").Queue()
    children = [start_child(open_run_once, tracking.uri, queue) for _ in range(4)]
    found = {queue.get(timeout=60) for _ in children}
    for child in children:
        child.join()
    assert len(found) == 1
    everything = 3  # MLflow's ViewType.ALL: deleted runs too
    assert len(tracking.client.search_runs([tracking.experiment_id("tax")], "", everything)) == 1


def test_metrics_are_buffered_and_a_step_is_written_once(tracking: Tracking) -> None:
    run = start_run(tracking, flush_steps=3, flush_seconds=1000)
    run.log_metrics(1, {"loss": 3.0})
    run.log_metrics(2, {"loss": 2.0})
    assert history(tracking, run.run_id, "loss") == []
    run.log_metrics(3, {"loss": 1.0})
    assert history(tracking, run.run_id, "loss") == [(1, 3.0), (2, 2.0), (3, 1.0)]
    run.log_metrics(3, {"loss": 9.0, "rate": 0.1})
    run.flush()
    resumed = start_run(tracking)
    assert resumed.last_step == 3
    for step in range(1, 2500):
        resumed.log_metrics(step, {"loss": 7.0})
    resumed.finish()
    assert history(tracking, run.run_id, "loss")[:4] == [(1, 3.0), (2, 2.0), (3, 1.0), (4, 7.0)]
    assert len(history(tracking, run.run_id, "loss")) == 2499
    assert history(tracking, run.run_id, "rate") == [(3, 0.1)]


def test_metrics_are_written_after_some_seconds(tracking: Tracking) -> None:
    run = start_run(tracking, flush_steps=1000, flush_seconds=0.05)
    run.log_metrics(1, {"loss": 3.0})
    time.sleep(0.06)
    run.log_metrics(2, {"loss": 2.0})
    assert len(history(tracking, run.run_id, "loss")) == 2


def test_killed_while_logging_no_step_is_missing_or_double(tracking: Tracking) -> None:
    for seconds in (0.1, 0.25):
        ready = multiprocessing.get_context("forkserver").Event()
        child = start_child(log_until_killed, tracking.uri, ready)
        assert ready.wait(timeout=60)
        time.sleep(seconds)
        child.kill()
        child.join()
    with start_run(tracking) as run:
        last = (run.last_step or 0) + 1
        for step in range(last + 1):
            run.log_metrics(step, {"loss": 1 / (step + 1), "rate": 0.1})
    for key in ("loss", "rate"):
        assert [step for step, _ in history(tracking, run.run_id, key)] == list(range(last + 1))


def test_what_could_not_be_written_is_written_later(tracking: Tracking, tmp_path: Path) -> None:
    run = start_run(tracking, flush_steps=1000)
    run.log_metrics(1, {"loss": 3.0})
    database = tracking.database
    assert database is not None
    hidden = database.rename(tmp_path / "hidden")
    database.touch()
    with pytest.raises(RegistryError):
        run.flush()
    hidden.replace(database)
    Tracking(tracking.uri).client.search_experiments()
    tracking.client.search_experiments()
    run.flush()
    assert history(tracking, run.run_id, "loss") == [(1, 3.0)]


def test_parameters_and_dataset_of_a_resumed_run_are_not_written_twice(tracking: Tracking) -> None:
    for value in (4, 5):
        run = start_run(tracking)
        run.log_params({f"p{i}": value for i in range(150)})
        run.log_dataset(name="tax_domain", digest="d" * 64, source="/data/v1")
    stored = tracking.client.get_run(run.run_id)
    assert set(stored.data.params.values()) == {"4"}
    assert len(stored.data.params) == 150
    assert len(stored.inputs.dataset_inputs) == 1


def test_a_run_has_a_label(tracking: Tracking) -> None:
    with pytest.raises(RegistryError, match="without a label"):
        start_run(tracking, label=Label.of())


def test_figures_and_card_are_artifacts(tracking: Tracking) -> None:
    run = start_run(tracking)
    for _ in range(2):
        run.log_figure("loss_curve", loss_curve([(0, 3.0), (1, 2.0)], [(0, 2.5), (1, 2.0)]))
        run.log_figure("token_lengths", token_lengths([3, 5, 900], window=256))
        run.log_figure("pii", pii_by_type({"PERSON": 12, "US_SSN": 3}))
        run.log_figure("no_pii", pii_by_type({}))
    files = [file.path for file in tracking.client.list_artifacts(run.run_id, "plots")]
    assert files == [f"plots/{name}.png" for name in ("loss_curve", "no_pii", "pii", "token_lengths")]


def facts(**changes: object) -> CardFacts:
    values: dict[str, object] = {
        "model": "tax_domain.gpt",
        "pipeline": "tax_domain",
        "domain": "tax",
        "family": "gpt",
        "size": "nano",
        "label": Label.of("tax", "public"),
        "dataset_digest": "d" * 64,
        "records": {"train": 2700, "validation": 150},
        "metrics": {"val_bits_per_byte": 1.3612, "parameters": 5.3e6},
        "pii_rules": {"default": "pseudonymize", "US_SSN": "redact"},
        "pii_counts": {"US_SSN": 4, "PERSON": 12, "IP_ADDRESS": 0},
    }
    return CardFacts(**(values | changes))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, "| PERSON | pseudonymize | 12 |\n| US_SSN | redact | 4 |"),
        ({}, "| Bits per byte (validation) | 1.361 |"),
        ({}, "| Parameters | 5,300,000 |"),
        ({}, "Label: **public+tax**"),
        ({}, 'zoo.load("tax_domain.gpt@champion")'),
        ({"pii_counts": {}}, "No personal data was found"),
        ({"metrics": {}}, "## Quality\n\nNot measured."),
        ({"metrics": {"a|b": 1.0}}, "| a\\|b | 1 |"),
        ({"metrics": {"val_bits_per_byte.letters": 1.25}}, "| Bits per byte (source letters) | 1.250 |\n\n## Cost"),
        ({"shape": "encoder", "gives": "embedding"}, 'model.embed(["...", "..."])'),
        ({"shape": "encoder", "gives": "embedding"}, "words that it fills in"),
        ({"limits": ["Short answers."]}, "- Short answers."),
    ],
)
def test_the_card_says(changes: dict[str, object], words: str) -> None:
    assert words in model_card(facts(**changes))


def test_the_card_of_an_encoder_does_not_send_questions_to_it() -> None:
    assert "zoo.query" in model_card(facts()) and "zoo.query" not in model_card(
        facts(shape="encoder", gives="embedding")
    )


@pytest.mark.parametrize("rows", [1, 400])
def test_the_description_of_a_version_is_the_card_as_far_as_it_fits(rows: int) -> None:
    counts = {f"TYPE_{i:04}": 1 for i in range(rows)}
    text = version_description(model_card(facts(pii_counts=counts)))
    assert text.startswith("A language model of the family **gpt**")
    assert len(text) <= 5000
    assert ("model_card.md" in text) == (rows > 1)
    assert "\n| TYPE_0000 | pseudonymize | 1 |\n" in text
