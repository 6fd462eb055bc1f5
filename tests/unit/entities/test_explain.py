"""What `frazil er explain` says of two records, read from a real catalog."""

import ast
import re
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pytest
from pyiceberg.catalog import Catalog

from ingestion.entities.explain import WORDS, bits_in_lake, explain
from ingestion.entities.training import COMPARISONS
from ingestion.errors import UsageError
from ingestion.lake.catalog import open_catalog
from ingestion.settings import PROJECT_ROOT, Settings

BITS = pa.decimal128(8, 2)


@pytest.fixture
def catalog(tmp_path: Path) -> Iterator[Catalog]:
    """Entity a of shop:1, 2, stripe:c3 and hubspot:m (merged), b of shop:4 and c of shop:5, which were cut from it."""
    lake = open_catalog(Settings(home=tmp_path))
    entities = {
        "shop:1": "a",
        "shop:2": "a",
        "stripe:c3": "a",
        "hubspot:m": "a",
        "shop:4": "b",
        "shop:5": "c",
        "shop:6": "d",
    }
    _fill(lake, "semantic.entity_index", [_indexed(record, entity) for record, entity in entities.items()])
    compared = [
        _compared("shop:1", "shop:2", "9.50", email=4, first_name=5),
        _compared("shop:2", "stripe:c3", "4.00", phone=2),
        _compared("shop:1", "stripe:c3", "-3.00", email=0),
        _compared("shop:1", "shop:4", "-7.25", last_name=4, first_name=0),
        _compared("shop:2", "shop:4", "3.00", last_name=4, first_name=5),
        _compared("shop:1", "shop:5", "8.00", last_name=4),
        _compared("shop:2", "shop:5", "8.00", last_name=4),
        _compared("shop:4", "shop:6", "-4.00", email=0),
        _compared("shop:5", "shop:6", "3.00", first_name=0, email=0, phone=3),
    ]
    _fill(lake, "semantic.er_candidate_edges", compared)
    links = [
        ("shop:1", "shop:2", "evidence", "9.50"),
        ("shop:2", "stripe:c3", "evidence", "4.00"),
        ("hubspot:m", "shop:1", "merge", "-2.00"),
        ("hubspot:m", "stripe:c3", "evidence", "1.50"),
    ]
    columns = ("key_low", "key_high", "kind", "bits")
    edges = [dict(zip(columns, (*keys, Decimal(bits)), strict=True)) for *keys, bits in links]
    _fill(lake, "semantic.er_edges", [{**edge, "entity_id": "a", "tier": 1} for edge in edges])
    decided = [("shop:5", "shop:1", "cannot_link", "2"), ("shop:1", "shop:5", "must_link", "1")]
    decided.append(("shop:4", "shop:5", "must_link", "3"))
    names = ("record_a", "record_b", "decision", "decided_at")
    overrides = [dict(zip(names, row, strict=True)) for row in decided]
    _fill(lake, "staging.er_steward_overrides", [{**row, "author": "Ada", "reason": "met both"} for row in overrides])
    merged: dict[str, object] = {"record_key": "hubspot:m", "merged_into_key": "shop:1"}
    _fill(lake, "semantic.er_source_records", [merged])
    yield lake
    lake.close()


def test_a_pair_that_is_linked_shows_each_comparison(catalog: Catalog) -> None:
    found = explain(catalog, "shop:2", "shop:1")

    assert found.is_one_customer
    (link,) = found.links
    assert (link["kind"], link["total_bits"]) == ("evidence", Decimal("9.50"))
    assert link["email"] == "equal (+1.00)"
    assert link["phone"] == "not said (+0.00)"
    assert found.parted_by is None


def test_records_joined_through_others_show_the_strongest_chain_and_their_own_comparison(catalog: Catalog) -> None:
    found = explain(catalog, "shop:1", "stripe:c3")

    assert [(link["record_a"], link["record_b"]) for link in found.links] == [
        ("shop:1", "shop:2"),
        ("shop:2", "stripe:c3"),
    ]
    assert found.comparison
    assert (found.comparison["total_bits"], found.comparison["email"]) == (Decimal("-3.00"), "different (+1.00)")


