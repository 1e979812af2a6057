"""Word lists that the rules are made of: states, street suffixes, forms of names and dates."""

from __future__ import annotations


def split(text: str) -> tuple[str, ...]:
    return tuple(text.split())


STATES = {
    "AL": "Alabama", "AK": "Alaska", "AZ": "Arizona", "AR": "Arkansas", "CA": "California", "CO": "Colorado",
    "CT": "Connecticut", "DE": "Delaware", "DC": "District of Columbia", "FL": "Florida", "GA": "Georgia",
    "HI": "Hawaii", "ID": "Idaho", "IL": "Illinois", "IN": "Indiana", "IA": "Iowa", "KS": "Kansas",
    "KY": "Kentucky", "LA": "Louisiana", "ME": "Maine", "MD": "Maryland", "MA": "Massachusetts",
    "MI": "Michigan", "MN": "Minnesota", "MS": "Mississippi", "MO": "Missouri", "MT": "Montana",
    "NE": "Nebraska", "NV": "Nevada", "NH": "New Hampshire", "NJ": "New Jersey", "NM": "New Mexico",
    "NY": "New York", "NC": "North Carolina", "ND": "North Dakota", "OH": "Ohio", "OK": "Oklahoma",
    "OR": "Oregon", "PA": "Pennsylvania", "RI": "Rhode Island", "SC": "South Carolina", "SD": "South Dakota",
    "TN": "Tennessee", "TX": "Texas", "UT": "Utah", "VT": "Vermont", "VA": "Virginia", "WA": "Washington",
    "WV": "West Virginia", "WI": "Wisconsin", "WY": "Wyoming", "PR": "Puerto Rico", "VI": "Virgin Islands",
    "GU": "Guam", "AS": "American Samoa", "MP": "Northern Mariana Islands", "PW": "Palau", "MH": "Marshall Islands",
    "FM": "Federated States of Micronesia",
}  # fmt: skip

#: Street suffixes of United States addresses, in full and as the Postal Service shortens them.
STREET_SUFFIXES = split(
    """Alley Ally Aly Annex Arcade Avenue Ave Av Bayou Beach Bend Blvd Boulevard Bluff Bluffs Bottom Branch Bridge
    Brook Brooks Burg Burgs Bypass Camp Canyon Cape Causeway Center Centers Circle Circles Cir Cliff Cliffs Club
    Common Commons Corner Corners Course Court Courts Ct Cove Coves Creek Crescent Cres Crest Crossing Crossroad
    Crossroads Curve Dale Dam Divide Drive Drives Dr Estate Estates Expressway Expy Extension Extensions Fall Falls
    Ferry Field Fields Flat Flats Ford Fords Forest Forge Forges Fork Forks Fort Freeway Fwy Garden Gardens Gateway
    Glen Glens Green Greens Grove Groves Harbor Harbors Haven Heights Highway Hwy Hill Hills Hollow Inlet Island
    Islands Isle Junction Junctions Key Keys Knoll Knolls Lake Lakes Land Landing Lane Ln Light Lights Loaf Lock
    Locks Lodge Loop Mall Manor Manors Meadow Meadows Mews Mill Mills Mission Motorway Mount Mountain Mountains Neck
    Orchard Oval Overpass Park Parks Parkway Parkways Pkwy Pass Passage Path Pike Pine Pines Place Pl Plain Plains
    Plaza Plz Point Points Port Ports Prairie Radial Ramp Ranch Rapid Rapids Rest Ridge Ridges River Road Roads Rd
    Route Row Rue Run Shoal Shoals Shore Shores Skyway Spring Springs Spur Spurs Square Squares Sq Station Stravenue
    Stream Street Streets St Summit Terrace Ter Throughway Trace Track Trafficway Trail Trl Tunnel Turnpike Tpke
    Underpass Union Unions Valley Valleys Via Viaduct View Views Village Villages Ville Vista Walk Walks Wall Way
    Ways Well Wells Wharf Yard Yards Quay Parade Close Rise
    """
)

#: Suffixes that are safe to look for in lower case.
COMMON_SUFFIXES = "street|avenue|ave|boulevard|blvd|road|rd|lane|drive|court|terrace|parkway|highway"

