"""What the documents of both domains share: a draft, numbers and dates, lists, lead-ins."""

from __future__ import annotations

import calendar
import re
from dataclasses import dataclass

from pipelines.synthetic.dice import Dice
from pipelines.synthetic.grammar import Fragment, Passage, Scene, Slot, join, map_text, plain, text

#: First words of sentences that may be written small after a lead-in.
_SMALL = re.compile(
    "(?:A|An|The|If|You|Your|When|Only|Most|Some|It|This|There|Each|Part|Both|To|Up|For|In|On|All|Time|Tax|Costs|"
    "Assets|Losses|Income|Interest|Gifts|Property|Repairs|Papers|Records|Debt|Land|Rent|Travel|Services|Children)"
)
_NUMBER_WORDS = ("two", "three", "four", "five", "six", "seven", "eight", "nine")


@dataclass(frozen=True)
class Draft:
    """A document before it becomes a row. `title` holds no personal data."""

    client_id: str
    title: str
    body: Passage


def sentence(scene: Scene, said: Passage, lead: float) -> Passage:
    """The sentence, with a lead-in by the given chance where its first word allows one."""
    first = said[0].text.split(" ")[0]
    if said[0].type or not _SMALL.fullmatch(first) or not scene.dice.chance(lead):
        return said
    rest = Fragment(said[0].text[0].lower() + said[0].text[1:])
    return text(scene.one("lead"), " ", rest, said[1:])


def details(scene: Scene, group: str) -> Passage:
    """A sentence of `group` with two to four details of the client, in one of several layouts."""
    dice = scene.dice
    found = [scene.one("detail") for _ in range(dice.between(2, 4))]
    separator = dice.pick((", ", "; ", ", ", "\n"))
    listed = text("\n", join("\n", found)) if separator == "\n" else join(separator, found)
    marker = "<details>"
    frame = Scene(dice, {**scene.slots, "details": lambda dice: marker}, scene.phrases).one(group)
    before, after = plain(frame).split(marker)
    if separator == "\n":
        return text(before.rstrip(), listed, f"\n{after[1:].strip()}" if after[1:].strip() else "")
    return text(before, listed, after)


def bulleted(scene: Scene, items: list[Passage]) -> Passage:
    """A list with dashes, stars or numbers."""
    items = [item for item in items if item]
    look = scene.dice.pick(("- ", "* ", "1", "a"))
    marks = {"1": [f"{i + 1}. " for i in range(len(items))], "a": [f"({char}) " for char in "abcdefgh"]}
    chosen = marks.get(look, [look] * len(items))
    return join("\n", [text(mark, item) for mark, item in zip(chosen, items, strict=False)])


def small_letters(passage: Passage) -> Passage:
    """Lower case throughout, as in a hasty chat; left alone where that would change the length."""
    if any(len(char.lower()) != 1 for char in plain(passage)):
        return passage
    return map_text(passage, str.lower)


def money(dice: Dice, low: int, high: int) -> str:
    """An amount of dollars, written in one of the usual ways."""
    dollars = dice.between(low, high)
    if dice.chance(0.35):
        dollars = max(low, dollars - dollars % (100 if dollars > 1000 else 10))
    cents = f".{dice.digits(2)}" if dice.chance(0.2) else ""
    return f"${dollars:,}{cents}"


def date(dice: Dice, year: int) -> str:
    """A date; dates carry no label, see the package's docstring."""
    month, day = dice.between(1, 12), dice.between(1, 28)
    name = calendar.month_name[month]
    written = (
        f"{name} {day}, {year}",
        f"{name} {day}",
        f"{day} {name} {year}",
        f"{month:02d}/{day:02d}/{year}",
    )
    return dice.pick(written)


def values(dice: Dice) -> dict[str, Slot]:
    """Slots for amounts, years and other numbers; the year stays the same within a document."""
    year = dice.between(2014, 2024)
    months = calendar.month_name[1:]
    return {
        "year": lambda dice: str(year),
        "lastyear": lambda dice: str(year - 1),
        "nextyear": lambda dice: str(year + 1),
        "date": lambda dice: date(dice, year + dice.below(2)),
        "month": lambda dice: dice.pick(months),
        "amount": lambda dice: money(dice, 1_200, 92_000),
        "small": lambda dice: money(dice, 150, 4_800),
        "tiny": lambda dice: money(dice, 8, 140),
        "percent": lambda dice: f"{dice.between(2, 38)}{dice.pick((' percent', '%', ' percent'))}",
        "days": lambda dice: str(dice.pick((10, 14, 20, 21, 30, 45, 60, 90))),
        "weeks": lambda dice: str(dice.between(2, 20)),
        "months": lambda dice: str(dice.between(7, 11)),
        "fewmonths": lambda dice: dice.pick(("two", "three", "four", "five")),
        "count": lambda dice: dice.pick(_NUMBER_WORDS),
        "hours": lambda dice: str(dice.between(2, 48)),
        "teen": lambda dice: str(dice.between(6, 17)),
        "miles": lambda dice: f"{dice.between(900, 24_000):,}",
        "squarefeet": lambda dice: str(dice.between(80, 290)),
        "number3": lambda dice: dice.digits(3),
        "letter": lambda dice: dice.pick("ABCDEFGH"),
        "ref": lambda dice: f"{dice.pick(('TX', 'CL', 'RV', 'MK', 'Q'))}-{dice.digits(dice.between(4, 5))}",
    }
