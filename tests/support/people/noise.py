"""What happens to a value on its way into a system: slips of the keyboard, spellings, and ways to write a number."""

from random import Random

from tests.support.people.countries import Country
from tests.support.people.world import Address

_DOMAIN_SLIPS = {"gmail.com": "gmial.com", "hotmail.com": "hotmial.com", "outlook.com": "outlok.com", "gmx.de": "gmx.d"}


def slip(rng: Random, text: str) -> str:
    """One letter left out, doubled, exchanged with its neighbour, or hit wrongly."""
    if len(text) < 3:
        return text
    place = rng.randrange(1, len(text) - 1)
    before, here, behind = text[:place], text[place], text[place + 1 :]
    kind = rng.randrange(4)
    if kind == 0:
        return before + behind
    if kind == 1:
        return before + here + here + behind
    if kind == 2:
        return before + behind[:1] + here + behind[1:]
    return before + rng.choice("aeinrst") + behind


def written_email(rng: Random, email: str, typo: float) -> str:
    """The same mailbox, or nearly, as somebody types it into a form."""
    local, _, domain = email.partition("@")
    form = rng.random()
    if rng.random() < typo:
        if domain in _DOMAIN_SLIPS and rng.random() < 0.5:
            return f"{local}@{_DOMAIN_SLIPS[domain]}"
        return f"{slip(rng, local)}@{domain}"
    if form < 0.03:
        return f"{local}+{rng.choice(('shop', 'news', 'orders'))}@{domain}"
    if form < 0.10:
        return email.title()
    if form < 0.12:
        return f" {email.upper()} "
    if domain == "gmail.com" and form < 0.16:
        return f"{local.replace('.', '')}@{'googlemail.com' if form < 0.13 else domain}"
    return email


def written_phone(rng: Random, country: Country, number: str, without_country: float, typo: float) -> str:
    """A national number as people and systems write it, with or without its country."""
    if rng.random() < typo:
        place = rng.randrange(3, len(number))
        number = f"{number[:place]}{rng.randint(0, 9)}{number[place + 1 :]}"
    if rng.random() < without_country:
        return _national(rng, country, number)
    form = rng.random()
    if form < 0.5:
        return f"+{country.calling_code}{number}"
    if form < 0.75:
        return f"+{country.calling_code} {number[:3]} {number[3:6]} {number[6:]}"
    if form < 0.85:
        return f"00{country.calling_code} {number[:3]} {number[3:]}"
    if form < 0.93 and country.trunk:
        return f"+{country.calling_code} ({country.trunk}){number[:3]} {number[3:]}"
    return f"+{country.calling_code}-{number[:3]}-{number[3:]}"


def _national(rng: Random, country: Country, number: str) -> str:
    form = rng.randrange(4)
    start = f"{country.trunk}{number[:3]}"
    if form == 0:
        return f"{country.trunk}{number}"
    if form == 1:
        return f"({start}) {number[3:6]}-{number[6:]}"
    if form == 2:
        return f"{start}/{number[3:]}"
    return f"{start} {number[3:6]} {number[6:]}"


def written_address(rng: Random, country: Country, address: Address, untidy: float, typo: float) -> str:
    """The street line, now and then abbreviated, in capitals, or with a flat's number."""
    street = slip(rng, address.street_name) if rng.random() < typo else address.street_name
    pattern = country.street
    if rng.random() < untidy:
        form = rng.random()
        pattern = country.short_street if form < 0.7 else pattern
        if form > 0.85:
            return pattern.format(name=street, number=address.number).upper()
        if form > 0.6:
            return f"{pattern.format(name=street, number=address.number)}, {rng.randint(1, 40)}"
    return pattern.format(name=street, number=address.number)
