"""`frazil reconcile`, `frazil tables validate` and the exit codes of loads, as a user types them."""

import json
import re
import time
from typing import Any

import pyarrow as pa
import pytest
from click.testing import CliRunner, Result

from ingestion.bulk.marks import newest_complete
from ingestion.bulk.reconcile import Checked
from ingestion.bulk.state import STATUS, STATUS_COLUMNS, State
from ingestion.cdc import proof
from ingestion.cli import cli
from ingestion.errors import RetryableError, UsageError
from ingestion.overview.figures import figures
from ingestion.overview.metrics import values_of
from tests.integration.bulk.lab import Lab


def frazil(*words: str) -> Result:
    return CliRunner().invoke(cli, words)


def rows_of(result: Result) -> Any:
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return json.loads(result.stdout)


def test_reconcile_proves_a_load_after_the_source_went_on(lab: Lab) -> None:
    lab.orders(3000)
    lab.load()
    lab.sql("update orders set note = 'later' where id = 7")

    result = frazil("reconcile", "lab", "--json")

    [row] = rows_of(result)["tables"]
    assert result.exit_code == 0
    assert (row["table"], row["is_equal"], row["basis"]) == ("raw.lab_orders", True, "load")
    assert (row["source_rows"], row["lake_rows"]) == (3000, 3000)
    assert row["chunks"] == row["chunks_equal"] > 1


def test_reconcile_names_the_keys_that_differ_now_and_exits_3(lab: Lab) -> None:
    lab.orders(3000)
    lab.load()
    lab.sql("update orders set note = 'later' where id = 7", "delete from orders where id = 2999")
    lab.sql("insert into orders values (5000, 'new', 1, 1)")

    result = frazil("reconcile", "lab", "--now", "--json")

    [row] = rows_of(result)["tables"]
    assert result.exit_code == 3
    assert {(key["key"][0], key["what"]) for key in row["keys"]} == {
        ("7", "differs"),
        ("2999", "only in lake"),
        ("5000", "only in source"),
    }


def test_reconcile_of_a_table_that_was_never_loaded_exits_3_and_says_how_to_load_it(lab: Lab) -> None:
    lab.orders(10)

    result = frazil("reconcile", "lab", "--json")

    [row] = rows_of(result)["tables"]
    assert result.exit_code == 3
    assert row["problems"] == ["is not in the lake; run `frazil bulk load lab`"]


