"""Connections to PostgreSQL: what each session fixes, and what the server's errors mean."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from psycopg import errors

from ingestion.bulk.sources import DatabaseSource
from ingestion.errors import FrazilError, PermanentError, RetryableError, UsageError

Connection = psycopg.Connection[tuple[Any, ...]]

# What values look like as text must not depend on the server's, the database's or the user's settings.
# `row_security` off turns rows hidden by a policy into an error: nothing is left out silently.
SETTINGS = {
    "timezone": "UTC",
    "datestyle": "ISO, YMD",
    "intervalstyle": "iso_8601",
    "bytea_output": "hex",
    "extra_float_digits": "1",
    "search_path": "pg_catalog",
    "row_security": "off",
    "statement_timeout": "0",
    "lock_timeout": "30s",
    "idle_in_transaction_session_timeout": "0",
    "standard_conforming_strings": "on",
    "synchronize_seqscans": "off",
    "jit": "off",
}
SESSION = "; ".join(f"set {name} = '{value}'" for name, value in SETTINGS.items())
_PASSING = (
    errors.OperationalError,
    errors.SerializationFailure,
    errors.DeadlockDetected,
    errors.LockNotAvailable,
    errors.QueryCanceled,
)


def quoted(name: str) -> str:
    """An identifier as SQL has it, whatever characters are in it."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """A text as SQL has it, with standard_conforming_strings."""
    return "'" + text.replace("'", "''") + "'"


def relation(schema: str, name: str) -> str:
    """A table's full name as SQL has it."""
    return f"{quoted(schema)}.{quoted(name)}"


@contextmanager
def connected(source: DatabaseSource, *, again: bool = False) -> Iterator[Connection]:
    """An autocommit connection with the session's settings; closed at the end.

    `again`: the server has been reached before, so that whatever it says now may pass.
    """
    connection = connect(source, again=again)
    try:
        with told(source):
            yield connection
    finally:
        connection.close()


def connect(source: DatabaseSource, *, again: bool = False) -> Connection:
    """See `connected`; the caller closes."""
    try:
        connection: Connection = psycopg.connect(**_parameters(source), autocommit=True)  # type: ignore[arg-type]
        connection.execute(SESSION)
    except psycopg.Error as error:
        raise _unreachable(source, error, again) from None
    return connection


def _parameters(source: DatabaseSource) -> dict[str, object]:
    tls = source.tls
    parameters: dict[str, object] = {
        "host": source.host,
        "port": source.effective_port,
        "dbname": source.database,
        "user": source.user,
        "password": source.password.get_secret_value(),
        "connect_timeout": source.connect_timeout,
        "client_encoding": "UTF8",
        "application_name": "frazil",
        "sslmode": tls.mode.replace("_", "-"),
        "keepalives_idle": 30,
    }
    files = {"sslrootcert": tls.ca_file, "sslcert": tls.certificate_file, "sslkey": tls.key_file}
    return parameters | {name: str(path) for name, path in files.items() if path is not None}


def _unreachable(source: DatabaseSource, error: psycopg.Error, again: bool) -> FrazilError:
    text = short(error)
    where = f"{source.name}: PostgreSQL at {source.host}:{source.effective_port}"
    if "password authentication failed" in text or "no password supplied" in text:
        return UsageError(f"{where} refuses user {source.user!r}; set the right user and password for it")
    if "does not exist" in text and "database" in text:
        return UsageError(f"{where} has no database {source.database!r}; correct `database` in config/sources.yaml")
    if "does not exist" in text and "role" in text:
        return UsageError(f"{where} has no user {source.user!r}; correct `user` in config/sources.yaml")
    if "could not translate host name" in text or "failed to resolve host" in text:
        return UsageError(f"{source.name}: host {source.host!r} is unknown; correct `host` in config/sources.yaml")
    if "starting up" in text or "too many" in text or "remaining connection slots" in text or "timeout" in text:
        return RetryableError(f"{where} does not take a connection now: {text}")
    if "onnection refused" in text:
        return RetryableError(f"{where}: connection refused; is the server up, and are host and port right?")
    return RetryableError(f"{where}: {text}") if again else UsageError(f"{where}: {text}")


@contextmanager
def told(source: DatabaseSource) -> Iterator[None]:
    """Turn the server's errors into ours; the class says whether another try can help."""
    try:
        yield
    except errors.InsufficientPrivilege as error:
        raise UsageError(
            f"{source.name}: {short(error)}; grant user {source.user!r} select on the tables and usage on "
            "their schemas; a table with row-level security also needs the attribute bypassrls"
        ) from error
    except (errors.UndefinedTable, errors.UndefinedColumn) as error:
        raise PermanentError(f"{source.name}: {short(error)}; the table changed since it was found") from error
    except (errors.InvalidParameterValue, errors.UndefinedObject) as error:
        if "snapshot" in str(error):
            raise RetryableError(f"{source.name}: the exported snapshot is gone ({short(error)})") from error
        raise PermanentError(f"{source.name}: {short(error)}") from error
    except _PASSING as error:
        raise RetryableError(f"{source.name}: {short(error)}") from error
    except psycopg.Error as error:
        raise PermanentError(f"{source.name}: {short(error)}") from error


def short(error: BaseException) -> str:
    """The first line of an error, without the statement."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0][:300] if lines else type(error).__name__
