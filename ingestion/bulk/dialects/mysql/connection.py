"""Connections to MySQL and MariaDB: what each session fixes, and what the server's errors mean."""

import re
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TypeAlias, cast

import pymysql
from pymysql import connections
from pymysql.cursors import SSCursor

from ingestion.bulk.sources import DatabaseSource, Tls
from ingestion.errors import FrazilError, PermanentError, RetryableError, UsageError

Connection: TypeAlias = "connections.Connection[Any]"

# Text and dates must not depend on the server's settings; backslashes are letters, and what is stored may be read.
SETTINGS = {
    "time_zone": "'+00:00'",
    "sql_mode": "'ANSI_QUOTES,NO_BACKSLASH_ESCAPES,ALLOW_INVALID_DATES'",
    "net_write_timeout": "3600",  # a reader may be busy with the rows it has
    "net_read_timeout": "3600",
    "wait_timeout": "86400",
    "lock_wait_timeout": "10",
}
SESSION = "set " + ", ".join(f"session {name} = {value}" for name, value in SETTINGS.items())
LOCK_WAIT = 1205
_TOO_MANY, _SHUTTING_DOWN, _DEADLOCK, _LOST = 1040, 1053, 1213, (2006, 2013, 2055, 4031)
_REFUSED_USER, _NO_DATABASE, _NO_ACCESS, _NO_HOST = (1045, 1698), 1049, (1044, 1142, 1143, 1227), (2003, 2005)
_UNKNOWN_HOST = re.compile(r"\[Errno -\d+\]|getaddrinfo|not known")  # of the resolver, whose numbers are negative
_GONE = (1051, 1054, 1146)  # tables or columns that changed


def quoted(name: str) -> str:
    """An identifier as SQL has it, whatever characters are in it."""
    return "`" + name.replace("`", "``") + "`"


def literal(text: str) -> str:
    """A text as SQL has it, where backslashes are letters."""
    return "'" + text.replace("'", "''") + "'"


def relation(schema: str, name: str) -> str:
    """A table's full name as SQL has it."""
    return f"{quoted(schema)}.{quoted(name)}"


@contextmanager
def connected(source: DatabaseSource, *, again: bool = False) -> Iterator[Connection]:
    """An autocommit connection with the session's settings; closed at the end."""
    connection = connect(source, again=again)
    try:
        with told(source):
            yield connection
    finally:
        close(connection)


def connect(source: DatabaseSource, *, again: bool = False) -> Connection:
    """See `connected`; the caller closes. `again`: the server has been reached before, whatever it says may pass."""
    try:
        connection: Connection = pymysql.connect(
            host=source.host,
            port=source.effective_port,
            user=source.user,
            password=source.password.get_secret_value(),
            database=source.database,
            charset="utf8mb4",
            connect_timeout=source.connect_timeout,
            autocommit=True,
            ssl=_tls(source.tls),
        )
        rows(connection, SESSION)
    except (pymysql.Error, OSError) as error:
        raise _unreachable(source, error, again) from None
    return connection


def close(connection: Connection) -> None:
    """Safe to repeat."""
    if connection.open:
        connection.close()


def rows(connection: Connection, sql: str) -> list[tuple[Any, ...]]:
    """All rows of a statement, in Python's types."""
    with connection.cursor() as cursor:
        cursor.execute(sql)
        return list(cursor.fetchall())


@contextmanager
def streamed(connection: Connection, sql: str) -> Iterator[SSCursor]:
    """A cursor over the rows as the server sends them: every value text, or bytes where it has no character set."""
    decoders, connection.decoders = connection.decoders, {}
    cursor = connection.cursor(SSCursor)
    try:
        cursor.execute(sql)
        yield cursor
        cursor.close()
    except BaseException:
        cast(Any, connection)._force_close()  # a polite end would read all the rows that are left
        raise
    finally:
        connection.decoders = decoders


def _tls(tls: Tls) -> ssl.SSLContext | None:
    """None leaves it to the driver, which uses TLS where the server has it and compares no certificate."""
    if tls.mode in ("disable", "prefer"):
        return None
    context = ssl.create_default_context(cafile=str(tls.ca_file) if tls.ca_file else None)
    context.check_hostname = tls.mode == "verify_full"
    if tls.mode == "require":
        context.verify_mode = ssl.CERT_NONE
    if tls.certificate_file:
        context.load_cert_chain(tls.certificate_file, tls.key_file)
    return context


def code(error: BaseException) -> int:
    """The server's number of an error; 0 where there is none."""
    return error.args[0] if error.args and isinstance(error.args[0], int) else 0


def short(error: BaseException) -> str:
    """The message of an error without its number."""
    text = str(error.args[1]) if len(error.args) > 1 else str(error)
    return " ".join(text.split())[:300] or type(error).__name__


def _unreachable(source: DatabaseSource, error: Exception, again: bool) -> FrazilError:
    number, text = code(error), short(error)
    where = f"{source.name}: MySQL at {source.host}:{source.effective_port}"
    if number in _REFUSED_USER:
        return UsageError(f"{where} refuses user {source.user!r}; set the right user and password for it")
    if number == _NO_DATABASE:
        return UsageError(f"{where} has no database {source.database!r}; correct `database` in config/sources.yaml")
    if number in _NO_ACCESS:
        return UsageError(f"{where}: {text}; grant select on the database to {source.user!r}")
    if number in _NO_HOST and not again and _UNKNOWN_HOST.search(text):
        return UsageError(f"{source.name}: host {source.host!r} is unknown; correct `host` in config/sources.yaml")
    if number in _NO_HOST and not again:
        return RetryableError(f"{where} cannot be reached ({text}); is the server up, and are host and port right?")
    if number in _NO_HOST or number in (_TOO_MANY, _SHUTTING_DOWN) or number in _LOST or again:
        return RetryableError(f"{where} does not take a connection now: {text}")
    return UsageError(f"{where}: {text}")


@contextmanager
def told(source: DatabaseSource) -> Iterator[None]:
    """Turn the server's errors into ours; the class says whether another try can help."""
    try:
        yield
    except pymysql.err.InterfaceError as error:
        raise RetryableError(f"{source.name}: the connection was lost") from error
    except pymysql.Error as error:
        number, text = code(error), short(error)
        if number in _LOST or number in (_TOO_MANY, _SHUTTING_DOWN, LOCK_WAIT, _DEADLOCK):
            raise RetryableError(f"{source.name}: {text}") from error
        if number in _NO_ACCESS:
            raise UsageError(f"{source.name}: {text}; grant it to user {source.user!r}") from error
        if number in _GONE:
            raise PermanentError(f"{source.name}: {text}; the table changed since it was found") from error
        raise PermanentError(f"{source.name}: {text}") from error
    except OSError as error:
        raise RetryableError(f"{source.name}: the connection was lost ({error})") from error