#: A capital letter: neither a digit nor a small letter of ASCII or Latin-1. `recognizers` asks Unicode again.
_CAPITAL = r"[^\W\d_a-z\u00df-\u00f6\u00f8-\u00ff]"
PARTICLES = r"de|da|di|del|della|der|den|van|von|bin|ibn|al|el|la|le|du|dos|das|ten|ter|zu|y"
NAME_WORD = rf"{_CAPITAL}[\w\u2019'-]+"
#: One to four words with particles and initials between them.
NAME = rf"(?:(?:{PARTICLES})[ ])*{NAME_WORD}(?:[ \u00a0]+(?:{NAME_WORD}|{_CAPITAL}\.|{PARTICLES}(?=[ ]))){{0,3}}"
UPPER_WORD = rf"{_CAPITAL}(?:{_CAPITAL}|[\u2019'-])+"

#: Before a person's name; the first ones are the type TITLE, too.
HONORIFICS = "Mr|Mrs|Ms|Miss|Mx|Mister|Dr|Prof|Professor|Doctor|Sir|Madam|Mme|Mlle|Herr|Frau|Rev|Reverend"
TITLES = rf"{HONORIFICS}|Judge|Captain|Capt|Lady|Lord|Dame|Sgt|Señora?"

#: Parts of street addresses of other countries: words that end in "street", stand before or after a street's name.
STREET_ENDINGS = (
    "stra(?:ß|ss)e|str\\.|weg|platz|allee|gasse|damm|ufer|steig|straat|laan|plein|gracht|kade|dreef|singel|gatan|gata"
    "|gaten|vägen|vegen|veien|vej|gade|stræde|allé|katu|ntie|kuja|polku|gränd|stigen|bakken|torget|esplanaden|"
    "väylä|raitti|rinne|kaari"
)
STREET_PREFIXES = (
    "Calle|C/|C\\.|Avenida|Avda\\.?|Av\\.|Plaza|Paseo|Camino|Carretera|Ronda|Travesía|Urbanización|Cuesta|Glorieta"
    "|Rambla"
    "|Pasaje|Callejón|Alameda|Acceso|Cañada|Vial|Privada|Cerrada|Calzada|Periférico|Prolongación|Andador|Boulevard"
    "|Via|Viale|Piazza|Piazzale|Corso|Vicolo|Largo|Strada|Borgo|Contrada|Rotonda|Canale|Stretto|Incrocio"
    "|Rua|Travessa|Praça|Rodovia|Estrada|Ladeira|Viela|Vila|Jardim|Chácara|Quadra"
    "|[Rr]ue|Bd\\.?|Chemin|Quai|Place|Allée|Impasse|Str\\.|Bulevardul|B-dul|Aleea|Calea|Intrarea|Șoseaua"
    "|Ulica|[Uu]l\\.|[Aa]l\\.|[Pp]l\\.|[Oo]s\\.|Aleja|Plac|Trg|Cesta|Put|Jalan|Jl\\.?|Gang|Náměstí|Nám\\."
    "|Am|Im|Zum|Zur|An der|Auf d(?:er|em)|Unter den|Norra|Södra|Östra|Västra|Stora|Nedre|Øvre|Nørre|Vester|Øster"
)
STREET_WORDS_AFTER = (
    "utca|út|u\\.|tér|körút|krt\\.|sétány|köz|sor|útja|fasor|tere|park|ulice|ulica|ul\\.|Gasse|Stra(?:ß|ss)e|Str\\."
    "|Weg|Platz|Allee|Ring|Damm|Ufer|Chaussee|Gade|Vej|Gate|Vei|Cad\\.|Caddesi|Cd\\.|Sok\\.|Sokak|Sokağı|Sk\\.|Bulvarı"
)
#: Words of a street's name behind the first: capitalised ones and short ones ("de la", "na", "i").
STREET_WORD = rf"(?:{NAME_WORD}|[a-z]{{1,3}}|{_CAPITAL}\.)"
#: A house number: "12", "12a", "24/3", "61."
HOUSE = r"\d{1,4}(?!\d)(?:[ ]?[A-Za-z]\b)?(?:[-/]\d{1,4}[a-z]?)?"
#: Words with a number behind them that are no streets: "Section 12", "December 31".
NUMBERED = frozenset(
    split(
        """section sections form title chapter part page schedule line paragraph subparagraph appendix figure
    table room
    flight gate level version article step grade age phase type stage case number no. nr day week month year january
    february march april may june july august september october november december jan feb mar apr jun jul aug sep sept
    oct nov dec notice publication pub. pub order invoice ticket account item question rule act law code clause exhibit
    box suite apt unit floor call tel phone fax vol volume issue model class group chromosome track platform terminal
    monday tuesday wednesday thursday friday saturday sunday spring summer autumn fall winter about around over under
    total subtotal sum revenue balance amount count net gross usc u.s.c cfr c.f.r stat iban swift bic than exactly
    only nearly almost usd eur us$ least most"""
    )
)
#: A postal code of some country that stands beside a town: "62704-1234", "711 81", "15-206", "8409 SS", "H-3207".
POSTAL_CODE = r"(?:[A-Z]{1,2}-)?(?:\d{5}-\d{3,4}|\d{3} \d{2}|\d{2}-\d{3}|\d{4}-\d{3}|\d{4} ?[A-Z]{2}|\d{4,6})(?![\w-])"
#: Postal codes that need nothing beside them: British and Canadian ones.
LETTERED_CODE = (
    r"(?:[A-PR-UWYZ][A-HK-Y]?\d[\dA-HJKMNPR-Y]? \d[ABD-HJLNP-UW-Z]{2}|[ABCEGHJ-NPRSTVXY]\d[A-Z][ -]?\d[A-Z]\d)(?![\w-])"
)
#: Length of an account number by country (the IBAN registry of ISO 13616).
IBAN_LENGTHS = {
    country: length
    for length, countries in {
        15: "NO", 16: "BE", 18: "DK FI FO GL NL SD", 19: "MK SI", 20: "AT BA EE KZ LT LU MN XK", 21: "CH CR HR LI LV",
        22: "BG BH DE GB GE IE ME RS VA", 23: "AE GI IL IQ OM SO TL", 24: "AD CZ ES MD PK RO SA SE SK TN VG",
        25: "LY PT ST", 26: "IS TR", 27: "BI DJ FR GR IT MC MR SM", 28: "AL AZ BY CY DO GT HU LB NI PL SV",
        29: "BR EG PS QA UA", 30: "JO KW MU YE", 31: "MT SC", 32: "LC", 33: "RU",
    }.items()
    for country in countries.split()
}  # fmt: skip

