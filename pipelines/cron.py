"""Cron expressions as crontab(5) reads them.

APScheduler counts weekdays from Monday = 0, crontab from Sunday = 0 (and 7), so numbers in the
weekday field are turned into names before APScheduler sees them.
"""

from __future__ import annotations

import re
from typing import Any

_WEEKDAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat", "sun")


def cron_trigger(expression: str) -> Any:
    """Returns an APScheduler `CronTrigger` in the machine's time zone.

    Raises:
        ValueError: the expression has not five fields, or one of them is out of range.
    """
    from apscheduler.triggers.cron import CronTrigger

    fields = expression.split()
    if len(fields) != 5:
        raise ValueError(f"five fields are needed (minute hour day month weekday), this has {len(fields)}")
    minute, hour, day, month, weekday = fields
    return CronTrigger(minute=minute, hour=hour, day=day, month=month, day_of_week=_weekdays(weekday))


def _weekdays(field: str) -> str:
    """Spells out ranges such as 5-7 or 0-2, which wrap differently in the two countings."""
    return ",".join(_weekday_part(part.lower()) for part in field.split(","))


def _weekday_part(part: str) -> str:
    span, _, step = part.partition("/")
    match = re.fullmatch(r"(\d)(?:-(\d))?", span)
    if match is None:
        return part
    first = int(match[1])
    last = int(match[2]) if match[2] else (7 if step else first)
    if first > 7 or last > 7 or last < first:
        raise ValueError(f'"{part}" is no weekday; use 0-7 (0 and 7 are Sunday) or sun-sat')
    days = range(first, last + 1, int(step) if step else 1)
    return ",".join(dict.fromkeys(_WEEKDAYS[day] for day in days))
