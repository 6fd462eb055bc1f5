"""What `frazil bulk check` finds: each state that a real server can be put into, and what is to be done about it."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from pyiceberg.catalog import Catalog

from ingestion.bulk.dialects.postgres import check as postgres_check
from ingestion.bulk.model import Finding
from ingestion.cli import cli
from ingestion.errors import UsageError
from ingestion.settings import Settings
from ingestion.stack.parts import mariadb as mariadb_part
from tests.integration.bulk.lab import Lab, lab_of
from tests.support.databases import TestMariaDb, running

CDC = ("bulk", "cdc")


def findings(lab: Lab, **changed: Any) -> list[Finding]:
    """All lines; each that did not pass says what to do, and no other does."""
    lab.configure(**changed)
    found = list(lab.dialect.check(lab.source))
    assert [one for one in found if bool(one.fix) != (one.level != "pass")] == []
    return found


def problems(lab: Lab, **changed: Any) -> dict[str, tuple[str, str, str]]:
    """Level, message and fix of what did not pass, by check."""
    return {one.check: (one.level, one.message, one.fix) for one in findings(lab, **changed) if one.level != "pass"}


@contextmanager
def user(lab: Lab, *grants: str) -> Iterator[dict[str, str]]:
    """A user of this test alone, `{}` in the grants, as the source's options; dropped at the end."""
    name = f"user_{lab.facts.database}"
    is_postgres = lab.dialect_name == "postgres"
    made = "create role {} login password 'secret'" if is_postgres else "create user {} identified by 'secret'"
    os.environ["CHECKED_PASSWORD"] = "secret"
    lab.sql(*(one.format(name) for one in (made, *grants)))
    try:
        yield {"user": name, "password": "${CHECKED_PASSWORD}"}
    finally:
        lab.sql(*([f"drop owned by {name}", f"drop role {name}"] if is_postgres else [f"drop user {name}"]))


def test_types_are_shown_with_their_mapping_and_what_becomes_of_values_that_do_not_fit(lab: Lab) -> None:
    lab.orders(10)
    lab.sql("create table days (id integer primary key, day date, other date)")
    columns = {"columns": {"other": {"out_of_range": "fail"}}}

    found = [(one.check, one.message) for one in findings(lab, out_of_range="null", tables={"days": columns})]

    text = "character varying" if lab.dialect_name == "postgres" else "varchar"
    exact = "numeric" if lab.dialect_name == "postgres" else "decimal"
    assert ("types", "bigint as long: orders.id") in found
    assert ("types", f"{text} as string: orders.note") in found
    assert ("types", f"{exact}(12,2) as decimal(12, 2): orders.amount") in found
    assert ("types", "date as date: days.day, days.other") in found
    does_not_fit = "a value that its raw type cannot hold becomes"
    numbers = ", orders.amount" if lab.dialect_name == "postgres" else ""
    assert ("out of range", f"{does_not_fit} null: days.day{numbers}") in found
    assert ("out of range", f"{does_not_fit} an error that stops the table's load: days.other") in found


def test_the_command_prints_each_problem_with_its_fix_and_fails_when_one_is_grave(lab: Lab) -> None:
    lab.sql("create table logs (line integer)")

    warned = CliRunner().invoke(cli, ["bulk", "check", "lab"])
    lab.configure(include=["nothing"])
    failed = CliRunner().invoke(cli, ["bulk", "check", "lab"])

    assert (warned.exit_code, failed.exit_code) == (0, 1)
    assert "no primary key" in warned.stdout
    assert "fix: add a primary key where you can" in " ".join(warned.stdout.split())
    assert "fix: correct `schemas`, `include` and `exclude`" in " ".join(failed.stdout.split())


def test_rows_that_a_policy_hides_from_the_user_fail(pg: Lab) -> None:
    pg.orders(10)
    pg.sql("alter table orders enable row level security")

    with user(pg, "grant select on orders to {}") as options:
        found = problems(pg, **options)

    name, schema = options["user"], "public"
    fix = f"alter role {name} bypassrls, or exclude the table"
    assert found["row security"] == ("fail", f"{schema}.orders hides rows from {name}", fix)


def test_a_database_that_promises_nothing_about_its_text_is_told(
    pg: Lab, settings: Settings, catalog: Catalog, tmp_path: Path
) -> None:
    name = f"{pg.facts.database}_ascii"
    locale = "locale_provider libc lc_collate 'C' lc_ctype 'C'"
    pg.sql(f"create database {name} template template0 encoding 'SQL_ASCII' {locale}")
    with lab_of("postgres", replace(pg.facts, database=name), settings, catalog, tmp_path) as lab:
        lab.orders(1)
        found = problems(lab)

    assert found["encoding"][:2] == ("warn", "SQL_ASCII promises nothing about the bytes of text")


