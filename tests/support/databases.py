"""The session's real database servers: programs of the set-up, data of their own."""

import os
import shutil
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from typing import Any

import psutil
import psycopg
from psycopg import sql
from pymysql.connections import Connection

from ingestion.settings import Settings
from ingestion.stack import Facts, Places, Server, part_names
from ingestion.stack.connect import connect_mariadb, connect_postgres
from ingestion.stack.shop.load import ensure_shop
from tests.support.spark import INSTALLED

_PREFIX = "frazil-test-"
_numbers = count(1)


def installed_places() -> Places:
    """Where the set-up's programs are: fetched and unpacked once for all test runs."""
    return Places.of(Settings(home=INSTALLED))


@contextmanager
def temporary_state() -> Iterator[Path]:
    """A folder that servers started by root can enter, unlike pytest's own; removed at the end.

    Named after this process: what a killed run left behind is ended and removed by the next one.
    """
    _sweep()
    folder = Path(tempfile.mkdtemp(prefix=f"{_PREFIX}{os.getpid()}-"))
    folder.chmod(0o755)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@dataclass(frozen=True)
class TestServer(ABC):
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

    @abstractmethod
    def connect(self, database: str = ...) -> Any:
        """Autocommit, so that the caller says where a transaction begins."""

    @abstractmethod
    def database(self) -> Facts:
        """An empty one, with a name no other test of the session has."""

    def shop(self, scale: float = 0.002, seed: int = 1) -> Facts:
        """A generated shop of its own; 0.002 is 2,000 rows and a third of a second."""
        return ensure_shop([self.facts], scale, seed, name=f"shop_{next(_numbers)}")[0]


class TestPostgres(TestServer):
    def connect(self, database: str = "postgres") -> psycopg.Connection:
        return connect_postgres(self.facts.of(database))

    def database(self) -> Facts:
        name = f"test_{next(_numbers)}"
        with self.connect() as connection:
            connection.execute(sql.SQL("create database {}").format(sql.Identifier(name)))
        return self.facts.of(name)


class TestMariaDb(TestServer):
    def connect(self, database: str = "mysql") -> "Connection":
        return connect_mariadb(self.facts.of(database))

    def database(self) -> Facts:
        name = f"test_{next(_numbers)}"
        with self.connect() as connection, connection.cursor() as cursor:
            cursor.execute(f"create database {name}")
        return self.facts.of(name)


def _sweep() -> None:
    for folder in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*-*"):
        owner = folder.name.removeprefix(_PREFIX).split("-")[0]
        if owner.isdigit() and not psutil.pid_exists(int(owner)):
            for name in part_names():
                server_in(folder, name).remove()
            shutil.rmtree(folder, ignore_errors=True)


def server_in(state: Path, name: str, port: int = 0) -> Server:
    """A server of the set-up's programs with its data below `state`."""
    return Server(name, replace(installed_places(), state=state), port, durable=False)


@contextmanager
def running(name: str) -> Iterator[Server]:
    """A server with fresh data for as long as the block lasts."""
    with temporary_state() as state:
        server = server_in(state, name)
        server.up()
        try:
            yield server
        finally:
            server.remove()
