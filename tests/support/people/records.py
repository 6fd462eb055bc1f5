"""What the shop, Shopify, Stripe and HubSpot each know of a person or company, and how they write it."""

from random import Random
from typing import NamedTuple

from tests.support.people import noise
from tests.support.people.mixes import Mix
from tests.support.people.names import names_of
from tests.support.people.scripts import latin, without_umlauts
from tests.support.people.world import Address, Company, Person


class System(NamedTuple):
    """How often a system has each value at all, before the mix's factor on what is missing."""

    source: str
    share: float
    email: float
    phone: float
    first_name: float
    last_name: float
    address: float
    city: float
    country: float
    has_one_name: bool


SYSTEMS = (
    System("shopify", 0.36, 0.95, 0.45, 0.94, 0.97, 0.75, 0.75, 0.75, has_one_name=False),
    System("stripe", 0.26, 0.93, 0.25, 0.92, 1.0, 0.35, 0.35, 0.60, has_one_name=True),
    System("hubspot", 0.22, 0.90, 0.45, 0.85, 0.80, 0.20, 0.40, 0.45, has_one_name=False),
    System("shop", 0.16, 0.82, 0.70, 0.97, 1.0, 0.0, 0.0, 1.0, has_one_name=True),
)


class Record(NamedTuple):
    """A row as the staging models offer it; `person_id` is the truth. What a system does not know is None."""

    person_id: int
    source: str
    email: str | None
    phone: str | None
    first_name: str | None
    last_name: str | None
    name: str | None
    company: str | None
    address: str | None
    city: str | None
    postal_code: str | None
    country: str | None


class Notes:
    """Writes records of people into systems."""

    def __init__(self, mix: Mix, rng: Random) -> None:
        self._mix = mix
        self._rng = rng
        self._shares = [system.share for system in SYSTEMS]
        self._taken: set[tuple[str, str]] = set()

    def of_person(self, person: Person) -> Record:
        """One record of the person in a system drawn at random."""
        rng = self._rng
        system = rng.choices(SYSTEMS, self._shares)[0]
        old = rng.random() < 0.35  # written down before a move, marriage or new number
        email = self._email(person) if self._has(system.email) else None
        phone = self._phone(person, old) if self._has(system.phone) else None
        if email is None and phone is None and rng.random() < 0.9:
            email = self._email(person)
        first, last = self._names(person, old)
        given = first if self._has(system.first_name) else None
        family = last if self._has(system.last_name) else None
        one_name = self._one_name(given, family) if system.has_one_name else None
        first_name, last_name = (None, None) if system.has_one_name else (given, family)
        company = person.company.name if person.company and system.source == "hubspot" else None
        place = person.addresses[-1] if old else person.addresses[0]
        if person.company and rng.random() < 0.3:
            place = person.company.address
        where = self._place(system, person, place)
        return self._kept(
            Record(*(person.person_id, system.source, email, phone, first_name, last_name, one_name, company, *where))
        )

    def of_company(self, company: Company, person_id: int) -> Record:
        """One record of the company as a customer."""
        rng = self._rng
        system = rng.choices(SYSTEMS, self._shares)[0]
        name = noise.slip(rng, company.name) if rng.random() < self._mix.typo else company.name
        mailbox = company.role_mailbox if rng.random() < 0.8 else f"billing@{company.domain}"
        email = mailbox if self._has(system.email) else None
        phone = self._written(company.phone, company) if self._has(system.phone) or email is None else None
        last_name, one_name = (None, name) if system.has_one_name else (name, None)
        title = company.name if system.source == "hubspot" else None
        where = self._place(system, company, company.address)
        return self._kept(Record(person_id, system.source, email, phone, None, last_name, one_name, title, *where))

    def _kept(self, record: Record) -> Record:
        """Only Stripe has one mailbox in many records, of guests who pay again: there a second one goes."""
        if record.source == "stripe" or record.email is None:
            return record
        key = record.source, record.email.strip().lower()
        if key not in self._taken:
            self._taken.add(key)
            return record
        name = record.name or " ".join(part for part in (record.first_name, record.last_name) if part) or None
        return record._replace(source="stripe", first_name=None, last_name=None, name=name, company=None)

    def _has(self, share: float) -> bool:
        return self._rng.random() >= (1 - share) * self._mix.missing

    def _email(self, person: Person) -> str:
        rng, mix, company = self._rng, self._mix, person.company
        email = person.emails[0]
        if company and rng.random() < mix.role_mailbox:
            email = company.assistant_mailbox or company.role_mailbox
        elif person.shared_mailbox and rng.random() < 0.5:
            email = person.shared_mailbox
        elif len(person.emails) > 1 and rng.random() < mix.other_email * 2:
            email = rng.choice(person.emails[1:])
        return noise.written_email(rng, email, mix.typo)

    def _phone(self, person: Person, old: bool) -> str:
        rng, mix = self._rng, self._mix
        number = person.mobiles[-1] if old else person.mobiles[0]
        if person.company and rng.random() < mix.office_phone * 3:
            number = person.extension or person.company.phone
        elif rng.random() < mix.landline:
            number = person.landline
        return self._written(number, person)

    def _written(self, number: str, owner: Person | Company) -> str:
        return noise.written_phone(self._rng, owner.country, number, self._mix.without_country, self._mix.typo)

    def _names(self, person: Person, old: bool) -> tuple[str, str]:
        rng, mix = self._rng, self._mix
        first, last = person.first_name, person.last_names[-1] if old else person.last_names[0]
        if person.nickname and rng.random() < mix.nickname * 2:
            first = person.nickname
        elif rng.random() < mix.initial:
            first = first[0] + ("." if rng.random() < 0.5 else "")
        if rng.random() < mix.spelled:
            names = names_of(person.country.locale)
            if rng.random() < 0.4 and person.country.code == "DE":
                first, last = without_umlauts(first), without_umlauts(last)
            else:
                first, last = names.latin(first), names.latin(last)
        if rng.random() < mix.typo:
            first = noise.slip(rng, first)
        if rng.random() < mix.typo:
            last = noise.slip(rng, last)
        if rng.random() < mix.swapped:
            first, last = last, first
        form = rng.random()
        if form < 0.04:
            return first.upper(), last.upper()
        return (first.lower(), last.lower()) if form < 0.08 else (first, last)

    def _one_name(self, first: str | None, last: str | None) -> str | None:
        if first and last and self._rng.random() < 0.04:
            return f"{last}, {first}"
        return " ".join(part for part in (first, last) if part) or None

    def _place(
        self, system: System, owner: Person | Company, place: Address
    ) -> tuple[str | None, str | None, str | None, str | None]:
        rng, mix, country = self._rng, self._mix, owner.country
        if self._has(system.address) and system.address:
            city, line = (
                self._city(place.city),
                noise.written_address(rng, country, place, mix.untidy_address, mix.typo),
            )
            return line, city, place.postal_code, country.code
        if self._has(system.city) and system.city:
            return None, self._city(place.city), place.postal_code if rng.random() < 0.5 else None, country.code
        return None, None, None, country.code if self._has(system.country) else None

    def _city(self, city: str) -> str:
        return latin(city) if self._rng.random() < self._mix.spelled else city
