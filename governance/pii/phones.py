"""Telephone numbers that a word before them tells, in whatever form a country writes them."""

from __future__ import annotations

import re

from governance.pii import validators as valid
from governance.pii import vocabulary as words
from governance.pii.rule import Rule, rule

_I = re.IGNORECASE
_NUMBER = r"\+?\(?\d(?:[ ()/.\u2010-\u2015-]{0,3}\d){6,14}(?:,? ?(?:x|ext\.?|extension) ?\d{1,5})?(?![\d-]|[.,]\d)"
#: Words for a telephone, or for what one does with it.
_CUE = (
    r"(?:contact(?: (?:number|no|me|us|details|at|on|is))*|mob(?:ile|il|iel)?|ph(?:one)?|hp|h/p|cel(?:lular|ular)?|cell"
    r"|t[eé]l[eéè]f(?:o|ó)n[eo]?|telefoonnummer|telefonnummer|t[eé]l[eé]?(?:phone)?|gsm|handy|m[oó]vil|sms|land ?line"
    r"|pager|call(?:ing)?[- ]?back|reach(?:ed|able)?|ring(?: (?:me|us|him|her))?|phoned?|voice ?mail|hot ?line"
    r"|help ?line"
    r"|dial(?:led|ed)?|toll[- ]free|switchboard|extension|faks|fax|whatsapp|signal|viber|telegram)"
)
#: What a letter or a word with a colon says: "H:", "Work -", "(M)".
_MARK = (
    r"(?:tel|mob|cell|fax|home|work|office|desk|day|daytime|evening|direct|main|landline|emergency(?: contact)?"
    r"|next of kin|nok|number|[tmfhwpc])"
)

#: Before "number", where it may be a telephone's: an order number is none.
_WHOSE = (
    "[Mm]y|[Hh]is|[Hh]er|[Oo]ur|[Tt]heir|[Yy]our|[A-Za-z]['\u2019]s|[Nn]ew|[Oo]ld|[Hh]ome|[Ww]ork|[Pp]hone|[Mm]obile"
    "|[Cc]ell"
    "|[Tt]elephone|[Cc]ontact|[Cc]all-?back|[Dd]aytime"
)

PHONES: tuple[Rule, ...] = (
    rule("PHONE_NUMBER", rf"(?<!\w){_CUE}(?!\w)[^\n\d+(@=]{{0,25}}?(?:\([^\d()\n]{{1,25}}\)[^\n\d+(]{{0,3}})?"
         rf"(?<![\w$./-])(?P<v>{_NUMBER})", valid.spoken_of, flags=_I, score=0.6),
    rule("PHONE_NUMBER", rf"(?<!\w){_CUE}(?!\w)[^\n\d+(@=]{{0,25}}?{_NUMBER}(?:,|;|/| or| and)+[^\n\d+(@=]{{0,12}}?"
         rf"(?<![\w$./-])(?P<v>{_NUMBER})", valid.spoken_of, flags=_I, score=0.6),
    rule("PHONE_NUMBER", rf"(?:^|\n|[ (;,|]){_MARK}(?: (?:no|nr|number|phone|telephone)\.?)?[.)]? ?[:#|-] ?"
         rf"(?P<v>{_NUMBER})",
         valid.spoken_of, flags=_I, score=0.6),
    rule("PHONE_NUMBER", rf"(?<!\w)(?:{_CUE}|number|questions|enquiries"
         rf"|queries)[^\n.!?]{{0,30}}\?[^\w\n]{{0,3}}\s{{1,3}}"
         rf"[^\w\n+(]{{0,3}}(?:\w+(?: \w+)?: ?)?(?:(?:it|it's|is|yes|sure|ok|my|mine|that's|call)\b,? ){{0,3}}"
         rf"(?P<v>{_NUMBER})",
         valid.spoken_of, flags=_I, score=0.6),
    rule("PHONE_NUMBER", rf"(?:\b(?:{_WHOSE}) (?:number|line)|^Number|[.\n] ?Number|[Cc]aller|[Nn]o answer"
         rf"|[Pp]lease try|[Aa]sk for "
         rf"(?:{words.NAME_WORD} ){{1,3}})"
         rf"(?:(?:[ ,:(]|\b(?:is|was|given|at|on|file|on file|below|here|now|under|to|are|for|calls?)\b)){{0,6}}"
         rf"(?P<v>{_NUMBER})",
         valid.spoken_of, score=0.5),
    rule("PHONE_NUMBER", rf"(?<![\w$./-])(?P<v>{_NUMBER}) (?:(?:is|as|was) )?(?:my|his|her|our|their|a|the) (?:(?:new"
         rf"|old|work|home|other|direct) )?"
         rf"(?:number|phone|mobile|cell|telephone|contact number|line)\b", valid.spoken_of, flags=_I, score=0.5),
    rule("PHONE_NUMBER", r"(?<![\w$./,-])(?P<v>\d{3} \d{2} \d{3}|\d{2} \d{4,5}-\d{4}|\d{2}/\d{3}[ -]\d{4}"
         r"|\(0\d{2,4}\) ?\d{3,6}(?: \d{2,4})?)"
         r"(?![\w-]|[.,]\d| \d)", score=0.4),
)  # fmt: skip
