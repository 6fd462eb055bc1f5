"""Fixtures every test may use: a home of its own, and the one Spark session of the test process."""

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from pyiceberg.catalog import Catalog

from ingestion.settings import PROJECT_ROOT, Settings

# One lake per test process for all that goes through Spark: its session cannot be pointed at another one later.
_INSTALLED = Path(os.environ.get("FRAZIL_HOME", PROJECT_ROOT / ".frazil")).resolve()


@pytest.fixture(scope="session")
def spark_home() -> Iterator[Path]:
    """The home of the process's Spark session, with the jars of the set-up; removed at the end."""
    with tempfile.TemporaryDirectory(prefix="frazil-spark-") as folder:
        home = Path(folder).resolve()
        (home / "jars").symlink_to(_INSTALLED / "jars")
        yield home


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty state folder of this test alone, which child processes see too."""
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "jars").symlink_to(_INSTALLED / "jars")
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
    lake.close()  # type: ignore[attr-defined]
