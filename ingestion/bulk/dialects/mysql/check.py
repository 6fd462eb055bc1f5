"""What `frazil bulk check` says about a MySQL or MariaDB source."""

from collections.abc import Iterator

import pymysql

from ingestion.bulk.dialects.mysql import discovery, log
from ingestion.bulk.dialects.mysql.connection import Connection, connected, literal, relation, rows, short
from ingestion.bulk.findings import failed, passed, table_findings, warned
from ingestion.bulk.model import Finding, SourceTable
from ingestion.bulk.sources import DatabaseSource

_TRANSACTIONAL = ("innodb", "rocksdb", "table")


def findings(source: DatabaseSource) -> Iterator[Finding]:
    """See Dialect.check; what needs a connection raises as `connected` does."""
    with connected(source) as connection:
        [(version,)] = rows(connection, "select version()")
        yield passed("connection", f"{version} at {source.host}:{source.effective_port}")
        tables = discovery.found(connection, source)
        yield from _privileges(connection, source, tables)
        yield _lock(connection, source)
        yield from _log(connection, source)
        if "cdc" in source.modes:
            yield from _cascades(connection, tables)
        for table in tables:
            if table.kind not in _TRANSACTIONAL:
                fix = f"alter table {relation(table.schema, table.name)} engine = InnoDB"
                yield warned("engine", f"{table.schema}.{table.name} is {table.kind}, which has no snapshots", fix)
        yield from table_findings(source, tables, discovery.left_out(connection, source))


def _privileges(connection: Connection, source: DatabaseSource, tables: list[SourceTable]) -> Iterator[Finding]:
    refused = []
    for table in tables:
        try:
            rows(connection, f"select 1 from {relation(table.schema, table.name)} limit 0")
        except pymysql.Error as error:
            refused.append(f"{table.schema}.{table.name} ({short(error)})")
    if refused:
        fix = f"grant select on the database to {source.user}"
        yield failed("privileges", f"cannot select from {', '.join(refused)}", fix)
    elif tables:
        hidden = f"the server hides tables that {source.user} has no grant on"
        yield passed("privileges", f"select on {len(tables)} tables; {hidden}")


def _grants(connection: Connection) -> str:
    return " ".join(str(row[0]).upper() for row in rows(connection, "show grants"))


def _lock(connection: Connection, source: DatabaseSource) -> Finding:
    """By the grants alone: trying the lock would stop the writers."""
    grants = _grants(connection)
    if "RELOAD" in grants or "ALL PRIVILEGES ON *.*" in grants:
        return passed("snapshot", "writers stand still for an instant while the readers start")
    fix = f"grant reload on *.* to {source.user}, for one snapshot with any number of readers"
    if log.is_mariadb(connection):
        return warned("snapshot", "no privilege RELOAD: readers start again until all are at one place of the log", fix)
    return warned("snapshot", "no privilege RELOAD: one reader, and changes near its start come twice", fix)


def _log(connection: Connection, source: DatabaseSource) -> Iterator[Finding]:
    on = rows(connection, "select @@global.log_bin")[0][0]
    level = failed if "cdc" in source.modes else warned
    if not on:
        yield level("binlog", "is off", "start the server with log_bin, a server_id and binlog_format = ROW")
        return
    form, image = rows(connection, "select @@global.binlog_format, @@global.binlog_row_image")[0]
    for name, found, wanted in (("binlog_format", form, "ROW"), ("binlog_row_image", image, "FULL")):
        if str(found).upper() == wanted:
            yield passed(name, wanted)
        else:
            yield level(name, f"is {found}", f"set global {name} = '{wanted}', and in the server's configuration")
    if not int(rows(connection, "select @@global.server_id")[0][0]):
        yield level("server_id", "is 0", "give the server an id of its own: server_id = 1")
    try:
        place = log.current(connection)
    except pymysql.Error as error:
        name = "binlog monitor" if log.is_mariadb(connection) else "replication client"
        yield level("binlog position", short(error), f"grant {name} on *.* to {source.user}")
        return
    yield passed("binlog position", f"{place.start}{f', GTID {place.gtid}' if place.gtid else ''}")
    days = _kept_days(connection)
    if days is not None and 0 < days < 1:
        yield warned("binlog", f"is kept for {days * 24:.1f} hours", "keep it longer than a load takes")


def _cascades(connection: Connection, tables: list[SourceTable]) -> Iterator[Finding]:
    """What the storage engine changes by itself for a foreign key is in no log: only a copy brings it."""
    known = {(table.schema, table.name) for table in tables}
    schemas = ", ".join(literal(schema) for schema in sorted({schema for schema, _ in known})) or "''"
    silent = "('CASCADE', 'SET NULL', 'SET DEFAULT')"
    sql = f"""select constraint_schema, table_name, constraint_name from information_schema.referential_constraints
              where (update_rule in {silent} or delete_rule in {silent}) and constraint_schema in ({schemas})"""
    for schema, table, name in sorted(rows(connection, sql)):
        if (schema, table) in known:
            fix = "let it restrict, or run `frazil cdc repair` for this table regularly"
            yield warned("foreign key", f"{schema}.{table}: what {name} changes by itself is not in the binlog", fix)


def _kept_days(connection: Connection) -> float | None:
    found = dict(rows(connection, "show global variables like 'binlog_expire_logs_seconds'"))
    return float(found["binlog_expire_logs_seconds"]) / 86400 if found else None
