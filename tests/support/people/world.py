"""Households and companies, made one after another: who lives, works and shares a telephone or mailbox with whom."""

from collections.abc import Iterator
from random import Random
from typing import NamedTuple

from tests.support.people.countries import COUNTRIES, Country
from tests.support.people.mixes import Mix
from tests.support.people.names import Names, names_of
from tests.support.people.nicknames import NICKNAMES

_ROLES = ("info", "office", "sales", "contact", "mail", "hello", "orders", "accounts")
_KINDS = {"DE": "GmbH", "FR": "SARL", "ES": "S.L.", "IT": "S.r.l.", "PL": "Sp. z o.o.", "NL": "B.V.", "SE": "AB"}
_BUSINESS = (
    "Trading",
    "Logistics",
    "Media",
    "Consulting",
    "Foods",
    "Systems",
    "Design",
    "Bau",
    "Solutions",
    "Partners",
)
_WORDS = ("sunny", "tiger", "moon", "rock", "star", "pixel", "snow", "lucky", "happy", "ninja", "cloud", "river", "fox")


class Address(NamedTuple):
    """A house; `street_name` and `number` are put together as the country writes them."""

    street_name: str
    number: str
    city: str
    postal_code: str


class Company(NamedTuple):
    """The employer of customers, and perhaps a customer itself."""

    name: str
    country: Country
    phone: str
    domain: str
    role_mailbox: str
    assistant_mailbox: str | None
    address: Address


class Person(NamedTuple):
    """Somebody with all that was ever true of them; the first of each kind is the present one."""

    person_id: int
    country: Country
    first_name: str
    nickname: str | None
    last_names: tuple[str, ...]
    emails: tuple[str, ...]
    mobiles: tuple[str, ...]
    landline: str
    extension: str | None  # at the company
    shared_mailbox: str | None
    addresses: tuple[Address, ...]
    company: Company | None


