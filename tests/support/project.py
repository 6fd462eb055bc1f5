"""A copy of the project whose code a test may change; the processes of a test run from it."""

import os
import shutil
from pathlib import Path

from ingestion.settings import PROJECT_ROOT

PARTS = ("config", "ingestion", "macros", "models", "orchestration", "profiles", "requirements", "seeds", "snapshots")
FILES = ("dbt_project.yml", "ivy.xml", "pyproject.toml")
# Two branches that meet in one mart: enough to see what a failure blocks, in a fraction of the time.
SMALL = {
    *("stg_shopify_orders", "stg_shopify_refunds", "stg_stripe_charges"),
    *("order_summary", "payment_metrics", "sales_dashboard_daily"),
}
SMALL_TESTS = ("order_summary", "payment_metrics", "sales_dashboard")


def copy_of_the_project(folder: Path) -> Path:
    """Everything a run needs, below `folder`; put it first on PYTHONPATH."""
    for part in (*PARTS, "tests/dbt"):
        shutil.copytree(PROJECT_ROOT / part, folder / part, ignore=shutil.ignore_patterns("__pycache__"))
    for name in FILES:
        shutil.copy(PROJECT_ROOT / name, folder)
    return folder


def small_copy_of_the_project(folder: Path) -> Path:
    """The same with the six models of SMALL, as they are."""
    copy_of_the_project(folder)
    shutil.rmtree(folder / "snapshots")
    (folder / "models/exposures.yml").unlink()
    for path in (folder / "models").rglob("*.*"):
        if path.stem not in (*SMALL, "_sources", "groups"):
            path.unlink()
    for path in (folder / "tests/dbt").iterdir():
        if not path.stem.startswith(tuple(f"assert_{name}" for name in SMALL_TESTS)):
            path.unlink()
    return folder


def clean_environment() -> dict[str, str]:
    """This process's variables without those of its own Airflow."""
    return {name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW_")}
