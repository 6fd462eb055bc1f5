"""A scaffolded source in a copy of the project: its files keep the project's rules and the shared suites cover it."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from ingestion.settings import PROJECT_ROOT
from tests.support.spark import INSTALLED

PARTS = ("ingestion", "config", "models", "macros", "seeds", "snapshots", "profiles", "tests", "requirements", "docs")
FILES = ("dbt_project.yml", "pyproject.toml", "ivy.xml", ".sqlfluff")
CONFORMANCE = "tests/integration/webhooks/test_conformance.py"
PROGRAM = "from ingestion.cli import main; main()"
PARCEL = {
    "type": "parcel.delivered",
    "timestamp": "2026-02-03T10:00:00Z",
    "data": {
        "id": "par_1",
        "order": 3,
        "customer": {"id": "c1", "email": "ann@example.com"},
        "shippingPrice": "12.50",
        "insured": True,
        "stops": ["Duluth", "Albany"],
        "delivered_at": "2026-02-03T09:59:58+01:00",
    },
}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the checkout in which `frazil scaffold` has written a source."""
    root = tmp_path_factory.mktemp("project")
    for part in PARTS:
        ignored = shutil.ignore_patterns("__pycache__", "site", "*.pyc")
        shutil.copytree(PROJECT_ROOT / part, root / part, ignore=ignored)
    for name in FILES:
        shutil.copy(PROJECT_ROOT / name, root / name)
    (root / "profiles.yml").symlink_to("profiles/profiles.yml")
    (root / "event.json").write_text(json.dumps(PARCEL))
    run(root, [sys.executable, "-c", PROGRAM, "scaffold", "webhook", "parcels", "--example", "event.json"])
    return root


def run(root: Path, words: Sequence[str], **environment: str) -> str:
    """Run in the copy, with the copy's code; fails with what was printed."""
    variables = {**os.environ, "FRAZIL_HOME": str(INSTALLED), "PYTHONPATH": str(root), **environment}
    done = subprocess.run(words, cwd=root, env=variables, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    return done.stdout


def pytest_in(root: Path, *words: str) -> str:
    return run(root, [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *words])


def test_the_files_are_written_into_the_project_that_runs_the_command(project: Path) -> None:
    assert (project / "config/webhooks/parcels.yaml").exists()
    assert not (PROJECT_ROOT / "config/webhooks/parcels.yaml").exists()


def test_the_model_passes_the_linter_for_both_engines(project: Path) -> None:
    linter = str(Path(sys.executable).with_name("sqlfluff"))

    for dialect in ("sparksql", "trino"):
        run(project, [linter, "lint", "--disable-progress-bar", "--dialect", dialect, "models/staging/parcels"])


def test_the_models_keep_the_projects_rules(project: Path) -> None:
    shown = pytest_in(project, "tests/unit/test_manifest.py")

    assert " passed" in shown


@pytest.mark.spark
def test_the_model_builds_and_its_tests_pass(project: Path, tmp_path: Path) -> None:
    (tmp_path / "jars").symlink_to(INSTALLED / "jars")
    home = {"FRAZIL_HOME": str(tmp_path), "FRAZIL_CONFIG_DIR": str(project / "config")}
    run(project, [sys.executable, "-c", PROGRAM, "setup"], **home)

    dbt = str(Path(sys.executable).with_name("dbt"))
    shown = run(project, [dbt, "build", "--select", "stg_parcels_parcels"], **home)

    assert "PASS stg_parcels_parcels::the_latest_event_of_each_parcels_parcel_counts" in shown
    assert " ERROR=0 " in shown


def test_the_conformance_suite_covers_the_new_source_at_once(project: Path) -> None:
    shown = pytest_in(project, CONFORMANCE, "-k", "parcels", "-rA")

    assert shown.count("PASSED") > 3
    assert all("parcels" in line for line in shown.splitlines() if line.startswith("PASSED"))
