"""What the commands do: call a verb, show the result."""

from __future__ import annotations

import sys
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo.cli.output import print_facts, print_json, print_table
from zoo.cli.stopping import told_when_stopped
from zoo.screen import terminal_screen

if TYPE_CHECKING:
    from zoo.planning import Estimate


def run_init(folder: Path, as_json: bool) -> None:
    from zoo.init import init

    written = init(folder)
    if as_json:
        print_json({"workspace": str(folder.absolute()), "written": [str(path) for path in written]})
        return
    for path in written:
        print(f"wrote {path}")
    print(f"""
Next:
  1. put your text into {folder / "data" / "tax"} (jsonl, csv, parquet or txt), or change `path` in
     {folder / "pipelines" / "tax_domain.yaml"}
  2. say who may use what in {folder / "zoo.yaml"}
  3. export ZOO_HOME={folder.absolute()}
     zoo doctor
     zoo train gpt --pipeline tax_domain""")


def run_train(family: str, request: dict[str, Any], given: dict[str, Any], settings: list[str], as_json: bool) -> None:
    """Args: `request` are arguments of `zoo.train`; `given` and `settings` make up its settings."""
    from zoo.cli.settings import parse_settings, set_at
    from zoo.request import check_settings
    from zoo.train import train

    changes = parse_settings(settings)
    for name, value in given.items():
        if value is not None:
            set_at(changes, name.split("."), value)
    check_settings(changes)
    with told_when_stopped("stopped; the same command goes on from the last checkpoint"), terminal_screen() as screen:
        run = train(family, screen=screen, **request, **changes)
    if as_json:
        print_json(run.to_json())
        return
    from zoo.cli.summary import print_run

    print_run(run)


def run_export(reference: str, folder: Path, to: Any, family: str | None, label: str | None, as_json: bool) -> None:
    from zoo.exchange.export import export

    written = export(reference, folder, to=to, family=family, label=label)
    if as_json:
        print_json(written.to_json())
        return
    facts = written.to_json()
    fresh = facts.pop("fresh")
    print_facts(facts | ({"not in the base": fresh} if fresh else {}))


def run_families(vocab_size: int, as_json: bool) -> None:
    from zoo import families, tasks

    rows = families.table(vocab_size)
    of_shape = {shape: tasks.names(shape) for shape in ("encoder", "decoder", "seq2seq")}
    if as_json:
        print_json({"families": [vars(row) for row in rows], "tasks": of_shape})
        return
    headers = (
        "family",
        "shape",
        "objective",
        "tokenizer",
        "size",
        "layers",
        "width",
        "context",
        "weights",
        "FLOPs/token",
    )
    print_table(
        headers,
        [
            (
                *(row.family, row.shape, row.objective, row.tokenizer, row.size, row.layers, row.width, row.context),
                f"{row.parameters:,}",
                f"{row.training_flops_per_token:.2e}",
            )
            for row in rows
        ],
        right=(5, 6, 7, 8, 9),
    )
    print()
    for shape, names in of_shape.items():
        print(f"--task of {shape}s: {', '.join(names)}")


def run_plan(
    family: str,
    size: str | None,
    vocab_size: int,
    numbers: dict[str, str | None],
    options: dict[str, Any],
    as_json: bool,
) -> None:
    from zoo.planning import parse_number, plan

    given = {name: None if text is None else parse_number(text, name) for name, text in numbers.items()}
    estimate = plan(family, size=size, vocab_size=vocab_size, **given, **options)
    if as_json:
        print_json(estimate.to_json())
        return
    devices = f"{estimate.devices} × {estimate.hardware} at {estimate.utilisation:.2f} of its peak"
    rows = [
        ("weights", f"{in_units(estimate.parameters)}"),
        ("tokens", _tokens(estimate)),
        ("FLOPs", f"{estimate.flops:.2e}"),
        ("memory", f"{estimate.memory / 1e9:,.1f} GB for {_memory_of(estimate)}"),
        ("hardware", devices),
        ("speed", _speed(estimate)),
        ("time", f"{estimate.hours:,.1f} hours"),
        ("price", _price(estimate.price, estimate.price_per_hour)),
    ]
    if (advice := _fits(estimate)) is not None:
        rows.append(("", advice))
    print_table(("", ""), rows)


def _tokens(estimate: Estimate) -> str:
    each = f"{in_units(estimate.tokens)} ({estimate.tokens / estimate.parameters:.1f} for each weight"
    if estimate.tokens == estimate.compute_optimal_tokens:
        return f"{each})"
    return f"{each}; compute-optimal are 20: {in_units(estimate.compute_optimal_tokens)})"


def _speed(estimate: Estimate) -> str:
    speed = f"{estimate.tokens_per_second:,.0f} tokens/s"
    if estimate.measured_batch_size is None:
        return speed
    return f"{speed}, measured with {estimate.measured_batch_size} of {estimate.batch_size} windows in a step"


