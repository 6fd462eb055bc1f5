"""Connections to the stack's databases: autocommit, UTC, a short wait for the first answer."""

from typing import Any

import psycopg
import pymysql

from ingestion.stack.part import Facts

_SECONDS = 5


def connect_postgres(facts: Facts) -> "psycopg.Connection[tuple[Any, ...]]":
    """Raises psycopg.OperationalError while the server does not answer."""
    return psycopg.connect(
        host=facts.host,
        port=facts.port,
        user=facts.user,
        password=facts.password,
        dbname=facts.database,
        connect_timeout=_SECONDS,
        autocommit=True,
    )


def connect_mariadb(facts: Facts) -> "pymysql.Connection[pymysql.cursors.Cursor]":
    """Raises pymysql.err.OperationalError while the server does not answer; may send local files."""
    return pymysql.connect(
        host=facts.host,
        port=facts.port,
        user=facts.user,
        password=facts.password,
        database=facts.database,
        connect_timeout=_SECONDS,
        autocommit=True,
        charset="utf8mb4",
        local_infile=True,
    )
