"""A load of a source that is to be followed leaves its connector's configuration, with the place to begin at."""

import json
from typing import Any

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
