"""What `frazil bulk check` says about an Oracle source."""

from collections.abc import Iterator
from typing import Any

from ingestion.bulk.dialects.oracle import discovery
from ingestion.bulk.dialects.oracle.connection import connected, rows
from ingestion.bulk.dialects.oracle.snapshot import CURRENT, OLDEST_OPEN
from ingestion.bulk.findings import failed, passed, table_findings, warned
from ingestion.bulk.model import Finding
from ingestion.bulk.sources import DatabaseSource
from ingestion.errors import FrazilError

LOG_MODE = "select log_mode, supplemental_log_data_min, supplemental_log_data_all from v$database"
UNDO = "select value from v$parameter where name = 'undo_retention'"
_BYTES_A_SECOND = 20_000_000  # a careful guess of how fast a load reads


def findings(source: DatabaseSource) -> Iterator[Finding]:
    """See Dialect.check."""
    with connected(source) as connection:
        yield passed("connection", f"Oracle {connection.version} at {source.host}:{source.effective_port}")
        for sql, view in ((CURRENT, "v_$database"), (OLDEST_OPEN, "v_$transaction"), (UNDO, "v_$parameter")):
            yield _readable(connection, sql, view, source)
        tables = discovery.found(connection, source)
        yield from _undo(connection, sum(table.bytes for table in tables))
        if "cdc" in source.modes:
            yield from _log(connection)
        yield from table_findings(source, tables, discovery.left_out(connection, source))


def _readable(connection: Any, sql: str, view: str, source: DatabaseSource) -> Finding:
    name = view.replace("_$", "$")
    if _tried(connection, sql) is None:
        return failed("privileges", f"{name} cannot be read", f"grant select on {view} to {source.user}")
    return passed("privileges", f"{name} can be read")


def _undo(connection: Any, size: int) -> Iterator[Finding]:
    found = _tried(connection, UNDO)
    if found:
        kept, needed = int(found[0][0]), size // _BYTES_A_SECOND
        if kept < needed:
            fix = f"alter system set undo_retention = {2 * needed}, with undo that is large enough and guaranteed"
            yield failed("undo", f"kept for {kept} s, and the load may take {needed} s (ORA-01555)", fix)
        else:
            yield passed("undo", f"kept for {kept} s; the load may take {needed} s")


def _log(connection: Any) -> Iterator[Finding]:
    found = _tried(connection, LOG_MODE)
    if not found:
        return
    mode, minimal, everything = found[0]
    if mode == "ARCHIVELOG":
        yield passed("archive log", mode)
    else:
        yield failed(
            "archive log", f"the database is in {mode}", "alter database archivelog, with the database mounted"
        )
    if minimal == "NO":
        yield failed("supplemental logging", "is off", "alter database add supplemental log data")
    elif everything != "YES":
        fix = "alter table ... add supplemental log data (all) columns, for each table"
        yield warned("supplemental logging", "is minimal: changes lack the columns that did not change", fix)
    else:
        yield passed("supplemental logging", "all columns")


def _tried(connection: Any, sql: str) -> list[tuple[Any, ...]] | None:
    """None where the view cannot be read."""
    try:
        return rows(connection, sql)
    except Exception as error:  # the driver's classes are known only where it is installed
        if isinstance(error, FrazilError) or not any(one in str(error) for one in ("ORA-00942", "ORA-01031")):
            raise
        return None
