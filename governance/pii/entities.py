"""The entity types that can be found, and by what. Cheap to import: nothing of Presidio or spaCy."""

from __future__ import annotations

#: Types that need the spaCy model. Some have rules of ours on top, which find what the model misses.
NER_TYPES = frozenset({"PERSON", "LOCATION", "ORGANIZATION", "NRP", "DATE_TIME"})

#: Types with a fixed form, found by patterns, most of them with a checksum or a word before them.
STRUCTURED_TYPES = frozenset(
    {
        "CREDIT_CARD",
        "CRYPTO",
        "EMAIL_ADDRESS",
        "IBAN_CODE",
        "ID_NUMBER",
        "IP_ADDRESS",
        "MAC_ADDRESS",
        "MEDICAL_LICENSE",
        "PHONE_NUMBER",
        "STREET_ADDRESS",
        "UK_NHS",
        "URL",
        "US_BANK_NUMBER",
        "US_DRIVER_LICENSE",
        "US_EIN",
        "US_ITIN",
        "US_PASSPORT",
        "US_PTIN",
        "US_SSN",
        "UUID",
        "ZIP_CODE",
    }
)

#: Short descriptions of a person, found by patterns.
ATTRIBUTE_TYPES = frozenset({"AGE", "DATE_OF_BIRTH", "TITLE"})

ALL_TYPES = NER_TYPES | STRUCTURED_TYPES | ATTRIBUTE_TYPES

#: Which of two overlapping findings wins, before length and score: a lower rank does. What has a fixed
#: form is more certain than what a model guesses, and a birth date says more than a date.
RANK = {
    **dict.fromkeys(NER_TYPES, 3),
    **dict.fromkeys(ATTRIBUTE_TYPES, 2),
    **dict.fromkeys(STRUCTURED_TYPES, 1),
    "DATE_OF_BIRTH": 1,
    "CREDIT_CARD": 0,
    "EMAIL_ADDRESS": 0,
    "IBAN_CODE": 0,
    "US_SSN": 0,
    "US_ITIN": 0,
}


def rank(entity: str) -> int:
    """`RANK` of a type; one that a workspace's own recognizers find has a form."""
    return RANK.get(entity, RANK["US_EIN"])


def available_entities() -> frozenset[str]:
    """Names of every entity type that a detector can find. Loads nothing."""
    return ALL_TYPES
