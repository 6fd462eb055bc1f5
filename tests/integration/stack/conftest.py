from collections.abc import Iterator
from pathlib import Path

import pytest

from ingestion.stack import Server, part_names
from tests.support.databases import TestMariaDb, TestPostgres, TestServer, server_in, temporary_state


@pytest.fixture
def state() -> Iterator[Path]:
    """A folder that a server started by root can enter; whatever still runs in it is ended."""
    with temporary_state() as folder:
        yield folder
        for name in part_names():
            server_in(folder, name).remove()


@pytest.fixture(params=["mariadb", "postgres"])
def stopped(request: pytest.FixtureRequest, state: Path) -> Server:
    """Each database server, never started."""
    return server_in(state, request.param)


@pytest.fixture
def started(stopped: Server) -> Server:
    """Each database server, running with data of its own."""
    stopped.up()
    return stopped


@pytest.fixture(params=["postgres", "mariadb"])
def database_server(request: pytest.FixtureRequest) -> TestServer:
    """Each of the session's database servers."""
    found: TestPostgres | TestMariaDb = request.getfixturevalue(request.param)
    return found
