"""Merging manifests in tiers changes how rows are listed, never which rows there are."""

from pyiceberg.catalog import Catalog

from ingestion.lake.append import AppendTable
from ingestion.lake.manifests import FAN_OUT
from tests.unit.lake.conftest import things
from tests.unit.lake.deliveries import column


def test_many_commits_have_few_manifests_and_every_row_once(catalog: Catalog, table: str) -> None:
    lake = AppendTable(catalog, table)
    count = FAN_OUT * FAN_OUT + FAN_OUT + 3

    for number in range(count):
        lake.append(things(str(number)), "r", {})

    snapshot = catalog.load_table(table).current_snapshot()
    assert snapshot is not None
    assert len(snapshot.manifests(lake.table.io)) <= 2 * FAN_OUT + 3
    assert sorted(map(int, column(catalog, table, "id"))) == list(range(count))


def test_merged_entries_keep_the_numbers_that_deletes_rely_on(catalog: Catalog, table: str) -> None:
    lake = AppendTable(catalog, table)

    for number in range(FAN_OUT + 2):
        lake.append(things(str(number)), "r", {})

    snapshot = catalog.load_table(table).current_snapshot()
    assert snapshot is not None
    entries = [
        entry for found in snapshot.manifests(lake.table.io) for entry in found.fetch_manifest_entry(lake.table.io)
    ]
    assert {entry.sequence_number for entry in entries} == set(range(1, FAN_OUT + 3))
    assert len(entries) == FAN_OUT + 2
    assert len({entry.snapshot_id for entry in entries}) == FAN_OUT + 2
