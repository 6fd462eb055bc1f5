"""A database of a test's own that is loaded and registered: its source, its cluster, its lake."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from pyiceberg.catalog import Catalog

from ingestion.bulk.load import Load, Options
from ingestion.bulk.marks import View, newest_complete
from ingestion.bulk.progress import Board
from ingestion.bulk.sources import DatabaseSource, database
from ingestion.cdc.clusters import KafkaCluster, cluster
from ingestion.cdc.connect import ConnectClient, NoConnectorError
from ingestion.cdc.handoff import drop_log
from ingestion.cdc.registration import Registered, Registration
from ingestion.settings import Settings
from ingestion.stack import Facts
from ingestion.stack.connect import connect_mariadb, connect_postgres
from tests.support.bus import TestBus


@dataclass
class FollowedDatabase:
    """`settings` names it as a source; `name` is no other test's."""

    name: str
    dialect: str
    facts: Facts
    settings: Settings
    catalog: Catalog
    bus: TestBus
    client: ConnectClient

    @property
    def source(self) -> DatabaseSource:
        return database(self.settings.config_dir, self.name)

    @property
    def cluster(self) -> KafkaCluster:
        return cluster(self.settings.config_dir, "default")

    @property
    def schema(self) -> str:
        return "public" if self.dialect == "postgres" else self.facts.database

    def configure(self, *, is_converting: bool = True, **changed: Any) -> None:
        """Write both files, with `changed` in the place of what is right, and whether Connect has converters.

        A binlog in which nothing happens is heard of every 8 seconds and not, as by default, every 48: `register` waits
        for it.
        """
        facts = self.facts
        if self.dialect == "mysql":
            changed["connector"] = {"connect.keep.alive.interval.ms": "10000", **changed.get("connector", {})}
        block = {"dialect": self.dialect, "host": facts.host, "port": facts.port, "database": facts.database}
        block |= {"user": facts.user, "password": "${FOLLOWED_PASSWORD}", "modes": ["bulk", "cdc"], **changed}
        os.environ["FOLLOWED_PASSWORD"] = facts.password
        folder = self.settings.config_dir
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "sources.yaml").write_text(yaml.safe_dump({"sources": {self.name: block}}), encoding="utf-8")
        address = {
            "bootstrap": self.bus.bootstrap,
            "connect": {"url": self.bus.connect_url, "converters": is_converting},
        }
        (folder / "kafka_clusters.yaml").write_text(yaml.safe_dump({"clusters": {"default": address}}))

    def connect(self) -> Any:
        """An autocommit connection."""
        return connect_postgres(self.facts) if self.dialect == "postgres" else connect_mariadb(self.facts)

    def sql(self, *statements: str) -> list[tuple[Any, ...]]:
        """Run statements one by one; the rows of the last."""
        with self.connect() as connection, connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)
            return list(cursor.fetchall()) if cursor.description else []

    def load(self, *, anew: bool = False) -> None:
        with Board() as board:
            outcomes = Load(self.settings, self.source, Options(is_resumed=not anew)).run(board)
        assert {one.status for one in outcomes} <= {"loaded", "complete"}, outcomes

    def register(self) -> Registered:
        folder = self.settings.home_dir / "debezium"
        return Registration(self.source, self.cluster, self.client, self.catalog, folder).run()

    def view(self, table: str) -> View:
        """What the newest copy saw."""
        found = newest_complete(self.catalog.load_table(f"raw.{self.name}_{table}"))
        assert found is not None
        assert found[1].first_view is not None
        return found[1].first_view

    def copied(self, table: str) -> list[dict[str, Any]]:
        """The rows that copies brought to raw."""
        rows: list[dict[str, Any]] = self.catalog.load_table(f"raw.{self.name}_{table}").scan().to_arrow().to_pylist()
        return rows

    def events(self, table: str, enough: Callable[[list[Any]], bool], seconds: float = 60) -> list[Any]:
        """What is on the table's topic from its beginning, until there are enough."""
        return self.bus.read(f"{self.name}.{self.schema}.{table}", enough, seconds)


@contextmanager
def followed(
    dialect: str, facts: Facts, settings: Settings, catalog: Catalog, bus: TestBus, folder: Path
) -> Iterator[FollowedDatabase]:
    """Its connector, slot and publication are gone afterwards."""
    here = settings.model_copy(update={"config_dir": folder / "config"})
    name = bus.name("followed")
    found = FollowedDatabase(name, dialect, facts, here, catalog, bus, ConnectClient(_address(bus), patience=60))
    found.configure()
    try:
        yield found
    finally:
        found.configure()
        try:
            found.client.stop(name)
            found.client.wait(name, "STOPPED")
            found.client.delete(name)
        except NoConnectorError:
            pass
        drop_log(found.source)
        found.client.close()


def _address(bus: TestBus) -> Any:
    from ingestion.cdc.clusters import ConnectAddress

    return ConnectAddress(url=bus.connect_url)
