"""The commands of governance: `zoo policy`, `zoo ledger` and `zoo audit`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object on standard output.")]

audit_app = typer.Typer(help="Measure the filters, and what models give away.", no_args_is_help=True)
policy_app = typer.Typer(
    help="Ask the policy: why, whether it is as expected, and what it leaves of a text.", no_args_is_help=True
)
ledger_app = typer.Typer(
    help="What happened to data and models, and whether the record of it is whole.", no_args_is_help=True
)


@policy_app.command("explain")
def policy_explain(
    domain: Annotated[str, typer.Option(help="Domain that something flows into, or that is asked.")],
    caller: Annotated[str | None, typer.Option(help="Who asks; the workspace's owner if absent.")] = None,
    purpose: Annotated[str | None, typer.Option(help="assist of a caller, train of the owner, if absent.")] = None,
    label: Annotated[str | None, typer.Option(help="What it stems from, such as tax+public; the domain.")] = None,
    json: Json = False,
) -> None:
    """Say why something is allowed or is not, rule by rule; exit code 1 if it is not."""
    from zoo.cli.policy import run_policy_explain

    run_policy_explain(domain, caller, purpose, label, json)


@policy_app.command("test")
def policy_test(
    file: Annotated[Path | None, typer.Argument(help="policy_tests.yaml of the workspace if absent.")] = None,
    json: Json = False,
) -> None:
    """Check that the policy decides as the workspace expects; exit code 1 if it does not."""
    from zoo.cli.policy import run_policy_test

    run_policy_test(file, json)


@policy_app.command("filter")
def policy_filter(
    file: Annotated[Path, typer.Argument(help="A text; - reads standard input.")],
    domain: Annotated[str, typer.Option(help="Whose rules are applied.")],
    json: Json = False,
) -> None:
    """Show what a domain's rules for personal data leave of a text; a build repairs and judges it besides."""
    from zoo.cli.policy import run_policy_filter

    run_policy_filter(file, domain, json)


@ledger_app.command("verify")
def ledger_verify(
    receipt: Annotated[Path | None, typer.Option(help="A receipt that must be this workspace's, and recorded.")] = None,
    head: Annotated[str | None, typer.Option(help="Hash of an entry, kept elsewhere, that must be there.")] = None,
    json: Json = False,
) -> None:
    """Check that no entry of the ledger was edited, removed, added or cut off; exit code 1 if one was."""
    from zoo.cli.ledger import run_ledger_verify

    run_ledger_verify(receipt, head, json)


@ledger_app.command("show")
def ledger_show(
    event: Annotated[str | None, typer.Option(help="Only these, such as model.registered.")] = None,
    about: Annotated[str | None, typer.Option(help="Only about this: a model version, a dataset's digest …")] = None,
    last: Annotated[int, typer.Option(min=1, help="So many at most, the newest.")] = 20,
    json: Json = False,
) -> None:
    """Show the newest entries of the ledger."""
    from zoo.cli.ledger import run_ledger_show

    run_ledger_show(event, about, last, json)


@audit_app.command("pii")
def audit_pii(
    file: Path,
    domain: Annotated[str | None, typer.Option(help="Hold the figures against this domain's rules and floors.")] = None,
    json: Json = False,
) -> None:
    """Measure recall and precision of the PII detectors on a labelled JSON Lines file."""
    from zoo.cli.audit_pii import run_audit_pii

    run_audit_pii(file, domain, json)


@audit_app.command("canaries")
def audit_canaries(
    reference: Annotated[str, typer.Argument(metavar="MODEL", help="NAME@champion or NAME/3.")],
    sampled: Annotated[int, typer.Option(min=100, help="Random texts that each canary is ranked among.")] = 2000,
    json: Json = False,
) -> None:
    """Measure how exposed the canaries are that a model was trained with; exit code 1 above the domain's limit."""
    from zoo.cli.audit_models import run_audit_canaries

    run_audit_canaries(reference, sampled, json)


@audit_app.command("extraction")
def audit_extraction(
    reference: Annotated[str, typer.Argument(metavar="MODEL", help="NAME@champion or NAME/3.")],
    samples: Annotated[int, typer.Option(min=1, help="Texts of each split.")] = 100,
    prefix: Annotated[int, typer.Option(min=1, help="Tokens that the model is given.")] = 50,
    length: Annotated[int, typer.Option(min=1, help="Tokens that have to come back.")] = 50,
    json: Json = False,
) -> None:
    """Measure how often a model writes training text on word for word; exit code 1 above the domain's limit."""
    from zoo.cli.audit_models import run_audit_extraction

    run_audit_extraction(reference, samples, prefix, length, json)
