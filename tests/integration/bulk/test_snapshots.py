"""All readers of a snapshot see one moment, whoever writes; the log is kept from before it."""

import pytest
from pydantic import SecretStr

from ingestion.bulk.dialects.base import Snapshot, by_name
from ingestion.bulk.sources import DatabaseSource
from ingestion.errors import RetryableError
from tests.support.databases import TestMariaDb, TestPostgres
from tests.support.sources import source_of


def counts(snapshot: Snapshot, readers: int) -> list[int]:
    with snapshot.reader() as first:
        if readers == 1:
            return [int(first.fetch("select count(*) from items")[0][0])]
        return [int(first.fetch("select count(*) from items")[0][0]), *counts(snapshot, readers - 1)]


@pytest.fixture
def shop(postgres: TestPostgres) -> DatabaseSource:
    facts = postgres.database()
    with postgres.connect(facts.database) as connection:
        connection.execute("create table items (id int primary key)")
        connection.execute("insert into items select generate_series(1, 100)")
    return source_of(facts, "postgres", name=facts.database.replace("_", ""), modes=["bulk", "cdc"])


def test_a_lost_reader_of_postgresql_is_replaced_in_the_same_snapshot(
    postgres: TestPostgres, shop: DatabaseSource
) -> None:
    dialect = by_name("postgres")
    seen = "select count(*) from public.items"
    with dialect.snapshot(shop, 1) as snapshot, postgres.connect(shop.database) as writer:
        writer.execute("delete from items where id > 10")
        with snapshot.reader() as reader:
            [(pid,)] = reader.fetch("select pg_backend_pid()")
            writer.execute("select pg_terminate_backend(%s)", (pid,))
            with pytest.raises(RetryableError):
                reader.fetch(seen)
        with snapshot.reader() as reader:
            assert reader.fetch(seen) == [(100,)]


def test_the_slot_is_older_than_the_snapshot_and_made_once(postgres: TestPostgres, shop: DatabaseSource) -> None:
    dialect = by_name("postgres")

    dialect.prepare_log(shop)
    dialect.prepare_log(shop)
    with dialect.snapshot(shop, 1) as snapshot:
        place = snapshot.position

    with postgres.connect(shop.database) as connection:
        slots = connection.execute(
            "select confirmed_flush_lsn::text, plugin::text from pg_replication_slots where slot_name = %s",
            (f"frazil_{shop.name}",),
        ).fetchall()
        published = connection.execute("select pubname::text, tablename::text from pg_publication_tables").fetchall()
        connection.execute("select pg_drop_replication_slot(%s)", (f"frazil_{shop.name}",))
    assert slots == [(place.start, "pgoutput")]
    assert published == [(f"frazil_{shop.name}", "items")]
    high, low = place.start.split("/")
    assert f"{int(high, 16):08X}/{int(low, 16):08X}" <= place.position


@pytest.mark.parametrize("grants", ["reload, binlog monitor", "binlog monitor", ""], ids=["lock", "no lock", "nothing"])
def test_readers_of_mariadb_start_at_one_place_of_its_log(mariadb: TestMariaDb, grants: str) -> None:
    facts = mariadb.database()
    user = f"reader_{facts.database}"
    with mariadb.connect(facts.database) as connection, connection.cursor() as cursor:
        cursor.execute("create table items (id int primary key)")
        cursor.execute("insert into items values (1), (2), (3)")
        cursor.execute(f"create user {user}@'%' identified by 'secret'")
        cursor.execute(f"grant select on {facts.database}.* to {user}@'%'")
        if grants:
            cursor.execute(f"grant {grants} on *.* to {user}@'%'")
        cursor.execute("show master status")
        [(file, offset, *_)] = cursor.fetchall()
        source = source_of(facts, "mysql").model_copy(update={"user": user, "password": SecretStr("secret")})

        with by_name("mysql").snapshot(source, 3) as snapshot:
            cursor.execute("insert into items values (4)")
            found = counts(snapshot, 3)
            place = snapshot.position
        cursor.execute(f"drop user {user}@'%'")

    assert found == [3, 3, 3]
    assert place.start == f"{file}:{offset}"
    assert place.snapshot


def test_the_snapshot_of_a_server_that_went_away_can_be_tried_again(
    postgres: TestPostgres, shop: DatabaseSource
) -> None:
    with by_name("postgres").snapshot(shop, 1) as snapshot, postgres.connect(shop.database) as killer:
        killer.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity "
            "where application_name = 'frazil' and datname = current_database()"
        )

        with pytest.raises(RetryableError), snapshot.reader():
            pass