CLOSINGS = (
    "[Ss]incerely|[Rr]egards|[Tt]ruly|[Tt]hanks|"
    "[Tt]hank you|[Yy]ours|[Ff]aithfully|[Bb]est|[Cc]heers|[Ww]ishes|[Rr]espectfully"
)
RELATIVES = (
    "kid|kids|twin|wife|husband|spouse|son|daughter|child|children|brother|sister|mother|father|aunt|uncle|niece|nephew|cousin"
    "|partner"
    "|colleague|dependents?|grandson|granddaughter|grandmother|grandfather|stepson|stepdaughter|neighbou?r|friend|boss"
)

_MONTH = (
    r"(?:Jan(?:uary)?|Feb(?:ruary)?|Mar(?:ch)?|Apr(?:il)?|May|June?|July?|Aug(?:ust)?|Sept?(?:ember)?|Oct(?:ober)?"
    r"|Nov(?:ember)?|Dec(?:ember)?)\b\.?"
)
DATE = (
    rf"(?:\d{{1,2}}[./-]\d{{1,2}}[./-]\d{{2,4}}(?!\d)|\d{{4}}[-/]\d{{2}}[-/]\d{{2}}(?:T[\d:.]+Z?)?(?!\d)"
    rf"|{_MONTH} \d{{1,2}}(?:st|nd|rd|th)?(?:,? \d{{4}})?(?!\d)"
    rf"|\d{{1,2}}(?:st|nd|rd|th)?(?: of)?[ -]{_MONTH}(?:,?[ -]\d{{2,4}})?(?!\d)"
    rf"|{_MONTH},? \d{{4}}(?!\d))"
)
#: What makes a model's DATE_TIME a date or a time of day: no durations, no bare years, no "taxable year".
DATE_SHAPE = (
    rf"\d[/.-]\d{{1,2}}[/.-]\d|\b{_MONTH}|\b\d{{1,2}}:\d{{2}}|\b\d{{1,2}} ?[ap]\.?m\b"
    r"|\b(?:noon|midnight)\b|\b(?:mon|tues|wednes|thurs|fri|satur|sun)day"
)

