"""SQL over the lake: right rows, only the columns named, and no way out of the lake."""

from pathlib import Path

import pyarrow as pa
import pytest
from pyiceberg.catalog import Catalog

from ingestion.errors import UsageError
from ingestion.lake.append import AppendTable
from ingestion.lake.query import query
from tests.unit.lake.conftest import things


@pytest.fixture
def lake(catalog: Catalog, table: str) -> Catalog:
    """A lake whose one table holds the ids 1 to 4 in three commits."""
    writer = AppendTable(catalog, table)
    writer.append(things("1"), "r", {})
    writer.append(things("2"), "r", {})
    writer.append(things("3", "4"), "r", {})
    return catalog


def ids(found: pa.Table) -> list[str]:
    return sorted(found["id"].to_pylist())


def test_rows_of_all_commits_are_read_and_deleted_ones_are_not(lake: Catalog) -> None:
    lake.load_table("raw.lab_things").delete("id = '2'")

    assert ids(query(lake, "select * from raw.lab_things")) == ["1", "3", "4"]
    assert query(lake, "select count(*) as n from lake.raw.lab_things").to_pylist() == [{"n": 3}]


def test_a_table_named_twice_is_whole_both_times(lake: Catalog) -> None:
    joined = query(lake, "select a.id from raw.lab_things as a join raw.lab_things as b on a.id = b.id")
    common = query(lake, "with t as (select id from raw.lab_things) select x.id from t as x join t as y on x.id = y.id")

    assert ids(joined) == ids(common) == ["1", "2", "3", "4"]


@pytest.mark.parametrize(
    "sql",
    [
        "select id from raw.lab_things as t where t is not null",
        "select ID from raw.lab_things where _PAYLOAD = '{}'",
        "select id from raw.lab_things natural join (select id, _run_id from raw.lab_things)",
        "select id from (from raw.lab_things)",
        "select columns('id') from raw.lab_things",
        "select id from raw.lab_things group by id, _run_id having max(_loaded_at) > timestamp '2020-01-01'",
        "select id from raw.lab_things order by _payload, 1",
        "select l.id from raw.lab_things as l join raw.lab_things using (id, _payload)",
    ],
)
def test_every_way_to_name_a_column_finds_it(lake: Catalog, sql: str) -> None:
    assert ids(query(lake, sql)) == ["1", "2", "3", "4"]


def test_times_are_in_utc(lake: Catalog) -> None:
    (row,) = query(lake, "select max(_loaded_at) as newest from raw.lab_things").to_pylist()

    assert str(row["newest"].tzinfo) == "UTC"


def test_an_unknown_table_is_answered_with_near_names(lake: Catalog) -> None:
    with pytest.raises(UsageError, match=r"near names: raw\.lab_things"):
        query(lake, "select * from raw.lab_thing")
    with pytest.raises(UsageError, match=r"near names: raw\.lab_things"):
        query(lake, "select * from lab_things")


@pytest.mark.parametrize(
    "sql", ["delete from raw.lab_things", "select 1; select 2", "selec 1", "drop table raw.lab_things", ""]
)
def test_anything_but_one_select_is_refused(lake: Catalog, sql: str) -> None:
    with pytest.raises(UsageError):
        query(lake, sql)


def test_no_file_is_read_or_written(lake: Catalog, tmp_path: Path) -> None:
    (tmp_path / "secret.csv").write_text("a\n1\n", encoding="utf-8")

    for sql in (
        f"select * from read_csv('{tmp_path}/secret.csv')",
        f"select * from '{tmp_path}/secret.csv'",
        f"select * from read_text('{tmp_path}/secret.csv')",
        f"select * from glob('{tmp_path}/*')",
    ):
        with pytest.raises(UsageError):
            query(lake, sql)
