"""What `frazil er explain` says of two records, read from a real catalog."""

import ast
import re
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pytest
from pyiceberg.catalog import Catalog

from ingestion.entities.explain import WORDS, explain
from ingestion.entities.training import COMPARISONS
from ingestion.errors import UsageError
from ingestion.lake.catalog import open_catalog
from ingestion.settings import PROJECT_ROOT, Settings

BITS = pa.decimal128(8, 2)


@pytest.fixture
def catalog(tmp_path: Path) -> Iterator[Catalog]:
    """A lake with one entity of three records in a chain (1 - 2 - 3), and one record that is alone."""
    lake = open_catalog(Settings(home=tmp_path))
    index = [("ent_a", "shop", "1"), ("ent_a", "shop", "2"), ("ent_a", "stripe", "c3"), ("ent_b", "shop", "4")]
    _fill(lake, "entity_index", [dict(zip(("entity_id", "source", "source_id"), row, strict=True)) for row in index])
    _fill(
        lake,
        "er_candidate_edges",
        [
            _edge("shop:1", "shop:2", "9.50", email=4, first_name=5),
            _edge("shop:2", "stripe:c3", "4.00", phone=2),
            _edge("shop:1", "shop:4", "-7.25", last_name=4, first_name=0),
        ],
    )
    yield lake
    lake.close()


def test_a_pair_that_was_compared_shows_each_comparison(catalog: Catalog) -> None:
    found = explain(catalog, "shop:2", "shop:1")

    assert found.is_one_customer
    assert [link["total_bits"] for link in found.links] == [Decimal("9.50")]
    assert found.links[0]["email"] == "equal (+1.00)"
    assert found.links[0]["phone"] == "not said (+0.00)"


def test_records_joined_through_others_show_the_chain(catalog: Catalog) -> None:
    found = explain(catalog, "shop:1", "stripe:c3")

    assert [(link["record_a"], link["record_b"]) for link in found.links] == [
        ("shop:1", "shop:2"),
        ("shop:2", "stripe:c3"),
    ]


def test_records_of_two_customers_show_what_speaks_against_it(catalog: Catalog) -> None:
    found = explain(catalog, "shop:1", "shop:4")

    assert not found.is_one_customer
    assert found.links[0]["first_name"] == "different (+1.00)"


def test_records_that_were_never_compared_have_no_links(catalog: Catalog) -> None:
    found = explain(catalog, "stripe:c3", "shop:4")

    assert (found.is_one_customer, found.links) == (False, [])


@pytest.mark.parametrize("record", ["shop:99", "no record", "shop:1' or '1' = '1"])
def test_an_unknown_record_is_named_in_the_error(catalog: Catalog, record: str) -> None:
    with pytest.raises(UsageError, match="source:id"):
        explain(catalog, "shop:1", record)


def _edge(low: str, high: str, bits: str, **levels: int) -> dict[str, object]:
    weights = {f"{name}_bits": Decimal("1.00") if name in levels else Decimal("0.00") for name in COMPARISONS}
    found = {f"{name}_level": levels.get(name) for name in COMPARISONS}
    return {"key_low": low, "key_high": high, "rules": "email", **found, **weights, "score_bits": Decimal(bits)}


def _fill(lake: Catalog, name: str, rows: list[dict[str, object]]) -> None:
    types = {"_level": pa.int32(), "_bits": BITS}
    fields = [(key, next((kind for end, kind in types.items() if key.endswith(end)), pa.string())) for key in rows[0]]
    table = pa.Table.from_pylist(rows, schema=pa.schema(fields))
    lake.create_namespace_if_not_exists("semantic")
    lake.create_table(f"semantic.{name}", table.schema).append(table)


def test_the_command_and_the_view_use_the_same_words() -> None:
    macro = (PROJECT_ROOT / "macros/entities/accepted_edges.sql").read_text(encoding="utf-8")
    (told,) = re.findall(r"macro level_words\(\) %}\s*{% do return\((.*?)\) %}", macro, re.DOTALL)

    assert {name: tuple(words) for name, words in ast.literal_eval(told.strip()).items()} == WORDS
