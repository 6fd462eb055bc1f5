"""`dbt source freshness`, as a dictionary."""

import logging

from ingestion.errors import PermanentError
from ingestion.runtime.spark import export_environment
from ingestion.settings import PROJECT_ROOT, Settings

log = logging.getLogger(__name__)

UNREADABLE = "unreadable"


def read_freshness(settings: Settings) -> dict[str, str]:
    """`raw` table to `pass`, `warn`, `error` or UNREADABLE, of every source table that has a freshness rule.

    Tables without rows are left out: dbt takes them for loaded in the year 1, and nobody may ever have sent to them.
    Why one is unreadable is logged. Raises PermanentError with dbt's words when it could not look.
    """
    from dbt.artifacts.schemas.freshness import FreshnessResult, SourceFreshnessResult
    from dbt.artifacts.schemas.results import FreshnessStatus
    from dbt.cli.main import dbtRunner

    export_environment(settings)
    target = settings.home_dir / "airflow" / "freshness"
    words = ["source", "freshness", "--quiet", "--project-dir", str(PROJECT_ROOT)]
    words += ["--target-path", str(target), "--log-path", str(target / "logs")]
    done = dbtRunner().invoke(words)
    if not isinstance(done.result, FreshnessResult):
        raise PermanentError(f"dbt source freshness could not run: {done.exception}")
    found: dict[str, str] = {}
    for one in done.result.results:  # the file that dbt writes has not those that it could not read
        if one.status == FreshnessStatus.RuntimeErr:
            log.error("raw.%s cannot be read: %s", one.node.name, one.message)
            found[one.node.name] = UNREADABLE
        elif isinstance(one, SourceFreshnessResult) and one.max_loaded_at.year > 1:
            found[one.node.name] = str(one.status)
    return found
