"""Values for the slots of `pii_frames`: Faker's of many countries, and lists of our own that no detector has seen.

The detector's word lists come from Faker, so Faker's names alone would flatter it. The lists here are common names put
together at random: they mean nobody.
"""

from __future__ import annotations

import functools
import random
from dataclasses import dataclass
from typing import Any

LOCALES = (
    *("en_US", "en_GB", "en_IN", "en_AU", "en_CA", "de_DE", "de_AT", "fr_FR", "es_ES", "es_MX", "it_IT", "pl_PL"),
    *("cs_CZ", "da_DK", "sv_SE", "fi_FI", "nl_NL", "pt_BR", "hu_HU", "ro_RO", "hr_HR", "tr_TR", "no_NO", "en_US"),
)

GIVEN = """Aoibhe|Caoimhe|Tadhg|Oisín|Rhiannon|Gethin|Ngozi|Chidinma|Obinna|Babatunde|Wanjiru|Kamau|Thandiwe
Sipho|Amahle|Makena|Kwabena|Ama|Yaw|Abebe|Tigist|Hamza|Yasmina|Soukaina|Reem|Faisal|Layan|Dalia
Parisa|Behnam|Shirin|Arash|Gulnara|Aizhan|Nursultan|Anjali|Vikram|Lakshmi|Raghav|Priyanka|Sanjana
Tharindu|Nimali|Ayesha|Bilal|Zainab|Imran|Nguyet|Thanh|Linh|Somchai|Anong|Siti|Budi|Dewi|Jomar
Liezel|Haruto|Sakura|Kenji|Minjun|Seoyeon|Jiwoo|Xiaoming|Yifan|Meilin|Weijie|Kalani|Leilani|Tane
Aroha|Xochitl|Citlali|Joaquín|Ximena|Mateus|Thaís|Iracema|Svetlana|Dmitri|Oksana|Taras|Bohdan|Zlata
Miroslav|Vesna|Goran|Tihana|Ilir|Arta|Eleftheria|Stavros|Despina|Ketevan|Giorgi|Anahit|Tigran
Aurélie|Maëlle|Gwenaël|Loïc|Annelies|Joost|Femke|Wout|Saskia|Thorvald|Solveig|Ragnhild|Eirik
Sigríður|Guðrún|Björk|Eetu|Aino|Raul|Maarja|Jānis|Līga|Domantas|Eglė|Zsófia|Balázs|Ildikó|Katarzyna
Wojciech|Jadwiga|Bogdana|Ștefan|Ileana|Ingrid|Anton|Klaus|Heike|Jürgen|Rosalind|Percival|Tamsin
Jolene|Darnell|Latoya|Keisha|Tyrone|Bryce|Kaylee|Brantley""".replace("\n", "|").split("|")

FAMILY = """Ó'Briain|MacDiarmada|Llewelyn|Prydderch|Okafor|Adeyemi|Nwosu|Mwangi|Kipchoge|Dlamini|Nkosi|Mthembu
Asante|Owusu|Tesfaye|Gebremariam|Benali|El-Khoury|Haddad|Al-Mansouri|Hosseini|Tehrani|Yusupov
Nurmagambetov|Iyer|Chatterjee|Venkataraman|Deshmukh|Subramaniam|Wickramasinghe|Perera|Qureshi
Chaudhry|Siddiqui|Tran-Le|Phan|Srisai|Wibowo|Santoso|Dela-Cruz|Magsaysay|Watanabe|Kobayashi
Takahashi|Kwon|Seo|Zhao|Ouyang|Kealoha|Ngata|Quispe|Mamani|Villaseñor|Echeverría|Figueiredo
Albuquerque|Kuznetsova|Shevchenko|Tkachuk|Petrović|Jovanović|Krasniqi|Hoxha|Papadopoulou|Theodorakis
Beridze|Hakobyan|Sargsyan|Delacroix|Lefebvre-Roux|Kerbrat|Vandenberghe|Janssens|Van_der_Meer
De_Vries|Haugland|Brekke|Jónsdóttir|Sveinsson|Virtala|Tamm|Kalniņš|Petrauskas|Szentgyörgyi
Horváth-Nagy|Wiśniewska|Krzyżanowski|Wójtowicz|Popescu|Ionescu|Lindqvist|Ålund|Krämer|Schlüter
Brandstetter|Achterberg|Featherstone|Cholmondeley|Ashdown|Wetherby|Thibodeaux|Broussard|Castellanos
Birdsong|Hatfield|Culpepper|Lockhart|Pennington|Whitaker|Rutherford|Dunleavy|McAllister
O'Shaughnessy|Fitzwilliam""".replace("\n", "|").split("|")

