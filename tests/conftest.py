"""Fixtures every test may use: a home of its own, its catalog, and a session of the process's one Spark for it."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from pyiceberg.catalog import Catalog
from pyspark.sql import SparkSession

from ingestion.settings import Settings
from ingestion.stack import Server
from tests.support.bus import TestBus, running_bus
from tests.support.databases import TestMariaDb, TestPostgres, running
from tests.support.spark import link_jars, session_for

# Servers that live for some minutes pay for the optimising compiler and get nothing back; benchmarks do not come here.
os.environ.setdefault("FRAZIL_STACK_JAVA_OPTIONS", '["-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC"]')


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty state folder of this test alone, which child processes see too."""
    link_jars(tmp_path / "home")
    monkeypatch.setenv("FRAZIL_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def settings(home: Path) -> Settings:
    """Settings whose state is `home`."""
    return Settings(home=home)


@pytest.fixture
def catalog(settings: Settings) -> Iterator[Catalog]:
    """The real catalog below `home`: SQLite and files."""
    from ingestion.lake.catalog import open_catalog

    lake = open_catalog(settings)
    yield lake
    lake.close()


@pytest.fixture
def spark(settings: Settings) -> SparkSession:
    """Spark on the lake below `home`; dbt run in this process uses the same session."""
    return session_for(settings)


@pytest.fixture(scope="session")
def postgres() -> Iterator[TestPostgres]:
    """The session's PostgreSQL, started at its first use; `postgres.database()` is an empty one for one test."""
    with running("postgres") as server:
        yield TestPostgres(server.facts(), server)


@pytest.fixture(scope="session")
def mariadb() -> Iterator[TestMariaDb]:
    """The session's MariaDB, started at its first use; `mariadb.database()` is an empty one for one test."""
    with running("mariadb") as server:
        yield TestMariaDb(server.facts(), server)


@pytest.fixture(scope="session")
def bus() -> Iterator[TestBus]:
    """The session's Kafka and Kafka Connect, started at their first use; `bus.name()` is a source no other test has."""
    with running_bus() as servers:
        yield servers


@pytest.fixture(scope="session")
def broker() -> Iterator[Server]:
    """A Kafka of its own, without Connect, started at its first use; may be killed by a test that starts it again."""
    with running("kafka") as server:
        yield server
