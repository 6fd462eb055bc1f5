"""Tables of customer records with known truth: the same mix, size and seed make the same table, on any machine."""

from collections.abc import Iterator, Sequence
from itertools import islice
from random import Random

import pyarrow as pa

from tests.support.people.mixes import Mix
from tests.support.people.records import Notes, Record
from tests.support.people.world import World

PORTAL = "62515"  # of the one HubSpot account; its records' ids begin with it
_MOST = 6  # records of one person
_CHANCES = (0.34, 0.30, 0.19, 0.10, 0.05, 0.02)
_TEXTS = tuple(name for name in Record._fields if name != "person_id")
SCHEMA = pa.schema(
    [
        ("source", pa.string()),
        ("source_id", pa.string()),
        *((name, pa.string()) for name in _TEXTS if name != "source"),
        ("person_id", pa.int64()),
    ]
)


def people(mix: Mix, count: int, seed: int) -> pa.Table:
    """`count` records in random order. `person_id` is the truth; (source, source_id) is the key of a record."""
    rng = Random(f"{mix.name}:{seed}")
    found = list(islice(_records(mix, rng), count))
    rng.shuffle(found)
    columns: dict[str, Sequence[object]] = dict(zip(Record._fields, zip(*found, strict=True), strict=True))
    columns["source_id"] = [_source_id(record.source, number) for number, record in enumerate(found)]
    return pa.table({name: columns[name] for name in SCHEMA.names}, schema=SCHEMA)


def _records(mix: Mix, rng: Random) -> Iterator[Record]:
    notes = Notes(mix, rng)
    for household, companies in World(mix, rng).households():
        for person in household:
            for _ in range(rng.choices(range(1, _MOST + 1), _CHANCES)[0]):
                yield notes.of_person(person)
        for company, person_id in companies:
            for _ in range(rng.choices(range(1, _MOST + 1), _CHANCES)[0]):
                yield notes.of_company(company, person_id)


def _source_id(source: str, number: int) -> str:
    if source == "stripe":
        return f"cus_{number:014x}"
    if source == "hubspot":
        return f"{PORTAL}:{50_000 + number}"
    return str({"shopify": 7_000_000_000, "shop": 1}[source] + number)
