"""Rules that are sure of less, for what people write in many ways: a word or a number beside it is the cue.

Streets of countries whose numbers stand behind, units alone, corners of streets; whom somebody works for, where one has
moved to; peoples by name.
"""

from __future__ import annotations

import re

from governance.pii import validators as valid
from governance.pii import vocabulary as words
from governance.pii.jobs import JOB, job
from governance.pii.rule import Rule, rule

_I = re.IGNORECASE
_NAME = words.NAME
_NAMES = rf"{words.NAME_WORD}(?: (?:& |and )?{words.NAME_WORD}){{0,3}}"
_TOWN = rf"{words.NAME_WORD}(?:[ ](?:{words.NAME_WORD}|de|la|del|der|di)){{0,3}}"
_UNIT = r"(?:Apt|Apartment|Suite|Ste)\.?[ ]?#?\d{1,5}[A-Za-z]?"
_DIGITS = r"\+?\(?\d[\d ()./-]{5,18}\d(?:,? ?(?:x|ext\.?) ?\d{1,5})?"
_WORD = r"[^\W\d_][\w.\u2019'-]*"
_AT = "address(?: is|:)?|live[sd]? at|living at|located at|moved to|meet (?:me|us) at|off at|is at|sent to"
_WORKS = (
    r"(?:(?:work(?:s|ed|ing)?|job|position|career|interview|employed|hired|intern(?:ed|ing|ship)?) (?:for|at|by|with)"
    r"|CEO of|founder of|president of|acquired by|merged with|shares? of|recorded for)"
)
_MOVED = (
    r"(?:(?:moved|originally|lives?|lived|living|based|grew up|born|raised|stay(?:ed|ing|s)?|resid(?:es?|ing)|I'm|I am)"
    r"(?: here)? (?:in|from|to|near)|(?:home )?(?:city|town)(?: of)?)"
)
_FIRM = (
    "company|firm|agency|bank|startup|start-up|provider|corporation|brand|retailer|manufacturer|consultancy"
    "|multinational|charity|non-?profit|foundation|501\\(c\\)\\(?3\\)?"
)
_OF_FIRM = "website|newsletter|headquarters|app|store|branch|office|subsidiary"

#: Before a number that stands for one person, as those who keep records give them out.
_ID_CUE = (
    r"MRN|medical record|patient (?:id|number|no\.?)|chart (?:number|no\.?)"
    r"|(?:insurance|health ?card|health plan|member(?:ship)?|subscriber|beneficiary|policy ?holder|employee|staff"
    r"|personnel|student|customer|client|national|citizen|badge|voter) (?:id|number|no\.?|identification)"
    r"|policy (?:number|no\.?)|aadhaar|national insurance|NINO|DNI|NIE|BSN|PESEL|CPF|CNP|CURP|personnummer|VIN"
    r"|(?:licen[cs]e|number) plate"
)
#: A digit among its first characters, four to twenty in all; groups of letters and digits.
_ID = r"(?=[A-Z-]{0,6}\d)[A-Z0-9]{1,17}(?:-[A-Z0-9]{1,12}|[ ]\d{2,4}(?![A-Z\d])){0,4}(?![\w-])"
_POST = "CEO|CFO|CTO|president|chair(?:man|woman)?|director|founder|owner|head|manager"
#: What people are, and medicines or firms hardly.
_TRAIT = (
    "(?:kind|nice|friendly|reliable|impulsive|angry|upset|happy|sad|funny|clever|smart|shy|polite|rude|honest|lazy|proud"
    "|jealous|stubborn|generous|grateful|lonely|moody|modest|punctual|talented|good at)"
)

