"""The configuration of a source's Debezium connector, made from config/sources.yaml and nothing else.

The sink's reading of values rests on these options; they were run over the tables of awkward values:
- numbers come as text (`string`: exact, NaN and infinities too), times as microseconds and days since 1970 (they keep
  24:00:00 and the infinities apart, which ISO text does not), timestamps with a zone as ISO text in UTC;
- intervals as ISO 8601, hstore as JSON, bytes in Base64, `bigint unsigned` as the Base64 of its bytes;
- MariaDB's uuid by a converter of our own, where the workers have it: Debezium's moves values that end in zero bytes;
- types that Debezium does not know as the Base64 of the text that the server sends, unchanged TOAST as the placeholder;
- truncates are events, deletes have no tombstone behind them, nothing is skipped.
"""

import zlib
from collections.abc import Sequence

from ingestion.bulk.dialects.base import by_name
from ingestion.bulk.dialects.postgres.log import log_name
from ingestion.bulk.model import SourceTable
from ingestion.bulk.sources import DatabaseSource
from ingestion.cdc.clusters import KafkaCluster

POSTGRES = "io.debezium.connector.postgresql.PostgresConnector"
MARIADB = "io.debezium.connector.mariadb.MariaDbConnector"
MYSQL = "io.debezium.connector.mysql.MySqlConnector"
ORACLE = "io.debezium.connector.oracle.OracleConnector"
PASSWORD = "database.password"  # noqa: S105 - the option's name
_COMMON = {
    "tasks.max": "1",
    "tombstones.on.delete": "false",
    "skipped.operations": "none",
    "decimal.handling.mode": "string",
    "binary.handling.mode": "bytes",
    "time.precision.mode": "microseconds",
    "unavailable.value.placeholder": "__debezium_unavailable_value",
    "heartbeat.interval.ms": "1000",
    "poll.interval.ms": "50",
}
_POSTGRES = {
    "connector.class": POSTGRES,
    "snapshot.mode": "no_data",  # the copy is `frazil bulk load`'s; the slot says where the stream begins
    "plugin.name": "pgoutput",
    "publication.autocreate.mode": "disabled",
    "include.unknown.datatypes": "true",
    "interval.handling.mode": "string",
    "hstore.handling.mode": "json",
    "money.fraction.digits": "2",
    "slot.retry.delay.ms": "1000",
    "slot.max.retries": "60",
    "slot.drop.on.stop": "false",
    "offset.mismatch.strategy": "trust_offset",  # a slot that was made anew fails the connector: there is a gap
}
_BINLOG = {
    "snapshot.mode": "recovery",  # at the first start; see `registration`
    "bigint.unsigned.handling.mode": "precise",
    "enable.time.adjuster": "false",
    "include.schema.changes": "false",
    "schema.history.internal.store.only.captured.tables.ddl": "true",
    "schema.history.internal.store.only.captured.databases.ddl": "true",
}
_CONVERTERS = {"converters": "uuid", "uuid.type": "frazil.debezium.MariaDbUuid"}  # of ingestion/stack/java
_ORACLE = {
    "connector.class": ORACLE,
    "snapshot.mode": "recovery",
    "log.mining.strategy": "redo_log_catalog",  # knows old definitions; `hybrid` cannot have LOBs
    "lob.enabled": "true",
    "interval.handling.mode": "string",
    "include.schema.changes": "false",
    "schema.history.internal.store.only.captured.tables.ddl": "true",
}
_TLS = {
    "disable": "disable",
    "prefer": "prefer",
    "require": "require",
    "verify_ca": "verify-ca",
    "verify_full": "verify-full",
}
_BINLOG_TLS = {
    "disable": "disable",
    "prefer": "preferred",
    "require": "required",
    "verify_ca": "verify_ca",
    "verify_full": "verify_identity",
}


