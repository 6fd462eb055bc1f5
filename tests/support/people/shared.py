"""Records that share what nobody should be found by, and records whose fields are hostile."""

import pyarrow as pa

from tests.support.people.generator import SCHEMA

_HOSTILE: tuple[dict[str, str | None], ...] = (
    {},
    {"first_name": "", "last_name": "", "email": "", "phone": ""},
    {"first_name": " ", "last_name": "\t", "email": " ", "phone": "-"},
    {"first_name": "A", "last_name": "B"},
    {"email": "test@example.com", "phone": "0000000000"},
    {"email": "@example.com", "phone": "123"},
    {"address": "{{ 1 / 0 }}", "city": "%", "postal_code": "0", "country": "ZZ"},
    {"first_name": "王", "last_name": "山", "country": "CN"},
    {"first_name": "null", "last_name": "None", "email": "n/a", "phone": "unknown"},
    {"first_name": "'; drop table x; --", "last_name": '"quoted" \\ back', "email": "a'b\"c@", "phone": "()"},
    {"first_name": "x" * 1000, "last_name": "y" * 1000, "email": "z" * 1000, "phone": "9" * 1000},
    {"first_name": "\u202eabc\u0000", "last_name": "😀👨‍👩‍👧", "email": "@", "phone": "+"},
)
EMPTY = 9  # the first so many say nothing of anybody


def hostile_records(copies: int) -> pa.Table:
    """Each hostile record `copies` times, in Shopify; no two are the same person as far as anybody can tell."""
    rows = [{**record} for record in _HOSTILE for _ in range(copies)]
    for number, row in enumerate(rows):
        row.update(source="shopify", source_id=f"hostile-{number}")
    empty = dict.fromkeys(SCHEMA.names)
    return pa.Table.from_pylist([{**empty, **row, "person_id": -1 - n} for n, row in enumerate(rows)], schema=SCHEMA)


def one_record_each(records: pa.Table, count: int) -> pa.Table:
    """The first record of each of `count` people."""
    first: dict[int, int] = {}
    for place, person in enumerate(records["person_id"].to_pylist()):
        first.setdefault(person, place)
    if len(first) < count:
        raise ValueError(f"only {len(first)} people, {count} are asked for")
    return records.take(list(first.values())[:count])


def without_addresses(records: pa.Table) -> pa.Table:
    """The same records, and nobody says where they live."""
    return _with_all(records, {"address": None, "city": None, "postal_code": None})


def sharing(records: pa.Table, email: str = "test@example.com", phone: str = "+14155550100") -> pa.Table:
    """The same records, all with one mailbox and one telephone number, and without addresses."""
    return _with_all(without_addresses(records), {"email": email, "phone": phone})


def _with_all(records: pa.Table, values: dict[str, str | None]) -> pa.Table:
    for name, value in values.items():
        column = pa.array([value] * records.num_rows, pa.string())
        records = records.set_column(records.schema.get_field_index(name), name, column)
    return records
