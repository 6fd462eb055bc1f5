"""Airflow of this test run alone: its folder and its database. Only `.venv-airflow` can run these tests."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from ingestion.settings import Settings
from tests.support.spark import link_jars


@pytest.fixture(scope="session", autouse=True)
def airflow_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """The session's own state folder; Airflow reads its variables when it is imported, so this comes first."""
    from orchestration.include.environment import airflow_environment
    from orchestration.include.manifest import write_manifest

    settings = Settings(home=tmp_path_factory.mktemp("airflow") / "home")
    link_jars(settings.home_dir)
    with pytest.MonkeyPatch.context() as patch:
        for name, value in airflow_environment(settings).items():
            patch.setenv(name, value)
        write_manifest(settings)
        yield settings


@pytest.fixture(scope="session")
def dags_folder() -> Path:
    return Path(os.environ["AIRFLOW__CORE__DAGS_FOLDER"])
