"""Cron expressions mean what crontab(5) says, weekdays included."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from pipelines.cron import cron_trigger

SUNDAY = datetime(2026, 11, 22, tzinfo=datetime.now().astimezone().tzinfo)


def fires(expression: str, days: int = 7) -> list[int]:
    """Days from a Sunday on (0 = Sunday) on which the expression fires."""
    trigger = cron_trigger(expression)
    hits, now = [], SUNDAY
    while (fire := trigger.get_next_fire_time(None, now)) and fire < SUNDAY + timedelta(days=days):
        hits.append((fire.date() - SUNDAY.date()).days)
        now = fire + timedelta(seconds=1)
    return hits


@pytest.mark.parametrize(
    ("weekday", "expected"),
    [
        ("*", [0, 1, 2, 3, 4, 5, 6]),
        ("0", [0]),
        ("7", [0]),
        ("1", [1]),
        ("6", [6]),
        ("1-5", [1, 2, 3, 4, 5]),
        ("5-7", [0, 5, 6]),
        ("0,3", [0, 3]),
        ("0-6/2", [0, 2, 4, 6]),
        ("mon", [1]),
        ("SUN", [0]),
        ("mon-wed", [1, 2, 3]),
    ],
)
def test_weekdays(weekday: str, expected: list[int]) -> None:
    assert fires(f"0 3 * * {weekday}") == expected


@pytest.mark.parametrize(
    "expression", ["", "* * * *", "60 * * * *", "0 3 * * 8", "0 3 * * 5-2", "x * * * *", "0 3 * * mo"]
)
def test_nonsense_is_refused(expression: str) -> None:
    with pytest.raises(ValueError):
        cron_trigger(expression)
