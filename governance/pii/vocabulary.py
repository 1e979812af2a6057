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

CLOSINGS = (
    "[Ss]incerely|[Rr]egards|[Tt]ruly|[Tt]hanks|"
    "[Tt]hank you|[Yy]ours|[Ff]aithfully|[Bb]est|[Cc]heers|[Ww]ishes|[Rr]espectfully"
)
RELATIVES = (
    "wife|husband|spouse|son|daughter|child|children|brother|sister|mother|father|aunt|uncle|niece|nephew|cousin|partner"
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
    r"|\b(?:mon|tues|wednes|thurs|fri|satur|sun)day"
)

#: Words at the end of a firm's name.
FIRM = (
    r"Incorporated|Inc|LLC|L\.L\.C|Ltd|Limited|Corporation|Corp|Company|PLC|LLP|GmbH|Group|Holdings|Associates|Partners"
    r"|Bank|Savings|Credit Union|University|College|Hospital|Clinic|Foundation|Institute|Industries|Technologies"
    r"|and Sons|& Sons|Advisers|Advisors|Bureau|Agency"
)

#: Forms that the model takes for firms or people: kinds of numbers, not their holders.
NO_ENTITY = frozenset(
    split(
        """ssn itin ein tin iban pin aba dob ip url id po box swift bic cvv atm agi irs ira pdf faq api sms otp e-mail
    email credit premiums premium notice address code act state title irc"""
    )
)

TOP_DOMAINS = "com|org|net|edu|gov|mil|info|biz|io|co|us|uk|ca|de|fr|eu|au|in|nl|ch|es|it|app|dev|test|example"

#: Words after a cue for a name, or that the model takes for one, that name nobody.
NOT_NAMES = frozenset(
    split(
        """a all am an and any april are at august authority bank best by call client clients code colleague colleagues
    commissioner congress court customer customers december dear department for friday from hello hi i if in internal
    is it january july june madam manager march may me member monday mr mrs ms my no november october of office
    officer on or our please re regards revenue saturday secretary section september service sir sirs state sunday
    support tax taxpayer team thank thanks the there this thursday to treasury tuesday united us we wednesday
    whom yes you your form line part schedule title subtitle chapter act irs ira sole everyone both neither here
    today tomorrow yesterday question answer note notice letter adviser advisers advisor enrolled partner services
    mx ssn itin ein iban pin id atm social security number accounting accountant support agent team help desk
    llc inc preparer senior reference tell gifts coins"""
    )
)
