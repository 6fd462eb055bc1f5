"""What `frazil bulk check` says about a PostgreSQL source."""

from collections.abc import Iterator

from ingestion.bulk.dialects.postgres import discovery
from ingestion.bulk.dialects.postgres.connection import Connection, connected, literal, relation
from ingestion.bulk.dialects.postgres.log import log_name, publication_sql
from ingestion.bulk.findings import failed, passed, table_findings, warned
from ingestion.bulk.model import Finding, SourceTable
from ingestion.bulk.sources import DatabaseSource

_SLOTS = """
select slot_name::text, active, coalesce(pg_wal_lsn_diff(pg_current_wal_lsn(), restart_lsn), 0)::bigint,
       coalesce(wal_status, '') from pg_replication_slots where database = current_database() order by 1"""
_MUCH_LOG = 1024**3
_OID = "(select c.oid from pg_class c join pg_namespace n on n.oid = c.relnamespace"
_REPLICATION = "select rolreplication or rolsuper from pg_roles where rolname = current_user"


def findings(source: DatabaseSource) -> Iterator[Finding]:
    """See Dialect.check; what needs a connection raises as `connected` does."""
    with connected(source) as connection:
        version = _one(connection, "select current_setting('server_version')")
        yield passed("connection", f"PostgreSQL {version} at {source.host}:{source.effective_port}")
        number = int(str(_one(connection, "select current_setting('server_version_num')")))
        if number < 130000:
            yield failed("version", "older than 13, which has no pg_current_snapshot()", "upgrade the server")
            return
        if number < 140000:
            yield warned("version", "before 14, tables are not split by pages", "upgrade, or expect one chunk a table")
        if _one(
            connection, "select pg_encoding_to_char(encoding) from pg_database where datname = current_database()"
        ) == ("SQL_ASCII"):
            fix = "text that is not UTF-8 stops the load; convert the database"
            yield warned("encoding", "SQL_ASCII promises nothing about the bytes of text", fix)
        tables = discovery.found(connection, source)
        yield from _privileges(connection, source, tables)
        yield from _log(connection, source, tables)
        yield from table_findings(source, tables, discovery.left_out(connection, source))


def _one(connection: Connection, sql: str) -> object:
    row = connection.execute(sql.encode()).fetchone()
    return row[0] if row else None


def _privileges(connection: Connection, source: DatabaseSource, tables: list[SourceTable]) -> Iterator[Finding]:
    refused = []
    for table in tables:
        usage = f"has_schema_privilege({literal(table.schema)}, 'usage')"
        # A schema that may not be entered hides its tables' names from a cast to regclass.
        oid = f"{_OID} where (n.nspname, c.relname) = ({literal(table.schema)}, {literal(table.name)}))"
        if not _one(connection, f"select {usage} and has_table_privilege({oid}, 'select')"):
            refused.append(f"{table.schema}.{table.name}")
        elif _one(connection, f"select row_security_active({oid})"):
            fix = f"alter role {source.user} bypassrls, or exclude the table"
            yield failed("row security", f"{table.schema}.{table.name} hides rows from {source.user}", fix)
    if refused:
        schemas = ", ".join(sorted({name.split(".")[0] for name in refused}))
        fix = f"grant usage on schema {schemas} to {source.user}; grant select on all tables in schema {schemas} to ..."
        yield failed("privileges", f"no select on {', '.join(refused)}", fix.replace("...", source.user))
    elif tables:
        yield passed("privileges", f"select on {len(tables)} tables")


def _log(connection: Connection, source: DatabaseSource, tables: list[SourceTable]) -> Iterator[Finding]:
    if "cdc" in source.modes:
        level = _one(connection, "select current_setting('wal_level')")
        if level == "logical":
            yield passed("wal_level", "logical")
        else:
            yield failed(
                "wal_level", f"is {level}", "set wal_level = logical in postgresql.conf and restart the server"
            )
        if _one(connection, _REPLICATION):
            yield passed("replication", f"{source.user} may replicate")
        else:
            yield failed("replication", f"{source.user} may not replicate", f"alter role {source.user} replication")
        most = int(str(_one(connection, "select current_setting('max_replication_slots')")))
        used = int(str(_one(connection, "select count(*) from pg_replication_slots")))
        mine = f"slot_name = {literal(log_name(source))} and database = current_database()"
        own = _one(connection, f"select 1 from pg_replication_slots where {mine}")
        if used < most or own:
            yield passed("slots", f"{used} of {most} replication slots in use")
        else:
            yield failed(
                "slots", f"all {most} are in use", "drop one that nobody reads, or raise max_replication_slots"
            )
        yield from _publication(connection, source, tables)
        yield from _identities(connection, tables)
    for name, active, held, status in connection.execute(_SLOTS):
        drop = f"select pg_drop_replication_slot('{name}')"
        if status == "lost" and name == log_name(source):
            fix = f"frazil cdc unregister {source.name} --drop-log, then: frazil bulk load {source.name} --no-resume"
            yield failed("slot", f"{name} has lost its log: changes after the copies are lost", fix)
        elif status == "lost":
            yield warned("slot", f"{name} has lost its log", f"if its reader does not need it any more: {drop}")
        elif not active and held > _MUCH_LOG:
            fix = f"start its reader, or, if there is none any more: {drop}"
            yield warned(
                "slot", f"nobody reads {name}, and it holds {held / 1e9:.1f} GB of log on the source's disk", fix
            )
        elif not active:
            yield passed("slot", f"{name} is not being read and holds {held / 1e6:.1f} MB of log")


def _publication(connection: Connection, source: DatabaseSource, tables: list[SourceTable]) -> Iterator[Finding]:
    name = log_name(source)
    if not _one(connection, f"select 1 from pg_publication where pubname = {literal(name)}"):
        oids = ", ".join(f"{literal(relation(table.schema, table.name))}::regclass" for table in tables)
        owns = f"coalesce((select bool_and(pg_has_role(relowner, 'usage')) from pg_class where oid in ({oids})), true)"
        creates = "has_database_privilege(current_database(), 'create')"
        if tables and not _one(connection, f"select {creates} and {owns}"):
            fix = f"let an owner of the tables run: {publication_sql(source, tables)}"
            yield failed("publication", f"{source.user} may not make {name}", fix)
        else:
            yield passed("publication", f"{name} is made by the first load")
        return
    sql = f"select schemaname::text, tablename::text from pg_publication_tables where pubname = {literal(name)}"
    inside = set(connection.execute(sql.encode()).fetchall())
    missing = [f"{table.schema}.{table.name}" for table in tables if (table.schema, table.name) not in inside]
    if missing:
        yield warned(
            "publication", f"{name} lacks {', '.join(missing)}", f"the next `frazil bulk load {source.name}` adds them"
        )
    else:
        yield passed("publication", f"{name} has all {len(tables)} tables")


def _identities(connection: Connection, tables: list[SourceTable]) -> Iterator[Finding]:
    for table in tables:
        name = relation(table.schema, table.name)
        identity = _one(connection, f"select relreplident::text from pg_class where oid = {literal(name)}::regclass")
        if identity == "n" or (identity == "d" and not table.key):
            fix = f"alter table {name} replica identity full, or give it a primary key"
            yield failed("replica identity", f"{name}: updates and deletes are refused once it is published", fix)
