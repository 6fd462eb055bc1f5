"""A source's connector as a file, for people and other tools: its options without passwords, and where it begins."""

from collections.abc import Mapping
from pathlib import Path

import msgspec
from pyiceberg.catalog import Catalog

from ingestion.bulk.sources import DatabaseSource
from ingestion.cdc.clusters import cluster
from ingestion.cdc.connector_config import connector_config, is_mariadb, tables_of
from ingestion.cdc.handoff import Copies, beginning, copies_of
from ingestion.settings import Settings


def show_connector(settings: Settings, catalog: Catalog, source: DatabaseSource) -> Path:
    """Write what `frazil cdc register` would make for the copies there are now; returns the file.

    Raises UsageError without a complete copy, and where config/kafka_clusters.yaml does not have the source's cluster.
    """
    tables = tables_of(source)
    copies = copies_of(catalog, source, tables)
    found = cluster(settings.config_dir, source.cluster)
    config = connector_config(source, tables, found, is_mariadb=is_mariadb(source))
    return write_config(config, settings.connectors_dir, source, copies)


def write_config(config: Mapping[str, str], folder: Path, source: DatabaseSource, copies: Copies) -> Path:
    """The file of a source's connector, passwords replaced by a word; `offsets` as Kafka Connect's REST takes them."""
    folder.mkdir(parents=True, exist_ok=True)
    shown = {key: "(left out)" if "password" in key or "jaas" in key else value for key, value in config.items()}
    offset = beginning(source, copies.first)
    offsets = [] if offset is None else [{"partition": {"server": source.name}, "offset": offset}]
    path = folder / f"{source.name}.json"
    text = msgspec.json.encode({"name": source.name, "config": shown, "offsets": offsets})
    path.write_bytes(msgspec.json.format(text, indent=2) + b"\n")
    return path
