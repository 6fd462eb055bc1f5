"""A copy of the project without its models: for models that a test has written."""

import shutil
from pathlib import Path

import pytest

from ingestion.settings import PROJECT_ROOT


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Macros, profiles and what is declared of the sidecars' tables."""
    root = tmp_path / "project"
    for part in ("macros", "profiles"):
        shutil.copytree(PROJECT_ROOT / part, root / part)
    (root / "models" / "metadata").mkdir(parents=True)
    shutil.copy(PROJECT_ROOT / "models" / "metadata" / "_sources.yml", root / "models" / "metadata")
    shutil.copy(PROJECT_ROOT / "dbt_project.yml", root)
    (root / "profiles.yml").symlink_to("profiles/profiles.yml")
    return root
