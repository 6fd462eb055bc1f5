"""One server for all tests of a module."""

from collections.abc import Iterator

import pytest

from tests.support.webhook_server import Server, running_server


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Short deadlines and a small body limit, so that tests reach them soon; each module has its own."""
    with running_server(
        tmp_path_factory.mktemp("server") / "home",
        webhook_header_seconds=2,
        webhook_body_seconds=2,
        webhook_body_bytes=256 * 1024,
        webhook_samples_per_minute=3,
    ) as running:
        yield running
