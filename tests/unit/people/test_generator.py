"""Generated people: the same seed makes the same ones, and every kind of trouble is there."""

import hashlib
import subprocess
import sys
from collections import Counter
from itertools import islice, pairwise
from random import Random

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from ingestion.settings import PROJECT_ROOT
from tests.support.people.countries import COUNTRIES
from tests.support.people.generator import people
from tests.support.people.mixes import ADVERSARIAL, EASY, HARD, MIXES, Mix
from tests.support.people.scripts import latin
from tests.support.people.world import World

ROWS = 4_000


def _digest(mix: Mix, seed: int) -> str:
    return hashlib.sha256(repr(people(mix, 500, seed).to_pylist()).encode()).hexdigest()


def _share_with(table: pa.Table, name: str) -> float:
    return float(1 - table[name].null_count / table.num_rows)


def test_the_same_seed_makes_the_same_people_in_another_process() -> None:
    code = (
        "from tests.unit.people.test_generator import _digest; from tests.support.people.mixes import HARD;"
        "print(_digest(HARD, 7))"
    )

    other = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, cwd=PROJECT_ROOT)

    assert other.stdout.strip() == _digest(HARD, 7)
    assert _digest(HARD, 8) != _digest(HARD, 7)


@pytest.mark.parametrize("mix", MIXES.values(), ids=lambda mix: mix.name)
def test_records_have_keys_of_their_own_and_people_have_about_two_records(mix: Mix) -> None:
    table = people(mix, ROWS, 1)

    keys = Counter(zip(table["source"].to_pylist(), table["source_id"].to_pylist(), strict=True))
    assert table.num_rows == len(keys) == ROWS
    assert 1.9 < ROWS / len(set(table["person_id"].to_pylist())) < 2.8


def test_each_system_has_the_fields_it_really_has() -> None:
    table = people(HARD, ROWS, 1)
    of = {name: table.filter(pc.equal(table["source"], name)) for name in ("shopify", "stripe", "hubspot", "shop")}

    assert all(_share_with(of[name], "name") == 0 for name in ("shopify", "hubspot"))
    assert all(
        _share_with(of[name], "first_name") == _share_with(of[name], "last_name") == 0 for name in ("stripe", "shop")
    )
    assert _share_with(of["shop"], "address") == 0
    assert _share_with(of["stripe"], "phone") < 0.5 < _share_with(of["shop"], "phone")
    assert all(_share_with(of[name], "company") == 0 for name in ("shopify", "stripe", "shop"))


@pytest.mark.parametrize("source", ["shopify", "hubspot", "shop"])
def test_only_stripe_has_one_mailbox_twice(source: str) -> None:
    table = people(ADVERSARIAL, ROWS, 1)

    found = table.filter(pc.equal(table["source"], source))["email"].drop_null().to_pylist()

    assert len({email.strip().lower() for email in found}) == len(found)


def test_many_countries_scripts_and_up_to_a_third_of_numbers_without_country() -> None:
    table = people(ADVERSARIAL, 20_000, 1)

    names = "".join(name for column in ("first_name", "last_name") for name in table[column].drop_null().to_pylist())
    scripts = {"cyrillic": max(names) > "Ж", "greek": any("Α" <= letter <= "ω" for letter in names)}  # noqa: RUF001
    scripts["han"] = any("一" <= letter <= "鿿" for letter in names)
    scripts["hangul"] = any("가" <= letter <= "힣" for letter in names)
    assert all(scripts.values()), scripts
    assert set(table["country"].drop_null().to_pylist()) == {country.code for country in COUNTRIES}
    phones = table["phone"].drop_null().to_pylist()
    without = sum(not phone.startswith(("+", "00")) for phone in phones) / len(phones)
    assert 0.28 < without < 0.36


def test_harder_mixes_share_more_numbers_and_mailboxes_between_people() -> None:
    shared = []
    for mix in (EASY, HARD, ADVERSARIAL):
        table = people(mix, 20_000, 1)
        owners: dict[str, set[int]] = {}
        for email, person in zip(table["email"].to_pylist(), table["person_id"].to_pylist(), strict=True):
            owners.setdefault((email or str(person)).strip().lower(), set()).add(person)
        shared.append(sum(len(found) > 1 for found in owners.values()))

    assert 0 < shared[0] < shared[1] < shared[2]


def test_households_and_colleagues_have_numbers_next_to_each_other() -> None:
    people_of = [found for found, _ in islice(World(HARD, Random(1)).households(), 4_000)]

    mobiles = [(one.mobiles[0], other.mobiles[0]) for found in people_of for one, other in pairwise(found)]
    assert any(one[:-1] == other[:-1] and one != other for one, other in mobiles)
    numbers = [
        (person.company.phone, person.extension)
        for found in people_of
        for person in found
        if person.company and person.extension
    ]
    assert all(own[:-2] == office[:-2] for office, own in numbers)
    assert max(Counter(office for office, _ in numbers).values()) > 1


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Müller", "Muller"),
        ("Łukasz", "Lukasz"),
        ("Юрий", "Yuriy"),
        ("Γιώργος", "Giorgos"),
        ("김", "Gim"),
        ("Søren", "Soren"),
    ],
)
def test_names_of_other_scripts_have_latin_spellings(name: str, expected: str) -> None:
    assert latin(name) == expected
