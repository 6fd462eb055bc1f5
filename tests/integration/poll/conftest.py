"""Databases that are polled, with a lake per test."""

from collections.abc import Iterator

import pytest

from ingestion.settings import Settings
from tests.integration.poll.lab import PollLab
from tests.support.databases import TestMariaDb, TestPostgres


@pytest.fixture
def postgres_lab(postgres: TestPostgres, settings: Settings) -> Iterator[PollLab]:
    lab = PollLab(postgres, "postgres", settings)
    yield lab
    lab.close()


@pytest.fixture
def mariadb_lab(mariadb: TestMariaDb, settings: Settings) -> Iterator[PollLab]:
    lab = PollLab(mariadb, "mysql", settings)
    yield lab
    lab.close()


@pytest.fixture(params=["postgres", "mariadb"])
def lab(request: pytest.FixtureRequest) -> PollLab:
    """Once for each kind of database."""
    found: PollLab = request.getfixturevalue(f"{request.param}_lab")
    return found
