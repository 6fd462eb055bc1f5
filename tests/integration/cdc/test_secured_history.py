"""A connector's history of schemas on a Kafka that asks for an account or a certificate: Connect's own Java clients."""

import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from ingestion.cdc.clusters import ConnectAddress, cluster
from ingestion.cdc.connect import ConnectClient
from ingestion.cdc.connector_config import connector_config, history_topic, tables_of
from ingestion.cdc.topics import records
from tests.support.bus import TestBus
from tests.support.databases import TestMariaDb
from tests.support.secured import PASSWORD, VARIABLE, SecuredBus, running_secured
from tests.support.sources import source_of


@pytest.fixture(scope="module")
def secured() -> Iterator[SecuredBus]:
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)  # Connect's account reads the files, too
        with running_secured(Path(folder)) as bus:
            yield bus


@pytest.mark.parametrize("way", ["account", "certificate"])
def test_the_history_of_schemas_is_written_where_the_cluster_lets_in(
    secured: SecuredBus, mariadb: TestMariaDb, bus: TestBus, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    monkeypatch.setenv(VARIABLE, PASSWORD)
    place = cluster(secured.config() if way == "account" else secured.mutual_config(), "default")
    facts = mariadb.database()
    with mariadb.connect(facts.database) as connection, connection.cursor() as cursor:
        cursor.execute("create table items (id int primary key)")
    source = source_of(facts, "mysql", bus.name(), modes=("bulk", "cdc"))
    config = connector_config(source, tables_of(source), place, is_mariadb=True) | {"snapshot.mode": "no_data"}
    client = ConnectClient(ConnectAddress(url=bus.connect_url), patience=60)

    client.create(source.name, config, "RUNNING")
    try:
        deadline = time.monotonic() + 120
        while not records(place, history_topic(source)):
            status = client.status(source.name)
            assert time.monotonic() < deadline, status
            assert not status.failure, status
            time.sleep(0.5)
    finally:
        client.delete(source.name)
        client.close()
