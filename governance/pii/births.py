"""Birth dates: a date is one where a word before it says so, right before it or a few words away.

DOB (mm/dd/yyyy): 11/02/1990        She was born at home in Kisumu on the 3rd of June 1988.
Geburtsdatum: 03.12.1977            My birthday falls on September 17.
"""

from __future__ import annotations

import re

from governance.pii import vocabulary as words
from governance.pii.rule import Rule, rule

#: As people write it, and as text recognition reads it ("D0B", "datc of bírth").
_BIRTHDAY = (
    r"(?:b[ií1]rth[ _-]?dat[ec]|b[ií1]rth[ _-]?da[yií]|b-?day|dat[ec][\s_]+[o0]f[\s_]+b[ií1]rth|d[o0]b|d\. ?[o0]\. ?b)"
)
_CUE = (
    rf"(?:{_BIRTHDAY}|b[o0]rn"
    r"|geb(?:oren|\.)|geburts(?:datum|tag)|fecha de nac(?:imiento|\.)|data (?:di nascita|de nascimento)"
    r"|date de naissance|née?(?:\(e\))? le|nat[oa] il|nacid[oa] el|nascid[oa] (?:em|a)|geboortedatum|födelsedatum"
    r"|fødselsdato|syntymäaika|data urodzenia|datum narození|születési (?:idő|dátum)[a-z]*|doğum tarihi"
    r")\b\.?"
)
#: Words that say that the date behind them is of something else.
_OTHER = (
    r"(?:and|but|then|who|which|since|until|till|before|after|when|while|moved?|died|dies|d|married|admitted|seen|came"
    r"|visit(?:ed)?|date|dated|diagnosed|issued|expires?|expiry|valid|policy|party|cards?|gifts?|cake|presents?|orders?"
    r"|ordered|arrived|today|address|since|joined|employed|hired|referred|reviewed|signed)\b"
)
_GAP = rf"(?:(?:[ ,(/\u2013-]{{1,3}}|[ ,]?\n(?!\w+:)|: ?)(?!{_OTHER})[^\W\d_][\w'\u2019.]*){{0,8}}?"
#: Between the last word and the date: a colon, a bracket, the end of a line, the day of the week.
_END = (
    r"(?:[^\w\n]{0,5}|[ :,)]{0,3}\n{1,2}[ ]?)(?:(?:mon|tues|wednes|thurs|fri|satur|sun)day,? (?:the )?)?"
)  # fmt: skip
_MONTHS = (
    "janv?(?:ier)?|févr?(?:ier)?|mars|avril|mai|juin|juil(?:let)?|août|septembre|octobre|novembre|décembre"
    "|januar|februar|märz|juni|juli|oktober|dezember|enero|febrero|marzo|abril|mayo|junio|julio|agosto|septiembre"
    "|octubre|noviembre|diciembre|gennaio|febbraio|aprile|maggio|giugno|luglio|settembre|ottobre|dicembre|januari"
    "|februari|maart|mei|augustus|december|desember"
)
_SHORT = "(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)"
#: Forms that are a date behind a cue alone: "3. März 1980", "3 de marzo de 1980", "Mar-03-1980", "10 Feb '88".
_DATE = (
    rf"(?:{words.DATE}|\d{{1,2}}(?:\.|er|º)? (?:de )?(?:{_MONTHS})\.?(?: de(?:l)?)? \d{{4}}(?!\d)"
    rf"|{_SHORT}[a-z]*[ ./-]{{1,2}}\d{{1,2}}[ ./-]\d{{2,4}}(?!\d)"
    rf"|\d{{1,2}}[ -]?{_SHORT}[a-z]*,?[ -]['\u2019]?\d{{2,4}}(?!\d)"
    r"|\d{4}[./ ]\d{1,2}[./ ]\d{1,2}(?!\d)|\d{1,2} \d{1,2} (?:19|20)\d\d(?!\d)|\d{1,2} ?[./-] ?\d{1,2} ?[./-] ?\d{2,4}"
    r"(?!\d)"
    r"|(?:19|20)\d{6}(?!\d))"
)

BIRTHS: tuple[Rule, ...] = (
    rule("DATE_OF_BIRTH", rf"\b(?:born(?: on)?|date\s+of\s+birth|DOB|birth ?date|birthday)\b\W{{0,8}}(?:is |was )?"
         rf"(?P<v>{words.DATE})", flags=re.IGNORECASE),
    rule("DATE_OF_BIRTH", rf"(?<![^\W_]){_CUE}{_GAP}{_END}(?P<v>{_DATE})", flags=re.IGNORECASE),
    rule("DATE_OF_BIRTH", rf"(?<![^\W_]){_CUE}{_GAP}{_END}{_DATE},? (?:and )?(?:not|instead of|rather than|or) "
         rf"(?:the )?(?P<v>{_DATE})", flags=re.IGNORECASE),
    rule("DATE_OF_BIRTH", rf"(?<!\w){_BIRTHDAY}\b[^\n.!?]{{0,30}}\?[^\w\n]{{0,3}}\s{{1,3}}[^\w\n]{{0,3}}(?:\w+"
         rf"(?: \w+)?: ?)?"
         rf"(?:(?:it|it's|is|it is|yes|sure|ok|that's|the)\b,? ){{0,3}}(?P<v>{_DATE})", flags=re.IGNORECASE),
    rule("DATE_OF_BIRTH", rf"(?:\(|[^\W\d_]{{2}},? )(?:b\.|\*) ?(?P<v>{words.DATE})", flags=re.IGNORECASE),
    rule("DATE_OF_BIRTH", rf"(?<![\w/.-])(?P<v>{words.DATE})[ ,]{{0,2}}\(?(?:(?:is|was|as|for|being) )?(?:(?:my|his"
         rf"|her|their|the"
         rf"|your|our) )?(?:[a-z]+'s )?(?:{_BIRTHDAY}|i was born|(?:s?he|they) (?:was"
         rf"|were) born)\b", flags=re.IGNORECASE),
    rule("DATE_OF_BIRTH", rf"\b(?:son|daughter|twins?|child|children|kids?|baby|babies|spouse|wife|husband|dependents?"
         rf"|grandson|granddaughter|newborn)(?:,? {words.NAME_WORD}){{0,2}},? ?\("
         rf"(?P<v>{words.DATE})", flags=re.IGNORECASE),
    rule("DATE_OF_BIRTH", r"\b(?:year of birth|birth year|y\.?o\.?b\.?|born in the year)\W{0,4}(?:is |was )?"
         r"(?P<v>(?:19|20)\d\d)(?![\d/.-]\d)", flags=re.IGNORECASE),
)  # fmt: skip
