"""The data card as a web page: one file without scripts that loads nothing.

Whatever comes from a record, a file's name or a spec is escaped, and the page's policy forbids scripts and loading
besides, should an escape be missed one day.
"""

from __future__ import annotations

import html
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pipelines.cards.facts import DataCard, Example, Lengths

_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
_STYLE = """
body{font:15px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#1c2430;background:#fff}
h1{font-size:1.6rem;margin-bottom:.2rem}h2{font-size:1.15rem;margin-top:2rem;border-bottom:1px solid #d8dee6}
h3{font-size:1rem;margin-bottom:.3rem}table{border-collapse:collapse;margin:.5rem 0}
td,th{padding:.15rem .9rem .15rem 0;text-align:left;vertical-align:top}td.n,th.n{text-align:right;
font-variant-numeric:tabular-nums}th{font-weight:600;color:#55606e}code,pre{font:13px/1.45 ui-monospace,monospace}
pre{background:#f4f6f8;padding:.7rem;white-space:pre-wrap;overflow-wrap:anywhere}.note{color:#55606e}
code{overflow-wrap:anywhere}rect{fill:#4a78b5}.warning{background:#fdf3d8;padding:.5rem .7rem}
"""
_BAR = 240  # pixels


def page(card: DataCard) -> str:
    """The whole page as HTML."""
    title = f"Data card: {card.pipeline}"
    sections = [
        _about(card),
        _rows(card),
        _lengths(card),
        _sources(card),
        _personal_data(card),
        _duplicates(card),
        _examples("Examples of what stayed", card.kept),
        _examples("Examples of what left", card.left),
        _spec(card),
    ]
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{_text(title)}</title><style>{_STYLE}</style></head>\n<body><h1>{_text(title)}</h1>\n"
        + "\n".join(filter(None, sections))
        + "\n</body></html>\n"
    )


def _about(card: DataCard) -> str:
    facts = {
        "Domain": card.domain,
        "Label": " + ".join(card.label),
        "Dataset version": card.dataset_digest,
        "Sources": card.sources_digest,
        "Spec": card.spec_digest,
        "Build": card.build,
        **{f"Records of {name}": digest for name, digest in card.derived_from.items()},
    }
    rows = "".join(
        f"<tr><th>{_text(name)}</th><td><code>{_text(value)}</code></td></tr>" for name, value in facts.items()
    )
    return f"<table>{rows}</table>"


def _rows(card: DataCard) -> str:
    rows = card.rows
    counts = {"read": rows.read, "set aside as unreadable": rows.quarantined, "dropped": rows.dropped}
    counts |= {"kept": rows.kept} | ({"carried over, in no source any more": rows.carried} if rows.carried else {})
    parts = ["<h2>What became of the rows</h2>", _bars(counts)]
    if card.drops:
        parts.append("<h3>Dropped, by step and reason</h3>")
        parts.append(_bars({f"{drop.step}: {drop.reason}": drop.records for drop in card.drops}))
    if card.quarantine:
        parts.append("<h3>Unreadable, by reason</h3>")
        parts.append(_bars(card.quarantine))
    parts.append("<h3>Splits</h3>")
    sizes = [[split, size.records, size.words, size.characters, size.bytes] for split, size in card.splits.items()]
    parts.append(_table(["split", "records", "words", "characters", "bytes (UTF-8)"], sizes))
    return "\n".join(parts)


def _lengths(card: DataCard) -> str:
    note = "Of records that stayed, as they are after filtering; words are what white space divides."
    return "\n".join(["<h2>Lengths</h2>", f'<p class="note">{note}</p>', *map(_histogram, card.lengths)])


def _histogram(lengths: Lengths) -> str:
    figures = (
        f"{lengths.total:,} in all; least {lengths.least:,}, median {lengths.median:,.0f}, "
        f"mean {lengths.mean:,.1f}, most {lengths.most:,}"
    )
    bars = {f"{one.low:,} to {one.high - 1:,}": one.records for one in lengths.histogram}
    return f"<h3>In {_text(lengths.unit)}</h3><p>{figures}. Records by length:</p>{_bars(bars)}"


def _sources(card: DataCard) -> str:
    shares = [
        [
            source.name,
            *(source.records.get(split, 0) for split in card.splits),
            source.train_words,
            f"{source.train_share:.1%}",
            source.dropped,
        ]
        for source in card.sources
    ]
    header = ["source", *card.splits, "training words", "share of them", "dropped"]
    warnings = (f'<p class="warning">{_text(line)}</p>' for line in card.warnings)
    return "<h2>Sources</h2>" + _table(header, shares) + "".join(warnings)


def _personal_data(card: DataCard) -> str:
    found = card.personal_data
    if not found.types:
        return "<h2>Personal data</h2><p>None was found that the domain's rules replace.</p>"
    rows = [[one.type, one.places, one.different] for one in found.types]
    return (
        f"<h2>Personal data</h2><p>Replaced in {found.records_with_some:,} records.</p>"
        + _table(["type", "places", "different strings"], rows)
        + _bars({one.type: one.places for one in found.types})
    )


def _duplicates(card: DataCard) -> str:
    found = card.duplicates
    if not found.exact + found.near:
        return "<h2>Duplicates</h2><p>None left.</p>"
    return (
        f"<h2>Duplicates</h2><p>{found.exact:,} equal and {found.near:,} near duplicates left; "
        f"{found.standing_for_others:,} records stand for them; the largest group had {found.largest_group:,}.</p>"
    )


def _examples(title: str, examples: Sequence[Example]) -> str:
    if not examples:
        return ""
    shown = (
        f"<h3>{_text(one.about)} <code>{_text(one.record_id)}</code></h3><pre>{_text(one.text)}</pre>"
        for one in examples
    )
    note = "Beginnings, after the filter of personal data."
    return f'<h2>{_text(title)}</h2><p class="note">{note}</p>' + "\n".join(shown)


def _spec(card: DataCard) -> str:
    return f"<h2>Spec</h2><pre>{_text(json.dumps(card.spec, indent=2, ensure_ascii=False))}</pre>"


def _bars(counts: Mapping[str, int]) -> str:
    """A table with a bar for each number, as wide as its share of the largest one."""
    most = max(counts.values(), default=0) or 1
    rows = (
        f'<tr><td>{_text(name)}</td><td class="n">{count:,}</td><td>{_bar(count / most)}</td></tr>'
        for name, count in counts.items()
    )
    return f"<table>{''.join(rows)}</table>"


def _bar(share: float) -> str:
    rect = f'<rect width="{share * _BAR:.1f}" height="12"/>'
    return f'<svg width="{_BAR}" height="12" aria-hidden="true">{rect}</svg>'


def _table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Numbers are aligned to the right, with the column's name."""
    head = "".join(f"<th{'' if number == 0 else _RIGHT}>{_text(name)}</th>" for number, name in enumerate(header))
    body = "".join(f"<tr>{''.join(map(_cell, row))}</tr>" for row in rows)
    return f"<table><tr>{head}</tr>{body}</table>"


_RIGHT = ' class="n"'


def _cell(value: object) -> str:
    if isinstance(value, int):
        return f"<td{_RIGHT}>{value:,}</td>"
    return f"<td{_RIGHT if str(value).endswith('%') else ''}>{_text(str(value))}</td>"


def _text(value: str) -> str:
    return html.escape(value, quote=True)
