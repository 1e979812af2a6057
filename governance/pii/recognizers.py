"""Recognizers for what has a fixed form, or stands behind a word that says what follows.

A table of patterns, with Presidio's names for what they find. The part of a match that is personal
data is its group "v"; what stands around it is the cue that makes a number an account number. A
validator has the last word, so that a section or an amount does not pass for a card or an IBAN.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Collection, Iterable, Iterator, Sequence

from governance.pii import validators as valid
from governance.pii import vocabulary as words
from governance.pii.addresses import ADDRESSES
from governance.pii.births import BIRTHS
from governance.pii.cues import CUES
from governance.pii.peoples import PEOPLES
from governance.pii.phones import PHONES
from governance.pii.predefined import PREDEFINED
from governance.pii.prefilter import Prefilter
from governance.pii.rule import Rule, rule

_I = re.IGNORECASE
_GAP = r"(?:[^\n\d]|\n(?!\n)){0,40}?"  # between a cue and its number, in the same paragraph
_NINE = r"(?<![\d-])(?P<v>\d{3}[- .\u2010-\u2015]\d{2}[- .\u2010-\u2015]\d{4})(?![\d-])"
_NAME = words.NAME
_CLOSING = rf"(?:{words.CLOSINGS})[,.!]?[ ]*\n+[ ]*"
_TITLE = rf"\b(?:{words.TITLES}|Officer|Agent)\b\.?[ \u00a0]+"
_STATE = "|".join(sorted([*words.STATES.keys(), *words.STATES.values()], key=len, reverse=True))
_LONG_STATE = "|".join(words.STATES.values())
_SUFFIX = "|".join(words.STREET_SUFFIXES)
_WORDS = rf"(?:{words.NAME_WORD} ){{0,2}}"
_HOUSE = words.HOUSE
_FRENCH = (
    "[Rr]ue|[Aa]v(?:enue|\\.)|[Bb](?:oulevar)?d\\.?|[Pp]lace|[Cc]hemin|[Qq]uai|[Aa]llée|[Ii]mpasse|[Rr]oute|[Cc]ours"
    "|[Ss]quare|[Pp]assage"
)
_ADDRESS_CUE = (
    "[Aa]ddress(?: (?:to|is|with|at|as))?:?|ADDRESS:?|[Ll]iv(?:es?|ed|ing) (?:at|on)|[Ll]ocated (?:at|on)"
    "|resid(?:es?|ing|ence) (?:at|on)|[Mm]oved to|[Ss]hip(?:ped|s)? to:?|sent to|[Dd]eliver(?:ed|y)? (?:it |them )?to"
    "|[Ss]treet:?|STREET:?|[Vv]isit|at|near|lease of"
)
_TOWN = (
    rf"{words.NAME_WORD}(?:[ ](?:{words.NAME_WORD}|{words.PARTICLES}|los|las|os|am|an|sur|en|sous|upon|on)\b){{0,3}}"
)
_DIGITS = r"\+?\(?\d[\d ()./-]{5,18}\d(?:,? ?(?:x|ext\.?) ?\d{1,5})?"
_PHONE_CUE = (
    "answering at|registered(?: (?:mobile|phone|number))*|text(?:ed)?|phone|tel|telephone|cell|mobile|fax|whatsapp"
    "|call(?:ed|back)?|reach(?:ed)?|dial|(?:my|his|her|our|their|your)"
    " number"
    "|under"
)
_OF_SUMS = r"(?:Total|Subtotal|Sum|Revenue|Balance|Amount|Count|Net|Gross)\b"
_UNIT = r"(?:,?\s+(?:Apt|Apartment|Suite|Ste|Unit|Floor|Fl|Room|Rm|No\.|#)\.?\s*#?\s*[\w-]+)?"

RULES: tuple[Rule, ...] = (
    rule("EMAIL_ADDRESS", r"(?<![A-Za-z0-9])(?P<v>[A-Za-z0-9][\w.%+'-]{0,63}@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*"
          r"\.[A-Za-z]{2,})"),
    rule("EMAIL_ADDRESS", r"(?<!\w)(?P<v>[\w.%+-]{1,64} ?(?:\(at\)|\[at\]) ?[\w-]+ ?(?:\.|\(dot\)"
          r"|\[dot\]) ?[a-z]{2,})", flags=_I),
    rule("URL", r"(?P<v>(?:https?://|ftp://|www\.)[^\s<>\"]+)", valid.without_full_stop, flags=_I),
    rule("URL", rf"(?<![@\w.-])(?P<v>(?:[a-z0-9-]+\.)+(?:{words.TOP_DOMAINS})(?:/[^\s<>\"]*)?)(?![\w@-])",
          valid.without_full_stop, flags=_I, score=0.6),
    rule("IP_ADDRESS", r"(?<![\d.])(?P<v>\d{1,3}(?:\.\d{1,3}){3})(?![\d]|\.\d)", valid.ip),
    rule("IP_ADDRESS", r"(?<![\w:])(?P<v>[0-9a-f]{0,4}(?::[0-9a-f]{0,4}){2,7})(?![\w:])", valid.ip, flags=_I),
    rule("CREDIT_CARD", r"(?<![\d+-])(?<!\+\d )(?<!\+\d\d )(?<!\+\d\d\d )(?P<v>\d(?:[ -]?\d){12,18})(?!\d)",
         valid.card),
    rule("CREDIT_CARD", rf"\bcard\b{_GAP}(?<![\d+-])(?P<v>\d(?:[ -]?\d){{11}})(?![ -]?\d)", valid.card, flags=_I),
    rule("IBAN_CODE", r"(?<![A-Za-z0-9])(?P<v>[A-Z]{2}\d{2}(?:[ -]?[A-Z0-9]){11,34})", valid.iban, flags=_I),
    rule("US_SSN", _NINE, valid.ssn),
    rule("US_ITIN", _NINE, valid.itin),
    rule("US_SSN", rf"\b(?:SSN|social[ -]security)\b{_GAP}(?P<v>\d{{9}})(?!\d)", valid.ssn, flags=_I),
    rule("US_ITIN", rf"\b(?:ITIN|taxpayer identification)\b{_GAP}(?P<v>\d{{9}})(?!\d)", valid.itin, flags=_I),
    rule("US_EIN", r"(?<![\d-])(?P<v>\d{2}-\d{7})(?![\d-])", valid.ein, score=0.95),
    rule("US_EIN", rf"\b(?:F?EIN|employer identification|tax id(?:entification)?)\b{_GAP}"
          r"(?P<v>\d{2}-?\d{7})(?!\d)", flags=_I),
    rule("US_PTIN", r"(?<![\w-])(?P<v>P[ -]?\d{8})(?![\w-])"),
    rule("US_PTIN", rf"\b(?:PTIN|preparer tax identification)\b{_GAP}(?P<v>P?\d{{8}})(?!\d)", flags=_I),
    rule("US_BANK_NUMBER", rf"\b(?:bank|wire|RTN|ACH|deposit|credit union)\b{_GAP}"
          r"(?<![\d$.,/-])(?P<v>\d{4}-?\d{4}-?\d)(?![\d-])", valid.aba, flags=_I, score=0.92),
    rule("US_BANK_NUMBER", rf"\b(?:account|acct|a/c|routing|ABA|transit|checking|savings)\b{_GAP}"
          r"(?<![\d$.,/-])(?P<v>\d(?:[ -]?\d){5,16})(?!\d|[,.-]\d)", flags=_I, score=0.92),
    rule("US_PASSPORT", rf"\bpassport\b{_GAP}(?P<v>[A-Z]?\d{{8,9}})(?!\d)", flags=_I),
    rule("US_DRIVER_LICENSE", r"\b(?:driver'?s?|driving) licen[cs]e\b(?: (?:number|no\.?|is))*\W{0,5}"
          r"(?P<v>(?=[A-Z0-9-]*\d{3})[A-Z0-9][A-Z0-9-]{4,14})\b", flags=_I),
    rule("US_DRIVER_LICENSE", r"\blicen[cs]e\b(?: (?:number|no\.?|nr\.?|id|is|plate))*\W{0,3}"
          r"(?P<v>[A-Z]{1,2}\d{6,13})\b", flags=_I, score=0.7),
    rule("PHONE_NUMBER", r"(?<![\d$./-])(?<!\d,)(?P<v>(?:\+?1[ .-]?)?(?:\(\d{3}\) ?|[2-9]\d{2}[ .-]"
          r"|\d{3}[.-])\d{3}[ .-]\d{4}"
          r"(?:,? *(?:x|ext\.?|extension) *\d{1,6})?)(?![\d-])", score=0.93),
    rule("PHONE_NUMBER", r"(?<![\w$./-])(?<!\d,)(?P<v>(?:\+1|001[ .-]|[2-9]\d{2}"
          r"(?=[2-9]\d{6}))\(?\d{3}\)?[ .-]?\d{3,4}(?:[ .-]?\d{1,4})?"
          r"(?:,? *(?:x|ext\.?) *\d{1,6})?)(?![\d.,-]*\d)", valid.ten_digits, score=0.5),
    rule("PHONE_NUMBER", r"(?<![\w$./-])(?<!\d,)(?P<v>\(?0\d{1,4}\)?[ /.-]?\d{2,8}(?:[ ./-]?\d{2,4}){0,4})"
          r"(?![\d.,/-]*\d)", valid.trunk, score=0.6),
    rule("PHONE_NUMBER", r"\b(?:phone|tel|telephone|cell|mobile|fax|whatsapp|call(?: me)?(?: at| on)?)\b[ .:#]{0,3}"
          r"(?:(?:number|no\.?|is)[ :]*){0,2}(?P<v>\+?\(?\d[\d ().-]{5,16}\d)(?![\d,-])", flags=_I, score=0.7),
    rule("PHONE_NUMBER", r"(?<![\w+])(?P<v>\+\d{1,3}(?:[ .-]?\(?\d{1,4}\)?){2,5})(?!\d)", valid.phone),
    rule("PHONE_NUMBER", r"(?<![\w+])(?P<v>\+\d{1,3}(?:[ .-]\(?\d{1,8}\)?){1,6})(?!\d)", valid.international,
         score=0.6),
    rule("PHONE_NUMBER", r"\b(?:call|phone|tel|telephone|cell|mobile|fax|text|reach|reached|number|dial)\b"
          rf"{_GAP}(?<![\d$./-])(?<!\d,)(?P<v>(?:\+?1)?[2-9]\d{{9}}|\d{{3}}[ .-]\d{{4}})"
          rf"(?![\d-])", flags=_I, score=0.7),
    rule("STREET_ADDRESS", rf"(?<![\w$.,-])(?P<v>\d{{1,6}}[A-Za-z]?(?:-\d+)? +(?:[NSEW]{{1,2}}\.? +)?"
          rf"(?!\d{{3}} \d{{3}})(?:[A-Z0-9][\w'.-]* +){{1,4}}(?:{_SUFFIX}|{_SUFFIX.upper()})\b\.?"
          rf"(?: [NSEW]{{1,2}}\b)?{_UNIT})", valid.street),
    rule("STREET_ADDRESS", rf"(?<![\w$.,-])(?P<v>\d{{1,6}} (?:[\w'.-]+ ){{1,3}}(?:{words.COMMON_SUFFIXES})\b\.?"
          rf"(?: [nsew]{{1,2}}\b)?{_UNIT})", valid.street, flags=_I, score=0.6),
    rule("STREET_ADDRESS", rf"(?<![\w$.,-])(?P<v>\d{{1,6}} (?:[^\W\d_][\w'.-]* ){{1,2}}(?:{_SUFFIX})\b"
          rf"(?:,? (?:apt|suite|ste|unit)\.? \w+|(?=,? (?:[\w'.-]+[ ]){{0,2}}[\w'.-]+,? "
          rf"(?:{_STATE}) \d{{5}})))", valid.street, flags=_I, score=0.6),
    rule("STREET_ADDRESS", rf"\b(?:address:?|live[sd]? (?:at|on)|living at|located at|moved to|machine at|ship"
          rf"(?:ped)? to|sent to)"
          rf" (?P<v>\d{{1,6}} (?:[^\W\d_][\w'.-]* ){{1,2}}(?:{_SUFFIX})\b{_UNIT})", valid.street, flags=_I, score=0.6),
    rule("PHONE_NUMBER", rf"\b(?:{_PHONE_CUE})\b(?:[^\n\d(+]{{0,25}}?|:[ ]*\n[ ]*)(?P<v>{_DIGITS})(?![\d-])",
          valid.spoken_of, flags=_I, score=0.6),
    rule("PHONE_NUMBER", rf"\b(?:{_PHONE_CUE})\b[^\n\d(+]{{0,25}}?{_DIGITS},? (?:or|and|to) (?P<v>{_DIGITS})(?![\d-])",
          valid.spoken_of, flags=_I, score=0.6),
    rule("PHONE_NUMBER", r"(?<![\w$./-])(?<!\d,)(?P<v>\d{2}(?: \d{2}){3,4}|\d{3} \d{3} \d{3}|\(\d{2,4}\)"
          r"[ /-]?\d{3}[ -]\d{4})(?![\d.,/-]*\d| \d)", score=0.4),
    rule("STREET_ADDRESS", rf"(?<!\w)(?P<v>{_WORDS}{words.NAME_WORD}(?:{words.STREET_ENDINGS}) {_HOUSE})"),
    rule("STREET_ADDRESS", rf"(?<!\w)(?P<v>\w{{2,20}}(?:stra(?:ß|ss)e|straat|gatan|vägen|gade|veien|katu) {_HOUSE})",
          flags=_I, score=0.6),
    rule("STREET_ADDRESS", rf"(?<!\w)(?P<v>(?:{words.STREET_PREFIXES}|{words.STREET_PREFIXES.upper()}) "
          rf"(?:{words.STREET_WORD} ){{0,4}}"
          rf"{words.STREET_WORD},?"
          rf" (?:n[ºo°r]\.? ?|No\.?:? ?)?{_HOUSE})", valid.numbered_street),
    rule("STREET_ADDRESS", rf"(?<!\w)(?P<v>{words.NAME_WORD}(?: {words.NAME_WORD}){{0,3}} "
          rf"(?:{words.STREET_WORDS_AFTER})"
          rf",? (?:No:? ?)?{_HOUSE}\.?)"),
    rule("STREET_ADDRESS", rf"(?<!\w)(?P<v>{words.NAME_WORD}(?:ská|cká|ká|ova|ová|ného|ého|ní) {_HOUSE})"),
    rule("STREET_ADDRESS", rf"(?<![\w$.,-])(?P<v>(?:\d{{1,4}},?(?: ?(?:bis|ter))? )(?:{_FRENCH})"
          rf"(?: (?:de la|des|du|de|le|la|aux?))? ?(?:[dl]['\u2019])?{words.NAME_WORD}(?: {words.NAME_WORD}){{0,2}})"),
    rule("STREET_ADDRESS", rf"(?:, |\n)(?P<v>(?:rue|avenue|boulevard|chemin|impasse|allée)"
          rf"(?: (?:de la|des|du|de|le|la))? ?(?:[dl]['\u2019])?{words.NAME_WORD}(?: {words.NAME_WORD}){{0,2}})"),
    rule("STREET_ADDRESS", rf"(?<![\w$.,-])(?P<v>(?:(?:Flat|Unit|Studio|Apartment|Suite|H\.? ?No\.?) \w{{1,5}}"
          rf"[,/]?[ \n]+)(?:\d{{1,5}}[A-Za-z]?,? )?(?:{words.NAME_WORD} ){{1,3}}(?:{_SUFFIX}|{_SUFFIX.upper()})\b)"),
    rule("STREET_ADDRESS", rf"(?<![\w$.,-])(?P<v>\d{{1,6}} (?:{words.NAME_WORD} ){{1,3}}(?:\d{{1,4}} )?(?:Apt|Suite"
          rf"|Unit|APT)"
          rf"\.? #?\w+)", valid.street),
    rule("STREET_ADDRESS", rf"\b(?P<v>(?:One|Two|Three|Four|Five|Six|Seven|Eight|Nine|Ten) (?:{words.NAME_WORD} )"
          rf"{{1,2}}(?:{_SUFFIX})\b)"),
    rule("STREET_ADDRESS", rf"(?<!\w)(?P<v>{words.NAME_WORD}-(?:Ring|Damm|Hof|Ufer|Platz|Weg|Allee) {_HOUSE})"),
    rule("STREET_ADDRESS", rf"\b(?P<v>H\.? ?No\.? ?\d+[,/]? ?(?:{words.NAME_WORD} ?){{1,3}})(?=[,.\n]|$)"),
    rule("STREET_ADDRESS", rf"(?<![\w$.,-])(?P<v>\d{{1,3}} The {words.NAME_WORD})(?=[,\n.])"),
    rule("STREET_ADDRESS", r"\b(?P<v>(?:RR|HC|Rural Route) \d+,? Box \d+)", flags=_I),
    rule("STREET_ADDRESS", rf"\b(?:{_ADDRESS_CUE})[ ]*(?P<v>{words.NAME_WORD}(?: {words.STREET_WORD}){{0,4}},?"
          rf" {_HOUSE})", valid.numbered_street,
          score=0.7),
    rule("STREET_ADDRESS", rf"\b(?:{_ADDRESS_CUE})[ ]*(?P<v>\d{{1,5}}[A-Za-z]?,? {words.NAME_WORD}(?:"
          rf" {words.NAME_WORD}){{0,3}})"
          rf"(?=[,.\n])", valid.street, score=0.7),
    rule("STREET_ADDRESS", rf"(?:^|\n|, )(?P<v>{words.NAME_WORD}(?: {words.STREET_WORD}){{0,4}},? {_HOUSE})"
          rf"(?=,? ?\n?(?:[A-Z]{{1,2}}-)?(?:\d{{4,5}}|\d{{3}} \d{{2}}|\d{{2}}-\d{{3}})(?: [A-Z]{{2}})?"
          rf" {words.NAME_WORD})", valid.numbered_street,
          score=0.7),
    rule("STREET_ADDRESS", rf"(?:^|\n)[ ]*(?P<v>{words.NAME_WORD}(?: {words.STREET_WORD}){{0,3}} {_HOUSE})"
          rf"(?=\n[^\n]{{0,40}}\d{{3}})", valid.numbered_street,
          score=0.5),
    rule("STREET_ADDRESS", rf"(?:^|\n)[ ]*(?P<v>\d{{1,6}}(?: {words.NAME_WORD}){{1,4}})"
          rf"(?=\n[^\n\d]{{3,30}}\d[\d -]{{2,6}}\d[^\n\d]{{0,3}}(?:\n|$))", valid.street, score=0.6),
    rule("STREET_ADDRESS", rf"(?<![\w$.,-])(?P<v>\d{{1,6}}(?: {words.NAME_WORD}){{1,4}})"
          rf"(?=,?[ \n]{words.NAME_WORD}(?: {words.NAME_WORD}){{0,2}},? (?:{_STATE}) \d{{5}}\b)", valid.street),
    rule("STREET_ADDRESS", r"\b(?P<v>(?:P\.? ?O\.? ?Box|Post Office Box|PSC \d+,? Box"
          r"|Unit \d+,? Box) \d+)", flags=_I),
    rule("STREET_ADDRESS", r"\b(?P<v>US(?:NS|S|CGC|NV) [A-Z]\w+)(?=,?[ \n]+[AFD]PO\b)"),
    rule("ZIP_CODE", rf"\b(?:{_LONG_STATE})[ \n]+(?P<v>\d{{5}}(?:-\d{{4}})?)(?![\d-])", flags=_I),
    rule("ZIP_CODE", rf"[^\W\d_]{{4}}(?:ville|ton|stad|burgh|borough|furt|mouth|view|land|side|port|town|shire"
          rf"|fort|chester)"
          rf" (?:{_STATE}) (?P<v>\d{{5}}(?:-\d{{4}})?)(?![\d-])", flags=_I),
    rule("ZIP_CODE", rf"\b(?:{_STATE}|A[AEP])\.?,?[ \n]+(?P<v>\d{{5}}(?:-\d{{4}})?)(?![\d-])"),
    rule("ZIP_CODE", rf"(?:[^\W\d_],|,(?: [^\W\d_]+){{1,3}}) (?:{_STATE}) (?P<v>\d{{5}}(?:-\d{{4}})?)"
          rf"(?![\d-])", flags=_I),
    rule("ZIP_CODE", r"\b(?:zip|postal)(?: code)?\b\W{0,5}(?:is )?(?P<v>\d{5}(?:-\d{4})?)(?![\d-])", flags=_I),
    rule("ZIP_CODE", rf"\b(?:(?:zip|postal|post|pin)[ -]?code|zip)\b\W{{0,5}}(?:is |was )?(?P<v>{words.POSTAL_CODE}"
          rf"|{words.LETTERED_CODE})", flags=_I),
    rule("ZIP_CODE", rf"\b(?:zip|postal|post)[ -]?code of [^\n\d]{{2,40}}?(?P<v>{words.POSTAL_CODE}"
          rf"|{words.LETTERED_CODE})", flags=_I),
    rule("ZIP_CODE", rf"(?<![\w-])(?P<v>{words.LETTERED_CODE})", score=0.7),
    rule("ZIP_CODE", rf"(?:\n|, ?)[ ]*(?P<v>{words.POSTAL_CODE})(?= {words.NAME_WORD}(?:[ ]{words.NAME_WORD})"
          rf"{{0,3}}[ ]*(?:$|[\n,.?]))", valid.town_code, score=0.7),
    rule("ZIP_CODE", rf"(?:\n|, ?)[ ]*(?!{_OF_SUMS})(?:{words.NAME_WORD}[ ,]{{1,2}}){{1,4}}(?P<v>{words.POSTAL_CODE})"
          rf"(?=[ ]*(?:$|[\n,?]|\.(?!\d)))",
          valid.town_code, score=0.7),
    rule("LOCATION", rf"\b(?P<v>{words.NAME_WORD}(?: {words.NAME_WORD}){{0,2}}),[ \n]+(?:{_STATE})\b(?=[ ,.\n]|$)"),
    rule("LOCATION", rf"\b(?P<v>{words.NAME_WORD}(?: {words.NAME_WORD}){{0,2}}),?[ \n]+"
          rf"(?:{_STATE}),?[ \n]+\d{{5}}(?!\d)"),
    rule("LOCATION", rf"[^\W\d_],?[ \n]+(?P<v>{_STATE}),?[ \n]+\d{{5}}(?!\d)"),
    rule("LOCATION", rf"\b(?:[Cc]ity|CITY|[Tt]own|TOWN|[Cc]ountry|COUNTRY|[Pp]lace of birth|[Bb]irthplace"
          rf"|[Cc]itizenship)\"?[ ]*[:=][ ]*\"?"
          rf"(?P<v>{words.NAME_WORD}(?:[ ]{words.NAME_WORD}){{0,3}})", score=0.9),
    rule("LOCATION", rf"(?:\n|, ?)[ ]*(?P<v>{_TOWN}),?[ ]{words.POSTAL_CODE}(?=[ ]*(?:$|[\n,?]|\."
          rf"(?!\d)))", valid.town, score=0.9),
    rule("LOCATION", rf"(?:\n|, ?)[ ]*{words.POSTAL_CODE} (?P<v>{_TOWN})(?=[ ]*(?:$|[\n,.?]))", valid.town, score=0.9),
    rule("LOCATION", rf"\b(?:zip|postal|post)[ -]?code of (?P<v>{_TOWN})"),
    rule("NRP", rf"\b(?:[Nn]ationality|[Ee]thnicity|[Rr]eligion|NATIONALITY)[ ]*[:=][ ]*(?P<v>{words.NAME_WORD})"),
    rule("TITLE", rf"(?<![\w.])(?P<v>(?i:{words.HONORIFICS})\b\.?)(?=[ \u00a0]{words.NAME_WORD}|[ \u00a0][A-Z]\.)"),
    rule("TITLE", r"(?<![\w.])(?P<v>(?:mr|mrs|ms|mx|dr|prof)\b\.?)(?= [a-z]{2})"),
    rule("TITLE", rf"\b[Tt](?:itle|ITLE):[ ]*(?P<v>(?i:{words.HONORIFICS})\b\.?)"),
    rule("PERSON", rf"{_TITLE}(?P<v>{_NAME})", valid.name),
    rule("PERSON", rf"(?:^|\n|[.!?:] )(?:Dear|Hello|Hi|Hey|Good (?:morning|afternoon|evening)),?[ \u00a0]+"
          rf"(?P<v>{_NAME})(?=[,:.! \n-])", valid.name),
    rule("PERSON", rf"\b(?:[Mm]y name is|[Nn]ame is|I am|I'm|[Tt]his is|signed(?: by)?|[Cc]ontact|[Aa]sk for"
          rf"|spoke (?:to|with))[ ]+(?P<v>{_NAME})", valid.name),
    rule("PERSON", rf"\b(?:[Nn]ame|[Tt]axpayer|[Cc]lient|[Cc]ustomer|[Ss]pouse|[Dd]ependents?"
          rf"|[Aa]ccount holder|[Cc]ardholder|[Pp]atient|[Cc]ontact|[Ff]rom|[Tt]o|[Aa]ttn|ATTN|NAME|TAXPAYER"
          rf"|CLIENT|CUSTOMER|Agent|customer|name|user|client|patient|contact)\"?[ ]*:[ ]*\"?(?P<v>{_NAME}(?:,"
          rf" {_NAME})?)", valid.name),
    rule("PERSON", rf"\b(?:{words.RELATIVES})\b,?[ ](?P<v>{_NAME})", valid.name),
    rule("PERSON", rf"\b(?:{words.RELATIVES})\b,?[ ]{_NAME} and (?P<v>{_NAME})", valid.name),
    rule("PERSON", rf"(?:^|\n)[-*\u2022 ]*(?P<v>{words.NAME_WORD}(?: (?:{words.NAME_WORD}|{words.PARTICLES}"
          rf"|[A-Z]\.?)){{1,3}})"
          rf"(?=, ?[\d(+]|\t| <|,[\w.]+@)", valid.name, score=0.7),
    rule("PERSON", rf"(?:^|\n)\[?\d{{1,2}}(?::\d{{2}})?(?: ?[AaPp]\.?[Mm])?\]? (?P<v>{_NAME})(?=:"
          rf" )", valid.name, score=0.7),
    rule("PERSON", rf"\b(?:[Hh]ey|[Yy]o|[Tt]hx|[Tt]hanks|[Hh]i|[Oo]mg|[Hh]ello),? (?:its |it's |this is )?"
          rf"(?P<v>{words.NAME_WORD})(?=[ ,.!\n])",
          valid.name, score=0.6),
    rule("PERSON", rf"\b(?:belongs to|[Ee]state of|guardian of|widow(?:er)? of|spoke (?:to|with)|[Tt]ell|told|[Aa]sk"
         rf"|asked|met|[Nn]amed|brought in by|written"
          rf" by|signed by"
          rf"|married(?: to)?|[Ss]till with|[Ss]urname:?|[Ll]ast name:?|[Ff]irst name:?|given name:?) "
          rf"(?P<v>{_NAME})", valid.name, score=0.7),
    rule("PERSON", rf"(?:^|\n)To (?P<v>{_NAME})(?=,)", valid.name),
    rule("PERSON", rf"{_CLOSING}(?P<v>{_NAME})[ ]*(?=$|\n|[,(]| and )", valid.name),
    rule("PERSON", rf"{_CLOSING}{_NAME} and (?P<v>{_NAME})(?=$|\n|[,(])", valid.name),
    rule("PERSON", rf"(?:^|\n)[ ]*(?P<v>{_NAME}(?:, {_NAME})?)[ ]*\n[ ]*(?:\d{{1,6}}[A-Za-z]? \w"
          rf"|P\.?O\.? ?Box)", valid.name),
    rule("PERSON", rf"(?<![\w-])(?P<v>{words.UPPER_WORD}, {words.UPPER_WORD}(?: {words.UPPER_WORD}"
          rf"| [A-Z]\.?)?)(?![\w-])", valid.name, score=0.6),
    rule("LOCATION", rf", (?P<v>[^\W\d_]+(?: [^\W\d_]+){{0,2}}), (?:{_STATE}) \d{{5}}\b", flags=_I, score=0.6),
    rule("LOCATION", rf"[^\W\d_], (?P<v>{_STATE})(?= \d{{5}}(?:-\d{{4}})?\b)", flags=_I, score=0.6),
    rule("ORGANIZATION", rf"(?<!\w)(?P<v>(?:{words.NAME_WORD}(?:, | and | & | )){{1,4}}"
          rf"(?:{words.FIRM})\b)", score=0.88),
    rule("ORGANIZATION", rf"(?<!\w)(?P<v>(?:Bureau|Office|Department|Ministry|University|Bank|Institute|Board) of"
          rf"(?: (?:the |and )?{words.NAME_WORD}){{1,3}})", score=0.88),
    rule("ORGANIZATION", rf"(?<!\w)(?P<v>{words.NAME_WORD}, {words.NAME_WORD},? (?:and|AND)"
          rf" {words.NAME_WORD})", valid.firm, score=0.87),
    rule("DATE_TIME", rf"(?<![\w/.-])(?P<v>{words.DATE})(?![/-]\d)", valid.date, flags=_I, score=0.8),
    rule("DATE_TIME", r"(?<![\w:])(?P<v>\d{1,2}:\d{2}(?::\d{2})?(?: ?[ap]\.?m\b)?|\d{1,2} ?[ap]\.?m\b)(?![\w:])",
          flags=_I, score=0.7),
    rule("DATE_TIME", r"\b(?P<v>noon|midnight)\b", flags=_I, score=0.7),
    rule("AGE", r"(?<![\d.,$-])(?P<v>\d{1,3})(?=[ -]?(?:years?|yrs?|months?|weeks?)(?:[ -]old\b| of"
          r" age\b))", flags=_I),
    rule("AGE", r"(?<![\d.,$-])(?P<v>\d{1,3})(?= ?(?:yo|y/o|y\.o\.|yrs?)(?![\w/]))", flags=_I),
    rule("AGE", r"\b(?:aged|age(?: of)?|turn(?:ed|ing|s)?)\b[ ]?[:=]?[ ]?(?P<v>\d{1,3})(?![\d%-]"
          r"|[.,]\d)", flags=_I, score=0.6),
    rule("AGE", rf"\b(?:I am|I'm|(?:[Ss]he|[Hh]e|{words.NAME_WORD}) is)[ ](?P<v>\d{{1,3}})(?=$|[.,;!]|[ ](?:and|now"
          rf"|but|years?)\b)",
          score=0.6),
    *ADDRESSES,
    *BIRTHS,
    *CUES,
    *PEOPLES,
    *PHONES,
    *PREDEFINED,
)  # fmt: skip


class RuleSet:
    """The rules for some entity types, of which only those are run that can match (`Prefilter`)."""

    def __init__(self, entities: Collection[str]) -> None:
        self.rules = [one for one in RULES if one.entity in entities]
        self._possible = Prefilter([one.pattern for one in self.rules])

    def __call__(self, text: str) -> Iterator[tuple[str, int, int, float]]:
        """Yields (type, start, end, score) of everything in a text that a rule accepts."""
        for number in self._possible(text):
            one = self.rules[number]
            for start, end, score in matches([one], text):
                yield one.entity, start, end, score


@functools.lru_cache(maxsize=16)
def rule_set(entities: frozenset[str]) -> RuleSet:
    """The rules for these types; made once a process."""
    return RuleSet(entities)


def matches(rules: Sequence[Rule], text: str) -> Iterable[tuple[int, int, float]]:
    """Yields (start, end, score) of everything in a text that a rule accepts."""
    for one in rules:
        for match in one.pattern.finditer(text):
            start, end = match.span("v")
            length = one.trim(text[start:end])
            if length and not _is_common(one.entity, text[start : start + length]):
                yield start, start + length, one.score


def _is_common(entity: str, value: str) -> bool:
    """Whether a person's name has only words that name nobody, as "Dear Client" has."""
    if entity != "PERSON":
        return False
    return all(word.strip(".,").casefold() in words.NOT_NAMES for word in re.split(r"[\s,]+", value) if word)


def all_entities() -> frozenset[str]:
    return frozenset(one.entity for one in RULES)
