"""What docs/operate tells to do when something is lost or has failed, done as it is told."""

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from confluent_kafka.admin import AdminClient
from confluent_kafka.admin._config import AlterConfigOpType, ConfigEntry, ConfigResource
from confluent_kafka.admin._resource import ResourceType
from pyiceberg.catalog import Catalog

from ingestion.bulk.dialects.base import by_name
from ingestion.bulk.state import STATUS
from ingestion.cdc.fold import folded
from ingestion.cdc.handoff import LogLostError
from ingestion.cdc.sink import Sink
from ingestion.settings import Settings
from tests.support.bus import TestBus
from tests.support.databases import TestPostgres, running
from tests.support.followed import FollowedDatabase, followed

TABLE = ("create table orders (id int primary key, note varchar(20))", "insert into orders values (1, 'a')")


@pytest.fixture
def site(
    postgres: TestPostgres, settings: Settings, catalog: Catalog, bus: TestBus, tmp_path: Path
) -> Iterator[FollowedDatabase]:
    with followed("postgres", postgres.database(), settings, catalog, bus, tmp_path) as found:
        found.sql(*TABLE)
        yield found


def frazil(site: FollowedDatabase, *words: str) -> subprocess.CompletedProcess[str]:
    program = str(Path(sys.executable).with_name("frazil"))
    more = {"FRAZIL_CONFIG_DIR": str(site.settings.config_dir), "FRAZIL_HOME": str(site.settings.home)}
    environment = {**os.environ, **more}
    return subprocess.run([program, *words], capture_output=True, text=True, env=environment, check=False, timeout=180)


def drain(site: FollowedDatabase) -> None:
    sink = Sink(site.catalog, site.source, {"bootstrap.servers": site.bus.bootstrap}, site.name)
    try:
        sink.run(lambda: False, once=True)
    finally:
        sink.close()


def in_lake(site: FollowedDatabase) -> dict[int, str]:
    rows = [
        row for part in folded(site.catalog.load_table(f"raw.{site.name}_orders"), ("id",)) for row in part.to_pylist()
    ]
    return {row["id"]: row["note"] for row in rows}


def is_there(number: int) -> Callable[[list[Any]], bool]:
    return lambda events: any((one["after"] or one["before"])["id"] == number for one in events)


def test_a_slot_that_has_lost_its_log_is_given_up_and_the_tables_are_loaded_again(
    settings: Settings, catalog: Catalog, bus: TestBus, tmp_path: Path
) -> None:
    with (
        running("postgres") as server,  # its own: it keeps so little log that others' slots would be lost, too
        followed("postgres", TestPostgres(server.facts(), server).database(), settings, catalog, bus, tmp_path) as site,
    ):
        site.sql(*TABLE)
        site.load()
        site.register()
        site.client.stop(site.name)
        site.client.wait(site.name, "STOPPED")
        site.sql("alter system set max_slot_wal_keep_size = '1MB'", "select pg_reload_conf()")
        status = f"select wal_status from pg_replication_slots where slot_name = 'frazil_{site.name}'"
        while site.sql(status) != [("lost",)]:
            site.sql("update orders set note = 'lost'", "select pg_switch_wal()", "checkpoint")
        found = [one for one in by_name("postgres").check(site.source) if one.check == "slot"]
        told = frazil(site, "cdc", "status", site.name)  # though the connector has not tried to read it

        with pytest.raises(LogLostError, match=r"has lost its log.*unregister .* --drop-log.*bulk load .* --no-resume"):
            site.register()

        fix = f"frazil cdc unregister {site.name} --drop-log, then: frazil bulk load {site.name} --no-resume"
        assert [(one.level, one.fix) for one in found] == [("fail", fix)]
        assert (told.returncode, site.client.status(site.name).state) == (1, "STOPPED")
        assert re.search(r"has lost its log.*unregister .* --drop-log.*bulk load .* --no-resume", told.stderr)
        assert frazil(site, "cdc", "unregister", site.name, "--drop-log").returncode == 0  # as the message says
        site.load(anew=True)
        site.register()
        site.sql("insert into orders values (2, 'new')")
        site.events("orders", is_there(2))
        drain(site)

        assert in_lake(site) == {1: "lost", 2: "new"}


def test_a_connector_that_failed_is_restarted_alone_and_loses_nothing(site: FollowedDatabase) -> None:
    site.configure(connector={"producer.override.transaction.timeout.ms": "10000"})
    site.load()
    site.register()
    site.sql("insert into orders values (2, 'before')")
    site.events("orders", is_there(2))
    limit(site, 100)  # bytes, and then no change can be written to the topic
    site.sql("insert into orders values (3, 'too large')")

    deadline = time.monotonic() + 120
    while not site.client.status(site.name).failure:
        assert time.monotonic() < deadline, "the connector should fail"
        time.sleep(0.2)
    told = frazil(site, "cdc", "status", site.name)
    limit(site, 1_000_000)
    mended = frazil(site, "cdc", "restart", site.name, "--only-failed")
    again = frazil(site, "cdc", "status", site.name)
    site.sql("insert into orders values (4, 'after')")

    events = site.events("orders", is_there(4))
    assert told.returncode == 1
    assert "larger than" in told.stderr
    assert f"frazil cdc restart {site.name}" in told.stderr
    assert (mended.returncode, again.returncode) == (0, 0)
    assert [one["after"]["id"] for one in events] == [2, 3, 4]


def limit(site: FollowedDatabase, size: int) -> None:
    """The most bytes that a message of the table's topic may have."""
    entry = ConfigEntry("max.message.bytes", str(size), incremental_operation=AlterConfigOpType.SET)
    topic = ConfigResource(ResourceType.TOPIC, f"{site.name}.public.orders", incremental_configs=[entry])
    client = AdminClient({"bootstrap.servers": site.bus.bootstrap})
    client.incremental_alter_configs([topic])[topic].result()


def test_a_corrupted_status_is_made_anew_from_the_raw_tables(site: FollowedDatabase) -> None:
    site.load()
    before = databases(frazil(site, "status", "--json"))
    stored = site.catalog.load_table(STATUS)
    rows = stored.scan().to_arrow()
    nonsense = [{**row, "status": "failed", "rows": -1, "position": "x", "run_id": "?"} for row in rows.to_pylist()]
    nonsense.append({**nonsense[0], "table_name": "raw.never_was", "started_at": datetime.now(UTC)})
    stored.overwrite(pa.Table.from_pylist(nonsense, schema=rows.schema))
    corrupted = databases(frazil(site, "status", "--json"))

    rebuilt = databases(frazil(site, "status", "--rebuild", "--json"))

    assert len(before) == 1
    assert rebuilt == before != corrupted


def databases(done: subprocess.CompletedProcess[str]) -> list[dict[str, object]]:
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)["databases"]
    return [{name: value for name, value in row.items() if name not in ("updated_at", "attempts")} for row in found]