ORGANIZATIONS = """Northwind Traders|Vantero|Kestrel & Finch|Bluepeak Energy|Zentra Logistics
Oakhurst Savings Bank|Lumora Health
Halden Group|Mirabel Foods Ltd|Tessellate Inc.|Grupo Altavista|Norrsken AB|Quantiva Systems|St. Brannoc's Hospital
Ardent Insurance|Hollis, Crane and Moor|Pelican Airways|Redwing University|The Copper Kettle|Fjordkraft Marine AS
Brightwater Capital Partners LLC|Solenne S.A.|Kaltenbach GmbH|Ministry of Public Works|Tarn Valley School District
Orbis Telecom|National Bank of Verdania|Cobalt Software|Larkspur Publishing House
First Meridian Credit Union""".replace("\n", "|").split("|")

CITIES = """Ouagadougou|Tallinn|Valparaíso|Chiang Mai|Reykjavik|Bergen|Gdańsk|Cork|Aberdeen|Kyoto|Guadalajara
Porto Alegre|Nairobi
Tbilisi|Almaty|Marrakesh|Bratislava|Lyon|Graz|Malmö|Antwerp|Seville|Bologna|Thessaloniki|Izmir|Lahore|Pune
Colombo|Hanoi
Cebu City|Osaka|Busan|Chengdu|Brisbane|Dunedin|Halifax|Saskatoon|Tucson|Boise|Chattanooga|Fort Wayne
Baton Rouge|Spokane
Little Rock|Wolverhampton|Llandudno|Nether Wallop|Bad Homburg|Aix-en-Provence
San Sebastián""".replace("\n", "|").split("|")

COUNTRIES = """Portugal|Kenya|Vietnam|Uruguay|New Zealand|Slovenia|United Kingdom|the Netherlands|South Korea
Morocco|Iceland|Peru
Sri Lanka|Czech Republic|Finland|USA|UK|Ghana|Estonia|Brazil|United Arab Emirates|Switzerland|Jamaica""".replace(
    "\n", "|"
).split("|")

NATIONALITIES = """Portuguese|Kenyan|Vietnamese|Uruguayan|Slovenian|Dutch|Moroccan|Icelandic|Peruvian|Finnish|Ghanaian
Estonian|Brazilian|Swiss|Jamaican|Catholic|Muslim|Buddhist|Jewish|Republican|Hindu|Scottish|Korean
Norwegian""".replace("\n", "|").split("|")

STREETS = """12 Harbour Lane|Kossuth Lajos u. 61.|ul. Piękna 24/3|Rua das Flores 118|Calle de Alcalá 45, 2º B
Via Garibaldi 7
18 rue de la Paix|Kerkstraat 114|Lange Gasse 9|Hämeenkatu 21 A 4|Strandvejen 84|Storgata 3
Norra Esplanaden 82|Náměstí Míru 6
Vesnická 1034|Cesta na Brdo 15|4 Privet Row|Flat 3, 27 Elgin Crescent|221 Old Mill Road|1600 W Larkin Ave, Apt 4B
77 Massachusetts Ct.|P.O. Box 4417|45 avenue Victor Hugo|Bahnhofstr. 5|Am Stadtpark 12|Plaza Mayor 3
Atatürk Cad. No: 12
59 Ballifeary Road|2207 Koivukatu 31 Apt. 572|36 Quai des Belges|Unit 4, 9 Kangaroo Parade|Bulevardul Unirii 10
93 Shannon Court|8841 Via Appia Nuova|RR 2 Box 118|15 MG Road|Skolegade 2, 3. tv|Ilica 42|Paseo de la Reforma 222
1187 Hickory Hollow|Dorfstrasse 48|23 Bd de la Liberté|Av. Paulista 1578|One Beacon Street|3 The Green""".replace(
    "\n", "|"
).split("|")


