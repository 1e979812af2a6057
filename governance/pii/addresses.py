"""Streets, postal codes and towns as other countries write them, and as people mention them in passing.

Carrer de Balmes 114        Calle 45 # 13-22        House 12, Road 5        PLZ 70173        I am in Rohod for a week
"""

from __future__ import annotations

import re

from governance.pii import validators as valid
from governance.pii import vocabulary as words
from governance.pii.rule import Rule, rule

_I = re.IGNORECASE
_NAME = words.NAME_WORD
_CODE = rf"(?:{words.POSTAL_CODE}|{words.LETTERED_CODE})"
_LONG_CODE = r"(?:\d{5}(?:-\d{3,4})?|\d{4}-\d{3}|\d{3} \d{2}|\d{2}-\d{3}|\d{4} ?[A-Z]{2}|\d{6,8})(?![\w-]|[.,]\d)"
_SUFFIX = "|".join(words.STREET_SUFFIXES)
#: Words in front of a street's name, and behind it, that the United States and the larger countries do not use.
_BEFORE = (
    "Carrer(?: de(?: la|l|ls)?)?|Passeig|Avinguda|R[uú]a|Kalea|Prospekt|Prosp\\.|Ulitsa|Ulica|Ul\\.|Leoforos|Odos"
    "|Aleea|Strada|Str\\.|Intrarea|Splaiul|Calea|Bulevardul|Bd\\.|Viale|Largo|Corso|Praça|Travessa|Alameda|Estrada"
    "|Avenida|Av\\.|Avda\\.|Calle|Jalan|Jln\\.?|Lorong|Soi|Thanon|Rruga|Bulevar|Cerrada|Privada|Andador|Retorno"
    "|Circuito"
    "|Calzada|Diagonal|Λεωφόρος|Λ\\.|Οδός|Πλατεία"
)
_BEHIND = (
    "Salai|Marg|Nagar|Gali|Chowk|Bazaar|Enclave|Vihar|Colony|Layout|Cross|Main|Jalan|Sokak|Sokağı|Caddesi|Chome"
    "|terrasse|gate|allé|põik|tee|tänav|iela|gatvė|prospekts|kroken|svingen|stubben|haugen|lia|kapu|rakpart|dűlő"
)
#: Kinds of streets in Brazil; the number stands behind a comma.
_BRAZIL = (
    "Rua|Avenida|Travessa|Praça|Alameda|Rodovia|Estrada|Ladeira|Largo|Beco|Morro|Feira|Praia|Favela|Trecho|Lagoa|Sítio"
    "|Colônia"
    "|Parque|Vale|Estação|Núcleo|Esplanada|Recanto|Aeroporto|Área|Campo|Condomínio|Conjunto|Distrito|Fazenda|Lago"
    "|Loteamento|Pátio|Passarela|Residencial|Setor|Vereda|Viaduto|Via|Vila|Viela|Quadra|Jardim|Chácara"
)
#: Kinds of streets that stand as a word of their own behind the name.
_TYPES = (
    "katu|tie|kuja|polku|bulevardi|aukio|kaari|perivoj|prilaz|odvojak|put|trg|ulica|ulice|náměstí|nábřeží|třída|utca"
    "|út|útja"
    "|köz|tere|tér|sokak|sokağı|caddesi|bulvarı|gate|vei|veg|gata|väg|vägen|gatan|gränd|allé|plads|plass|torg|brygge"
    "|terrasse|rakpart|lépcső|straat|laan|weg|plein"
)
#: Kinds of streets that people name without a number, and those that are safe to look for in lower case.
_NO_NUMBER = (
    "rue|avenue|boulevard|chemin|impasse|allée|quai|[Bb]ulevardul|[Aa]leea|[Cc]alea|[Ss]trada|Via|Viale|Piazza|Calle"
    "|Avenida"
    "|Paseo|Rua|Travessa|Praça|ul\\.|al\\.|pl\\."
)
_LOWER = (
    "bulevardul|strada|calle|avenida|piazza|piazzale|viale|corso|rua|travessa|ulica|ul\\.|aleja|plaza|paseo|camino"
    "|carretera"
    "|rue|chemin|boulevard|jalan|aleea|calea|calzada|privada|plac|quai"
)
_AT = (
    r"(?:[Aa]ddress(?:es)?|ADDRESS|[Hh]ome|[Hh]ouse|[Oo]ffice|[Ff]lat|[Ll]ive|[Ll]ives|[Ll]iving|[Ll]ived|[Ss]tay(?:s"
    r"|ing)?"
    r"|[Mm]ove|[Mm]oved|[Ll]ocated|[Dd]eliver(?:ed)?|[Ss]ent|[Ss]end|[Ss]hip(?:ped)?|[Rr]eturn|[Mm]eet|[Ii]nsured"
    r"|[Pp]roperty"
    r"|[Pp]remises|[Tt]enants?|[Oo]wners?|[Rr]esidence|RESIDENCE|[Rr]esident|[Cc]ollect(?:ed)?|[Rr]esid(?:es?|ing)"
    r"|[Rr]egistered)"
    r"(?: (?:[a-z]{1,12})){0,3}?(?: (?:is|at|to|on|from|as|now|be|in|of))*:?"
)

