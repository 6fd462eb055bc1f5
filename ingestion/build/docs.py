"""`make docs`: docs/reference from the code, and the dbt documentation with its lineage graph as one static file."""

import os
import shutil
import sys
from pathlib import Path

import click

from ingestion.errors import PermanentError
from ingestion.settings import PROJECT_ROOT, Settings

SITE = PROJECT_ROOT / "docs" / "site" / "index.html"


def write_docs(settings: Settings) -> None:
    """The reference pages, and the site for the lake of `settings` as it is now."""
    from ingestion.build.dbt import Dbt
    from ingestion.build.reference import write_pages

    write_pages(Dbt(settings).manifest)
    page = generate_site(settings)
    SITE.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(page, SITE)
    click.echo(f"{SITE} ({SITE.stat().st_size // 1024} KiB): open it in a browser, the lineage graph is bottom right")


def generate_site(settings: Settings) -> Path:
    """Write dbt's site as one file below the state folder; models not built yet appear without column types."""
    from dbt.cli.main import dbtRunner

    from ingestion.runtime.spark import export_environment

    export_environment(settings)
    target = settings.home_dir / "dbt" / "docs"
    words = ["docs", "generate", "--static", "--quiet", "--project-dir", str(PROJECT_ROOT)]
    done = dbtRunner().invoke([*words, "--target-path", str(target), "--log-path", str(target / "logs")])
    if not done.success:
        raise PermanentError(f"dbt docs could not be written: {done.exception}; see {target / 'logs'}")
    return target / "static_index.html"


if __name__ == "__main__":
    os.chdir(PROJECT_ROOT)
    try:
        write_docs(Settings())
    except PermanentError as error:
        sys.exit(str(error))
