"""From copies to a running connector: validated, made without tasks, told where to begin, and only then started."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pyiceberg.catalog import Catalog

from ingestion.bulk.dialects.base import by_name
from ingestion.bulk.model import SourceTable
from ingestion.bulk.sources import DatabaseSource
from ingestion.cdc.clusters import KafkaCluster
from ingestion.cdc.connect import ConnectClient, ConnectorStatus, SourceOffset
from ingestion.cdc.connector_config import MARIADB, connector_config, history_topic, is_mariadb, tables_of
from ingestion.cdc.handoff import Copies, LogLostError, check_log, copies_of, starting_offset
from ingestion.cdc.shown import write_config
from ingestion.cdc.topics import delete, records
from ingestion.errors import PermanentError, RetryableError, UsageError

_HISTORY_SECONDS = 60.0


class ConnectorFailedError(PermanentError):
    """A connector was started and failed; the message has the innermost reason."""


@dataclass(frozen=True)
class Registered:
    """What came of it; `started_at` is the offset it was told to begin at, None if it goes on from its own."""

    connector: str
    state: str
    file: Path
    tables: tuple[str, ...]
    not_loaded: tuple[str, ...]
    started_at: Mapping[str, Any] | None


class Registration:
    """One `frazil cdc register`; may be repeated: what is there is brought in step with config/sources.yaml."""

    def __init__(
        self, source: DatabaseSource, cluster: KafkaCluster, client: ConnectClient, catalog: Catalog, folder: Path
    ) -> None:
        if "cdc" not in source.modes:
            raise UsageError(f"{source.name}: add cdc to its modes in config/sources.yaml first")
        self._source, self._cluster, self._client, self._catalog = source, cluster, client, catalog
        self._folder = folder

    def run(self) -> Registered:
        """Raises UsageError for a configuration that cannot work, LogLostError when the log is gone, and
        ConnectorFailedError when the connector does not stay up."""
        tables = tables_of(self._source)
        copies = copies_of(self._catalog, self._source, tables)
        config = connector_config(self._source, tables, self._cluster, is_mariadb=is_mariadb(self._source))
        self._check_plugin(config["connector.class"])
        self._check_converters(config, tables)
        file = write_config(config, self._folder, self._source, copies)
        check_log(self._source)
        by_name(self._source.dialect).prepare_log(self._source)  # tables that are new join the publication
        self._check(config)
        config, begun_at = self._prepare(config, copies)
        self._client.resume(self._source.name)
        status = self._running()
        if config["snapshot.mode"] == "recovery":
            status = self._settled(config) or status
        return Registered(
            connector=self._source.name,
            state=status.state,
            file=file,
            tables=tuple(sorted(copies.views)),
            not_loaded=copies.missing,
            started_at=begun_at,
        )

    def _check_plugin(self, kind: str) -> None:
        known = sorted(plugin.name for plugin in self._client.plugins() if plugin.kind == "source")
        if kind not in known:
            have = ", ".join(name.rsplit(".", 1)[-1] for name in known) or "none"
            raise UsageError(
                f"Kafka Connect at {self._client.url} has no plugin {kind} (it has {have}); install Debezium's "
                "on its workers, or correct `dialect` in config/sources.yaml"
            )

    def _check_converters(self, config: Mapping[str, str], tables: Sequence[SourceTable]) -> None:
        """MariaDB's uuid needs the converter: without it one value in 256 is another one."""
        if config["connector.class"] != MARIADB or "converters" in config:
            return
        moved = [table for table in tables if any(column.source_type == "uuid" for column in table.columns)]
        if moved:
            names = ", ".join(f"{table.schema}.{table.name}" for table in moved)
            raise UsageError(
                f"{self._source.name}: {names}: Debezium moves the bytes of a uuid that ends in zeros; put "
                "frazil-debezium.jar on Connect's workers and say `converters: true` in config/kafka_clusters.yaml "
                "(docs/operate/connectors.md), or `exclude` these tables"
            )

    def _check(self, config: Mapping[str, str]) -> None:
        problems = self._client.validate(config)
        if problems:
            text = "; ".join(f"{one.option}: {one.message}" for one in problems)
            raise UsageError(f"{self._source.name}: the connector refuses its configuration: {text}")

    def _prepare(self, config: dict[str, str], copies: Copies) -> tuple[dict[str, str], Mapping[str, Any] | None]:
        """The connector as it is to be, and the offset it is told to begin at, if it is."""
        name = self._source.name
        is_new = name not in self._client.names()
        if is_new:
            self._client.create(name, config)
            self._client.wait(name, "STOPPED")
        try:  # what Connect knows of a deleted connector is seen once there is one again
            begin = starting_offset(self._source, copies, self._stored)
        except LogLostError:
            if is_new:
                self._client.delete(name)
            raise
        if begin is not None:
            self._client.stop(name)
            self._client.wait(name, "STOPPED")
            self._client.set_offsets(name, [SourceOffset({"server": name}, begin)])
        config = config | self._definitions(is_begun=begin is not None)
        self._client.update(name, config)
        return config, begin

    def _definitions(self, *, is_begun: bool) -> dict[str, str]:
        """What a binlog's connector does about the tables' definitions: write those of now, or go on with those it has.

        Written anew later, old changes would be read by new definitions; kept at a new beginning, new ones by old.
        """
        if self._source.dialect == "postgres" or not records(self._cluster, history_topic(self._source)):
            return {}
        if is_begun:
            delete(self._cluster, [history_topic(self._source)])
            return {}
        return {"snapshot.mode": "no_data"}

    def _stored(self) -> Mapping[str, Any] | None:
        return next((one.offset for one in self._client.offsets(self._source.name) if one.offset), None)

    def _running(self) -> ConnectorStatus:
        status = self._client.wait(self._source.name, "RUNNING")
        if status.failure:
            raise ConnectorFailedError(
                f"{self._source.name}: the connector failed: {status.failure}; "
                f"put it right, then run `frazil cdc restart {self._source.name}`"
            )
        if not status.is_running:
            raise RetryableError(
                f"{self._source.name}: the connector is {status.state} and not running yet; "
                f"see `frazil cdc status {self._source.name}`"
            )
        return status

    def _settled(self, config: Mapping[str, str]) -> ConnectorStatus | None:
        """Once the tables' definitions are written down and the log is being read, a restart must not write them anew.

        The heartbeat tells: it is sent while reading the log. Without it the next `register` does the same.
        """
        heartbeat = f"__debezium-heartbeat.{self._source.name}"
        deadline = time.monotonic() + _HISTORY_SECONDS
        before = records(self._cluster, heartbeat)
        while time.monotonic() < deadline:
            if records(self._cluster, history_topic(self._source)) and records(self._cluster, heartbeat) > before:
                self._client.update(self._source.name, {**config, "snapshot.mode": "no_data"})
                time.sleep(1)
                return self._running()
            failure = self._client.status(self._source.name).failure
            if failure:
                raise ConnectorFailedError(f"{self._source.name}: the connector failed: {failure}")
            time.sleep(0.5)
        return None