ADDRESSES: tuple[Rule, ...] = (
    rule("STREET_ADDRESS", rf"(?<!\w)(?P<v>(?:\d{{1,5}} )?(?:{_BEFORE}) "
         rf"(?:{words.STREET_WORD} ){{0,4}}{words.STREET_WORD},?"
         rf" (?:[Nn](?:[ºo°r])?\.?[º°]? ?:?)?{words.HOUSE})", valid.numbered_street, score=0.8),
    rule("STREET_ADDRESS", rf"(?<![\w$.,-])(?P<v>\d{{1,5}}(?:[/-]\d{{1,5}})?,? (?:{_NAME} ){{1,3}}(?:{_BEHIND})"
         rf"(?: \d{{1,4}}[a-z]?)?)(?=[,.\n]|$| \d)", valid.street, score=0.8),
    rule("STREET_ADDRESS", r"(?<!\w)(?P<v>(?:Calle|Carrera|Cra\.?|Kra\.?|Cl\.?|Diagonal|Transversal|Avenida)"
         r" \d{1,3} ?[A-Z]?(?: (?:Bis|Sur|Norte))? ?(?:#|No\.?|N[°º]\.?) ?\d{1,3} ?[A-Z]?(?: ?- ?\d{1,3})?)"),
    rule("STREET_ADDRESS", r"(?<!\w)(?P<v>(?:House|Plot|Block|Blk|Villa|Flat)(?: [Nn]o\.?)? ?#?\d{1,4}[A-Z]?"
         r"(?:/\d{1,3})?,? "
         r"(?:Road|Street|Block|Sector|Lane|Phase|Avenue)(?: [Nn]o\.?)? ?#?[A-Z\d]{1,4}(?![\w-]))"),
    rule("STREET_ADDRESS", rf"(?<!\w)(?P<v>[A-Z][-/]\d{{1,4}},? (?:{_NAME} ){{1,3}}(?:Apartments?|Towers?|Society"
         rf"|Heights"
         rf"|Residency|Complex|Colony|Nagar|Vihar|Enclave)\b(?:, (?:{_NAME} ){{1,3}}(?:Road|Street|Marg|Nagar)\b)?)"),
    rule("STREET_ADDRESS", rf"(?:[Aa]ddress(?: is)?|ADDRESS|ADDR|[Hh]ome|[Rr]esidence|live[sd]? (?:at|on|in)|located "
         rf"(?:at|on|in)"
         rf"|address (?:from|to)|staying at|to)\b:?[ ](?P<v>(?:{_NO_NUMBER}) (?:(?:de la|des|du|de|le|la|d[ie]l?"
         rf"|el) )?(?:[dl]['\u2019])?"
         rf"{_NAME}(?: {_NAME}){{0,2}})(?=[,.;!?\n]|$| (?:to|and|in|until)\b)", score=0.6),
    rule("STREET_ADDRESS", rf"(?<![\w-])(?P<v>(?:{_LOWER})\.? (?:[^\W\d_][\w'.-]* ){{0,3}}[^\W\d_][\w'-]*,? "
         rf"(?:n[ºo°r]\.? ?)?{words.HOUSE})",
         valid.numbered_street, flags=_I, score=0.5),
    rule("STREET_ADDRESS", rf"(?<!\w)(?P<v>(?:The )?(?:{_NAME} ){{1,3}}(?:Cottage|House|Farm|Farmhouse|Lodge|Barn|Hall"
         rf"|Manor"
         rf"|Villa|Rectory|Vicarage|Mill), (?:{_NAME} ){{1,3}}(?:Lane|Road|Street|Close|Avenue|Drive|Way|Hill|Green"
         rf"|Row))"
         r"(?=[,.\n]|$| )"),
    rule("STREET_ADDRESS", rf"(?P<v>\b(?:the )?corner of [^\n,?!]{{3,50}}? and (?:the )?(?:\d{{1,5}} )?{_NAME}"
         rf"(?: {words.STREET_WORD}){{0,3}})(?=[.,?!;)]|\n|$| and\b| at\b| in\b)", score=0.6),
    rule("STREET_ADDRESS", rf"\b{_AT}[ \n](?P<v>{_NAME}(?: {words.STREET_WORD}){{0,3}} {words.HOUSE}\.?)"
         rf"(?=,? ?\n?(?:{_CODE} )?{_NAME}|[,.;\n]|$)", valid.numbered_street, score=0.6),
    rule("STREET_ADDRESS", r"\b(?:lives?|living|lived|resid(?:es?|ing)|stay(?:s|ing)?|address(?: is)?|located) at"
         r" (?P<v>\d{1,5}[a-z]? (?:[^\W\d_][\w'.-]* ){0,4}[^\W\d_][\w'.-]*)(?=[,.\n]"
         r"|$)", valid.street, flags=_I, score=0.5),
    rule("STREET_ADDRESS", rf"(?<![\w$.,-])(?P<v>\d{{1,5}} (?:{words.STREET_PREFIXES}) {_NAME}(?: {_NAME}){{0,2}})"
         r"(?=[,.?!;\n]|$| (?:and|in|is|was|on|for)\b)", valid.street, score=0.7),
    rule("STREET_ADDRESS", rf"(?<!\w)(?P<v>(?:{_BRAZIL}) (?:d[aeo]s? )?{_NAME}(?: (?:d[aeo]s? )?{_NAME}){{0,3}}, "
         rf"(?:n[ºo°]\.? ?)?\d{{1,4}})"
         r"(?![\w/]|[.,-]\d)", score=0.7),
    rule("STREET_ADDRESS", rf"(?<!\w)(?P<v>(?:{_NAME} ){{1,3}}(?:{_TYPES}) \d{{1,4}}(?:[ ]?[a-zA-Z]\b)?"
         rf"(?:[-/]\d{{1,3}})?(?:\.(?=[,\n]))?)", score=0.7),
    rule("STREET_ADDRESS", r"(?<!\w)(?P<v>\w{3,}(?: \w{3,})? (?:utca|út|tér|körút|ulice|katu|tie|sokak"
         r"|caddesi) \d{1,4}\.?)", score=0.5),
    rule("STREET_ADDRESS", rf"(?<![\w-])(?P<v>{_NAME}(?:-(?:Gasse|Stra(?:ß|ss)e|Str\.|Promenade|Steig)|"
         rf"(?:baan|steeg|dijk|pad|hof|dreef"
         rf"|laan|singel|bulevardi|raitti|promenade|ring|markt|graben|zeile|chaussee|brovej|toften|parken|haven|vænget"
         rf"|lunden"
         rf"|tunet|lia|jordet|åsen|kroken|svingen|enga|høgda|backen|väg|gränd|stig)) {words.HOUSE})(?=[,.;\n]|$| (?:in"
         rf"|is|and|,))",
         valid.numbered_street, score=0.5),
    rule("STREET_ADDRESS", rf"\b(?:from|to|at|on|near|address is|address:) (?P<v>\d{{3,6}} (?:[^\W\d_][\w'.-]* ){{1,2}}"
         rf"(?:{_SUFFIX})\b)(?=[.,?!;]|\n|$)", valid.street, flags=_I, score=0.6),
    rule("ZIP_CODE", rf"\b(?:PLZ|[Pp]ostleitzahl|CAP|CEP|C\.P\.|[Cc]ode [Pp]ostal|[Cc][óo]digo [Pp]ostal|[Pp]ostnummer"
         rf"|PIN"
         rf"|[Pp]in ?code|[Ee]ircode|[Pp]ostcode|[Pp]ost code)\b\W{{0,4}}(?:is |was )?(?P<v>{_CODE}"
         rf"|[A-Z]\d\d ?[A-Z\d]{{4}}\b)",
         valid.town_code),
    rule("ZIP_CODE", rf"\b(?:zip|postal|post)[ -]?codes?\b[^\n\d]{{1,60}}?(?P<v>{_LONG_CODE})(?=[ ]*(?:$|[\n,?!;)]|\."
         rf"(?!\d)))",
         flags=_I, score=0.7),
    rule("ZIP_CODE", rf"\b(?:zip|postal|post)[ -]?(?:codes?)?\b[^\n.!?]{{0,20}}\?[^\w\n]{{0,3}}\s{{1,3}}[^\w\n]{{0,3}}"
         rf"(?:\w+(?: \w+)?: ?)?"
         rf"(?:(?:it|it's|is|yes|sure|ok|my|mine|that's)\b,? ){{0,3}}(?P<v>{_CODE}|\d{{3,8}}\b)", flags=_I, score=0.7),
    rule("ZIP_CODE", r"\bzip(?: ?codes?)?\b[^\n\d]{1,20}\d{5}(?:-\d{4})?[^\n\d]{1,20}(?P<v>\d{5}(?:-\d{4})?)"
         r"(?![\d-]|[.,]\d)", flags=_I, score=0.7),
    rule("ZIP_CODE", rf"(?:\n|, ?)[ ]*(?P<v>[A-HJ-NP-Z]\d{{4}}[A-Z]{{3}})(?= {_NAME})", score=0.6),
    rule("ZIP_CODE", r"(?<![\w-])(?P<v>[AC-FHKNPRTV-Y]\d[\dW] ?(?=[A-Z\d]{0,3}\d)(?=\d{0,3}[A-Z])[\dAC-FHKNPRTV-Y]{4})"
         r"(?![\w-])",
         score=0.6),
    rule("LOCATION", rf"(?:\n|, ?)[ ]*(?P<v>{_NAME}"
         rf"(?:[ ]{_NAME}){{0,2}}),?[ ]{words.LETTERED_CODE}", valid.town, score=0.9),
    rule("LOCATION", rf"\b(?:[Ii]n|[Ff]rom|[Nn]ear|[Aa]t|[Tt]o) (?:[A-Z]{{1,2}}-)?(?:\d{{5}}|\d{{3}} \d{{2}}"
         rf"|\d{{2}}-\d{{3}}|\d{{4}}-\d{{3}}"
         rf"|\d{{4}} ?[A-Z]{{2}}|\d{{6}}) (?P<v>{_NAME}(?:[ ](?:{_NAME}"
         rf"|{words.PARTICLES})\b){{0,3}})", valid.town, score=0.87),
    rule("LOCATION", rf"(?:^|\n)[ ]*(?P<v>{_NAME}(?:[ ]{_NAME})?), (?:the )?(?={words.DATE}[ ]*(?:$"
         rf"|\n))", valid.town, score=0.4),
    rule("LOCATION", rf"\b(?:[Ii]n|[Ff]rom|[Nn]ear|[Aa]t|[Tt]o|[Vv]ia) (?P<v>{_NAME}(?:[ ](?:{_NAME}"
         rf"|{words.PARTICLES}|los|las"
         rf"|am|an|sur|en|upon|on|u|nad|pod|v)\b){{0,4}}),? {_LONG_CODE}(?! ?%)", valid.town, score=0.9),
)  # fmt: skip