def test_a_table_of_a_followed_source_is_never_proven_by_its_own_copy(
    followed_lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(proof, "_PART_BYTES", 64 * 1024)  # so that its keys are compared in parts
    followed_lab.orders(3000)
    followed_lab.load()
    unchanged = frazil("reconcile", "lab", "--wait", "0", "--json")
    followed_lab.sql(
        "update orders set note = 'later' where id in (7, 2000)",
        "delete from orders where id = 2999",
        "insert into orders values (5000, 'new', 1, 1)",
    )

    result = frazil("reconcile", "lab", "--wait", "0", "--json")

    [before], [row] = rows_of(unchanged)["tables"], rows_of(result)["tables"]
    assert (unchanged.exit_code, before["is_equal"], before["basis"]) == (0, True, "log")
    assert (result.exit_code, row["is_equal"], row["basis"]) == (3, False, "log")
    assert row["problems"] == [
        "has changed since it was copied, and no change came by the log; see `frazil cdc status lab` and "
        "`frazil cdc sink lab`"
    ]
    assert [(key["key"][0], key["what"]) for key in row["keys"]] == [
        ("2000", "differs"),
        ("2999", "only in lake"),
        ("5000", "only in source"),
        ("7", "differs"),
    ]


def test_a_table_of_a_followed_source_that_was_never_loaded_says_how_to_load_it(followed_lab: Lab) -> None:
    followed_lab.orders(10)

    result = frazil("reconcile", "lab", "--wait", "0", "--json")

    [row] = rows_of(result)["tables"]
    [table] = followed_lab.tables().values()
    assert (result.exit_code, row["basis"]) == (3, "none")
    assert row["problems"] == [f"is not in the lake; run `frazil bulk load lab --tables {table.schema}.orders`"]


def test_tables_that_are_not_in_the_lake_are_waited_for_once(
    followed_lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    deadlines, pauses, check = [], list[list[float]](), proof.check_followed

    def sleep(seconds: float) -> None:
        pauses[-1].append(seconds)
        time.sleep(seconds)

    def watched(catalog: Any, source: Any, reader: Any, position: Any, table: Any, deadline: float) -> Checked:
        pauses.append([])
        deadlines.append(deadline)
        return check(catalog, source, reader, position, table, deadline, sleep)

    monkeypatch.setattr(proof, "check_followed", watched)
    followed_lab.sql(*(f"create table {name} (id integer primary key)" for name in ("one", "two", "three")))

    result = frazil("reconcile", "lab", "--wait", "0.7", "--json")

    rows = rows_of(result)["tables"]
    assert result.exit_code == 3
    assert all("is not in the lake" in row["problems"][0] for row in rows)
    assert len(deadlines) == 3
    assert len(set(deadlines)) == 1
    assert pauses[1:] == [[], []]


def test_validate_counts_both_sides_and_names_what_is_missing(lab: Lab) -> None:
    lab.orders(100)
    lab.sql("create table nothing (id integer primary key)")
    lab.load()
    lab.sql("create table late (id integer primary key)", "insert into late values (1)")

    missing = frazil("tables", "validate", "lab", "--json")
    found = frazil("tables", "validate", "lab", "--no-check-missing", "--hide-empty", "--json")

    assert missing.exit_code == 3
    statuses = {row["source_table"].split(".")[1]: row["status"] for row in rows_of(missing)}
    assert statuses == {"late": "missing", "nothing": "ok", "orders": "ok"}
    assert found.exit_code == 0
    [row] = rows_of(found)
    assert (row["source_rows"], row["loaded_rows"], row["lake_rows"]) == (100, 100, 100)
    told = json.loads(missing.stderr.splitlines()[-1])
    assert (told["event"], told["done"], told["total"], told["seconds_left"]) == ("validate", 3, 3, 0.0)


def test_proofs_of_an_unknown_source_or_a_server_that_is_away_have_their_own_exit_codes(lab: Lab) -> None:
    lab.orders(1)
    unknown = [frazil("reconcile", "labb"), frazil("tables", "validate", "labb")]
    lab.configure(port=1)
    away = [frazil("reconcile", "lab"), frazil("tables", "validate", "lab")]

    assert [type(one.exception) for one in unknown] == [UsageError, UsageError]
    assert all(isinstance(one.exception, UsageError | RetryableError) for one in away)
    assert all(len(str(one.exception).splitlines()) == 1 for one in away)


def test_a_plan_has_the_chunks_that_a_load_makes(lab: Lab) -> None:
    lab.orders(6000)
    lab.configure(parallel_tables=3)

    [planned] = rows_of(frazil("bulk", "plan", "lab", "--json"))["tables"]
    lab.load()

    newest = newest_complete(lab.catalog.load_table("raw.lab_orders"))
    assert newest is not None
    assert [chunk["id"] for chunk in planned["chunks"]] == [chunk.id for chunk in newest[1].chunks]
    assert len(planned["chunks"]) > 1


def test_a_plan_shows_people_its_chunks_and_types_where_they_ask(lab: Lab) -> None:
    lab.orders(6000)

    [planned] = rows_of(frazil("bulk", "plan", "lab", "--json"))["tables"]
    short = frazil("bulk", "plan", "lab").stdout
    long = frazil("bulk", "plan", "lab", "--chunks", "--columns").stdout

    ids = [chunk["id"] for chunk in planned["chunks"]]
    assert len(ids) > 1
    assert [one for one in ids if one in short] == []
    assert [one for one in ids if one not in long] == []
    assert re.search(r"amount\W+(numeric|decimal)\(12,2\)\W+decimal\(12, 2\)", long)


@pytest.mark.parametrize("policy", ["keep_text", "null", "clamp"])
def test_values_out_of_range_are_counted_whatever_becomes_of_them(pg: Lab, policy: str) -> None:
    pg.configure(out_of_range=policy)
    pg.sql("create table days (id integer primary key, day date, at timestamp)")
    pg.sql("insert into days values (1, 'infinity', '2024-01-01'), (2, '2024-01-01', '-infinity'), (3, null, null)")

    result = frazil("bulk", "load", "lab", "--json")

    [row] = rows_of(result)["tables"]
    assert (result.exit_code, row["rows"], row["out_of_range"]) == (0, 3, 2)
    assert all(one.is_equal for one in pg.checked())


def test_the_count_of_values_out_of_range_is_shown_and_kept_in_the_status(pg: Lab) -> None:
    without = [one for one in STATUS_COLUMNS if one.name != "out_of_range"]
    pg.catalog.create_table(STATUS, pa.schema(without))  # as it was made before it had this column
    pg.sql("create table days (id integer primary key, day date)", "insert into days values (1, 'infinity')")

    shown = frazil("bulk", "load", "lab").stdout.splitlines()
    (status,) = State(pg.catalog, pg.settings.home_dir).statuses("lab")
    values = values_of({**figures(pg.settings, pg.catalog), "slots": []})

    names, numbers = (re.split(r"[│┃]", line)[1:-1] for line in (shown[2], shown[4]))
    row = dict(zip(map(str.strip, names), map(str.strip, numbers), strict=True))
    assert (row["table"], row["out_of_range"]) == ("raw.lab_days", "1")
    assert (status["rows"], status["out_of_range"]) == (1, 1)
    assert values["frazil_database_out_of_range_values"] == [(("lab", "raw.lab_days"), 1.0)]


def test_a_value_that_its_contract_refuses_exits_3_and_names_the_column(pg: Lab) -> None:
    pg.configure(out_of_range="fail")
    pg.sql("create table days (id integer primary key, day date)", "insert into days values (1, 'infinity')")

    result = frazil("bulk", "load", "lab", "--json")

    assert result.exit_code == 3
    assert "days.day: 'infinity' does not fit" in result.stderr
    assert pg.catalog.load_table("raw.lab_days").current_snapshot() is None


def test_a_table_that_fails_otherwise_exits_1(pg: Lab) -> None:
    pg.configure(max_retries=0)
    pg.orders(10)
    in_the_way = pg.settings.home_dir / "warehouse" / "raw"
    in_the_way.parent.mkdir(parents=True, exist_ok=True)
    in_the_way.write_text("a file where the tables' folder should be")

    result = frazil("bulk", "load", "lab", "--json")

    assert result.exit_code == 1
    assert "go on with: frazil bulk load lab --tables public.orders" in result.stderr