class World:
    """Makes households without end. The same mix and seed make the same ones."""

    def __init__(self, mix: Mix, rng: Random) -> None:
        self._mix = mix
        self._rng = rng
        self._next_id = 0
        self._shares = [country.share for country in COUNTRIES]
        self._mailboxes: set[str] = set()
        self._given_up: dict[str, list[str]] = {country.code: [] for country in COUNTRIES}
        self._companies: dict[str, list[Company]] = {country.code: [] for country in COUNTRIES}

    def households(self) -> Iterator[tuple[list[Person], list[tuple[Company, int]]]]:
        """One household after another: its people, and new companies that are customers themselves, with ids."""
        rng = self._rng
        while True:
            country = rng.choices(COUNTRIES, self._shares)[0]
            names = names_of(country.locale)
            new: list[tuple[Company, int]] = []
            address = self._address(country, names)
            people = self._household(country, names, address, new)
            while rng.random() < self._mix.neighbours:
                number = f"{address.number}/{rng.randint(1, 30)}"
                people += self._household(country, names, address._replace(number=number), new)
            yield people, new

    def _household(
        self, country: Country, names: Names, address: Address, new: list[tuple[Company, int]]
    ) -> list[Person]:
        rng, mix = self._rng, self._mix
        last, gender = names.last(rng, 0), rng.randint(0, 1)
        landline = self._number(country, country.landline)
        firsts = [(names.first(rng, gender), gender, last)]
        mailbox = None
        kind = rng.random()
        if kind < mix.twins:
            firsts.append((self._like(firsts[0][0], names, gender), gender, last))
        elif kind < mix.twins + mix.junior:
            firsts.append(firsts[0])
        elif kind < mix.twins + mix.junior + mix.couples:
            own = last if rng.random() < 0.8 else names.last(rng, 0)
            firsts.append((names.first(rng, 1 - gender), 1 - gender, own))
            if rng.random() < mix.shared_mailbox:
                local = rng.choice((f"{_plain(names.latin(last))}family", f"the{_plain(names.latin(last))}s"))
                mailbox = self._free(local, rng.choice(country.domains))
            if rng.random() < 0.2:
                firsts.append((names.first(rng, rng.randint(0, 1)), gender, last))
        people: list[Person] = []
        for first in firsts:
            mobile = self._mobile(country)
            if people and rng.random() < mix.next_number:
                mobile = _next(people[-1].mobiles[0])
            people.append(self._person(country, names, first, address, (mobile, landline), mailbox, new))
        return people

    def _person(
        self,
        country: Country,
        names: Names,
        named: tuple[str, int, str],
        address: Address,
        numbers: tuple[str, str],
        mailbox: str | None,
        new: list[tuple[Company, int]],
    ) -> Person:
        rng, mix = self._rng, self._mix
        first, gender, family = named
        mobile, landline = numbers
        last = names.form(family, gender)
        short = NICKNAMES.get(first)
        nickname = rng.choice(short) if short else None
        lasts = (last, names.last(rng, gender)) if rng.random() < mix.renamed else (last,)
        emails = [self._mailbox(country, names, first, nickname, lasts[-1])]
        if rng.random() < mix.second_email:
            emails.append(self._mailbox(country, names, first, nickname, last))
        mobiles = [mobile]
        if rng.random() < mix.changed_number:
            mobiles.append(self._mobile(country))
            self._given_up[country.code].append(mobiles[1])
        addresses = (address, self._address(country, names)) if rng.random() < mix.moved else (address,)
        company = self._company(country, names, new) if rng.random() < mix.office else None
        if company:
            local = f"{_plain(names.latin(first))}.{_plain(names.latin(last))}"
            emails.insert(rng.randint(0, 1), self._free(local, company.domain))
        extension = f"{company.phone[:-2]}{rng.randint(10, 39)}" if company and rng.random() < mix.extension else None
        of_all = self._id(), country, first, nickname, lasts
        return Person(*of_all, tuple(emails), tuple(mobiles), landline, extension, mailbox, addresses, company)

    def _id(self) -> int:
        self._next_id += 1
        return self._next_id

    def _like(self, first: str, names: Names, gender: int) -> str:
        """A twin's name: another one, and often one that begins alike."""
        found = [name for _ in range(12) if (name := names.first(self._rng, gender)) != first] or [f"{first}a"]
        alike = [name for name in found if name[0] == first[0]]
        return alike[0] if alike else found[0]

    def _company(self, country: Country, names: Names, new: list[tuple[Company, int]]) -> Company:
        rng, open_ones = self._rng, self._companies[country.code]
        if open_ones and rng.random() < 0.75:
            return open_ones[rng.randrange(max(0, len(open_ones) - 5), len(open_ones))]
        owner = names.last(rng, 0)
        business = rng.choice(_BUSINESS)
        title = f"{owner} {business} {_KINDS.get(country.code, 'Ltd')}"
        domain = f"{_plain(names.latin(owner))}-{business.lower()}{rng.randint(1, 99_999)}.com"
        assistant = None
        if rng.random() < self._mix.assistant:
            helper = f"{_plain(names.latin(names.first(rng, 1)))}.{_plain(names.latin(names.last(rng, 1)))}"
            assistant = f"{helper}@{domain}"
        phone, place = self._number(country, country.landline), self._address(country, names)
        made = Company(title, country, phone, domain, f"{rng.choice(_ROLES)}@{domain}", assistant, place)
        open_ones.append(made)
        if rng.random() < self._mix.company_customer:
            new.append((made, self._id()))
        return made

    def _address(self, country: Country, names: Names) -> Address:
        rng = self._rng
        place = rng.randrange(len(country.cities))
        code = self._filled(f"{place % 10}{rng.randint(0, 4)}", country.postcode)
        return Address(names.last(rng, 0), str(int(rng.expovariate(0.03)) + 1), country.cities[place], code)

    def _filled(self, start: str, pattern: str) -> str:
        """A postal code whose first digits say the city."""
        rng, digits = self._rng, list(start)
        found = []
        for sign in pattern:
            if sign == "#":
                found.append(digits.pop(0) if digits else str(rng.randint(0, 9)))
            else:
                found.append(rng.choice("ABCDEGHLNPRSTW") if sign == "@" else sign)
        return "".join(found)

    def _mobile(self, country: Country) -> str:
        given_up = self._given_up[country.code]
        if given_up and self._rng.random() < self._mix.recycled_number:
            return given_up.pop(self._rng.randrange(len(given_up)))
        return self._number(country, country.mobile)

    def _number(self, country: Country, starts: tuple[str, ...]) -> str:
        start = self._rng.choice(starts)
        left = country.digits - len(start)
        return f"{start}{self._rng.randrange(2 * 10 ** (left - 1), 10**left)}"

    def _mailbox(self, country: Country, names: Names, first: str, nickname: str | None, last: str) -> str:
        rng = self._rng
        given, family = _plain(names.latin(first)), _plain(names.latin(last))
        form = rng.random()
        if form < 0.40:
            local = f"{given}.{family}"
        elif form < 0.55:
            local = f"{given}{family}"
        elif form < 0.68:
            local = f"{given[:1]}{family}"
        elif form < 0.76:
            local = f"{given}_{family[:1]}"
        elif form < 0.84 and nickname:
            local = f"{_plain(names.latin(nickname))}.{family}"
        elif form < 0.90:
            local = f"{family}.{given}"
        else:
            local = f"{rng.choice(_WORDS)}{rng.choice(_WORDS)}{rng.randint(1, 9999)}"
        if rng.random() < 0.3:
            local += str(rng.randint(50, 105) % 100)
        return self._free(local, rng.choice(country.domains))

    def _free(self, local: str, domain: str) -> str:
        found = f"{local}@{domain}"
        while found in self._mailboxes:
            found = f"{local}{self._rng.randint(1, 9999)}@{domain}"
        self._mailboxes.add(found)
        return found


def _next(number: str) -> str:
    """The number whose last digit is one higher; of a nine, one lower."""
    last = int(number[-1])
    return f"{number[:-1]}{last + 1 if last < 9 else 8}"


def _plain(name: str) -> str:
    return "".join(letter for letter in name.lower() if letter.isascii() and letter.isalnum()) or "user"