@dataclass(frozen=True)
class Values:
    """Makes values of one text, with its person's country; `own` takes names from the lists above."""

    dice: random.Random
    fake: Any
    own: bool

    def of(self, slot: str) -> tuple[str, str]:
        """(value, type) of a slot."""
        return getattr(self, f"_{slot.lower()}")()

    def _first(self) -> tuple[str, str]:
        return (self.dice.choice(GIVEN) if self.own else self.fake.first_name()), "PERSON"

    def _last(self) -> tuple[str, str]:
        name = self.dice.choice(FAMILY).replace("_", " ") if self.own else self.fake.last_name()
        return name, "PERSON"

    def _person(self) -> tuple[str, str]:
        middle = self.dice.choice(("", "", "", " J.", " M", " " + self._first()[0]))
        return f"{self._first()[0]}{middle} {self._last()[0]}", "PERSON"

    def _title(self) -> tuple[str, str]:
        return self.dice.choice(("Mr.", "Mrs.", "Ms.", "Mr", "Ms", "Miss", "Dr.", "Mx.", "Prof.", "Mrs")), "TITLE"

    def _org(self) -> tuple[str, str]:
        return (self.dice.choice(ORGANIZATIONS) if self.own else self.fake.company()), "ORGANIZATION"

    def _city(self) -> tuple[str, str]:
        return (self.dice.choice(CITIES) if self.own else self.fake.city()), "LOCATION"

    def _country(self) -> tuple[str, str]:
        return (self.dice.choice(COUNTRIES) if self.own else _english().country()), "LOCATION"

    def _street(self) -> tuple[str, str]:
        street = self.dice.choice(STREETS) if self.own else self.fake.street_address()
        return street.replace("\n", " "), "STREET_ADDRESS"

    def _zip(self) -> tuple[str, str]:
        return self.fake.postcode(), "ZIP_CODE"

    def _phone(self) -> tuple[str, str]:
        return self.fake.phone_number(), "PHONE_NUMBER"

    def _email(self) -> tuple[str, str]:
        return self.fake.ascii_email(), "EMAIL_ADDRESS"

    def _url(self) -> tuple[str, str]:
        return self.dice.choice((self.fake.url(), f"www.{self.fake.domain_name()}", self.fake.domain_name())), "URL"

    def _card(self) -> tuple[str, str]:
        number = _english().credit_card_number()
        if self.dice.random() < 0.4:
            number = self.dice.choice(" -").join(number[i : i + 4] for i in range(0, len(number), 4))
        return number, "CREDIT_CARD"

    def _iban(self) -> tuple[str, str]:
        return self.fake.iban(), "IBAN_CODE"

    def _ip(self) -> tuple[str, str]:
        return (self.fake.ipv4() if self.dice.random() < 0.7 else self.fake.ipv6()), "IP_ADDRESS"

    def _ssn(self) -> tuple[str, str]:
        return _english().ssn(), "US_SSN"

    def _itin(self) -> tuple[str, str]:
        return _english().itin(), "US_ITIN"

    def _ein(self) -> tuple[str, str]:
        return _english().ein(), "US_EIN"

    def _account(self) -> tuple[str, str]:
        return str(self.dice.randrange(10**7, 10**12)), "US_BANK_NUMBER"

    def _routing(self) -> tuple[str, str]:
        return _english().aba(), "US_BANK_NUMBER"

    def _passport(self) -> tuple[str, str]:
        return _english().passport_number(), "US_PASSPORT"

    def _license(self) -> tuple[str, str]:
        return self.dice.choice("ABDKMSW") + str(self.dice.randrange(10**6, 10**8)), "US_DRIVER_LICENSE"

    def _date(self) -> tuple[str, str]:
        forms = ("%d.%m.%Y", "%m/%d/%Y", "%B %d, %Y", "%d %B %Y", "%Y-%m-%d", "%d %b %Y", "%b %d", "%A", "%d/%m/%y")
        return self.fake.date_object().strftime(self.dice.choice(forms)), "DATE_TIME"

    def _dob(self) -> tuple[str, str]:
        forms = ("%d.%m.%Y", "%m/%d/%Y", "%B %d, %Y", "%d %B %Y", "%Y-%m-%d", "%d-%b-%Y")
        return self.fake.date_of_birth().strftime(self.dice.choice(forms)), "DATE_OF_BIRTH"

    def _time(self) -> tuple[str, str]:
        return self.dice.choice(("10:30", "4 pm", "17:05", "9:15 am", "11:45 PM", "8am", "noon")), "DATE_TIME"

    def _age(self) -> tuple[str, str]:
        return str(self.dice.randrange(2, 99)), "AGE"

    def _nrp(self) -> tuple[str, str]:
        return self.dice.choice(NATIONALITIES), "NRP"


def _english() -> Any:
    return fakers()["en_US"]


@functools.cache
def fakers() -> dict[str, Any]:
    from faker import Faker

    return {locale: Faker(locale) for locale in sorted(set(LOCALES))}
