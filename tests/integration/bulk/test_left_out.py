"""What a load does not read is named by the commands, to people and to programs."""

import json
from typing import Any

from click.testing import CliRunner

from ingestion.cli import cli
from tests.integration.bulk.lab import Lab


def frazil(*words: str) -> str:
    done = CliRunner().invoke(cli, ["bulk", *words], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.stdout


def left_out(*words: str) -> Any:
    return json.loads(frazil(*words, "--json"))["left_out"]


def test_load_and_plan_name_what_is_no_table(lab: Lab) -> None:
    lab.orders(3)
    lab.sql("create view seen as select id from orders")
    (schema,) = {table.schema for table in lab.tables().values()}
    line = f"left out: {schema}.seen: a view: its rows are in other tables"

    said = [frazil("plan", "lab"), frazil("load", "lab")]
    found = [left_out("plan", "lab"), left_out("load", "lab")]

    assert all(line in one.splitlines() for one in said)
    assert found == [{f"{schema}.seen": "a view: its rows are in other tables"}] * 2


def test_what_was_not_asked_for_is_not_named(lab: Lab) -> None:
    lab.orders(3)
    lab.sql("create view seen as select id from orders", "create view order_notes as select note from orders")

    named = left_out("plan", "lab", "--tables", "orders")
    like = left_out("plan", "lab", "--table-filter", "order%")

    assert named == {}
    assert [name.split(".")[1] for name in like] == ["order_notes"]


def test_a_table_without_columns_is_named(pg: Lab) -> None:
    pg.orders(3)
    pg.sql("create table nothing ()")

    assert left_out("load", "lab") == {"public.nothing": "it has no columns"}