#: Words at the end of a firm's name.
FIRM = (
    r"Incorporated|Inc|LLC|L\.L\.C|Ltd|Limited|Corporation|Corp|Company|PLC|LLP|LP|GmbH|Group|Holdings|Associates"
    r"|Partners"
    r"|AG|KG|OHG|UG|SARL|SAS|SASU|S\.A\.R\.L|S\.A\.S|S\.A\.U|S\.A|SA|S\.L\.L|S\.L\.U|S\.L|S\.Coop|S\.Com|SCP|SpA"
    r"|S\.p\.A|SPA|Srl"
    r"|SRL|s\.r\.o|a\.s|z o\.o|Sp\. z o\.o|s\.c|Sp\.j|Kft|Zrt|Nyrt|Kht|Kkt|Bt|AB|HB|AS|ASA|A/S|ApS|I/S|K/S|BA|DA|Oy"
    r"|Oyj|Ky|Tmi"
    r"|N\.V|NV|B\.V|BV|Ltda|Lda|e\.V|e\.G|mbH|Pty|d\.o\.o|d\.d|A\.Ş|Şti|Grubu|Grup|S\.A\. de C\.V|S\.C|A\.C|e Hijos|y"
    r" Asociados"
    r"|Financial|Energy|Logistics|Systems|Software|Telecom|Airways|Airlines|Insurance|Foods|Health|Media|Solutions"
    r"|Pharma"
    r"|Pharmaceuticals|Publishing House|Traders|Motors|Electronics|Ventures|Consulting|Networks|Labs|Laboratories"
    r"|School"
    r"|School District|Railways|Bakery|Brewery|Restaurant|Hotel|Church|Council|Museum|Orchestra|Airport|Store|Stores"
    r"|Bank|Savings|Credit Union|University|College|Hospital|Clinic|Foundation|Institute|Industries|Technologies"
    r"|and Sons|& Sons|Advisers|Advisors|Bureau|Agency"
)

#: The same as single words, which are never part of a person's name.
FIRM_WORDS = frozenset(word.casefold() for part in FIRM.split("|") for word in part.replace("\\", "").split()) - {
    "sons", "and", "z", "y", "de", "e", "c.v", "health", "ag", "da", "as", "ba", "bt", "sa",
} | {"grupo", "groupe", "gruppo", "gruppe"}  # fmt: skip

#: Names of countries that Faker's list has in another form.
COUNTRIES = """United Kingdom|UK|USA|U.S.A.|UAE|England|Scotland|Wales|Northern Ireland|Great Britain|Holland
Netherlands|Vietnam
South Korea|North Korea|Laos|Tanzania|Iran|Syria|Russia|Venezuela|Bolivia|Moldova|Macedonia|North Macedonia|Czechia
Czech Republic|Slovakia|Ivory Coast|Cape Verde|Myanmar|Burma|Brunei|Palestine|Kosovo|Taiwan|Hong Kong|Macau|Swaziland
Eswatini|Micronesia|United States|United States of America|Europe|Asia|Africa|South America""".replace("\n", "|").split(
    "|"
)

#: Forms that the model takes for firms or people: kinds of numbers, not their holders.
DETERMINERS = frozenset(("the", "a", "an", "this", "that", "each", "any", "no", "our", "your"))
NO_ENTITY = frozenset(
    split(
        """apgar
    ssn itin ein tin iban pin aba dob ip url id po box swift bic cvv atm agi irs ira pdf faq api sms otp e-mail
    email credit premiums premium notice address code act state title irc phone profile date tel age customer
    care social
    security taxpayer schedule dependents dependent no number apt piso depto edif dob sc s.c ap nr"""
    )
)

