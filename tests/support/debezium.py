"""Connectors for tests: a database of its own, followed by Debezium, and the sink that brings it to a lake."""

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import requests

from ingestion.bulk.sources import DatabaseSource
from ingestion.cdc.sink import Limits, Sink, Totals
from ingestion.lake.catalog import open_catalog
from ingestion.settings import Settings
from tests.support.bus import TestBus

# What the sink's reading of values rests on.
_COMMON = {
    "tombstones.on.delete": "false",
    "skipped.operations": "none",
    "decimal.handling.mode": "string",
    "binary.handling.mode": "bytes",
    "time.precision.mode": "microseconds",
    "heartbeat.interval.ms": "1000",
    "snapshot.mode": "no_data",
    "poll.interval.ms": "50",
    "topic.creation.default.partitions": "1",
    "topic.creation.default.replication.factor": "1",
}
_POSTGRES = {
    "connector.class": "io.debezium.connector.postgresql.PostgresConnector",
    "plugin.name": "pgoutput",
    "include.unknown.datatypes": "true",
    "interval.handling.mode": "string",
    "hstore.handling.mode": "json",
    "money.fraction.digits": "2",
    "slot.retry.delay.ms": "1000",
}
_MARIADB = {
    "connector.class": "io.debezium.connector.mariadb.MariaDbConnector",
    "bigint.unsigned.handling.mode": "precise",
    "enable.time.adjuster": "false",
    "include.schema.changes": "false",
    "database.ssl.mode": "disable",
    "connection.time.zone": "UTC",
    "converters": "uuid",
    "uuid.type": "frazil.debezium.MariaDbUuid",
    "schema.history.internal.store.only.captured.tables.ddl": "true",
    "schema.history.internal.store.only.captured.databases.ddl": "true",
}


@dataclass(frozen=True)
class Followed:
    """A database with a connector named as the source is; topics have that name in front."""

    bus: TestBus
    source: DatabaseSource

    @property
    def url(self) -> str:
        return f"{self.bus.connect_url}/connectors/{self.source.name}"

    def register(self, **more: str) -> None:
        """Start the connector, or start it again, and wait until it has a place in the log that later changes follow.

        A slot has it from the first. In a binlog it is where the connector looks some time after its task "runs"; the
        first heartbeat tells that it did.
        """
        requests.put(f"{self.url}/config", json=self._config() | more, timeout=60).raise_for_status()
        self.wait_running()
        if self.source.dialect == "mysql":
            self.bus.read(f"__debezium-heartbeat.{self.source.name}", enough=bool)

    def wait_running(self, seconds: float = 60) -> None:
        deadline = time.monotonic() + seconds
        state: Mapping[str, Any] = {}
        while time.monotonic() < deadline:
            reply = requests.get(f"{self.url}/status", timeout=10)
            state = reply.json() if reply.ok else {}
            if state.get("tasks") and state["tasks"][0]["state"] == "RUNNING":
                return
            time.sleep(0.2)
        raise AssertionError(f"the connector does not run: {str(state)[:2000]}")

    def unregister(self) -> None:
        requests.delete(self.url, timeout=30)

    def sink(self, settings: Settings, limits: Limits | None = None, **more: Any) -> Sink:
        """A sink of its own catalog; close it."""
        kafka = {"bootstrap.servers": self.bus.bootstrap}
        return Sink(open_catalog(settings), self.source, kafka, self.source.name, limits, **more)

    def drain(self, settings: Settings) -> Totals:
        """Bring to the lake what is on the topics now, if there are any yet."""
        sink = self.sink(settings)
        try:
            if not any(topic.startswith(f"{self.source.name}.") for topic in sink.stream.topics()):
                return sink.totals
            return sink.run(lambda: False, once=True)
        finally:
            sink.close()

    def _config(self) -> dict[str, str]:
        source = self.source
        config = {
            **_COMMON,
            "topic.prefix": source.name,
            "database.hostname": source.host,
            "database.port": str(source.effective_port),
            "database.user": source.user,
            "database.password": source.password.get_secret_value(),
        }
        if source.dialect == "postgres":
            name = f"frazil_{source.name}"
            return (
                config | _POSTGRES | {"database.dbname": source.database, "slot.name": name, "publication.name": name}
            )
        history = {
            "schema.history.internal.kafka.bootstrap.servers": self.bus.bootstrap,
            "schema.history.internal.kafka.topic": f"history-{source.name}",
        }
        number = str(7000 + int("".join(filter(str.isdigit, source.name)) or 0))
        return config | _MARIADB | history | {"database.include.list": source.database, "database.server.id": number}
