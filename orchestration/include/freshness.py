"""`dbt source freshness`, as a dictionary."""

import json

from ingestion.errors import PermanentError
from ingestion.runtime.spark import export_environment
from ingestion.settings import PROJECT_ROOT, Settings


def read_freshness(settings: Settings) -> dict[str, str]:
    """`raw` table to `pass`, `warn` or `error`, of every source table that has a freshness rule and rows.

    Raises PermanentError with dbt's words when it could not look.
    """
    from dbt.cli.main import dbtRunner

    export_environment(settings)
    target = settings.home_dir / "airflow" / "freshness"
    output = target / "sources.json"
    output.unlink(missing_ok=True)
    words = ["source", "freshness", "--quiet", "--project-dir", str(PROJECT_ROOT), "--output", str(output)]
    done = dbtRunner().invoke([*words, "--target-path", str(target), "--log-path", str(target / "logs")])
    if not output.exists():
        raise PermanentError(f"dbt source freshness could not run: {done.exception}")
    results = json.loads(output.read_text(encoding="utf-8"))["results"]
    return {one["unique_id"].split(".")[-1]: one["status"] for one in results if one["status"] != "runtime error"}
