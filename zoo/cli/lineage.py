"""What `zoo lineage` prints."""

from __future__ import annotations

from typing import Any

from zoo.cli.output import print_json, print_table
from zoo.lineage import Things, lineage

_COLUMNS = {
    "records": ("record_id", "pipeline", "dataset", "split", "file", "row"),
    "datasets": ("digest", "pipeline", "domain", "records", "present"),
    "models": ("model", "version", "aliases", "quarantined", "dataset", "base", "teacher", "registered"),
    "runs": ("run", "model"),
    "answers": ("time", "answer", "model", "caller", "purpose"),
}


def run_lineage(thing: str, domain: str | None, as_json: bool) -> None:
    found = lineage(thing, domain=domain)
    if as_json:
        print_json(found.to_json())
        return
    print(f"{found.kind} {found.thing}")
    _print_side("made from", found.origins)
    _print_side("used in", found.uses)
    if found.events:
        print("\nledger")
        print_table(("", "UTC", "event"), [(e["number"], e["time"][:19], e["event"]) for e in found.events], right=(0,))


def _print_side(title: str, things: Things) -> None:
    for name, columns in _COLUMNS.items():
        rows = getattr(things, name)
        if rows:
            print(f"\n{title}: {name}")
            print_table([column.replace("_", " ") for column in columns], [_cells(row, columns) for row in rows])


def _cells(row: dict[str, Any], columns: tuple[str, ...]) -> list[str]:
    return [_cell(column, row.get(column)) for column in columns]


def _cell(column: str, value: Any) -> str:
    if value is None:
        return ""
    if column in ("digest", "dataset"):
        return str(value)[:16]
    if isinstance(value, bool):
        return "yes" if value else "no"
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
