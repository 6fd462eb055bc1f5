"""The connector's configuration follows from the source's block."""

import json
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from ingestion.bulk.marks import View
from ingestion.bulk.model import Column, SourceTable
from ingestion.bulk.sources import DatabaseSource
from ingestion.cdc.clusters import KafkaCluster
from ingestion.cdc.connector_config import connector_config, server_id
from ingestion.cdc.handoff import Copies
from ingestion.cdc.shown import write_config

TABLE = SourceTable("crm", "odd.na,me", "raw.crm_odd", (Column("id", "int", pa.field("id", pa.int32())),), key=("id",))


def source_of(dialect: str, **more: Any) -> DatabaseSource:
    block = {"name": "crm", "dialect": dialect, "database": "crm", "user": "reader", "password": "tell-nobody"}
    return DatabaseSource.model_validate({**block, "modes": ["bulk", "cdc"], **more})


def cluster_of(**connect: Any) -> KafkaCluster:
    address = {"url": "http://127.0.0.1:8083", **connect}
    return KafkaCluster.model_validate({"name": "default", "bootstrap": "127.0.0.1:9092", "connect": address})


@pytest.mark.parametrize("dialect", ["postgres", "mysql", "oracle"])
def test_what_the_sink_rests_on_is_the_same_for_every_database(dialect: str) -> None:
    config = connector_config(source_of(dialect), [TABLE], cluster_of())

    assert config["topic.prefix"] == config["name"] == "crm"
    assert config["decimal.handling.mode"] == "string"
    assert config["time.precision.mode"] == "microseconds"
    assert config["skipped.operations"] == "none"
    assert config["unavailable.value.placeholder"] == "__debezium_unavailable_value"
    assert config["snapshot.mode"] in ("no_data", "recovery")


def test_a_chosen_table_is_matched_by_its_name_alone() -> None:
    config = connector_config(source_of("mysql", include=["odd*"]), [TABLE], cluster_of())
    pattern = config["table.include.list"]

    # Java writes a code point as \\x{2e}, Python as \\x2e.
    plain = re.sub(r"\\x\{([0-9a-f]+)\}", lambda found: "\\x" + found.group(1).rjust(2, "0"), pattern)

    assert "," not in pattern
    assert re.fullmatch(plain, "crm.odd.na,me")
    assert not re.fullmatch(plain, "crm.oddxna,me")


def test_tables_made_later_are_followed_where_none_was_chosen() -> None:
    assert "table.include.list" not in connector_config(source_of("mysql"), [TABLE], cluster_of())


def test_options_of_the_source_win() -> None:
    config = connector_config(source_of("postgres", connector={"poll.interval.ms": "500"}), [TABLE], cluster_of())

    assert config["poll.interval.ms"] == "500"


def test_mariadb_s_uuids_are_converted_where_the_workers_can() -> None:
    source = source_of("mysql")

    with_it = connector_config(source, [TABLE], cluster_of(converters=True), is_mariadb=True)

    assert with_it[f"{with_it['converters']}.type"] == "frazil.debezium.MariaDbUuid"
    assert "converters" not in connector_config(source, [TABLE], cluster_of(), is_mariadb=True)
    assert "converters" not in connector_config(source, [TABLE], cluster_of(converters=True))


def test_a_password_kept_on_the_workers_is_in_no_configuration() -> None:
    cluster = cluster_of(secrets={"path": "/run/secrets/{source}.properties"})

    config = connector_config(source_of("postgres"), [TABLE], cluster)

    assert config["database.password"] == "${file:/run/secrets/crm.properties:password}"
    assert "tell-nobody" not in json.dumps(config)


@pytest.mark.parametrize(
    ("dialect", "start", "offset"),
    [
        ("postgres", "0/16B3748", {"lsn": 23803720}),
        ("mysql", "binlog.000007:42", {"file": "binlog.000007", "pos": 42, "gtids": "seen"}),
        ("oracle", "4711", {"scn": "4711", "commit_scn": "4711"}),
    ],
)
def test_the_file_for_people_has_the_beginning_and_no_password(
    tmp_path: Path, dialect: str, start: str, offset: dict[str, Any]
) -> None:
    source = source_of(dialect)
    copies = Copies({"raw.crm_odd": View("1", "seen", start, datetime.now(UTC))}, ())

    path = write_config(connector_config(source, [TABLE], cluster_of()), tmp_path, source, copies)

    document = json.loads(path.read_text())
    assert "tell-nobody" not in path.read_text()
    assert document["config"]["topic.prefix"] == document["name"] == "crm"
    assert document["offsets"] == [{"partition": {"server": "crm"}, "offset": offset}]


def test_two_sources_are_two_replicas() -> None:
    assert server_id(source_of("mysql")) != server_id(source_of("mysql", name="shop"))
