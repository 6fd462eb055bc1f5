"""The session's real database servers: programs of the set-up, data of their own."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path

import psycopg
import pymysql
from psycopg import sql
from pymysql.connections import Connection

from ingestion.settings import Settings
from ingestion.stack import Facts, Places, Server
from tests.support.spark import INSTALLED

_numbers = count(1)


def installed_places() -> Places:
    """Where the set-up's programs are: fetched and unpacked once for all test runs."""
    return Places.of(Settings(home=INSTALLED))


@contextmanager
def temporary_state() -> Iterator[Path]:
    """A folder that servers started by root can enter, unlike pytest's own; removed at the end."""
    folder = Path(tempfile.mkdtemp(prefix="frazil-test-"))
    folder.chmod(0o755)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@dataclass(frozen=True)
class TestServer:
    """A running server; `database()` makes an empty database that no other test uses."""

    __test__ = False
    facts: Facts
    server: Server

    @property
    def host(self) -> str:
        return self.facts.host

    @property
    def port(self) -> int:
        return self.facts.port

    @property
    def user(self) -> str:
        return self.facts.user

    @property
    def password(self) -> str:
        return self.facts.password

    def database(self) -> Facts:
        raise NotImplementedError


class TestPostgres(TestServer):
    def connect(self, database: str = "postgres") -> psycopg.Connection:
        """Autocommit, so that the caller says where a transaction begins."""
        facts = replace(self.facts, database=database)
        return psycopg.connect(
            host=facts.host, port=facts.port, user=facts.user, password=facts.password, dbname=database, autocommit=True
        )

    def database(self) -> Facts:
        name = f"test_{next(_numbers)}"
        with self.connect() as connection:
            connection.execute(sql.SQL("create database {}").format(sql.Identifier(name)))
        return replace(self.facts, database=name)


class TestMariaDb(TestServer):
    def connect(self, database: str = "mysql") -> "Connection":
        """Autocommit, so that the caller says where a transaction begins."""
        return pymysql.connect(
            host=self.host, port=self.port, user=self.user, password=self.password, database=database, autocommit=True
        )

    def database(self) -> Facts:
        name = f"test_{next(_numbers)}"
        with self.connect() as connection, connection.cursor() as cursor:
            cursor.execute(f"create database {name}")
        return replace(self.facts, database=name)


@contextmanager
def running(name: str) -> Iterator[Server]:
    """A server with fresh data for as long as the block lasts."""
    with temporary_state() as state:
        server = Server(name, replace(installed_places(), state=state))
        server.up()
        try:
            yield server
        finally:
            server.remove()
