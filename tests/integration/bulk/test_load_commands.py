"""`frazil bulk load` and `frazil schema changes` with the options that people type."""

import json
from typing import Any

import pytest
from click.testing import CliRunner, Result

from ingestion.bulk.load import Load
from ingestion.bulk.marks import marks_of
from ingestion.cli import cli
from ingestion.errors import UsageError
from tests.integration.bulk.lab import Lab


def frazil(*words: str) -> Result:
    return CliRunner().invoke(cli, words)


def document(*words: str) -> Any:
    result = frazil(*words, "--json")
    assert result.exit_code == 0, (result.output, result.exception)
    return json.loads(result.stdout)


def by_table(rows: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {row["source_table"].split(".")[-1]: row for row in rows}


@pytest.fixture
def shop(lab: Lab) -> Lab:
    """Two tables whose names begin with S_, in capitals, and one that does not."""
    quote = '"' if lab.dialect_name == "postgres" else "`"
    lab.orders(6000)
    for name in ("S_ORDERS", "S_LINES"):
        lab.sql(f"create table {quote}{name}{quote} (id integer primary key, note varchar(20))")
        lab.sql(f"insert into {quote}{name}{quote} values (1, 'a'), (2, null)")
    lab.sql(f"create table {quote}SALES{quote} (id integer primary key)")
    return lab


def test_a_filter_in_capitals_takes_the_tables_that_are_like_it(shop: Lab) -> None:
    words = ("bulk", "load", "lab", "--table-filter", "S_%")

    found = by_table(document(*words)["tables"])

    assert {name: (row["status"], row["rows"]) for name, row in found.items()} == {
        "SALES": ("loaded", 0),
        "S_LINES": ("loaded", 2),
        "S_ORDERS": ("loaded", 2),
    }
    assert sorted(name for _, name in shop.catalog.list_tables("raw")) == ["lab_s_lines", "lab_s_orders", "lab_sales"]


def test_readers_workers_and_engine_are_what_the_command_says(shop: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Any] = []
    plain = Load._run

    def run(self: Load, *words: Any) -> Any:
        seen.append(self._options)
        return plain(self, *words)

    monkeypatch.setattr(Load, "_run", run)

    result = frazil(
        *("bulk", "load", "lab", "--parallel-tables", "3", "--parallel-workers", "2", "--engine", "copy", "--no-proof")
    )

    (options,) = seen
    assert result.exit_code == 0, result.output
    assert (options.parallel_tables, options.parallel_workers, options.engine) == (3, 2, "copy")
    assert "raw.lab_orders" in result.stdout
    (mark,) = marks_of(shop.catalog.load_table("raw.lab_orders")).values()
    assert (mark.engine, mark.rows, {done.hash for done in mark.done.values()}) == ("copy", 6000, {None})


@pytest.mark.parametrize("words", [("--parallel-tables", "0"), ("--parallel-workers", "none"), ("--engine", "fast")])
def test_options_out_of_their_range_are_wrong_use(lab: Lab, words: tuple[str, ...]) -> None:
    lab.orders(1)

    result = frazil("bulk", "load", "lab", *words)

    assert result.exit_code == 2
    assert words[0] in result.output


def test_a_dry_run_says_what_would_be_done_and_does_nothing(lab: Lab) -> None:
    lab.orders(6000)
    words = ("bulk", "load", "lab", "--dry-run")

    [begun] = document(*words)
    for_people = frazil(*words)
    nothing = lab.catalog.list_tables("raw")
    lab.load()
    [complete] = document(*words)
    [anew] = document(*words, "--no-resume")

    assert (begun["source_table"].split(".")[1], begun["intent"], nothing) == ("orders", "begin", [])
    assert begun["rows"] > 3000
    assert begun["bytes"] > 0
    assert "lab by copy" in for_people.stdout
    assert (complete["intent"], complete["chunks_left"]) == ("complete", 0)
    assert anew["intent"] == "begin"
    assert len(marks_of(lab.catalog.load_table("raw.lab_orders"))) == 1


def test_no_resume_makes_one_more_copy_and_a_plain_load_none(lab: Lab) -> None:
    lab.orders(100)
    words = ("bulk", "load", "lab")

    first, again, other = (document(*words, *more)["tables"][0] for more in ((), (), ("--no-resume",)))

    assert (first["status"], again["status"], other["status"]) == ("loaded", "complete", "loaded")
    assert again["run_id"] == first["run_id"] != other["run_id"]
    assert lab.catalog.load_table("raw.lab_orders").scan().count() == 200


def test_changes_of_columns_are_listed_newest_first_and_by_table(lab: Lab) -> None:
    lab.orders(10)
    lab.sql("create table users (id integer primary key)")
    lab.load()
    lab.sql("alter table orders add column colour varchar(10)")
    lab.load(is_resumed=False)

    every = document("schema", "changes")
    of_orders = document("schema", "changes", "--source", "lab", "--table", "raw.lab_orders")
    for_people = frazil("schema", "changes")
    unknown = frazil("schema", "changes", "--source", "labb")

    kinds = [(row["change_type"], row["column_name"]) for row in of_orders]
    assert kinds == [("column_added", "colour"), ("baseline", None)]
    assert of_orders[0]["type_after"]
    assert {row["table_name"] for row in every} == {"raw.lab_orders", "raw.lab_users"}
    assert len(every) == 3
    assert "colour" in for_people.stdout
    assert isinstance(unknown.exception, UsageError)


def test_before_a_first_load_no_change_is_known(lab: Lab) -> None:
    assert document("schema", "changes") == []
