"""The write-ahead log of PostgreSQL: its places as text, and the slot and publication that keep it for a source."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

from psycopg import Error, errors

from ingestion.bulk.dialects.postgres.connection import Connection, quoted, relation, short, told
from ingestion.bulk.model import SourceTable
from ingestion.bulk.sources import DatabaseSource
from ingestion.errors import UsageError


class Newcomer(NamedTuple):
    """A table that the publication did not have; `advice` says what is to be done about it, empty if nothing is."""

    name: str
    is_published: bool
    advice: str


# How a table's old rows are told in the log; of a partitioned one, those of the partitions that hold the rows.
_IDENTITIES = """
    select relreplident::text from pg_class where oid = to_regclass(%(place)s) and relkind <> 'p'
    union
    select relreplident::text from pg_partition_tree(to_regclass(%(place)s)) as part
    join pg_class on pg_class.oid = part.relid where part.isleaf and relkind <> 'p'
"""


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
    listed = ", ".join(map(_published, tables))
    of = f" for table {listed}" if listed else ""
    return f"create publication {quoted(log_name(source))}{of} with (publish_via_partition_root = true)"


def publish_new(connection: Connection, source: DatabaseSource, tables: list[SourceTable]) -> list[Newcomer]:
    """Add the tables that the source's publication lacks, one by one; nothing without a publication.

    A table without a replica identity stays out: once it is published the server refuses its updates and deletes.
    What was written before is not in the log.
    """
    return [_added(connection, source, table) for table in _unpublished(connection, source, tables) or ()]


def _added(connection: Connection, source: DatabaseSource, table: SourceTable) -> Newcomer:
    name, place = f"{table.schema}.{table.name}", relation(table.schema, table.name)
    adding = f"alter publication {quoted(log_name(source))} add table {_published(table)}"
    load = f"frazil bulk load {source.name} --tables {name}"
    identities = {found[0] for found in connection.execute(_IDENTITIES, {"place": place})}
    if not identities:
        return Newcomer(name, False, "it is gone again, or has no partition yet")
    if "n" in identities or ("d" in identities and not table.key):
        return Newcomer(
            name,
            False,
            f"alter table {place} (of partitions, each) replica identity full, or give it a key; then: {load}",
        )
    try:
        connection.execute(adding.encode())
    except errors.DuplicateObject:  # another process was faster
        return Newcomer(name, True, "")
    except errors.InsufficientPrivilege as error:
        return Newcomer(name, False, f"{short(error)}; let its owner run: {adding}; then: {load}")
    except Error as error:  # the others are published all the same
        return Newcomer(name, False, short(error))
    only = "" if table.kind == "partitioned" else "only "
    has_rows = connection.execute(f"select exists (select from {only}{place})".encode()).fetchone()
    return Newcomer(name, True, f"rows from before are not in the log: {load}" if has_rows == (True,) else "")


def _publish(connection: Connection, source: DatabaseSource, tables: list[SourceTable]) -> None:
    missing = _unpublished(connection, source, tables)
    if missing is None:
        connection.execute(publication_sql(source, tables).encode())
    elif missing:
        listed = ", ".join(map(_published, missing))
        connection.execute(f"alter publication {quoted(log_name(source))} add table {listed}".encode())


def _unpublished(connection: Connection, source: DatabaseSource, tables: list[SourceTable]) -> list[SourceTable] | None:
    """The tables that the source's publication lacks; None if there is no publication."""
    name = log_name(source)
    found = connection.execute("select puballtables from pg_publication where pubname = %s", (name,)).fetchone()
    if found is None:
        return None
    sql = "select schemaname::text, tablename::text from pg_publication_tables where pubname = %s"
    known = set(connection.execute(sql, (name,)))
    return [] if found[0] else [table for table in tables if (table.schema, table.name) not in known]


def _published(table: SourceTable) -> str:
    return f"{'' if table.kind == 'partitioned' else 'only '}{relation(table.schema, table.name)}"
