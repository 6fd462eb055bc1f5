"""Loads of a source that is to be followed: the connector's configuration, and what is announced to its sink."""

import json
from typing import Any

from click.testing import CliRunner

from ingestion.cli import cli
from tests.integration.bulk.lab import Lab

CLUSTERS = """
clusters:
  default:
    bootstrap: 127.0.0.1:9092
    connect: {url: "http://127.0.0.1:8083"}
"""


def shown(lab: Lab) -> Any:
    return json.loads((lab.settings.connectors_dir / "lab.json").read_text(encoding="utf-8"))


def test_a_load_shows_the_connector_and_where_it_begins(followed_lab: Lab) -> None:
    lab = followed_lab
    (lab.settings.config_dir / "kafka_clusters.yaml").write_text(CLUSTERS, encoding="utf-8")
    lab.orders(10)

    lab.load()
    first = shown(lab)
    lab.sql("insert into orders values (11, 'later', 1, 1)")
    lab.load(is_resumed=False)

    config, (offset,) = first["config"], first["offsets"]
    assert (first["name"], config["topic.prefix"]) == ("lab", "lab")
    assert lab.facts.password not in config.values()
    assert offset["partition"] == {"server": "lab"}
    if lab.dialect_name == "postgres":
        own = "pg_replication_slots where database = current_database()"
        (slot,) = lab.sql(f"select (confirmed_flush_lsn - '0/0')::bigint from {own}")
        assert (config["slot.name"], config["publication.name"]) == ("frazil_lab", "frazil_lab")
        assert config["snapshot.mode"] == "no_data"
        assert offset["offset"] == {"lsn": int(slot[0])}
    else:
        assert {"file", "pos"} <= offset["offset"].keys()
        assert shown(lab)["offsets"][0]["offset"] != offset["offset"]


def test_a_load_without_kafka_is_a_load_all_the_same(followed_lab: Lab) -> None:
    lab = followed_lab
    lab.orders(10)

    assert lab.load()["orders"].status == "loaded"
    assert not lab.settings.connectors_dir.exists()


def test_what_is_complete_is_neither_announced_nor_committed_to_again(followed_lab: Lab) -> None:
    lab = followed_lab
    lab.orders(10)
    lab.load()
    before = lab.catalog.load_table("raw.lab_orders").metadata_location
    again = lab.load()
    lab.sql("create table late (id bigint primary key)", "insert into late values (1)")

    third = lab.load()

    assert {name: one.status for name, one in again.items()} == {"orders": "complete"}
    assert {name: one.status for name, one in third.items()} == {"late": "loaded", "orders": "complete"}
    assert lab.catalog.load_table("raw.lab_orders").metadata_location == before
    assert lab.rows("late").num_rows == 1


def stop_in_the_middle(lab: Lab) -> None:
    """Begin a copy of `orders` that the next load goes on with, in another snapshot."""
    lab.orders(6000)
    assert not lab.stopped().is_torn


def test_a_copy_of_several_moments_is_told_where_no_log_brings_it_in_step(lab: Lab) -> None:
    stop_in_the_middle(lab)

    result = CliRunner().invoke(cli, ["bulk", "load", "lab", "--json"])

    (row,) = json.loads(result.stdout)["tables"]
    assert (result.exit_code, row["status"], row["consistency"], row["is_torn"]) == (0, "loaded", "per_chunk", True)
    assert f"{row['source_table']}: its rows are of different moments" in result.stderr
    assert f"frazil bulk load lab --tables {row['source_table']} --no-resume --engine copy" in result.stderr
    assert '"event": "copy_is_torn"' in result.stderr


def test_a_copy_of_several_moments_that_the_log_brings_in_step_is_not_told(followed_lab: Lab) -> None:
    stop_in_the_middle(followed_lab)

    outcome = followed_lab.load()["orders"]

    assert (outcome.status, outcome.consistency, outcome.is_torn) == ("loaded", "per_chunk", False)
