"""Labs: a database of each server, with a lake of its own."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from pyiceberg.catalog import Catalog

from ingestion.cdc.handoff import drop_log
from ingestion.settings import Settings
from tests.integration.bulk.lab import Lab, lab_of
from tests.support.databases import TestMariaDb, TestPostgres


@pytest.fixture(params=["postgres", "mysql"])
def lab(
    request: pytest.FixtureRequest,
    settings: Settings,
    catalog: Catalog,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Lab]:
    """An empty database, on PostgreSQL and on MariaDB in turn."""
    server: TestPostgres | TestMariaDb = request.getfixturevalue(
        {"postgres": "postgres", "mysql": "mariadb"}[request.param]
    )
    monkeypatch.setenv("FRAZIL_CONFIG_DIR", str(tmp_path / "config"))
    with lab_of(request.param, server.database(), settings, catalog, tmp_path) as made:
        yield made


@pytest.fixture
def followed_lab(lab: Lab) -> Iterator[Lab]:
    """The same, of a source with `cdc` in its modes; what keeps its log is given up at the end."""
    lab.configure(modes=["bulk", "cdc"])
    yield lab
    drop_log(lab.source)


@pytest.fixture
def pg(
    postgres: TestPostgres, settings: Settings, catalog: Catalog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Lab]:
    """An empty database on PostgreSQL."""
    monkeypatch.setenv("FRAZIL_CONFIG_DIR", str(tmp_path / "config"))
    with lab_of("postgres", postgres.database(), settings, catalog, tmp_path) as made:
        yield made


@pytest.fixture
def mdb(
    mariadb: TestMariaDb, settings: Settings, catalog: Catalog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Lab]:
    """An empty database on MariaDB."""
    monkeypatch.setenv("FRAZIL_CONFIG_DIR", str(tmp_path / "config"))
    with lab_of("mysql", mariadb.database(), settings, catalog, tmp_path) as made:
        yield made
