import pyarrow as pa
from pyiceberg.catalog import Catalog

from ingestion.build.state import Built, data_snapshot, load_state, save_state


def test_the_record_is_replaced_whole_and_keeps_one_snapshot(catalog: Catalog) -> None:
    save_state(catalog, {"model.frazil.a": Built("1", {"raw.a": 5, "raw.b": None})})
    save_state(catalog, {"model.frazil.b": Built("2", {}, is_good=False)})

    assert load_state(catalog) == {"model.frazil.b": Built("2", {}, is_good=False)}
    assert len(catalog.load_table("metadata.build_state").snapshots()) == 1


def test_a_lake_that_was_never_built_has_no_record(catalog: Catalog) -> None:
    assert load_state(catalog) == {}


def test_an_append_is_a_change_of_data(catalog: Catalog) -> None:
    catalog.create_namespace_if_not_exists("raw")
    table = catalog.create_table("raw.a", pa.schema([("x", pa.int64())]))
    empty = data_snapshot(table)
    table.append(pa.table({"x": [1]}))
    first = data_snapshot(table)
    table.append(pa.table({"x": [2]}))

    assert empty is None
    assert first is not None
    assert data_snapshot(table) not in (None, first)
    assert data_snapshot(table, first) == first