#: Peoples, as adjectives.
PEOPLES = "|".join(
    split(
        """Afghan Afghani Albanian Algerian Andorran Angolan Antiguan Argentine Argentinian Argentinean Armenian Aruban
        Australian Austrian Azerbaijani Azeri Bahamian Bahraini Bangladeshi Barbadian Basque Belarusian Belarussian
        Belgian Belizean Belizian Beninese Bermudian Bhutanese Bolivian Bosnian Botswanan Brazilian British Bruneian
        Bulgarian Burkinabe Burmese Burundian Cambodian Cameroonian Canadian Catalan Chadian Chilean Chinese Colombian
        Comorian Congolese Croat Croatian Cuban Cypriot Czech Danish Djiboutian Dominican Dutch Ecuadorean
        Ecuadorian Egyptian Emirati English Englishman Englishwoman Eritrean Estonian Ethiopian Fijian Filipino Filipina
        Finnish Flemish French Frenchman Gabonese Gambian German Ghanaian Greek Greenlander Greenlandic
        Grenadian Guatemalan Guinean Guyanese Haitian Honduran Hungarian Icelander Icelandic Indian Indonesian Iranian
        Iraqi Irish Irishman Israeli Italian Ivorian Jamaican Japanese Jordanian Kazakh Kenyan Korean Kosovar Kurd
        Kurdish Kuwaiti Kyrgyz Laotian Latvian Lebanese Liberian Libyan Lithuanian Luxembourger Macedonian Malagasy
        Malawian Malaysian Maldivian Malian Maltese Maori Mauritanian Mauritian Mexican Moldovan Monegasque Mongolian
        Montenegrin Moroccan Mozambican Namibian Nepalese Nepali Nicaraguan Nigerian Nigerien Norwegian Omani Pakistani
        Palestinian Panamanian Paraguayan Persian Peruvian Polish Portuguese Qatari Romanian Rwandan Salvadoran
        Samoan Saudi Scotsman Scottish Senegalese Serb Serbian Singaporean Slovak Slovakian Slovene Slovenian
        Somali Spaniard Spanish Sudanese Surinamer Surinamese Swazi Swedish Swiss Syrian Taiwanese Tajik Tanzanian
        Thai Tibetan Togolese Tongan Trinidadian Tunisian Turkish Turkmen Ugandan Ukrainian Uruguayan Uzbek
        Venezuelan Vietnamese Welsh Welshman Yemeni Zambian Zimbabwean
        Catholic Protestant Lutheran Baptist Methodist Mormon Jew Jewish Muslim Islamic Sunni Shia
        Shii Shiite Hindu Sikh Buddhist Taoist Atheist"""
    )
)

TOP_DOMAINS = "com|org|net|edu|gov|mil|info|biz|io|co|us|uk|ca|de|fr|eu|au|in|nl|ch|es|it|app|dev|test|example"

#: Words after a cue for a name, or that the model takes for one, that name nobody.
NOT_NAMES = frozenset(
    split(
        """a all am an and any april are at august authority bank best by call client clients code colleague
    colleagues
    commissioner congress court customer customers december dear department for friday from hello hi i if in internal
    is it january july june madam manager march may me member monday mr mrs ms my no november october of office
    officer on or our please re regards revenue saturday secretary section september service sir sirs state sunday
    support tax taxpayer team thank thanks the there this thursday to treasury tuesday united us we wednesday
    whom yes you your form line part schedule title subtitle chapter act irs ira sole everyone both neither here
    today tomorrow yesterday question answer note notice letter adviser advisers advisor enrolled partner services
    mx apgar ssn itin ein iban pin id atm social security number accounting accountant support agent team help desk
    llc inc preparer senior reference tell gifts coins good can date mtg w re omg lol thx yo p.s ps born by with via pt
    dependents dependent profile phone witness guest applicant beneficiary holder gentlemen ladies everybody
    nobody somebody surname"""
    )
)