def _fits(estimate: Estimate) -> str | None:
    if estimate.measured_batch_size is None or estimate.device_memory is None or estimate.batch_size is None:
        advice = "does not fit into the memory: take more devices and shard the training state over them"
        return advice if estimate.fits is False else None
    room = f"the {estimate.device_memory / 1e9:,.1f} GB of this machine's memory that a training may fill"
    if estimate.fits:
        return f"fits into {room}"
    batch, accumulate = estimate.measured_batch_size, estimate.batch_size // estimate.measured_batch_size
    return f"does not fit into {room}: train with --batch-size {batch} --set accumulate={accumulate}"


def _price(total: float | None, an_hour: float | None) -> str:
    if total is None or an_hour is None:
        return "unknown: give --price, the dollars an hour"
    return f"{total:,.0f} dollars at {an_hour:.2f} an hour and device"


def _memory_of(estimate: Estimate) -> str:
    if estimate.size is None:
        return "training state"
    on_a_host = estimate.measured_batch_size is not None and estimate.device_memory is not None
    return f"training state{', its copies' if on_a_host else ''} and the activations of a batch"


def in_units(number: float) -> str:
    """A large number for people: 1,400,000,000,000 as "1.4 T"."""
    for unit, factor in (("T", 1e12), ("B", 1e9), ("M", 1e6), ("K", 1e3)):
        if number >= factor:
            return f"{number / factor:.3g} {unit}"
    return f"{number:.0f}"


def run_query(
    prompt: str, request: dict[str, Any], sampling: dict[str, Any], stream: bool, explain: bool, as_json: bool
) -> None:
    from governance.errors import ConfigError
    from zoo.query import query

    if stream and as_json:
        raise ConfigError("--json prints one object at the end", where="--stream", fix="leave out one of the two")
    given = {name: value for name, value in sampling.items() if value is not None}
    answer = query(prompt, **request, **given, on_text=_print_piece if stream else None)
    if as_json:
        print_json(answer.to_json())
        return
    print("" if stream else answer.text)
    if answer.replaced:
        counts = ", ".join(f"{name} {count}" for name, count in answer.replaced.items())
        print(f"replaced in the answer, as the domain's rules say: {counts}", file=sys.stderr)
    if explain:
        print(answer.decision.explain(), file=sys.stderr)


def _print_piece(piece: str) -> None:
    print(piece, end="", flush=True)


def run_models(as_json: bool) -> None:
    from registry import Tracking, list_versions, models_table
    from zoo.workspace import Workspace

    workspace = Workspace.current()
    rows = models_table(list_versions(Tracking(workspace.tracking_uri, workspace.artifact_root)))
    if as_json:
        print_json({"models": [vars(row) for row in rows]})
        return
    if not rows:
        print("no model is registered yet; train one: zoo train gpt --pipeline NAME")
        return
    headers = ("model", "version", "aliases", "state", "validation", "parameters", "latency ms", "label", "created")
    print_table(
        headers,
        [
            (
                row.model,
                row.version,
                ", ".join(row.aliases),
                row.state,
                row.task_figure or (None if row.bits_per_byte is None else f"{row.bits_per_byte:.4f} bits/byte"),
                None if row.parameters is None else f"{row.parameters:,}",
                None if row.latency_ms is None else f"{row.latency_ms:.0f}",
                row.label,
                datetime.fromtimestamp(row.created / 1000).strftime("%Y-%m-%d %H:%M"),
            )
            for row in rows
        ],
        right=(1, 4, 5, 6),
    )


def run_retrain(pipelines: list[str], due: bool, dry_run: bool, as_json: bool) -> None:
    from zoo.retrain import retrain

    with told_when_stopped("stopped; the same command goes on from the last checkpoint"), terminal_screen() as screen:
        report = retrain(pipelines, due_only=due, dry_run=dry_run, screen=screen)
    if as_json:
        print_json(report.to_json())
    else:
        for item in report.not_due:
            print(f"{item.pipeline}: not due: {item.reason}")
        for item in report.due:
            print(f"{item.pipeline}: due: {item.reason}")
        for done in report.done:
            if done.version is None:
                continue  # an error, below
            outcome = "promoted" if done.promoted else "not promoted"
            print(f"{done.model} version {done.version}: {outcome}: {done.why}")
    failed = [done for done in report.done if done.version is None]
    for done in failed:
        print(f"error: {done.model}: {done.why}", file=sys.stderr)
    if failed:
        sys.exit(1)


def run_doctor(as_json: bool) -> None:
    from zoo.doctor import examine

    findings = examine()
    if as_json:
        print_json({"fine": all(f.fine for f in findings), "findings": [vars(f) for f in findings]})
    else:
        rows = [("ok" if f.fine else "mend", f.subject, f.detail, f.fix) for f in findings]
        print_table(("", "what", "found", "what mends it"), rows)
    if not all(finding.fine for finding in findings):
        sys.exit(1)
