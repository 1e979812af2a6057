"""What `zoo erase` does."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from zoo.cli.output import print_facts, print_json, print_table
from zoo.cli.stopping import told_when_stopped
from zoo.screen import terminal_screen

if TYPE_CHECKING:
    from zoo.erasure.erase import Erasure

_FROM_INPUT = "-"


def run_erase(
    domain: str, subject: str | None, record: str | None, pipeline: str | None, dry_run: bool, as_json: bool
) -> None:
    from zoo.erasure.erase import erase

    subject, record = _read(subject), _read(record)
    stopped = "stopped before all was erased; the same command goes on"
    with told_when_stopped(stopped), terminal_screen() as screen:
        erasure = erase(
            domain=domain, subject=subject, record=record, pipeline=pipeline, dry_run=dry_run, screen=screen
        )
    if as_json:
        print_json(erasure.to_json())
        return
    _print(erasure)


def _read(name: str | None) -> str | None:
    """A name on the command line would stay in the shell's history."""
    return sys.stdin.readline().strip() if name == _FROM_INPUT else name


def _print(erasure: Erasure) -> None:
    journal = erasure.journal
    if erasure.nothing_to_do:
        print(f"nothing to do: erased on {journal.finished}")
    elif erasure.receipt is None:
        print("would be erased:")
    else:
        print("erased")
    rows = [
        (name, found.records, found.near_duplicates, len(found.before), (found.after or "")[:16])
        for name, found in sorted(journal.pipelines.items())
    ]
    print_table(("pipeline", "records", "near duplicates", "versions", "now"), rows, right=(1, 2, 3))
    print_facts(
        {
            "out_of_use": [*journal.models, *journal.unknown] or "no model",
            "to_be_trained_again": list(erasure.retraining) or "nothing",
            "receipt": erasure.receipt or "none: this was a dry run",
        }
    )
    for found in journal.pipelines.values():
        if found.unread:
            print(f"warning: not searched: {found.unread}", file=sys.stderr)
