"""What expiry takes away: files that no kept snapshot needs, and nothing else."""

from pathlib import Path

import yaml
from pyiceberg.catalog import Catalog
from pyiceberg.table import Table

from ingestion.lake.append import AppendTable
from ingestion.lake.expire import KEEP_AT_MOST, KEEP_NEWEST, READER_MINUTES
from ingestion.lake.manifests import FAN_OUT
from ingestion.settings import PROJECT_ROOT, Settings
from tests.unit.lake.conftest import Clock, things
from tests.unit.lake.deliveries import column, files_of

_MINUTE = 60_000_000


def append(lake: AppendTable, clock: Clock, first: int, count: int, minutes: float = 1.0) -> None:
    for number in range(first, first + count):
        clock.now += int(minutes * _MINUTE)
        lake.append(things(str(number)), "r", {"a": number})


def named_files(table: Table) -> set[str]:
    """Every metadata and data file that a kept snapshot reaches."""
    named = set()
    for snapshot in table.snapshots():
        named.add(snapshot.manifest_list)
        for manifest in snapshot.manifests(table.io):
            named.add(manifest.manifest_path)
            named.update(entry.data_file.file_path for entry in manifest.fetch_manifest_entry(table.io))
    return {Path(name.removeprefix("file://")).name for name in named}


def test_young_snapshots_and_the_newest_stay(catalog: Catalog, table: str, clock: Clock) -> None:
    lake = AppendTable(catalog, table, clock)
    append(lake, clock, 0, 100, minutes=1.0)

    ages = [(clock.now // 1000 - found.timestamp_ms) / 60_000 for found in catalog.load_table(table).snapshots()]
    assert len(ages) >= KEEP_NEWEST
    assert sum(age <= READER_MINUTES for age in ages) == READER_MINUTES + 1
    assert max(ages) <= KEEP_NEWEST + 10


def test_the_models_know_how_long_a_snapshot_stays() -> None:
    project = yaml.safe_load((PROJECT_ROOT / "dbt_project.yml").read_text(encoding="utf-8"))

    assert project["vars"]["sink_keeps"] == {
        "snapshots": KEEP_NEWEST,
        "minutes": READER_MINUTES,
        "at_most": KEEP_AT_MOST,
    }


def test_files_left_on_disk_are_those_that_kept_snapshots_name(
    catalog: Catalog, table: str, clock: Clock, settings: Settings
) -> None:
    lake = AppendTable(catalog, table, clock)

    append(lake, clock, 0, FAN_OUT * 5)

    on_disk = {path.name for ending in (".avro", ".parquet") for path in files_of(settings, table, ending)}
    assert on_disk == named_files(catalog.load_table(table))
    assert len(column(catalog, table, "id")) == FAN_OUT * 5


def test_files_that_a_delete_took_out_of_the_table_go_with_the_snapshot_before_it(
    catalog: Catalog, table: str, clock: Clock, settings: Settings
) -> None:
    lake = AppendTable(catalog, table, clock)
    append(lake, clock, 0, 5)
    catalog.load_table(table).delete("id = '3'")
    lake.table.refresh()

    append(lake, clock, 5, 60)

    on_disk = {path.name for ending in (".avro", ".parquet") for path in files_of(settings, table, ending)}
    assert on_disk == named_files(catalog.load_table(table))
    assert sorted(map(int, column(catalog, table, "id"))) == [0, 1, 2, 4, *range(5, 65)]


def test_a_tagged_snapshot_is_never_touched(catalog: Catalog, table: str, clock: Clock) -> None:
    lake = AppendTable(catalog, table, clock)
    append(lake, clock, 0, 3)
    kept = lake.table.metadata.current_snapshot_id
    assert kept is not None
    catalog.load_table(table).manage_snapshots().create_tag(kept, "audit").commit()
    lake.table.refresh()

    append(lake, clock, 3, 60)

    stored = catalog.load_table(table)
    assert len(stored.scan(snapshot_id=kept).to_arrow()) == 3
    assert len(column(catalog, table, "id")) == 63


def test_a_snapshot_expired_young_keeps_its_files_until_its_readers_are_done(
    catalog: Catalog, table: str, clock: Clock, settings: Settings
) -> None:
    lake = AppendTable(catalog, table, clock)
    append(lake, clock, 0, KEEP_AT_MOST + 30, minutes=0.001)
    kept = len(catalog.load_table(table).snapshots())
    lists = [path for path in files_of(settings, table, ".avro") if path.name.startswith("snap-")]

    clock.now += (READER_MINUTES + 1) * _MINUTE
    append(lake, clock, KEEP_AT_MOST + 30, 1)

    on_disk = {path.name for ending in (".avro", ".parquet") for path in files_of(settings, table, ending)}
    assert kept <= KEEP_AT_MOST + 10
    assert len(lists) == KEEP_AT_MOST + 30
    assert on_disk == named_files(catalog.load_table(table))


def test_files_that_other_maintenance_took_first_stop_nothing(
    catalog: Catalog, table: str, clock: Clock, settings: Settings
) -> None:
    lake = AppendTable(catalog, table, clock)
    append(lake, clock, 0, FAN_OUT + 5)
    newest = lake.table.metadata.current_snapshot()
    assert newest is not None
    for path in files_of(settings, table, ".avro"):
        if path.name.startswith("snap-") and path.name not in newest.manifest_list:
            path.unlink()

    append(lake, clock, FAN_OUT + 5, 40)

    assert len(column(catalog, table, "id")) == FAN_OUT + 45
