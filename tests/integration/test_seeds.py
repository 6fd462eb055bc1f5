"""Seeds on Spark: cells arrive as they stand in the file, and an unchanged file is not written again."""

import csv
from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest
import yaml
from dbt.cli.main import dbtRunner

from ingestion.settings import PROJECT_ROOT, Settings
from tests.support.lake import Lake

pytestmark = pytest.mark.spark

COLUMNS = {"name": "string", "rate": "decimal(9, 4)", "since": "date", "count": "int"}
AWKWARD = [
    ('O\'Brien said "no"', "0.06", "2026-01-31", "1"),
    ("back\\slash and \\n and 50%", "", "", ""),
    ("{{ not_a_template }} -- ; é 東京", "-12.5", "1969-12-31", "-3"),
    ("two\nlines, and a comma", "1", "", "7"),
]
AS_STORED = {
    (AWKWARD[0][0], Decimal("0.0600"), date(2026, 1, 31), 1),
    (AWKWARD[1][0], None, None, None),
    (AWKWARD[2][0], Decimal("-12.5000"), date(1969, 12, 31), -3),
    (AWKWARD[3][0], Decimal("1.0000"), None, 7),
}


@pytest.fixture
def lake(settings: Settings) -> Lake:
    """An empty lake."""
    return Lake(settings)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project with this one's macros and a seed of its own, `rates`."""
    root = tmp_path / "project"
    (root / "seeds").mkdir(parents=True)
    (root / "macros").symlink_to(PROJECT_ROOT / "macros")
    settings = yaml.safe_load((PROJECT_ROOT / "dbt_project.yml").read_text(encoding="utf-8"))
    (root / "dbt_project.yml").write_text(yaml.safe_dump(settings), encoding="utf-8")
    described = {"seeds": [{"name": "rates", "config": {"column_types": COLUMNS}}]}
    (root / "seeds" / "rates.yml").write_text(yaml.safe_dump(described), encoding="utf-8")
    return root


def write_seed(project: Path, rows: Sequence[tuple[str, ...]]) -> None:
    with (project / "seeds" / "rates.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([tuple(COLUMNS), *rows])


def load_seed(project: Path, *words: str) -> None:
    done = dbtRunner().invoke(["seed", "--quiet", "--project-dir", str(project), *words])
    assert done.success, done.exception or [result.message for result in done.result.results]  # type: ignore[union-attr]


def test_awkward_cells_arrive_as_they_stand_in_the_file(lake: Lake, project: Path) -> None:
    write_seed(project, AWKWARD)

    load_seed(project)

    assert {tuple(row.values()) for row in lake.rows("staging.rates")} == AS_STORED


def test_an_unchanged_seed_commits_nothing_and_a_changed_one_keeps_the_tables_history(
    lake: Lake, project: Path
) -> None:
    write_seed(project, AWKWARD)
    load_seed(project)
    first = lake.snapshot_ids()

    load_seed(project)
    second = lake.snapshot_ids()
    write_seed(project, AWKWARD[:2])
    load_seed(project)
    third = lake.snapshot_ids()

    assert first["staging.rates"] == second["staging.rates"]
    assert third["staging.rates"][:-1] == first["staging.rates"]
    assert len(lake.rows("staging.rates")) == 2


def test_a_seed_without_rows_is_an_empty_table(lake: Lake, project: Path) -> None:
    write_seed(project, [])

    load_seed(project)

    assert lake.rows("staging.rates") == []
