"""What killed builds leave beside the lake goes, and what a living one keeps stays."""

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

from ingestion.lake.maintenance.steps import remove_left_steps

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)


def steps_of(folder: Path, name: str, *ages: timedelta) -> Path:
    """The folder of a run whose files are so old."""
    run = folder / name
    table = run / "entity_index__touched"
    table.mkdir(parents=True)
    paths = [table / f"part-{number}.parquet" for number, _ in enumerate(ages)]
    for path in paths:
        path.write_bytes(b"rows")
    for path, age in zip([*paths, table, run], [*ages, max(ages), max(ages)], strict=True):
        moment = (NOW - age).timestamp()
        os.utime(path, (moment, moment))
    return run


def test_only_what_no_run_has_written_for_a_day_is_removed(tmp_path: Path) -> None:
    killed = steps_of(tmp_path, "run_a.db", timedelta(hours=25))
    long = steps_of(tmp_path, "run_b.db", timedelta(hours=40), timedelta(hours=2))

    removed = remove_left_steps(tmp_path, NOW)

    assert removed == [killed.name]
    assert not killed.exists()
    assert len(list(long.rglob("*.parquet"))) == 2


def test_a_lake_whose_builds_kept_nothing_has_nothing_to_remove(tmp_path: Path) -> None:
    assert remove_left_steps(tmp_path / "steps", NOW) == []
