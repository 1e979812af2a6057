"""Fake people: everything about a client is drawn once, so that all of their documents agree."""

from __future__ import annotations

import functools
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipelines.synthetic import identifiers as ids
from pipelines.synthetic.dice import Dice
from pipelines.synthetic.grammar import Fragment, Passage, Slot, text
from pipelines.synthetic.phrases import states

if TYPE_CHECKING:
    from faker import Faker

#: Whose names people have; en_US stands several times because most clients live there.
LOCALES = (
    *("en_US", "en_US", "en_US", "en_US", "en_GB", "en_IN", "en_PK", "en_KE", "en_NG", "yo_NG", "id_ID"),
    *("es_MX", "es_MX", "pt_BR", "de_DE", "fr_FR", "it_IT", "nl_NL", "sv_SE", "fi_FI", "pl_PL", "cs_CZ"),
    *("hu_HU", "ro_RO", "tr_TR"),
)
HONORIFICS = ("Ms.", "Mr.", "Mrs.", "Dr.", "Mx.")


@dataclass(frozen=True)
class Person:
    """Somebody with a name and ways to be reached. `phone` holds ten digits."""

    first: str
    last: str
    honorific: str
    email: str
    phone: str

    @property
    def full(self) -> str:
        return f"{self.first} {self.last}"


@dataclass(frozen=True)
class Client(Person):
    """A client of the invented firms; all numbers are kept as bare digits."""

    id: str
    street: str
    city: str
    state: str
    state_name: str
    zip: str
    zip_extra: str
    spouse: str
    children: tuple[str, str]
    relative: str
    employer: str
    business: str
    ssn: str
    spouse_ssn: str
    itin: str
    ein: str
    card: str
    iban: str
    account: str
    ip: str


@functools.cache
def _faker(locale: str) -> Faker:
    from faker import Faker

    return Faker(locale)


def _fake(dice: Dice, locale: str) -> Faker:
    """Faker of a locale, seeded anew, so that a person never depends on who was made before."""
    fake = _faker(locale)
    fake.seed_instance(dice.between(0, 2**31))
    return fake


def _ascii(name: str) -> str:
    folded = unicodedata.normalize("NFKD", name.translate(str.maketrans("łŁøØßıđĐ", "lLoOsidD")))
    return "".join(char for char in folded.lower() if char.isascii() and char.isalnum())


def email(dice: Dice, first: str, last: str) -> str:
    first, last = _ascii(first), _ascii(last)
    number = dice.between(1, 99)
    local = (f"{first}.{last}", f"{first[0]}{last}", f"{first}{number}", f"{first}_{last}", f"{last}{number}")
    return f"{dice.pick(local)}@{dice.pick(('example.com', 'example.org', 'example.net'))}"


def person(dice: Dice) -> Person:
    fake = _fake(dice, dice.pick(LOCALES))
    first, last = " ".join(fake.first_name().split()), " ".join(fake.last_name().split())
    return Person(first, last, dice.pick(HONORIFICS), email(dice, first, last), ids.phone(dice))


@functools.cache
def client(domain: str, number: int) -> Client:
    """Client `number` of a domain; the domains share no client."""
    dice = Dice("client", domain, number)
    self = person(dice)
    family = _fake(dice, dice.pick(LOCALES))
    spouse_last = self.last if dice.chance(0.7) else family.last_name()
    spouse, *children = [" ".join(family.first_name().split()) for _ in range(3)]
    relative = " ".join(f"{family.first_name()} {family.last_name()}".split())
    fake = _fake(dice, "en_US")
    state = dice.pick(states())
    return Client(
        **vars(self),
        id=f"{domain[0].upper() if domain != 'tax' else 'C'}-{number:05d}",
        street=fake.street_address(),
        city=fake.city(),
        state=state.code,
        state_name=state.name,
        zip=fake.zipcode_in_state(state.code),
        zip_extra=dice.digits(4),
        spouse=f"{spouse} {spouse_last}",
        children=(children[0], children[1]),
        relative=relative,
        employer=fake.company(),
        business=fake.company(),
        ssn=ids.ssn(dice),
        spouse_ssn=ids.ssn(dice),
        itin=ids.itin(dice),
        ein=ids.ein(dice),
        card=ids.card(dice),
        iban=ids.iban(dice),
        account=ids.bank_account(dice),
        ip=ids.ip_address(dice),
    )


