"""`make docs`: docs/reference from the code, and the dbt documentation with its lineage graph as one static file."""

import os
import shutil
import sys

import click

from ingestion.errors import PermanentError
from ingestion.settings import PROJECT_ROOT, Settings

SITE = PROJECT_ROOT / "docs" / "site" / "index.html"


def write_site(settings: Settings) -> None:
    """Describe the lake of `settings` as it is now; models not built yet appear without column types."""
    from dbt.cli.main import dbtRunner

    from ingestion.build.dbt import Dbt
    from ingestion.build.reference import write_pages
    from ingestion.runtime.spark import export_environment

    write_pages(Dbt(settings).manifest)
    export_environment(settings)
    target = settings.home_dir / "dbt" / "docs"
    words = ["docs", "generate", "--static", "--quiet", "--project-dir", str(PROJECT_ROOT)]
    done = dbtRunner().invoke([*words, "--target-path", str(target), "--log-path", str(target / "logs")])
    if not done.success:
        raise PermanentError(f"dbt docs could not be written: {done.exception}; see {target / 'logs'}")
    SITE.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(target / "static_index.html", SITE)
    click.echo(f"{SITE} ({SITE.stat().st_size // 1024} KiB): open it in a browser, the lineage graph is bottom right")


if __name__ == "__main__":
    os.chdir(PROJECT_ROOT)
    try:
        write_site(Settings())
    except PermanentError as error:
        sys.exit(str(error))