def test_a_merge_is_stronger_than_evidence_and_named(catalog: Catalog) -> None:
    found = explain(catalog, "hubspot:m", "stripe:c3")

    assert [link["kind"] for link in found.links] == ["merge", "evidence", "evidence"]
    assert "total_bits" not in found.links[0], "this pair was never compared"
    assert found.comparison is None


@pytest.mark.parametrize(
    ("pair", "reason"),
    [
        (("shop:1", "shop:4"), "a conflict"),
        (("shop:5", "shop:6"), "a conflict"),
        (("shop:2", "shop:4"), "a cut"),
        (("stripe:c3", "shop:4"), "a cut"),
        (("shop:1", "shop:5"), "a decision of Ada: met both"),
        (("shop:4", "shop:5"), "decisions that contradict each other"),
        (("shop:4", "shop:6"), "too little evidence"),
        (("stripe:c3", "shop:6"), "never compared"),
    ],
)
def test_of_two_customers_it_is_told_what_parts_them(catalog: Catalog, pair: tuple[str, str], reason: str) -> None:
    found = explain(catalog, *pair)

    assert (found.is_one_customer, found.links) == (False, [])
    assert found.parted_by
    assert found.parted_by.startswith(reason)


@pytest.mark.parametrize(
    ("levels", "bits"),
    [
        ({"first_name": 5, "last_name": 4, "address": 3}, "3.00"),
        ({"first_name": 5, "last_name": 0, "phone": 1}, "4.00"),
        ({"first_name": 5, "last_name": 4, "address": 4}, "5.00"),
        ({"first_name": 5, "last_name": 4, "email": 2}, "4.00"),
        ({"first_name": 5, "last_name": 4, "email": 3}, "2.50"),
        ({"email": 4, "phone": 3}, "9.00"),
    ],
)
def test_a_large_lake_takes_bits_from_names_and_gives_them_to_what_few_share(levels: dict[str, int], bits: str) -> None:
    assert bits_in_lake(_compared("a", "b", "5.00", **levels), 2) == Decimal(bits)


@pytest.mark.parametrize("record", ["shop:99", "no record", "shop:1' or '1' = '1"])
def test_an_unknown_record_is_named_in_the_error(catalog: Catalog, record: str) -> None:
    with pytest.raises(UsageError, match="source:id"):
        explain(catalog, "shop:1", record)


def _indexed(record: str, entity: str) -> dict[str, object]:
    source, _, source_id = record.partition(":")
    group = "d" if entity == "d" else "a"
    return {
        **{"entity_id": entity, "source": source, "source_id": source_id},
        **{"resolution_group": group, "size_offset_bits": 0},
    }


def _compared(low: str, high: str, bits: str, **levels: int) -> dict[str, object]:
    weights = {f"{name}_bits": Decimal("1.00") if name in levels else Decimal("0.00") for name in COMPARISONS}
    found = {f"{name}_level": levels.get(name) for name in COMPARISONS}
    return {"key_low": low, "key_high": high, "rules": "email", **found, **weights, "score_bits": Decimal(bits)}


def _fill(lake: Catalog, name: str, rows: list[dict[str, object]]) -> None:
    types = {"_level": pa.int32(), "offset_bits": pa.int32(), "bits": BITS, "tier": pa.int32()}
    fields = [(key, next((kind for end, kind in types.items() if key.endswith(end)), pa.string())) for key in rows[0]]
    table = pa.Table.from_pylist(rows, schema=pa.schema(fields))
    lake.create_namespace_if_not_exists(name.split(".")[0])
    lake.create_table(name, table.schema).append(table)


def test_the_command_and_the_view_use_the_same_words() -> None:
    macro = (PROJECT_ROOT / "macros/entities/accepted_edges.sql").read_text(encoding="utf-8")
    (told,) = re.findall(r"macro level_words\(\) %}\s*{% do return\((.*?)\) %}", macro, re.DOTALL)

    assert {name: tuple(words) for name, words in ast.literal_eval(told.strip()).items()} == WORDS
