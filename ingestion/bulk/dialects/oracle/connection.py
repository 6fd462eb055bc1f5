"""Connections to Oracle by the thin driver, which needs no client software; imported when the first one is made."""

import importlib
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ingestion.bulk.sources import DatabaseSource
from ingestion.errors import FrazilError, PermanentError, RetryableError, UsageError

SESSION = (
    "alter session set time_zone = '+00:00'",
    "alter session set nls_numeric_characters = '.,'",
    "alter session set nls_calendar = 'GREGORIAN'",
    "alter session set nls_comp = 'BINARY' nls_sort = 'BINARY'",
)
_NUMBER = re.compile(r"(?:ORA|DPY)-0*(\d+)")
_WRONG_USER, _NO_SERVICE, _NO_ACCESS = (1017, 28000, 1045), (12514, 12505, 6003, 6001), (942, 1031, 1749)
_PASSING = (1013, 1033, 1034, 1089, 3113, 3114, 3135, 4021, 12516, 12519, 12520, 12537, 12541, 12545, 4011, 6005)
_TOO_OLD = (1555, 8180, 22924)
_UNREACHED = (6005, 12541, 12545)
_CHANGED = (1466,)  # the table's definition is younger than the position


def quoted(name: str) -> str:
    """An identifier as SQL has it; Oracle's own may hold no double quote."""
    return f'"{name}"'


def literal(text: str) -> str:
    """A text as SQL has it."""
    return "'" + text.replace("'", "''") + "'"


def relation(schema: str, name: str) -> str:
    """A table's full name as SQL has it."""
    return f"{quoted(schema)}.{quoted(name)}"


def connect(source: DatabaseSource, *, again: bool = False) -> Any:
    """A connection with the session's settings; the caller closes. LOBs come as text and bytes."""
    try:
        oracledb = importlib.import_module("oracledb")
    except ImportError:
        raise UsageError(f"{source.name}: Oracle needs its driver: pip install oracledb") from None
    oracledb.defaults.fetch_lobs = False
    try:
        connection = oracledb.connect(
            user=source.user,
            password=source.password.get_secret_value(),
            host=source.host,
            port=source.effective_port,
            service_name=source.database,
            protocol="tcp" if source.tls.mode in ("disable", "prefer") else "tcps",
            ssl_server_dn_match=source.tls.mode == "verify_full",
            tcp_connect_timeout=source.connect_timeout,
        )
        with connection.cursor() as cursor:
            for statement in SESSION:
                cursor.execute(statement)
    except oracledb.Error as error:
        raise explained(source, error, again=again) from None
    return connection


@contextmanager
def connected(source: DatabaseSource) -> Iterator[Any]:
    """See `connect`; closed at the end, and the server's errors turned into ours."""
    connection = connect(source)
    try:
        with told(source):
            yield connection
    finally:
        connection.close()


@contextmanager
def told(source: DatabaseSource) -> Iterator[None]:
    """Turn the server's errors into ours; the class says whether another try can help."""
    oracledb = importlib.import_module("oracledb")
    try:
        yield
    except oracledb.Error as error:
        raise explained(source, error, again=True) from error


def explained(source: DatabaseSource, error: Exception, *, again: bool) -> FrazilError:
    """`error` by its number; `again`: the server has been reached before, so that being refused may pass."""
    text = " ".join(str(error).split("\n")[0].split())[:300]
    found = _NUMBER.search(text)
    number = int(found.group(1)) if found else 0
    where = f"{source.name}: Oracle at {source.host}:{source.effective_port}"
    if number in _WRONG_USER:
        return UsageError(f"{where} refuses user {source.user!r}; set the right user and password for it")
    if number in _NO_SERVICE and not again:
        return UsageError(f"{where} has no service {source.database!r}; correct `database` in config/sources.yaml")
    if number in _UNREACHED and not again:
        return RetryableError(f"{where} cannot be reached; is the server up, and are host and port right?")
    if number in _NO_ACCESS:
        return UsageError(f"{source.name}: {text}; grant select and flashback on it to {source.user}")
    if number in _TOO_OLD:
        return RetryableError(f"{source.name}: {text}; undo was not kept long enough: raise undo_retention")
    if number in _CHANGED:
        return RetryableError(f"{source.name}: {text}; a table was altered since the position: load it again")
    if number in _PASSING or again:
        return (
            RetryableError(f"{source.name}: {text}") if number in _PASSING else PermanentError(f"{source.name}: {text}")
        )
    return UsageError(f"{where}: {text}")


def rows(connection: Any, sql: str) -> list[tuple[Any, ...]]:
    """All rows of a statement."""
    with connection.cursor() as cursor:
        cursor.execute(sql)
        return list(cursor.fetchall())
