"""The customers: one person, written differently by each system that knows them."""

from functools import lru_cache
from random import Random
from typing import NamedTuple

from ingestion.webhooks.generator.ids import seeded
from ingestion.webhooks.generator.money import SHOP_WEIGHTS, SHOPS, Shop


def _words(text: str) -> list[str]:
    return text.split()


_FIRST = _words(
    "Ada Amir Ana Anouk Bilal Bruno Chiara Chloé Daniel Dilek Elif Emeka Erik Fatima Freya Goran Greta Hana Hugo Ines "
    "Ivan Jana Jonas José Kaito Karin Lara Leo Lúcia Łukasz Maja Marco Mei Mina Nadia Niko Noor Nuno Olga Omar Petra "
    "Priya Quentin Rana Rosa Sami Selma Søren Tara Theo Uma Valeria Victor Wanda Xenia Yara Yusuf Zara Zoë Åsa"
)
_LAST = _words(
    "Abbas Andersen Arslan Baker Bauer Becker Costa Cruz Dahl Diaz Dubois Eklund Fischer Fontaine Garcia Grün Haddad "
    "Hansen Herrera Ibrahim Ito Jansen Jensen Kaya Keller Klein Kowalska Kruger Larsen Lehmann Lima Lopez Martin Meyer "
    "Moreau Mori Müller Nakamura Novak O'Brien Okafor Olsen Osman Park Patel Pereira Petrov Quist Ramos Rossi Sato "
    "Schmidt Silva Smith-Jones Suzuki Tanaka Torres Ueda Vargas Virtanen Weber Wójcik Yilmaz Young Zimmer"
)
_STREETS = _words("Glacier Floe Frost Icicle Rime Snowdrift Brook Meltwater")
_COMPANY_A = _words("Northern Bright Silver Quiet Crystal River Polar Second Blue Granite")
_COMPANY_B = _words("Kettle Lantern Harbour Compass Orchard Anvil Meadow Signal Bakery Studio")
_PLACES = {
    "US": (
        ("Albany", "New York", "NY", "12207"),
        ("Duluth", "Minnesota", "MN", "55802"),
        ("Bangor", "Maine", "ME", "04401"),
    ),
    "CA": (("Ottawa", "Ontario", "ON", "K1P 1J1"), ("Québec", "Quebec", "QC", "G1R 2B5")),
    "DE": (("Köln", "", "", "50667"), ("Leipzig", "", "", "04109")),
    "GB": (("Leeds", "England", "ENG", "LS1 4AP"), ("Dundee", "Scotland", "SCT", "DD1 4HN")),
    "JP": (("札幌市", "Hokkaidō", "JP-01", "060-0001"), ("金沢市", "Ishikawa", "JP-17", "920-0962")),
    "KW": (("Kuwait City", "Al Asimah", "KW-KU", "13001"),),
}
_COUNTRIES = {
    "US": "United States",
    "CA": "Canada",
    "DE": "Germany",
    "GB": "United Kingdom",
    "JP": "Japan",
    "KW": "Kuwait",
}


class Address(NamedTuple):
    """A postal address; `province` is empty where the country has none on its letters."""

    line1: str
    line2: str | None
    city: str
    province: str
    province_code: str
    postal_code: str
    country: str
    country_code: str


class Person(NamedTuple):
    """One invented customer. `email` and `digits` are the tidy forms that all written forms mean."""

    number: int
    first_name: str
    last_name: str
    email: str
    digits: str
    address: Address
    shop: Shop
    in_shopify: bool
    in_stripe: bool
    in_hubspot: bool
    company: int | None
    fate: str
    """'stays', 'closes' (never buys and closes every account) or 'forgotten' (asks to be erased, some time later)."""

    @property
    def name(self) -> str:
        return f"{self.first_name} {self.last_name}"


@lru_cache(maxsize=4096)
def person(seed: int, number: int) -> Person:
    """The `number`-th customer of a seed's business; no two share an e-mail address or a telephone number."""
    rng = seeded(seed, "person", number)
    first, last = rng.choice(_FIRST), rng.choice(_LAST)
    shop = rng.choices(SHOPS, SHOP_WEIGHTS)[0]
    in_shopify, in_stripe, in_hubspot = rng.random() < 0.82, rng.random() < 0.72, rng.random() < 0.62
    return Person(
        number=number,
        first_name=first,
        last_name=last,
        email=f"{_ascii(first)}.{_ascii(last)}.{number}@example.com",
        digits=f"555{2_000_000 + number:07d}",
        address=_address(rng, shop),
        shop=shop,
        in_shopify=in_shopify or number == 0 or not (in_stripe or in_hubspot),
        in_stripe=in_stripe,
        in_hubspot=in_hubspot,
        company=number // 12 if rng.random() < 0.5 else None,
        fate=rng.choices(("stays", "closes", "forgotten"), (95, 3, 2))[0] if number else "stays",
    )


def written_email(who: Person, system: str) -> str:
    """The address as this system holds it: other case, blanks around it or a plus-tag, the same every time."""
    local, domain = who.email.split("@")
    way = seeded(who.number, system, "email").randrange(10)
    if way == 0:
        return who.email.upper()
    if way == 1:
        return f" {who.email} "
    if way == 2:
        return f"{local}+{system}@{domain}"
    if way == 3:
        return f"{local.title()}@Example.com"
    return who.email


def written_phone(who: Person, system: str) -> str:
    """The telephone number as this system holds it, in one of seven notations."""
    area, exchange, line = who.digits[:3], who.digits[3:6], who.digits[6:]
    notations = (
        f"+1{who.digits}",
        f"({area}) {exchange}-{line}",
        f"{area}-{exchange}-{line}",
        f"+1 {area} {exchange} {line}",
        f"1-{area}-{exchange}-{line}",
        f"{area}.{exchange}.{line}",
        f"001 {area} {exchange}{line}",
    )
    return notations[seeded(who.number, system, "phone").randrange(len(notations))]


def company_name(number: int) -> str:
    """The name of a business customer."""
    first, second = _COMPANY_A[number % 10], _COMPANY_B[number // 10 % 10]
    return f"{first} {second} {number}"


def _address(rng: Random, shop: Shop) -> Address:
    country = "CA" if shop.country == "US" and rng.random() < 0.12 else shop.country
    city, province, code, postal = rng.choice(_PLACES[country])
    street = f"{rng.randrange(1, 990)} {rng.choice(_STREETS)} Street"
    flat = f"Flat {rng.randrange(1, 40)}" if rng.random() < 0.2 else None
    return Address(street, flat, city, province, code, postal, _COUNTRIES[country], country)


_FOLD = str.maketrans("éúŁłøöüëÅåáíóñ", "euLlooueAaaion")


def _ascii(name: str) -> str:
    return name.translate(_FOLD).lower().replace("'", "")
