"""Well-formed identifiers that belong to nobody, and the ways in which people write them.

Where a range is set aside for tests or documentation it is used: card numbers of test issuers,
phone numbers 555-0100 to 555-0199, IP addresses of RFC 5737 and RFC 3849, IBANs with bank codes
that no bank has. Social security and employer numbers have no such range that detectors still
accept: they are drawn at random.
"""

from __future__ import annotations

from pipelines.synthetic.dice import Dice
from pipelines.synthetic.phrases import states

#: Group numbers that individual taxpayer identification numbers have.
ITIN_GROUPS = tuple(n for n in range(50, 100) if not 66 <= n <= 69 and n not in (89, 93))
#: IBANs: country, bank and branch part that stands for no bank, number of digits that follow.
IBAN_SHAPES = (("GB", "TEST000000", 8), ("NL", "TEST", 10), ("DE", "99999999", 10), ("ES", "99990000", 12))


def ssn(dice: Dice) -> str:
    """Nine digits: area 001-899 without 666, group 01-99, serial 0001-9999."""
    area = dice.between(1, 899)
    area = 667 if area == 666 else area
    return f"{area:03d}{dice.between(1, 99):02d}{dice.between(1, 9999):04d}"


def itin(dice: Dice) -> str:
    """Nine digits that start with 9 and have an ITIN's group number."""
    return f"9{dice.digits(2)}{dice.pick(ITIN_GROUPS)}{dice.digits(4)}"


def ein(dice: Dice) -> str:
    """Nine digits that start with a prefix in use."""
    return f"{dice.pick((12, 20, 26, 35, 41, 45, 52, 61, 74, 81, 84, 93))}{dice.digits(7)}"


def luhn_digit(digits: str) -> str:
    """The check digit that makes `digits` plus itself pass the Luhn test."""
    total = 0
    for place, char in enumerate(reversed(digits)):
        value = int(char) * (2 if place % 2 == 0 else 1)
        total += value - 9 if value > 9 else value
    return str(-total % 10)


def card(dice: Dice) -> str:
    """Sixteen digits within the test ranges 4111 11.. and 5555 55.., Luhn digit included."""
    body = dice.pick(("411111", "555555")) + dice.digits(9)
    return body + luhn_digit(body)


def iban_check(country: str, account: str) -> str:
    """The two check digits of ISO 13616 for a country and its account part."""
    number = "".join(str(int(char, 36)) for char in account + country + "00")
    return f"{98 - int(number) % 97:02d}"


def iban(dice: Dice) -> str:
    country, bank, length = dice.pick(IBAN_SHAPES)
    account = bank + dice.digits(length)
    return country + iban_check(country, account) + account


def phone(dice: Dice) -> str:
    """Ten digits: an area code and 555-01xx, the numbers kept free for fiction."""
    return f"{dice.pick(states()).area}55501{dice.digits(2)}"


def bank_account(dice: Dice) -> str:
    return str(dice.between(1, 9)) + dice.digits(dice.between(7, 11))


def ip_address(dice: Dice) -> str:
    if dice.chance(0.15):
        return f"2001:db8:{dice.between(1, 9999):x}::{dice.between(1, 255):x}"
    return f"{dice.pick(('192.0.2', '198.51.100', '203.0.113'))}.{dice.between(1, 254)}"


def written_ssn(dice: Dice, digits: str) -> str:
    """Mostly 123-45-6789, sometimes with spaces."""
    mark = " " if dice.chance(0.12) else "-"
    return mark.join((digits[:3], digits[3:5], digits[5:]))


def written_ein(digits: str) -> str:
    return f"{digits[:2]}-{digits[2:]}"


def written_card(dice: Dice, digits: str) -> str:
    mark = dice.pick((" ", " ", "-", ""))
    return mark.join(digits[i : i + 4] for i in range(0, 16, 4))


def written_iban(dice: Dice, value: str) -> str:
    if dice.chance(0.4):
        return value
    return " ".join(value[i : i + 4] for i in range(0, len(value), 4))


def written_phone(dice: Dice, digits: str) -> str:
    area, exchange, line = digits[:3], digits[3:6], digits[6:]
    shapes = (
        f"({area}) {exchange}-{line}",
        f"{area}-{exchange}-{line}",
        f"({area}) {exchange}-{line}",
        f"{area}-{exchange}-{line}",
        f"{area}.{exchange}.{line}",
        f"+1 {area} {exchange} {line}",
        f"+1-{area}-{exchange}-{line}",
        f"1-{area}-{exchange}-{line}",
        f"{area} {exchange} {line}",
    )
    return dice.pick(shapes)
