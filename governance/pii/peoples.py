"""Peoples, faiths and parties that somebody belongs to: by a list, or behind a word such as "ethnicity"."""

from __future__ import annotations

import re

from governance.pii import vocabulary as words
from governance.pii.rule import Rule, rule

#: Peoples of more than one word, and descriptions that registrars use.
_COMPOUND = (
    r"Sri[ -]Lankan|Costa[ -]Rican|Puerto[ -]Rican|Saudi[ -]Arabian|(?:South|North|West|East|Central|Latin|Native)[ -]"
    r"(?:African|American|Korean|Asian|Indian|European|Sudanese|Macedonian)|New Zealander|Papua New Guinean"
    r"|San Marinese|Sierra Leonean|Burkinabe|Cape Verdean|Hong Konger|Northern Irish|El Salvadoran"
    r"|(?:African|Asian|Arab|Cuban|Mexican|Italian|Irish|Chinese|Japanese|Korean|Indian)[ -]American|Afro[- ]?"
    r"(?:Caribbean|American|Latin[oa]?|Cuban|Brazilian)|(?:White|Black|Asian|Mixed)[ -](?:British|Caribbean|African"
    r"|Irish"
    r"|European)|Roman Catholic|(?:Greek|Russian|Serbian|Coptic|Eastern) Orthodox|Jehovah['\u2019]?s Witness(?:es)?"
    r"|Seventh[- ]day Adventist|Latter[- ]day Saint|Church of England"
)
_SINGLE = (
    r"Hispanic|Latin[ao]|Latinx|Chican[ao]|Romani|Inuit|Sami|Berber|Tamil|Sinhalese|Punjabi|Bengali|Gujarati|Pashtun"
    r"|Hmong|Uyghur|Breton|Galician|Sicilian|Corsican|Kashmiri|Yoruba|Igbo|Hausa|Zulu|Xhosa|Maasai|Kikuyu"
    r"|Anglican|Presbyterian|Pentecostal|Evangelical|Quaker|Zoroastrian|Rastafarian|Adventist|Calvinist|Druze"
    r"|Alevi|Ismaili|Episcopalian|Unitarian|Bosniak|Chechen|Tatar|Bajan|Cornish"
)
#: Words of other kinds as well: only where something says that somebody is one.
_ALSO_OTHER = (
    "Christian|Asian|African|Arab|Caucasian|European|American|Caribbean|Republican|Democrat|Socialist"
    "|Communist|Agnostic"
)
_BEHIND_HEADING = (
    f"{_ALSO_OTHER}|White|Black|Mixed|Orthodox|Conservative|Labour|Liberal|Green|Pagan|Jain|Roma|Native|Reformed"
)
_PEOPLE = rf"(?:{_COMPOUND}|{_SINGLE}|{words.PEOPLES})s?"
_CUE = (
    r"(?:nationality|citizenship|ethnicity|ethnic (?:group|origin|background)|race|religion|faith|denomination"
    r"|political (?:party|affiliation|views?))"
)
_BODIES = (
    "Border|Government|Army|Navy|Police|Embassy|Consulate|Parliament|Ministry|Authorities|Coast|Customs|Federation"
    "|Supreme|Immigration|Tax|National|Prime|President|Ambassador|Consul"
)

PEOPLES: tuple[Rule, ...] = (
    rule("NRP", rf"\b(?P<v>American)(?= (?:{_BODIES}))"),
    rule("NRP", rf"\b(?P<v>{_COMPOUND}s?|(?:{_SINGLE})s?)\b", score=0.87),
    rule("NRP", rf"\b{_CUE}(?: is| was)?[ ]?[:=\u2013-]?[ ]?(?P<v>{_PEOPLE}|{_BEHIND_HEADING})\b", flags=re.IGNORECASE,
         score=0.95),
    rule("NRP", rf"\b(?:(?:am|is|are|was|were)(?: (?:a|an|half|part|both|not))?|i'm|he's|she's|they're|as an?"
         rf"|an? (?:practi[sc]ing|devout|observant|proud|young|old|registered|lifelong)|born|raised|votes?|voted)"
         rf" (?P<v>{_PEOPLE}|{_ALSO_OTHER})s?\b(?!['\u2019-])(?= (?:and|but|by|who|with|from|so|woman|man|national"
         rf"|citizen"
         rf"|family|origin|descent|patient|male|female|myself)\b|[.,;:!?)\n]|$)", flags=re.IGNORECASE, score=0.87),
)  # fmt: skip

#: "The Finnish Border Force": a people's word before a body of its state.
_STATE_BODY = re.compile(rf"(?:[Tt]he )?(?:{words.PEOPLES}|American) (?={_BODIES})")


def people_before_body(name: str) -> int:
    """Length of the people's word, and the space behind it, before the name of a body of its state; 0 for none.

    The word says what somebody is; it is found by itself where the name does not cover it.
    """
    match = _STATE_BODY.match(name)
    return match.end() if match is not None else 0