def connector_config(
    source: DatabaseSource, tables: Sequence[SourceTable], cluster: KafkaCluster, *, is_mariadb: bool = False
) -> dict[str, str]:
    """All options of the connector called `source.name`; topics are `<source>.<schema or database>.<table>`.

    Which tables are followed says the publication (PostgreSQL), or `include` and `exclude`; tables made later come by
    themselves where nothing is chosen.
    Options of the source's own `connector:` block win.
    """
    config = {
        **_COMMON,
        "name": source.name,
        "topic.prefix": source.name,
        "topic.creation.default.partitions": str(cluster.partitions),
        "topic.creation.default.replication.factor": str(cluster.replication),
        "database.hostname": source.host,
        "database.port": str(source.effective_port),
        "database.user": source.user,
        PASSWORD: _password(source, cluster),
    }
    if source.dialect != "postgres" and (source.include, source.exclude) != (("*",), ()):
        config["table.include.list"] = ",".join(_pattern(table.schema, table.name) for table in tables)
    if source.dialect == "postgres":
        config |= _POSTGRES | _postgres(source)
    elif source.dialect == "mysql":
        config |= _BINLOG | _history(source, cluster) | _binlog(source, is_mariadb=is_mariadb)
        if is_mariadb and cluster.connect.converters:
            config |= _CONVERTERS
    else:
        config |= _ORACLE | _history(source, cluster) | {"database.dbname": source.database}
    return config | dict(source.connector)


def connector_class(source: DatabaseSource, *, is_mariadb: bool = False) -> str:
    """The plugin that reads this database's log."""
    return {"postgres": POSTGRES, "mysql": MARIADB if is_mariadb else MYSQL, "oracle": ORACLE}[source.dialect]


def is_mariadb(source: DatabaseSource) -> bool:
    """Whether a source of the dialect mysql is MariaDB, which has a connector of its own; asks the server."""
    if source.dialect != "mysql":
        return False
    from ingestion.bulk.dialects.mysql.connection import connected
    from ingestion.bulk.dialects.mysql.log import is_mariadb as asked

    with connected(source) as connection:
        return asked(connection)


def tables_of(source: DatabaseSource) -> list[SourceTable]:
    """The tables that the connector follows: those that a bulk load would read."""
    return by_name(source.dialect).tables(source)


def _password(source: DatabaseSource, cluster: KafkaCluster) -> str:
    secrets = cluster.connect.secrets
    return secrets.reference(source.name) if secrets else source.password.get_secret_value()


def _pattern(schema: str, table: str) -> str:
    """A regular expression of Java that matches this name alone; commas separate expressions."""
    return r"\.".join(_quoted(word) for word in (schema, table))


def _quoted(word: str) -> str:
    return "".join(letter if letter.isalnum() or letter == "_" else rf"\x{{{ord(letter):x}}}" for letter in word)


def _postgres(source: DatabaseSource) -> dict[str, str]:
    name = log_name(source)
    config = {"database.dbname": source.database, "slot.name": name, "publication.name": name}
    config["database.sslmode"] = _TLS[source.tls.mode]
    files = {
        "database.sslrootcert": source.tls.ca_file,
        "database.sslcert": source.tls.certificate_file,
        "database.sslkey": source.tls.key_file,
    }
    return config | {option: str(path) for option, path in files.items() if path is not None}


def _binlog(source: DatabaseSource, *, is_mariadb: bool) -> dict[str, str]:
    config = {
        "connector.class": MARIADB if is_mariadb else MYSQL,
        "database.include.list": ",".join(_quoted(schema) for schema in source.read_schemas),
        "database.server.id": str(server_id(source)),
        "database.ssl.mode": ("trust" if source.tls.mode == "require" else _TLS[source.tls.mode])
        if is_mariadb
        else _BINLOG_TLS[source.tls.mode],
    }
    if is_mariadb and source.tls.mode == "prefer":
        config["database.ssl.mode"] = "disable"  # its driver has no such mode
    return config | {"connection.time.zone" if is_mariadb else "database.connectionTimeZone": "UTC"}


def server_id(source: DatabaseSource) -> int:
    """As which replica the connector reports to the server: stable, and not among the small numbers people give."""
    return 1_000_000 + zlib.crc32(source.name.encode()) % 1_000_000_000


def history_topic(source: DatabaseSource) -> str:
    """Where a connector keeps the tables' definitions over time; not like the topics of tables."""
    return f"__debezium-history.{source.name}"


def _history(source: DatabaseSource, cluster: KafkaCluster) -> dict[str, str]:
    base = "schema.history.internal"
    config = {f"{base}.kafka.topic": history_topic(source), f"{base}.kafka.bootstrap.servers": cluster.bootstrap}
    for client in ("producer", "consumer"):
        config |= {f"{base}.{client}.{name}": value for name, value in cluster.java().items()}
    return config
