"""What `frazil er review` lists, read from a real catalog."""

from pathlib import Path

import pyarrow as pa
from pyiceberg.catalog import Catalog

from ingestion.entities.review import review
from ingestion.lake.catalog import open_catalog
from ingestion.settings import Settings

INDEX = [
    {"entity_id": "ent_a", "source_id": "1", "resolution_group": "shop:1", "is_cut": True},
    {"entity_id": "ent_b", "source_id": "2", "resolution_group": "shop:1", "is_cut": True},
    {"entity_id": "ent_b", "source_id": "3", "resolution_group": "shop:1", "is_cut": True},
    {"entity_id": "ent_c", "source_id": "4", "resolution_group": "shop:4", "is_cut": False},
]
LABELS = [
    {"record_a": "shop:1", "record_b": "shop:2", "is_same_customer": True},
    {"record_a": "shop:1", "record_b": "shop:3", "is_same_customer": False},
    {"record_a": "shop:2", "record_b": "shop:3", "is_same_customer": True},
    {"record_a": "shop:1", "record_b": "shop:4", "is_same_customer": True},
]
BLOCKS = [
    {"rule": "phone", "block_hash": 1, "is_active": False},
    {"rule": "phone", "block_hash": 1, "is_active": False},
    {"rule": "name", "block_hash": 2, "is_active": True},
]


def test_groups_that_were_cut_the_true_pairs_among_them_and_shared_values_are_listed(tmp_path: Path) -> None:
    lake = open_catalog(Settings(home=tmp_path))
    index = [{"source": "shop", "full_name": "Ada", "match_confidence": 0.5, **row} for row in INDEX]
    _fill(lake, "semantic.entity_index", index)
    _fill(lake, "semantic.blocking_index", BLOCKS)
    _fill(lake, "staging.er_labelled_pairs", LABELS)

    found = review(lake, 20)

    assert [(row["resolution_group"], row["record_count"], row["entity_count"]) for row in found.groups] == [
        ("shop:1", 3, 2)
    ]
    assert [(row["record_a"], row["record_b"]) for row in found.true_pairs_cut] == [("shop:1", "shop:2")]
    assert found.shared_by_too_many == [{"rule": "phone", "value_count": 1, "record_count": 2}]
    lake.close()


def _fill(lake: Catalog, name: str, rows: list[dict[str, object]]) -> None:
    table = pa.Table.from_pylist(rows)
    lake.create_namespace_if_not_exists(name.split(".", maxsplit=1)[0])
    lake.create_table(name, table.schema).append(table)
