"""The write-ahead log of PostgreSQL: its places as text, and the slot and publication that keep it for a source."""

from collections.abc import Iterator
from contextlib import contextmanager

from psycopg import errors

from ingestion.bulk.dialects.postgres.connection import Connection, quoted, relation, short, told
from ingestion.bulk.model import SourceTable
from ingestion.bulk.sources import DatabaseSource
from ingestion.errors import UsageError


def log_name(source: DatabaseSource) -> str:
    """The name of both the slot and the publication of a source."""
    return f"frazil_{source.name}"


def fixed_width(lsn: str) -> str:
    """An LSN that sorts as text: 0/16B3748 as 00000000/016B3748."""
    high, low = lsn.split("/")
    return f"{int(high, 16):08X}/{int(low, 16):08X}"


def prepare(connection: Connection, source: DatabaseSource, tables: list[SourceTable]) -> None:
    """The publication first, the slot after it: a slot cannot decode what came before its publication was made."""
    level = connection.execute("select current_setting('wal_level')").fetchone()
    if level != ("logical",):
        raise UsageError(
            f"{source.name}: wal_level is {level[0] if level else 'unknown'}; set wal_level = logical and restart the "
            "server, or take cdc out of the source's modes"
        )
    with told(source), _permitted(source, tables):
        _publish(connection, source, tables)
        known = "select 1 from pg_replication_slots where slot_name = %s and database = current_database()"
        if not connection.execute(known, (log_name(source),)).fetchone():
            connection.execute("select pg_create_logical_replication_slot(%s, 'pgoutput')", (log_name(source),))


@contextmanager
def _permitted(source: DatabaseSource, tables: list[SourceTable]) -> Iterator[None]:
    """Say who may make a publication and a slot; the words for reading tables would mislead."""
    try:
        yield
    except errors.InsufficientPrivilege as error:
        raise UsageError(
            f"{source.name}: user {source.user!r} may not prepare change capture ({short(error)}); let an owner of the "
            f"tables run: {publication_sql(source, tables)}; alter role {quoted(source.user)} replication; "
            "or take cdc out of the source's modes"
        ) from error


def publication_sql(source: DatabaseSource, tables: list[SourceTable]) -> str:
    """The statement that makes the source's publication of all its tables."""
    listed = ", ".join(_published(table.schema, table.name, tables) for table in tables)
    of = f" for table {listed}" if listed else ""
    return f"create publication {quoted(log_name(source))}{of} with (publish_via_partition_root = true)"


def _publish(connection: Connection, source: DatabaseSource, tables: list[SourceTable]) -> None:
    name = log_name(source)
    found = connection.execute("select puballtables from pg_publication where pubname = %s", (name,)).fetchone()
    wanted = {(table.schema, table.name) for table in tables}
    if found is None:
        connection.execute(publication_sql(source, tables).encode())
        return
    if found[0]:
        return
    sql = "select schemaname::text, tablename::text from pg_publication_tables where pubname = %s"
    missing = wanted - {(schema, table) for schema, table in connection.execute(sql, (name,))}
    if missing:
        listed = ", ".join(_published(schema, table, tables) for schema, table in sorted(missing))
        connection.execute(f"alter publication {quoted(name)} add table {listed}".encode())


def _published(schema: str, name: str, tables: list[SourceTable]) -> str:
    kind = next(table.kind for table in tables if (table.schema, table.name) == (schema, name))
    return f"{'' if kind == 'partitioned' else 'only '}{relation(schema, name)}"