CUES: tuple[Rule, ...] = (
    rule("PHONE_NUMBER", rf"(?<![\w$./-])(?P<v>{_DIGITS})[ ]?[-( ][ ]?(?:office|fax|mobile|cell|home|work|phone|tel)\b",
         valid.spoken_of, flags=_I, score=0.6),
    rule("STREET_ADDRESS", rf"(?<![\w$.,-])(?P<v>\d{{1,6}} (?:{_WORD},? ){{1,5}}(?:\d{{1,4}}[A-Za-z]?\.?,? )?"
         rf"{_UNIT})\b", valid.street, flags=_I, score=0.7),
    rule("STREET_ADDRESS", rf"(?<![\w$.,/-])(?<!of )(?P<v>\d{{1,6}} (?:{words.NAME_WORD} ){{1,3}}\d{{1,4}}[A-Za-z]?)"
         r"(?![\w.,-]*\d)", valid.numbered_street, score=0.5),
    rule("STREET_ADDRESS", rf"(?<![\w$.,-])(?P<v>(?:\d{{4,6}} \d{{1,4}}|\d{{1,6}} \d{{3,4}}) {words.NAME_WORD}"
         rf"(?: {words.NAME_WORD}){{0,3}})", valid.numbered_street, score=0.5),
    rule("STREET_ADDRESS", rf"\b(?:{_AT})[ \n]+(?P<v>\d{{1,6}} (?:\d{{1,4}} )?(?:{_WORD} ){{1,4}}\d{{1,5}}[A-Za-z]?)"
         r"(?![\w-])", valid.numbered_street, flags=_I, score=0.5),
    rule("STREET_ADDRESS", r"(?P<v>\b(?:the )?corner of [^\n.,?!]{3,50}? and [^\n.,?!]{3,40}?)(?=[.,?!]|\n|$)",
         flags=_I, score=0.6),
    rule("STREET_ADDRESS", rf"\b(?P<v>{_UNIT})\b", flags=_I, score=0.5),
    rule("ZIP_CODE", r"\b(?:zip|postal|post)[ -]?code\b\W{0,5}(?:is |was )?(?P<v>\d{3,8})(?![\w-]|[.,]\d)", flags=_I),
    rule("ID_NUMBER", rf"\b(?:{_ID_CUE})\b\.?(?:[ ]?(?:number|no\.?|nr\.?|#|is|was))*[ ]?[:#=]?[ ]{{0,3}}(?P<v>{_ID})",
         valid.identifier, flags=_I, score=0.95),
    rule("ID_NUMBER", r"\b(?:national insurance|NINO)\b[^\d\n]{0,20}?\b(?P<v>[A-Z]{2} ?\d{2} ?\d{2} ?\d{2} ?[A-D])\b",
         flags=_I, score=0.95),
    rule("NRP", rf"\b(?P<v>(?:{words.PEOPLES})s?)\b"),
    rule("NRP", rf"\b(?P<v>(?:{words.PEOPLES.upper()})S?)\b"),
    rule("NRP", r"\b(?:am|are|is|was|were|proud|an?|the|old|young)"
         rf" (?P<v>(?:{words.PEOPLES.lower()})(?:s|es|mans)?)\b"),
    rule("PERSON", r"\b(?:[Mm]y|[Hh]is|[Hh]er) name is (?P<v>[^\W\d_]{2,}(?: [^\W\d_]{2,})?)", valid.lower_name,
         score=0.6),
    rule("PERSON", rf"\b(?:[Ll]ast|[Ff]irst|[Ss]ur|[Ff]ull|[Mm]iddle)? ?[Nn]ame\?[ \n]+(?P<v>{_NAME})", valid.name,
         score=0.6),
    rule("PERSON", rf"\b(?:is|was|were|be|am) (?:called|named) (?P<v>{_NAME})", valid.name, score=0.6),
    rule("PERSON", rf"\bcall(?:s|ed)? (?:me|him|her) (?P<v>{_NAME})", valid.name, score=0.7),
    rule("LOCATION", rf"\b{_MOVED} (?P<v>{_TOWN})(?=[,.!?;:\n]|$| and\b| but\b)", valid.town, score=0.4),
    rule("ORGANIZATION", rf"\b{_WORKS} (?P<v>{_NAMES})", valid.employer, score=0.6),
    rule("ORGANIZATION", rf"\b(?:[Tt]he|[Aa]ccording to|[Tt]heir|[Oo]ur) (?P<v>{_NAMES}) (?:{_OF_FIRM})\b",
         valid.employer, score=0.5),
    rule("ORGANIZATION", rf"(?:^|[.!?,] |\n)(?P<v>{_NAMES}) is an? (?:[\w()-]+ ){{0,4}}?(?:{_FIRM})\b", valid.employer,
         score=0.6),
    rule("PERSON", rf"\b[Hh]ave you (?:heard|seen|met|read) (?P<v>{_NAME}) [a-z]+(?=[?\n])", valid.name, score=0.5),
    rule("PERSON", rf"\b[Mm]y (?:kid|{words.RELATIVES}) (?P<v>{_NAME})(?= (?:from|to|and|is|was|who)\b|[,.!?\n])",
         valid.name, score=0.6),
    rule("PERSON", rf"\b[Ww]hy (?:is|was) (?P<v>{_NAME}) (?:so|such an?|always|not) {_TRAIT}\b", valid.name, score=0.6),
    rule("PERSON", rf"(?P<v>{_NAME}) (?:is|was) (?:(?:very|so|always|really|quite|too|such an?) )+{_TRAIT}\b",
         valid.name, score=0.6),
    rule("PERSON", rf"(?P<v>{_NAME}) will be (?:talking|speaking|presenting|attending|teaching|hosting)\b", valid.name,
         score=0.6),
    rule("PERSON", rf"(?:^|[.!?] |\n)(?P<v>{_NAME}) of {_NAMES} is the (?:{_POST})\b", valid.name, score=0.9),
    rule("ORGANIZATION", rf"{words.NAME_WORD} of (?P<v>{_NAMES}) is the (?:{_POST})\b", valid.employer, score=0.9),
    rule("ORGANIZATION", rf"\baddress of (?P<v>{_NAMES}) is\b", valid.employer, score=0.5),
    rule("PERSON", r"\bcall(?:s|ed)? me (?P<v>[^\W\d_]{3,})(?=[.,;!?\n]|$)", valid.lower_name, score=0.5),
    rule("TITLE", r"\b(?:I|[Hh]e|[Ss]he|[Ww]ho)\b[^.\n!?;]{0,30}?\b(?:work(?:s|ed|ing)?|job|position|employed|hired)\b"
         rf"[^.\n!?;]{{0,60}}? as (?:an? |the )?(?P<v>{JOB}?)(?=[,.;!?\n]|$| (?:but|and|at|in|for|since|until|till|when"
         r"|because|while|who|from|to|with)\b)", job, score=0.6),
    rule("STREET_ADDRESS", rf"(?P<v>\b{words.NAME_WORD}(?: [^\W\d_][\w-]*){{0,3}} \d{{1,4}}[a-z]?\.?)"
         r"(?= (?:[Ss]t|[Ss]tr|[Rr]d|[Ss]treet)\b)", valid.numbered_street, score=0.6),
    rule("AGE", r"\b(?:when|since|until|before|after|although|while|if) (?:s?he|I|they|you|we) (?:is|was|were|am|are"
         r"|had been) (?P<v>\d{1,3})(?=$|[.,;!?)]|\n| (?:and|years?|she|he|I|they)\b)", flags=_I, score=0.6),
)  # fmt: skip