def person_slots(prefix: str, who: Person) -> dict[str, Slot]:
    """Slots ``{prefix_name}``, ``_first``, ``_last``, ``_formal`` (Ms. Lopez), ``_email``, ``_phone``."""

    def spelled_email(dice: Dice) -> Fragment:
        local, _, host = who.email.partition("@")
        shouted = f"{local.upper()}@{host.upper()}" if dice.chance(0.03) else who.email
        return Fragment(f"{local.title()}@{host}" if dice.chance(0.06) else shouted, "EMAIL_ADDRESS")

    return {
        f"{prefix}_name": lambda dice: Fragment(who.full, "PERSON"),
        f"{prefix}_first": lambda dice: Fragment(who.first, "PERSON"),
        f"{prefix}_last": lambda dice: Fragment(who.last, "PERSON"),
        f"{prefix}_formal": lambda dice: text(f"{who.honorific} ", Fragment(who.last, "PERSON")),
        f"{prefix}_caps": lambda dice: Fragment(f"{who.last}, {who.first}".upper(), "PERSON"),
        f"{prefix}_listed": lambda dice: Fragment(f"{who.last}, {who.first}", "PERSON"),
        f"{prefix}_email": spelled_email,
        f"{prefix}_phone": lambda dice: Fragment(ids.written_phone(dice, who.phone), "PHONE_NUMBER"),
    }


def client_slots(who: Client) -> dict[str, Slot]:
    """All slots about a client: ``{client_name}`` and so on, ``{ssn}``, ``{street}``, ``{child}`` …"""

    def named(value: str, entity: str) -> Slot:
        return _always(Fragment(value, entity))

    def address(dice: Dice, between: str) -> Passage:
        return text(Fragment(who.street, "STREET_ADDRESS"), between, place(dice))

    def place(dice: Dice) -> Passage:
        state = who.state_name if dice.chance(0.15) else who.state
        comma = "" if dice.chance(0.1) else ","
        city = Fragment(who.city, "LOCATION")
        return text(city, f"{comma} ", Fragment(state, "LOCATION"), " ", zip_code(dice))

    def zip_code(dice: Dice) -> Fragment:
        return Fragment(f"{who.zip}-{who.zip_extra}" if dice.chance(0.1) else who.zip, "ZIP_CODE")

    return person_slots("client", who) | {
        "spouse": named(who.spouse, "PERSON"),
        "spouse_first": named(who.spouse.split(" ")[0], "PERSON"),
        "child": named(who.children[0], "PERSON"),
        "child2": named(who.children[1], "PERSON"),
        "relative": named(who.relative, "PERSON"),
        "employer": named(who.employer, "ORGANIZATION"),
        "business": named(who.business, "ORGANIZATION"),
        "street": named(who.street, "STREET_ADDRESS"),
        "city": named(who.city, "LOCATION"),
        "state": named(who.state_name, "LOCATION"),
        "zip": zip_code,
        "place": place,
        "address": lambda dice: address(dice, ", "),
        "address_lines": lambda dice: address(dice, "\n"),
        "address_caps": lambda dice: tuple(Fragment(f.text.upper(), f.type) for f in address(dice, "\n")),
        "ssn": lambda dice: Fragment(ids.written_ssn(dice, who.ssn), "US_SSN"),
        "ssn_bare": named(who.ssn, "US_SSN"),
        "spouse_ssn": lambda dice: Fragment(ids.written_ssn(dice, who.spouse_ssn), "US_SSN"),
        "itin": lambda dice: Fragment(ids.written_ssn(dice, who.itin), "US_ITIN"),
        "ein": named(ids.written_ein(who.ein), "US_EIN"),
        "card": lambda dice: Fragment(ids.written_card(dice, who.card), "CREDIT_CARD"),
        "iban": lambda dice: Fragment(ids.written_iban(dice, who.iban), "IBAN_CODE"),
        "account": named(who.account, "US_BANK_NUMBER"),
        "ip": named(who.ip, "IP_ADDRESS"),
    }


def slots_of(values: Mapping[str, tuple[str, str]]) -> dict[str, Slot]:
    """Slots with one fixed value each: name -> (text, entity type)."""
    return {name: _always(Fragment(value, entity)) for name, (value, entity) in values.items()}


def _always(fragment: Fragment) -> Slot:
    return lambda dice: fragment
