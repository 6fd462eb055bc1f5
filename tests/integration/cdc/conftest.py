"""Databases that are followed: real servers, real Debezium, a lake per test."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from ingestion.bulk.dialects.base import by_name
from tests.support.bus import TestBus
from tests.support.databases import TestMariaDb, TestPostgres
from tests.support.debezium import Followed
from tests.support.sources import source_of


@pytest.fixture
def followed_postgres(bus: TestBus, postgres: TestPostgres) -> Iterator[Callable[..., tuple[Followed, Any]]]:
    """`of(*statements)` makes a database with them, its publication, slot and connector; a connection comes, too."""
    made: list[Followed] = []
    connections = []

    def of(*statements: str, register: bool = True, **more: Any) -> tuple[Followed, Any]:
        facts = postgres.database()
        connection = postgres.connect(facts.database)
        connections.append(connection)
        for statement in statements:
            connection.execute(statement.encode())
        source = source_of(facts, "postgres", bus.name(), modes=("bulk", "cdc"), **more)
        by_name("postgres").prepare_log(source)
        found = Followed(bus, source)
        made.append(found)
        if register:
            found.register()
        return found, connection

    yield of
    for found in made:
        found.unregister()
    for connection in connections:
        connection.close()


@pytest.fixture
def followed_mariadb(bus: TestBus, mariadb: TestMariaDb) -> Iterator[Callable[..., tuple[Followed, Any]]]:
    """As `followed_postgres`; the connection's cursor runs statements."""
    made: list[Followed] = []
    connections = []

    def of(*statements: str, **more: Any) -> tuple[Followed, Any]:
        facts = mariadb.database()
        connection = mariadb.connect(facts.database)
        connections.append(connection)
        with connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)
        found = Followed(bus, source_of(facts, "mysql", bus.name(), modes=("bulk", "cdc"), **more))
        made.append(found)
        found.register()
        return found, connection

    yield of
    for found in made:
        found.unregister()
    for connection in connections:
        connection.close()


@pytest.fixture
def config(bus: TestBus, postgres: TestPostgres) -> dict[str, str]:
    """A connector on a database of its own, with a slot that it may make and drop."""
    facts, name = postgres.database(), bus.name("connector")
    with postgres.connect(facts.database) as connection:
        connection.execute("create table orders (id int primary key)")
        connection.execute(f"create publication {name} for table orders".encode())
    return {
        "name": name,
        "connector.class": "io.debezium.connector.postgresql.PostgresConnector",
        "topic.prefix": name,
        "plugin.name": "pgoutput",
        "publication.name": name,
        "publication.autocreate.mode": "disabled",
        "slot.name": name,
        "slot.drop.on.stop": "true",
        "snapshot.mode": "no_data",
        "database.hostname": facts.host,
        "database.port": str(facts.port),
        "database.user": facts.user,
        "database.password": facts.password,
        "database.dbname": facts.database,
        "topic.creation.default.partitions": "1",
        "topic.creation.default.replication.factor": "1",
    }