#: Words behind an eponym, and endings of medical terms: "Parkinson's disease", "splenomegaly" name nobody.
EPONYM = (
    r"(?:['\u2019]?s)?(?: (?:type|muscular|cell|body|bodies))? (?:syndromes?|diseases?|disorders?|anomal(?:y|ies)"
    r"|malformations?"
    r"|palsy|signs?|tests?|genes?|proteins?|tumou?rs?|lymphomas?|atrophy|ataxia|dystrophy|cells?|paralysis|fever"
    r"|virus|procedure"
    r"|reflex|phenomenon|lesions?|contracture|thyroiditis|encephalopathy|dementia|chorea|stain|bodies|scale|score"
    r"|index|catheters?|cysts?|sarcomas?|coma scale|fracture|maneuver|manoeuvre|operation|solution)\b"
)
MEDICAL_ENDING = (
    r"(?:itis|osis|[ae]emia|emia|opathy|opathia|algia|plasia|trophy|trophic|megaly|cephaly|uria|plegia|penia|phobia"
    r"|ectomy|kinesia"
    r"|esthesia|tonia|tonus|poiesis|gravis|lysis|dactyly|genesis|genic|rrhea|rrhagia|philia|toxin|mycin|cillin|azole"
    r"|statin|olol|prazole|amine|idine|itine|sone|omas?|ketones?|chondria|plastic|pathic)s?$"
)

#: Nouns that are names of towns somewhere, and are more often the noun.
MORE_OFTEN_WORDS = frozenset(
    split(
        """acre agar alga alliance altar amphitheatre anaconda apex arcade arcanum archer armada asbestos assumption
        baccarat baker banana banks banking baobab barrier barrow basalt basin baud bender billings bishop blackfoot
        blackwater blender blighty bloomer boulder bourbon bourne brewer brick brigantine broadway brogue brook brooks
        browning buckeye bullfinch burton butler butte candor canes cantonment canyon caribou carver cashmere casino
        cedar century ceres chamberlain champion chandler chaparral chard charter cheviot chester childbirth chinchilla
        chinook clover cockatoo cocoa cocos collie collins colon comer comet commerce concession condom condor
        confluence corona coronation corps cottage cottonwood council courtesy cowpens cowboy cristal custer cypress
        dale dauphin defiance delta democracy deodar derby diamante diamond dimer dingle dingo diorama dole donna
        drama dragoman drake dresser drew dross dyer earth eccles eden eland elder electra emerald eminence
        emporium enterprise eureka excelsior fair falls farmland felicity fellowship filer flora foreman fortuna
        fountain fowler freehold freeman freestone friendship gaming gamba gander gazette gem gentry geranium
        gibbon globe gold golem gouda grapevine green greenbelt greenbrier greenwood griffin griffith grove groves guise
        gulf gunpowder gypsum haiku hamlet harmony harper harrier hart haslet haven hawker hayfork hays headland heart
        heath helper hemlock hermitage hickory hillside hobbs holly hominy hooker hooks hoya hunter hurricane hydra
        independence inlet ironwood isle jasper joppa junction king kingfisher kinsman kissing kit kitchener landing
        larkspur laurel lauder legume lemmon lens liberty licking limerick linden lira locust logan
        lombard luck mallet mallow mandarin manganese manna manor maple marathon marina marines marks marl maze
        meeting mercer mercury merit mesa mesquite metro metropolis miller millet minster missal mission mocha moonie
        moore moth motherwell mulberry muscat mustang mystic nance natural navy needles noble nova novelty
        olive omega optimism oracle orange orchard outlook oven oxbow pains palmer palmetto panorama papa paradise
        parish park parrot pawnee peninsula pepin petting phoenix pigeon pipa piranga pita plantation planter plateau
        pleasant pooler poplar portage portal posse potlatch prairie pram prentice presidio pride prosperity prospect
        providence provost pueblo rainbow raver rand ranger rani reading rector redding reform republic resort rind
        river riverbank robbins rose rosebud rosewood roundup rugby rural ruse rusk saga sale sales salmon sandstone
        sanger scone seal seaman seaside sedan seminary seminole sens shakti shamrock shannon shelter shiner shore
        shoreline silkwood singleton siren slinger snowflake soda sodalite solitaire solo solon soma song sonora
        spearfish spitz spring springbok spur star station stob stone stover sultan summit sun surprise sycamore taft
        tarp tartar temperance temple tent terry thistle tombstone tours town trade trail tribune triangle trinity trout
        tulle tunic turner tweed union unity utopia vale valence valentine valley viking vale vigilance village vista
        walker warden warren warrior weed wells wharf wheatfield wheeler wheeling whim whistler whiting wick willow
        winder winnebago wonder woodbine woodland woodruff woods yards zion"""
    )
)