def test_slots_that_are_all_in_use_or_hold_too_much_log_are_told(pg: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    pg.orders(10)
    free = "current_setting('max_replication_slots')::int - (select count(*) from pg_replication_slots)"
    slot = f"unread_{pg.facts.database}"
    monkeypatch.setattr(postgres_check, "_MUCH_LOG", 0)  # else a GB of log had to be written
    pg.sql(f"select pg_create_logical_replication_slot('{slot}', 'pgoutput')", "update orders set qty = 1")
    pg.sql(f"select pg_create_physical_replication_slot('full_' || i) from generate_series(1, {free}) i")
    try:
        found = problems(pg, modes=CDC)
    finally:
        mine = f"slot_name like 'full_%' or slot_name = '{slot}'"
        pg.sql(f"select pg_drop_replication_slot(slot_name) from pg_replication_slots where {mine}")

    most = pg.sql("show max_replication_slots")[0][0]
    fix = "drop one that nobody reads, or raise max_replication_slots"
    assert found["slots"] == ("fail", f"all {most} are in use", fix)
    level, message, fix = found["slot"]
    assert (level, message.startswith(f"nobody reads {slot}, and it holds")) == ("warn", True)
    assert f"select pg_drop_replication_slot('{slot}')" in fix


def test_tables_outside_the_publication_or_without_an_identity_are_told(pg: Lab) -> None:
    pg.orders(10)
    pg.sql(
        "create publication frazil_lab for table orders",
        "create table late (id integer primary key)",
        "create table nobody (id integer primary key)",
        "alter table nobody replica identity nothing",
    )

    found = problems(pg, modes=CDC)

    fix = "the next `frazil bulk load lab` adds them"
    assert found["publication"] == ("warn", "frazil_lab lacks public.late, public.nobody", fix)
    assert found["replica identity"][0] == "fail"
    assert 'alter table "public"."nobody" replica identity full' in found["replica identity"][2]


@pytest.mark.parametrize(("modes", "level"), [(("bulk",), "warn"), (CDC, "fail")])
def test_a_binlog_that_does_not_hold_whole_rows_long_enough_is_told(
    mdb: Lab, modes: tuple[str, ...], level: str
) -> None:
    mdb.orders(10)
    wanted = {"binlog_format": "'MIXED'", "binlog_row_image": "'MINIMAL'", "binlog_expire_logs_seconds": "3600"}
    before = {name: mdb.sql(f"select @@global.{name}")[0][0] for name in wanted}
    try:
        mdb.sql(*(f"set global {name} = {value}" for name, value in wanted.items()))
        found = problems(mdb, modes=modes)
    finally:
        mdb.sql(*(f"set global {name} = {value!r}" for name, value in before.items()))

    mend = "and in the server's configuration"
    assert found == {
        "binlog_format": (level, "is MIXED", f"set global binlog_format = 'ROW', {mend}"),
        "binlog_row_image": (level, "is MINIMAL", f"set global binlog_row_image = 'FULL', {mend}"),
        "binlog": ("warn", "is kept for 1.0 hours", "keep it longer than a load takes"),
    }


def test_a_server_without_a_binlog_is_told_and_not_loaded_from_where_changes_are_to_follow(
    settings: Settings, catalog: Catalog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(mariadb_part._OPTIONS, "log-bin")
    monkeypatch.setenv("FRAZIL_CONFIG_DIR", str(tmp_path / "config"))
    with running("mariadb") as server:
        facts = TestMariaDb(server.facts(), server).database()
        with lab_of("mysql", facts, settings, catalog, tmp_path) as lab:
            lab.orders(10)
            alone, followed = problems(lab), problems(lab, modes=CDC)
            with pytest.raises(UsageError, match="writes no binary log; start it with log_bin"):
                lab.load()

    fix = "start the server with log_bin, a server_id and binlog_format = ROW"
    assert (alone["binlog"], followed["binlog"]) == (("warn", "is off", fix), ("fail", "is off", fix))


def test_a_user_of_mariadb_without_privileges_is_told_what_to_grant(mdb: Lab) -> None:
    mdb.orders(10)
    mdb.sql("create table secret (id integer primary key)")
    database = mdb.facts.database
    grants = [f"grant select on {database}.orders to {{}}", f"grant insert on {database}.secret to {{}}"]

    with user(mdb, *grants) as options:
        found = problems(mdb, modes=CDC, **options)

    name = options["user"]
    assert {check: level for check, (level, _, _) in found.items()} == {
        "privileges": "fail",
        "snapshot": "warn",
        "binlog position": "fail",
    }
    assert f"cannot select from {database}.secret" in found["privileges"][1]
    assert "grant select" in found["privileges"][2]
    assert found["snapshot"][2] == f"grant reload on *.* to {name}, for one snapshot with any number of readers"
    assert found["binlog position"][2] == f"grant binlog monitor on *.* to {name}"


def test_a_table_whose_engine_has_no_snapshots_is_told(mdb: Lab) -> None:
    mdb.sql("create table old (id integer primary key) engine = MyISAM")
    database = mdb.facts.database

    found = problems(mdb)

    fix = f"alter table `{database}`.`old` engine = InnoDB"
    assert found == {"engine": ("warn", f"{database}.old is myisam, which has no snapshots", fix)}
